"""Appointments that wait for the house: when it becomes as one wants, its run is an event of its conversation, once each time.

Only a turn counts, not what was so already; what turned while nobody was there is not made up. It does not know what a run does.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from dobby.clock import Clock
from dobby.errors import IllegalMove, StoreError
from dobby.events import NEVER, State, Watch
from dobby.house.state import States, Turn
from dobby.journal import appointments
from dobby.journal.appointments import DueRow
from dobby.mind.plan import passes
from dobby.people import People
from dobby.schedule.run import Hear, event_of, rest
from dobby.store import PAUSE, Store

log = logging.getLogger(__name__)
OFTEN, WITHIN = 12, 600.0  # runs within so many seconds after which one is paused: two that undo each other would never end


class Triggers:
    """Watches the house for all appointments that wait for it; `hear` takes an event in."""

    def __init__(self, store: Store, clock: Clock, people: People, states: States, hear: Hear) -> None:
        self._store, self._clock, self._people, self._states, self._hear = store, clock, people, states, hear
        self._woken = asyncio.Event()
        self._rows: dict[int, tuple[DueRow, Watch]] = {}
        self._was: dict[int, bool] = {}
        self._since: dict[int, float] = {}  # it has become so then, and has not run for it
        states.listen(self._turned)

    def wake(self) -> None:
        """Something was kept, paused or ended: look again."""
        self._woken.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self._take_in()
                await self._fire()
            except StoreError as error:
                log.error("What waits for the house waits on: %s", error)
                await self._clock.sleep(PAUSE)
                continue
            await rest(self._clock, self._woken, min(map(self._ripe, self._since), default=None))

    async def _take_in(self) -> None:
        """The rows as they are; what is new begins with how things are now."""
        rows = {row.id: (row, row.due.watch) for row in await self._store.read(appointments.watching) if row.due.watch}
        for gone in self._rows.keys() - rows.keys():
            self._was.pop(gone, None)
            self._since.pop(gone, None)
        new, self._rows = rows.keys() - self._rows.keys(), rows
        for id_ in new:
            self._look(id_)

    def _turned(self, turn: Turn) -> None:
        for id_, (_, watch) in self._rows.items():
            if (turn.device, turn.trait) in (test[:2] for test in watch.tests):
                self._look(id_)

    def _look(self, id_: int) -> None:
        """Notice that it has become so, or is so no more; what nobody can tell changes nothing."""
        watch = self._rows[id_][1]
        now, was = so(watch, self._states.of), self._was.get(id_)
        if now is None or now is was:
            return
        self._was[id_] = now
        if not now:
            self._since.pop(id_, None)
        elif was is False or watch.hold:
            self._since[id_] = self._clock.now()
            self._woken.set()

    def _ripe(self, id_: int) -> float:
        return self._since[id_] + self._rows[id_][1].hold

    async def _fire(self) -> None:
        now = self._clock.now()
        for id_ in [id_ for id_ in self._since if self._ripe(id_) <= now]:
            del self._since[id_]
            row, watch = self._rows[id_]
            if self._people.get(row.person) is None:
                continue  # nobody acts for somebody who is gone
            try:
                await self._hear(event_of(self._people, row, now), self._note(row, watch, now))
            except IllegalMove:
                log.info("Appointment %d was changed in its last moment", id_)

    def _note(self, row: DueRow, watch: Watch, now: float) -> Callable[[sqlite3.Connection, int], None]:
        """The run in the commit of its event; one that comes too often is paused with it."""

        def note(db: sqlite3.Connection, event: int) -> None:
            often = appointments.runs_since(db, row.id, now - WITHIN) >= OFTEN
            appointments.record(db, row.id, [now], "often" if often else "begun", 0.0, event)
            appointments.advance(db, row, NEVER if watch.always else None)
            if often:
                appointments.put(db, row.id, "paused", now)

        return note


def so(watch: Watch, of: Callable[[str], State]) -> bool | None:
    """Whether the house is as this wants; None where nobody can tell."""
    told = [passes(wanted, of(device).get(trait)) for device, trait, wanted in watch.tests]
    deciding, other = (False, True) if watch.whole else (True, False)
    return deciding if deciding in told else None if None in told or not told else other
