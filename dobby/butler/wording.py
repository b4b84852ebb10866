"""What is made or changed by words alone: a list of our own, a phrase that stands for others, a nickname.

Rows, kept in the same commit that says so; `settle` lets the living house know them. It does not understand the words.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.errors import IllegalMove
from dobby.events import Call, Change, EffectState, Role, Source
from dobby.house import lists
from dobby.house.model import Device, Room
from dobby.journal import household, inbox, taught
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import LIST, TEACH, load_call
from dobby.journal.taught import Taught
from dobby.mind.answer import is_no, is_yes
from dobby.mind.plain.lexicon import LANGUAGES
from dobby.mind.plain.taught import folded, table
from dobby.mind.plain.when import Line
from dobby.mind.plan import Plan

TOOLS = (LIST, TEACH)
TWO = {"taught": "forgotten", "named": "unnamed", "room": "no_room"}  # what takes each other back
BACK = TWO | {back: to for to, back in TWO.items()}


def carry(db: sqlite3.Connection, desk: Desk, effect: EffectRow, grant: int | None = None) -> Ending:
    """Keep what the effect says; within the writer's thread, so the house is only looked at.

    :raises IllegalMove: it is not as it was when this was asked for.
    """
    args: Mapping[str, Any] = effect.call.args
    if effect.call.tool == LIST:
        return _list(db, desk, args)
    if "room" in args:
        _room(db, desk, args)
    elif "device" in args:
        household.keep_device(db, _named(desk, args))
    elif args["to"] == "taught":
        asker = inbox.get(db, effect.event).event.source.person
        what = Taught(args["means"], args["phrase"], scene_of(effect.call), args.get("file", ""))
        taught.teach(db, folded(args["phrase"]), args.get("person", asker), what, desk.clock.now(), grant)
    else:
        asker = inbox.get(db, effect.event).event.source.person
        if taught.forget(db, folded(args["phrase"]), args.get("person", asker), desk.clock.now()) is None:
            raise IllegalMove("That was not taught.")
    return Ending(EffectState.DONE)


def _room(db: sqlite3.Connection, desk: Desk, args: Mapping[str, Any]) -> None:
    """A new room, or none again where nothing stands in it."""
    if args["to"] == "room":
        household.keep_room(db, Room(args["room"], args["floor"]))
    elif list(desk.house.in_room(args["room"])):
        raise IllegalMove("Something stands in it.")
    else:
        household.drop_room(db, args["room"])


def scene_of(call: Call) -> tuple[Call, ...]:
    """The calls that a phrase is to stand for; none where it stands for words."""
    rows: Any = call.args.get("calls", [])
    return tuple(load_call(row) for row in rows)


def _named(desk: Desk, args: Mapping[str, Any]) -> Device:
    """The device with its nickname, or without it again; or with its other name, room, risk, protection, yeses, approver."""
    device = desk.house.get(args["device"])
    if device is None:
        raise IllegalMove("The device is gone.")
    if args["to"] == "changed":
        return replace(device, **{args["trait"]: args["value"]})
    others = tuple(alias for alias in device.aliases if alias.casefold() != args["name"].casefold())
    return replace(device, aliases=(*others, args["name"]) if args["to"] == "named" else others)


def may(call: Call, source: Source) -> bool:
    """What changes the words of everybody is for the adults of the house; one's own phrases for everybody but guests."""
    if call.tool != TEACH:
        return True
    if call.args.get("trait") in ("risk", "protected", "yeses", "approver"):
        return source.authority is Role.OWNER  # what Dobby is careful about is the owner's to say
    own = "phrase" in call.args and call.args.get("person") != ""
    return source.authority.rank >= (Role.CHILD if own else Role.ADULT).rank


