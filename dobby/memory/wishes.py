"""Standing wishes: what is never to be done, always, at some hours, or when nobody is home; whether one stands against a call.

It does not understand words, and it judges nobody (`butler.judging` does): what could not be understood as calls binds nothing,
and the person was told so.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dobby.events import Call
from dobby.house.registry import House
from dobby.people import within

Wish = Mapping[str, Any]
"""`{"calls": [...], "hours": "22:00-06:00", "nobody": whether only when nobody is home}` or `{"room": name, "hours": …}`."""
LOUD: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "speaker": {"on": (True,), "playing": ("playing",), "verb": ("play", "announce", "next", "previous")},
    "tv": {"on": (True,), "playing": ("playing",), "verb": ("play", "announce")},
    "siren": {"on": (True,)},
    "vacuum": {"state": ("cleaning",), "verb": ("clean",)},
}


def keep(db: sqlite3.Connection, note: int, wish: Wish) -> None:
    """What a note wants never to be done."""
    db.execute("INSERT OR REPLACE INTO wish (note, body) VALUES (?, ?)", (note, json.dumps(wish, ensure_ascii=False)))


def standing(db: sqlite3.Connection) -> list[Wish]:
    """All that stand."""
    return [json.loads(body) for (body,) in db.execute("SELECT body FROM wish ORDER BY note")]


def forbids(wishes: Iterable[Wish], call: Call, house: House, now: datetime) -> bool:
    """Whether one of them stands against a call now (of the house's clock)."""
    return any(_meets(wish, call, house) and _holds(wish, house, now) for wish in wishes)


def _meets(wish: Wish, call: Call, house: House) -> bool:
    if wish.get("room"):
        device = house.get(call.device)
        loud = LOUD.get(device.kind, {}) if device and device.room == wish["room"] else {}
        return any(value in loud.get(trait, ()) for trait, value in call.args.items()) or ("volume" in call.args and bool(loud))
    done = _comes_to(call.args)
    same = [_comes_to(one["args"]) for one in wish["calls"] if one["device"] == call.device]
    return any(all(done.get(trait) == value for trait, value in never.items()) for never in same)


def _comes_to(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a call does, however it was put: to play is to be playing, to be dimmed is to be on."""
    if args.get("verb") == "play":
        args = {"playing": "playing", **{key: value for key, value in args.items() if key == "what"}}
    return {"on": True, **args} if args.get("brightness") else dict(args)


def _holds(wish: Wish, house: House, now: datetime) -> bool:
    """Whether it is the time for it; where nobody can tell who is home, it is."""
    homes = [house.state.of(device.id).get("home") for device in house if device.kind == "person"]
    away = not wish.get("nobody") or "home" not in homes
    return away and (not wish.get("hours") or within(str(wish["hours"]), now.hour * 60 + now.minute))
