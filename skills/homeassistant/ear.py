"""Somebody who listens: what changed waits here until it is taken.

It does not know where news comes from.
"""

import asyncio
from collections import deque

from dobby import Change, State

MOST_WAITING = 20_000  # changes nobody took


class Ear:
    """Somebody who listens: changes wait here in order; whether a device is there is said only when it turns."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=MOST_WAITING)
        self._shown: dict[str, bool] = {}
        self._any = asyncio.Event()

    def tell(self, device: str, state: State, available: bool | None) -> None:
        """News about a device."""
        turned = available if available is not None and self._shown.get(device) is not available else None
        if turned is not None:
            self._shown[device] = turned
        if state or turned is not None:
            self._changes.append(Change(device, state, turned))
            self._any.set()

    async def next(self) -> Change:
        """The oldest news, waiting for some."""
        while not self._changes:
            self._any.clear()
            await self._any.wait()
        return self._changes.popleft()
