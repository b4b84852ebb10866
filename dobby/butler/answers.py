"""Matches a text to the question it answers, before it queues: bound to the exact calls, the asked person, once, in time.

It does not know how the text was received nor how an effect is carried out.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dobby.butler import asking
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, concerned, finish, report, work_on, write_plan
from dobby.butler.judging import acting, judge, yeses
from dobby.butler.leave import end_older, older_ones
from dobby.butler.looking import look_first
from dobby.events import EffectState as Effect, Event, EventKind, EventState, Origin, OutboxState, Role, Source
from dobby.gate import Verdict
from dobby.journal import inbox, ledger, questions
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import hash_calls
from dobby.journal.questions import Question
from dobby.mind.answer import chosen, is_done, is_later, is_no, is_yes, secret_in
from dobby.mind.plan import Plan
from dobby.store import insist

AGREED = ("approve", "ask")  # kinds that a bare yes can answer
MAY = {"approve": Role.ADULT, "which": Role.ADULT}  # who may answer, if asked; a driver asks owners, everybody chooses
LATE = 3600.0  # seconds in which a late yes is told that its question has gone
UNDELIVERED = 600.0  # seconds after which a question that nobody could be shown is over


@dataclass(frozen=True, slots=True)
class Answer:
    """A text read as an answer: to which question (None: to none that is theirs to answer so), and what it says."""

    question: Question | None
    says: str  # yes | no | choose | secret | which | late | gone | veiled | not_yours
    picks: tuple[int, ...] = ()
    secret: str = field(default="", repr=False)


def match(desk: Desk, event: Event) -> Answer | None:
    """Is this text an answer? Only the asked person's own, in the conversation where they were asked.

    One that refers to a message (a button, a quoted reply) can answer only the question that was put there; none can
    answer what was asked after it had come in. A bare yes to two questions at once is a yes to neither.
    """
    if not _may_answer(event):
        return None
    mine = [question for question in desk.questions.values() if _is_theirs(desk, question, event)]
    if is_yes(event.text) and len([question for question in mine if question.kind in AGREED]) > 1:
        return Answer(None, "which")
    for question in sorted(mine, key=lambda question: -question.id):
        found = _read(desk, question, event.text)
        if found:
            return found
    if _named(event) and _named(event) not in desk.questions:
        return Answer(None, "gone")
    return _no_match(desk, event) if is_yes(event.text) else None


def _named(event: Event) -> int:
    """The question under which a button was pressed, or that was quoted; 0 for none."""
    number = event.refers.removeprefix("question:")
    return int(number) if number != event.refers and number.isdecimal() else 0


def _may_answer(event: Event) -> bool:
    person = event.source.person and event.source.origins == {Origin.PERSON}
    return bool(person) and event.kind is EventKind.TEXT and not event.tainted


def veil(desk: Desk, event: Event) -> tuple[Event, Answer | None]:
    """A code that a driver asked for, taken out of its text before anything of it is kept."""
    person = event.source.person
    mine = [question for question in desk.questions.values() if _is_theirs(desk, question, event)] if _may_answer(event) else []
    number = max((question.id for question in mine if question.kind == "secret"), default=0)
    late = not number and desk.veiled.get(person, 0.0) > desk.clock.now() and _may_answer(event)
    if (
        not (number or late)
        or any(_read(desk, question, event.text) for question in mine if question.id >= number)
        or not (secret := secret_in(event.text, quoted=bool(number and event.refers), short=not late))
    ):
        return event, None
    answer = Answer(None, "veiled") if late else Answer(desk.questions[number], "secret", secret=secret)
    return replace(event, text=asking.VEIL), answer


def _is_theirs(desk: Desk, question: Question, event: Event) -> bool:
    """Put to this person, in this conversation or named by its number; and they may answer it, by the role they have."""
    source, role, known = event.source, event.source.authority, desk.people.get(question.person)
    named = event.refers == f"question:{question.id}"
    theirs = question.person == source.person and (named or question.lane == source.lane)
    about = named or event.refers in ("", f"event:{question.event}")
    may = question.kind == "choose" or (role.rank >= MAY.get(question.kind, Role.OWNER).rank and known and known.role is role)
    return bool(theirs and about and may and question.asked <= event.received)


def _no_match(desk: Desk, event: Event) -> Answer:
    asked = {question.person for question in desk.questions.values() if question.kind == "approve"}
    return Answer(None, "not_yours" if asked and event.source.person not in asked else "late")


def _read(desk: Desk, question: Question, text: str) -> Answer | None:
    source = Source(question.person)
    yes = is_yes(text) or text.strip() == desk.words("yes_word", source)
    no = is_no(text) or text.strip() == desk.words("no_word", source)
    if question.kind == "approve":
        return Answer(question, "yes" if yes else "no") if yes or no else None
    labels = [label for label, _ in question.choices]
    if question.kind in asking.KINDS:
        picks = chosen(text, labels) or [at for at, label in enumerate(labels) if is_yes(label) and (yes or is_done(text))][:1]
        return Answer(question, "choose", tuple(picks)) if picks else Answer(question, "no") if no or is_later(text) else None
    picks = [0] if yes and labels[:1] == [desk.words("yes_word", source)] else chosen(text, labels)
    if picks:
        return Answer(question, "choose", tuple(picks))
    return Answer(question, "no") if no else None


async def take(desk: Desk, row: EventRow, answer: Answer, steer: Steer) -> bool:
    """Carry an answer through; False where the text turns out to be none (it then queues like any other)."""
    question = answer.question
    if question is None:
        return await _no_question(desk, row, answer)
    if question.kind in asking.KINDS:
        picked = question.choices[answer.picks[0]][0] if answer.picks else ""
        if not await asking.take(desk, row, question, answer.secret or picked):
            await _say(desk, row, "ask_late")
    elif answer.says == "yes":
        await _yes(desk, row, question, steer)
    elif answer.says == "no":
        await _close(desk, row, question, "no", "left_it")
    elif question.kind == "which":
        await _meant(desk, row, question, answer.picks[0], steer)
    else:
        await _choose(desk, row, question, answer.picks, steer)
    return True


async def _no_question(desk: Desk, row: EventRow, answer: Answer) -> bool:
    source, since = row.event.source, desk.clock.now() - LATE
    if answer.says == "which":
        await _ask_which_one(desk, row)
        return True
    if answer.says == "veiled":
        await _say(desk, row, "ask_late")
        return True
    if answer.says == "gone":
        old = await desk.store.read(lambda db: questions.find(db, _named(row.event)))
        if old is None or old.state == "open" or not _read(desk, old, row.event.text):
            return False
        await _say(desk, row, "too_late" if old.state == "expired" else "no_longer")
        return True
    if answer.says == "late":
        gone = await desk.store.read(lambda db: questions.lately_ended(db, source.person, since))
        if gone is None:
            return False
    await _say(desk, row, "not_yours" if answer.says == "not_yours" else "too_late")
    return True


async def _say(desk: Desk, row: EventRow, key: str) -> None:
    source = row.event.source
    await work_on(desk, row, Plan(say=desk.words(key, source), language=desk.language_of(source)), Steer())


async def _ask_which_one(desk: Desk, row: EventRow) -> None:
    """Two are open: which of them was meant? The question's `effects` are the numbers of those questions."""
    mine = [question for question in desk.questions.values() if question.kind in AGREED and _is_theirs(desk, question, row.event)]
    words = [question.words for question in mine]
    draft = Question(
        0,
        row.id,
        "which",
        row.event.source.person,
        row.lane,
        " ".join(words),
        effects=tuple(question.id for question in mine),
        choices=tuple((label, ()) for label in words),
        asked=desk.clock.now(),
    )
    older = older_ones(desk, draft)

    def ask(db: sqlite3.Connection) -> tuple[Question, OutboxRow | None]:
        end_older(db, older, draft.asked)
        made = replace(draft, id=questions.ask(db, draft))
        inbox.move(db, row.id, EventState.WAITING)
        return made, desk.reply(db, row, made.words, options=tuple(words), question=made.id)

    made, reply = await desk.store.write(ask)
    desk.put(made, instead_of=older)
    desk.post.hand_over([reply])


