"""Unknown senders: one polite line, nothing about the house; the owners hear once, with the address.

It does not know what they want: their words are not read.
"""

import sqlite3
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.events import EventState
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow

MOST = 5  # new strangers an hour that owners are told of: a flood must not become theirs
HOUR = 3600.0


def meet(db: sqlite3.Connection, desk: Desk, row: EventRow) -> list[OutboxRow | None]:
    """Close the event; the first one from an address is answered, and the owners are told."""
    source, now = row.event.source, desk.clock.now()
    inbox.move(db, row.id, EventState.REFUSED, why="stranger", at=now)
    told = [desk.tell(db, f"stranger:{row.lane}", row.lane, desk.words("stranger", source))]
    if told == [None]:
        return told
    for person, lane in desk.owner_lanes():
        if _told_lately(db, lane, now - HOUR) < MOST:
            words = desk.words("stranger_owner", replace(source, person=person), bridge=source.bridge, chat=source.chat[:64])
            told.append(desk.tell(db, f"stranger:{row.lane}:{person}", lane, words))
    return told


def _told_lately(db: sqlite3.Connection, lane: str, since: float) -> int:
    """Of how many strangers an owner has heard: by the rows, so that what was rolled back does not count."""
    where = "key >= 'stranger:' AND key < 'stranger;' AND lane = ? AND at > ?"
    count: int = db.execute(f"SELECT count(*) FROM outbox WHERE {where}", (lane, since)).fetchone()[0]
    return count
