"""The fakes, in one place: a scripted mind, devices that misbehave on command, a bridge that collects, time in the hand.

Rows are real SQLite, the butler, the gate, the hands and the post are the real ones. Nothing is patched.
"""

import asyncio
import heapq
import itertools
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dobby.act import Hands
from dobby.butler import Butler, Desk
from dobby.errors import Refused, Unreachable
from dobby.events import Call, Change, Event, Role, State, Value
from dobby.house.kinds import coupled, specs, verbs
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal import inbox, ledger, open_journal
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.mind.plan import Context, Outcome, Plan
from dobby.people import People, Person
from dobby.post import Post, Words
from dobby.skill.driver import Ask, Finding, Pool, Sign, Vault
from dobby.store import Store
from tests.patience import ENOUGH

NOON = 1_750_000_000.0
PATIENCE = {"cover": 0.6}


class HandClock:
    """Time in the hand: `advance` moves it and wakes whoever has slept long enough."""

    def __init__(self, now: float = NOON) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._number = itertools.count()

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), awake))
        await awake.wait()

    def advance(self, seconds: float) -> None:
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()


# Devices


def lamp(id_: str = "lamp", name: str = "Lamp", **more: Any) -> Device:
    return Device(id_, "fake", "light", name, traits=specs("light"), verbs=verbs("light"), **more)


def thing(kind: str, id_: str = "", name: str = "", *, driver: str = "fake", traits: Any = None, **more: Any) -> Device:
    traits = specs(kind) if traits is None else traits
    return Device(id_ or kind, driver, kind, name or kind.capitalize(), traits=traits, verbs=verbs(kind), **more)


@dataclass
class Temper:
    """How one device behaves. `fails` are raised one after the other, before or (`late`) after it was done."""

    fails: list[BaseException] = field(default_factory=list)
    late: bool = False
    settles: float = 0.0  # seconds until it is where it was asked to be; negative: never
    accepts: float = 0.0  # seconds until it accepts
    hangs: bool = False  # accepts, but never says so
    hangs_reading: bool = False
    ignores: int = 0  # so many commands are accepted and not done
    garbage: bool = False  # reads as nonsense
    unreadable: bool = False
    pushes: bool = True
    thread: threading.Event | None = None  # its command blocks in a thread until this is set
    gate: asyncio.Event | None = None  # its command waits until this is set


class FakeDriver:
    """Devices in memory. `said` are the commands in the order they arrived, `done` those that took effect."""

    looks_for: Sequence[Sign] = ()

    def __init__(self, house: House) -> None:
        self.house = house
        self.rows: dict[str, dict[str, Value]] = defaultdict(dict)
        self.temper: dict[str, Temper] = defaultdict(Temper)
        self.said: list[tuple[str, dict[str, Value]]] = []
        self.done: list[tuple[str, dict[str, Value]]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.pool = Pool("fake")
        self.plays: str | None = None  # what it says of what it plays
        self._tasks: set[asyncio.Task[None]] = set()

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        for device in ():
            yield device

    async def attach(self, device: Device) -> None: ...

    async def read(self, device: Device) -> State:
        temper = self.temper[device.id]
        if temper.hangs_reading:
            await asyncio.Event().wait()
        if temper.unreadable:
            raise Unreachable("It does not answer.")
        return "nonsense" if temper.garbage else dict(self.rows[device.id])  # type: ignore[return-value]

    async def set(self, device: Device, wanted: State) -> None:
        await self._take(device, dict(wanted), lambda: coupled(device.kind, wanted, self.rows[device.id]))

    async def do(self, device: Device, verb: str, **args: Value) -> str | None:
        await self._take(device, {"verb": verb, **args}, lambda: self._deed(device, verb, args))
        return self.plays

    def _deed(self, device: Device, verb: str, args: Mapping[str, Value]) -> State:
        row = self.rows[device.id]
        track, items = row.get("track", 1), list(row.get("items") or ())  # type: ignore[arg-type]
        deeds: dict[str, State] = {
            "play": {"playing": "playing", "title": args.get("what")},
            "next": {"track": track + 1},  # type: ignore[operator]
            "stop": {"moving": False},
            "add": {"items": [*items, args.get("item")], "count": len(items) + 1},
        }
        return deeds.get(verb, {})

    async def _take(self, device: Device, command: dict[str, Value], becomes: Callable[[], State]) -> None:
        temper = self.temper[device.id]
        self.said.append((device.id, command))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(temper.accepts)
            if temper.gate:
                await temper.gate.wait()
            if temper.fails and not temper.late:
                raise temper.fails.pop(0)
            if temper.thread:
                await self.pool.run(temper.thread.wait, 5)
            self._become(device, command, becomes, temper)
            if temper.hangs:
                await asyncio.Event().wait()
            if temper.fails:
                raise temper.fails.pop(0)
        finally:
            self.at_once -= 1

    def _become(self, device: Device, command: dict[str, Value], becomes: Callable[[], State], temper: Temper) -> None:
        if temper.ignores:
            temper.ignores -= 1
            return
        self.done.append((device.id, command))
        if not temper.settles:
            self.turn(device.id, becomes(), temper.pushes)
        elif temper.settles > 0:
            task = asyncio.get_running_loop().create_task(self._later(device.id, becomes(), temper))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _later(self, device: str, state: State, temper: Temper) -> None:
        await asyncio.sleep(temper.settles)
        self.turn(device, state, temper.pushes)

    def turn(self, device: str, state: State, pushes: bool = True) -> None:
        """The device becomes so, by our command or by hand."""
        self.rows[device].update(state)
        if pushes:
            self.house.state.hear(Change(device, state, available=True))

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        for change in ():
            yield change

    async def aclose(self) -> None:
        self.pool.close()


# Mind


class ScriptedMind:
    """Knows exactly the sentences it was given; an exception among them is raised, a function is called."""

    def __init__(self, plans: Mapping[str, Any] | None = None) -> None:
        self.plans: dict[str, Any] = dict(plans or {})
        self.asked: list[tuple[str, Context]] = []

    async def plan(self, text: str, context: Context) -> Plan:
        self.asked.append((text, context))
        found = self.plans.get(text, Plan(say=f"? {text}", understood=False))
        if callable(found):
            found = await found(context)
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Plan)
        return found

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        return " ".join(_told(outcome) for outcome in outcomes)

    def phrase(self, key: str, language: str, **facts: object) -> str:
        if key in ("yes", "no"):
            return {"en": {"yes": "Yes", "no": "No"}, "de": {"yes": "Ja", "no": "Nein"}}[language][key]
        return " ".join([f"<{key}>", *(str(fact) for fact in facts.values())])


