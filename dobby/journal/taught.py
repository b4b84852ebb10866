"""What was taught in words, and the texts that nobody understood, as rows.

It does not know what a phrase comes to.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dobby.events import Call
from dobby.journal.pack import call_dict, dump, load_call

MOST_LOST = 300  # texts that were not understood; the oldest make room
LONGEST = 300  # characters of such a text


@dataclass(frozen=True, slots=True)
class Taught:
    """What a phrase, as `said`, stands for: the words `means`, or exact `calls` (then `means` only describes them).

    Of a scene from a file `file` is its description, `does` the parts where it is still to be read and kept, `open` whether
    what is still open is told; `person` is whose it is.
    """

    means: str
    said: str
    calls: tuple[Call, ...] = ()
    file: str = ""
    does: tuple[Any, ...] = ()
    open: bool = False
    person: str = ""

    @property
    def is_scene(self) -> bool:
        """It stands for calls rather than for words."""
        return bool(self.calls or self.does)


def teach(db: sqlite3.Connection, phrase: str, person: str, what: Taught, at: float, grant: int | None = None) -> None:
    """A phrase stands for something from now on; for everybody where `person` is empty. What was agreed to before ends."""
    _end_grant(db, phrase, person, at)
    db.execute(
        'INSERT OR REPLACE INTO taught (phrase, person, means, said, at, calls, file, "grant") VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        (phrase, person, what.means, what.said, at, calls_json(what.calls), what.file, grant),
    )


def calls_json(calls: Sequence[Call]) -> str:
    """Calls as a column; "" for none."""
    return dump([call_dict(call) for call in calls]) if calls else ""


def _end_grant(db: sqlite3.Connection, phrase: str, person: str, at: float) -> None:
    db.execute(
        'UPDATE "grant" SET ended = ? WHERE ended IS NULL AND id = (SELECT "grant" FROM taught WHERE phrase = ? AND person = ?)',
        (at, phrase, person),
    )


def granted(db: sqlite3.Connection, hash_: str) -> bool:
    """An owner agreed to exactly these calls when a scene was made that still stands."""
    sql = 'SELECT 1 FROM taught JOIN "grant" ON "grant".id = taught."grant" WHERE "grant".hash = ? AND "grant".ended IS NULL'
    return db.execute(sql, (hash_,)).fetchone() is not None


def forget(db: sqlite3.Connection, phrase: str, person: str, at: float) -> str | None:
    """It stands for nothing any more; whose it was, None where nobody's."""
    for whose in (person, ""):
        _end_grant(db, phrase, whose, at)
        if db.execute("DELETE FROM taught WHERE phrase = ? AND person = ?", (phrase, whose)).rowcount:
            return whose
    return None


def phrases(db: sqlite3.Connection) -> dict[tuple[str, str], Taught]:
    """(phrase, person) -> what it stands for."""
    rows = db.execute("SELECT phrase, person, means, said, calls, file FROM taught ORDER BY at")
    return {
        (phrase, person): Taught(means, said, tuple(map(load_call, json.loads(calls or "[]"))), file, person=person)
        for phrase, person, means, said, calls, file in rows
    }


def lose(db: sqlite3.Connection, text: str, said: str, person: str, lane: str, at: float) -> None:
    """A text that was not understood; the same words again are counted."""
    db.execute(
        "INSERT INTO lost (text, said, lane, person, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (text) DO UPDATE SET count = count + 1, at = excluded.at, lane = excluded.lane, person = excluded.person",
        (text[:LONGEST], said[:LONGEST], lane, person, at),
    )
    db.execute("DELETE FROM lost WHERE text NOT IN (SELECT text FROM lost ORDER BY at DESC LIMIT ?)", (MOST_LOST,))


def lost(db: sqlite3.Connection, person: str = "", limit: int = 8) -> list[tuple[str, int]]:
    """The newest such texts and how often they came, of one person or of all."""
    where = "person = ?" if person else "? = ''"
    rows = db.execute(f"SELECT said, count FROM lost WHERE {where} ORDER BY at DESC LIMIT ?", (person, limit))
    return [(said, count) for said, count in rows]
