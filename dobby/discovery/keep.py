"""Keeps the families of devices: finds what a driver looks for, adopts it, and hears it for as long as Dobby lives.

One sick family never disturbs the others: its hearing is begun again with a growing pause. It does not know any family.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dobby.clock import Clock
from dobby.discovery.network import Network
from dobby.discovery.ssdp import clean
from dobby.errors import DeviceError, Refused
from dobby.events import Change
from dobby.gate import looks_protected
from dobby.house.model import Device, Room
from dobby.house.registry import House
from dobby.house.same import same
from dobby.journal import household, news
from dobby.journal.news import News
from dobby.skill.driver import Ask, Driver, Finding, Sign
from dobby.skill.library import Libraries
from dobby.skill.music import Music
from dobby.skill.voice import Voice
from dobby.store import Store
from dobby.vault import VaultFile

log = logging.getLogger(__name__)
LONGEST_PAUSE = 60.0  # seconds between tries at most
LOOK_AGAIN = 300.0  # seconds between looks for devices that are not there yet
MISSED = 5.0  # seconds to the second look for a device that has gone: it may be elsewhere; twice as long each time
ADOPTING = 30.0  # seconds a finding has to open up
FINDING = 300.0  # seconds one look around may take
ENDING = 1.0  # seconds a driver has to stop hearing, and to let go


async def nobody(words: str, options: Sequence[str]) -> str:
    """Nobody is there to be asked; what needs a button or a code waits."""
    return ""


def place_of(finding: Finding) -> str:
    """Where a finding is, so that one device seen in two ways is one."""
    return finding.address.removesuffix(":80").removesuffix(":443")


class Family:
    """One driver and its devices, from finding to hearing."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        settings: Mapping[str, Any],
        *,
        house: House,
        store: Store,
        vault: VaultFile,
        clock: Clock,
        network: Network,
        libraries: Libraries | None = None,
        music: Music | None = None,
        voice: Voice | None = None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.driver = driver
        at = settings.get("at", ())
        self._at: Sequence[str] = [at] if isinstance(at, str) else at
        self._house = house
        self._store = store
        self._vault = vault.part(name)
        for what, given in {"vault": self._vault, "settings": settings, "music": music, "voice": voice}.items():
            if given is not None and hasattr(driver, what):
                setattr(driver, what, given)
        self._clock = clock
        self._network = network
        self._libraries = libraries or Libraries()
        self.library: Sequence[str] = getattr(driver, "library", ())
        self.asks = bool(self._at) or hasattr(driver, "seek")  # there is something to do before anybody has announced themselves
        house.distance[name] = getattr(driver, "distance", 0)
        self._heard: dict[tuple[str, str], Finding] = {}  # what announced itself, by type and name
        self._new: dict[tuple[str, str], Finding] = {}
        self._news = asyncio.Event()
        self._looking = asyncio.Lock()
        self._hearing: asyncio.Task[None] | None = None
        self._on_news = on_news
        self._noted: set[str] = set()
        self._resting: asyncio.Task[None] | None = None
        self._missed = MISSED
        self.looked = asyncio.Event()
        self.met = asyncio.Event()  # a device is there
        self.troubles: dict[str, str] = {}
        self.needs: dict[str, str] = {}  # what needs a person where before it opens: `press` or `code`

    @property
    def trouble(self) -> str:
        """What goes wrong with it at the moment, in words; "" when all is well."""
        return "; ".join(dict.fromkeys(self.troubles.values()))

    @property
    def busy(self) -> bool:
        """Looking around just now."""
        return self._looking.locked()

    @property
    def devices(self) -> list[Device]:
        """What of the house belongs to this family."""
        return [device for device in self._house.every() if device.driver == self.name]

    @property
    def silent(self) -> bool:
        """None of them is there."""
        return all(self._house.lost(device.id) for device in self.devices)

    async def run(self) -> None:
        """Attach what is known, look for what is not, hear it all, until cancelled."""
        types = [sign.what for sign in self.driver.looks_for if sign.via == "mdns"]
        watch = self._network.watch(types, self.announced)
        try:
            if self.devices:
                await self._libraries.bring(self.library)
            for device in self.devices:
                await self._try(self.driver.attach(device), f"attach {device.id}")
            await self._hear_anew()
            while True:
                await self._take_in(self._find(nobody))
                self.looked.set()
                until = self._resting = asyncio.create_task(self._clock.sleep(self._rest()))
                try:
                    while await self._news_before(until):
                        await self._take_in(self._knock_at_new())
                finally:
                    until.cancel()
        finally:
            if watch is not None:
                await watch.aclose()
            await self._end_hearing()
            await self._try(self.driver.aclose(), "let go", ENDING)

    def _rest(self) -> float:
        """Seconds to the next look: few where somebody is missed, more each time it stays away."""
        away = any(self._house.lost(device.id) for device in self.devices)
        if not away and (self.devices or not self._at):
            self._missed = MISSED
            return float(getattr(self.driver, "look_again", LOOK_AGAIN if self.devices else LONGEST_PAUSE / 4))
        rest = min(self._missed, LOOK_AGAIN)
        self._missed = rest * 2
        return rest

    def _miss(self, change: Change) -> None:
        """Somebody has gone just now: perhaps only to another address, so that it is looked for at once."""
        if change.available is False and not self._house.lost(change.device) and self._resting:
            self._resting.cancel()

    async def _take_in(self, look: Awaitable[None], seconds: float | None = FINDING) -> None:
        """Look, and hear whatever is new."""
        async with self._looking:
            before = self.devices
            await self._try(look, "look around", seconds)
            if self.devices != before:
                await self._hear_anew()

    async def look_now(self, ask: Ask = nobody) -> None:
        """Look around at once, since somebody asked, who can be asked; what is open is taken in when this returns."""
        await self._take_in(self._find(ask), None)

    async def _try(self, work: Awaitable[Any], what: str, seconds: float | None = ADOPTING) -> None:
        try:
            async with asyncio.timeout(seconds):
                await work
            self.troubles.pop(what, None)
        except DeviceError as error:
            self.troubles[what] = str(error)
            log.info("%s: %s: %s", self.name, what, error)
        except Exception as error:  # a family's own fault ends its try, nothing else
            self.troubles[what] = f"{type(error).__name__}; see the log"
            log.exception("%s could not %s", self.name, what)

    # Finding and adopting

    def announced(self, finding: Finding) -> None:
        """Somebody said by themselves that they are here, or elsewhere now."""
        who = (finding.sign.what, finding.says["name"])
        self._heard[who] = self._new[who] = finding
        self._news.set()

    async def _news_before(self, until: "asyncio.Task[None]") -> bool:
        """Wait for somebody to announce themselves; False when it is time to look around instead."""
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({news, until}, return_when=asyncio.FIRST_COMPLETED)
            return news.done()
        finally:
            news.cancel()

    async def _find(self, ask: Ask) -> None:
        """Knock at everything this driver looks for, and at everything that has announced itself."""
        told = [*(Finding(Sign("config", self.name), address) for address in self._at), *self._wanted(ask)]
        self._new = {}
        self._news.clear()
        told_no: set[str] = set()  # one that is seen in two ways is asked about once
        await self._knock([*told, *self._heard.values()], ask, told_no)
        if hasattr(self.driver, "seek"):
            await self._libraries.bring(self.library)
        async for finding in self._network.ask(self.driver):
            await self._knock([finding], ask, told_no)

    def _wanted(self, ask: Ask) -> list[Finding]:
        """What is there as soon as a person asks for it; what came of that is over when somebody looks again."""
        found = [Finding(sign, sign.what) for sign in self.driver.looks_for if sign.via == "asked"]
        for finding in found:
            self.troubles.pop(f"adopt what is at {finding.address}", None)
            self.needs.pop(finding.address, None)
        return [] if ask is nobody else found

    async def _knock_at_new(self) -> None:
        found, self._new = self._new, {}
        self._news.clear()
        await self._knock(found.values(), nobody, set())

    async def _knock(self, found: Iterable[Finding], ask: Ask, told_no: set[str]) -> None:
        for finding in found:
            await self._try(self._knock_at(finding, ask, told_no), f"adopt what is at {finding.address}", None)

    async def _knock_at(self, finding: Finding, ask: Ask, told_no: set[str]) -> None:
        """Adopt what opens within its time, which stands still while a person is asked."""
        place = place_of(finding)
        await self._libraries.bring(self.library)
        async with asyncio.timeout(ADOPTING) as limit:

            async def patiently(words: str, options: Sequence[str]) -> str:
                self.needs[place] = "press" if options else "code"
                limit.reschedule(None)
                try:
                    answer = "" if place in told_no else await ask(words, options)
                finally:
                    limit.reschedule(asyncio.get_running_loop().time() + ADOPTING)
                if not answer:
                    told_no.add(place)
                return answer

            try:
                await self._adopt(finding, patiently)
            except Refused as error:
                if finding.sign.via != "asked":
                    await self._note(place, str(error))
                raise
            self.needs.pop(place, None)

    async def _note(self, place: str, why: str) -> None:
        """An owner hears once what is there and does not open."""
        key, kind = f"{self.name} {place}", self.needs.get(place, "refused")
        if key not in self._noted:
            self._noted.add(key)
            told = News(key, kind, self.name, clean(why) if kind == "refused" else place)
            await self._store.write(lambda db: news.note(db, told, self._clock.now()))
            self._on_news()

    async def _keep(self, device: Device, finding: Finding, known: Device | None) -> None:
        """A device as it is from now on; that it is new is kept in the same commit, to be told."""
        key = f"{self.name} {place_of(finding)}"

        def keep(db: sqlite3.Connection) -> None:
            household.keep_device(db, device)
            if known is None:
                news.note(db, News(f"new {device.id}", "new", self.name, device.id), self._clock.now())
                news.forget(db, key)

        await self._store.write(keep)
        self._house.add(device)
        self.met.set()
        if known is None:
            self._noted.discard(key)
            self._on_news()

    async def _adopt(self, finding: Finding, ask: Ask) -> None:
        new = []
        async for device in self.driver.adopt(finding, ask, self._vault):
            known = self._house.get(device.id)
            if known is not None and known.driver != self.name:
                raise Refused(f"{device.id} belongs to {known.driver}.")
            new += [] if known else [device]
            kept = _corrected(device, known) if known else _guarded(device)
            if kept != known:
                await self._keep(kept, finding, known)
                await self._try(self.driver.attach(kept), f"attach {kept.id}")
        for device in sorted(new, key=lambda device: bool(device.part_of)):
            await self._unite(device.id)
        for room in getattr(self.driver, "rooms", list)():
            await self._describe(room)

    async def _unite(self, new: str) -> None:
        """A thing that another family has already is no new one, but another way to it."""
        found = self._house.get(new)
        known = same(found, self._house.every()) if found else None
        if found and known:
            way = replace(found, same_as=known.id)

            def keep(db: sqlite3.Connection) -> None:
                household.keep_device(db, way)
                news.forget(db, f"new {way.id}")

            await self._store.write(keep)
            self._house.add(way)

    async def _describe(self, room: Room) -> None:
        """A floor and other names of a room that nobody described yet."""
        known = self._house.room(room.name)
        if known is not None and not (known.floor or known.aliases) and (room.floor or room.aliases):
            told = Room(known.name, clean(room.floor), tuple(map(clean, room.aliases)))
            await self._store.write(lambda db: household.keep_room(db, told))
            self._house.add_room(told)

    # Hearing

    async def _hear_anew(self) -> None:
        await self._end_hearing()
        if self.devices:
            self.met.set()
            self._hearing = asyncio.create_task(self._hear(), name=f"hear {self.name}")

    async def _end_hearing(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait({self._hearing}, timeout=ENDING)

    async def _hear(self) -> None:
        """Listen; when the driver's ears fail, wait a little longer each time and begin again."""
        pause = 1.0
        while True:
            try:
                async for change in self.driver.hear(self.devices):
                    self._miss(change)
                    self._house.hear(_cleaned(change))
                    self.troubles.pop("listen", None)
                    pause = 1.0
            except Exception as error:  # whatever a device or its library threw: the family listens again
                self.troubles["listen"] = f"{type(error).__name__} while listening"
                log.warning("%s stopped hearing: %r", self.name, error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _guarded(found: Device) -> Device:
    """A device seen for the first time: what it says of itself cleaned, and protected where it looks like it."""
    device = replace(found, name=clean(found.name), room=clean(found.room))
    return replace(device, protected=device.protected or looks_protected(device))


def _corrected(found: Device, known: Device) -> Device:
    """A device seen again keeps what a person said of it, and what it is the same as."""
    said = {
        name: getattr(known, name)
        for name in ("name", "room", "aliases", "risk", "protected", "yeses", "approver", "same_as", "sure")
    }
    return replace(found, **said)


def _cleaned(change: Change) -> Change:
    """Values as a device sent them, cut to what a house can hold."""
    return replace(change, state={trait: said[:500] if isinstance(said, str) else said for trait, said in change.state.items()})
