"""Appointments: what is due when, the runs each has had, and the grants that were given for them.

`waiting → paused → waiting → ended`; a run's identity is the instant it was due. It does not know how time passes.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dobby.errors import IllegalMove
from dobby.events import NEVER, Due, DueKind
from dobby.journal.pack import due_call, dump, hash_calls, load_due

# What becomes of a run that could not be on time, and for how many seconds it is still wanted.
POLICIES: dict[str, tuple[str, float]] = {
    DueKind.TIMER: ("late", 0.0),
    DueKind.REMINDER: ("late", 0.0),
    DueKind.ONCE: ("tell", 3600.0),
    DueKind.ROUTINE: ("tell", 900.0),
}
COLUMNS = 'id, body, person, lane, at, zone, policy, window, "grant", state, left, made'


@dataclass(frozen=True, slots=True)
class DueRow:
    """An appointment as kept; `at` is its next run, or its last once it has ended."""

    id: int
    due: Due
    person: str
    lane: str
    at: float
    zone: str
    policy: str
    window: float
    grant: int | None
    state: str
    left: float
    made: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run: when it was due, how it ended (`begun`, `done`, `late`, `failed`; `missed`, `often`), how many seconds late."""

    instant: float
    state: str
    late: float


def _row(columns: tuple[Any, ...]) -> DueRow:
    id_, body, *rest = columns
    return DueRow(id_, load_due(json.loads(body)), *rest)


def keep(db: sqlite3.Connection, id_: int, due: Due, person: str, lane: str, zone: str, made: float, grant: int | None) -> None:
    """A new appointment, once: the effect that makes it lends its number."""
    policy, window = POLICIES[due.kind]
    db.execute(
        'INSERT INTO due (id, kind, name, person, lane, at, every, zone, body, hash, policy, window, "grant", made)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            *(id_, due.kind, due.name, person, lane, due.at, due.every, zone, dump(dict(due_call(due).args))),
            *(hash_calls(due.calls), due.policy or policy, window, grant, made),
        ),
    )


def put(db: sqlite3.Connection, id_: int, state: str, now: float) -> None:
    """Pause, go on or end: a timer keeps what it had left, and an end takes the grant with it.

    :raises IllegalMove: it is not so that this could be done.
    """
    was = {"paused": ("waiting",), "ended": ("waiting", "paused"), "waiting": ("paused", "ended")}[state]
    marks = ", ".join("?" * len(was))
    left = "CASE WHEN every = '' AND ? = 'paused' THEN max(at - ?, 0) ELSE left END"
    at = "CASE WHEN ? = 'waiting' AND state = 'paused' AND every = '' THEN ? + left ELSE at END"
    cursor = db.execute(
        f"UPDATE due SET state = ?, left = {left}, at = {at} WHERE id = ? AND state IN ({marks})"
        " AND NOT (? = 'waiting' AND state = 'ended' AND at <= ?)",
        (state, state, now, state, now, id_, *was, state, now),
    )
    if cursor.rowcount != 1:
        raise IllegalMove(f"Appointment {id_} cannot become {state}.")
    ended = now if state == "ended" else None
    db.execute('UPDATE "grant" SET ended = ? WHERE id = (SELECT "grant" FROM due WHERE id = ?)', (ended, id_))


def move(db: sqlite3.Connection, id_: int, at: float, zone: str) -> None:
    """The next run is at another instant, in this zone."""
    db.execute("UPDATE due SET at = ?, zone = ? WHERE id = ?", (at, zone, id_))


def record(db: sqlite3.Connection, id_: int, instants: Iterable[float], state: str, late: float, event: int | None) -> None:
    """Runs, each once for ever."""
    rows = [(id_, instant, state, late, event) for instant in instants]
    db.executemany("INSERT OR IGNORE INTO run (due, instant, state, late, event) VALUES (?, ?, ?, ?, ?)", rows)


