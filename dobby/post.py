"""Carries owed messages to people: each row once, in order per conversation, whatever the provider does.

A send in doubt is looked up; where that cannot be done it is not repeated. It does not know what the words say.
"""

import asyncio
import logging
import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from dobby.clock import Clock
from dobby.errors import Refused, Unreachable
from dobby.events import OutboxState
from dobby.journal import outbox, questions
from dobby.journal.outbox import OutboxRow
from dobby.store import Store, insist
from dobby.turns import Turns

log = logging.getLogger(__name__)
SEND_SECONDS = 60.0  # a bridge has to take a message or to look it up
LONGEST_PAUSE = 60.0  # seconds between tries while a bridge cannot be reached
TYPING = 4.5  # seconds such a sign lasts: Telegram's five, with some for the way
THINKING = 0.7  # seconds of work after which a person sees that Dobby is at it
MOST_AGAIN = 3  # times a message that failed for a passing reason is sent anew
URGENT = "!"  # ends the queue of one message that waits for none
SEEN = (OutboxState.SENT, OutboxState.DELIVERED, OutboxState.READ)


class Bridge(Protocol):
    """A way to people: one file, and the contract test (`tests/bridge/test_contract.py`) that every bridge passes.

    `repeats`: the same message twice is shown once, so a send in doubt may simply be repeated. `longest` is how many
    characters one message may have (0: any), `caption` under a picture (0: the same); longer ones become several rows before
    they are sent. Pictures and quick replies are part of `send`: what a provider cannot show is said in words
    (`dobby.bridge.worded`).
    """

    name: str
    repeats: bool
    longest: int
    caption: int

    async def send(self, row: OutboxRow) -> str:
        """Hand the message over; returns the provider's id.

        :raises Refused: it will never go; :raises Unreachable: not now; anything else: in doubt.
        """
        ...

    async def look_up(self, row: OutboxRow) -> bool | None:
        """Did it go out? None where nobody can tell; :raises Unreachable: it cannot be asked now."""
        ...

    async def edit(self, row: OutboxRow) -> bool:
        """Show the row's words and picture in place of what was sent; False where this bridge cannot. Harmless to repeat."""
        ...

    async def typing(self, chat: str) -> None:
        """Show that Dobby is at it; nothing where the bridge has no such sign."""
        ...


class Words:
    """What a bridge is that has nothing but words: it inherits this, and says only what there is more."""

    longest = 0
    caption = 0

    async def edit(self, row: OutboxRow) -> bool:
        """What was sent stays as it is."""
        return False

    async def typing(self, chat: str) -> None:
        """There is no sign for it."""


Sent = Callable[[OutboxRow], None]
Elsewhere = Callable[[sqlite3.Connection, OutboxRow, str], OutboxRow | None]


def _nowhere(db: sqlite3.Connection, row: OutboxRow, why: str) -> OutboxRow | None:
    return None


