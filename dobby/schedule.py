"""The wheel: sleeps until the next appointment, and turns it into an event of its conversation, once for ever.

The rows are the truth; an event, its run and the next date are one commit. It does not know what an appointment does.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from dobby.clock import Clock
from dobby.errors import IllegalMove, StoreError
from dobby.events import DueKind, Event, EventKind, Origin, Role, Source
from dobby.house.almanac import Almanac
from dobby.journal import appointments
from dobby.journal.appointments import DueRow
from dobby.people import People
from dobby.store import PAUSE, Store

log = logging.getLogger(__name__)
LOOK_UP = 30.0  # seconds after which the clock on the wall is looked at again, in case somebody has set it
AT_ONCE = 64  # appointments that are turned into events side by side
MOST_MISSED = 500  # runs of one routine that are counted one by one after a long absence


class Hear(Protocol):
    """Takes an event in (`dobby.butler.Butler.hear`)."""

    def __call__(self, event: Event, also: Callable[[sqlite3.Connection, int], None] | None = None) -> Awaitable[Any]: ...


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
            await self._rest(next_at)

    async def _turn(self) -> float | None:
        """Everything that is due becomes events; the instant of the next."""
        while rows := await self._store.read(lambda db: appointments.come_due(db, self._clock.now(), AT_ONCE)):
            for error in await asyncio.gather(*map(self._fire, rows), return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
        return await self._store.read(appointments.next_at)

    async def _rest(self, until: float | None) -> None:
        """Until the next instant, a wake, or the next look at the clock; without appointments, until a wake."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._woken.wait())]
        if until is not None:
            pause = min(max(until - self._clock.now(), 0.0), LOOK_UP)
            waits.append(asyncio.ensure_future(self._clock.sleep(pause)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

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
                await self._hear(self._event(row, instant), note)
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

    def _event(self, row: DueRow, instant: float) -> Event:
        """In the person's conversation, made by an appointment on their behalf, with what they may do today."""
        bridge, _, chat = row.lane.partition("/")
        person = self._people.get(row.person)
        behalf = Source(row.person, person.role if person else Role.UNKNOWN, bridge, chat)
        source = replace(behalf, origin=Origin.ROUTINE, behalf=behalf, grant=str(row.grant or ""))
        return Event(f"due:{row.id}:{instant:.3f}", source, EventKind.DUE)

    async def _move_house(self) -> None:
        """The house's zone has another name than when a routine was made: its hours are the hours on the wall here."""
        zone, now = str(self._almanac.zone), self._clock.now()

        def move(db: sqlite3.Connection) -> None:
            for row in appointments.open_ones(db):
                if row.due.kind is DueKind.ROUTINE and row.zone != zone and row.at > now:
                    at = self._almanac.next_run(row.due.every, now, anchor=now, sun=row.due.sun)
                    appointments.move(db, row.id, at if at is not None else row.at, zone)

        await self._store.write(move)
