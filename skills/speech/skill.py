"""Reads texts aloud: a text becomes a sound by an engine on this machine, and the sound an address that a player can fetch.

It does not know any player: drivers of players are handed it as their `voice`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dobby import Ask, Change, Device, Driver, Finding, Refused, Sign, State, Value, Vault

if TYPE_CHECKING:
    from .clips import Clips
    from .engine import Engine

LONGEST = 600  # characters read aloud


class Speech:
    """The one voice of the house; a family without devices, so that it lives and is reloaded like any other."""

    looks_for: Sequence[Sign] = ()

    def __init__(self) -> None:
        self.settings: Mapping[str, Any] = {}
        self._engine: Engine | None = None
        self._clips: Clips | None = None
        self._starting = asyncio.Lock()
        self._making: dict[str, asyncio.Task[bytes]] = {}  # one sound for all who are told the same at once

    async def clip(self, text: str, near: str) -> str:
        """Where a device at the host `near` finds this text as a WAV.

        :raises Refused: there is no engine, or nothing to say; says what is missing.
        """
        from .clips import Clips
        from .engine import engine

        words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        if not words or len(words) > LONGEST:
            raise Refused(f"A text read aloud has 1 to {LONGEST} characters.")
        async with self._starting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(engine, self.settings)
            reader = self._engine
        clips = self._clips = self._clips or Clips(int(self.settings.get("port", 0)))
        if (sound := clips.known(words)) is None:
            if words not in self._making:
                self._making[words] = asyncio.create_task(reader.sound(words))
                self._making[words].add_done_callback(lambda _: self._making.pop(words, None))
            sound = await asyncio.shield(self._making[words])
        return await clips.address(words, sound, near)

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """There is nothing to adopt."""
        for none in tuple[Device, ...]():
            yield none

    async def attach(self, device: Device) -> None:
        """There are no devices."""

    async def read(self, device: Device) -> State:
        """There are no devices."""
        raise Refused("Speech is no device.")

    async def set(self, device: Device, wanted: State) -> None:
        """There are no devices."""
        raise Refused("Speech is no device.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """There are no devices."""
        raise Refused("Speech is no device.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """There are no devices to hear."""
        for none in tuple[Change, ...]():
            yield none

    async def aclose(self) -> None:
        """Take the clips away, let the engine go."""
        for task in list(self._making.values()):
            task.cancel()
        if self._clips is not None:
            await self._clips.aclose()
        if self._engine is not None:
            self._engine.close()
        self._clips = self._engine = None


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Speech()