async def _meant(desk: Desk, row: EventRow, which: Question, pick: int, steer: Steer) -> None:
    meant = await desk.store.read(lambda db: questions.get(db, which.effects[pick]))
    if meant.kind == "approve":
        await _yes(desk, row, meant, steer, which)
        return
    first = next((label for label, _ in meant.choices if is_yes(label)), meant.choices[0][0])
    if not await asking.take(desk, row, meant, first, which):
        await _close(desk, row, which, "closed", "ask_late")


# Yes


async def _yes(desk: Desk, row: EventRow, question: Question, steer: Steer, via: Question | None = None) -> None:
    """`via` is the question that found out which one was meant; it ends with it."""
    now = desk.clock.now()
    effects, asker = await desk.store.read(lambda db: (ledger.by_id(db, question.effects), inbox.get(db, question.event)))
    source = acting(asker.event.source, Origin((asker.plan or {}).get("origin", Origin.PERSON)))
    verdicts = {effect.id: judge(desk, effect.call, source) for effect in effects}
    held = {number: verdict.why for number, verdict in verdicts.items() if verdict.verdict is Verdict.REFUSE}
    await desk.hands.look_before(effect.call for effect in effects)
    before = {effect.id: desk.hands.before(effect.call) for effect in effects}
    kept, (needed, named) = _kept(question, asker, effects), yeses(desk, (effect.call for effect in effects))

    def agree(db: sqlite3.Connection) -> bool | OutboxRow | None:
        fresh = questions.get(db, question.id)
        if via is not None and questions.end(db, via.id, "chosen", now, row.event.text):
            inbox.move(db, via.event, EventState.DONE, at=now)
        exact = hash_calls(effect.call for effect in effects) == question.hash
        if held or not exact or fresh.state != "open" or (fresh.expires is not None and fresh.expires <= now):
            return False
        said = {question.person, *(twin.person for twin in questions.twins(db, question, "yes"))}
        if len(said) < needed or not named <= said or said.isdisjoint(owner.id for owner in desk.people.owners):
            return _one_of_several(db, desk, row, question)
        questions.end(db, question.id, "yes", now, row.event.text)
        for effect in effects:
            ledger.intend(db, effect.id, before[effect.id])
        inbox.keep_plan(db, row.id, kept)
        inbox.move(db, row.id, EventState.WORKING)
        inbox.move(db, question.event, EventState.DONE, at=now)
        return True

    agreed = await desk.store.write(agree)
    if via is not None:
        _forget(desk, via)
    if not isinstance(agreed, bool):
        desk.close([question])
        desk.post.hand_over([agreed])
        return
    if not agreed:
        await _close(desk, row, question, "closed", "too_late", held)
        return
    _forget(desk, question)
    await finish(desk, row, kept, steer)


