"""The memory in a conversation: what is told to be kept is kept, questions are answered from it, what is to go is let go.

It does not understand sentences (the mind does), nor who may hear what and how it is told (`dobby.memory`).
"""

import sqlite3
from dataclasses import replace
from typing import Any

from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.errors import DobbyError, Refused
from dobby.events import Call, EffectState, EventKind, Role, Source, State
from dobby.journal import household, inbox
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import FORGET, REMEMBER
from dobby.memory import Memory, wishes
from dobby.memory.answers import Answers, Recall
from dobby.memory.notes import core
from dobby.memory.proposing import guessed
from dobby.mind.plain.speech import Speech
from dobby.mind.plan import Choice, Order, Plan
from dobby.mind.remembering import states, table

TOOLS = (REMEMBER, FORGET)
CHOICES = 5  # notes that are offered to be forgotten
LABEL = 120  # characters of a note on a button


async def perform(desk: Desk, effect: EffectRow) -> Ending:
    """Keep or let go what an effect says; the same again changes nothing, so that a crash may repeat it."""
    row = await desk.store.read(lambda db: inbox.get(db, effect.event))
    work = _remember if effect.call.tool == REMEMBER else _forget
    try:
        if desk.memory is None:
            raise Refused("I have no memory here.")
        after = await work(desk, desk.memory, row, effect.call.args)
    except DobbyError as error:
        return Ending(EffectState.FAILED, why=str(error))
    await read_wishes(desk)
    return Ending(EffectState.DONE, after)


async def read_wishes(desk: Desk) -> None:
    """What stands, for the gate: it must not wait for a file."""
    desk.wishes = await desk.memory.store.read(wishes.standing) if desk.memory else []


async def tell_guesses(desk: Desk) -> None:
    """The owners hear once, in the morning, of what a model made of shared notes in the night, and how it is taken back."""
    last = int(await desk.store.read(lambda db: household.setting(db, "guesses", "0")))
    rows = await desk.memory.store.read(lambda db: guessed(db, last)) if desk.memory else []
    names = list(dict.fromkeys(name for _, name in rows))[:CHOICES]

    def tell(db: sqlite3.Connection) -> None:
        household.set_setting(db, "guesses", str(rows[-1][0]))
        for person, lane in desk.owner_lanes():
            words = desk.words("memory_guesses", Source(person), count=len(rows), names=", ".join(names), one=names[0])
            told.append(desk.tell(db, f"guess:{rows[-1][0]}:{person}", lane, words))

    told: list[OutboxRow | None] = []
    if rows:
        await desk.store.write(tell)
    desk.post.hand_over(told)


async def _remember(desk: Desk, memory: Memory, row: EventRow, args: Any) -> State:
    event, source = row.event, row.event.source
    if "note" in args:
        done = await memory.share(args["note"], args["private"], who=source)
        key = "memory_not_yours" if not done else "memory_own_now" if args["private"] else "memory_shared_now"
        return {"says": desk.words(key, source)}
    at = event.received or desk.clock.now()
    number = await memory.note(args["text"], source=source, at=at, private=args["private"], kind="told", key=event.key)
    words = [desk.words("memory_kept_own" if args["private"] else "memory_kept", source)]
    for who, what, value, since in args["facts"]:
        await memory.learn(who, what, value, note=number, since=since or at)
        words += await _against(desk, memory, source, who, what, number)
    if "wish" in args:
        binds = args["wish"] and source.authority.rank >= Role.ADULT.rank  # understood, and by an adult; else only remembered
        words = [desk.words("memory_wish" if binds else "memory_wish_only", source)]
        if binds:
            await memory.store.write(lambda db: wishes.keep(db, number, args["wish"]))
    desk.talk(source.person).recalled = (number,)
    return {"says": " ".join(words), "note": number}


async def _against(desk: Desk, memory: Memory, source: Source, who: str, what: str, note: int) -> list[str]:
    """What it puts an end to, and who says otherwise."""
    facts = [fact for fact in await memory.about(who, who=source) if fact.what == what]
    new = next((fact for fact in facts if fact.note == note), None)
    told = [desk.words("memory_was", source, value=old.value) for old in facts if new and old.until == new.since and not old.now]
    others = [fact for fact in facts if new and new.doubted and fact.now and fact.value.casefold() != new.value.casefold()]
    return told[:1] + [desk.words("memory_else", source, name=fact.by, value=fact.value) for fact in others]


