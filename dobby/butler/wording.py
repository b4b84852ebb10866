"""What is made or changed by words alone: a list of our own, a phrase that stands for others, a nickname.

Rows, kept in the same commit that says so; `settle` lets the living house know them. It does not understand the words.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.errors import IllegalMove
from dobby.events import Call, Change, EffectState
from dobby.house import lists
from dobby.journal import household
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import LIST, TEACH

TOOLS = (LIST, TEACH)


def carry(db: sqlite3.Connection, desk: Desk, effect: EffectRow) -> Ending:
    """Keep what the effect says; within the writer's thread, so the house is only looked at.

    :raises IllegalMove: it is not as it was when this was asked for.
    """
    return _list(db, desk, effect.call.args)


def _list(db: sqlite3.Connection, desk: Desk, args: Mapping[str, Any]) -> Ending:
    device = lists.make_list(args["name"])
    known = desk.house.get(device.id)
    if (known is None) is ("drop" in args) or (known and known.driver != lists.OWN):
        raise IllegalMove(f"The list {device.id} is not as it was.")
    if "drop" in args and lists.items_of(db, device.id)["items"] != args["items"]:
        raise IllegalMove(f"More has been written on {device.id} since.")
    if "drop" in args:
        household.drop_device(db, device.id)
        db.execute("DELETE FROM entry WHERE list = ?", (device.id,))
    else:
        household.keep_device(db, device)
        lists.write(db, device.id, args["items"], desk.clock.now())
    return Ending(EffectState.DONE)


def back(effect: EffectRow) -> Call:
    """What takes it back."""
    args: dict[str, Any] = {key: value for key, value in effect.call.args.items() if key != "drop"}
    return Call(LIST, "", args | ({"to": "begun"} if "drop" in effect.call.args else {"drop": True, "to": "dropped"}))


def settle(desk: Desk, effects: Iterable[EffectRow]) -> None:
    """The rows are kept: from now on the house knows the list, the name, the phrase."""
    for effect in effects:
        if effect.state is EffectState.DONE and effect.call.tool == LIST:
            args: Mapping[str, Any] = effect.call.args
            device = lists.make_list(args["name"])
            if "drop" in args:
                desk.house.remove(device.id)
            else:
                desk.house.add(device)
                desk.house.state.hear(Change(device.id, {"items": args["items"], "count": len(args["items"])}, available=True))
