"""Appointments at work: what is done or said when one comes due, and what people ask about those still to come.

It does not know how one is kept (`keeping`) nor when it comes due (`schedule`).
"""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, work_on
from dobby.butler.keeping import CHANGE
from dobby.butler.others import set_by_hand
from dobby.clock import local
from dobby.events import Call, Due, DueKind, Role, Source
from dobby.journal import appointments, ledger
from dobby.journal.appointments import DueRow, Run
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import SCHEDULE, due_call
from dobby.mind.answer import plain
from dobby.mind.plan import Order, Plan

PUNCTUAL = 60.0  # seconds late of which nobody speaks
JUST = 600.0  # seconds in which "cancel that" is meant for what was last kept
RINGING = 120.0  # seconds in which "stop" is meant for a timer that went off
ABOUT = (Order.APPOINTMENTS, Order.LEFT, Order.CANCEL, Order.PAUSE, Order.RESUME, Order.CHANGE)
STATES = {Order.CANCEL: "ended", Order.PAUSE: "paused", Order.RESUME: "waiting"}


async def work(desk: Desk, row: EventRow, steer: Steer) -> None:
    """One run: say it, or do it through the gate like any other call; a missed one is only told."""
    found = await desk.store.read(lambda db: appointments.of_event(db, row.id))
    if found is None:
        await work_on(desk, row, Plan(say=desk.words("failed", row.event.source)), steer)
        return
    due, run = found
    calls = () if run.state in ("missed", "often") else due.due.calls
    alone = set_by_hand(desk, calls, desk.leave_alone) if due.due.kind is DueKind.ROUTINE else {}
    calls = tuple(call for call in calls if call.device not in alone)
    words = (_said(desk, due, run, row.event.source), *_left_alone(desk, alone, row.event.source))
    plan = Plan(calls, " ".join(part for part in words if part), language=desk.language_of(row.event.source))
    await work_on(desk, row, plan, steer)


def _left_alone(desk: Desk, alone: Mapping[str, float], source: Source) -> list[str]:
    """Why a routine did not touch what a hand has set."""
    if not alone:
        return []
    names = ", ".join(device.name for device in map(desk.house.get, alone) if device)
    return [desk.words("hand_first", source, names=names, span=span(desk, desk.clock.now() - max(alone.values()), source))]


def _said(desk: Desk, row: DueRow, run: Run, source: Source) -> str:
    due, facts = row.due, {"time": _moment(desk, run.instant, source), "late": span(desk, run.late, source)}
    if run.state in ("missed", "often"):
        return desk.words(f"run_{run.state}", source, said=due.said, **facts)
    if due.watch:
        return due.remind
    words = {
        DueKind.TIMER: lambda: desk.words("timer_up", source, name=_named(due.name), span=span(desk, due.after, source)),
        DueKind.REMINDER: lambda: desk.words("reminder", source, what=due.remind),
    }.get(due.kind, lambda: desk.words("reminder", source, what=due.remind) if due.remind else "")()
    late = desk.words("run_late", source, **facts) if run.late > PUNCTUAL else ""
    return " ".join(part for part in (words, late) if part)


def _named(name: str) -> str:
    return f"{name} " if name else ""


def span(desk: Desk, seconds: float, source: Source) -> str:
    """`1 hour 5 minutes`, in the person's language; seconds only where they count."""
    left = max(0, round(seconds))
    left = left if left < 600 else round(left / 60) * 60
    parts = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(desk.words(f"one_{unit}" if count == 1 else f"some_{unit}s", source, count=count))
    return " ".join(parts[:2]) or desk.words("some_seconds", source, count=0)


def _moment(desk: Desk, instant: float, source: Source) -> str:
    """`07:00`, `tomorrow at 07:00`, or the date."""
    at, now = local(instant, desk.zone), local(desk.clock.now(), desk.zone)
    hour = at.strftime("%-I:%M %p" if desk.units_of(source) == "us" else "%H:%M")
    if at.date() == now.date():
        return hour
    if at.date() == now.date() + timedelta(days=1):
        return desk.words("tomorrow_at", source, time=hour)
    return desk.words("date_at", source, date=at.strftime("%-d.%-m."), time=hour)


# Asked about


async def carry(desk: Desk, row: EventRow, plan: Plan, steer: Steer) -> None:
    """List, tell what is left, cancel, pause, go on with or move what the order names."""
    await work_on(desk, row, await meant_by(desk, row.event.source, plan), steer)


async def meant_by(desk: Desk, source: Source, plan: Plan) -> Plan:
    """An order about appointments as what is to be said, or done to their rows."""
    every = await desk.store.read(appointments.open_ones)
    mine = [one for one in every if one.person == source.person or source.authority is Role.OWNER]
    meant = _meant(mine, plan.about, lambda one: plain(span(desk, one.due.after, source)))
    if plan.order is Order.APPOINTMENTS:
        plan = replace(plan, say=" ".join(_shown(desk, one, source) for one in meant) or desk.words("nothing_due", source))
    elif not meant:
        plan = replace(plan, say=desk.words("no_such_due", source) if mine else desk.words("nothing_due", source))
    elif plan.order is Order.LEFT:
        plan = replace(plan, say=" ".join(_left(desk, one, source) for one in meant))
    elif len(meant) > 1 and not plan.about.startswith("*"):
        plan = replace(plan, say=desk.words("which_due", source, names=" / ".join(one.due.said for one in meant)))
    elif plan.order is Order.CHANGE and (meant[0].due.watch or (meant[0].due.every and not plan.due[0].every)):
        plan = replace(plan, say=desk.words("change_routine", source), due=())
    elif plan.order is Order.CHANGE:
        new = plan.due[0] if plan.due[0].at else _nudged(desk, meant[0], plan.due[0].after, source)
        plan = replace(plan, calls=(_moved(meant[0], new),), due=())
    else:
        plan = replace(plan, calls=tuple(_change(one, STATES[plan.order]) for one in meant))
    return replace(plan, order=Order.NONE)


