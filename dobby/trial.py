"""What would Dobby do? The whole butler on a house of virtual devices, in memory, one sentence at a time.

The same loop, gate, hands and rows as in a real home; nothing outside is touched. It does not know files or flags.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from dobby.act import Hands
from dobby.butler import Butler, Desk
from dobby.clock import FixedClock, machine_zone
from dobby.events import Change, Event, Role, Source, State
from dobby.gate import Modes
from dobby.house import lists
from dobby.house.kinds import coupled
from dobby.house.load import Loaded, initial
from dobby.house.state import States
from dobby.house.virtual import Virtual
from dobby.journal import appointments, open_journal
from dobby.journal.appointments import DueRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.questions import Question
from dobby.memory import notes, open_memory
from dobby.mind.plain import PlainMind
from dobby.people import People, Person
from dobby.post import Post, Words

log = logging.getLogger(__name__)
OWNER = Source("owner", Role.OWNER, "trial", "owner")
SETTLE = 0.2  # seconds; virtual devices settle at once
LEFT_OUT = {"moving"}


class _Standing(FixedClock):
    """Time stands where the sentence put it, so nothing falls due by itself; who sleeps is woken when all starts over."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self._over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self._over.wait()

    def start_over(self) -> None:
        self._over.set()
        self._over = asyncio.Event()


class _Ear(Words):
    """The bridge of a trial: keeps what Dobby says."""

    name = "trial"
    repeats = True

    def __init__(self) -> None:
        self.heard: list[OutboxRow] = []

    async def send(self, row: OutboxRow) -> str:
        self.heard.append(row)
        return ""

    async def look_up(self, row: OutboxRow) -> bool | None:
        return True


@dataclass(frozen=True, slots=True)
class Case:
    """One sentence and where it is said. `yes` answers the gate's own question; `keep` goes on from the case before."""

    say: str
    here: str | None = None
    now: datetime | None = None
    state: Mapping[str, State] | None = None
    yes: bool = False
    keep: bool = False


class Trial:
    """A house file and a butler; `say` is one case, `store` holds the rows it came to. Made by `open_trial`."""

    def __init__(self, loaded: Loaded) -> None:
        self._house = loaded.house
        self._clock = _Standing(_instant(loaded.now))
        self._house.clock = self._clock
        self.store = open_journal(None)
        if lists.needs_one(self._house):
            own = self._house.add(lists.shopping(loaded.language, "virtual"))
            loaded = replace(loaded, states={**loaded.states, own.id: {"items": [], "count": 0}})
        self._loaded = loaded
        self._furniture = tuple(self._house)
        self._ear = _Ear()
        self._driver = Virtual()
        self._people = People(self.store, self._clock)
        own_lists = lists.Lists(self.store, self._clock)
        hands = Hands(self._house, {"virtual": self._driver, lists.OWN: own_lists}, settle=SETTLE)
        post = Post(self.store, self._clock, [self._ear])
        self.mind = PlainMind(self._house, loaded.language)
        zone = loaded.now.tzinfo if loaded.now else machine_zone()
        self._desk = Desk(
            self.store, self._house, hands, self.mind, self._people, self._clock, post, loaded.language, loaded.units, zone
        )
        self.memory = self._desk.memory = open_memory(None, self._people, self._clock, zone, self.store)
        self._butler = Butler(self._desk)
        self._number = 0

    async def _start_over(self, state: Mapping[str, State] | None, keep: bool) -> None:
        states = {device: dict(row) for device, row in self._loaded.states.items()}
        if keep:
            states = {device.id: self._house.state.of(device.id) for device in self._house}
        else:
            self._desk.talks.clear()
            self._desk.questions.clear()
            self._desk.modes = Modes()
            self._desk.taught.clear()
            self._house.state = States(self._clock)
            self._clock.start_over()
            await self.store.write(_forget)
            await self.memory.store.write(notes.clear)
            self._refurnish()
        for device, row in (state or {}).items():
            known = self._house.get(device)
            was = states.get(device, {})
            states[device] = was | (coupled(known.kind, initial(known, row), was) if known else dict(row))
        self._driver.reset(states)
        for device, row in states.items():
            self._house.state.hear(Change(device, row, available=True))

    def _refurnish(self) -> None:
        """What was named or begun in a conversation before is as the file has it."""
        for begun in {device.id for device in self._house} - {device.id for device in self._furniture}:
            self._house.remove(begun)
        for device in self._furniture:
            if self._house.get(device.id) != device:
                self._house.add(device)

    async def _stand(self, case: Case) -> None:
        """Who speaks, from which room, when."""
        here = case.here if case.here is not None else self._loaded.here
        now = self._people.get("owner")
        if now is None or now.room != here:
            await self._people.keep(Person("owner", "Owner", Role.OWNER, room=here))
        if now is None:
            await self._people.reach("owner", "trial", "owner")
        if case.now is not None:
            self._clock.set(_instant(_aware(case.now, self._desk.zone)))
        elif not case.keep:
            self._clock.set(_instant(self._loaded.now))

    async def say(self, case: Case) -> dict[str, Any]:
        """What Dobby makes of it: reply, whether a question is open, and what the house became."""
        await self._stand(case)
        await self._start_over(case.state, case.keep)
        before = self._snapshot()
        kept = {row.id for row in await self._appointments()}
        begun, older = time.perf_counter(), set(self._desk.questions)
        replies = await self._hear(case.say)
        if case.yes and any(row.id not in older and _is_leave(row, self._yes) for row in self._desk.questions.values()):
            replies = await self._hear("yes")
        spent = (time.perf_counter() - begun) * 1000
        after = self._snapshot()
        return {
            "say": case.say,
            "reply": " ".join(replies),
            "asked": bool(self._desk.questions),
            "changes": [
                {"device": device, "trait": trait, "from": before.get((device, trait)), "to": value}
                for (device, trait), value in after.items()
                if before.get((device, trait)) != value and trait not in LEFT_OUT
            ],
            "scheduled": [_scheduled(row, self._zone) for row in await self._appointments() if row.id not in kept],
            "mind": "plain",
            "ms": round(spent, 2),
        }

    async def _hear(self, text: str) -> list[str]:
        self._ear.heard.clear()
        self._number += 1
        await self._butler.hear(Event(f"trial:{self._number}", OWNER, text=text))
        await self._butler.settled()
        await self._desk.post.flushed()
        return [row.reply.text for row in self._ear.heard]

    async def _appointments(self) -> list[DueRow]:
        return await self.store.read(appointments.open_ones)

    @property
    def _zone(self) -> tzinfo:
        return self._desk.zone or machine_zone()

    @property
    def _yes(self) -> str:
        return self._desk.words("yes_word", OWNER)

    def _snapshot(self) -> dict[tuple[str, str], Any]:
        return {(device.id, trait): value for device in self._house for trait, value in self._house.state.of(device.id).items()}

    async def _listen(self) -> None:
        async for change in self._driver.hear([]):
            self._house.state.hear(change)


