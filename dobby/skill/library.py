"""Brings in libraries beside the loop, one after the other, so that whoever has his can work meanwhile.

It does not know what they are for. One that is not installed is left to whoever needs it: he has the words for that.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module


class Libraries:
    """First come, first served: several at once would each take as long as all of them."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._there: set[str] = set()  # `sys.modules` names one from its first line on

    async def bring(self, modules: Sequence[str]) -> None:
        """Import these, waiting for those who came before."""
        if not self._there.issuperset(modules):
            async with self._turn:
                if missing := [name for name in modules if name not in self._there]:
                    await asyncio.to_thread(_import, missing)
                    self._there.update(missing)


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with suppress(ImportError):
            import_module(name)
