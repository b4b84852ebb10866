"""A voice note becomes the text that it is, on the disk, before anything makes something of it; from there on it is any text.

It does not know who listens, nor what was said.
"""

from dataclasses import replace

from dobby.butler import urgent
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, work_on
from dobby.errors import Refused
from dobby.events import EventKind
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.mind.plan import Plan


async def heard(desk: Desk, row: EventRow, steer: Steer) -> EventRow | None:
    """The row, of a voice note with its words; None where it has been answered: nobody can hear it, or it cries for help."""
    event = row.event
    if event.kind is not EventKind.VOICE or event.text.strip():
        return row
    try:
        text = await desk.listen(event.attachments)
        say = "" if text else desk.words("no_use", event.source, kind=event.kind.value)
    except Refused as error:
        text, say = "", str(error)
    if text:
        await desk.store.write(lambda db: inbox.word(db, row.id, text))
        row = replace(row, event=replace(event, kind=EventKind.TEXT, text=text))
        if not urgent.asks_help(row.event):
            return row
        say = await urgent.help_wanted(desk, row.event)
    await work_on(desk, row, Plan(say=say), steer)
    return None
