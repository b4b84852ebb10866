"""Carries owed messages to people: each row once, in order per bridge, whatever the provider does.

A send in doubt is looked up; where that cannot be done it is not repeated. It does not know what the words say.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from dobby.clock import Clock
from dobby.errors import Refused, Unreachable
from dobby.events import OutboxState
from dobby.journal import outbox, questions
from dobby.journal.outbox import OutboxRow
from dobby.store import Store

log = logging.getLogger(__name__)
ANSWER_SECONDS = 120.0  # how long a question waits, from its delivery
LONGEST_PAUSE = 60.0


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
        """Did it go out? None where nobody can tell."""
        ...


Sent = Callable[[OutboxRow], None]


class Post:
    """One queue per bridge. `on_sent` hears of every message that has gone out."""

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
            await self._carry(bridge, await queue.get())
            queue.task_done()

    async def _carry(self, bridge: Bridge, row: OutboxRow) -> None:
        if row.state is OutboxState.SENDING and not bridge.repeats:
            went = await bridge.look_up(row)
            if went is not False:
                await self._move(row, OutboxState.SENT if went else OutboxState.UNKNOWN)
                return
        if not bridge.repeats:
            await self._move(row, OutboxState.SENDING)
        await self._move(row, *await self._try(bridge, row))

    async def _try(self, bridge: Bridge, row: OutboxRow) -> tuple[OutboxState, str, str]:
        pause = 1.0
        while True:
            try:
                return OutboxState.SENT, await bridge.send(row), ""
            except Refused as error:
                return OutboxState.FAILED, "", str(error)
            except Unreachable as error:
                log.info("Message %d waits: %s", row.id, error)
            except Exception:  # the one boundary for providers' own errors
                log.exception("Sending message %d is in doubt", row.id)
                went = True if bridge.repeats else await bridge.look_up(row)
                if went is None or (went and not bridge.repeats):
                    return (OutboxState.SENT if went else OutboxState.UNKNOWN), "", "in doubt"
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _move(self, row: OutboxRow, state: OutboxState, provider: str = "", why: str = "") -> None:
        now = self._clock.now()

        def move(db: sqlite3.Connection) -> None:
            outbox.move(db, row.id, state, now, provider=provider, why=why)
            if state is OutboxState.SENT and row.reply.question:
                questions.start_clock(db, row.reply.question, now + ANSWER_SECONDS)

        await self._store.write(move)
        if state is OutboxState.SENT:
            for listener in self.on_sent:
                listener(row)

    async def moved(self, row: int, state: OutboxState) -> bool:
        """A provider or a page says how far a message has come."""
        now = self._clock.now()
        return await self._store.write(lambda db: outbox.move(db, row, state, now))
