"""Calendars by link or file (ICS), as `dobby.toml` names them: bins, school, family. Only read.

`fetch.py` gets the text, `ics.py` reads it. It does not know the house; a link is a secret and is kept out of rows and logs.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from dobby import (
    Ask,
    Change,
    Device,
    Driver,
    Finding,
    Pool,
    Refused,
    Sign,
    State,
    Unreachable,
    Unsure,
    Value,
    Vault,
    polled,
    specs,
)

if TYPE_CHECKING:
    from .fetch import Reader

BEAT_SECONDS = 60.0  # between looks at the clock and at files; a link is asked every half hour
STALE_SECONDS = 7 * 86400.0  # what was read earlier is no calendar any more


class Calendars:
    """The calendars of `[skills.calendar.links]`. `now` gives seconds since 1970."""

    looks_for: Sequence[Sign] = (Sign("named", "calendar"),)
    library: Sequence[str] = ("aiohttp",)

    def __init__(self, beat: float = BEAT_SECONDS, now: Callable[[], float] = time.time, patience: float = 20.0) -> None:
        self.beat, self.now, self.patience = beat, now, patience
        self.settings: Mapping[str, Any] = {}
        self._reader: Reader | None = None
        self._pool = Pool("calendar", 1)
        self._told: dict[str, tuple[bytes, int, State]] = {}

    def _links(self) -> Mapping[str, str]:
        """Device id -> link, in the config's order."""
        links = self.settings.get("links", {})
        if not isinstance(links, Mapping) or not all(isinstance(link, str) and link.strip() for link in links.values()):
            raise Refused('[skills.calendar.links] is a table of names with a link or a path: Bins = "https://…".')
        return {_id(name): link.strip() for name, link in links.items()}

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """The names in the config; nobody is asked anything."""
        self._links()
        for name in self.settings.get("links", {}):
            yield Finding(Sign("named", "calendar"), name)

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """A calendar of the config as a device; it is there whether it can be read or not."""
        self._links()
        if finding.address not in self.settings.get("links", {}):
            raise Refused("There is no calendar of that name in [skills.calendar.links].")
        yield Device(_id(finding.address), "calendar", "calendar", finding.address[:60], traits=specs("calendar"))

    async def attach(self, device: Device) -> None:
        """Nothing to get ready."""

    async def read(self, device: Device) -> State:
        """What lies ahead: `entries`, and as `value` the title of what is on or comes next ("" for nothing).

        :raises Unreachable: it is no longer in the config, or could not be read for a week.
        """
        from .fetch import Reader

        link = self._links().get(device.id)
        if link is None:
            raise Unreachable(f"{device.name} is no longer in dobby.toml.")
        self._reader = self._reader or Reader(self.now, self.patience)
        try:
            text = await self._reader.look(link)
        except (Unreachable, Unsure, Refused):
            known = self._reader.known(link)
            if known is None or self.now() - known.at > STALE_SECONDS:
                raise
            text = known
        span = int(self.now() // 600)  # what is on changes as time goes by
        told = self._told.get(device.id)
        if told is None or told[0] is not text.body or told[1] != span:
            told = self._told[device.id] = (
                text.body,
                span,
                await self._pool.run(_state, text.body, self.now(), self.settings.get("zone")),
            )
        return told[2]

    async def set(self, device: Device, wanted: State) -> None:
        """It is only read."""
        raise Refused("I can only read this calendar.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """It is only read."""
        raise Refused("I can only read this calendar.")

    def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What changes as time goes by and calendars are written; that one cannot be read is said once."""
        return polled(self.read, devices, self.beat)

    async def aclose(self) -> None:
        """Let the connections and the thread go."""
        if self._reader is not None:
            await self._reader.aclose()
            self._reader = None
        self._pool.close()


def _state(body: bytes, now: float, zone: tzinfo | None) -> State:
    from .ics import entries, moment, parsed

    rows = entries(parsed(body), moment(now), zone)
    first = rows[0] if rows else {}
    return {"value": str(first.get("title", "")) if isinstance(first, dict) else "", "entries": rows}


def _id(name: str) -> str:
    """A calendar is the one that the config calls so, whatever its link is by now."""
    return f"calendar.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Calendars()
