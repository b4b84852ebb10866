"""Texts that lean on the one before: "and in the office too", "the other one", "not there, in the living room".

It does not know how the last act ended, only what it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dobby.events import Call, Value
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plan import Choice, Plan

if TYPE_CHECKING:
    from dobby.mind.plain.think import Thinker


def follow(row: list[Clause], thinker: Thinker) -> Plan | None:
    """A plan that repeats or moves the last act; None where the text stands by itself."""
    last = thinker.context.last
    if not last or any(clause.acts or clause.unknown or clause.attr for clause in row):
        return None
    if any(clause.blocks - {"not"} or clause.asks or "it" in clause.flags for clause in row):
        return None
    meant = (clause for clause in row if "not" not in clause.blocks or "other" in clause.flags)
    here = {"here"} if any(clause.flags & {"same"} or "not" in clause.blocks for clause in row) else set()
    target = next((clause for clause in meant if clause.items or clause.flags & ({"other"} | here)), None)
    if target is None:
        return None
    correcting = any("not" in clause.blocks for clause in row)
    whole = replace(target, blocks=set(), flags=target.flags | {flag for clause in row for flag in clause.flags & {"other"}})
    return _moved(whole, last, correcting, thinker)


def _moved(target: Clause, last: tuple[Call, ...], correcting: bool, thinker: Thinker) -> Plan | None:
    index = thinker.index
    models = {device.kind: call for call in last if (device := index.devices.get(call.device))}
    done = {call.device for call in last}

    def allowed(device: Device) -> bool:
        return device.kind in models and device.id not in done

    if "other" in target.flags:
        target = replace(target, items=[item for item in target.items if item.nouns or item.rooms])
    thinker.finder.talked = [*(call.device for call in last), *thinker.talked]
    many = len(last) > 1 or all(item.is_place for item in target.items)
    found = thinker.finder.find(target, allowed)
    devices = found.devices or (found.rivals if many and found.rivals and _one_room(found.rivals, thinker) else ())
    if not devices and found.rivals and len(last) == 1:
        return _ask(found.rivals, last[0], thinker)
    if not devices:
        return None
    calls = [replace(models[index.devices[key].kind], device=key) for key in devices]
    if correcting:
        calls = [*filter(None, (_back(call) for call in last)), *calls]
    return Plan(tuple(calls), topic=tuple(devices), language=thinker.speech.language)


def _ask(rivals: tuple[str, ...], call: Call, thinker: Thinker) -> Plan:
    names = {key: thinker.index.devices[key].name for key in rivals[:8]}
    choices = tuple(Choice(name, (replace(call, device=key),)) for key, name in names.items())
    say = thinker.speech.say("which", names=thinker.speech.names(names.values(), 8, "or"))
    return Plan(say=say, choices=choices, language=thinker.speech.language)


def _one_room(keys: tuple[str, ...], thinker: Thinker) -> bool:
    rooms = {thinker.index.devices[key].room for key in keys}
    kinds = {thinker.index.devices[key].kind for key in keys}
    return len(rooms) == 1 and kinds <= {"light"}


def _back(call: Call) -> Call | None:
    """The opposite of what was done in the wrong place, where that is harmless and known."""
    if call.tool == "do":
        return Call("set", call.device, {"playing": "idle"}) if call.args.get("verb") == "play" else None
    flipped: dict[str, Value] = {trait: not value for trait, value in call.args.items() if trait == "on"}
    if call.args.get("playing") == "playing":
        flipped["playing"] = "idle"
    return Call("set", call.device, flipped) if flipped else None
