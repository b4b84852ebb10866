"""The memory in a conversation: what is told to be kept is kept, questions are answered from it, what is to go is let go.

Answers quote: whose words, and when. It does not understand sentences (the mind does) nor who may hear what (`dobby.memory`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.errors import DobbyError, Refused
from dobby.events import Call, EffectState, EventKind, Role, Source, State
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import FORGET, REMEMBER, dump
from dobby.memory import Fact, Memory, Recollection
from dobby.memory.notes import core, wishes
from dobby.memory.notes import wish as keep
from dobby.memory.search import covers, stops, words
from dobby.mind.plain.speech import Speech, fill, upper
from dobby.mind.plan import Choice, Order, Plan, Recall
from dobby.mind.remembering import table

TOOLS = (REMEMBER, FORGET)
TOLD = 3  # notes in one answer
CHOICES = 5  # notes that are offered to be forgotten
ENOUGH = 0.6  # of the words that a question asks for: then a note answers it
LABEL = 120  # characters of a note on a button


async def perform(desk: Desk, effect: EffectRow) -> Ending:
    """Keep or let go what an effect says; the same again changes nothing, so that a crash may repeat it."""
    row = await desk.store.read(lambda db: inbox.get(db, effect.event))
    try:
        works = {REMEMBER: _remember, FORGET: _forget}
        after = await works[effect.call.tool](desk, _memory(desk), row, effect.call.args)
    except DobbyError as error:
        return Ending(EffectState.FAILED, why=str(error))
    return Ending(EffectState.DONE, after)


def _memory(desk: Desk) -> Memory:
    if desk.memory is None:
        raise Refused("I have no memory here.")
    return desk.memory


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
        words = [await _wish(desk, memory, source, number, args["wish"])]
    desk.talk(source.person).recalled = (number,)
    return {"says": " ".join(words), "note": number}


async def _wish(desk: Desk, memory: Memory, source: Source, note: int, wish: Any) -> str:
    """A standing wish binds where it was understood and an adult made it; else it is only remembered, and that is said."""
    if not wish or source.authority.rank < Role.ADULT.rank:
        return desk.words("memory_wish_only", source)
    await memory.store.write(lambda db: keep(db, note, dump(wish)))
    await read_wishes(desk)
    return desk.words("memory_wish", source)


async def read_wishes(desk: Desk) -> None:
    """What stands, for the gate: it must not wait for a file."""
    desk.wishes = await desk.memory.store.read(wishes) if desk.memory else []


async def _against(desk: Desk, memory: Memory, source: Source, who: str, what: str, note: int) -> list[str]:
    """What it puts an end to, and who says otherwise."""
    facts = [fact for fact in await memory.about(who, who=source) if fact.what == what]
    new = next((fact for fact in facts if fact.note == note), None)
    told = [desk.words("memory_was", source, value=old.value) for old in facts if new and old.until == new.since and not old.now]
    others = [fact for fact in facts if new and new.doubted and fact.now and fact.value.casefold() != new.value.casefold()]
    return told[:1] + [desk.words("memory_else", source, name=fact.by, value=fact.value) for fact in others]


async def _forget(desk: Desk, memory: Memory, row: EventRow, args: Any) -> State:
    return {"says": await _gone(desk, memory, row, args)}


async def _gone(desk: Desk, memory: Memory, row: EventRow, args: Any) -> str:
    source = row.event.source
    gone = await memory.forget(list(args["notes"]), who=source, brought=row.event.key)
    await read_wishes(desk)
    words = desk.words("memory_forgotten", source)
    if not gone.notes and not await memory.read(args["notes"], who=source):
        return words  # by this very effect, before a restart
    if not gone.notes:
        return desk.words("memory_not_yours", source)
    return f"{words} {desk.words('memory_copies', source, names=', '.join(gone.copies))}" if gone.copies else words


def back(effect: EffectRow) -> Call | None:
    """What takes it back: a note that was kept is let go; what was let go is gone."""
    args: Any = effect.call.args
    if effect.call.tool == REMEMBER and "note" in args:
        return Call(REMEMBER, "", {**args, "private": not args["private"]})
    return Call(FORGET, "", {"notes": [effect.after["note"]]}) if "note" in effect.after else None


async def overhear(desk: Desk, row: EventRow, plan: Plan) -> None:
    """What was said that is neither a command nor a question is kept word for word, for whoever said it alone."""
    event = row.event
    talk = (
        event.kind is EventKind.TEXT and not event.text.rstrip().endswith("?") and (not plan.understood or plan.mind != "plain")
    )
    acts = plan.calls or plan.choices or plan.due or plan.order is not Order.NONE or plan.shown
    if desk.memory is None or not talk or acts or not event.text.strip():
        return
    await desk.memory.note(event.text, source=event.source, at=event.received, private=True, key=event.key)


# Answers


async def answered(desk: Desk, plan: Plan, source: Source) -> Plan:
    """The plan with its answer, its choices or its act; an `ask` that the memory cannot answer stays not understood."""
    assert plan.recall is not None
    bare = replace(plan, order=Order.NONE, recall=None)
    if desk.memory is None:
        return bare if not plan.understood else replace(bare, say="I have no memory here.")
    ask = _Asking(desk, desk.memory, source, Speech(plan.language, desk.units_of(source)))
    kind, wish = plan.recall.kind, plan.recall
    if kind in ("forget", "all", "last"):
        return await _letting_go(ask, wish, bare)
    if kind in ("keep", "share"):
        note = await _last(ask)
        calls = (Call(REMEMBER, "", {"note": note, "private": kind == "keep"}),) if note else ()
        return replace(bare, calls=calls, say="" if calls else _nothing(desk, source))
    say = await ANSWERS[kind](ask, wish)
    if say or plan.order is Order.RECALL:
        return replace(bare, say=say or ask.say("memory_nothing"), understood=True)
    return bare


class _Asking:
    """One question by one person, and how they are spoken to."""

    def __init__(self, desk: Desk, memory: Memory, source: Source, speech: Speech) -> None:
        self.desk, self.memory, self.source, self.speech = desk, memory, source, speech
        self.say = speech.say
        self.now = desk.clock.now()

    def moment(self, at: float) -> str:
        zone = self.desk.zone
        then, now = local(at, zone), local(self.now, zone)
        return self.speech.moment(then, now) + (f" {then.year}" if then.year != now.year else "")

    def day(self, at: float) -> str:
        """A day in words, without its hour."""
        then, now = local(at, self.desk.zone).date(), local(self.now, self.desk.zone).date()
        key = {now: "memory_today", now - timedelta(days=1): "memory_yesterday"}.get(then)
        year = f"{then.year}" if then.year != now.year else ""
        return self.say(key) if key else self.say("memory_on", date=f"{then.day}.{then.month}.{year}")

    def quote(self, note: Recollection) -> str:
        """Whose words, and when."""
        mine = note.by == self._me()
        said = self.say(
            "memory_quote_you" if mine else "memory_quote", name=note.by, time=self.moment(note.at), text=core(note.text)
        )
        return said if note.valid else f"{said} {self.say('memory_overtaken')}"

    def _me(self) -> str:
        person = self.desk.people.get(self.source.person)
        return person.name if person else self.source.person

    def fact(self, fact: Fact) -> str:
        """One fact, with who said it where it was somebody else, and until when it was so."""
        mine = fact.who == self._me()
        rows = table(self.speech.language)
        template = (rows["tells_you"] if mine else rows["tells"]).get(fact.what, rows["tells_other"])
        value = f" {fact.value}" if fact.what == "came" and fact.value else fact.value
        said = upper(fill(template, {"who": fact.who, "what": fact.what, "value": value, "day": self.day(fact.since)})).strip()
        if fact.until is not None and not fact.now:
            return self.say("memory_until", said=said, time=self.day(fact.until))
        by = self.say("memory_you") if fact.by == self._me() else fact.by
        return self.say("memory_says", said=said, name=by, time=self.day(fact.learnt))


def _nothing(desk: Desk, source: Source) -> str:
    return desk.words("memory_nothing", source)


def _turn_to(ask: _Asking, notes: Sequence[int]) -> None:
    """These are what "why do you think so?" and "forget that" are about."""
    ask.desk.talk(ask.source.person).recalled = tuple(dict.fromkeys(notes))[:TOLD]


async def _know(ask: _Asking, wish: Recall) -> str:
    facts = await ask.memory.about(wish.about, who=ask.source)
    notes = [note for note in await _mentions(ask, wish.about) if note.note not in {fact.note for fact in facts}][:TOLD]
    _turn_to(ask, [*(fact.note for fact in facts), *(note.note for note in notes)])
    told = [ask.fact(fact) for fact in facts]
    if any(fact.doubted for fact in facts):
        told.append(ask.say("memory_disagree"))
    return " ".join([*told, *map(ask.quote, notes)]) or ask.say("memory_nothing")


async def _mentions(ask: _Asking, about: str, by: str = "", limit: int = 20) -> list[Recollection]:
    """Notes that have the words themselves."""
    person = ask.desk.people.get(about)
    words = person.name if person else about
    found = await ask.memory.recall(words, who=ask.source, limit=limit, now=ask.now)
    return [note for note in found if covers(note.text, words) >= ENOUGH and (not by or note.by.casefold() == by.casefold())]


async def _said(ask: _Asking, wish: Recall) -> str:
    person = ask.desk.people.get(wish.by)
    by = person.name if person else wish.by
    start = local(wish.day, ask.desk.zone).replace(hour=0, minute=0, second=0, microsecond=0).timestamp() if wish.day else 0.0
    if wish.about:
        notes = [note for note in await _mentions(ask, wish.about, by) if not start or start <= note.at < start + 86400]
    else:
        ids = [each.id for each in ask.desk.people if by.casefold() in (each.id.casefold(), each.name.casefold())]
        until = start + 86400 if start else ask.now
        notes = await ask.memory.lately(who=ask.source, by=ids[0] if ids else by, after=start, before=until)
    notes = sorted(notes[:TOLD], key=lambda note: note.at)
    _turn_to(ask, [note.note for note in notes])
    return " ".join(map(ask.quote, notes))


async def _when(ask: _Asking, wish: Recall) -> str:
    facts = [
        fact for fact in await ask.memory.about(wish.about, who=ask.source) if fact.now and fact.what in ("came", "birthday")
    ]
    if facts:
        _turn_to(ask, [facts[0].note])
        return ask.fact(facts[0])
    return await _any(ask, wish)


async def _any(ask: _Asking, wish: Recall) -> str:
    """Any question: what says most of what it asks for, what still holds first."""
    if stops().issuperset(words(wish.about)):
        return ""
    notes = await _mentions(ask, wish.about, limit=TOLD)
    best = sorted((note for note in notes if not note.text.rstrip().endswith("?")), key=lambda note: not note.valid)[:2]
    _turn_to(ask, [note.note for note in best])
    return " ".join(map(ask.quote, best))


async def _what(ask: _Asking, wish: Recall) -> str:
    """What somebody said that something is or where it is, by exactly that name."""
    facts = [fact for fact in await ask.memory.about(wish.about, who=ask.source) if fact.now and fact.what in ("is", "where")]
    _turn_to(ask, [fact.note for fact in facts])
    return " ".join(map(ask.fact, facts))


async def _why(ask: _Asking, wish: Recall) -> str:
    notes = await ask.memory.read(ask.desk.talk(ask.source.person).recalled, who=ask.source)
    return " ".join(map(ask.quote, notes)) or ask.say("memory_why_none")


ANSWERS = {"know": _know, "said": _said, "when": _when, "ask": _any, "what": _what, "why": _why}


# Letting go


async def _last(ask: _Asking) -> int:
    """What was just talked about, else the newest note of one's own."""
    recalled = ask.desk.talk(ask.source.person).recalled
    newest = await ask.memory.lately(who=ask.source, by=ask.source.person, limit=1)
    return recalled[0] if recalled else newest[0].note if newest else 0


