"""Speakers that play together: "group the kitchen with the living room", "play the same everywhere", "ungroup the kitchen".

The one that plays keeps its music, else the first that is named leads. It does not know how a family groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dobby.events import Call, Value
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plan import Choice, Plan

if TYPE_CHECKING:
    from dobby.mind.plain.think import Thinker


def grouped(row: Sequence[Clause], thinker: Thinker) -> Plan | None:
    """A plan where speakers are to play together or apart; None where the text is about something else."""
    first = row[0]
    same = first.verb in ("play", "playon") and "same" in first.flags
    if not (same or first.verb in ("group", "ungroup")) or any(clause.unknown or clause.blocks for clause in row):
        return None
    meant = _meant(row, thinker)
    if isinstance(meant, Plan):
        return meant
    if first.verb == "ungroup":
        return _plan([Call("set", device.id, {"group": []}) for device in meant], thinker)
    playing = [one for one in _speakers(thinker) if thinker.index.house.state.of(one.id).get("playing") == "playing"]
    leaders = [one for one in playing if same or one in meant] or ([] if same else meant[:1])
    calls = [Call("set", leader.id, {"group": _names([leader, *meant])}) for leader in leaders]
    if len(calls) == 1 and len(_names([leaders[0], *meant])) > 1:
        return _plan(calls, thinker)
    if len(calls) < 2:
        return thinker.say("not_playing" if same else "what")
    say = thinker.speech.say("which", names=thinker.speech.names((leader.name for leader in leaders), 8, "or"))
    choices = tuple(Choice(leader.name, (call,)) for leader, call in zip(leaders, calls, strict=True))
    return Plan(say=say, choices=choices, language=thinker.speech.language)


def _speakers(thinker: Thinker) -> list[Device]:
    return [thinker.index.devices[key] for key in thinker.index.by_kind.get("speaker", ()) if _can(thinker.index.devices[key])]


def _can(device: Device) -> bool:
    return device.kind == "speaker" and "group" in device.traits and device.traits["group"].settable


def _names(devices: Sequence[Device]) -> list[Value]:
    """Groups go by rooms, as people and players call them."""
    return list(dict.fromkeys(device.room or device.name for device in devices))


def _meant(row: Sequence[Clause], thinker: Thinker) -> list[Device] | Plan:
    """The speakers that are named, each by its room or its name; all of them for "everywhere"."""
    flags = {flag for clause in row for flag in clause.flags}
    if flags & {"house", "everything", "all"}:
        return _speakers(thinker)
    places: list[Sequence[Item]] = [[item] for clause in row for item in clause.items if "speaker" not in item.nouns]
    out: list[Device] = []
    for items in places or ([[]] if "here" in flags else []):
        found = thinker.finder.find(Clause(items=list(items), flags=flags & {"here"}), _can)
        if not found.devices:
            return thinker.say("none_in", word=items[0].text if items else "", places=items[0].text if items else "")
        out += [thinker.index.devices[key] for key in found.devices]
    return out or thinker.say("what")


def _plan(calls: Sequence[Call], thinker: Thinker) -> Plan:
    return Plan(tuple(calls), topic=tuple(call.device for call in calls), language=thinker.speech.language)
