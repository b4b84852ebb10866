"""Unknown senders: one polite line, nothing about the house; the owners hear once, with the address.

It does not know what they want: their words are not read.
"""

import sqlite3
from collections import deque
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.events import EventState
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow

MOST = 5  # new strangers an hour that owners are told of: a flood must not become theirs
HOUR = 3600.0


class Quota:
    """How many strangers the owners have heard of lately."""

    def __init__(self) -> None:
        self._told: deque[float] = deque(maxlen=MOST)

    def take(self, now: float) -> bool:
        """May they hear of one more? Then that is counted. Asked in the store's thread only."""
        if len(self._told) == MOST and now - self._told[0] < HOUR:
            return False
        self._told.append(now)
        return True


def meet(db: sqlite3.Connection, desk: Desk, row: EventRow, quota: Quota) -> list[OutboxRow | None]:
    """Close the event; the first one from an address is answered, and the owners are told."""
    source = row.event.source
    inbox.move(db, row.id, EventState.REFUSED, why="stranger", at=desk.clock.now())
    told = [desk.tell(db, f"stranger:{row.lane}", row.lane, desk.words("stranger", source))]
    if told == [None] or not quota.take(desk.clock.now()):
        return told
    for person, lane in desk.owner_lanes():
        words = desk.words("stranger_owner", replace(source, person=person), bridge=source.bridge, chat=source.chat[:64])
        told.append(desk.tell(db, f"stranger:{row.lane}:{person}", lane, words))
    return told
