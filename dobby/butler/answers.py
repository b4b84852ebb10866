"""Matches a text to the question it answers, before it queues: bound to the exact calls, the asked person, once, in time.

It does not know how the text was received nor how an effect is carried out.
"""

import asyncio
import sqlite3
from dataclasses import dataclass
from typing import Any

from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, finish, judge, look_first, work_on, write_plan
from dobby.events import EffectState, Event, EventKind, EventState, OutboxState, Source
from dobby.gate import Verdict
from dobby.journal import inbox, ledger, questions
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import hash_calls
from dobby.journal.questions import Question
from dobby.mind.answer import chosen, is_no, is_yes
from dobby.mind.plan import Plan
from dobby.store import insist

LATE = 3600.0  # seconds in which a late yes is told that its question has gone


@dataclass(frozen=True, slots=True)
class Answer:
    """A text read as an answer: to which question (None: to one that is gone or not theirs), and what it says."""

    question: Question | None
    says: str  # yes | no | choose | late | not_yours
    picks: tuple[int, ...] = ()


def match(desk: Desk, event: Event) -> Answer | None:
    """Is this text an answer? Only the asked person's, in the conversation where they were asked.

    One that refers to a message (a button, a quoted reply) can answer only the question that was put there; none can
    answer what was asked after it had come in.
    """
    source = event.source
    if event.kind is not EventKind.TEXT or event.tainted or not source.person:
        return None
    for question in sorted(desk.questions.values(), key=lambda q: -q.id):
        if question.person == source.person and question.lane == source.lane and _is_about(event, question):
            found = _read(desk, question, event.text)
            if found:
                return found
    if is_yes(event.text) and any(q.kind == "approve" and q.person != source.person for q in desk.questions.values()):
        return Answer(None, "not_yours")
    return Answer(None, "late") if is_yes(event.text) else None


def _is_about(event: Event, question: Question) -> bool:
    refers = event.refers in ("", f"event:{question.event}", f"question:{question.id}")
    return refers and question.asked <= event.received


def _read(desk: Desk, question: Question, text: str) -> Answer | None:
    if question.kind == "choose":
        picks = chosen(text, [label for label, _ in question.choices])
        if picks:
            return Answer(question, "choose", tuple(picks))
        return Answer(question, "no") if is_no(text) else None
    source = Source(question.person)
    if is_yes(text) or text.strip() == desk.words("yes_word", source):
        return Answer(question, "yes")
    return Answer(question, "no") if is_no(text) or text.strip() == desk.words("no_word", source) else None


async def take(desk: Desk, row: EventRow, answer: Answer, steer: Steer) -> bool:
    """Carry an answer through; False where the text turns out to be none (it then queues like any other)."""
    question = answer.question
    if question is None:
        return await _no_question(desk, row, answer)
    if answer.says == "yes":
        await _yes(desk, row, question, steer)
    elif answer.says == "no":
        await _close(desk, row, question, "no", desk.words("left_it", row.event.source))
    else:
        await _choose(desk, row, question, answer.picks, steer)
    return True


async def _no_question(desk: Desk, row: EventRow, answer: Answer) -> bool:
    source, since = row.event.source, desk.clock.now() - LATE
    if answer.says == "late":
        gone = await desk.store.read(lambda db: questions.lately_ended(db, source.person, since))
        if gone is None:
            return False
    key = "not_yours" if answer.says == "not_yours" else "too_late"
    await work_on(desk, row, Plan(say=desk.words(key, source), language=desk.language_of(source)), Steer())
    return True


