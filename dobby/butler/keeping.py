"""Keeping appointments as effects: judged by what they will do, kept in the same commit that says so.

It does not know when they come due (`schedule`) nor what is done then (`appointed`).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dobby.act import Ending
from dobby.butler import persons, wording
from dobby.butler.desk import Desk
from dobby.errors import IllegalMove
from dobby.events import Call, DueKind, EffectState, Origin, Role, Source
from dobby.gate import Grant
from dobby.journal import appointments, inbox, taught
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import PERSON, SCHEDULE, TEACH, hash_calls, load_due
from dobby.mind.plan import Choice, Plan

CHANGE = "appointment"  # the tool that pauses, goes on with or ends one: `{"due": number, "to": state, "name": words}`
OURS = (SCHEDULE, CHANGE, PERSON, *wording.TOOLS)


def inside(call: Call) -> Sequence[Call] | None:
    """What an appointment will do, for the gate to judge; None for a call of another sort."""
    if call.tool == TEACH and call.args["to"] == "taught":
        return wording.scene_of(call)
    return None if call.tool not in OURS else load_due(call.args).calls if call.tool == SCHEDULE else ()


def carry(db: sqlite3.Connection, desk: Desk, effects: Sequence[EffectRow], endings: Mapping[int, Ending]) -> dict[int, Ending]:
    """Keep, pause or end what these effects say, within the commit that closes them; how each ended."""
    return {effect.id: _carry(db, desk, effect) for effect in effects if effect.call.tool in OURS and _goes_on(effect, endings)}


def _goes_on(effect: EffectRow, endings: Mapping[int, Ending]) -> bool:
    return effect.id in endings and endings[effect.id].state is EffectState.DONE


def _carry(db: sqlite3.Connection, desk: Desk, effect: EffectRow) -> Ending:
    args: Mapping[str, Any] = effect.call.args
    try:
        if effect.call.tool in wording.TOOLS:
            return wording.carry(db, desk, effect, _grant(db, desk, effect))
        if effect.call.tool == PERSON:
            return persons.carry(db, desk, effect)
        if effect.call.tool == SCHEDULE:
            if "instead" in args:
                appointments.put(db, args["instead"], "ended", desk.clock.now())
            _keep(db, desk, effect)
        else:
            appointments.put(db, args["due"], args["to"], desk.clock.now())
    except IllegalMove:
        return Ending(EffectState.FAILED, why="appointment_gone")
    return Ending(EffectState.DONE)


def _grant(db: sqlite3.Connection, desk: Desk, effect: EffectRow) -> int | None:
    """An owner who was asked about a scene agreed to exactly its calls."""
    calls = inside(effect.call)
    if not calls or not appointments.was_asked(db, effect.id):
        return None
    asker = inbox.get(db, effect.event).event.source.person
    return appointments.make_grant(db, hash_calls(calls), asker, f"scene:{effect.call.args['phrase']}", desk.clock.now())


def _keep(db: sqlite3.Connection, desk: Desk, effect: EffectRow) -> None:
    """An appointment that an owner was asked about has their grant: for exactly these calls, by this trigger."""
    asker, due, now = inbox.get(db, effect.event).event.source, load_due(effect.call.args), desk.clock.now()
    grant = None
    if due.calls and appointments.was_asked(db, effect.id):
        trigger = due.said if due.watch else due.every or f"{due.at:.3f}"
        grant = appointments.make_grant(db, hash_calls(due.calls), asker.person, trigger, now)
    appointments.keep(db, effect.id, due, asker.person, asker.lane, str(desk.zone or ""), now, grant)


def grant_of(db: sqlite3.Connection, desk: Desk, source: Source, hash_: str = "") -> Grant | None:
    """What an owner agreed to, where this acts on a grant that still stands. A scene's counts for owners, never for an entry."""
    if source.origin is Origin.SCENE and source.authority is Role.OWNER:
        return Grant(hash_) if taught.granted(db, hash_) else None
    found = appointments.standing_grant(db, source.grant) if source.grant else None
    return Grant(found[0], entry=found[1].casefold() in desk.entry_routines) if found else None


def shown_first(desk: Desk, source: Source, plan: Plan, asks: bool) -> Plan:
    """A routine or a scene is shown back before it is kept; one that an owner must be asked about (`asks`) is shown with that
    question, and a scene is then only kept."""
    shown = [due.said for due in plan.due if due.kind is DueKind.ROUTINE]
    calls = plan.keeps() if plan.shown and asks else (*plan.keeps(), *plan.calls) if plan.shown else (*plan.calls, *plan.keeps())
    if plan.shown is not None:
        shown.append(f"{plan.shown.args['said']}.")
    if not shown or asks or plan.choices:
        return replace(plan, calls=calls, due=(), shown=None)
    key = "keep_and_do" if plan.shown and plan.calls else "keep_it"
    say = " ".join(part for part in (*shown, plan.say, desk.words(key, source)) if part)
    choices = (Choice(desk.words("yes_word", source), calls), Choice(desk.words("no_word", source), ()))
    return replace(plan, calls=(), due=(), say=say, choices=choices, shown=None)
