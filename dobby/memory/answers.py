"""Questions to the memory, answered in words: what was said, what is known, since when, from whom; and which notes are to go.

Answers quote: whose words, and when. It does not understand sentences (the mind made a `Recall` of them) and changes nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from dobby.clock import local
from dobby.events import Source
from dobby.memory.facts import Fact
from dobby.memory.memory import Memory
from dobby.memory.notes import Recollection, core
from dobby.memory.proposing import SURE
from dobby.memory.search import covers, stops, words

MANY = 500  # notes that are forgotten at once
TOLD = 3  # notes in one answer
ENOUGH = 0.6  # of the words that a question asks for: then a note answers it
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Recall:
    """One look into the memory: `kind` is `said`, `know`, `when`, `what`, `why`, `wrong`, `ask` (any question), `forget`, `all`
    (forget all of it), `last` (forget that), `keep` (to yourself) or `share`. It is `about` something, said `by` somebody, on
    the `day` of an instant.
    """

    kind: str
    about: str = ""
    by: str = ""
    day: float = 0.0


class Voice(Protocol):
    """How somebody is spoken to."""

    def say(self, key: str, **facts: object) -> str:
        """A fixed sentence, filled in."""

    def moment(self, at: datetime, now: datetime) -> str:
        """An instant up to now."""


class Answers:
    """One question by one person. `tells` are how facts are told, by relation, of somebody (`tells`), of who asks (`tells_you`)
    and of anything (`tells_other`); `seen` are the notes that were talked about last, and after an answer those it came from.
    """

    def __init__(self, memory: Memory, who: Source, voice: Voice, tells: Mapping[str, Any], seen: Sequence[int] = ()) -> None:
        self.memory, self.who, self.voice, self.tells, self.seen = memory, who, voice, tells, tuple(seen)
        self.say, self.now, self.me = voice.say, memory.clock.now(), memory.name(who.person)

    async def answer(self, wish: Recall) -> str:
        """What is known of it; "" where nothing is."""
        asked = {"know": self._know, "said": self._said, "when": self._when, "what": self._what}
        asked |= {"why": self._why, "wrong": self._wrong}
        return await asked.get(wish.kind, self._any)(wish)

    def _told(self, facts: Sequence[Fact], notes: Sequence[Recollection] = ()) -> str:
        """In words; "why do you think so?" and "forget that" are about these then."""
        self.seen = tuple(dict.fromkeys([*(fact.note for fact in facts), *(note.note for note in notes)]))[:TOLD]
        told = [self.fact(fact) for fact in facts]
        if any(fact.doubted for fact in facts):
            told.append(self.say("memory_disagree"))
        return " ".join([*told, *map(self.quote, notes)])

    def quote(self, note: Recollection) -> str:
        """Whose words, and when."""
        then, now = local(note.at, self.memory.zone), local(self.now, self.memory.zone)
        time = self.voice.moment(then, now) + (f" {then.year}" if then.year != now.year else "")
        key = "memory_quote_you" if note.by == self.me else "memory_quote"
        said = self.say(key, name=note.by, time=time, text=core(note.text))
        return said if note.valid else f"{said} {self.say('memory_overtaken')}"

    def fact(self, fact: Fact) -> str:
        """One fact, with who said it, and until when it was so."""
        template = self.tells["tells_you" if fact.who == self.me else "tells"].get(fact.what, self.tells["tells_other"])
        value = f" {fact.value}".replace(" ,", ",") if fact.what == "came" and fact.value else fact.value
        parts = {"who": fact.who, "what": fact.what, "value": value, "day": self._day(fact.since)}
        said = re.sub(r"{(\w+)}", lambda part: parts[part[1]], template).strip()
        said = said[:1].upper() + said[1:]
        if fact.until is not None and not fact.now:
            return self.say("memory_until", said=said, time=self._day(fact.until))
        by = self.say("memory_you") if fact.by == self.me else fact.by
        key = "memory_guess" if fact.sure == SURE else "memory_says"
        return self.say(key, said=said, name=by, time=self._day(fact.learnt))

    def _day(self, at: float) -> str:
        """A day in words, without its hour."""
        then, now = local(at, self.memory.zone).date(), local(self.now, self.memory.zone).date()
        key = {now: "memory_today", now - timedelta(days=1): "memory_yesterday"}.get(then)
        year = f"{then.year}" if then.year != now.year else ""
        return self.say(key) if key else self.say("memory_on", date=f"{then.day}.{then.month}.{year}")

    async def _know(self, wish: Recall) -> str:
        facts = await self.memory.about(wish.about, who=self.who)
        notes, told = await self._mentions(wish.about), {fact.note for fact in facts}
        if not facts and not notes and self.memory.person(wish.about) == self.who.person:
            notes = await self.memory.lately(who=self.who, by=self.who.person, limit=TOLD)  # their own words are of them
        return self._told(facts, [note for note in notes if note.note not in told][:TOLD])

    async def _mentions(self, about: str, by: str = "", limit: int = 20) -> list[Recollection]:
        """Notes that have the words themselves."""
        wanted = self.memory.name(about)
        found = await self.memory.recall(wanted, who=self.who, limit=limit, now=self.now)
        return [note for note in found if covers(note.text, wanted) >= ENOUGH and by.casefold() in ("", note.by.casefold())]

    async def _said(self, wish: Recall) -> str:
        midnight = local(wish.day, self.memory.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight.timestamp() if wish.day else 0.0
        person, name = self.memory.person(wish.by) or wish.by, self.memory.name(wish.by)
        if wish.about:
            notes = [note for note in await self._mentions(wish.about, name) if not start or start <= note.at < start + DAY]
        else:
            notes = await self.memory.lately(who=self.who, by=person, after=start, before=start + DAY if start else self.now)
        return self._told((), sorted(notes[:TOLD], key=lambda note: note.at))

    async def _when(self, wish: Recall) -> str:
        facts = [fact for fact in await self.memory.about(wish.about, who=self.who) if fact.now]
        return self._told([fact for fact in facts if fact.what in ("came", "birthday")][:1]) or await self._any(wish)

    async def _what(self, wish: Recall) -> str:
        """What somebody said that something is or where it is, by exactly that name."""
        facts = await self.memory.about(wish.about, who=self.who)
        return self._told([fact for fact in facts if fact.now and fact.what in ("is", "where")])

    async def _any(self, wish: Recall) -> str:
        """Any question: what says most of what it asks for, what still holds first."""
        if stops().issuperset(words(wish.about)):
            return ""
        notes = [note for note in await self._mentions(wish.about, limit=TOLD) if not note.text.rstrip().endswith("?")]
        return self._told((), sorted(notes, key=lambda note: not note.valid)[:2])

    async def _why(self, wish: Recall) -> str:
        return self._told((), await self.memory.read(self.seen, who=self.who)) or self.say("memory_why_none")

    async def _wrong(self, wish: Recall) -> str:
        return self.say("memory_wrong") if self.seen else ""

    # What is meant by "that", and what is to go

    async def last(self) -> list[Recollection]:
        """What was just talked about."""
        return await self.memory.read(self.seen, who=self.who)

    async def meant(self, wish: Recall) -> list[Recollection]:
        """What somebody wants forgotten, of what they may change: notes with these words, and those that facts follow from."""
        if wish.kind == "last":
            return await self.last()
        if not wish.about:
            return await self.memory.lately(who=self.who, by=self.who.person, limit=MANY)
        facts = await self.memory.about(wish.about, who=self.who)
        notes = [*await self._mentions(wish.about, limit=50), *await self.memory.read([f.note for f in facts], who=self.who)]
        found = {note.note: note for note in notes}
        may = await self.memory.changeable(list(found), who=self.who)
        bare = wish.about.casefold().rstrip(" .!")
        exact = [note for note in found.values() if core(note.text).casefold().rstrip(" .!") == bare]
        return [note for note in (exact if exact and wish.kind != "all" else found.values()) if note.note in may]