async def _yes(desk: Desk, row: EventRow, question: Question, steer: Steer) -> None:
    now = desk.clock.now()

    def agree(db: sqlite3.Connection) -> dict[str, Any] | str:
        effects = ledger.by_id(db, question.effects)
        if hash_calls(effect.call for effect in effects) != question.hash:
            return "too_late"
        fresh = questions.get(db, question.id)
        if fresh.state != "open" or (fresh.expires is not None and fresh.expires <= now):
            return "too_late"
        asker = inbox.get(db, question.event)
        if any(judge(desk, effect.call, asker.event.source).verdict is Verdict.REFUSE for effect in effects):
            return "hands_off" if desk.modes.hands_off else "role"
        questions.end(db, question.id, "yes", now, row.event.text)
        for effect in effects:
            ledger.intend(db, effect.id, desk.hands.before(effect.call))
        topic = [effect.call.device for effect in effects]
        kept = {"say": "", "effects": list(question.effects), "topic": topic, "language": "", "question": question.id}
        inbox.keep_plan(db, row.id, kept)
        inbox.move(db, row.id, EventState.WORKING)
        inbox.move(db, question.event, EventState.DONE, at=now)
        return kept

    kept = await desk.store.write(agree)
    _forget(desk, question)
    if isinstance(kept, str):
        await _close(desk, row, question, "closed", desk.words(kept, row.event.source))
        return
    await finish(desk, row, kept, steer)


async def _close(desk: Desk, row: EventRow | None, question: Question, state: str, text: str) -> None:
    """The question ends without a yes: nothing of it happens, and that is said."""
    now = desk.clock.now()

    def close(db: sqlite3.Connection) -> list[OutboxRow | None]:
        ended = questions.end(db, question.id, state, now, row.event.text if row else "")
        asker = inbox.get(db, question.event)
        if ended:
            for effect in ledger.by_id(db, question.effects):
                if effect.state is EffectState.ASKED:
                    ledger.move(db, effect.id, EffectState.REFUSED, why=state)
            if asker.state is EventState.WAITING:
                inbox.move(db, question.event, EventState.REFUSED, why=state, at=now)
        told: list[OutboxRow | None] = []
        if row is not None:
            told.append(desk.reply(db, row, text))
            inbox.move(db, row.id, EventState.DONE, at=now)
        elif ended:
            told.append(desk.tell(db, f"question:{question.id}:ended", question.lane, text))
        if ended and asker.lane != question.lane:
            told.append(desk.tell(db, f"question:{question.id}:asker", asker.lane, text))
        return told

    told = await insist(desk.store, desk.clock, close)
    _forget(desk, question)
    desk.post.hand_over(told)


async def _choose(desk: Desk, row: EventRow, question: Question, picks: tuple[int, ...], steer: Steer) -> None:
    now = desk.clock.now()

    source = row.event.source
    calls = tuple(call for pick in picks for call in question.choices[pick][1])
    say = "" if calls else desk.words("left_it", source)
    plan = await look_first(desk, row, Plan(calls=calls, say=say, language=desk.language_of(source)))

    def choose(db: sqlite3.Connection) -> dict[str, Any] | None:
        if not questions.end(db, question.id, "chosen", now, row.event.text):
            return None
        inbox.move(db, question.event, EventState.DONE, at=now)
        return write_plan(db, desk, row, plan)

    kept = await desk.store.write(choose)
    _forget(desk, question)
    if kept is None:
        await work_on(desk, row, Plan(say=desk.words("too_late", source)), Steer())
        return
    await finish(desk, row, kept, steer)


def _forget(desk: Desk, question: Question) -> None:
    """It is closed here, and so are its twins to other owners."""
    for other in list(desk.questions.values()):
        if other.id == question.id or (other.event == question.event and other.effects == question.effects):
            desk.questions.pop(other.id, None)


# Time


def on_sent(desk: Desk, row: OutboxRow) -> None:
    """A question has been delivered: its two minutes run."""
    question = desk.questions.get(row.reply.question)
    if question is not None and row.state is not OutboxState.FAILED:
        desk.spawn(expire(desk, question.id), f"question {question.id}")


async def expire(desk: Desk, number: int) -> None:
    """Wait for the question's time to run out; no answer is no."""
    question = await desk.store.read(lambda db: questions.get(db, number))
    left = (question.expires or 0.0) - desk.clock.now()
    if left > 0:
        await desk.clock.sleep(left)
    if number in desk.questions:
        text = desk.words("no_answer", desk.people_source(question))
        await _close(desk, None, question, "expired", text)


async def reopen(desk: Desk) -> None:
    """After a restart: what was asked is still asked, until its time is over."""
    for question in await desk.store.read(questions.open_questions):
        desk.questions[question.id] = question
        if question.expires is not None:
            desk.spawn(expire(desk, question.id), f"question {question.id}")
    await asyncio.sleep(0)
