"""The wheel: sleeps until the next appointment, and turns it into an event of its conversation, once for ever.

The rows are the truth; an event, its run and the next date are one commit. It does not know what an appointment does.
"""

import asyncio
import logging
import sqlite3

from dobby.clock import Clock
from dobby.errors import IllegalMove, StoreError
from dobby.house.almanac import Almanac
from dobby.journal import appointments
from dobby.journal.appointments import DueRow
from dobby.people import People
from dobby.schedule.run import Hear, event_of, rest
from dobby.store import PAUSE, Store

log = logging.getLogger(__name__)
AT_ONCE = 64  # appointments that are turned into events side by side
MOST_MISSED = 500  # runs of one routine that are counted one by one after a long absence


class Wheel:
    """Turns while `run` runs. `wake` when appointments have changed."""

    def __init__(self, store: Store, clock: Clock, people: People, almanac: Almanac, hear: Hear) -> None:
        self._store, self._clock, self._people, self._almanac, self._hear = store, clock, people, almanac, hear
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was kept, moved or ended: look again."""
        self._woken.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        await self._move_house()
        while True:
            self._woken.clear()
            try:
                next_at = await self._turn()
            except StoreError as error:
                log.error("Appointments wait: %s", error)
                await self._clock.sleep(PAUSE)
                continue
            await rest(self._clock, self._woken, next_at)

    async def _turn(self) -> float | None:
        """Everything that is due becomes events; the instant of the next."""
        while rows := await self._store.read(lambda db: appointments.come_due(db, self._clock.now(), AT_ONCE)):
            for error in await asyncio.gather(*map(self._fire, rows), return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
        return await self._store.read(appointments.next_at)

    async def _fire(self, row: DueRow) -> None:
        """One appointment whose time has come: its latest run happens or is told as missed, those before are noted."""
        now = self._clock.now()
        *before, instant = self._instants(row, now)
        late = max(0.0, now - instant)
        happens = row.policy == "late" or late <= row.window
        following = self._almanac.next_run(row.due.every, now, anchor=instant, sun=row.due.sun) if row.due.every else None

        def note(db: sqlite3.Connection, event: int | None) -> None:
            appointments.record(db, row.id, before, "missed", 0.0, None)
            appointments.record(db, row.id, [instant], state, late, event)
            appointments.advance(db, row, following)

        known = self._people.get(row.person) is not None
        state = "failed" if not known else "begun" if happens else "missed"
        try:
            if known and (happens or row.policy != "skip"):
                await self._hear(event_of(self._people, row, instant), note)
            else:
                await self._store.write(lambda db: note(db, None))
        except IllegalMove:
            log.info("Appointment %d was changed in its last moment", row.id)

    def _instants(self, row: DueRow, now: float) -> list[float]:
        """Every instant from the one kept up to now."""
        found = [row.at]
        while row.due.every and len(found) < MOST_MISSED:
            following = self._almanac.next_run(row.due.every, found[-1], anchor=found[-1], sun=row.due.sun)
            if following is None or following > now:
                break
            found.append(following)
        return found

    async def _move_house(self) -> None:
        """The house's zone has another name than when a routine was made: its hours are the hours on the wall here."""
        zone, now = str(self._almanac.zone), self._clock.now()

        def move(db: sqlite3.Connection) -> None:
            for row in appointments.open_ones(db):
                if row.due.every and row.zone != zone and row.at > now:
                    at = self._almanac.next_run(row.due.every, now, anchor=now, sun=row.due.sun)
                    appointments.move(db, row.id, at if at is not None else row.at, zone)

        await self._store.write(move)
