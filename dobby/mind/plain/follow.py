"""Texts that lean on the one before: "and in the office too", "the other one", "not there, in the living room".

It does not know how the last act ended, only what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from dobby.events import Call, State
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plan import Choice, Plan

if TYPE_CHECKING:
    from dobby.mind.plain.think import Thinker


def follow(row: list[Clause], thinker: Thinker) -> Plan | None:
    """A plan that goes on from, repeats, moves or takes back part of the last act; None where the text stands by itself."""
    if not thinker.context.last:
        return None
    return _further(row, thinker) or _kept(row, thinker) or _again(row, thinker)


def _was(thinker: Thinker) -> Iterator[tuple[Call, State]]:
    """The calls of the last act, each with its device as it was before."""
    return zip_longest(thinker.context.last, thinker.context.was[: len(thinker.context.last)], fillvalue={})  # type: ignore[arg-type]


def _further(row: list[Clause], thinker: Thinker) -> Plan | None:
    """`more`, `a bit less`, `too much`: the same traits of the same devices, from where they are now."""
    clause = row[0]
    steps = clause.flags & {"more", "less", "undo"}
    if (
        len(row) > 1
        or not steps
        or clause.items
        or clause.verb not in ("", "set")
        or clause.attr
        or clause.unknown
        or clause.blocks
    ):
        return None
    calls: list[Call] = []
    for call, before in _was(thinker):
        device = thinker.index.devices.get(call.device)
        numbers = [(t, v) for t, v in call.args.items() if isinstance(v, int | float) and not isinstance(v, bool)]
        if device is None or call.tool != "set" or len(numbers) != 1:
            return None
        trait, value = numbers[0]
        was = before.get(trait)
        last = -1 if isinstance(was, int | float) and value < was else 1
        onward = last if thinker.context.relative and clause.number is None else 1
        sign = {"less": -1, "undo": -last}.get(next(iter(steps)), onward)
        deed = thinker.deeds.step(clause, device, trait, thinker.index.house.state.of(device.id), sign)
        calls += [deed.call] if deed.call else []
    topic, language = tuple(call.device for call in calls), thinker.speech.language
    return Plan(tuple(calls), topic=topic, language=language, relative=True) if calls else None


def _kept(row: list[Clause], thinker: Thinker) -> Plan | None:
    """`leave the hallway on`, `not the hallway`, `only the hallway`: what the last act did there (or elsewhere) is taken back."""
    clause = row[-1]
    alone = clause.spared and not (clause.acts or clause.items)
    only = "only" in clause.flags and not clause.acts
    leaves = ("leave" in clause.flags or only) and clause.items
    if (len(row) > 1 and not all(one.is_no for one in row[:-1])) or not (alone or leaves) or clause.unknown or clause.asks:
        return None
    items = clause.spared[0] if alone else clause.items
    done = {call.device: (call, before) for call, before in _was(thinker)}
    meant = replace(clause, items=items, spared=[], flags=clause.flags | {"all"})
    found = thinker.finder.find(meant, lambda device: device.id in done)
    if not found.devices:
        return None
    backs = [key for key in done if key not in found.devices] if only else found.devices
    calls = tuple(back for key in backs if (back := _back(*done[key])) is not None)
    say = "" if calls else thinker.speech.say("negated")
    return Plan(calls, say, topic=found.devices, language=thinker.speech.language)


def _again(row: list[Clause], thinker: Thinker) -> Plan | None:
    """The last act done elsewhere too, or elsewhere instead."""
    if any(clause.acts or clause.unknown or clause.attr for clause in row):
        return None
    if any(clause.blocks - {"not"} or clause.asks or "it" in clause.flags for clause in row):
        return None
    correcting = any("not" in clause.blocks or "mean" in clause.flags for clause in row)
    meant = (clause for clause in row if "not" not in clause.blocks or "other" in clause.flags)
    here = {"here"} if correcting or any("same" in clause.flags for clause in row) else set()
    target = next((clause for clause in meant if clause.items or clause.flags & ({"other"} | here)), None)
    if target is None:
        return None
    others = {flag for clause in row for flag in clause.flags & {"other"}}
    whole = replace(target, blocks=set(), flags=(target.flags | others) - {"mean"})
    return _moved(whole, thinker.context.last, correcting, thinker)


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
        calls = [*filter(None, (_back(call, before) for call, before in _was(thinker))), *calls]
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


def _back(call: Call, was: State) -> Call | None:
    """What takes back an act in the wrong place, where that is harmless and known; None where nothing was changed by it."""
    if call.tool == "do":
        return Call("set", call.device, {"playing": "idle"}) if call.args.get("verb") == "play" else None
    if call.args.get("on") is False and was.get("on") is True:
        return Call("set", call.device, {"on": True})
    if was.get("on") is False and call.args.get("on") is not False:
        return Call("set", call.device, {"on": False})
    back = {trait: was[trait] for trait, to in call.args.items() if was.get(trait) is not None and was[trait] != to}
    guarded = {"locked", "armed"} & back.keys()  # that is an undo, and asked for like one
    return Call("set", call.device, back) if back and not guarded else None
