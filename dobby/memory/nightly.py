"""What is done at night: the same said twice becomes one, what had an end ends, the index is put in order; a model may propose.

Each step is one transaction and finds nothing to do the second time. It does not make anything up.
"""

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from dobby.clock import local
from dobby.errors import DobbyError
from dobby.memory.memory import Memory
from dobby.memory.proposing import propose

log = logging.getLogger(__name__)
HOUR, MINUTE = 3, 30  # of the house's clock: nobody tells him anything then
PAGES = 500  # of the index, put together in one night


@dataclass(frozen=True, slots=True)
class Night:
    """What one night came to: facts that were the same, facts whose time was over, facts that a model proposed."""

    merged: int = 0
    expired: int = 0
    proposed: int = 0


async def consolidate(memory: Memory) -> Night:
    """One night's work."""
    now = memory.clock.now()
    night = await memory.store.write(lambda db: Night(_merge(db, now), _expire(db, now)))
    await memory.store.write(_put_in_order)
    await memory.settle()
    return replace(night, proposed=await propose(memory))


def _merge(db: sqlite3.Connection, now: float) -> int:
    """The same said again by the same person: the newest stands, since the first."""
    rows = db.execute(
        "SELECT subject, what, lower(value), person, private, min(since), max(fact.id) FROM fact JOIN note ON note.id = fact.note"
        " WHERE ended IS NULL AND what <> 'came' GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1"
    ).fetchall()
    merged = 0
    for subject, what, value, person, private, since, newest in rows:
        merged += db.execute(
            "UPDATE fact SET ended = ?, instead = ? WHERE ended IS NULL AND id <> ? AND subject = ? AND what = ?"
            " AND lower(value) = ? AND EXISTS (SELECT 1 FROM note WHERE note.id = fact.note AND person = ? AND private = ?)",
            (now, newest, newest, subject, what, value, person, private),
        ).rowcount
        db.execute("UPDATE fact SET since = ? WHERE id = ?", (since, newest))
    return merged


def _expire(db: sqlite3.Connection, now: float) -> int:
    """What was said to last until a time that is over."""
    return db.execute("UPDATE fact SET ended = until WHERE ended IS NULL AND until <= ?", (now,)).rowcount


def _put_in_order(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO word (word, rank) VALUES ('merge', ?)", (PAGES,))
    db.execute("PRAGMA optimize")


async def keep(memory: Memory, over: Callable[[], Awaitable[None]]) -> None:
    """Finish what a crash cut short, then work every night; each that is `over` is told of."""
    await memory.settle()
    while True:
        now = local(memory.clock.now(), memory.zone)
        then = now.replace(hour=HOUR, minute=MINUTE, second=0, microsecond=0)
        then += timedelta(days=then <= now)
        await memory.clock.sleep(then.timestamp() - now.timestamp())
        try:
            log.info("The memory's night: %s", await consolidate(memory))
            await over()
        except DobbyError as error:
            log.warning("The memory's night is put off: %s", error)