class Post:
    """One queue per conversation. `on_sent` hears of every message that has come to its end: sent, failed or in doubt.

    `elsewhere` is asked, in the commit that says a message failed, for the one that goes another way instead; `held` says
    how many seconds a message has to wait (a person's quiet hours); `urgent` messages wait for none before them, and are
    rather sent twice than never.
    """

    def __init__(self, store: Store, clock: Clock, bridges: Iterable[Bridge]) -> None:
        self._store = store
        self._clock = clock
        self.bridges: dict[str, Bridge] = {bridge.name: bridge for bridge in bridges}
        self._lanes: dict[str, deque[OutboxRow]] = {}
        self._served: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._empty = asyncio.Event()
        self.turns = Turns()
        self.on_sent: list[Sent] = []
        self.elsewhere: Elsewhere = _nowhere
        self.held: Callable[[OutboxRow], float] = lambda row: 0.0
        self.urgent: Callable[[OutboxRow], bool] = lambda row: False

    def hand_over(self, rows: Iterable[OutboxRow | None]) -> None:
        """These are committed; carry them. A lane whose bridge is closed keeps its rows until it opens."""
        for row in rows:
            if row is not None and row.reply.lane.partition("/")[0] in self.bridges:
                wait = self.held(row)
                if wait > 0 and self._tasks is not None:
                    self._tasks.create_task(self._later(row, wait), name=f"hold message {row.id}")
                elif wait <= 0:
                    self._queue(row)

    def _queue(self, row: OutboxRow) -> None:
        key = f"{row.reply.key}{URGENT}" if self.urgent(row) else row.reply.lane
        self._lanes.setdefault(key, deque()).append(row)
        self._empty.clear()
        self._serve(key)

    async def _later(self, row: OutboxRow, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.hand_over([row])

    def _serve(self, key: str) -> None:
        if self._tasks is not None and key not in self._served:
            self._served.add(key)
            self._tasks.create_task(self._carry_all(key), name=f"post {key}")

    async def flushed(self) -> None:
        """Wait until nothing is on its way."""
        if self._lanes:
            await self._empty.wait()

    async def run(self) -> None:
        """Carry what was owed before, then whatever comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            try:
                self.hand_over(await self._store.read(outbox.unsent))
                for key in list(self._lanes):
                    self._serve(key)
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    async def _carry_all(self, key: str) -> None:
        rows = self._lanes[key]
        while rows:
            row = rows.popleft()
            if not key.endswith(URGENT):
                await self.turns.turn()
            try:
                await self._carry(self.bridges[row.reply.lane.partition("/")[0]], row)
            except Exception:  # one sick message must not hold up the others; its row stays open for the next start
                log.exception("Message %d could not be carried", row.id)
        self._lanes.pop(key, None)
        self._served.discard(key)
        if not self._lanes:
            self._empty.set()

    async def _carry(self, bridge: Bridge, handed: OutboxRow) -> None:
        row = await self._store.read(lambda db: outbox.get(db, handed.id))
        if row is None:
            return
        if row.state in SEEN:
            await self._edit(bridge, row)
            return
        repeats = bridge.repeats or self.urgent(row)
        if row.state is OutboxState.SENDING and not repeats:
            went = await self._look_up(bridge, row)
            if went is not False:
                await self._move(row, OutboxState.SENT if went else OutboxState.UNKNOWN)
                return
        elif row.state is not OutboxState.SENDING:
            row = await self._fit(bridge, row)
            if not repeats and not await self._move(row, OutboxState.SENDING):
                return  # somebody carries it already
            row = replace(row, state=OutboxState.SENDING, changed=self._clock.now())
        await self._move(row, *await self._try(bridge, row, repeats))

    async def _fit(self, bridge: Bridge, row: OutboxRow) -> OutboxRow:
        """A message that is too long for one becomes several rows, each sent and looked up by itself."""
        longest = bridge.caption if bridge.caption and row.reply.picture else bridge.longest
        if not longest or len(row.reply.text) <= longest:
            return row
        first, *more = pieces(row.reply.text, longest)
        now = self._clock.now()
        rows = await insist(self._store, self._clock, lambda db: outbox.split(db, row, first, more, now))
        self._lanes[row.reply.lane].extendleft(reversed(rows[1:]))
        return rows[0]

    async def _try(self, bridge: Bridge, row: OutboxRow, repeats: bool) -> tuple[OutboxState, str, str]:
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
                went = None if repeats else await self._look_up(bridge, row)
                if not repeats and went is not False:
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

    async def _edit(self, bridge: Bridge, row: OutboxRow) -> None:
        """The words have changed since they were shown: in place where the bridge can."""
        pause = 1.0
        while row.edits > row.shown:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await bridge.edit(row)
            except Refused as error:
                log.info("Message %d stays as it was: %s", row.id, error)
            except Exception as error:  # the one boundary for providers' own errors; an edit may be repeated
                log.info("Message %d is changed later: %r", row.id, error)
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            await insist(self._store, self._clock, lambda db: outbox.note_shown(db, row.id, row.edits))
            return

    async def _move(self, row: OutboxRow, state: OutboxState, provider: str = "", why: str = "") -> bool:
        moved, instead = await insist(self._store, self._clock, self._mover(row, state, provider, why))
        if state is not OutboxState.SENDING:
            for listener in self.on_sent:
                listener(replace(row, state=state, provider=provider))
        self.hand_over([instead])
        return moved

    def _mover(
        self, row: OutboxRow, state: OutboxState, provider: str, why: str, then: str = ""
    ) -> Callable[[sqlite3.Connection], tuple[bool, OutboxRow | None]]:
        def move(db: sqlite3.Connection) -> tuple[bool, OutboxRow | None]:
            now = self._clock.now()  # within the commit: what was written before it is from before
            moved = outbox.move(db, row.id, state, now, provider=provider, why=why, shown=row.edits)
            failed = moved and state is OutboxState.FAILED
            instead = (_again(db, row, then, now) or self.elsewhere(db, row, why)) if failed else None
            if row.reply.question and instead is None:
                _start_waiting(db, row.reply.question, state, now)
            return moved, instead

        return move

    async def moved(self, number: int, state: OutboxState, why: str = "", provider: str = "", then: str = "") -> bool:
        """A provider or a page says how far a message has come; one that failed after all goes another way.

        `then` says that it may go the same way once more: `again`, as the `template`, or in `words` alone.
        """

        def move(db: sqlite3.Connection) -> tuple[bool, OutboxRow | None]:
            row = outbox.get(db, number)
            return self._mover(row, state, provider, why, then)(db) if row else (False, None)

        moved, instead = await self._store.write(move)
        self.hand_over([instead])
        return moved

    @contextmanager
    def at_it(self, lane: str) -> Iterator[None]:
        """While something for this conversation is worked on, and longer than a moment, its bridge shows that."""
        name, _, chat = lane.partition("/")
        shows = self._tasks is not None and name in self.bridges
        task = self._tasks.create_task(self._show_typing(self.bridges[name], chat)) if shows and self._tasks else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()

    async def _show_typing(self, bridge: Bridge, chat: str) -> None:
        pause = THINKING
        while True:
            await asyncio.sleep(pause)
            pause = TYPING
            try:
                await bridge.typing(chat)
            except Exception as error:  # nothing hangs on it
                log.info("%s shows no typing: %r", bridge.name, error)
                return


def pieces(text: str, longest: int) -> list[str]:
    """A long text in parts, cut after a sentence, else a word, else anywhere."""
    found = []
    while len(text) > longest:
        head = text[: longest + 1]
        ends = [match.end() for match in re.finditer(r"(?<=[.!?…])\s+|\n+", head)] or [m.end() for m in re.finditer(r"\s+", head)]
        cut = next((end for end in reversed(ends) if end > longest // 3), longest)
        found.append(text[:cut].strip())
        text = text[cut:].strip()
    return [*found, text]


def _again(db: sqlite3.Connection, row: OutboxRow, then: str, at: float) -> OutboxRow | None:
    """The same message the same way once more, as it certainly did not arrive; a row of its own, a few times at most."""
    tries = row.reply.key.rpartition("~")[2]
    count = int(tries) + 1 if tries.isdecimal() and "~" in row.reply.key else 1
    if not then or count > MOST_AGAIN:
        return None
    key = f"{row.reply.key.rpartition('~')[0] or row.reply.key}~{count}"
    return outbox.owe(db, replace(row.reply, key=key, picture="" if then == "words" else row.reply.picture), None, at)


def _start_waiting(db: sqlite3.Connection, question: int, state: OutboxState, now: float) -> None:
    """A question that may have arrived has its time; one that never will is over."""
    if state is OutboxState.FAILED:
        questions.give_up(db, question, now)
    elif state is not OutboxState.SENDING:
        questions.start_clock(db, question, now)
