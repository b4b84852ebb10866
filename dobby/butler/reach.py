"""Where a person hears: the bridge they prefer, the next one when that fails, and not in their quiet hours, if it can wait.

Nothing is ever sent to anybody who is not known. It does not know what a message says.
"""

import sqlite3
from datetime import timedelta

from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Reply
from dobby.journal import outbox
from dobby.journal.outbox import URGENT, OutboxRow
from dobby.people import within

# Nobody asked for them, and they can wait; sightings judge that themselves.
WAITS = ("news:", "broken:", "stranger:", "parked:", "guess:")
NIGHT = "21:00-08:00"  # for what the night itself brings about


def be_reached(desk: Desk) -> None:
    """The post asks here where else a message may go, and when."""
    desk.post.elsewhere = lambda db, row, why: elsewhere(db, desk, row)
    desk.post.held = lambda row: held(desk, row)
    desk.post.urgent = lambda row: row.reply.key.startswith(URGENT)


def elsewhere(db: sqlite3.Connection, desk: Desk, row: OutboxRow) -> OutboxRow | None:
    """The same message over this person's next bridge; a question goes along. None where there is none, or all were tried."""
    person = desk.people.of_lane(row.reply.lane)
    if person is None or row.reply.key.startswith(URGENT):  # those go over every bridge anyway
        return None
    base = row.reply.key.partition(">")[0].partition("~")[0]
    for lane in desk.people.lanes(person.id):
        bridge = lane.partition("/")[0]
        if lane == row.reply.lane or bridge not in desk.post.bridges:
            continue
        reply = Reply(f"{base}>{bridge}", lane, row.reply.text, row.reply.options, row.reply.picture, row.reply.question)
        owed = outbox.owe(db, reply, None, desk.clock.now())
        if owed is not None:
            db.execute("UPDATE question SET lane = ? WHERE id = ? AND state = 'open'", (lane, row.reply.question))
            return owed
    return None


def held(desk: Desk, row: OutboxRow) -> float:
    """Seconds until the end of a person's quiet hours, for what can wait."""
    person = desk.people.of_lane(row.reply.lane)
    quiet = (person.limits.quiet if person else "") or (NIGHT if row.reply.key.startswith("guess:") else "")
    if not quiet or not row.reply.key.startswith(WAITS):
        return 0.0
    now = local(desk.clock.now(), desk.zone)
    if not within(quiet, now.hour * 60 + now.minute):
        return 0.0
    hour, minute = map(int, quiet.partition("-")[2].split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return ((end if end > now else end + timedelta(days=1)) - now).total_seconds()
