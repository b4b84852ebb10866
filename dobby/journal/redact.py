"""Taking words back out of the rows: what is to be forgotten is blanked, the rows' frame stays, so that nothing is done again.

It does not know why.
"""

import json
import re
import sqlite3
from collections.abc import Sequence

BLANK = "•••"
# Where people's words are. A part of a JSON text is blanked in place, so that the rest of it can still be read.
COLUMNS = {
    "event": ("text", "body", "plan", "why"),
    "outbox": ("text", "options"),
    "question": ("words", "choices", "answer"),
    "step": ("content", "outside"),
    "effect": ("args", "before", "after", "why"),
    "due": ("name", "body"),
    "taught": ("means", "said"),
    "entry": ("item",),
    "news": ("words",),
}


def redact(db: sqlite3.Connection, events: Sequence[str], needles: Sequence[str]) -> int:
    """Blank these words wherever they stand, and all that was said in these events; how many texts that were."""
    words = _pattern(needles)
    db.create_function("blanked", 1, lambda text: words.sub(BLANK, text) if isinstance(text, str) else text, deterministic=True)
    count = 0
    for key in events:
        count += _whole(db, key)
    for table, columns in COLUMNS.items():
        for column in columns if needles else ():
            sql = f'UPDATE "{table}" SET {column} = blanked({column}) WHERE {column} <> blanked({column})'
            count += db.execute(sql).rowcount
    if needles:
        count += db.execute("DELETE FROM lost WHERE text <> blanked(text) OR said <> blanked(said)").rowcount
    return count


def _pattern(needles: Sequence[str]) -> "re.Pattern[str]":
    """Longest first, in any case, as whole words, as they are and as JSON writes them, whatever blanks are between the words; for
    a "…" whatever few words stand there in one part of a sentence, or between two texts of JSON."""
    forms = dict.fromkeys(form for needle in needles for form in (needle, json.dumps(needle, ensure_ascii=False)[1:-1]))
    ways = [r"\s+".join(map(re.escape, form.split())) for form in sorted(forms, key=len, reverse=True) if form.strip()]
    some = "|".join(ways).replace(r"\s+…\s+", r'\b(?:[^.!?,]|","){1,24}?\b')
    return re.compile(rf"(?<!\w)(?:{some})(?!\w)" if some else r"(?!)", re.IGNORECASE)


def _whole(db: sqlite3.Connection, key: str) -> int:
    """One event with what was answered: all its words."""
    found = db.execute("SELECT id FROM event WHERE key = ? AND text <> ?", (key, BLANK)).fetchone()
    if found is None:
        return 0
    db.execute("UPDATE event SET text = ?, why = '' WHERE id = ?", (BLANK, *found))
    db.execute("UPDATE event SET plan = NULL WHERE id = ? AND ended IS NOT NULL", found)
    db.execute("DELETE FROM step WHERE event = (SELECT id FROM event WHERE id = ? AND ended IS NOT NULL)", found)
    db.execute("UPDATE question SET words = '', choices = '[]', answer = '' WHERE event = ? AND state <> 'open'", found)
    told = db.execute(
        "UPDATE outbox SET text = ?, options = '[]' WHERE event = ? AND state NOT IN ('owed', 'sending')", (BLANK, *found)
    )
    return 1 + told.rowcount
