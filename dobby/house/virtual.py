"""Devices that are not there: they settle at once and do what was asked, for `dobby try` and for tests.

It does not know the house or whether something may be done; it is the hands only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TypeAlias

from dobby.errors import Refused
from dobby.events import Change, State, Value
from dobby.house.kinds import coupled
from dobby.house.model import Device
from dobby.skill.driver import Ask, Finding, Sign, Vault

Row: TypeAlias = dict[str, Value]


class Virtual:
    """A driver whose devices are rows in memory; `states` is what they are at first."""

    looks_for: Sequence[Sign] = ()

    def __init__(self, states: Mapping[str, State] | None = None) -> None:
        self._rows: dict[str, Row] = {}
        self._news: asyncio.Queue[Change] = asyncio.Queue()
        self.reset(states or {})

    def reset(self, states: Mapping[str, State]) -> None:
        """Start over from these states."""
        self._rows = {device: dict(state) for device, state in states.items()}

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """There is nothing to find."""
        found: tuple[Device, ...] = ()
        for device in found:
            yield device

    async def attach(self, device: Device) -> None:
        """Always there."""
        self._rows.setdefault(device.id, {})

    async def read(self, device: Device) -> State:
        """The row as it is."""
        return dict(self._rows.get(device.id, {}))

    async def set(self, device: Device, wanted: State) -> None:
        """The row becomes what is wanted, at once."""
        row = self._rows.setdefault(device.id, {})
        row.update(coupled(device.kind, wanted, row))
        self._tell(device, row)

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """The row becomes what the verb would make of it."""
        deed = _DEEDS.get(verb)
        if deed is None or verb not in device.verbs:
            raise Refused(f"{device.name} cannot {verb}.")
        row = self._rows.setdefault(device.id, {})
        row.update(coupled(device.kind, deed(row, args), row))
        self._tell(device, row)

    def _tell(self, device: Device, row: Row) -> None:
        self._news.put_nowait(Change(device.id, dict(row), True))

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Every row that was set, as it became."""
        while True:
            yield await self._news.get()

    async def aclose(self) -> None:
        """Nothing to let go of."""


def _play(row: Row, args: Row) -> Row:
    out: Row = {"playing": "playing", "muted": False} if row.get("muted") else {"playing": "playing"}
    if args.get("what"):
        out["title"] = args["what"]
    if args.get("source"):
        out["source"] = args["source"]
    return out


def _track(step: int) -> Callable[[Row, Row], Row]:
    def move(row: Row, args: Row) -> Row:
        track = row.get("track")
        out: Row = {"playing": "playing"}
        if isinstance(track, int | float):
            out["track"] = max(1, int(track) + step)
        return out

    return move


def _clean(row: Row, args: Row) -> Row:
    return {"state": "cleaning"}


def _halt(row: Row, args: Row) -> Row:
    return {"moving": False}


def _nothing(row: Row, args: Row) -> Row:
    return {}


def _added(row: Row, args: Row) -> Row:
    """A list tells its items, its count or both, as it was written down; one that told nothing counts."""
    items, count = row.get("items"), row.get("count")
    out: Row = {}
    if isinstance(items, list):
        out["items"] = [*items, args.get("item")]
    if isinstance(count, int) or not out:
        out["count"] = (count if isinstance(count, int) else 0) + 1
    return out


def _taken(row: Row, args: Row) -> Row:
    items, count = row.get("items"), row.get("count")
    gone = str(args.get("item", "")).casefold()
    if not isinstance(items, list):
        raise Refused("The list doesn't say what is on it.")
    last = next((at for at in reversed(range(len(items))) if str(items[at]).casefold() == gone), None)
    if last is None:
        raise Refused(f"{args.get('item')} is not on the list.")
    left = [*items[:last], *items[last + 1 :]]
    return {"items": left, "count": len(left)} if isinstance(count, int) else {"items": left}


_DEEDS: dict[str, Callable[[Row, Row], Row]] = {
    "play": _play,
    "next": _track(1),
    "previous": _track(-1),
    "announce": _nothing,
    "press": _nothing,
    "run": _nothing,
    "blink": _nothing,
    "snapshot": _nothing,
    "clean": _clean,
    "stop": _halt,
    "add": _added,
    "complete": _taken,
    "remove": _taken,
}