def _change(row: DueRow, to: str) -> Call:
    return Call(CHANGE, "", {"due": row.id, "to": to, "said": row.due.said})


def back(effect: EffectRow) -> Call:
    """What was kept is dropped again; what was paused or dropped is kept again."""
    args: Mapping[str, Any] = effect.call.args
    if effect.call.tool == SCHEDULE:
        return Call(CHANGE, "", {"due": effect.id, "to": "ended", "said": args.get("said", "")})
    return Call(CHANGE, "", {**args, "to": "paused" if args["to"] == "waiting" else "waiting"})


async def drop_last(desk: Desk, source: Source) -> list[Call]:
    """ "Cancel that", said of what was just kept for later."""
    since = desk.clock.now() - JUST

    def kept(db: sqlite3.Connection) -> list[EffectRow]:
        open_ = {row.id for row in appointments.open_ones(db)}
        return [effect for effect in ledger.last_act(db, source.person) if effect.id in open_ and effect.at > since]

    return [back(effect) for effect in await desk.store.read(kept)]


def _meant(rows: Sequence[DueRow], about: str, long: Callable[[DueRow], str]) -> list[DueRow]:
    """Those that the words fit: `*` all, `timer`, `reminder` or `routine` a kind, the rest words of its name or content,
    or how `long` it was made for."""
    words = plain(about.removeprefix("*")).split()
    kinds = {word for word in words if word in set(DueKind)}
    names = [word.rstrip("s") for word in words if word not in kinds]
    fit = [row for row in rows if not kinds or row.due.kind in kinds]
    exact = [row for row in fit if names and plain(row.due.name).rstrip("s") == " ".join(names)]
    exact = exact or [row for row in fit if names and [word.rstrip("s") for word in long(row).split()] == names]
    return exact or [row for row in fit if all(re.search(rf"(?<!\d){re.escape(name)}", plain(_about(row))) for name in names)]


def _about(row: DueRow) -> str:
    return f"{row.due.name} {row.due.remind} {row.due.said}"


def _nudged(desk: Desk, row: DueRow, by: float, source: Source) -> Due:
    """Later or sooner than it was, never before now."""
    now = desk.clock.now()
    at = max(now, (now + row.left if row.state == "paused" else row.at) + by)
    said = f"{span(desk, at - now, source)} ({_moment(desk, at, source)})"
    return replace(row.due, at=at, said=said)


def _moved(row: DueRow, new: Due) -> Call:
    """The same at another time; what was agreed to for the old one ends with it."""
    timer = row.due.kind is DueKind.TIMER
    what = f"{row.due.name or DueKind.TIMER}." if timer else row.due.said.partition(": ")[2] or row.due.said
    kind = DueKind.TIMER if timer else DueKind.ROUTINE if new.every else DueKind.ONCE if row.due.calls else DueKind.REMINDER
    due = replace(row.due, kind=kind, at=new.at, after=new.after, every=new.every, sun=new.sun, said=f"{new.said}: {what}")
    return due_call(due, instead=row.id)


def _shown(desk: Desk, row: DueRow, source: Source) -> str:
    if row.state == "paused":
        return desk.words("due_paused", source, said=row.due.said)
    if row.due.kind is DueKind.ROUTINE or row.due.watch:
        return row.due.said
    return desk.words("due_at", source, time=_moment(desk, row.at, source), what=_what(desk, row, source))


def _what(desk: Desk, row: DueRow, source: Source) -> str:
    if row.due.kind is DueKind.TIMER:
        return desk.words("a_timer", source, name=_named(row.due.name)).strip()
    return row.due.remind or row.due.said.partition(": ")[2].rstrip(".") or row.due.said


def _left(desk: Desk, row: DueRow, source: Source) -> str:
    if row.due.watch:
        return row.due.said
    left = row.left if row.state == "paused" else row.at - desk.clock.now()
    facts = {"left": span(desk, left, source), "what": _what(desk, row, source), "time": _moment(desk, row.at, source)}
    return desk.words("left_paused" if row.state == "paused" else "left_of", source, **facts)


# Stop


async def silence(desk: Desk, source: Source) -> str:
    """A timer that has just gone off is what "stop" is meant for first; "" where none rings."""
    now = desk.clock.now()
    rung = await desk.store.read(lambda db: appointments.last_rung(db, source.lane, now - RINGING))
    if rung is None:
        return ""

    def quiet(db: sqlite3.Connection) -> None:
        appointments.silence(db, rung.id)

    await desk.store.write(quiet)
    return desk.words("timer_quiet", source, name=_named(rung.due.name))