def _told(outcome: Outcome) -> str:
    """`Lamp on=True done`: the name, what was wanted, the state, and why or that it was only sent."""
    name = outcome.device.name if outcome.device else outcome.call.tool
    what = ",".join(f"{trait}={outcome.after.get(trait, value)}" for trait, value in outcome.call.args.items())
    more = [outcome.why] if outcome.why else ["echoed"] if outcome.echoed else []
    return " ".join([name, what, outcome.state.value, *more]) + "."


def put(device: str, **traits: Value) -> Call:
    return Call("set", device, traits)


def do(device: str, verb: str, **args: Value) -> Call:
    return Call("do", device, {"verb": verb, **args})


# Bridge


class FakeBridge(Words):
    """Collects what is sent. `fails` are raised one after the other; `went` is what a look-up says."""

    def __init__(self, name: str = "web", *, repeats: bool = True) -> None:
        self.name = name
        self.repeats = repeats
        self.sent: list[OutboxRow] = []
        self.fails: list[BaseException] = []
        self.arrives = True  # whether a failing send arrives all the same
        self.went: bool | None = None
        self.looked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, row: OutboxRow) -> str:
        await self.open.wait()
        if self.fails:
            error = self.fails.pop(0)
            if self.arrives and not isinstance(error, Refused | Unreachable):
                self.sent.append(row)
            raise error
        self.sent.append(row)
        return f"id-{row.id}"

    async def look_up(self, row: OutboxRow) -> bool | None:
        self.looked += 1
        return self.went


# A whole home

PEOPLE = (
    Person("anna", "Anna", Role.OWNER),
    Person("carl", "Carl", Role.OWNER),
    Person("dora", "Dora", Role.ADULT),
    Person("ben", "Ben", Role.CHILD),
    Person("gus", "Gus", Role.GUEST),
)
DEVICES = (
    lamp(),
    lamp("lamp2", "Reading lamp"),
    thing("lock", name="Front door"),
    thing("cover", "garage", "Garage", device_class="garage"),
    thing("cover", "blind", "Blind", device_class="blind"),
    thing("speaker"),
    thing("button"),
    thing("list"),
)
FIRST: Mapping[str, State] = {
    "lamp": {"on": False, "brightness": 80},
    "lamp2": {"on": False},
    "lock": {"locked": True},
    "garage": {"position": 0},
    "blind": {"position": 100, "moving": False},
    "speaker": {"on": True, "playing": "idle", "volume": 20, "track": 1},
    "button": {},
    "list": {"items": [], "count": 0},
}


