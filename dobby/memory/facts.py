"""Facts as rows: who, what, since and until when, from which note, how sure. A newer one ends an older; none is overwritten.

Where two people say different things both stand, and are told as such. It does not know how a sentence becomes a fact.
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dobby.events import Source
from dobby.memory.notes import may_see

DOUBT = 0.3  # how much less sure a fact may be and still take another's place
ARTICLES = re.compile(r"^(?:the|a|an|my|our|der|die|das|den|dem|ein|eine|mein|meine|unser|unsere)\s+", re.IGNORECASE)
MANY = frozenset(["likes", "dislikes", "came", "happened", "allergic", "said", "am", "favourite"])  # several at once
COLUMNS = "fact.id, subject.name, fact.what, fact.value, fact.since, fact.until, fact.learnt, fact.ended, fact.sure, fact.note"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is or was so: `by` said it, in `note`; `until` None: it still is; `ended` None: nothing newer is
    known; `doubted`: somebody says otherwise.
    """

    id: int
    who: str
    what: str
    value: str
    since: float
    until: float | None
    learnt: float
    ended: float | None
    sure: float
    note: int
    by: str
    said: str
    private: bool
    doubted: bool = False

    @property
    def now(self) -> bool:
        """It is what counts today."""
        return self.ended is None


def key_of(name: str) -> str:
    """What somebody or something is called, as it is recognised."""
    return " ".join(ARTICLES.sub("", " ".join(name.split()).strip(' .!?,"“”„')).casefold().split())


def learn(db: sqlite3.Connection, key: str, name: str, kind: str, what: str, value: str, *, note: int, since: float,
          until: float | None, sure: float, now: float) -> int:  # fmt: skip
    """Keep a fact and end those whose place it takes; its number. The same from the same note is one fact."""
    db.execute(
        "INSERT INTO subject (key, kind, name) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET name = excluded.name",
        (key, kind, name),
    )
    same = db.execute(
        "SELECT id FROM fact WHERE note = ? AND subject = ? AND what = ? AND value = ?", (note, key, what, value)
    ).fetchone()
    if same:
        return int(same[0])
    cursor = db.execute(
        "INSERT INTO fact (subject, what, value, since, until, learnt, sure, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key, what, value, since, until, now, sure, note),
    )
    assert cursor.lastrowid is not None
    if what not in MANY:
        _overtake(db, cursor.lastrowid, key, what, note, since, sure, now)
    return cursor.lastrowid


def _overtake(db: sqlite3.Connection, fact: int, key: str, what: str, note: int, since: float, sure: float, now: float) -> None:
    """End the older facts of the same kind: one's own words, and anybody's about oneself; a private word ends no shared one.
    Of what was so before the fact that counts today, only the history is told."""
    person, private = db.execute("SELECT person, private FROM note WHERE id = ?", (note,)).fetchone()
    rivals = (
        "subject = ? AND what = ? AND id <> ? AND ended IS NULL AND EXISTS"
        " (SELECT 1 FROM note WHERE note.id = fact.note AND private = ? AND (person = ? OR ? = ?))"
    )
    which = (key, what, fact, private, person, person, key)
    db.execute(
        f"UPDATE fact SET ended = ?, until = coalesce(until, ?), instead = ? WHERE {rivals} AND since <= ? AND sure <= ?",
        (now, since, fact, *which, since, sure + DOUBT),
    )
    db.execute(
        "UPDATE fact SET since = min(since, (SELECT coalesce(min(since), ?) FROM fact AS old WHERE old.instead = fact.id"
        " AND lower(old.value) = lower(fact.value))) WHERE id = ?",
        (since, fact),
    )  # said again, it has been so since it was first said
    newer = db.execute(
        f"SELECT id, since FROM fact WHERE {rivals} AND since > ? ORDER BY since LIMIT 1", (*which, since)
    ).fetchone()
    if newer:
        db.execute(
            "UPDATE fact SET ended = ?, until = coalesce(until, ?), instead = ? WHERE id = ?", (now, newer[1], newer[0], fact)
        )


def of_subject(db: sqlite3.Connection, key: str, who: Source) -> list[Fact]:
    """What is known about somebody or something, as far as it may be heard of."""
    seen, rights = may_see(who)
    return select(db, f"fact.subject = ? AND {seen}", (key, *rights))


def select(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[Fact]:
    """Facts, newest first, what counts today before what did; contradictions are marked."""
    rows = db.execute(
        f"SELECT {COLUMNS}, note.name, note.text, note.private = 1 FROM fact JOIN note ON note.id = fact.note"
        f" JOIN subject ON subject.key = fact.subject WHERE {where} AND NOT EXISTS"
        " (SELECT 1 FROM fact AS newer WHERE newer.id = fact.instead AND lower(newer.value) = lower(fact.value))"
        " ORDER BY fact.ended IS NOT NULL, fact.since DESC, fact.id DESC",
        values,
    )
    facts = [Fact(*row) for row in rows]
    said: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        if fact.now and fact.what not in MANY:
            said.setdefault((fact.who, fact.what), set()).add(fact.value.casefold())
    return [replace(fact, doubted=fact.now and len(said.get((fact.who, fact.what), ())) > 1) for fact in facts]
