"""The narrow view of the home that a skill gets: look, ask for a change, say something.

Every change goes through the gate like anybody's. It does not know who implements it (`dobby.act`, `dobby.butler`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Protocol

from dobby.events import State, Value
from dobby.house.model import Device, Room
from dobby.skill.driver import Vault


@dataclass(frozen=True, slots=True)
class Manner:
    """Who asks: the `speaker`'s name, their `language` ("en", "de"), `units` (`metric`, `us`); the house's `zone`, `now` in
    seconds since 1970."""

    language: str = "en"
    units: str = "metric"
    zone: tzinfo = UTC
    now: float = 0.0
    speaker: str = ""


class Home(Protocol):
    """What a tool's `home` parameter offers. `manner` is how whoever asked is spoken to."""

    vault: Vault
    manner: Manner

    @property
    def language(self) -> str:
        """The language of whoever asked (`en`, `de`)."""
        ...

    @property
    def rooms(self) -> Sequence[Room]:
        """The rooms that somebody described, with their floors, in the order they were named."""
        ...

    def find(self, name: str = "", *, kind: str = "", room: str = "") -> Sequence[Device]:
        """Devices by name, kind or room, as far as named."""
        ...

    def state(self, device: Device | str) -> State:
        """What a device is now."""
        ...

    def mean(self, device: Device | str) -> None:
        """From now on this device is what whoever asked calls "it"."""
        ...

    async def past(self, device: Device | str, trait: str, since: float, until: float) -> Sequence[tuple[float, Value]]:
        """What a trait was: when it became what, in seconds since 1970, oldest first; the last before `since` comes first."""
        ...

    async def gaps(self, device: Device | str, since: float, until: float) -> Sequence[tuple[float, float]]:
        """From when to when nothing can be known of a device: it was out of reach, or Dobby was not there."""
        ...

    async def set(self, device: Device | str, **wanted: Value) -> str:
        """Ask for traits to become so, through the gate; returns what became of it, in words."""
        ...

    async def do(self, device: Device | str, verb: str, **args: Value) -> str:
        """Ask for a verb, through the gate; returns what became of it, in words."""
        ...