def weakens(call: Call) -> bool:
    """It makes Dobby ask less: that he asks first himself."""
    args: Mapping[str, Any] = call.args if call.tool == TEACH else {}
    trait = args.get("trait")
    if trait == "yeses":
        return bool(args["value"] < args["was"])
    return (trait == "risk" and args["value"] != "entry") or (trait == "approver" and args["was"] != "")


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
    if effect.call.args.get("to") == "changed":
        old = effect.call.args
        turned = {"value": old["was"], "was": old["value"], "said": old["unsaid"], "unsaid": old["said"]}
        return Call(TEACH, "", {**old, **turned})
    if effect.call.tool == TEACH:
        to = BACK[str(effect.call.args["to"])]
        was: Any = effect.call.args.get("was")
        if to == "forgotten" and was:
            return Call(TEACH, "", {**effect.call.args, **was, "to": "taught", "was": None})
        return Call(TEACH, "", {**effect.call.args, "to": to})
    args: dict[str, Any] = {key: value for key, value in effect.call.args.items() if key != "drop"}
    return Call(LIST, "", args | ({"to": "begun"} if "drop" in effect.call.args else {"drop": True, "to": "dropped"}))


def settle(desk: Desk, effects: Sequence[EffectRow]) -> None:
    """The rows are kept: from now on the house knows the list, the name, the phrase."""
    if any(effect.state is EffectState.DONE and effect.call.tool == TEACH for effect in effects):
        desk.taught = desk.store.look(taught.phrases)
    for effect in effects:
        if effect.state is EffectState.DONE and effect.call.tool == TEACH:
            _settle(desk, effect.call.args)
        if effect.state is EffectState.DONE and effect.call.tool == LIST:
            args: Mapping[str, Any] = effect.call.args
            device = lists.make_list(args["name"])
            if "drop" in args:
                desk.house.remove(device.id)
            else:
                desk.house.add(device)
                desk.house.state.hear(Change(device.id, {"items": args["items"], "count": len(args["items"])}, available=True))


def _settle(desk: Desk, args: Mapping[str, Any]) -> None:
    if "device" in args:
        device = desk.house.add(_named(desk, args))
        if args.get("trait") == "same_as":  # what was heard of it counted for another thing, or not at all
            desk.spawn(desk.hands.look(desk.house.get(device.same_as) or device), f"look at {device.id}")
    elif args["to"] == "room":
        desk.house.add_room(Room(args["room"], args["floor"]))
    elif args["to"] == "no_room":
        desk.house.remove_room(args["room"])


async def not_understood(desk: Desk, row: EventRow, plan: Plan) -> Plan:
    """Keep a text that nobody understood, so that its meaning can be taught; a bare yes or no has none. What sounds like a scene
    is answered with how to make it."""
    if is_yes(row.event.text) or is_no(row.event.text):
        return Plan(say=desk.words("nothing_asked", row.event.source))
    source, text, now = row.event.source, row.event.text.strip(), desk.clock.now()
    if text:
        await desk.store.write(lambda db: taught.lose(db, folded(text), text, source.person, row.lane, now))
    line = Line(text.strip(".!? "))
    for language in LANGUAGES:
        if found := re.fullmatch(table(language)["mood"], line.line):
            say = desk.mind.phrase("scene_untaught", language, phrase=line.raw(*found.span("phrase")))
            return replace(plan, say=say, language=language)
    return plan


def told(desk: Desk, source: Source) -> str:
    """What phrases mean to this person, and what things are called beside their names."""
    known = [row for _, row in desk.told(source.person)]
    rows = list(dict.fromkeys(f"“{row.said}” = “{row.means}”" for row in known if not row.does))
    offers = desk.words("scenes_offered", source, names=", ".join(dict.fromkeys(f"“{row.said}”" for row in known if row.does)))
    told = "; ".join(rows) or desk.words("taught_none", source)
    return f"{told.rstrip('.')}. {offers}" if any(row.does for row in known) else told


async def lost(desk: Desk, source: Source) -> str:
    """What was not understood: an owner hears of everybody's, others of their own."""
    person = "" if source.authority is Role.OWNER else source.person
    rows = await desk.store.read(lambda db: taught.lost(db, person))
    names = "; ".join(f"“{said}”" + (f" ({count}×)" if count > 1 else "") for said, count in rows)
    return desk.words("lost", source, names=names) if rows else desk.words("lost_none", source)
