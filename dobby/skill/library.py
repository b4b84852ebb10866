"""Brings in libraries beside the loop, one after the other, so that whoever has his can work meanwhile.

It does not know what they are for. One that is not installed is left to whoever needs it: he has the words for that.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module


class Libraries:
    """First come, first served: several at once would each take as long as all of them."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def bring(self, modules: Sequence[str]) -> None:
        """Import these, waiting for those who came before."""
        missing = [name for name in modules if name not in sys.modules]
        if missing:
            async with self._turn:
                await asyncio.to_thread(_import, missing)


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with suppress(ImportError):
            import_module(name)
