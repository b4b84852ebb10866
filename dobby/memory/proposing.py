"""What a model makes of notes at night: facts that it proposes, held against the notes' own words before they are kept.

Only what is shared is shown to it, and each note once. A proposal is less sure than what was said: it ends nothing, gives way to
everything, and is told as a guess. It does not know the model.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from dobby.memory import facts
from dobby.memory.memory import Memory
from dobby.paths import shipped

SURE = 0.5  # how sure a proposal is
MOST = 40  # notes of one night
LONGEST = 400  # characters of each
RELATIONS = ("allergic", "birthday", "dislikes", "favourite", "is", "likes", "prefers", "where")
TEXT = {"type": "string"}
FACT = {"note": {"type": "integer"}, "who": TEXT, "what": {"type": "string", "enum": list(RELATIONS)}, "value": TEXT}
ROW = {"type": "object", "properties": FACT, "required": list(FACT), "additionalProperties": False}
FORM = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": ROW}},
    "required": ["facts"],
    "additionalProperties": False,
}
FRESH = """SELECT id, name, text FROM note WHERE private = 0 AND kind IN ('said', 'told', 'written')
 AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.note = note.id) AND NOT EXISTS (SELECT 1 FROM wish WHERE wish.note = note.id)
 AND NOT EXISTS (SELECT 1 FROM proposed WHERE proposed.note = note.id) ORDER BY id DESC LIMIT ?"""
Note = tuple[int, str, str]


async def propose(memory: Memory) -> int:
    """How many facts came of the notes that were not looked at yet; nothing is asked where there are none, or no model is.

    :raises DobbyError: the model gives no answer; the same notes are shown to it the next night.
    """
    ask = memory.ask
    if ask is None:
        return 0
    rows: Sequence[Note] = await memory.store.read(lambda db: db.execute(FRESH, (MOST,)).fetchall())
    if not rows:
        return 0
    shown = "\n".join(f"{number} | {name} | {' '.join(text.split())[:LONGEST]}" for number, name, text in rows)
    said = await ask(f"{(shipped('memory') / 'consolidate.md').read_text('utf-8')}\n{shown}", FORM)
    known = {row[0]: row for row in rows}
    found = [row for row in _rows(said) if row["note"] in known and _says(known[row["note"]], row)]
    return await memory.store.write(lambda db: _keep(db, memory, rows, found))


def guessed(db: sqlite3.Connection, after: int) -> list[tuple[int, str]]:
    """What was proposed since a number and still stands, of what is shared: the fact's number and whom it is about."""
    return db.execute(
        "SELECT fact.id, subject.name FROM fact JOIN note ON note.id = fact.note JOIN subject ON subject.key = fact.subject"
        " WHERE fact.id > ? AND sure = ? AND ended IS NULL AND private = 0 ORDER BY fact.id",
        (after, SURE),
    ).fetchall()


def _rows(said: str) -> list[dict[str, Any]]:
    """The facts in an answer that have the form; a model may say anything."""
    try:
        rows = json.loads(said)["facts"]
    except (ValueError, KeyError, TypeError):
        return []
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in rows if isinstance(row.get("note"), int) and row.get("what") in RELATIONS and _texts(row)]


def _texts(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(name), str) and 0 < len(row[name].strip()) <= 80 for name in ("who", "value"))


def _says(note: Note, row: Mapping[str, Any]) -> bool:
    """Every word of it stands in the note, or is the name of whoever said it: nothing is made up."""
    words = set(re.findall(r"\w+", f"{note[1]} {note[2]}".casefold()))
    return set(re.findall(r"\w+", f"{row['who']} {row['value']}".casefold())) <= words


def _keep(db: sqlite3.Connection, memory: Memory, rows: Sequence[Note], found: Sequence[Mapping[str, Any]]) -> int:
    """The proposals and what was looked at, in one commit; of what somebody said already nothing is guessed."""
    now, kept = memory.clock.now(), 0
    for row in found:
        who, what, value = row["who"].strip(), row["what"], row["value"].strip()
        key, name = memory.person(who) or facts.key_of(who), memory.name(who)
        kind = "person" if memory.person(who) else "thing"
        stands = "SELECT 1 FROM fact WHERE subject = ? AND what = ? AND ended IS NULL AND (? OR lower(value) = lower(?))"
        at = db.execute("SELECT at FROM note WHERE id = ?", (row["note"],)).fetchone()  # it may have been forgotten meanwhile
        if at and not db.execute(stands, (key, what, what not in facts.MANY, value)).fetchone():
            facts.learn(db, key, name, kind, what, value, note=row["note"], since=at[0], until=None, sure=SURE, now=now)
            kept += 1
    looked = "INSERT OR IGNORE INTO proposed (note, at) SELECT id, ? FROM note WHERE id = ?"
    db.executemany(looked, [(now, number) for number, _, _ in rows])
    return kept