@asynccontextmanager
async def open_trial(loaded: Loaded) -> AsyncIterator[Trial]:
    """A trial that lives as long as the block."""
    trial = Trial(loaded)
    butler = asyncio.create_task(trial._butler.run())
    ears = asyncio.create_task(trial._listen())
    await trial._butler.ready.wait()
    try:
        yield trial
    finally:
        for task in (butler, ears):
            task.cancel()
        await asyncio.gather(butler, ears, return_exceptions=True)
        await trial.memory.aclose()
        await trial.store.aclose()


def _is_leave(question: Question, yes: str) -> bool:
    """The gate's own question, or a routine that is shown back before it is kept; never "which one?"."""
    return question.kind == "approve" or [label for label, _ in question.choices[:1]] == [yes]


def _scheduled(row: DueRow, zone: tzinfo) -> dict[str, Any]:
    """An appointment as `dobby try` tells it."""
    due = row.due
    when: dict[str, Any] = {"at": datetime.fromtimestamp(due.at, zone).isoformat()}
    if due.watch:
        when = {"when": [list(test) for test in due.watch.tests], "always": due.watch.always}
    elif due.every:
        when = {"every": due.every, **({"sun": due.sun} if due.sun else {})}
    elif due.after:
        when = {"after_s": int(due.after) if due.after.is_integer() else due.after}
    done: list[dict[str, Any]] = []
    for call in due.calls:
        sets = [{"device": call.device, "trait": trait, "to": to} for trait, to in call.args.items()]
        done += sets if call.tool == "set" else [{"device": call.device, **call.args}]
    return {**when, "do": done or [{"remind": due.remind or due.name or due.kind.value}]}


def _forget(db: sqlite3.Connection) -> None:
    """A conversation that starts over has no past: nothing to undo, to explain or to answer."""
    for table in ("entry", "taught", "lost", "device", "run", "due", '"grant"', "line", "question", "outbox", "effect", "event"):
        db.execute(f"DELETE FROM {table}")


def case_of(row: Mapping[str, Any], zone: Any = None) -> Case:
    """A case from a JSON line; unknown keys are left alone.

    :raises ValueError: `say` is missing or a value has the wrong form.
    """
    if not isinstance(row.get("say"), str):
        raise ValueError('"say" must be a text')
    if not isinstance(row.get("here", ""), str | None):
        raise ValueError('"here" must be a room')
    states = row.get("state") or {}
    if not isinstance(states, dict) or not all(isinstance(state, dict) for state in states.values()):
        raise ValueError('"state" must be {device: {trait: value}}')
    now = datetime.fromisoformat(row["now"]) if row.get("now") else None
    case = Case(row["say"], row.get("here"), now, states, bool(row.get("yes")), bool(row.get("keep")))
    return replace(case, now=_aware(now, zone)) if now else case


def _aware(now: datetime, zone: Any) -> datetime:
    return now if now.tzinfo else now.replace(tzinfo=zone) if zone else now.astimezone()


def _instant(now: datetime | None) -> float:
    return now.timestamp() if now else time.time()