def _one_of_several(db: sqlite3.Connection, desk: Desk, row: EventRow, question: Question) -> bool | OutboxRow | None:
    """A yes that is not enough by itself is kept, and the others are still asked; False where there are none."""
    others = [desk.people.get(twin.person) for twin in questions.twins(db, question, "open")]
    if not others:
        return False
    now, names = desk.clock.now(), ", ".join(other.name for other in others if other)
    questions.end(db, question.id, "yes", now, row.event.text, alone=True)
    inbox.move(db, row.id, EventState.DONE, at=now)
    return desk.reply(db, row, desk.words("yes_more", row.event.source, names=names))


def _kept(question: Question, asker: EventRow, effects: Sequence[EffectRow]) -> dict[str, Any]:
    """What a yes lets happen, as the plan of the text that said it; the asker's plan knows what is undone by it."""
    agreed = set(question.effects)
    return {
        "say": "",
        "effects": list(question.effects),
        "topic": [effect.call.device for effect in effects],
        "language": "",
        "question": question.id,
        "undoes": [pair for pair in (asker.plan or {}).get("undoes", ()) if pair[1] in agreed],
    }


# No, and no answer


async def _close(
    desk: Desk, row: EventRow | None, question: Question, state: str, key: str, held: Mapping[int, str] | None = None
) -> None:
    """The question ends without a yes: nothing of it happens, and that is said. `held` tells why the gate holds each back."""
    now, why = desk.clock.now(), held or {}
    effects = await desk.store.read(lambda db: ledger.by_id(db, question.effects)) if question.kind == "approve" else []
    refused = [replace(e, state=Effect.REFUSED, why=why.get(e.id, state)) for e in effects if e.state is Effect.ASKED]

    def words(source: Source) -> str:
        return report(desk, refused, source) if held else desk.words(key, source) if key else ""

    def close(db: sqlite3.Connection) -> list[OutboxRow | None]:
        ended = questions.end(db, question.id, state, now, row.event.text if row else "")
        asker = inbox.get(db, question.event)
        if ended:
            for effect in refused:
                ledger.move(db, effect.id, Effect.REFUSED, why=effect.why)
            if asker.state is EventState.WAITING:
                inbox.move(db, question.event, EventState.REFUSED, why=state, at=now)
        if row is not None:
            inbox.move(db, row.id, EventState.DONE, at=now)
        return _tell_of_end(db, desk, row, question, asker, words if ended else None)

    told = await insist(desk.store, desk.clock, close)
    _forget(desk, question)
    desk.post.hand_over(told)


