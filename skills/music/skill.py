"""Radio stations by name: a shelf of music for every player in the house, shipped and the owner's own.

It does not know whether a station is on the air, nor who plays it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dobby import Hit, Piece, Shelf, read


class Stations:
    """The stations of `stations.toml` and of `[skills.music.stations]`; the owner's replace shipped ones of their name."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        stations = {row["name"].casefold(): _station(**row) for row in _shipped()}
        for name, row in own.items():
            fields = {"url": row} if isinstance(row, str) else row
            stations[name.casefold()] = _station(name=name, **fields)
        self._stations = tuple(stations.values())

    async def look_up(self, what: str) -> Sequence[Hit]:
        """All of them: they are few, and whoever asks compares the names."""
        return self._stations

    async def names(self) -> Sequence[str]:
        """What they are called."""
        return [hit.name for hit in self._stations]


def _shipped() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = tomllib.loads(Path(__file__).with_name("stations.toml").read_text("utf-8"))["station"]
    return rows


def _station(name: str, url: str, more: str = "") -> Hit:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the station “{name}” needs an address that begins with http:// or https://")
    return Hit(name, "station", (Piece(url, name),), more)


def shelf(settings: Mapping[str, Any]) -> Shelf:
    """What Dobby's loader asks for: the skill's table in `dobby.toml` -> its music.

    :raises ValueError, TypeError: a station in it is not a name with an address.
    """
    return Stations(settings.get("stations", {}))


@read(says=("[what|which] [radio] stations (are there|do you know|can you play)", "(list|show me) [the|all] radio stations"))
async def stations() -> str:
    """The radio stations that come with Dobby; those of dobby.toml can be played too. Any speaker can play one by name."""
    return f"I know these stations: {', '.join(row['name'] for row in _shipped())}; and those in dobby.toml."
