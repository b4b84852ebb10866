"""The loop: every event becomes a row, then waits in its conversation's lane; lanes run side by side.

It does not know what an event means; `errand` works on one, `answers` matches the answers, `recover` takes up old rows.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from dobby.butler import answers, orders, recover
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, finish, work_on
from dobby.errors import StoreError
from dobby.events import Event, EventKind, EventState
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow
from dobby.mind.answer import is_amendment, is_stop
from dobby.mind.plan import Order, Plan

log = logging.getLogger(__name__)
WAITING_MOST = 20  # texts of one lane; beyond it "one moment" is said once
LONGEST_TEXT = 4000  # characters a mind is given
DISK_PAUSE = 5.0  # seconds between tries while rows cannot be written


@dataclass(slots=True)
class Lane:
    """One conversation: what waits, and the steering wheel of what runs."""

    waiting: deque[EventRow] = field(default_factory=deque)
    steer: Steer | None = None
    warned: bool = False
    served: bool = False
    task: "asyncio.Task[None] | None" = None


@dataclass(frozen=True, slots=True)
class Heard:
    """An event is on the disk: its number, and whether it is new."""

    id: int
    new: bool


class Butler:
    """Takes events, serves lanes. `hear` may be called as soon as `run` has said ready."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._lanes: dict[str, Lane] = {}
        self._working: set[int] = set()
        self._ended = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._open = False
        self.ready = asyncio.Event()
        desk.spawn = self._spawn
        desk.post.on_sent.append(lambda row: answers.on_sent(desk, row))

    async def _logged(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # a task of ours that fails must not take its neighbours along
            log.exception("Task %s failed", name)
        finally:
            self._ended.set()

    # Hearing

    async def hear(self, event: Event) -> Heard:
        """Commit an event, then let it be worked on. The same key again changes nothing.

        :raises DiskFull: there is no room; nothing was kept, and the bridge must say so.
        """
        event = replace(event, received=self.desk.clock.now())
        number, new = await self.desk.store.write(lambda db: inbox.receive(db, event))
        if new:
            self._route(EventRow(number, event, EventState.RECEIVED, 0, None))
        return Heard(number, new)

    def _route(self, row: EventRow) -> None:
        event = row.event
        if not event.source.authority.rank:
            self._begin(row, self._meet_stranger(row), "stranger")
            return
        answer = answers.match(self.desk, event)
        if answer is not None:
            self._begin(row, self._answer(row, answer), "answer")
            return
        lane = self._lanes.setdefault(row.lane, Lane())
        if lane.steer is not None and (is_stop(event.text) or is_amendment(event.text)):
            lane.steer.stopped.set()
            lane.waiting.appendleft(row)
        else:
            self._queue(lane, row)
        self._serve(row.lane, lane)

    def _begin(self, row: EventRow, work: Coroutine[Any, Any, None], name: str) -> None:
        """Work on an event at once, beside its lane."""
        self._working.add(row.id)
        self._spawn(self._guarded(row, work), f"{name} {row.id}")

    def _queue(self, lane: Lane, row: EventRow) -> None:
        lane.waiting.append(row)
        if len(lane.waiting) > WAITING_MOST and not lane.warned:
            lane.warned = True
            self._spawn(self._one_moment(row), f"moment {row.id}")

    async def _one_moment(self, row: EventRow) -> None:
        desk = self.desk
        text = desk.words("one_moment", row.event.source)
        desk.post.hand_over([await desk.store.write(lambda db: desk.tell(db, f"moment:{row.id}", row.lane, text))])

    # Serving

    async def run(self) -> None:
        """Take up what was left, then serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            self._open = True
            group.create_task(self.desk.post.run(), name="post")
            await self._take_up()
            self.ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._open = False

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end: for a graceful stop."""
        self._open = False
        running = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if running:
            await asyncio.wait(running, timeout=seconds)

    async def settled(self) -> None:
        """Wait until nothing waits and nothing runs."""
        while not self.idle:
            self._ended.clear()
            await self._ended.wait()

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self._lanes and not self._working and not self.desk.under_way

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None] | None":
        if self._tasks is None or not self._open:
            work.close()
            return None
        return self._tasks.create_task(self._logged(work, name), name=name)

    def _serve(self, name: str, lane: Lane) -> None:
        if not lane.served:
            lane.served = True
            lane.task = self._spawn(self._serve_all(name, lane), f"lane {name}")

    async def _serve_all(self, name: str, lane: Lane) -> None:
        while lane.waiting and self._open:
            row = lane.waiting.popleft()
            lane.steer = Steer()
            await self._guarded(row, self._work(row, lane.steer))
            lane.steer = None
        self._lanes.pop(name, None)

    async def _guarded(self, row: EventRow, work: Coroutine[Any, Any, None]) -> None:
        """An event's own fault ends the event, not the lane; rows that cannot be written are tried again."""
        self._working.add(row.id)
        try:
            await work
        except StoreError as error:
            log.error("Event %d waits: %s", row.id, error)
            await self.desk.clock.sleep(DISK_PAUSE)
            fresh = await self.desk.store.read(lambda db: inbox.get(db, row.id))
            if fresh.state in (EventState.RECEIVED, EventState.WORKING):
                lane = self._lanes.setdefault(row.lane, Lane())
                lane.waiting.appendleft(fresh)
                self._serve(row.lane, lane)
        except Exception:  # the last boundary: one sick event must not stop the house
            log.exception("Event %d failed", row.id)
            await self._fail(row)
        finally:
            self._working.discard(row.id)

    async def _fail(self, row: EventRow) -> None:
        desk = self.desk

        def fail(db: sqlite3.Connection) -> OutboxRow | None:
            if inbox.get(db, row.id).state in inbox.ENDED:
                return None
            inbox.move(db, row.id, EventState.FAILED, why="error", at=desk.clock.now())
            return desk.reply(db, row, desk.words("failed", row.event.source))

        desk.post.hand_over([await desk.store.write(fail)])

    # One event

    async def _work(self, row: EventRow, steer: Steer) -> None:
        if row.plan is not None:
            await finish(self.desk, row, row.plan, steer, recovering=True)
            return
        if await self._met_at_the_door(row, steer):
            return
        plan = await self._plan(row, steer)
        if plan.order is not Order.NONE:
            await orders.carry(self.desk, row, plan, steer)
        else:
            await work_on(self.desk, row, plan, steer)

    async def _met_at_the_door(self, row: EventRow, steer: Steer) -> bool:
        """What never waits in a lane but may be found there after a restart or a full disk: a stranger, an answer."""
        if not row.event.source.authority.rank:
            await self._meet_stranger(row)
            return True
        answer = answers.match(self.desk, row.event)
        return answer is not None and await answers.take(self.desk, row, answer, steer)

    async def _plan(self, row: EventRow, steer: Steer) -> Plan:
        event, source = row.event, row.event.source
        if event.kind is EventKind.REACTION:
            return Plan()
        if event.kind not in (EventKind.TEXT, EventKind.EDIT) and not event.text.strip():
            return Plan(say=self.desk.words("no_use", source, kind=event.kind.value))
        if len(event.text) > LONGEST_TEXT:
            return Plan(say=self.desk.words("too_long_for_me", source, most=LONGEST_TEXT))
        return await self.desk.mind.plan(event.text, self.desk.context(source))

    async def _answer(self, row: EventRow, answer: answers.Answer) -> None:
        if not await answers.take(self.desk, row, answer, Steer()):
            lane = self._lanes.setdefault(row.lane, Lane())
            self._queue(lane, row)
            self._serve(row.lane, lane)

    async def _meet_stranger(self, row: EventRow) -> None:
        """One polite line, nothing about the house; the owners hear once, with the address."""
        desk, source = self.desk, row.event.source

        def meet(db: sqlite3.Connection) -> list[OutboxRow | None]:
            told = [desk.tell(db, f"stranger:{row.lane}", row.lane, desk.words("stranger", source))]
            for person, lane in desk.owner_lanes():
                words = desk.words("stranger_owner", replace(source, person=person), bridge=source.bridge, chat=source.chat[:64])
                told.append(desk.tell(db, f"stranger:{row.lane}:{person}", lane, words))
            inbox.move(db, row.id, EventState.REFUSED, why="stranger", at=desk.clock.now())
            return told

        desk.post.hand_over(await desk.store.write(meet))

    # After a restart

    async def _take_up(self) -> None:
        """Classify every open row and rebuild the lanes; the devices are looked at afterwards."""
        desk = self.desk
        rows = [row for row in await desk.store.read(inbox.unfinished) if row.state is not EventState.WAITING]
        await answers.reopen(desk)
        await recover.follow_again(desk, rows)
        suspects = recover.heads(rows)
        for row in rows:
            if row not in suspects:
                self._lanes.setdefault(row.lane, Lane(served=True)).waiting.append(row)
        for row in suspects:
            self._lanes.setdefault(row.lane, Lane(served=True))
        if suspects:
            self._spawn(self._take_up_suspects(suspects), "take up")

    async def _take_up_suspects(self, suspects: list[EventRow]) -> None:
        """First-time suspects lane by lane, side by side; those begun before alone, so that only the culprit's attempts grow."""
        fresh: dict[str, list[EventRow]] = {}
        for row in suspects:
            if row.attempts == 0:
                fresh.setdefault(row.lane, []).append(row)
        async with asyncio.TaskGroup() as group:
            for rows in fresh.values():
                group.create_task(self._take_up_in_order(rows))
        for row in suspects:
            if row.attempts:
                await self._take_up_one(row)
        for name in {row.lane for row in suspects}:
            lane = self._lanes[name]
            lane.task = self._spawn(self._serve_all(name, lane), f"lane {name}")

    async def _take_up_in_order(self, rows: list[EventRow]) -> None:
        for row in rows:
            await self._take_up_one(row)

    async def _take_up_one(self, row: EventRow) -> None:
        begun = await recover.begin_again(self.desk, row)
        if begun is not None:
            await self._guarded(begun, self._work(begun, Steer()))
