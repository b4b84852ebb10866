"""What was taught in words, and the texts that nobody understood, as rows.

It does not know what a phrase comes to.
"""

import sqlite3

MOST_LOST = 300  # texts that were not understood; the oldest make room
LONGEST = 300  # characters of such a text


def teach(db: sqlite3.Connection, phrase: str, person: str, means: str, said: str, at: float) -> None:
    """A phrase stands for other words from now on; for everybody where `person` is empty."""
    db.execute(
        "INSERT OR REPLACE INTO taught (phrase, person, means, said, at) VALUES (?, ?, ?, ?, ?)",
        (phrase, person, means, said, at),
    )


def forget(db: sqlite3.Connection, phrase: str, person: str) -> str | None:
    """It stands for nothing any more; whose it was, None where nobody's."""
    sql = "DELETE FROM taught WHERE phrase = ? AND person = ?"
    return next((whose for whose in (person, "") if db.execute(sql, (phrase, whose)).rowcount), None)


def phrases(db: sqlite3.Connection) -> dict[tuple[str, str], tuple[str, str]]:
    """(phrase, person) -> (meaning, the phrase as it was written)."""
    rows = db.execute("SELECT phrase, person, means, said FROM taught ORDER BY at")
    return {(phrase, person): (means, said) for phrase, person, means, said in rows}


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
