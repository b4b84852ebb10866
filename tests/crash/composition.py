"""The smallest whole Dobby as a process to kill: store, journal, people, butler, hands, post; everything else is outside.

Speaks over one socket with whoever started it: waits at gates (so that a tracer may attach), takes texts, acknowledges
them when they are committed. It does not know when it will die. `naive` leaves reconciliation out: the negative control.

    python -m tests.crash.composition '{"home": …, "outside": …, "at": …}'    one process
    python -m tests.crash.composition --fork                                  one process per line of options on stdin
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import Any

from dobby import journal
from dobby.act import Ending, Hands
from dobby.butler import Butler, Desk
from dobby.errors import DobbyError, Unreachable, Unsure
from dobby.events import Change, Event, State, Value
from dobby.house.almanac import Almanac
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal import household, inbox
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.people import People
from dobby.post import Post, Words
from dobby.schedule import Wheel
from dobby.skill.driver import Ask, Finding, Sign, Vault
from dobby.store import Store
from tests.crash.letters import NUMBERS
from tests.crash.scenario import DEVICES, PAGE, PAGER, PEOPLE, PHONE, ScriptedMind

SOON = 0.2  # seconds after which an errand goes on beside its lane
SETTLE = 0.05  # seconds; shorter than a blind's travel, so that one change is told as under way
LATER = "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;"


class Wire:
    """Requests to the outside, each on a connection of its own."""

    def __init__(self, path: str, at: str) -> None:
        self._path, self._at = path, at

    async def ask(self, **what: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise Unreachable("nobody there") from error
        try:
            writer.write(json.dumps({"at": self._at, **what}).encode() + b"\n")
            line = await reader.readline()
        except OSError as error:
            raise Unsure("hung up") from error
        finally:
            writer.close()
        if not line:
            raise Unsure("no answer")
        reply: dict[str, Any] = json.loads(line)
        return reply


class Fake:
    """The driver of the devices outside."""

    looks_for: Sequence[Sign] = ()

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """All are adopted already."""
        found: tuple[Device, ...] = ()
        for device in found:
            yield device

    async def attach(self, device: Device) -> None:
        """Nothing to get ready."""

    async def read(self, device: Device) -> State:
        """A fresh look."""
        state: State = (await self._wire.ask(read=device.id))["state"]
        return state

    async def set(self, device: Device, wanted: State) -> None:
        """An absolute command."""
        await self._wire.ask(set=device.id, wanted=dict(wanted))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """A verb."""
        await self._wire.ask(do=device.id, args={"verb": verb, **args})

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """These devices never speak by themselves: what they are must be looked at."""
        silent: tuple[Change, ...] = ()
        for change in silent:
            yield change

    async def aclose(self) -> None:
        """Nothing to let go of."""


class FakeBridge(Words):
    """A way to people whose provider lives outside."""

    def __init__(self, name: str, wire: Wire) -> None:
        self.name, self.repeats, self._wire = name, name == PAGE, wire

    async def send(self, row: OutboxRow) -> str:
        """One message; the provider's id for it."""
        reply = row.reply
        return str((await self._wire.ask(send={"key": reply.key, "lane": reply.lane, "text": reply.text}))["id"])

    async def look_up(self, row: OutboxRow) -> bool | None:
        """The provider's list, where it has one."""
        answer = await self._wire.ask(look_up=[row.reply.lane, row.reply.key])
        if "down" in answer:
            raise Unreachable("The provider cannot be reached.")
        went: bool | None = answer["went"]
        return went


class NaiveHands(Hands):
    """Negative control: after a restart everything that was begun is done again."""

    async def reconcile(self, effect: EffectRow, *, again: bool = True) -> Ending:
        """Do it again without looking."""
        return await self.perform(effect)


class NaivePost(Post):
    """Negative control: what was being sent is sent again."""

    async def _look_up(self, bridge: Any, row: OutboxRow) -> bool | None:
        """It surely did not go out."""
        return False


class SteeredClock:
    """Real time that can be put forward, so that two minutes need not be waited for."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def later(self, seconds: float) -> None:
        """Put the hands forward; whoever sleeps notices."""
        self._ahead += seconds

    async def sleep(self, seconds: float) -> None:
        """Until the hands have come that far."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            await asyncio.sleep(min(left, 0.01))


