"""Questions and what was agreed: who was asked, about exactly which calls, until when, and the answer.

`open → yes | no | chosen | expired | closed`, once. Nothing that a model or a client fills in can carry a yes.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dobby.events import Call
from dobby.journal.pack import call_dict, dump, load_call

YES_SECONDS = 120.0  # how long a yes can be given, from the question's delivery
CHOOSE_SECONDS = 600.0  # how long "the second one" is understood; nothing guarded hangs on it
COLUMNS = "id, event, kind, person, lane, words, effects, hash, choices, state, asked, expires"


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one person. `kind` is `approve` (a yes lets `effects` happen), `choose` (one of `choices`), `which`
    (of two questions), or what a driver needs: `ask` (one of `choices`) and `secret` (a code, of which nothing is kept)."""

    id: int
    event: int
    kind: str
    person: str
    lane: str
    words: str
    effects: tuple[int, ...] = ()
    hash: str = ""
    choices: tuple[tuple[str, tuple[Call, ...]], ...] = ()
    state: str = "open"
    asked: float = 0.0
    expires: float | None = None


def _row(columns: tuple[Any, ...]) -> Question:
    id_, event, kind, person, lane, words, effects, hash_, choices, state, asked, expires = columns
    options = tuple((row["label"], tuple(load_call(call) for call in row["calls"])) for row in json.loads(choices))
    return Question(id_, event, kind, person, lane, words, tuple(json.loads(effects)), hash_, options, state, asked, expires)


def ask(db: sqlite3.Connection, question: Question) -> int:
    """Keep a question before it is put; its number."""
    choices = [{"label": label, "calls": [call_dict(call) for call in calls]} for label, calls in question.choices]
    columns = (question.event, question.kind, question.person, question.lane, question.words)
    cursor = db.execute(
        "INSERT INTO question (event, kind, person, lane, words, effects, hash, choices, asked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (*columns, dump(list(question.effects)), question.hash, dump(choices), question.asked),
    )
    number: int = cursor.fetchone()[0]
    return number


def start_clock(db: sqlite3.Connection, question: int, at: float) -> None:
    """It was delivered at `at`: from here on the person has their time."""
    db.execute(
        "UPDATE question SET expires = ? + iif(kind = 'approve', ?, ?) WHERE id = ? AND expires IS NULL",
        (at, YES_SECONDS, CHOOSE_SECONDS, question),
    )


def give_up(db: sqlite3.Connection, question: int, at: float) -> None:
    """It never reached the person: there is nothing to wait for."""
    db.execute("UPDATE question SET expires = ? WHERE id = ? AND expires IS NULL", (at, question))


def end(db: sqlite3.Connection, question: int, state: str, at: float, answer: str = "", *, alone: bool = False) -> bool:
    """Close a question once; False where it was closed before. Its twins (same effects, other people) close with it, unless it
    is to close `alone`."""
    cursor = db.execute(
        "UPDATE question SET state = ?, answer = ?, ended = ? WHERE id = ? AND state = 'open'", (state, answer, at, question)
    )
    if cursor.rowcount != 1 or alone:
        return cursor.rowcount == 1
    db.execute(
        "UPDATE question SET state = 'closed', ended = ? WHERE state = 'open' AND kind = 'approve'"
        " AND (event, effects) = (SELECT event, effects FROM question WHERE id = ?)",
        (at, question),
    )
    return True


def twins(db: sqlite3.Connection, question: Question, state: str) -> list[Question]:
    """The same question to other people, where it stands so."""
    same = "event = ? AND effects = ? AND id <> ? AND kind = 'approve' AND state = ?"
    values = (question.event, dump(list(question.effects)), question.id, state)
    return [_row(row) for row in db.execute(f"SELECT {COLUMNS} FROM question WHERE {same} ORDER BY id", values)]


def open_questions(db: sqlite3.Connection) -> Sequence[Question]:
    """All that wait for an answer, oldest first."""
    return [_row(row) for row in db.execute(f"SELECT {COLUMNS} FROM question WHERE state = 'open' ORDER BY id")]


def elsewhere(db: sqlite3.Connection, person: str, lane: str) -> list[dict[str, Any]]:
    """What somebody is asked outside of this conversation and has not answered: number, words and labels as they were put,
    and whether it is a `secret`."""
    rows = db.execute(
        "SELECT question.id, outbox.text, outbox.options, question.kind = 'secret', max(outbox.id)"
        " FROM question JOIN outbox ON outbox.question = question.id"
        " WHERE question.state = 'open' AND question.person = ? AND question.lane <> ? GROUP BY question.id ORDER BY question.id",
        (person, lane),
    )
    names = ("question", "text", "options", "secret")
    return [
        dict(zip(names, (number, text, json.loads(options), bool(secret)), strict=True))
        for number, text, options, secret, _ in rows
    ]


def of_event(db: sqlite3.Connection, event: int) -> Sequence[Question]:
    """The open ones that an event is waiting for."""
    return [question for question in open_questions(db) if question.event == event]


def left_waiting(db: sqlite3.Connection, kinds: Sequence[str]) -> list[int]:
    """The events that still wait for what such questions were to bring, answered or not."""
    asked = f"SELECT event FROM question WHERE kind IN ({', '.join('?' * len(kinds))})"
    sql = f"SELECT id FROM event WHERE state = 'waiting' AND id IN ({asked})"
    return [row[0] for row in db.execute(sql, tuple(kinds))]


def find(db: sqlite3.Connection, question: int) -> Question | None:
    """One question by its number, if it is kept."""
    found = db.execute(f"SELECT {COLUMNS} FROM question WHERE id = ?", (question,)).fetchone()
    return _row(found) if found else None


def get(db: sqlite3.Connection, question: int) -> Question:
    """One question that is kept, by its number."""
    return _row(db.execute(f"SELECT {COLUMNS} FROM question WHERE id = ?", (question,)).fetchone())


def lately_ended(db: sqlite3.Connection, person: str, since: float) -> Question | None:
    """The last question to a person that ended without their answer: so that a late yes can be told so."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM question WHERE person = ? AND state IN ('expired', 'closed') AND ended >= ?"
        " AND kind = 'approve' ORDER BY id DESC LIMIT 1",
        (person, since),
    ).fetchone()
    return _row(found) if found else None
