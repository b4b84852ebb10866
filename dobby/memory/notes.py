"""Notes as rows: what was said and seen, word for word, with whose words they are and when.

It does not know how a note is found again (`search`).
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dobby.events import Role, Source

Rights = tuple[str, Sequence[object]]
"""Which rows of `note` may be seen or changed, as SQL and its values."""

FOREVER = 2.0**52
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


def may_see(who: Source) -> Rights:
    """The rows of `note` that somebody may hear of, as SQL: guests their own, the house what is shared and their own."""
    if who.authority is Role.UNKNOWN:
        return "0", ()
    if who.authority is Role.GUEST:
        return "note.person = ?", (whose(who),)
    return "(note.private = 0 OR note.person = ?)", (whose(who),)


def may_change(who: Source) -> Rights:
    """The rows that somebody may forget or correct: their own; an owner also what is shared."""
    if who.authority is Role.UNKNOWN:
        return "0", ()
    return ("(note.private = 0 OR note.person = ?)" if who.authority is Role.OWNER else "note.person = ?"), (whose(who),)


LEAD = re.compile(
    r"^(?:please |bitte )?(?:remember|note|keep in mind|for the record|do(?: not|n['’]t) forget|merke? dir|notiere?(?: dir)?"
    r"|erinnere? dich daran)\b(?: bitte| please)?[\s,:]*(?:that |dass )?",
    re.IGNORECASE,
)


def core(text: str) -> str:
    """What was to be remembered, without the words that asked for it."""
    return LEAD.sub("", text.strip())


def read(db: sqlite3.Connection, ids: Iterable[int], rights: Rights = ("1", ())) -> dict[int, Recollection]:
    """Notes by their numbers, as far as they may be seen."""
    wanted = list(ids)
    marks = ", ".join("?" * len(wanted))
    return _read(db, f"id IN ({marks}) AND {rights[0]}", (*wanted, *rights[1]))


def lately(db: sqlite3.Connection, rights: Rights, person: str, after: float, before: float, limit: int) -> list[Recollection]:
    """The newest of a stretch of time, newest first."""
    mine = "note.person = ?" if person else "? = ''"
    where = f"note.at BETWEEN ? AND ? AND {mine} AND {rights[0]} ORDER BY at DESC, id DESC LIMIT ?"
    return list(_read(db, where, (after, before, person, *rights[1], limit)).values())


def _read(db: sqlite3.Connection, where: str, values: Sequence[object]) -> dict[int, Recollection]:
    overtaken = (
        "EXISTS (SELECT 1 FROM fact WHERE fact.note = note.id AND fact.sure >= 0)"
        " AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.note = note.id AND fact.ended IS NULL)"
    )
    rows = db.execute(f"SELECT id, text, at, name, kind, private, place, {overtaken} FROM note WHERE {where}", values)
    return {row[0]: Recollection(row[1], row[2], row[3], row[4], row[0], not row[7], bool(row[5]), row[6]) for row in rows}


def share(db: sqlite3.Connection, note: int, person: str, private: bool) -> bool:
    """Change whose a note is to hear."""
    sql = "UPDATE note SET private = ? WHERE id = ? AND person = ?"
    return db.execute(sql, (private, note, person)).rowcount == 1


def reword(db: sqlite3.Connection, note: int, text: str, private: bool | None, now: float) -> bool:
    """Correct a note; what it said before stays in its history. Facts that it no longer says end (their `sure` turns negative:
    nothing newer took their place), those that it says again count again, and a wish no longer binds: whether there was one."""
    old = db.execute("SELECT text FROM note WHERE id = ?", (note,)).fetchone()[0]
    db.execute("UPDATE note SET text = ?, private = coalesce(?, private) WHERE id = ?", (text, private, note))
    if text == old:
        return False
    db.execute("INSERT INTO wording (note, text, until) VALUES (?, ?, ?)", (note, old, now))
    facts = db.execute("SELECT id, value, sure FROM fact WHERE note = ? AND (ended IS NULL OR sure < 0)", (note,)).fetchall()
    for fact, value, sure in facts:
        says = value.casefold() in text.casefold()
        if says and sure < 0:
            sql = "UPDATE fact SET until = nullif(until, ended), ended = NULL, sure = -sure WHERE id = ?"
            db.execute(sql, (fact,))
        elif not says and sure >= 0:
            sql = "UPDATE fact SET ended = ?, until = coalesce(until, ?), sure = -sure WHERE id = ?"
            db.execute(sql, (now, now, fact))
    return db.execute("DELETE FROM wish WHERE note = ?", (note,)).rowcount == 1


def wordings(db: sqlite3.Connection, note: int) -> list[dict[str, Any]]:
    """What a note said before, newest first."""
    rows = db.execute("SELECT text, until FROM wording WHERE note = ? ORDER BY until DESC, rowid DESC", (note,))
    return [{"text": text, "until": until} for text, until in rows]


def count(db: sqlite3.Connection) -> int:
    """How many there are."""
    return int(db.execute("SELECT count(*) FROM note").fetchone()[0])


def clear(db: sqlite3.Connection) -> None:
    """Everything, for whoever starts over."""
    db.execute("DELETE FROM note")
    db.execute("DELETE FROM subject")