def _tell_of_end(
    db: sqlite3.Connection,
    desk: Desk,
    row: EventRow | None,
    question: Question,
    asker: EventRow,
    words: Callable[[Source], str] | None,
) -> list[OutboxRow | None]:
    """Who answered hears what came of it, else who was asked; whoever had asked from elsewhere hears it too."""
    if words is None:  # somebody else was quicker
        return [desk.reply(db, row, desk.words("too_late", row.event.source))] if row else []
    told: list[OutboxRow | None] = []
    if row is not None:
        told.append(desk.reply(db, row, words(row.event.source)))
    elif text := words(desk.people_source(question)):
        told.append(desk.tell(db, f"question:{question.id}:ended", question.lane, text))
    for lane, source in concerned(db, desk, question, asker).items():
        if lane not in (question.lane, row.lane if row else ""):
            told.append(desk.tell(db, f"question:{question.id}:asker:{lane}", lane, words(source)))
    return told


# One of several


async def _choose(desk: Desk, row: EventRow, question: Question, picks: tuple[int, ...], steer: Steer) -> None:
    source, now = row.event.source, desk.clock.now()
    calls = tuple(call for pick in picks for call in question.choices[pick][1])
    if not calls:
        await _close(desk, row, question, "no", "left_it")
        return
    asker = await desk.store.read(lambda db: inbox.get(db, question.event))
    plan = await look_first(desk, row, Plan(calls=calls, language=desk.language_of(source)))
    origin, undoes = Origin((asker.plan or {}).get("origin", Origin.PERSON)), (asker.plan or {}).get("undoing", ())

    def choose(db: sqlite3.Connection) -> dict[str, Any] | None:
        if not questions.end(db, question.id, "chosen", now, row.event.text):
            return None
        inbox.move(db, question.event, EventState.DONE, at=now)
        return write_plan(db, desk, row, plan, origin, undoes)

    kept = await desk.store.write(choose)
    _forget(desk, question)
    if kept is None:
        await _say(desk, row, "too_late")
    else:
        await finish(desk, row, kept, steer)


def _forget(desk: Desk, question: Question) -> None:
    """It is closed here, and so are its twins to other owners."""
    same = (question.event, question.effects)
    desk.close([one for one in desk.questions.values() if one.id == question.id or (one.event, one.effects) == same])


# Time


def on_sent(desk: Desk, row: OutboxRow) -> None:
    """A question has been delivered, or never will be: its time runs, or is over."""
    question = desk.questions.get(row.reply.question)
    if question is not None and row.state is not OutboxState.SENDING:
        desk.spawn(expire(desk, question.id), f"question {question.id}")


async def expire(desk: Desk, number: int) -> None:
    """Wait for the question's time to run out; no answer is no."""
    while number in desk.questions:
        question = await desk.store.read(lambda db: questions.find(db, number))
        if question is None:
            return
        until = question.asked + UNDELIVERED if question.expires is None else question.expires
        left = until - desk.clock.now()
        if left <= 0 and question.kind in asking.KINDS:
            await asking.expire(desk, question)
        elif left <= 0:
            said = await desk.store.read(partial(questions.twins, question=question, state="yes"))
            approve = question.kind == "approve"
            await _close(desk, None, question, "expired", ("no_second" if said else "no_answer") if approve else "")
        if left <= 0:
            return
        await desk.clock.sleep(left)


async def reopen(desk: Desk) -> None:
    """After a restart: what was asked is still asked, until its time is over; what a driver asked is not."""
    await asking.close_interrupted(desk)
    for question in await desk.store.read(questions.open_questions):
        desk.put(question)
