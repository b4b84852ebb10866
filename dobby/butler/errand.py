"""One event from its plan to its reply: judge, write down, do, look, answer. Three commits for a plain command.

It does not know lanes or queues, nor how an answer to a question is matched (`answers`).
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dobby.act import Ending
from dobby.butler import memories, persons, wording
from dobby.butler.desk import Desk
from dobby.butler.judging import acting, judge
from dobby.butler.keeping import OURS, carry, grant_of, shown_first
from dobby.butler.leave import ask_leave, ask_which
from dobby.butler.looking import CURRENT, look_first
from dobby.events import Call, EffectState, EventState, Origin, Source
from dobby.gate import Grant, Verdict
from dobby.journal import inbox, ledger, questions
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import hash_calls
from dobby.journal.questions import Question
from dobby.mind.plan import Outcome, Plan
from dobby.store import insist

SIDE_BY_SIDE = 8  # devices acted on at once within one errand


@dataclass(slots=True)
class Steer:
    """How a newer text reaches a running errand: once set, nothing more of it is begun. `halted`: this text did that."""

    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    halted: bool = False


# Judging and writing down


def effect_of(desk: Desk, event: int, call: Call, source: Source, grant: Grant | None = None, hash_: str = "") -> EffectRow:
    """A call as the row it will be, by the gate's verdict."""
    decision = judge(desk, call, source, grant, hash_)
    states = {Verdict.ALLOW: EffectState.INTENDED, Verdict.ASK: EffectState.ASKED, Verdict.REFUSE: EffectState.REFUSED}
    before = desk.hands.before(call)
    class_ = desk.hands.effect_class(call)
    state = states[decision.verdict]
    return EffectRow(0, event, call, class_, decision.risk, state, before, why=decision.why, at=desk.clock.now())


def write_plan(
    db: sqlite3.Connection, desk: Desk, row: EventRow, plan: Plan, origin: Origin = Origin.PERSON, undoes: Sequence[int] = ()
) -> dict[str, Any]:
    """The plan as kept, and all its intents as rows that may happen after this commit; `undoes`: what each takes back."""
    source = acting(row.event.source, origin)
    hash_ = hash_calls(plan.calls)
    grant = grant_of(db, desk, source, hash_)
    effects = [ledger.write_down(db, effect_of(desk, row.id, call, source, grant, hash_)) for call in plan.calls]
    kept = {
        "say": plan.say,
        "effects": effects,
        "relative": plan.relative,
        "topic": list(plan.topic or dict.fromkeys(call.device for call in plan.calls if call.device)),
        "language": plan.language,
        "mind": plan.mind,
        "scene": plan.scene,
        "picture": plan.picture,
        "origin": origin,
        "undoes": [list(pair) for pair in zip(undoes, effects, strict=False)],
    }
    inbox.keep_plan(db, row.id, kept)
    inbox.move(db, row.id, EventState.WORKING)
    return kept


# Doing


