"""The outbox: what is owed to people, one row per visible message.

`owed → sending → sent → delivered → read | failed | unknown`, never backwards. It does not know any bridge.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dobby.events import OutboxState, Reply
from dobby.journal.ledger import OVERTAKEN
from dobby.journal.pack import dump

URGENT = "urgent:"  # how the key of a message begins that waits for nothing: life and limb
_S = OutboxState
MOVES: dict[OutboxState, tuple[OutboxState, ...]] = {
    _S.SENDING: (_S.OWED,),
    _S.SENT: (_S.OWED, _S.SENDING),
    _S.DELIVERED: (_S.OWED, _S.SENDING, _S.SENT, _S.UNKNOWN),  # in doubt, until the receiver's side says it came
    _S.READ: (_S.OWED, _S.SENDING, _S.SENT, _S.DELIVERED, _S.UNKNOWN),
    _S.FAILED: (_S.OWED, _S.SENDING, _S.SENT, _S.UNKNOWN),
    _S.UNKNOWN: (_S.OWED, _S.SENDING),
}
COLUMNS = "id, key, lane, text, options, picture, question, state, provider, event, at, edits, shown, changed"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message as kept: its number, the reply, where it stands (since `changed`) and what the provider calls it.

    `edits` counts how often its words have changed, `shown` which of those changes the person sees.
    """

    id: int
    reply: Reply
    state: OutboxState
    provider: str = ""
    event: int | None = None
    at: float = 0.0
    edits: int = 0
    shown: int = 0
    changed: float = 0.0


def _row(columns: tuple[Any, ...]) -> OutboxRow:
    id_, key, lane, text, options, picture, question, state, provider, event, at, *more = columns
    reply = Reply(key, lane, text, tuple(json.loads(options)), picture, question or 0)
    return OutboxRow(id_, reply, OutboxState(state), provider, event, at, *more)


def owe(db: sqlite3.Connection, reply: Reply, event: int | None, at: float) -> OutboxRow | None:
    """A message that will be sent; the same key twice is one message (None: it was owed already)."""
    columns = (reply.key, event, reply.lane, reply.text, dump(list(reply.options)), reply.picture, reply.question or None)
    found = db.execute(
        "INSERT INTO outbox (key, event, lane, text, options, picture, question, at, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING RETURNING id",
        (*columns, at, at),
    ).fetchone()
    if found is None:
        return None
    db.execute("INSERT INTO line (lane, outbox) VALUES (?, ?)", (reply.lane, found[0]))
    return OutboxRow(found[0], reply, OutboxState.OWED, "", event, at, changed=at)


def split(db: sqlite3.Connection, row: OutboxRow, first: str, more: Sequence[str], at: float) -> list[OutboxRow]:
    """One message in parts, each a row: the quick replies and the question go with the last. The row itself is the first."""
    reply = row.reply
    db.execute("UPDATE outbox SET text = ?, options = '[]', question = NULL WHERE id = ?", (first, row.id))
    last = len(more)
    parts = [
        Reply(f"{reply.key}/{n}", reply.lane, text, *((reply.options, "", reply.question) if n == last else ()))
        for n, text in enumerate(more, 1)
    ]
    owed = [owe(db, part, None, at) for part in parts]
    return [replace(row, reply=replace(reply, text=first, options=(), question=0)), *filter(None, owed)]


def revise(db: sqlite3.Connection, key: str, text: str, at: float, *, picture: str = "") -> OutboxRow | None:
    """The same message says something else from now on; None where it says so already, or can no longer be changed."""
    found = db.execute(
        "UPDATE outbox SET text = ?, picture = coalesce(nullif(?, ''), picture), edits = edits + 1, changed = ?"
        f" WHERE key = ? AND (text <> ? OR picture <> ?) AND state NOT IN ('failed', 'unknown') RETURNING {COLUMNS}",
        (text, picture, at, key, text, picture),
    ).fetchone()
    return _row(found) if found else None


def words(db: sqlite3.Connection, key: str) -> str:
    """What a message says now; "" where there is none."""
    found = db.execute("SELECT text FROM outbox WHERE key = ?", (key,)).fetchone()
    return str(found[0]) if found else ""


def latest(db: sqlite3.Connection, begins: str, ends: str, since: float) -> str:
    """The key of the last message whose key begins and ends so; "" where there is none since then."""
    where = "key >= ? AND key < ? AND substr(key, -?) = ? AND at >= ? ORDER BY id DESC LIMIT 1"
    found = db.execute(f"SELECT key FROM outbox WHERE {where}", (begins, begins + "\uffff", len(ends), ends, since)).fetchone()
    return str(found[0]) if found else ""


def note_shown(db: sqlite3.Connection, outbox: int, edits: int) -> None:
    """The person sees the message as it was after so many changes."""
    db.execute("UPDATE outbox SET shown = max(shown, ?) WHERE id = ?", (edits, outbox))


def move(
    db: sqlite3.Connection, outbox: int, state: OutboxState, at: float, *, provider: str = "", why: str = "", shown: int = 0
) -> bool:
    """Bring a message forward; False where it already is as far or further, or has come to another end."""
    behind = MOVES.get(state, ())
    marks = ", ".join("?" * len(behind))
    cursor = db.execute(
        "UPDATE outbox SET state = ?, changed = ?, provider = coalesce(nullif(?, ''), provider), why = ?, shown = max(shown, ?)"
        f" WHERE id = ? AND state IN ({marks})",
        (state, at, provider, why, shown, outbox, *behind),
    )
    return cursor.rowcount == 1


