"""What owners are to hear once about the devices around, as rows: new ones, those that need a person, those that refuse.

It does not know the words in which that is said.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """`kind` is `new` (`words` is the device's id), `press` or `code` (where it is), or `refused` (why not)."""

    key: str
    kind: str
    family: str
    words: str


def note(db: sqlite3.Connection, news: News, at: float) -> None:
    """Keep it until it is told; what was kept before is not told again."""
    row = (news.key, news.kind, news.family, news.words, at)
    db.execute("INSERT INTO news (key, kind, family, words, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING", row)


def forget(db: sqlite3.Connection, key: str) -> None:
    """It is no longer so: should it be again, that is news."""
    db.execute("DELETE FROM news WHERE key = ?", (key,))


def untold(db: sqlite3.Connection, family: str = "") -> Sequence[News]:
    """What nobody has heard yet, of one family or of all, oldest first."""
    sql = "SELECT key, kind, family, words FROM news WHERE told IS NULL AND (family = ? OR ? = '') ORDER BY at, rowid"
    return [News(*row) for row in db.execute(sql, (family, family))]


def mark_told(db: sqlite3.Connection, rows: Sequence[News], at: float) -> None:
    """The owners hear of these now."""
    db.executemany("UPDATE news SET told = ? WHERE key = ?", [(at, row.key) for row in rows])
