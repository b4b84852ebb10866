"""Carries owed messages to people: each row once, in order per bridge, whatever the provider does.

A send in doubt is looked up; where that cannot be done it is not repeated. It does not know what the words say.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from dobby.clock import Clock
from dobby.errors import Refused, Unreachable
from dobby.events import OutboxState
from dobby.journal import outbox, questions
from dobby.journal.outbox import OutboxRow
from dobby.store import Store, insist

log = logging.getLogger(__name__)
SEND_SECONDS = 60.0  # a bridge has to take a message or to look it up
LONGEST_PAUSE = 60.0  # seconds between tries while a bridge cannot be reached


class Bridge(Protocol):
    """A way to people. `repeats`: the same message twice is shown once, so a send in doubt may simply be repeated."""

    name: str
    repeats: bool

    async def send(self, row: OutboxRow) -> str:
        """Hand the message over; returns the provider's id.

        :raises Refused: it will never go; :raises Unreachable: not now; anything else: in doubt.
        """
        ...

    async def look_up(self, row: OutboxRow) -> bool | None:
        """Did it go out? None where nobody can tell; :raises Unreachable: it cannot be asked now."""
        ...


Sent = Callable[[OutboxRow], None]


class Post:
    """One queue per bridge. `on_sent` hears of every message that has come to its end: sent, failed or in doubt."""

    def __init__(self, store: Store, clock: Clock, bridges: Iterable[Bridge]) -> None:
        self._store = store
        self._clock = clock
        self.bridges: Mapping[str, Bridge] = {bridge.name: bridge for bridge in bridges}
        self._queues: dict[str, asyncio.Queue[OutboxRow]] = {name: asyncio.Queue() for name in self.bridges}
        self.on_sent: list[Sent] = []

    def hand_over(self, rows: Iterable[OutboxRow | None]) -> None:
        """These are committed; carry them. A lane whose bridge is closed keeps its rows until it opens."""
        for row in rows:
            if row is not None and (queue := self._queues.get(row.reply.lane.partition("/")[0])):
                queue.put_nowait(row)

    async def flushed(self) -> None:
        """Wait until nothing is on its way."""
        for queue in self._queues.values():
            await queue.join()

    async def run(self) -> None:
        """Carry what was owed before, then whatever comes, until cancelled."""
        self.hand_over(await self._store.read(outbox.unsent))
        async with asyncio.TaskGroup() as group:
            for name, queue in self._queues.items():
                group.create_task(self._carry_all(self.bridges[name], queue), name=f"post {name}")

    async def _carry_all(self, bridge: Bridge, queue: "asyncio.Queue[OutboxRow]") -> None:
        while True:
            row = await queue.get()
            try:
                await self._carry(bridge, row)
            except Exception:  # one sick message must not hold up the others; its row stays open for the next start
                log.exception("Message %d could not be carried", row.id)
            queue.task_done()

    async def _carry(self, bridge: Bridge, row: OutboxRow) -> None:
        if row.state is OutboxState.SENDING and not bridge.repeats:
            went = await self._look_up(bridge, row)
            if went is not False:
                await self._move(row, OutboxState.SENT if went else OutboxState.UNKNOWN)
                return
        elif not bridge.repeats and not await self._move(row, OutboxState.SENDING):
            return  # somebody carries it already
        await self._move(row, *await self._try(bridge, row))

    async def _try(self, bridge: Bridge, row: OutboxRow) -> tuple[OutboxState, str, str]:
        pause = 1.0
        while True:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    return OutboxState.SENT, await bridge.send(row), ""
            except Refused as error:
                return OutboxState.FAILED, "", str(error)
            except Unreachable as error:
                log.info("Message %d waits: %s", row.id, error)
            except Exception:  # the one boundary for providers' own errors
                log.exception("Sending message %d is in doubt", row.id)
                went = None if bridge.repeats else await self._look_up(bridge, row)
                if not bridge.repeats and went is not False:
                    return (OutboxState.SENT if went else OutboxState.UNKNOWN), "", "in doubt"
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _look_up(self, bridge: Bridge, row: OutboxRow) -> bool | None:
        """Did it go out? One who cannot be reached is asked again; one who cannot say so counts as one that never can."""
        pause = 1.0
        while True:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    return await bridge.look_up(row)
            except Unreachable as error:
                log.info("Message %d waits to be looked up: %s", row.id, error)
            except Exception:
                log.exception("Message %d could not be looked up", row.id)
                return None
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _move(self, row: OutboxRow, state: OutboxState, provider: str = "", why: str = "") -> bool:
        now = self._clock.now()

        def move(db: sqlite3.Connection) -> bool:
            if row.reply.question:
                _start_waiting(db, row.reply.question, state, now)
            return outbox.move(db, row.id, state, now, provider=provider, why=why)

        moved = await insist(self._store, self._clock, move)
        if state is not OutboxState.SENDING:
            for listener in self.on_sent:
                listener(replace(row, state=state, provider=provider))
        return moved

    async def moved(self, row: int, state: OutboxState) -> bool:
        """A provider or a page says how far a message has come."""
        now = self._clock.now()
        return await self._store.write(lambda db: outbox.move(db, row, state, now))


def _start_waiting(db: sqlite3.Connection, question: int, state: OutboxState, now: float) -> None:
    """A question that may have arrived has its time; one that never will is over."""
    if state is OutboxState.FAILED:
        questions.give_up(db, question, now)
    elif state is not OutboxState.SENDING:
        questions.start_clock(db, question, now)