class Composition:
    """Everything wired, and the conversation with whoever started it."""

    def __init__(self, options: dict[str, Any], store: Store) -> None:
        self.store, self.clock = store, SteeredClock(options.get("ahead", 0.0))
        wire = Wire(options["outside"], options["at"])
        self.house = House(self.clock)
        for device in DEVICES:
            self.house.add(device)
        naive = bool(options.get("naive"))
        self.hands = (NaiveHands if naive else Hands)(self.house, {"fake": Fake(wire)}, settle=SETTLE)
        bridges = [FakeBridge(name, wire) for name in (PHONE, PAGER, PAGE)]
        self.post = (NaivePost if naive else Post)(store, self.clock, bridges)
        self.people = People(store, self.clock)
        self.desk = Desk(store, self.house, self.hands, ScriptedMind(), self.people, self.clock, self.post)
        self.butler = Butler(self.desk)
        self.wheel = Wheel(store, self.clock, self.people, Almanac(UTC), self.butler.hear)
        self.desk.wake = self.wheel.wake
        self.running: list[asyncio.Task[None]] = []
        if options.get("model"):
            self._give_wits(options["model"])
        self.letters = bool(options.get("letters"))
        self.ways = self._open_doors(options) if options.get("twilio") else []

    def _give_wits(self, address: str) -> None:
        """Errands with the model at an address."""
        from dobby.config import ModelConfig
        from dobby.wits.wire import think

        config = ModelConfig(mind="scripted", base_url=address, seconds=60.0)
        think(self.desk, config, self.desk.mind, lambda: "k", list, soon=SOON)

    def _open_doors(self, options: dict[str, Any]) -> list[Any]:
        """WhatsApp, at the Twilio of an address; nobody has any other way."""
        from dobby.bridge.provider.webhook import open_senders
        from dobby.config import TwilioConfig
        from dobby.vault import VaultFile

        home, table = Path(options["home"]), options["twilio"]
        (home / "vault.json").write_text(json.dumps({"twilio": {"token": table.pop("token"), "picture_key": "crash"}}))
        vault = VaultFile(home / "vault.json").part("twilio")
        config = TwilioConfig(**table, port=0)
        ways = open_senders(self.store, self.people, self.clock, home, config, vault, self.post.moved, settle=SETTLE)
        for way in ways:
            way.hear = self.butler.hear
            self.post.bridges[way.name] = way
        return list(ways)

    async def open_doors(self) -> int:
        """Let people in; the webhook's port, 0 where there is none."""
        for way in self.ways:
            self.running.append(asyncio.create_task(way.run()))
            while not way.door.port:
                await asyncio.sleep(0.005)
            return int(way.door.port)
        return 0

    async def furnish(self) -> None:
        """The people, on the first start."""
        for person, bridge in PEOPLE:
            if self.people.get(person.id) is None:
                await self.people.keep(person)
            if not self.people.lanes(person.id):
                await self.people.reach(person.id, *(("whatsapp", NUMBERS[person.id]) if self.letters else (bridge, person.id)))
        if self.letters:  # he has been listening before
            seen = str(self.clock.now() - 60.0)
            await self.store.write(
                lambda db: household.set_setting(db, "whatsapp_seen", household.setting(db, "whatsapp_seen", seen))
            )

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request of the starter's: a text to keep, or a question about how things stand."""
        if "say" in asked:
            source = self.people.source(asked["bridge"], asked["chat"])
            try:
                heard = await self.butler.hear(Event(f"{asked['bridge']}:{asked['key']}", source, text=asked["say"]))
            except DobbyError as error:
                return {"refused": str(error)}
            return {"ack": asked["key"], "new": heard.new}
        if "known" in asked:
            return {"known": await self.store.read(lambda db: inbox.text_of(db, f"twilio:{asked['known']}")) is not None}
        if "later" in asked:
            self.clock.later(asked["later"])
        return await self.status()

    async def status(self) -> dict[str, Any]:
        """What is still open."""
        counts = {
            "events": "SELECT count(*) FROM event WHERE state IN ('received', 'working')",
            "waiting": "SELECT count(*) FROM event WHERE state = 'waiting'",
            "outbox": "SELECT count(*) FROM outbox WHERE state IN ('owed', 'sending')",
            "effects": "SELECT count(*) FROM effect WHERE state = 'intended'",
            "untold": "SELECT count(*) FROM outbox WHERE state = 'sent' AND lane GLOB 'whatsapp/*'",
            "due": "SELECT count(*) FROM due WHERE state = 'waiting'",
        }
        found = await self.store.read(lambda db: {name: db.execute(sql).fetchone()[0] for name, sql in counts.items()})
        return {**found, "idle": self.butler.idle}

    async def look_around(self) -> None:
        """Every device is read, as the daemon does once it is ready."""
        for device in self.house:
            await self.hands.look(device)


async def run(options: dict[str, Any]) -> None:
    """Live until told to quit."""
    reader, writer = await asyncio.open_unix_connection(options["outside"])

    async def say(**what: Any) -> None:
        writer.write(json.dumps(what).encode() + b"\n")
        await writer.drain()

    await say(lives=options["at"], pid=os.getpid())
    await reader.readline()  # gate: nothing was opened yet
    store = _open(options)
    threads = {thread.name: thread.native_id for thread in threading.enumerate()}
    await say(threads={"main": os.getpid(), "writer": threads["dobby-store"]})
    await reader.readline()  # gate: everything is open, nothing was taken up yet
    house = Composition(options, store)
    if options.get("pages"):
        await store.write(lambda db: db.execute(f"PRAGMA wal_autocheckpoint={options['pages']:d}").fetchone())
    await house.furnish()
    house.running.append(asyncio.create_task(house.butler.run()))
    await house.butler.ready.wait()
    house.running.append(asyncio.create_task(house.wheel.run()))
    looking = asyncio.create_task(house.look_around())
    await say(ready=True, port=await house.open_doors())
    while (line := await reader.readline()) and "quit" not in (asked := json.loads(line)):
        for task in house.running:
            if task.done():
                raise RuntimeError("The butler, the wheel or a way ended by himself.") from task.exception()
        await say(**await house.answer(asked))
    await looking
    for task in house.running:
        task.cancel()
    await asyncio.gather(*house.running, return_exceptions=True)
    for way in house.ways:
        await way.aclose()
    await store.aclose()
    await say(bye=True)


def _open(options: dict[str, Any]) -> Store:
    full, home = bool(options.get("full", True)), Path(options["home"])
    if options.get("migrate"):
        return Store(home / "journal.db", (*journal.MIGRATIONS, LATER), full=full)
    return journal.open_journal(home, full=full)


def _be_traceable() -> None:
    """Let any process of ours attach where the kernel asks for leave (prctl(2), PR_SET_PTRACER)."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def serve_forks(*needed: str) -> None:
    """One process per line, forked from this one, which has everything (and what is `needed`) imported and nothing opened."""
    for name in needed:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        options = json.loads(line)
        errors = os.open(options["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 2)
        _be_traceable()
        try:
            asyncio.run(run(options))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fork"]:
        serve_forks(*sys.argv[2:])
    else:
        _be_traceable()
        asyncio.run(run(json.loads(sys.argv[1])))
