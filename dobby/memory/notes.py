"""Notes as rows: what was said and seen, word for word, with whose words they are and when.

It does not know how a note is found again (`search`).
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dobby.events import Role, Source

TALK = 3600.0  # seconds after which a text no longer goes on from the one before
COLUMNS = "note.id, note.at, note.person, note.name, note.kind, note.text, note.place, note.private, note.key"
DAYS = ("Monday Montag", "Tuesday Dienstag", "Wednesday Mittwoch", "Thursday Donnerstag", "Friday Freitag", "Saturday Samstag")
MONTHS = "January Januar,February Februar,March März,April,May Mai,June Juni,July Juli,August,September,October Oktober,November,"
MONTHS += "December Dezember"


@dataclass(frozen=True, slots=True)
class Recollection:
    """One note as it is told: `by` is whose words, `kind` as kept, `note` its number; `valid` is False where all that follows
    from it has been overtaken by newer facts."""

    text: str
    at: float
    by: str
    kind: str
    note: int
    valid: bool = True
    private: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be kept: the words, whose, where they were said, what kind of note; `key` is what brought it."""

    text: str
    at: float
    person: str
    name: str
    lane: str
    kind: str = "said"
    private: bool = False
    place: str = ""
    key: str | None = None


def keep(db: sqlite3.Connection, note: Note, day: datetime) -> int:
    """Keep a note; its number, the old one where its key was kept before."""
    if note.key is not None:
        known = db.execute("SELECT id FROM note WHERE key = ?", (note.key,)).fetchone()
        if known:
            return int(known[0])
    before = db.execute("SELECT talk, at FROM note WHERE lane = ? ORDER BY id DESC LIMIT 1", (note.lane,)).fetchone()
    talk = before[0] if before and 0 <= note.at - before[1] <= TALK else None
    cursor = db.execute(
        "INSERT INTO note (at, person, name, lane, kind, text, day, place, private, talk, key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, (SELECT coalesce(max(id), 0) + 1 FROM note)), ?)",
        (
            note.at,
            note.person,
            note.name,
            note.lane,
            note.kind,
            note.text,
            in_words(day),
            note.place,
            note.private,
            talk,
            note.key,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def in_words(day: datetime) -> str:
    """A day as people name it, in both languages: what a question may say of it."""
    weekday = (*DAYS, "Sunday Sonntag")[day.weekday()]
    return f"{weekday} {day.day} {MONTHS.split(',')[day.month - 1]} {day.year}"


def whose(who: Source) -> str:
    """The person at the beginning of the chain."""
    return who.person if who.behalf is None else whose(who.behalf)


def may_see(who: Source) -> tuple[str, tuple[str, ...]]:
    """The rows of `note` that somebody may hear of, as SQL: guests their own, the house what is shared and their own."""
    if who.authority is Role.UNKNOWN:
        return "0", ()
    if who.authority is Role.GUEST:
        return "note.person = ?", (whose(who),)
    return "(note.private = 0 OR note.person = ?)", (whose(who),)


def may_change(who: Source) -> tuple[str, tuple[str, ...]]:
    """The rows that somebody may forget or correct: their own; an owner also what is shared."""
    if who.authority is Role.UNKNOWN:
        return "0", ()
    return ("(note.private = 0 OR note.person = ?)" if who.authority is Role.OWNER else "note.person = ?"), (whose(who),)


def read(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Recollection]:
    """Notes by their numbers."""
    wanted = list(ids)
    marks = ", ".join("?" * len(wanted))
    overtaken = (
        "EXISTS (SELECT 1 FROM fact WHERE fact.note = note.id)"
        " AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.note = note.id AND fact.ended IS NULL)"
    )
    rows = db.execute(
        f"SELECT id, text, at, name, kind, private, place, {overtaken} FROM note WHERE id IN ({marks})", wanted
    ).fetchall()
    return {row[0]: Recollection(row[1], row[2], row[3], row[4], row[0], not row[7], bool(row[5]), row[6]) for row in rows}
