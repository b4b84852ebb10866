"""The loop: every event becomes a row, then waits in its conversation's lane; lanes run side by side.

It does not know what an event means; `errand` works on one, `answers` matches the answers, `recover` takes up old rows.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from dobby.butler import answers, appointed, asking, memories, orders, reach, recover, strangers, teaching, urgent, wording
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, finish, work_on
from dobby.butler.located import located
from dobby.butler.others import OtherHands
from dobby.errors import Closed, IllegalMove, StoreError
from dobby.events import Event, EventKind, EventState, is_photo
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow
from dobby.mind import persons
from dobby.mind.answer import is_amendment, is_stop
from dobby.mind.plan import Order, Plan
from dobby.store import PAUSE, insist

log = logging.getLogger(__name__)
WAITING_MOST = 20  # texts of one lane; beyond it "one moment" is said once
LONGEST_TEXT = 4000  # characters a mind is given
MIND_SECONDS = 60.0  # a mind has to make something of a text
Also = Callable[[sqlite3.Connection, int], None]
"""What is written together with an event, whose number it is given."""


@dataclass(slots=True)
class Lane:
    """One conversation: what waits (first the `urgent`, which steered what runs), and the steering wheel of what runs."""

    waiting: deque[EventRow] = field(default_factory=deque)
    steer: Steer | None = None
    urgent: set[int] = field(default_factory=set)
    warned: bool = False
    served: bool = False


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
        self._meeting: set[asyncio.Task[Heard]] = set()
        self._ended = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._open = False
        self.ready = asyncio.Event()
        desk.spawn, desk.hear, desk.fail = self._spawn, self.hear, self._fail
        OtherHands(desk)
        desk.on_put = lambda question: self._spawn(answers.expire(desk, question), f"question {question}")
        reach.be_reached(desk)
        urgent.watch(desk)
        desk.post.on_sent.append(lambda row: answers.on_sent(desk, row))

    async def _logged(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # a task of ours that fails must not take its neighbours along
            log.exception("Task %s failed", name)
        finally:
            self._ended.set()

    # Hearing

    async def hear(self, event: Event, also: Also | None = None) -> Heard:
        """Commit an event, then let it be worked on. The same key again changes nothing, nor does a caller who goes away
        meanwhile. `also` is written in the same commit.

        :raises DiskFull: there is no room; nothing was kept, and the bridge must say so.
        """
        event = replace(event, received=self.desk.clock.now())
        with self.desk.post.turns.coming():
            if event.source.authority.rank:
                return await self._take_in(event, also)
            meeting = asyncio.get_running_loop().create_task(self._meet(event))
            self._meeting.add(meeting)
            meeting.add_done_callback(self._meeting.discard)
            return await asyncio.shield(meeting)

    async def _take_in(self, event: Event, also: Also | None) -> Heard:
        event, answer = answers.veil(self.desk, event)

        def receive(db: sqlite3.Connection) -> Heard:
            heard = Heard(*inbox.receive(db, event))
            if also is not None:
                also(db, heard.id)
            return heard

        def route(heard: Heard) -> None:
            if heard.new:
                self._route(EventRow(heard.id, event, EventState.RECEIVED, 0, None), answer)

        return await self.desk.store.write(receive, route)

    async def _meet(self, event: Event) -> Heard:
        """A stranger: kept and closed in one commit, however many come."""
        desk = self.desk

        def meet(db: sqlite3.Connection) -> tuple[int, bool, list[OutboxRow | None], bool]:
            if strangers.is_nothing(db, event, desk.clock.now()):
                return 0, False, [], False
            number, new = inbox.receive(db, event)
            if not new:
                return number, False, [], False
            row = inbox.get(db, number)
            known = strangers.paired(db, desk, row)
            return number, True, strangers.meet(db, desk, row) if known is None else known, known is not None

        number, new, told, known = await desk.store.write(meet)
        if known:
            await desk.people.refresh()
        desk.post.hand_over(told)
        return Heard(number, new)

    def _route(self, row: EventRow, answer: answers.Answer | None) -> None:
        if urgent.asks_help(row.event):
            self._begin(row, self._help(row), "help")
            return
        answer = answer or answers.match(self.desk, row.event)
        if answer is not None:
            self._begin(row, self._answer(row, answer), "answer")
            return
        if row.event.kind is EventKind.ERRAND:
            self._begin(row, self._work(row, Steer()), "errand")
            return
        lane = self._lanes.setdefault(row.lane, Lane())
        if lane.steer is not None and (is_stop(row.event.text) or is_amendment(row.event.text)):
            lane.steer.stopped.set()
            lane.waiting.insert(len(lane.urgent), row)
            lane.urgent.add(row.id)
        else:
            self._queue(lane, row)
        self._serve(row.lane, lane)

    def _begin(self, row: EventRow, work: Coroutine[Any, Any, None], name: str) -> None:
        """Work on an event at once, beside its lane."""
        if self._spawn(self._guarded(row, work), f"{name} {row.id}") is None:
            work.close()
        else:
            self._working.add(row.id)

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
            self._spawn(urgent.run(self.desk), "emergencies")
            try:
                await asyncio.Event().wait()
            finally:
                self._open = False

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, and what is owed go out: for a graceful stop. What waits stays a row."""
        self._open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._working or self.desk.errands:
                    self._ended.clear()
                    await self._ended.wait()
                await self.desk.post.flushed()

    async def settled(self) -> None:
        """Wait until nothing waits and nothing runs."""
        while not self.idle:
            self._ended.clear()
            await self._ended.wait()

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not (self._lanes or self._working or self.desk.under_way or self.desk.errands)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None] | None":
        if self._tasks is None or not self._open:
            work.close()
            return None
        return self._tasks.create_task(self._logged(work, name), name=name)

    def _serve(self, name: str, lane: Lane) -> None:
        if not lane.served:
            lane.served = True
            self._spawn(self._serve_all(name, lane), f"lane {name}")

    async def _turn(self) -> bool:
        """Wait for the lane's turn; False where nothing more is begun."""
        await self.desk.post.turns.turn()
        return self._open

    async def _serve_all(self, name: str, lane: Lane) -> None:
        while lane.waiting and await self._turn():
            row = lane.waiting.popleft()
            lane.steer = Steer(halted=row.id in lane.urgent)
            lane.urgent.discard(row.id)
            with self.desk.post.at_it(row.lane):
                await self._guarded(row, self._work(row, lane.steer))
            lane.steer = None
        self._lanes.pop(name, None)

    async def _guarded(self, row: EventRow, work: Coroutine[Any, Any, None]) -> None:
        """An event's own fault ends the event, not the lane; one whose rows could not be written is tried again."""
        self._working.add(row.id)
        try:
            await work
        except Closed:
            log.info("Event %d is left for the next start", row.id)
        except IllegalMove:
            log.exception("Event %d went astray", row.id)
            await self._fail(row)
        except StoreError as error:
            log.error("Event %d waits: %s", row.id, error)
            await self.desk.clock.sleep(PAUSE)
            self._again(await insist(self.desk.store, self.desk.clock, lambda db: inbox.get(db, row.id)))
        except Exception:  # the last boundary: one sick event must not stop the house
            log.exception("Event %d failed", row.id)
            await self._fail(row)
        finally:
            self._working.discard(row.id)

    def _again(self, row: EventRow) -> None:
        if row.state in (EventState.RECEIVED, EventState.WORKING):
            lane = self._lanes.setdefault(row.lane, Lane())
            lane.waiting.appendleft(row)
            self._serve(row.lane, lane)

    async def _fail(self, row: EventRow) -> None:
        desk, now = self.desk, self.desk.clock.now()

        def fail(db: sqlite3.Connection) -> OutboxRow | None:
            fresh = inbox.get(db, row.id)
            if fresh.state in inbox.ENDED:
                return None
            recover.leave_effects(db, fresh, set(desk.under_way), now)
            inbox.move(db, row.id, EventState.FAILED, why="error", at=now)
            return desk.reply(db, row, desk.words("failed", row.event.source))

        desk.post.hand_over([await insist(desk.store, desk.clock, fail)])

    # One event

    async def _work(self, row: EventRow, steer: Steer) -> None:
        thinking = self.desk.thinking
        if row.plan is not None:
            if thinking and "think" in row.plan:
                await thinking.go_on(row, steer, recovering=True)
            else:
                await finish(self.desk, row, row.plan, steer, recovering=True)
            return
        if row.event.kind is EventKind.DUE:
            await appointed.work(self.desk, row, steer)
            return
        heard = await self.desk.listen(row, steer)
        if heard is None:
            return
        row = heard
        if await urgent.known(self.desk, row.event):
            await work_on(self.desk, row, Plan(say=self.desk.words("urgent_over", row.event.source)), steer)
            return
        answer = answers.match(self.desk, row.event)  # one that was left over by a restart or a full disk
        if answer is not None and await answers.take(self.desk, row, answer, steer):
            return
        if thinking and await thinking.steered(row):
            return
        plan = await self._plan(row, steer)
        self.desk.talk(row.event.source.person).language = plan.language
        if plan.recall is not None and plan.order in (Order.NONE, Order.THINK):
            plan = await memories.answered(self.desk, plan, row.event.source)
        else:
            plan = await memories.overhear(self.desk, row, plan)
        if plan.order is Order.THINK and thinking:
            await thinking.begin(row, plan, steer)
            return
        if not plan.understood:
            plan = await wording.not_understood(self.desk, row, plan)
        if plan.order is not Order.NONE:
            await orders.carry(self.desk, row, plan, steer)
        else:
            await work_on(self.desk, row, plan, steer)

    async def _plan(self, row: EventRow, steer: Steer) -> Plan:
        event, source = row.event, row.event.source
        label = teaching.THUMBS.get((event.reaction or event.text.strip())[:1], "")
        if label and (thumbed := await teaching.react(self.desk, event, label)):
            return thumbed
        if event.kind is EventKind.REACTION or event.text == asking.VEIL:
            return Plan()
        if event.location is not None and not event.text.strip():
            return await located(self.desk, source, event.location)
        if event.kind is EventKind.ERRAND or (
            self.desk.thinking and is_photo(event) and not self.desk.people.hears_of(source.person)
        ):
            about, language = event.text.strip() or "What is on this photo?", self.desk.language_of(source)
            return Plan(order=Order.THINK, about=about, language=language)
        if event.kind not in (EventKind.TEXT, EventKind.EDIT) and not event.text.strip():
            return Plan(say=self.desk.words("no_use", source, kind=event.kind.value))
        if len(event.text) > LONGEST_TEXT:
            return Plan(say=self.desk.words("too_long_for_me", source, most=LONGEST_TEXT))
        context = self.desk.context(source)
        said = persons.plan(event.text, context, self.desk.people, self.desk.house, self.desk.mind)
        if said is not None:
            return said
        async with asyncio.timeout(MIND_SECONDS):
            return await self.desk.mind.plan(event.text, context)

    async def _help(self, row: EventRow) -> None:
        """Answered before anything that waits."""
        say = await urgent.help_wanted(self.desk, row.event)
        await work_on(self.desk, row, Plan(say=say), Steer())

    async def _answer(self, row: EventRow, answer: answers.Answer) -> None:
        if not await answers.take(self.desk, row, answer, Steer()):
            lane = self._lanes.setdefault(row.lane, Lane())
            self._queue(lane, row)
            self._serve(row.lane, lane)

    # After a restart

    async def _take_up(self) -> None:
        """Classify every open row and rebuild the lanes; the devices are looked at afterwards."""
        desk = self.desk
        rows = [row for row in await desk.store.read(inbox.unfinished) if row.state is not EventState.WAITING]
        await answers.reopen(desk)
        await recover.follow_again(desk, rows)
        suspects = recover.heads(rows)
        begun = {row.id for row in suspects}
        for row in rows:
            lane = self._lanes.setdefault(row.lane, Lane(served=True))
            if row.id not in begun:
                ends = is_stop(row.event.text) and answers.match(desk, row.event) is None  # what ran when it was said
                (lane.waiting.appendleft if ends else lane.waiting.append)(row)
                lane.urgent |= {row.id} if ends else set()
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
        await self._take_up_in_order([row for row in suspects if row.attempts])
        for name in {row.lane for row in suspects}:
            self._spawn(self._serve_all(name, self._lanes[name]), f"lane {name}")

    async def _take_up_in_order(self, rows: list[EventRow]) -> None:
        for row in rows:
            begun = await recover.begin_again(self.desk, row)
            if begun is not None:
                steer = Steer()
                if self._lanes[row.lane].urgent:
                    steer.stopped.set()
                await self._guarded(begun, self._work(begun, steer))