SAID = "said"  # why a message in doubt needs no further word: the person has been told


def in_doubt(db: sqlite3.Connection, lane: str) -> list[str]:
    """What may not have reached a conversation and was not spoken of since. A question that was answered has."""
    answered = "SELECT id FROM question WHERE state IN ('yes', 'no', 'chosen')"
    where = f"lane = ? AND state = 'unknown' AND why <> ? AND coalesce(question, 0) NOT IN ({answered}) ORDER BY id"
    return [row[0] for row in db.execute(f"SELECT text FROM outbox WHERE {where}", (lane, SAID))]


def spoken_of(db: sqlite3.Connection, lane: str) -> None:
    """A later message says that these may be missing."""
    db.execute("UPDATE outbox SET why = ? WHERE lane = ? AND state = 'unknown'", (SAID, lane))


def unsent(db: sqlite3.Connection) -> list[OutboxRow]:
    """What is owed, or was being sent when a process died, or changed since it was shown; oldest first."""
    owed = [_row(columns) for columns in db.execute(f"SELECT {COLUMNS} FROM outbox WHERE state IN ('owed', 'sending')")]
    return sorted([*owed, *changed(db)], key=lambda row: row.id)


def changed(db: sqlite3.Connection) -> list[OutboxRow]:
    """What has changed since it was shown."""
    where = "edits > shown AND state IN ('sent', 'delivered', 'read') ORDER BY id"
    return [_row(columns) for columns in db.execute(f"SELECT {COLUMNS} FROM outbox WHERE {where}")]


def untold(db: sqlite3.Connection, bridge: str, since: float) -> list[OutboxRow]:
    """What a provider has taken since an instant, and has said nothing of since; oldest first."""
    where = "state = 'sent' AND provider <> '' AND lane GLOB ? AND changed > ? ORDER BY id LIMIT 50"
    return [_row(columns) for columns in db.execute(f"SELECT {COLUMNS} FROM outbox WHERE {where}", (f"{bridge}/*", since))]


def of_provider(db: sqlite3.Connection, lane: str, provider: str) -> OutboxRow | None:
    """The message that a provider calls so, in this conversation."""
    found = db.execute(f"SELECT {COLUMNS} FROM outbox WHERE provider = ? AND lane = ?", (provider, lane)).fetchone()
    return _row(found) if found else None


def taken(db: sqlite3.Connection, providers: Sequence[str], outbox: int) -> set[str]:
    """Which of these provider's ids are another row's."""
    marks = ", ".join("?" * len(providers))
    found = db.execute(f"SELECT provider FROM outbox WHERE id <> ? AND provider IN ({marks})", (outbox, *providers))
    return {row[0] for row in found}


def get(db: sqlite3.Connection, outbox: int) -> OutboxRow | None:
    """One message by its number."""
    found = db.execute(f"SELECT {COLUMNS} FROM outbox WHERE id = ?", (outbox,)).fetchone()
    return _row(found) if found else None


def by_key(db: sqlite3.Connection, key: str) -> OutboxRow | None:
    """One message by its identity."""
    found = db.execute(f"SELECT {COLUMNS} FROM outbox WHERE key = ?", (key,)).fetchone()
    return _row(found) if found else None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a conversation as a page shows it: who said it, the words, where it stands, what came of it (`effects`)."""

    seq: int
    mine: bool
    key: str
    text: str
    state: str
    at: float
    options: tuple[str, ...] = ()
    picture: str = ""
    outbox: int = 0
    answered: bool = False
    effects: frozenset[str] = frozenset()


def conversation(db: sqlite3.Connection, lane: str, *, after: int = 0, before: int = 0, limit: int = 200) -> Sequence[Line]:
    """Lines of a lane in order: all after a line, else the last `limit` (before a line, for scrolling back)."""
    bounds = "line.seq > ? ORDER BY line.seq" if after else "line.seq < ? ORDER BY line.seq DESC"
    mark = after or before or 2**62
    rows = db.execute(
        "SELECT line.seq, event.key, event.text, event.state, event.received,"
        " outbox.key, outbox.text, outbox.state, outbox.at, outbox.options, outbox.picture, outbox.id, question.state,"
        " (SELECT group_concat(DISTINCT effect.state) FROM effect WHERE effect.event = line.event AND effect.why <> ?)"
        " FROM line LEFT JOIN event ON event.id = line.event LEFT JOIN outbox ON outbox.id = line.outbox"
        " LEFT JOIN question ON question.id = outbox.question"
        f" WHERE line.lane = ? AND {bounds} LIMIT ?",
        (OVERTAKEN, lane, mark, limit),
    ).fetchall()
    lines = [_line(row) for row in rows]
    return lines if after else lines[::-1]


def _line(row: tuple[Any, ...]) -> Line:
    seq, key, text, state, received, out_key, out_text, out_state, at, options, picture, outbox, question, effects = row
    if key is not None:
        return Line(seq, True, key, text, state, received, effects=frozenset((effects or "").split(",")) - {""})
    answered = question not in (None, "open")
    return Line(seq, False, out_key, out_text, out_state, at, tuple(json.loads(options)), picture, outbox, answered)