async def _forget(desk: Desk, memory: Memory, row: EventRow, args: Any) -> State:
    source = row.event.source
    gone = await memory.forget(list(args["notes"]), who=source, brought=row.event.key)
    others = not gone.notes and await memory.read(args["notes"], who=source)  # else by this very effect, before a restart
    words = [desk.words("memory_not_yours" if others else "memory_forgotten", source)]
    return {"says": " ".join(words + [desk.words("memory_copies", source, names=", ".join(gone.copies))] * bool(gone.copies))}


def back(effect: EffectRow) -> Call | None:
    """What takes it back: a note that was kept is let go; what was let go is gone."""
    args: Any = effect.call.args
    if effect.call.tool == REMEMBER and "note" in args:
        return Call(REMEMBER, "", {**args, "private": not args["private"]})
    return Call(FORGET, "", {"notes": [effect.after["note"]]}) if "note" in effect.after else None


async def overhear(desk: Desk, row: EventRow, plan: Plan) -> Plan:
    """What was said that is neither a command nor a question is kept word for word, for whoever said it alone; that is said
    where it is plainly a statement. "That" is no longer what was told before.
    """
    event, talk = row.event, desk.talk(row.event.source.person)
    if plan.recall is None and event.kind is EventKind.TEXT:
        talk.recalled = ()
    remark = event.kind is EventKind.TEXT and event.text.strip() and not event.text.rstrip().endswith("?")
    acts = plan.calls or plan.choices or plan.due or plan.order is not Order.NONE or plan.shown
    if desk.memory is not None and remark and not acts and (not plan.understood or plan.mind != "plain"):
        note = await desk.memory.note(event.text, source=event.source, at=event.received, private=True, key=event.key)
        talk.recalled = (note,)
        if not plan.understood and plan.say and states(event.text, plan.language):
            return replace(plan, say=f"{plan.say} {desk.words('memory_overheard', event.source)}")
    return plan


async def answered(desk: Desk, plan: Plan, source: Source) -> Plan:
    """The plan with its answer, its choices or its act; an `ask` that the memory cannot answer stays what it was without."""
    assert plan.recall is not None
    wish, bare, left = plan.recall, replace(plan, order=Order.NONE, recall=None, mind="plain"), replace(plan, recall=None)
    if desk.memory is None:
        return left if not plan.understood or plan.order is Order.THINK else replace(bare, say="I have no memory here.")
    talk, speech = desk.talk(source.person), Speech(plan.language, desk.units_of(source))
    ask = Answers(desk.memory, source, speech, table(plan.language), talk.recalled)
    if wish.kind in ("forget", "all", "last"):
        return await _letting_go(ask, wish, bare)
    if wish.kind in ("keep", "share"):
        calls = tuple(Call(REMEMBER, "", {"note": note.note, "private": wish.kind == "keep"}) for note in (await ask.last())[:1])
        return replace(bare, calls=calls, say="" if calls else speech.say("memory_nothing"))
    say = await ask.answer(wish)
    if say or plan.order is Order.RECALL:
        talk.recalled = ask.seen
        return replace(bare, say=say or speech.say("memory_nothing"), understood=True)
    return left


async def _letting_go(ask: Answers, wish: Recall, bare: Plan) -> Plan:
    """One note that is meant goes; of several it is asked which."""
    notes = await ask.meant(wish)
    if not notes:
        return replace(bare, say=ask.say("memory_nothing" if ask.seen or wish.kind != "last" else "ok"))
    every = Call(FORGET, "", {"notes": [note.note for note in notes]})
    if len(notes) == 1 and (wish.about or wish.kind == "last"):
        return replace(bare, calls=(every,))
    choices = [Choice(core(note.text)[:LABEL], (Call(FORGET, "", {"notes": [note.note]}),)) for note in notes[:CHOICES]]
    if wish.kind == "all":
        choices = [Choice(ask.say("memory_all", count=len(notes)), (every,)), *choices]
    return replace(bare, say=ask.say("memory_which"), choices=(*choices, Choice(ask.say("leave_it"), ())))
