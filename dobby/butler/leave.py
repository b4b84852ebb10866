"""Asks a person: leave for exactly these calls, which of several was meant. A question is a row, and its words are made by code.

It does not know how an answer is matched (`answers`).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dobby.butler.desk import Desk
from dobby.butler.judging import acting, judge, yeses
from dobby.butler.keeping import CHANGE, inside
from dobby.events import Call, EffectState, EventState, Origin, Role, Source
from dobby.gate import Verdict, question
from dobby.house.units import quantity
from dobby.journal import inbox, ledger, questions
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import PERSON, SCHEDULE, hash_calls
from dobby.journal.questions import Question
from dobby.mind.plan import Plan

NEW = 24 * 3600.0  # seconds in which somebody is nobody's second yes: an owner could have invented them


def ask_leave(
    db: sqlite3.Connection, desk: Desk, row: EventRow, asked: list[EffectRow], text: str
) -> tuple[list[OutboxRow | None], list[Question]]:
    """An owner is asked, each time: the owner who spoke, else every owner who can be reached; where more than one has to say
    yes, every adult of the house at once, and where it must be somebody's, they. Then nobody counts who came today."""
    source, (needed, named) = row.event.source, yeses(desk, (effect.call for effect in asked))
    people, certain = desk.owner_lanes(Role.ADULT if needed > 1 else Role.OWNER), needed > 1 or bool(named)
    if certain:
        people = [
            (person, lane) for person, lane in people if (needed > len(named) or person in named) and not _is_new(desk, person)
        ]
    mine = next((lane for person, lane in people if person == source.person), "")
    if len(people) < needed or not desk.owner_lanes():
        why = "nobody_else" if certain else "no_owner"
        for effect in asked:
            ledger.move(db, effect.id, EffectState.REFUSED, why=why)
        inbox.move(db, row.id, EventState.REFUSED, why="no_owner", at=desk.clock.now())
        return [desk.reply(db, row, _join(text, desk.words(why, source)))], []
    inbox.move(db, row.id, EventState.WAITING)
    others = [(person, lane) for person, lane in people if not mine or (needed > 1 and person != source.person)]
    made = [_question(db, desk, row, asked, person, lane) for person, lane in others]
    names = ", ".join(known.name for person, _ in others if (known := desk.people.get(person)))
    replies = [_pass_on(db, desk, source, question_) for question_ in made]
    if not mine:
        return [desk.reply(db, row, _join(text, desk.words("asked_owner", source, names=names))), *replies], made
    own = _question(db, desk, row, asked, source.person, row.lane if source.bridge else mine)
    more = desk.words("asked_too", source, names=names) if others else ""
    put = desk.reply(db, row, _join(text, own.words, more), options=yes_no(desk, own), question=own.id)
    return [put, *replies], [own, *made]


def _is_new(desk: Desk, person: str) -> bool:
    """They came in, or had a phone paired, so lately that whoever let them in might be they."""
    known = desk.people.get(person)
    return known is not None and known.since > desk.clock.now() - NEW


def _pass_on(db: sqlite3.Connection, desk: Desk, source: Source, asked: Question) -> OutboxRow | None:
    """Somebody's wish, put as a question to another."""
    asker = desk.people.get(source.person)
    words = desk.words("asks_for", desk.people_source(asked), name=asker.name if asker else "?", question=asked.words)
    return desk.tell(db, f"question:{asked.id}", asked.lane, words, options=yes_no(desk, asked), question=asked.id)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def yes_no(desk: Desk, question_: Question) -> tuple[str, str]:
    """The two quick replies, in the asked person's language."""
    source = desk.people_source(question_)
    return desk.words("yes_word", source), desk.words("no_word", source)


def _question(db: sqlite3.Connection, desk: Desk, row: EventRow, asked: list[EffectRow], person: str, lane: str) -> Question:
    """A question bound to exactly these calls and this person, its words made from the calls."""
    language = desk.language_of(Source(person))
    units = desk.units_of(Source(person))
    words = " ".join(
        question(
            call,
            desk.house.get(call.device),
            language,
            lambda value, unit: quantity(value, unit, units, language),
            why=effect.why,
        )
        if isinstance(call, Call)
        else call
        for effect in asked
        for call in _asked_about(desk, row, effect)
    )
    draft = Question(
        0,
        row.id,
        "approve",
        person,
        lane,
        words,
        effects=tuple(effect.id for effect in asked),
        hash=hash_calls(effect.call for effect in asked),
        asked=desk.clock.now(),
    )
    return replace(draft, id=questions.ask(db, draft))


def _asked_about(desk: Desk, row: EventRow, effect: EffectRow) -> Sequence[Call | str]:
    """The calls that a question is about; of an appointment, what it says of itself and what of it is guarded."""
    calls = inside(effect.call)
    if calls is None:
        return [effect.call]
    source = acting(row.event.source, Origin.ROUTINE)
    said = str(effect.call.args.get("said", "")).rstrip(".")
    guarded = [one for one in calls if judge(desk, one, source).verdict is Verdict.ASK]
    if not guarded and effect.call.tool in (SCHEDULE, CHANGE, PERSON):
        return [effect.call]
    return [f"{said}." if said else "", *guarded]


async def ask_which(desk: Desk, row: EventRow, plan: Plan, **more: Any) -> None:
    """ "Which one?": nothing is done until one is chosen."""
    choices = tuple((choice.label, choice.calls) for choice in plan.choices)
    draft = Question(0, row.id, "choose", row.event.source.person, row.lane, plan.say, choices=choices, asked=desk.clock.now())
    older = older_ones(desk, draft)

    def ask(db: sqlite3.Connection) -> tuple[Question, OutboxRow | None]:
        end_older(db, older, draft.asked)
        made = replace(draft, id=questions.ask(db, draft))
        inbox.keep_plan(db, row.id, {"choices": [label for label, _ in choices], **more})
        inbox.move(db, row.id, EventState.WAITING)
        return made, desk.reply(db, row, plan.say, options=tuple(label for label, _ in choices), question=made.id)

    made, reply = await desk.store.write(ask)
    desk.put(made, instead_of=older)
    desk.post.hand_over([reply])


def older_ones(desk: Desk, newer: Question) -> list[Question]:
    """A newer "which one?" takes the place of an older one in the same conversation."""
    place = (newer.person, newer.lane)
    return [
        older for older in desk.questions.values() if older.kind in ("choose", "which") and (older.person, older.lane) == place
    ]


def end_older(db: sqlite3.Connection, older: Iterable[Question], at: float) -> None:
    """The rows of those whose place was taken."""
    for question_ in older:
        if questions.end(db, question_.id, "closed", at):
            inbox.move(db, question_.event, EventState.REFUSED, why="closed", at=at)
