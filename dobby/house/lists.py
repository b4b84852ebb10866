"""The household's own lists, kept as rows: for a house whose devices bring no list of their own.

A driver like any other, whose devices are lists. It does not know which words mean which list.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence

from dobby.clock import Clock
from dobby.errors import Refused
from dobby.events import Change, State, Value
from dobby.house.kinds import specs, verbs
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.skill.driver import Ask, Finding, Sign, Vault
from dobby.store import Store

OWN = "lists"  # the driver's name
SHOPPING = {"en": "Shopping List", "de": "Einkaufsliste"}
ALIASES = (*SHOPPING.values(), "Einkaufszettel", "grocery list")


def shopping(language: str, driver: str = OWN) -> Device:
    """The household's shopping list, called as it is in its language."""
    return make_list(SHOPPING.get(language, SHOPPING["en"]), driver)


def make_list(name: str, driver: str = OWN) -> Device:
    """A list of that name as a device; its class is what it is for, so that no other sort of list is taken for it."""
    usual = name in SHOPPING.values()
    what = "shopping" if usual else "_".join(name.casefold().split()).removesuffix("_list")
    aliases = tuple(other for other in ALIASES if other != name) if usual else ()
    return Device(
        f"list.{what}", driver, "list", name, device_class=what, aliases=aliases, traits=specs("list"), verbs=verbs("list")
    )


def needs_one(house: House) -> bool:
    """Nothing in this house is a list."""
    return not any(device.kind == "list" for device in house)


def write(db: sqlite3.Connection, device: str, items: Sequence[str], at: float) -> None:
    """Put items at the end of a list."""
    db.executemany("INSERT INTO entry (list, item, at) VALUES (?, ?, ?)", [(device, item, at) for item in items])


def strike(db: sqlite3.Connection, device: str, item: str) -> bool:
    """Take the last such item off; False where there is none."""
    sql = "DELETE FROM entry WHERE id = (SELECT max(id) FROM entry WHERE list = ? AND item = ?)"
    return db.execute(sql, (device, item)).rowcount == 1


def items_of(db: sqlite3.Connection, device: str) -> dict[str, Value]:
    """A list as it stands, in the order it was written."""
    items: list[Value] = [row[0] for row in db.execute("SELECT item FROM entry WHERE list = ? ORDER BY id", (device,))]
    return {"items": items, "count": len(items)}


class Lists:
    """The driver: what is read and done is a row of the journal."""

    looks_for: Sequence[Sign] = ()

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """There is nothing to find."""
        found: tuple[Device, ...] = ()
        for device in found:
            yield device

    async def attach(self, device: Device) -> None:
        """Always there."""

    async def read(self, device: Device) -> State:
        """The list as it stands."""
        return await self._store.read(lambda db: items_of(db, device.id))

    async def set(self, device: Device, wanted: State) -> None:
        """A list is written on and struck from, never set as a whole.

        :raises Refused: always.
        """
        raise Refused(f"{device.name} is written on item by item.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """Add an item, or take one off (`complete`, `remove`).

        :raises Refused: it is not on the list, or a list knows no such verb.
        """
        item, now = str(args.get("item", "")), self._clock.now()
        if verb == "add" and item:
            await self._store.write(lambda db: write(db, device.id, [item], now))
        elif verb in ("complete", "remove"):
            if not await self._store.write(lambda db: strike(db, device.id, item)):
                raise Refused(f"{item} is not on the list.")
        else:
            raise Refused(f"{device.name} cannot {verb}.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Nobody else writes on it: there is nothing to hear."""
        news: tuple[Change, ...] = ()
        for change in news:
            yield change

    async def aclose(self) -> None:
        """Nothing to let go of."""
