"""The memory as everybody uses it: note, learn, recall, about, forget. Rows in `memory.db`, one writer.

Rights are held here, at the source: nobody is handed what is private to somebody else. It does not understand sentences.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from dobby.clock import Clock, SystemClock, local
from dobby.errors import Refused, StoreError
from dobby.events import Role, Source
from dobby.journal.redact import redact
from dobby.memory import facts, forgetting, notes, search, vectors
from dobby.memory.facts import Fact
from dobby.memory.forgetting import Forgotten, Selector
from dobby.memory.notes import Note, Recollection
from dobby.paths import shipped
from dobby.people import People
from dobby.store import Store

MIGRATIONS = tuple((shipped("memory") / name).read_text("utf-8") for name in ("schema.sql", "corrections.sql", "proposals.sql"))
LONGEST = 4000  # characters of one note


class Memory:
    """Notes and facts of one house. Every question says who asks (`Source`): guests get their own, the house what is shared."""

    def __init__(
        self,
        store: Store,
        people: People | None = None,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
        journal: Store | None = None,
    ) -> None:
        """`journal` holds texts too; what is forgotten is taken back out of them."""
        self.store, self.people, self.clock, self.zone = store, people, clock or SystemClock(), zone
        self.journal = journal
        # A model, for the night: it answers a text in a form of JSON.
        self.ask: Callable[[str, Mapping[str, Any]], Awaitable[str]] | None = None
        self.meaning = False  # whether vectors help (the extra is there, and whoever runs this wants them)

    async def note(
        self, text: str, *, source: Source, at: float, private: bool = False, place: str = "", kind: str = "said", key: str = ""
    ) -> int:
        """Keep words as they were said; the note's number. `key` names what brought them: the same again keeps nothing.

        :raises Refused: there are no words, too many, or nobody known said them.
        """
        text = text.strip()
        if not text or len(text) > LONGEST:
            raise Refused(f"A note has 1 to {LONGEST} characters.")
        if source.authority is Role.UNKNOWN:
            raise Refused("Of people I do not know I keep nothing.")
        note = Note(text, at, source.person, self.name(source.person), source.lane, kind, private, place, key or None)
        day = local(at, self.zone)
        return await self.store.write(lambda db: notes.keep(db, note, day))

    async def learn(
        self, who: str, what: str, value: str, *, note: int, since: float, until: float | None = None, sure: float = 1.0
    ) -> int:
        """Keep a fact that follows from a note: `who` a person's id or any name, `what` a relation (`prefers`, `is` …).

        A newer one of the same kind ends the older, whose history stays; what somebody else says stands beside it. Its number.
        """
        key, name, kind = self.person(who) or facts.key_of(who), self.name(who), "person" if self.person(who) else "thing"
        now = self.clock.now()
        return await self.store.write(
            lambda db: facts.learn(db, key, name, kind, what, value, note=note, since=since, until=until, sure=sure, now=now)
        )

    async def recall(
        self, text: str, *, who: Source, limit: int = 8, now: float, before: float | None = None, after: float | None = None
    ) -> list[Recollection]:
        """The notes that fit a text best, best first; `before` and `after` bound the time they are from (default: up to now)."""
        rights = notes.may_see(who)
        until = now if before is None else min(before, now)
        me = self.name(notes.whose(who))

        most = max(limit, vectors.LOOKED) if self.meaning else limit

        def look(db: sqlite3.Connection) -> list[tuple[float, Recollection]]:
            found = search.search(db, text, rights, limit=most, after=after or 0.0, before=until, me=me)
            rows = notes.read(db, [number for number, _ in found])
            return [(worth, rows[number]) for number, worth in found if number in rows]

        found = await self.store.read(look)
        if self.meaning and found:
            order = await asyncio.to_thread(vectors.reordered, text, [(worth, row.text) for worth, row in found])
            found = [found[place] for place in order]
        return [row for _, row in found[:limit]]

    async def lately(
        self, *, who: Source, by: str = "", after: float = 0.0, before: float = notes.FOREVER, limit: int = 8
    ) -> list[Recollection]:
        """The newest notes of a stretch of time, newest first; `by` one person's only."""
        rights = notes.may_see(who)
        return await self.store.read(lambda db: notes.lately(db, rights, by, after, before, limit))

    async def read(self, numbers: Sequence[int], *, who: Source) -> list[Recollection]:
        """Notes by their numbers, as far as they may be seen."""
        rights = notes.may_see(who)
        return await self.store.read(lambda db: [row for row in notes.read(db, numbers, rights).values()])

    async def reword(self, note: int, text: str, private: bool | None) -> bool:
        """Correct a note's words; what it said before stays in its history. Who may is asked before (`changeable`).
        Whether a standing wish no longer binds by it."""
        if not text.strip() or len(text) > LONGEST:
            raise Refused(f"A note has 1 to {LONGEST} characters.")
        now = self.clock.now()
        return await self.store.write(lambda db: notes.reword(db, note, text.strip(), private, now))

    async def changeable(self, numbers: Sequence[int], *, who: Source) -> set[int]:
        """Which of these notes somebody may forget."""
        rights = notes.may_change(who)
        return set(await self.store.read(lambda db: forgetting.choose(db, numbers, rights)))

    async def share(self, note: int, private: bool, *, who: Source) -> bool:
        """Keep a note of one's own to oneself, or let the house have it; False where it is somebody else's."""
        whose = notes.whose(who)
        return await self.store.write(lambda db: notes.share(db, note, whose, private))

    async def about(self, person_or_thing: str, *, who: Source) -> list[Fact]:
        """What is known about somebody or something: what counts today first, then what did; contradictions are marked."""
        key = self.person(person_or_thing) or facts.key_of(person_or_thing)
        return await self.store.read(lambda db: facts.of_subject(db, key, who))

    async def forget(self, selector: Selector, *, who: Source, brought: str = "") -> Forgotten:
        """Let notes go, by number or by words of theirs, and all that followed: from rows, index, the journal's texts, and the
        files' bytes. `brought` is the event that asks for it; its words go too. Others' notes are left alone.
        """
        rights = notes.may_change(who)
        ids = await self.store.read(lambda db: forgetting.choose(db, selector, rights))
        if not ids:
            return Forgotten()
        gone = await self.store.write(lambda db: forgetting.begin(db, ids, [brought] if brought else []))
        texts, copies = await self.settle()
        return Forgotten(*gone, texts, copies)

    async def settle(self) -> tuple[int, tuple[str, ...]]:
        """Bring every forgetting to its end; after a crash, the next start does. Texts blanked, and copies that still have it."""
        begun = await self.store.read(forgetting.under_way)
        texts, copies = 0, dict[str, None]()
        if begun:
            events, needles = [key for one in begun for key in one.events], [word for one in begun for word in one.needles]
            texts = await self.journal.write(lambda db: redact(db, events, needles)) if self.journal else 0
            await self.store.write(forgetting.rebuild)
            folder = self.store.path.parent if self.store.path else None
            copies |= dict.fromkeys(await asyncio.to_thread(forgetting.copies, folder, begun)) if folder else {}
            await self.store.write(lambda db: forgetting.end(db, [one.id for one in begun]))
        return texts, (*copies, *[path async for path in self._clean()])

    async def _clean(self) -> AsyncIterator[str]:
        """Rewrite the files that are owed it, without what was erased; those that somebody reads just now are left for later."""
        for what, store in {"journal": self.journal, "memory": self.store}.items():
            if store is None or not await self.store.read(partial(forgetting.owes, what=what)):
                continue
            try:
                await store.compact()
            except StoreError:
                yield str(store.path)
            else:
                await self.store.write(partial(forgetting.paid, what=what))

    async def aclose(self) -> None:
        """Close the file."""
        await self.store.aclose()

    def person(self, named: str) -> str:
        """Somebody's id, by id or name; "" for who is not known."""
        key = facts.key_of(named)
        return next((one.id for one in self.people or () if key in (one.id.casefold(), one.name.casefold())), "")

    def name(self, named: str) -> str:
        """What somebody is called, by id or name; anything else is called as it is."""
        known = self.people.get(self.person(named)) if self.people else None
        return known.name if known else " ".join(named.split())


def open_memory(
    folder: Path | None,
    people: People | None = None,
    clock: Clock | None = None,
    zone: tzinfo | None = None,
    journal: Store | None = None,
) -> Memory:
    """The memory of a state folder; `None` keeps it in RAM, for `dobby try` and tests."""
    return Memory(Store(folder / "memory.db" if folder else None, MIGRATIONS), people, clock, zone, journal)
