"""The ledger: effects as rows, written before they are tried and closed by what was read back.

`asked → (refused) | intended → done | failed | unknown`. It does not know how an effect is carried out.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dobby.errors import IllegalMove
from dobby.events import Call, EffectClass, EffectState, State
from dobby.journal.pack import dump, hash_calls, load_call

MOVES: dict[EffectState, tuple[EffectState, ...]] = {
    EffectState.REFUSED: (EffectState.ASKED, EffectState.INTENDED),
    EffectState.INTENDED: (EffectState.ASKED,),
    EffectState.DONE: (EffectState.INTENDED,),
    EffectState.FAILED: (EffectState.INTENDED,),
    EffectState.UNKNOWN: (EffectState.INTENDED,),
}
COLUMNS = "id, event, tool, device, args, tainted, class, risk, state, before, after, echoed, why, undone, at"


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One call and what became of it; `before` the device as it was, `after` the wanted traits as read back."""

    id: int
    event: int
    call: Call
    effect: EffectClass
    risk: str
    state: EffectState
    before: State = field(default_factory=dict)
    after: State = field(default_factory=dict)
    echoed: bool = False
    why: str = ""
    undone: int | None = None
    at: float = 0.0


def _row(columns: tuple[Any, ...]) -> EffectRow:
    id_, event, tool, device, args, tainted, class_, risk, state, before, after, echoed, why, undone, at = columns
    return EffectRow(
        id=id_,
        event=event,
        call=load_call({"tool": tool, "device": device, "args": json.loads(args), "tainted": json.loads(tainted)}),
        effect=EffectClass(class_),
        risk=risk,
        state=EffectState(state),
        before=json.loads(before),
        after=json.loads(after),
        echoed=bool(echoed),
        why=why,
        undone=undone,
        at=at,
    )


def write_down(db: sqlite3.Connection, effect: EffectRow) -> int:
    """A new row; its number. Refused ones are rows too."""
    call = effect.call
    columns = (effect.event, call.tool, call.device, dump(dict(call.args)), dump(list(call.tainted)), hash_calls([call]))
    cursor = db.execute(
        "INSERT INTO effect (event, tool, device, args, tainted, hash, class, risk, state, before, why, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (*columns, effect.effect, effect.risk, effect.state, dump(dict(effect.before)), effect.why, effect.at),
    )
    number: int = cursor.fetchone()[0]
    return number


def move(db: sqlite3.Connection, effect: int, state: EffectState, *, why: str = "") -> None:
    """Bring an effect to a state it may go to.

    :raises IllegalMove: it may not, from where it stands.
    """
    allowed = MOVES[state]
    marks = ", ".join("?" * len(allowed))
    cursor = db.execute(
        f"UPDATE effect SET state = ?, why = ? WHERE id = ? AND state IN ({marks})", (state, why, effect, *allowed)
    )
    if cursor.rowcount != 1:
        raise IllegalMove(f"Effect {effect} cannot become {state}.")


def intend(db: sqlite3.Connection, effect: int, before: State) -> None:
    """The yes has come: from here on it may have happened."""
    move(db, effect, EffectState.INTENDED)
    db.execute("UPDATE effect SET before = ? WHERE id = ?", (dump(dict(before)), effect))


def close(db: sqlite3.Connection, effect: int, state: EffectState, *, after: State, echoed: bool, why: str, at: float) -> None:
    """What became of it, from read-back."""
    move(db, effect, state, why=why)
    db.execute("UPDATE effect SET after = ?, echoed = ?, ended = ? WHERE id = ?", (dump(dict(after)), echoed, at, effect))


def mark_undone(db: sqlite3.Connection, effects: Iterable[int], by: int) -> None:
    """These were taken back by a later effect."""
    db.executemany("UPDATE effect SET undone = ? WHERE id = ?", [(by, effect) for effect in effects])


def _select(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[EffectRow]:
    return [_row(columns) for columns in db.execute(f"SELECT {COLUMNS} FROM effect WHERE {where}", values)]


def of_event(db: sqlite3.Connection, event: int) -> list[EffectRow]:
    """All effects of one event, in order."""
    return _select(db, "event = ? ORDER BY id", (event,))


def by_id(db: sqlite3.Connection, effects: Iterable[int]) -> list[EffectRow]:
    """Several effects by their numbers, in order."""
    ids = list(effects)
    return _select(db, f"id IN ({', '.join('?' * len(ids))}) ORDER BY id", ids)


def unfinished(db: sqlite3.Connection) -> list[EffectRow]:
    """What was begun and never closed, oldest first."""
    return _select(db, "state = 'intended' ORDER BY id", ())


OVERTAKEN = "overtaken"  # something newer was asked of it
BEGUN = (
    "coalesce((SELECT max(question.ended) FROM question, json_each(question.effects) AS asked"
    " WHERE asked.value = effect.id AND question.state = 'yes'), effect.at)"
)


def overtaken(db: sqlite3.Connection, effect: EffectRow) -> bool:
    """Has something newer been wanted of the same trait, or the device been stopped? Then it must not be done again."""
    begun = db.execute(f"SELECT {BEGUN} FROM effect WHERE id = ?", (effect.id,)).fetchone()[0]
    where = f"device = ? AND id <> ? AND state NOT IN ('asked', 'refused') AND {BEGUN} > ?"
    return any(overtakes(newer.call, effect.call) for newer in _select(db, where, (effect.call.device, effect.id, begun)))


def overtakes(newer: Call, older: Call) -> bool:
    """Does a call leave nothing of an older one to wait for."""
    if newer.device != older.device:
        return False
    both_set = newer.tool == older.tool == "set"
    return (both_set and not newer.args.keys().isdisjoint(older.args)) or newer.args.get("verb") == "stop"


def last_act(db: sqlite3.Connection, person: str) -> list[EffectRow]:
    """The effects of this person's last event that did anything and still stands."""
    found = db.execute(
        "SELECT max(effect.event) FROM effect JOIN event ON event.id = effect.event"
        " WHERE event.person = ? AND effect.state IN ('done', 'intended', 'unknown') AND effect.undone IS NULL",
        (person,),
    ).fetchone()
    if found[0] is None:
        return []
    return _select(db, "event = ? AND state IN ('done', 'intended', 'unknown') AND undone IS NULL ORDER BY id", (found[0],))


def last_tried(db: sqlite3.Connection, person: str) -> list[EffectRow]:
    """The effects of this person's last event that came to any, whatever became of them."""
    return _select(
        db,
        "event = (SELECT max(effect.event) FROM effect JOIN event ON event.id = effect.event WHERE event.person = ?) ORDER BY id",
        (person,),
    )


def latest(db: sqlite3.Connection, limit: int = 50, device: str = "") -> list[EffectRow]:
    """The newest rows, newest first, of one device or of all."""
    where = "device = ?" if device else "? = ''"
    return _select(db, f"{where} ORDER BY id DESC LIMIT ?", (device, limit))