async def carry_out(desk: Desk, effects: Sequence[EffectRow], steer: Steer, *, recovering: bool = False) -> dict[int, Ending]:
    """Do what is intended, several devices side by side, each in order; a steering text stops what has not begun."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)
    endings: dict[int, Ending] = {}

    async def one_device(mine: list[EffectRow]) -> None:
        for effect in mine:
            async with room:
                endings[effect.id] = await _carry_one(desk, effect, steer, recovering)

    by_device: dict[str, list[EffectRow]] = {}
    for effect in effects:
        if effect.state is EffectState.INTENDED:
            by_device.setdefault(effect.call.device or effect.call.tool, []).append(effect)
    async with asyncio.TaskGroup() as group:
        for mine in by_device.values():
            group.create_task(one_device(mine))
    return endings


async def _carry_one(desk: Desk, effect: EffectRow, steer: Steer, recovering: bool) -> Ending:
    if effect.call.tool in OURS:  # a row of ours: kept in the commit that says so
        return Ending(EffectState.REFUSED, why="stopped") if steer.stopped.is_set() else Ending(EffectState.DONE)
    if effect.call.tool in memories.TOOLS:
        return await memories.perform(desk, effect)
    if recovering:
        return await _take_up(desk, effect, steer)
    if steer.stopped.is_set() or desk.modes.hands_off:
        return Ending(EffectState.REFUSED, why="stopped" if steer.stopped.is_set() else "hands_off")
    return await desk.hands.perform(effect)


async def _take_up(desk: Desk, effect: EffectRow, steer: Steer) -> Ending:
    """What was begun before a restart: overtaken, or looked at, and done again where that is harmless and still allowed."""
    if await desk.store.read(lambda db: ledger.overtaken(db, effect)):
        return Ending(EffectState.FAILED, why=ledger.OVERTAKEN)
    why = "stopped" if steer.stopped.is_set() else "hands_off"
    if why == "hands_off" and not desk.modes.hands_off:
        return await desk.hands.reconcile(effect)
    ending = await desk.hands.reconcile(effect, again=False)
    return Ending(EffectState.REFUSED, why=why) if ending.state is EffectState.INTENDED else ending


def close_effects(db: sqlite3.Connection, endings: dict[int, Ending], at: float) -> None:
    """Outcomes into the ledger; what is still under way stays intended."""
    for number, ending in endings.items():
        if ending.state is EffectState.REFUSED:
            ledger.move(db, number, EffectState.REFUSED, why=ending.why)
        elif ending.state is EffectState.INTENDED and ledger.overtaken(db, ledger.by_id(db, [number])[0]):
            ledger.close(db, number, EffectState.FAILED, after=ending.after, echoed=False, why=ledger.OVERTAKEN, at=at)
        elif ending.state is not EffectState.INTENDED:
            ledger.close(db, number, ending.state, after=ending.after, echoed=ending.echoed, why=ending.why, at=at)


# Answering


def report(
    desk: Desk, effects: Iterable[EffectRow], source: Source, *, say: str = "", language: str = "", scene: str = ""
) -> str:
    """What is true of these effects, in words, before what the mind had to say; of a scene what did not obey or is under way."""
    outcomes = [desk.outcome(effect) for effect in effects if effect.state is not EffectState.ASKED]
    lost = sum(outcome.state not in (EffectState.DONE, EffectState.INTENDED) for outcome in outcomes)
    if scene and lost < len(outcomes):
        key = "scene_some" if lost else "scene_done"
        head = desk.mind.phrase(key, language or desk.language_of(source), scene=scene, lost=lost, count=len(outcomes))
        outcomes = [outcome for outcome in outcomes if outcome.state is not EffectState.DONE or outcome.echoed]
        return " ".join(part for part in (head, report_of(desk, outcomes, source, language), say) if part)
    return " ".join(part for part in (report_of(desk, outcomes, source, language), say) if part)


def report_of(desk: Desk, outcomes: Sequence[Outcome], source: Source, language: str = "") -> str:
    """These outcomes in words; "" for none."""
    return desk.mind.report(outcomes, language or desk.language_of(source), desk.units_of(source)) if outcomes else ""


async def finish(
    desk: Desk, row: EventRow, kept: dict[str, Any], steer: Steer, *, recovering: bool = False, done: bool = False
) -> None:
    """Do what the kept plan intends (if it is not `done`), and end the event: one commit for outcomes, reply and end."""
    CURRENT.set(row)
    rows = await desk.store.read(lambda db: ledger.by_id(db, kept["effects"])) if kept["effects"] and not done else []
    await desk.overtake(rows)
    endings = await carry_out(desk, rows, steer, recovering=recovering)
    now = desk.clock.now()

    def close(db: sqlite3.Connection) -> tuple[list[EffectRow], list[OutboxRow | None], list[Question]]:
        close_effects(db, {**endings, **carry(db, desk, rows, endings)}, now)
        effects = _with_under_way(ledger.by_id(db, kept["effects"]), endings)
        taken_back = {effect.id for effect in effects if effect.state in (EffectState.DONE, EffectState.INTENDED)}
        for old, new in kept.get("undoes", ()):
            if new in taken_back:
                ledger.mark_undone(db, [old], new)
        return effects, *_answer(db, desk, row, kept, effects)

    effects, replies, asked = await insist(desk.store, desk.clock, close)
    if any(effect.call.tool in OURS for effect in effects):
        desk.wake()  # only now the rows can be seen: woken before, the wheel would look too early and sleep on
    wording.settle(desk, effects)
    remember(desk, row, kept, effects)
    for question_ in asked:
        desk.put(question_)
    desk.post.hand_over(replies)
    desk.follow(effects, row)
    await persons.settle(desk, effects, row.event.source)


def _with_under_way(effects: list[EffectRow], endings: dict[int, Ending]) -> list[EffectRow]:
    return [
        replace(effect, after=endings[effect.id].after)
        if effect.id in endings and effect.state is EffectState.INTENDED
        else effect
        for effect in effects
    ]


def _answer(
    db: sqlite3.Connection, desk: Desk, row: EventRow, kept: dict[str, Any], effects: list[EffectRow]
) -> tuple[list[OutboxRow | None], list[Question]]:
    """The reply, the questions, and the event's end."""
    source = row.event.source
    text = report(desk, effects, source, say=kept["say"], language=kept["language"], scene=kept.get("scene", ""))
    asked = [effect for effect in effects if effect.state is EffectState.ASKED]
    if asked:
        return ask_leave(db, desk, row, asked, text)
    shown = (effect.after.get("picture") for effect in effects)
    picture = kept.get("picture") or next((str(path) for path in shown if path), "")
    replies = [desk.reply(db, row, text, picture=picture, options=tuple(kept.get("options", ())))] if text else []
    if kept.get("question"):
        replies += _tell_others(db, desk, row, kept["question"], effects)
    refused = effects and all(effect.state is EffectState.REFUSED for effect in effects)
    inbox.move(db, row.id, EventState.REFUSED if refused else EventState.DONE, at=desk.clock.now())
    return replies, []


