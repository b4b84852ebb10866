"""Taking in goes before working: what is begun takes turns, and waits a moment while texts are being taken in.

A text is small, and whoever brings it waits for its row; what it asks for is not, and its row waits. It knows neither.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE = 0.1  # seconds that a turn waits at most: a flood slows work down and never stops it
FLOOD = 0.05  # seconds between two texts; where they follow each other faster, the next one is as good as here


class Turns:
    """`await turns.turn()` where work begins; `with turns.coming()` while something is on its way to the disk."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._coming = 0
        self._last, self._gap = -FLOOD, FLOOD  # when the last one came, and how long after the one before
        self._none = asyncio.Event()
        self._none.set()
        self._one = asyncio.Lock()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Something is being taken in."""
        now = self._now()
        self._gap, self._last = now - self._last, now
        self._coming += 1
        self._none.clear()
        try:
            yield
        finally:
            self._coming -= 1
            if not self._coming:
                self._none.set()

    async def turn(self) -> None:
        """Wait for one's turn: one begins at a time, and between two of them the loop hears what has come."""
        async with self._one:  # the next one's wake-up is for the loop's next round
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._quiet()

    def _pause(self) -> float:
        """Seconds until the next one would have come; a text by itself is waited for by nobody."""
        return self._last + FLOOD - self._now() if self._gap < FLOOD else 0.0

    async def _quiet(self) -> None:
        await self._none.wait()
        while (pause := self._pause()) > 0:
            await asyncio.sleep(pause)
            await self._none.wait()