class Home:
    """Everything wired: `say` a text, wait, and look at what was answered and done."""

    def __init__(
        self,
        store: Store,
        clock: HandClock,
        bridges: Sequence[FakeBridge],
        rows: Mapping[str, State],
        patience: Mapping[str, float],
    ) -> None:
        self.store, self.clock = store, clock
        self.house = House(clock)
        self.driver = FakeDriver(self.house)
        for device in DEVICES:
            self.house.add(device)
            self.driver.turn(device.id, rows.get(device.id, {}))
        self.mind = ScriptedMind()
        self.bridge, self.bridges = bridges[0], {bridge.name: bridge for bridge in bridges}
        self.hands = Hands(self.house, {"fake": self.driver}, settle=0.05, patience=patience, accept=2.0, looking=0.5, back=1.0)
        self.people = People(store, clock)
        self.post = Post(store, clock, bridges)
        self.desk = Desk(store, self.house, self.hands, self.mind, self.people, clock, self.post)
        self.butler = Butler(self.desk)
        self._keys = itertools.count(1)

    async def furnish(self) -> None:
        if not list(self.people):
            for person in PEOPLE:
                await self.people.keep(person)
                await self.people.reach(person.id, self.bridge.name, person.id)
        await self.store.read(self.desk.load_modes)

    def event(self, person: str, text: str, *, key: str = "", bridge: str = "", **more: Any) -> Event:
        source = self.people.source(bridge or self.bridge.name, person)
        return Event(key or f"web:{id(self)}:{next(self._keys)}", source, text=text, **more)

    async def hear(self, person: str, text: str, **more: Any) -> int:
        """A text arrives; its number."""
        return (await self.butler.hear(self.event(person, text, **more))).id

    async def say(self, person: str, text: str, **more: Any) -> list[str]:
        """A text arrives and is dealt with; what this person was told since."""
        seen = len(self.told(person))
        await self.hear(person, text, **more)
        await self.rest()
        return self.told(person)[seen:]

    async def rest(self) -> None:
        """Until nothing runs, waits or is on its way."""
        for _ in range(3):
            await asyncio.wait_for(self.butler.settled(), ENOUGH)
            await asyncio.wait_for(self.post.flushed(), ENOUGH)
            await asyncio.sleep(0)

    async def wait_for(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(ENOUGH):
            while not so():
                await asyncio.sleep(0.002)

    def told(self, person: str, bridge: str = "") -> list[str]:
        lane = f"{bridge or self.bridge.name}/{person}"
        return [row.reply.text for row in self.bridges[bridge or self.bridge.name].sent if row.reply.lane == lane]

    def last(self, person: str) -> OutboxRow:
        return [row for row in self.bridge.sent if row.reply.lane == f"{self.bridge.name}/{person}"][-1]

    def state(self, device: str) -> State:
        return self.driver.rows[device]

    async def row(self, number: int) -> EventRow:
        return await self.store.read(lambda db: inbox.get(db, number))

    async def effects(self) -> list[EffectRow]:
        return (await self.store.read(lambda db: ledger.latest(db, 1000)))[::-1]

    async def count(self, sql: str) -> int:
        found: int = (await self.store.read(lambda db: db.execute(f"SELECT count(*) FROM {sql}").fetchone()))[0]
        return found

    async def nothing_is_owed(self) -> None:
        """No row stands where only a running Dobby may leave it."""
        assert await self.count("event WHERE state IN ('received', 'working')") == 0
        assert await self.count("outbox WHERE state IN ('owed', 'sending')") == 0


@asynccontextmanager
async def living(home: Home) -> AsyncIterator[Home]:
    """A home whose butler runs; at the end he is cut off without warning."""
    running = asyncio.create_task(home.butler.run())
    ready = asyncio.create_task(home.butler.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert home.butler.ready.is_set(), running.exception() if running.done() else "not ready"
    try:
        yield home
        assert not running.done(), "the butler has ended by himself"
    finally:
        running.cancel()
        ready.cancel()
        await asyncio.gather(running, ready, return_exceptions=True)
        await home.driver.aclose()


async def build(
    folder: Path | None = None,
    *,
    clock: HandClock | None = None,
    bridges: Sequence[FakeBridge] = (),
    rows: Mapping[str, State] = FIRST,
    store: Store | None = None,
    patience: Mapping[str, float] = PATIENCE,
) -> Home:
    """A home on a state folder, or in memory, that does not run yet."""
    home = Home(store or open_journal(folder, full=False), clock or HandClock(), bridges or [FakeBridge()], rows, patience)
    await home.furnish()
    return home


@asynccontextmanager
async def lived_in(folder: Path | None = None, **more: Any) -> AsyncIterator[Home]:
    """A home that lives as long as the block, then everything is closed."""
    home = await build(folder, **more)
    try:
        async with living(home):
            yield home
    finally:
        await home.store.aclose()


class Empty:
    """A vault with nothing in it, for what opens without a secret."""

    def get(self, name: str) -> str | None:
        return None

    async def put(self, name: str, secret: str) -> None:
        raise AssertionError("nothing to keep")


class Drawer(dict[str, str]):
    """A vault that can be looked into."""

    async def put(self, name: str, secret: str) -> None:
        self[name] = secret


async def nobody(words: str, options: Sequence[str]) -> str:
    """Whoever opens by itself has nothing to ask."""
    raise AssertionError(f"nobody was to be asked {words!r}")
