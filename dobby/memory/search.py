"""Finding notes by words: FTS5's BM25 over text, speaker and day, helped by what was said just before and after.

Dates and rights are filters, not words. It does not know what the words mean. Figures and weights: benchmarks/recall.py.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

WEIGHTS = (1.0, 1.0, 1.0)  # of text, speaker and day
NEAR = 0.3  # of a note's score that goes to its neighbours
POOL = 100  # candidates that are looked at closely
DEAR = 60_000  # places in the index that one search visits at most: what keeps it under 50 ms among a million notes
WORD = re.compile(r"[^\W_]+")


@cache
def stops() -> frozenset[str]:
    """Words that are not looked for."""
    lines = Path(__file__).with_name("stop.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def words(text: str) -> list[str]:
    """What of a text is looked for, in order, each once; all of it where nothing else is left."""
    every = list(dict.fromkeys(WORD.findall(text.casefold())))
    return [word for word in every if word not in stops()] or every


def search(
    db: sqlite3.Connection, text: str, rights: tuple[str, Sequence[object]], *, limit: int, after: float, before: float
) -> list[int]:
    """The numbers of the notes that fit a text best, best first, among those that `rights` lets see."""
    wanted = words(text)
    if not wanted:
        return []
    first, last = _span(db, after, before)
    query = " OR ".join(f'"{word}"' for word in wanted)
    found = dict(
        db.execute(
            f"SELECT word.rowid, -bm25(word, {', '.join(map(str, WEIGHTS))}) AS score FROM word JOIN note ON note.id = word.rowid"
            f" WHERE word MATCH ? AND word.rowid BETWEEN ? AND ? AND note.at BETWEEN ? AND ? AND {rights[0]}"
            " ORDER BY score DESC LIMIT ?",
            (query, first, last, after, before, *rights[1], max(POOL, limit)),
        ).fetchall()
    )
    return _with_neighbours(db, found, rights, after, before)[:limit]


def _span(db: sqlite3.Connection, after: float, before: float) -> tuple[int, int]:
    """The numbers between which the notes of a stretch of time lie."""
    if not after:
        return 0, 2**62
    row = db.execute("SELECT min(id), max(id) FROM note WHERE at BETWEEN ? AND ?", (after, before)).fetchone()
    return (row[0], row[1]) if row[0] is not None else (1, 0)


def _with_neighbours(
    db: sqlite3.Connection, found: dict[int, float], rights: tuple[str, Sequence[object]], after: float, before: float
) -> list[int]:
    """Best first; who stands beside a good one is a candidate too."""
    total = dict(found)
    for one, other in _pairs(db, found, rights, after, before):
        total[other] = total.get(other, 0.0) + NEAR * found[one]
    return sorted(total, key=lambda number: (-total[number], -number))


def _pairs(
    db: sqlite3.Connection, found: Iterable[int], rights: tuple[str, Sequence[object]], after: float, before: float
) -> list[tuple[int, int]]:
    """Each found note with the one before and the one after it in its conversation."""
    ids = list(found)
    marks = ", ".join("?" * len(ids))
    where = f"note.at BETWEEN ? AND ? AND {rights[0]}"
    more = (after, before, *rights[1])
    back = f"SELECT hit.id, note.id FROM note AS hit JOIN note ON note.id = hit.follows WHERE hit.id IN ({marks}) AND {where}"
    on = f"SELECT note.follows, note.id FROM note WHERE note.follows IN ({marks}) AND {where}"
    return [*db.execute(back, (*ids, *more)), *db.execute(on, (*ids, *more))]
