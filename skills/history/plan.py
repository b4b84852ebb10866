"""The house as a picture: its rooms, what stands in them, what is on at this moment, what is away.

Rooms are cards side by side, as nobody has told where the walls are. It does not know how it is drawn (`draw.py` does).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dobby import Device, Home, Picture, State, read

from .chart import missing, png
from .words import Words

UNSEEN = ("list", "scene", "script", "button", "weather", "calendar", "person")  # not things that stand in a room
SHOWN, NAMED, ROOMS = 7, 8, 24  # things in a room's card, names in the words, cards


@read(
    says=[
        "(show|send|draw|give) [me] [a|the|our] (floor plan|floorplan|plan|map|drawing) [of (the|our) (house|home)] [please]",
        "(show|send|draw) [me] [a|the] picture of (the|our) (house|home|rooms)",
        "(show|send|draw) [me] (what is|what s|everything that is) on [in the house] [as a picture|in a picture]",
        "what is on [in the house] (as a picture|in a picture)",
        "(zeig|zeige|schick|mal) [mir|uns] [mal] [den|einen|unseren] (grundriss|plan|hausplan) [vom haus|des hauses] [bitte]",
        "(zeig|zeige|schick|mal) [mir|uns] [mal] [das|unser|ein bild vom|ein bild von unserem] haus [bitte]",
        "(zeig|zeige|schick) [mir|uns] [mal] (was|alles was) [alles] [gerade] an ist [bitte]",
        "was ist [alles|gerade] an als bild",
    ]
)
async def plan(home: Home) -> str | Picture:
    """A picture of the rooms with what is on in them now; the words name what is on."""
    words = Words.of(home.manner)
    things = [one for one in home.find() if not one.part_of and one.kind not in UNSEEN]
    on = [one.name for one in things if is_on(one, home.state(one))]
    named = words.join([*on[:NAMED], *([words.say("plan_more", count=len(on) - NAMED)] if len(on) > NAMED else [])])
    text = words.say("plan_on", names=named) if on else words.say("plan_none")
    if missing():
        return f"{text} {words.say('install')}"
    return Picture(text, await png(drawn(home, things, words)))


def is_on(thing: Device, state: State) -> bool:
    """Whether it runs, plays, stands open or is unlocked."""
    if "playing" in thing.traits:
        return state.get("playing") == "playing"
    if thing.kind in ("cover", "valve"):
        return bool(state.get("position"))
    if thing.kind == "lock":
        return state.get("locked") is False
    return state.get("on") is True or state.get("state") in ("cleaning", "mowing") or state.get("triggered") is True


def drawn(home: Home, things: Sequence[Device], words: Words) -> Mapping[str, Any]:
    """What `draw.py` is asked for: floors with their rooms, in the order they were named; what has no room comes last."""
    floor_of, floors = {room.name: room.floor for room in home.rooms}, dict[str, list[Mapping[str, Any]]]()
    names = list(dict.fromkeys([*floor_of, *sorted(one.room for one in things if one.room), ""]))
    for name in names:
        those = [one for one in things if one.room == name]
        if those:
            row = _room(home, name or words.say("plan_elsewhere"), those, words)
            floors.setdefault(floor_of.get(name, ""), []).append(row)
    rest = words.say("plan_rest") if len(floors) > 1 else ""
    return {
        "kind": "plan",
        "zone": str(words.manner.zone),
        "title": words.say("plan_title"),
        "below": words.clock(words.local(words.manner.now)),
        "floors": [{"name": name or rest, "rooms": rooms[:ROOMS]} for name, rooms in floors.items()],
    }


def _room(home: Home, name: str, things: Sequence[Device], words: Words) -> Mapping[str, Any]:
    """One card: what is on comes first; a temperature stands beside the name."""
    warm = next((one for one in things if one.device_class == "temperature" and _is_number(home.state(one).get("value"))), None)
    note = words.quantity(float(home.state(warm)["value"]), warm.traits["value"].unit) if warm else ""  # type: ignore[arg-type]
    rows = [
        {"name": one.name, "on": is_on(one, home.state(one)), "state": _told(one, home.state(one)), "away": not home.state(one)}
        for one in things
        if one.kind != "sensor" or "on" in home.state(one)
    ]
    rows.sort(key=lambda row: not row["on"])
    more = words.say("plan_more", count=len(rows) - SHOWN) if len(rows) > SHOWN else ""
    return {"name": name, "note": note, "things": rows[:SHOWN], "more": more}


def _told(thing: Device, state: State) -> str:
    """The figure that says how much of it, where it is on."""
    if not is_on(thing, state):
        return ""
    for trait in ("brightness", "volume", "position", "speed"):
        value = state.get(trait)
        if _is_number(value):
            return f"{value:.0f} %"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
