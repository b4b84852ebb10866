"""Unknown senders: one polite line, nothing about the house; the owners hear once, with the address.

It does not know what they want: their words are not read.
"""

import sqlite3
from dataclasses import replace

from dobby import people
from dobby.butler.desk import Desk
from dobby.events import Event, EventState
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow

MOST = 5  # new strangers an hour that owners are told of: a flood must not become theirs
HOUR = 3600.0
FLOOD = 40  # words to and about strangers an hour, beyond which none is answered or kept


def is_nothing(db: sqlite3.Connection, event: Event, at: float) -> bool:
    """Not worth a row: somebody who was answered writes again, or too many strangers come at once. A code always is."""
    if len(event.text) < 24 and people.is_code(event.text):
        return False
    known = "SELECT 1 FROM outbox WHERE key = ?"
    many = "SELECT count(*) FROM outbox WHERE key >= 'stranger:' AND key < 'stranger;' AND event IS NULL AND at > ?"
    met = db.execute(known, (f"stranger:{event.source.lane}",)).fetchone() is not None
    return met or db.execute(many, (at - HOUR,)).fetchone()[0] >= FLOOD


def paired(db: sqlite3.Connection, desk: Desk, row: EventRow) -> list[OutboxRow | None] | None:
    """The text is a pairing code: this address is somebody's from now on. None where it is none."""
    source, now = row.event.source, desk.clock.now()
    person = desk.people.get(people.pair(db, row.event.text, source.bridge, source.chat, now))
    if person is None:
        return None
    inbox.move(db, row.id, EventState.DONE, at=now)
    return [desk.reply(db, row, desk.words("paired", replace(source, person=person.id), name=person.name))]


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