def concerned(db: sqlite3.Connection, desk: Desk, question: Question, asker: EventRow) -> dict[str, Source]:
    """Who hears what came of a question beside whoever answered it: who had asked, and who had said yes before; by lane."""
    said = {twin.lane: desk.people_source(twin) for twin in questions.twins(db, question, "yes")}
    return {asker.lane: asker.event.source, **said}


def _tell_others(
    db: sqlite3.Connection, desk: Desk, row: EventRow, number: int, effects: list[EffectRow]
) -> list[OutboxRow | None]:
    question = questions.get(db, number)
    told = concerned(db, desk, question, inbox.get(db, question.event))
    return [
        desk.tell(db, f"question:{number}:asker:{lane}", lane, report(desk, effects, source))
        for lane, source in told.items()
        if lane != row.lane
    ]


def remember(desk: Desk, row: EventRow, kept: dict[str, Any], effects: Sequence[EffectRow]) -> None:
    """What "it" and "that" mean from now on, to this person."""
    talk = desk.talk(row.event.source.person)
    talk.lane = row.lane
    if kept["topic"]:
        talk.talked = tuple(dict.fromkeys([*kept["topic"], *talk.talked]))[:12]
    if effects:
        talk.last, talk.was = tuple(effect.call for effect in effects), tuple(effect.before for effect in effects)
        talk.relative = kept.get("relative", False)


async def work_on(
    desk: Desk, row: EventRow, plan: Plan, steer: Steer, *, origin: Origin = Origin.PERSON, undoes: Sequence[int] = ()
) -> None:
    """Carry a plan through: a question back, an answer, or acts. `undoes` are the effects that its calls take back."""
    asks = any(judge(desk, call, row.event.source).verdict is Verdict.ASK for call in plan.keeps())
    plan = await look_first(desk, row, shown_first(desk, row.event.source, plan, asks))
    origin = Origin.SCENE if plan.scene else origin
    if plan.choices:
        await ask_which(desk, row, plan, origin=origin, undoing=list(undoes))
        remember(desk, row, {"topic": list(plan.topic)}, ())
        return
    if not plan.calls:
        kept = {"say": plan.say, "effects": [], "topic": list(plan.topic), "language": plan.language, "picture": plan.picture}
        await finish(desk, row, kept, steer)
        return
    kept = await desk.store.write(lambda db: write_plan(db, desk, row, plan, origin, undoes))
    await finish(desk, row, kept, steer)
