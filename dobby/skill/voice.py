"""Reading aloud: whoever makes a sound of a text, for every driver whose players play sounds.

It does not know how a text becomes a sound, nor who plays it.
"""

from typing import Protocol, runtime_checkable

from dobby.errors import Refused


@runtime_checkable
class Reader(Protocol):
    """Somebody who reads texts aloud."""

    async def clip(self, text: str, near: str) -> str:
        """The address at which a device at the host `near` finds the text as a sound.

        :raises Refused: nothing here can read aloud; says what is missing.
        """
        ...


class Voice:
    """The house's reader, whichever skill brings it; a driver with an attribute `voice` is given this."""

    def __init__(self, reader: Reader | None = None) -> None:
        self.reader = reader

    async def clip(self, text: str, near: str) -> str:
        """As a reader does."""
        if self.reader is None:
            raise Refused("There is nobody here who reads texts aloud: the skill speech is off.")
        return await self.reader.clip(text, near)
