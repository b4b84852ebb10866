"""After a restart: which rows are owed what, and taking them up again without doing anything twice.

A row that was under way when the process died is begun with its attempt counted first; one that was begun three times,
the first included, is parked. It does not know how a lane serves its rows.
"""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.events import EffectState, EventState
from dobby.journal import inbox, ledger
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.store import insist

log = logging.getLogger(__name__)
ATTEMPTS = 3


def heads(rows: Sequence[EventRow]) -> list[EventRow]:
    """What may have been under way: begun rows, and the first received one of each lane where none was begun."""
    first: dict[str, EventRow] = {}
    for row in rows:
        if row.state is EventState.WORKING or row.lane not in first:
            first[row.lane] = row
    return [row for row in rows if row.state is EventState.WORKING or first[row.lane] is row]


async def begin_again(desk: Desk, row: EventRow) -> EventRow | None:
    """Count the attempt, then hand the row out; None where it was parked instead."""
    if row.attempts + 1 >= ATTEMPTS:  # the first time was not counted: that saves every text a commit
        await park(desk, row)
        return None

    def count(db: sqlite3.Connection) -> None:
        inbox.count_attempt(db, row.id)

    await insist(desk.store, desk.clock, count)
    return replace(row, state=EventState.WORKING, attempts=row.attempts + 1)


async def park(desk: Desk, row: EventRow) -> None:
    """Put a row aside that stopped the process again and again; its sender and the owners hear once."""
    log.error("Event %d was begun %d times and never ended; it is parked", row.id, row.attempts + 1)
    source, now = row.event.source, desk.clock.now()

    def move(db: sqlite3.Connection) -> list[OutboxRow | None]:
        leave_effects(db, row, set(), now)
        inbox.move(db, row.id, EventState.PARKED, why="poison", at=now)
        told = [desk.reply(db, row, desk.words("parked", source))]
        for person, lane in desk.owner_lanes():
            if lane != row.lane:
                words = desk.words("parked_owner", replace(source, person=person), number=row.id)
                told.append(desk.tell(db, f"parked:{row.id}:{person}", lane, words))
        return told

    desk.post.hand_over(await insist(desk.store, desk.clock, move))


def leave_effects(db: sqlite3.Connection, row: EventRow, under_way: set[int], at: float) -> None:
    """What an event that ends badly had begun is not begun again: nobody can tell what became of it."""
    mine = {effect.id for effect in ledger.of_event(db, row.id)} | set((row.plan or {}).get("effects", ()))
    for effect in ledger.by_id(db, mine - under_way):
        if effect.state is EffectState.INTENDED:
            ledger.close(db, effect.id, EffectState.UNKNOWN, after={}, echoed=False, why="blind", at=at)


async def follow_again(desk: Desk, plans: Sequence[EventRow]) -> None:
    """Slow changes that had been told as under way: look, and follow them to their end."""
    owned = {number for row in plans for number in (row.plan or {}).get("effects", ())}
    now = desk.clock.now()

    def sort(db: sqlite3.Connection) -> list[tuple[EffectRow, EventRow]]:
        left = []
        for effect in ledger.unfinished(db):
            if effect.id in owned:
                continue
            if ledger.overtaken(db, effect):
                ledger.close(db, effect.id, EffectState.FAILED, after={}, echoed=False, why=ledger.OVERTAKEN, at=now)
            else:
                left.append((effect, inbox.get(db, effect.event)))
        return left

    if await desk.store.read(ledger.unfinished):
        for effect, row in await desk.store.write(sort):
            desk.follow([effect], row, recovering=True)