def advance(db: sqlite3.Connection, row: DueRow, at: float | None) -> None:
    """On to the next run, or to the end where there is none.

    :raises IllegalMove: it was changed meanwhile; nothing of this run may stand.
    """
    state = "ended" if at is None else "waiting"
    cursor = db.execute(
        "UPDATE due SET at = coalesce(?, at), state = ? WHERE id = ? AND state = 'waiting' AND at = ?",
        (at, state, row.id, row.at),
    )
    if cursor.rowcount != 1:
        raise IllegalMove(f"Appointment {row.id} was changed meanwhile.")


def _select(db: sqlite3.Connection, where: str, *values: object) -> list[DueRow]:
    return [_row(columns) for columns in db.execute(f"SELECT {COLUMNS} FROM due WHERE {where}", values)]


def come_due(db: sqlite3.Connection, now: float, limit: int) -> list[DueRow]:
    """What is due, the longest due first."""
    return _select(db, "state = 'waiting' AND at <= ? ORDER BY at LIMIT ?", now, limit)


def next_at(db: sqlite3.Connection) -> float | None:
    """The instant of the next run of all, None where nothing waits for an hour."""
    found: float | None = db.execute("SELECT min(at) FROM due WHERE state = 'waiting' AND at < ?", (NEVER,)).fetchone()[0]
    return found


def watching(db: sqlite3.Connection) -> list[DueRow]:
    """What waits for the house to become so."""
    return _select(db, "state = 'waiting' AND at >= ?", NEVER)


def runs_since(db: sqlite3.Connection, id_: int, since: float) -> int:
    """How often one has run."""
    found: int = db.execute("SELECT count(*) FROM run WHERE due = ? AND instant > ?", (id_, since)).fetchone()[0]
    return found


def open_ones(db: sqlite3.Connection) -> list[DueRow]:
    """Everything that is still to come, paused ones last."""
    return _select(db, "state <> 'ended' ORDER BY state DESC, at")


def get(db: sqlite3.Connection, id_: int) -> DueRow | None:
    """One by its number."""
    return next(iter(_select(db, "id = ?", id_)), None)


def of_event(db: sqlite3.Connection, event: int) -> tuple[DueRow, Run] | None:
    """The appointment whose run this event is."""
    found = db.execute("SELECT due, instant, state, late FROM run WHERE event = ?", (event,)).fetchone()
    row = get(db, found[0]) if found else None
    return (row, Run(*found[1:])) if row else None


def last_rung(db: sqlite3.Connection, lane: str, since: float) -> DueRow | None:
    """The timer of this conversation that went off last and was not silenced since."""
    where = "kind = 'timer' AND lane = ? AND state = 'ended' AND left = 0 AND id IN"
    rung = _select(db, f"{where} (SELECT due FROM run WHERE instant + late >= ? AND event IS NOT NULL)", lane, since)
    return max(rung, key=lambda row: row.at, default=None)


def silence(db: sqlite3.Connection, id_: int) -> None:
    """It was heard."""
    db.execute("UPDATE due SET left = -1 WHERE id = ?", (id_,))


# Grants: what an owner agreed to when an appointment was made


def make_grant(db: sqlite3.Connection, hash_: str, maker: str, trigger: str, made: float) -> int:
    """Exactly these calls, for this trigger."""
    cursor = db.execute(
        'INSERT INTO "grant" (hash, maker, "trigger", made) VALUES (?, ?, ?, ?) RETURNING id', (hash_, maker, trigger, made)
    )
    number: int = cursor.fetchone()[0]
    return number


def standing_grant(db: sqlite3.Connection, grant: str) -> tuple[str, str] | None:
    """(hash, name of the routine) of a grant that has not ended."""
    found = db.execute(
        'SELECT "grant".hash, due.name FROM "grant" JOIN due ON due."grant" = "grant".id'
        ' WHERE "grant".id = ? AND "grant".ended IS NULL',
        (grant,),
    ).fetchone()
    return (found[0], found[1]) if found else None


def was_asked(db: sqlite3.Connection, effect: int) -> bool:
    """An owner was asked about this effect, and said yes."""
    found = db.execute(
        "SELECT 1 FROM question, json_each(question.effects) AS asked WHERE asked.value = ? AND question.state = 'yes'", (effect,)
    ).fetchone()
    return found is not None
