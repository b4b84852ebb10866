"""A family in its house: the real butler, plain mind, gate, wheel, rows and history, on virtual devices and a clock in the hand.

Texts go in as from a bridge, what everybody was told comes out. Nothing is patched.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dobby.act import Hands
from dobby.butler import Butler, Desk
from dobby.events import Change, Role, State, Value
from dobby.house import lists
from dobby.house.almanac import Almanac
from dobby.house.history import History
from dobby.house.load import load
from dobby.house.virtual import Virtual
from dobby.journal import appointments, open_journal
from dobby.memory import open_memory
from dobby.mind.plain import PlainMind
from dobby.people import People, Person
from dobby.post import Post
from dobby.schedule import Wheel
from tests.fakes import FakeBridge, HandClock, Home, living
from tests.patience import ENOUGH

BERLIN = ZoneInfo("Europe/Berlin")
HOUSE = Path(__file__).with_name("house.yaml")
EVENING = "2026-03-02T19:40"  # a Monday
PEOPLE = (
    Person("anna", "Anna", Role.OWNER),
    Person("tom", "Tom", Role.OWNER),
    Person("dora", "Dora", Role.ADULT),
    Person("leo", "Leo", Role.CHILD),
    Person("gus", "Gus", Role.GUEST),
)


class Family(Home):
    """`say` a text, let time `pass_by`, turn a thing `by_hand`, and look at what was told and done."""

    def __init__(self, path: Path = HOUSE, units: str = "metric", language: str = "en", now: str = EVENING) -> None:
        loaded = load(path)
        self.clock = HandClock(datetime.fromisoformat(now).replace(tzinfo=BERLIN).timestamp())
        self.store, self.house = open_journal(None), loaded.house
        self.house.clock = self.clock
        self.house.state = type(self.house.state)(self.clock)
        self.history = History(None, self.house.state, self.clock)
        if lists.needs_one(self.house):
            self.house.add(lists.shopping(language))
            self.house.state.hear(Change("list.shopping", {"items": [], "count": 0}))
        self.virtual = Virtual(loaded.states)
        self.driver = self.virtual  # type: ignore[assignment]
        for device, state in loaded.states.items():
            self.house.state.hear(Change(device, state, available=True))
        self.mind = PlainMind(self.house, language)  # type: ignore[assignment]
        self.bridge = FakeBridge()
        self.bridges = {"web": self.bridge}
        drivers = {"virtual": self.virtual, lists.OWN: lists.Lists(self.store, self.clock)}
        self.hands = Hands(self.house, drivers, settle=0.2)
        self.people, self.post = People(self.store, self.clock), Post(self.store, self.clock, [self.bridge])
        self.desk = Desk(
            self.store, self.house, self.hands, self.mind, self.people, self.clock, self.post, language, units, BERLIN
        )
        self.desk.history = self.history
        self.desk.memory = open_memory(None, self.people, self.clock, BERLIN, self.store)
        self.butler = Butler(self.desk)
        self._keys = itertools.count(1)

    async def furnish(self) -> None:
        """Everybody moves in."""
        for person in PEOPLE:
            await self.people.keep(person)
            await self.people.reach(person.id, "web", person.id)

    async def listen(self) -> None:
        """Hear what the devices say."""
        async for change in self.virtual.hear([]):
            self.house.state.hear(change)

    def by_hand(self, device: str, **state: Value) -> None:
        """Somebody turns it themselves, or another app does."""
        known = self.house.get(device)
        assert known is not None
        self.virtual.reset({**self.virtual._rows, device: {**self.virtual._rows.get(device, {}), **state}})
        self.house.state.hear(Change(device, state, available=True))

    def now(self, device: str) -> Mapping[str, Value]:
        """A device as it is."""
        return self.house.state.of(device)

    def snapshot(self) -> dict[str, State]:
        """Everything as it is."""
        return {device.id: self.house.state.of(device.id) for device in self.house}

    async def asks(self, person: str, text: str, **more: str) -> str:
        """A text that must change nothing; the answer."""
        before = self.snapshot()
        told = await self.say(person, text, **more)
        assert self.snapshot() == before, f"{text!r} changed the house"
        return " ".join(told)

    async def tells(self, person: str, text: str, **more: str) -> str:
        """A text, and all that this person was told since."""
        return " ".join(await self.say(person, text, **more))

    async def pass_by(self, seconds: float, step: float = 30.0) -> None:
        """Time passes as it does: the wheel looks up now and then."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await asyncio.sleep(0.005)
            async with asyncio.timeout(ENOUGH):  # however busy the machine is, the wheel has seen what is due
                while await self.store.read(lambda db: appointments.come_due(db, self.clock.now(), 1)):
                    await asyncio.sleep(0.002)
            await self.rest()


@asynccontextmanager
async def at_home(**more: str) -> AsyncIterator[Family]:
    """A family that lives as long as the block; units, language and now may be given."""
    family = Family(**more)  # type: ignore[arg-type]
    await family.furnish()
    wheel = Wheel(family.store, family.clock, family.people, Almanac(BERLIN), family.butler.hear)
    family.desk.wake = wheel.wake
    async with living(family):
        tasks = [asyncio.create_task(work) for work in (family.listen(), wheel.run(), family.history.run())]
        try:
            yield family
            await family.rest()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await family.history.aclose()
    assert family.desk.memory is not None
    await family.desk.memory.aclose()
    await family.store.aclose()
