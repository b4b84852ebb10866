"""The steps of an errand of the model's: each message as the model is shown it, a reply before it is acted on.

It does not know what a tool does, nor who is asked next.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dobby.journal.pack import dump


@dataclass(frozen=True, slots=True)
class Step:
    """One message. `effects` are those that each use of a tool came to, by the use's id; `outside` are words of strangers."""

    event: int
    role: str
    content: list[dict[str, Any]]
    effects: Mapping[str, Sequence[int]]
    outside: Sequence[str] = ()

    @property
    def message(self) -> dict[str, Any]:
        """As it is sent."""
        return {"role": self.role, "content": self.content}


def as_kept(step: Step) -> Step:
    """A step as it will be read, so that what is sent again is the same byte by byte."""
    return replace(step, content=json.loads(dump(step.content)))


def keep(db: sqlite3.Connection, step: Step, at: float) -> Step:
    """Write a step down; as it will be read."""
    row = (step.event, step.role, dump(step.content), dump(dict(step.effects)), dump(list(step.outside)), at)
    db.execute("INSERT INTO step (event, role, content, effects, outside, at) VALUES (?, ?, ?, ?, ?, ?)", row)
    return as_kept(step)


def _select(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Step]:
    rows = db.execute(
        f"SELECT step.event, role, content, effects, outside FROM step {where} ORDER BY step.event, step.id", values
    )
    return [Step(event, role, *map(json.loads, rest)) for event, role, *rest in rows]


def of_event(db: sqlite3.Connection, event: int) -> list[Step]:
    """An errand's steps so far, in order."""
    return _select(db, "WHERE event = ?", (event,))


def before(db: sqlite3.Connection, lane: str, event: int, since: float) -> list[Step]:
    """What was said and done in a conversation before an event, as far back as an instant; ended errands only."""
    ended = "event.state IN ('done', 'refused', 'failed', 'waiting')"
    where = f"JOIN event ON event.id = step.event WHERE event.lane = ? AND event.id < ? AND step.at >= ? AND {ended}"
    return _select(db, where, (lane, event, since))


def lines_since(db: sqlite3.Connection, lane: str, event: int, since: float, limit: int = 6) -> list[tuple[bool, str]]:
    """The last lines of a conversation that came to no step, before an event: whether the person said it, and the words."""
    rows = db.execute(
        "SELECT line.event IS NOT NULL, coalesce(event.text, outbox.text) FROM line LEFT JOIN event ON event.id = line.event"
        " LEFT JOIN outbox ON outbox.id = line.outbox WHERE line.lane = ? AND line.seq < coalesce((SELECT seq FROM line WHERE"
        " event = ?), 1 << 62) AND coalesce(event.received, outbox.at) >= ?"
        " AND NOT EXISTS (SELECT 1 FROM step WHERE step.event = coalesce(line.event, outbox.event))"
        " ORDER BY line.seq DESC LIMIT ?",
        (lane, event, since, limit),
    ).fetchall()
    return [(bool(mine), text) for mine, text in rows[::-1]]