async def _letting_go(ask: _Asking, wish: Recall, bare: Plan) -> Plan:
    """One note that is meant goes; of several it is asked which. A guest's and a child's own only."""
    notes = await ask.memory.read([await _last(ask)], who=ask.source) if wish.kind == "last" else await _meant(ask, wish)
    if not notes:
        return replace(bare, say=ask.say("memory_nothing"))
    every = Call(FORGET, "", {"notes": [note.note for note in notes]})
    if len(notes) == 1:
        return replace(bare, calls=(every,))
    choices = [Choice(core(note.text)[:LABEL], (Call(FORGET, "", {"notes": [note.note]}),)) for note in notes[:CHOICES]]
    if wish.kind == "all":
        choices = [Choice(ask.say("memory_all", count=len(notes)), (every,)), *choices]
    choices.append(Choice(ask.say("leave_it"), ()))
    return replace(bare, say=ask.say("memory_which"), choices=tuple(choices))


async def _meant(ask: _Asking, wish: Recall) -> list[Recollection]:
    """What somebody wants forgotten, of what they may change: notes with these words, and those that facts follow from."""
    found = {note.note: note for note in await _mentions(ask, wish.about, limit=50)}
    facts = await ask.memory.about(wish.about, who=ask.source)
    found |= {note.note: note for note in await ask.memory.read([fact.note for fact in facts], who=ask.source)}
    may = await ask.memory.changeable(list(found), who=ask.source)
    exact = [note for note in found.values() if core(note.text).casefold().rstrip(" .!") == wish.about.casefold().rstrip(" .!")]
    kept = exact if exact and wish.kind != "all" else list(found.values())
    return [note for note in kept if note.note in may]
