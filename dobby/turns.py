"""Taking in goes before working: what is begun takes turns, and waits a moment while texts are being taken in.

A text is small, and whoever brings it waits for its row; what it asks for is not, and its row waits. It knows neither.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 0.1  # seconds that a turn waits at most: a flood slows work down and never stops it


class Turns:
    """`await turns.turn()` where work begins; `with turns.coming()` while something is on its way to the disk."""

    def __init__(self) -> None:
        self._coming = 0
        self._none = asyncio.Event()
        self._none.set()
        self._one = asyncio.Lock()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Something is being taken in."""
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
            if self._coming:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self._none.wait()
