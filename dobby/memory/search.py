"""Finding notes by words. FTS5 says which notes have a word (stemmed, folded); what each is worth is counted here.

A note is worth the rarity of the words it has; a word that was said one, two or three notes away in the same stretch of talk
counts in part, and so does what the whole stretch is about. How often a word is repeated and how long a note is do not matter:
they are short. It does not know what words mean. The weights were found by benchmarks/recall.py, on one part of its questions.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from math import log
from pathlib import Path

from dobby.memory.notes import Rights

NEAR = (0.6, 0.4, 0.2)  # of a word's worth, one, two and three notes away
ABOUT = 1.0  # of the stretch as a whole
SPEAKER = 0.5  # of the rarest word's worth, where the text names who said it
ASKS = 0.9  # a note that asks seldom answers
POOL = 60  # notes whose stretch of talk is looked at closely
DEAR = 12_000  # places in the index that one search visits at most, the newest first: keeps it under 50 ms among a million notes
COMPOUND = 5  # letters that a word has at least, to be looked for inside longer ones
NEWEST = 20_000  # notes that are read for that
WORD = re.compile(r"[^\W_]+")
MINE = re.compile(r"\b(?:i|my|me|ich|mir|mich|mein\w*)\b", re.IGNORECASE)
ALWAYS = (0, 2**62)


@cache
def stops() -> frozenset[str]:
    """Words that are not looked for."""
    lines = Path(__file__).with_name("stop.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def words(text: str) -> list[str]:
    """What of a text is looked for, in order, each once; all of it where nothing else is left."""
    every = list(dict.fromkeys(WORD.findall(text.casefold())))
    return [word for word in every if word not in stops()] or every


@dataclass(frozen=True, slots=True)
class _Row:
    """A note as far as its worth depends on it."""

    id: int
    name: str
    asks: bool


def search(
    db: sqlite3.Connection, text: str, rights: Rights, *, limit: int, before: float, after: float = 0.0, me: str = ""
) -> list[tuple[int, float]]:
    """Numbers and worths of the notes that fit a text best, best first, of those that `rights` lets see; `me` is who "I" is."""
    wanted = words(text)
    named = {*wanted, *(WORD.findall(me.casefold()) if MINE.search(text) else ())}
    bounds = _bounds(db, after, before) if after else ALWAYS
    dear = DEAR // max(1, len(wanted))
    places = {word: _places(db, word, bounds, dear) for word in wanted}
    most = db.execute("SELECT max(id) FROM note").fetchone()[0] or 1
    worth = {word: log(1 + most / (1 + _often(found, dear, most))) for word, found in places.items() if found}
    alone: dict[int, float] = {}
    for word, value in worth.items():
        for number in places[word]:
            alone[number] = alone.get(number, 0.0) + value
    where = ("note.at BETWEEN ? AND ? AND " + rights[0], (after, before, *rights[1]))
    talks = _talks(db, nlargest(POOL, alone, key=alone.__getitem__), where)
    total: dict[int, float] = {}
    for rows in talks:
        total.update(_worth(rows, {word: (value, places[word]) for word, value in worth.items()}, named, log(1 + most)))
    return sorted(total.items(), key=lambda row: (-row[1], -row[0]))[:limit]


def _places(db: sqlite3.Connection, word: str, bounds: tuple[int, int], most: int) -> frozenset[int]:
    """The newest notes that have a word in their text or their day."""
    rows = db.execute(
        "SELECT rowid FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?",
        (f'{{text day}}: "{word}"', *bounds, most),
    )
    found = frozenset(row[0] for row in rows)
    return found or _within(db, word, bounds) if len(word) >= COMPOUND else found


def _within(db: sqlite3.Connection, word: str, bounds: tuple[int, int]) -> frozenset[int]:
    """The newest notes that have it inside a longer word, as German has."""
    least = "(SELECT max(id) - ? FROM note)"
    sql = f"SELECT id FROM note WHERE id BETWEEN ? AND ? AND id > {least} AND text LIKE ?"
    return frozenset(row[0] for row in db.execute(sql, (*bounds, NEWEST, f"%{word}%")))


def _often(found: frozenset[int], dear: int, most: int) -> float:
    """How many notes have a word: as many as were found, or where those are only the newest, as it goes on like that."""
    return len(found) * most / max(1, most - min(found) + 1) if len(found) >= dear else len(found)


def _bounds(db: sqlite3.Connection, after: float, before: float) -> tuple[int, int]:
    """The numbers between which the notes of a stretch of time lie."""
    row = db.execute("SELECT min(id), max(id) FROM note WHERE at BETWEEN ? AND ?", (after, before)).fetchone()
    return row if row[0] is not None else (1, 0)


def _talks(db: sqlite3.Connection, pool: Sequence[int], where: Rights) -> list[list[_Row]]:
    """The stretches of talk that these notes are part of, in order, as far as they may be seen."""
    marks = ", ".join("?" * len(pool))
    rows = db.execute(
        f"SELECT talk, id, name, instr(text, '?') > 0 FROM note WHERE {where[0]} AND talk IN"
        f" (SELECT hit.talk FROM note AS hit WHERE hit.id IN ({marks})) ORDER BY talk, id",
        (*where[1], *pool),
    )
    talks: dict[int, list[_Row]] = {}
    for talk, *row in rows:
        talks.setdefault(talk, []).append(_Row(*row))
    return list(talks.values())


def _worth(
    rows: Sequence[_Row], terms: Mapping[str, tuple[float, frozenset[int]]], named: set[str], rarest: float
) -> dict[int, float]:
    """What each note of a stretch is worth; only those are told that have something of their own or stand near."""
    total = [0.0] * len(rows)
    about = 0.0
    for value, found in terms.values():
        at = [place for place, row in enumerate(rows) if row.id in found]
        about += value * len(at) / (len(at) + 1)
        for place, share in _shares(at, len(rows)).items():
            total[place] += value * share
    for place, row in enumerate(rows):
        spoken = SPEAKER * rarest if total[place] and not set(WORD.findall(row.name.casefold())).isdisjoint(named) else 0.0
        total[place] = (total[place] + ABOUT * about + spoken) * (ASKS if row.asks else 1.0)
    return {row.id: score for row, score in zip(rows, total, strict=True) if score}


def _shares(at: Sequence[int], size: int) -> dict[int, float]:
    """Place -> what part of a word counts there: all of it where it was said, less nearby."""
    shares: dict[int, float] = {}
    for steps, share in enumerate((1.0, *NEAR)):
        for place in at:
            for near in (place - steps, place + steps):
                if 0 <= near < size:
                    shares.setdefault(near, share)
    return shares


def covers(text: str, wanted: str) -> float:
    """How much of what is wanted a text has itself, 0 to 1; endings do not matter."""
    heads = [word[: max(3 if word.endswith("ing") else 4, len(word) - 3)] for word in words(wanted)]
    has = WORD.findall(text.casefold())
    met = [any(word.startswith(head) or (len(head) >= COMPOUND and head in word) for word in has) for head in heads]
    return sum(met) / max(1, len(heads))
