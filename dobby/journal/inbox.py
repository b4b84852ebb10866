"""The inbox: events as rows, each with its state and attempts.

`received → working → (waiting) → done | refused | failed | parked`. It does not know what an event means.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dobby.errors import IllegalMove
from dobby.events import Event, EventKind, EventState
from dobby.journal.pack import body_json, dump, load_event, source_json

MOVES: dict[EventState, tuple[EventState, ...]] = {
    EventState.WORKING: (EventState.RECEIVED, EventState.WORKING),
    EventState.WAITING: (EventState.RECEIVED, EventState.WORKING),
    EventState.DONE: (EventState.RECEIVED, EventState.WORKING, EventState.WAITING),
    EventState.REFUSED: (EventState.RECEIVED, EventState.WORKING, EventState.WAITING),
    EventState.FAILED: (EventState.RECEIVED, EventState.WORKING, EventState.WAITING),
    EventState.PARKED: (EventState.RECEIVED, EventState.WORKING),
}
ENDED = (EventState.DONE, EventState.REFUSED, EventState.FAILED, EventState.PARKED)
COLUMNS = "id, key, kind, source, text, body, received, state, attempts, plan, why"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as kept: its number, the event, where it stands, how often it was begun, and its plan."""

    id: int
    event: Event
    state: EventState
    attempts: int
    plan: dict[str, Any] | None
    why: str = ""

    @property
    def lane(self) -> str:
        """The conversation it belongs to."""
        return self.event.source.lane


def _row(columns: tuple[Any, ...]) -> EventRow:
    id_, key, kind, source, text, body, received, state, attempts, plan, why = columns
    event = load_event(key, kind, source, text, body, received)
    return EventRow(id_, event, EventState(state), attempts, json.loads(plan) if plan else None, why)


def receive(db: sqlite3.Connection, event: Event) -> tuple[int, bool]:
    """Keep an event; returns its number and whether it is new. The same key again keeps nothing."""
    values = (event.key, event.source.lane, event.kind, event.source.person, source_json(event.source))
    cursor = db.execute(
        "INSERT INTO event (key, lane, kind, person, source, text, body, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING RETURNING id",
        (*values, event.text, body_json(event), event.received),
    )
    found = cursor.fetchone()
    if found is None:
        known = db.execute("SELECT id FROM event WHERE key = ?", (event.key,)).fetchone()
        return known[0], False
    if event.kind not in (EventKind.DUE, EventKind.SIGHTING, EventKind.ERRAND):  # nobody said it
        db.execute("INSERT INTO line (lane, event) VALUES (?, ?)", (event.source.lane, found[0]))
    return found[0], True


def move(db: sqlite3.Connection, event: int, state: EventState, *, why: str = "", at: float | None = None) -> None:
    """Bring an event to a state it may go to.

    :raises IllegalMove: it may not, from where it stands.
    """
    allowed = MOVES[state]
    marks = ", ".join("?" * len(allowed))
    cursor = db.execute(
        f"UPDATE event SET state = ?, why = ?, ended = ? WHERE id = ? AND state IN ({marks})",
        (state, why, at if state in ENDED else None, event, *allowed),
    )
    if cursor.rowcount != 1:
        raise IllegalMove(f"Event {event} cannot become {state}.")


def keep_plan(db: sqlite3.Connection, event: int, plan: dict[str, Any]) -> None:
    """What the event came to: kept before anything of it is done."""
    db.execute("UPDATE event SET plan = ? WHERE id = ?", (dump(plan), event))


def word(db: sqlite3.Connection, event: int, text: str) -> None:
    """A voice note is a text from now on."""
    db.execute("UPDATE event SET text = ?, kind = ? WHERE id = ?", (text, EventKind.TEXT, event))


def count_attempt(db: sqlite3.Connection, event: int) -> None:
    """Begin an event that was under way when a process died."""
    move(db, event, EventState.WORKING)
    db.execute("UPDATE event SET attempts = attempts + 1 WHERE id = ?", (event,))


def get(db: sqlite3.Connection, event: int) -> EventRow:
    """One event by its number."""
    return _row(db.execute(f"SELECT {COLUMNS} FROM event WHERE id = ?", (event,)).fetchone())


def text_of(db: sqlite3.Connection, key: str) -> str | None:
    """The words of an event by the provider's id; None where it was never kept."""
    found = db.execute("SELECT text FROM event WHERE key = ?", (key,)).fetchone()
    return found[0] if found else None


def last_heard(db: sqlite3.Connection, lane: str) -> float:
    """When somebody last wrote in a conversation, in seconds since 1970; 0 for never."""
    found = db.execute("SELECT max(received) FROM event WHERE lane = ? AND kind <> 'due'", (lane,)).fetchone()
    return found[0] or 0.0


def unfinished(db: sqlite3.Connection) -> list[EventRow]:
    """What is still owed an answer, oldest first; waiting ones included."""
    rows = db.execute(f"SELECT {COLUMNS} FROM event WHERE state IN ('received', 'working', 'waiting') ORDER BY id")
    return [_row(columns) for columns in rows]


def recent(db: sqlite3.Connection, person: str, limit: int = 20) -> list[EventRow]:
    """A person's latest events, latest first."""
    rows = db.execute(f"SELECT {COLUMNS} FROM event WHERE person = ? ORDER BY id DESC LIMIT ?", (person, limit))
    return [_row(columns) for columns in rows]


def states(db: sqlite3.Connection, events: Iterable[int]) -> dict[int, EventState]:
    """Where several events stand."""
    ids = list(events)
    marks = ", ".join("?" * len(ids))
    return {row[0]: EventState(row[1]) for row in db.execute(f"SELECT id, state FROM event WHERE id IN ({marks})", ids)}
