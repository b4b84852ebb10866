"""The narrow view of the home that a skill gets: look, ask for a change, say something.

Every change goes through the gate like anybody's. It does not know who implements it (`dobby.act`, `dobby.butler`).
"""

from collections.abc import Sequence
from typing import Protocol

from dobby.events import State, Value
from dobby.house.model import Device
from dobby.skill.driver import Vault


class Home(Protocol):
    """What a tool's `home` parameter offers."""

    vault: Vault

    @property
    def language(self) -> str:
        """The language of whoever asked (`en`, `de`)."""
        ...

    def find(self, name: str = "", *, kind: str = "", room: str = "") -> Sequence[Device]:
        """Devices by name, kind or room, as far as named."""
        ...

    def state(self, device: Device | str) -> State:
        """What a device is now."""
        ...

    async def set(self, device: Device | str, **wanted: Value) -> str:
        """Ask for traits to become so, through the gate; returns what became of it, in words."""
        ...

    async def do(self, device: Device | str, verb: str, **args: Value) -> str:
        """Ask for a verb, through the gate; returns what became of it, in words."""
        ...
