"""One paired accessory or bridge: where it is, what it consists of, what it was last heard to be, and who listens.

It does not know the house. A link goes on over restarts and changes of address; a line (`line.py`) is one session of it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from types import ModuleType
from typing import Any

from dobby import Device, Refused, State, Unreachable, Unsure

from .accessories import Part, parts, table
from .values import Key, clean

BEAT = 20.0  # seconds between looks while nothing is heard: whether it is still there, and what it does not tell by itself
LONGEST_PAUSE = 60.0  # seconds between attempts to reach it
FIRST_PAUSE = 0.5
CONNECTING = 8.0  # seconds at most, at all its addresses
AT_ONCE = 40  # characteristics in one request; some accessories stumble over more
ANNOUNCED = 2500  # milliseconds a timed write may take
log = logging.getLogger(__name__)

Address = tuple[str, int]
Tell = Callable[[str, State, bool], None]


def library() -> ModuleType:
    """`line.py`, with the library behind it.

    :raises Refused: it is not installed.
    """
    try:
        from . import line
    except ImportError as error:
        raise Refused(f"HomeKit needs more ({error}). Install it with: pip install 'dobby[homekit]'") from error
    logging.getLogger("aiohomekit").setLevel(logging.INFO)  # below, it writes every word into the log
    return line


class Link:
    """`hub` begins the ids of its devices; `name` is what it is called in errors; `at` its addresses, the likeliest first."""

    def __init__(self, hub: str, keys: Mapping[str, Any], beat: float = BEAT) -> None:
        self.hub, self.name, self._keys = hub, clean(keys.get("name")), dict(keys)
        self.at: list[Address] = []
        self.parts: dict[str, Part] = {}
        self.raws: dict[Key, Any] = {}
        self._known: frozenset[Key] = frozenset()
        self._beat = beat
        self._line: Any = None
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._announced = 0
        self._ears: set[Callable[[Collection[Key]], None]] = set()

    @property
    def up(self) -> bool:
        """Does a session stand?"""
        return self._line is not None and bool(self._line.up)

    def move(self, at: Address) -> None:
        """It may be here now; where it was is kept as the second guess."""
        if at not in self.at[:1]:
            self.at = [at, *(old for old in self.at if old != at)][:2]
            self._wake.set()

    def renew(self, keys: Mapping[str, Any]) -> None:
        """It was paired anew."""
        self._keys = dict(keys)
        self._wake.set()

    async def ready(self) -> None:
        """Connect, if need be, and learn what it consists of.

        :raises Refused: it is not paired with us any more; :raises Unreachable: nobody answers.
        """
        async with self._lock:
            if self.up:
                return
            try:
                async with asyncio.timeout(CONNECTING):
                    await self._connect()
            except TimeoutError as error:
                raise Unreachable(f"{self.name} cannot be reached.") from error

    async def refresh(self) -> bool:
        """Is the session that stands alive? What it consists of is learned anew."""
        async with self._lock:
            if not self.up:
                return False
            try:
                await self._learn(self._line)
            except Unreachable:
                return False
            return True

    async def _connect(self) -> None:
        """Where it should be, then where it was before."""
        wrong: list[Exception] = []
        module = await asyncio.to_thread(library)
        for at in list(self.at):
            line = module.Line(self.name, self._keys, at, self._take, self._wake.set)
            try:
                await line.open()
                await self._learn(line)
            except BaseException as error:
                await line.aclose()
                if not isinstance(error, Refused | Unreachable):
                    raise
                wrong.append(error)
            else:
                self._line = line
                self.at.sort(key=lambda one: one != at)
                self._wake.set()
                return
        raise wrong[0] if wrong else Unreachable(f"{self.name} cannot be reached.")

    async def _learn(self, line: Any) -> None:
        """Its accessories afresh: they may have changed while we were away."""
        try:
            status, document = await line.ask("GET", "/accessories")
        except Unsure as error:
            raise Unreachable(f"{self.name} cannot be reached.") from error
        if status != 200 or not isinstance(document, dict):
            raise Unreachable(f"{self.name} answers nonsense.")
        self.parts = {part.device.id: part for part in parts(document, self.hub)}
        self._known = frozenset(key for part in self.parts.values() for key in part.looked_at)

    def _take(self, document: Any, asked: Iterable[Key] = ()) -> None:
        """Values as it says them; what it was asked and does not say is forgotten."""
        said = {key: row.get("value") for key, row in _listed(document) if "value" in row and key in self._known}
        self.raws |= {**dict.fromkeys(asked), **said}
        for ear in list(self._ears):
            ear(said.keys() | set(asked))

    def part(self, device: Device) -> Part:
        """The device's characteristics.

        :raises Refused: it is gone from its bridge.
        """
        if device.id not in self.parts:
            raise Refused(f"{device.name} is not there any more: {self.name} no longer lists it.")
        return self.parts[device.id]

    async def look(self, keys: Collection[Key]) -> dict[Key, int]:
        """Read these afresh into `raws` -> how it said no to each that it would not tell.

        :raises Unreachable: it does not answer, or nonsense.
        """
        wrong: dict[Key, int] = {}
        ordered = sorted(keys)
        for at in range(0, len(ordered), AT_ONCE):
            asked = ordered[at : at + AT_ONCE]
            target = "/characteristics?id=" + ",".join(f"{aid}.{iid}" for aid, iid in asked)
            try:
                status, document = await self._line.ask("GET", target)
            except Unsure as error:
                raise Unreachable(f"{self.name} cannot be reached.") from error
            if status not in (200, 207) or not isinstance(document, dict):
                raise Unreachable(f"{self.name} answers nonsense.")
            self._take(document, asked)
            wrong |= _denied(document)
        return wrong

    async def write(self, orders: Mapping[Key, Any], timed: Collection[Key], who: str) -> None:
        """Write these; returns when it accepted all.

        :raises Refused: it said no; :raises Unreachable: it did not get there; :raises Unsure: perhaps done.
        """
        body: dict[str, Any] = {"characteristics": [{"aid": aid, "iid": iid, "value": raw} for (aid, iid), raw in orders.items()]}
        if timed & orders.keys():
            body["pid"] = await self._announce(who)
        status, document = await self._line.ask("PUT", "/characteristics", body)
        wrong = _denied(document)
        if wrong and len(wrong) < len(orders):
            raise Unsure(f"{who} did only a part of it.")
        for code in wrong.values():
            raise denial(who, code)
        if status >= 500 or status < 200:
            raise Unsure(f"{who} broke off.")
        if status >= 300:
            raise Refused(f"{who} did not accept that.")

    async def _announce(self, who: str) -> int:
        """Locks and doors want to hear first that a write is coming, so that none is replayed."""
        self._announced += 1
        try:
            status, document = await self._line.ask("PUT", "/prepare", {"ttl": ANNOUNCED, "pid": self._announced})
        except Unsure as error:
            raise Unreachable(str(error)) from error
        if status != 200 or not isinstance(document, dict) or document.get("status") != 0:
            raise Refused(f"{who} did not accept that.")
        return self._announced

    async def follow(self, devices: Sequence[Device], tell: Tell) -> None:
        """Tell what these devices become, and whether they are there, for as long as anybody listens."""
        gone: set[str] = set()

        def news(device: str, state: State, there: bool) -> None:
            if there or device not in gone:
                tell(device, state, there)
            (gone.discard if there else gone.add)(device)

        def heard(keys: Collection[Key]) -> None:
            for device in devices:
                part = self.parts.get(device.id)
                if part and not part.looked_at.keys().isdisjoint(keys) and (state := part.state(self.raws)):
                    news(device.id, state, True)

        self._ears.add(heard)
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    await self._listen(devices, news)
                    pause = FIRST_PAUSE
                except (Refused, Unreachable, Unsure) as error:
                    log.debug("%s: %s", self.hub, error)
                    for device in devices:
                        news(device.id, {}, False)
                    await self._woken(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._ears.discard(heard)

    async def _listen(self, devices: Sequence[Device], news: Tell) -> None:
        """One session: subscribe, then look at every beat; returns when the session is lost."""
        await self.ready()
        self._wake.clear()
        here = [self.parts[device.id] for device in devices if device.id in self.parts]
        await self._subscribe({key for part in here for key, one in part.looked_at.items() if "ev" in one.perms})
        while self.up:
            wrong = await self.look({key for part in here for key in part.looked_at})
            for device in devices:
                part = self.parts.get(device.id)
                if part is None or (part.looked_at and part.looked_at.keys() <= wrong.keys()):
                    news(device.id, {}, False)
            await self._woken(self._beat)
            self._wake.clear()

    async def _subscribe(self, keys: Collection[Key]) -> None:
        """Accessory by accessory, as an iPhone does it; some take no more."""
        for _, group in groupby(sorted(keys), key=lambda key: key[0]):
            rows = [{"aid": aid, "iid": iid, "ev": True} for aid, iid in group]
            await self._line.ask("PUT", "/characteristics", {"characteristics": rows})

    async def _woken(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def aclose(self) -> None:
        """Hang up."""
        if self._line is not None:
            await self._line.aclose()


def denial(who: str, code: int) -> Refused | Unreachable | Unsure:
    """What a status (HAP specification, table 6-11) means for a device; some accessories leave out the minus."""
    meaning, words = table()["status"].get(str(abs(code)), ("refused", f"says no ({abs(code)})"))
    if meaning == "unreachable":
        return Unreachable(f"{who} {words}.")
    return Unsure(f"{who} {words}.") if meaning == "unsure" else Refused(f"{who} {words}.")


def _listed(document: object) -> list[tuple[Key, dict[str, Any]]]:
    rows = document.get("characteristics") if isinstance(document, dict) else None
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [
        ((row["aid"], row["iid"]), row) for row in found if isinstance(row.get("aid"), int) and isinstance(row.get("iid"), int)
    ]


def _denied(document: object) -> dict[Key, int]:
    said = {key: row.get("status") for key, row in _listed(document)}
    return {key: code for key, code in said.items() if isinstance(code, int) and code != 0}
