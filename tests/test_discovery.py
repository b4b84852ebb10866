"""Discovery: what the network says is data; a family is kept, whatever it throws, and what a person said of a device stays."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dobby import Ask, Change, Device, Finding, Room, Sign, State, Unreachable, Vault, specs
from dobby.discovery import multicast
from dobby.discovery.keep import Family
from dobby.discovery.look import look_around
from dobby.discovery.network import Network
from dobby.discovery.ssdp import GROUP, clean, search
from dobby.house.registry import House
from dobby.journal import household, open_journal
from dobby.store import Store
from dobby.vault import VaultFile
from tests.fakes import HandClock
from tests.patience import ENOUGH, until

TARGET = "urn:schemas-upnp-org:device:ZonePlayer:1"
GOOD = f"HTTP/1.1 200 OK\r\nLOCATION: http://127.77.0.11:1400/xml\r\nST: {TARGET}\r\nUSN: uuid:1\r\n\r\n"
GARBAGE = [
    b"",
    b"\x00\xff\xfe" * 400,
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 500 No\r\nLOCATION: http://127.0.0.1/\r\nST: " + TARGET.encode(),
    b"NOTIFY * HTTP/1.1\r\nLOCATION: http://127.0.0.1/\r\nNT: " + TARGET.encode(),
    f"HTTP/1.1 200 OK\r\nLOCATION: http://127.77.0.12/\r\nST: {TARGET}x\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nLOCATION: http://[::1\r\nST: {TARGET}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nLOCATION: nonsense\r\nST: {TARGET}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nLOCATION: http://evil.example.com/xml\r\nST: {TARGET}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nLOCATION: http://8.8.8.8/xml\r\nST: {TARGET}\r\n\r\n".encode(),
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9000,
    f"HTTP/1.1 200 OK\r\nLOCATION: http://{'1' * 9000}/\r\nST: {TARGET}\r\n\r\n".encode(),
]


class Shouter(asyncio.DatagramProtocol):
    """Answers every search with everything it has; it sits in the multicast group on loopback."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = packets
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert self.transport
        for packet in self.packets:
            self.transport.sendto(packet, addr)


async def _shout(packets: Sequence[bytes]) -> asyncio.DatagramTransport:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((GROUP[0], GROUP[1]))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP[0]) + socket.inet_aton("127.0.0.1"))
    sock.setblocking(False)
    made: Any = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Shouter(packets), sock=sock)
    transport: asyncio.DatagramTransport = made[0]
    return transport


# SSDP


async def test_garbage_on_the_network_is_nothing_and_a_good_answer_among_it_is_found_once() -> None:
    other = GOOD.replace("ZonePlayer:1", "Mine:7")
    transport = await _shout([*GARBAGE, other.encode(), other.encode()])
    try:
        found = [each async for each in search([TARGET.replace("ZonePlayer:1", "Mine:7")], seconds=0.4, interfaces=["127.0.0.1"])]
    finally:
        transport.close()
    assert [(one.address, one.says["usn"]) for one in found] == [("127.77.0.11", "uuid:1")]


async def test_a_flood_of_answers_is_cut_off() -> None:
    flood = [GOOD.replace("ZonePlayer:1", "Flood:1").replace("77.0.11", f"78.{n // 250}.{n % 250}").encode() for n in range(3000)]
    transport = await _shout(flood)
    try:
        found = [
            each async for each in search([TARGET.replace("ZonePlayer:1", "Flood:1")], seconds=0.6, interfaces=["127.0.0.1"])
        ]
    finally:
        transport.close()
    assert 0 < len(found) <= 1000


@pytest.mark.parametrize("steps", range(4))
async def test_who_is_ended_while_an_answer_comes_ends(steps: int) -> None:
    answers, loop = multicast._Answers(), asyncio.get_running_loop()

    async def listen() -> None:
        async for _ in answers.until(loop.time() + 60):
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.01)
    answers.datagram_received(b"x", ("127.0.0.1", 1))
    for _ in range(steps):
        await asyncio.sleep(0)
    listening.cancel()
    done, _ = await asyncio.wait({listening}, timeout=5)
    listening.cancel()
    assert done


async def test_an_interface_that_is_not_there_finds_nothing_and_hurts_nobody() -> None:
    assert [each async for each in search([TARGET], seconds=0.1, interfaces=["203.0.113.7", "no address"])] == []


def test_words_from_outside_are_cut_short_and_cleaned() -> None:
    assert clean("  Kit\x00chen\r\n\x1b[31m ") == "Kitchen[31m"
    assert len(clean("x" * 100_000)) == 200


# Families


class Fickle:
    """A driver of two lamps. `fails` says which of its methods throw; `heard` counts how often it began to hear."""

    looks_for: Sequence[Sign] = (Sign("config", "fickle"),)

    def __init__(self, fails: Sequence[str] = (), *, name: str = "Lamp", id_: str = "fickle.lamp") -> None:
        self.fails = set(fails)
        self.name, self.id = name, id_
        self.heard: list[list[str]] = []
        self.attached: list[str] = []
        self.at = "10.0.0.1"
        self.silent = {"silent"}
        self.closed = False
        self.changes: asyncio.Queue[Change | Exception] = asyncio.Queue()

    def _may(self, name: str) -> None:
        if name in self.fails:
            raise ZeroDivisionError(name)

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        if finding.address in self.silent:
            raise Unreachable("Nobody answers there.")
        yield Device(self.id, "fickle", "light", self.name, address=self.at, room="Hall", traits=specs("light"))
        self._may("adopt")

    async def attach(self, device: Device) -> None:
        self.attached.append(device.address)
        self._may("attach")

    async def read(self, device: Device) -> State:
        raise ZeroDivisionError

    async def set(self, device: Device, wanted: State) -> None: ...

    async def do(self, device: Device, verb: str, **args: Any) -> None: ...

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        self.heard.append([device.id for device in devices])
        self._may("hear")
        while True:
            change = await self.changes.get()
            if isinstance(change, Exception):
                raise change
            yield change

    async def aclose(self) -> None:
        self.closed = True
        self._may("aclose")
        if "hang" in self.fails:
            await asyncio.Event().wait()


class Kept:
    """A family that runs on rows of its own."""

    def __init__(
        self, store: Store, driver: Fickle, folder: Path, clock: Any = None, at: Any = ("here",), network: Network | None = None
    ) -> None:
        self.clock = clock or HandClock()
        self.house = House(self.clock)
        for device in store.look(household.devices):
            self.house.add(device)
        vault = VaultFile(folder / "vault.json")
        network = network or Network(on=False)
        self.family = Family(
            "fickle", driver, {"at": at}, house=self.house, store=store, vault=vault, clock=self.clock, network=network
        )

    async def __aenter__(self) -> "Kept":
        self.task = asyncio.create_task(self.family.run())
        await asyncio.wait_for(self.family.looked.wait(), ENOUGH)
        self.rest: Any = None
        await self.rests()
        return self

    async def rests(self) -> None:
        """Until it has looked around once more and waits for the next time."""
        before = self.rest
        await until(lambda: self.family._resting not in (before, None))
        self.rest = self.family._resting
        await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        assert not self.task.done(), "the family has ended by itself"
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=5)
        assert self.task.done()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_journal(tmp_path, full=False)
    yield store
    await store.aclose()


async def test_a_family_is_found_kept_and_heard(store: Store, tmp_path: Path) -> None:
    driver = Fickle()
    async with Kept(store, driver, tmp_path, at="here") as kept:
        assert kept.family.met.is_set()
        driver.changes.put_nowait(Change("fickle.lamp", {"on": True, "title": "x" * 9000}, available=True))
        await until(lambda: kept.house.state.of("fickle.lamp").get("on") is True)
        assert len(str(kept.house.state.of("fickle.lamp")["title"])) == 500
        assert (driver.heard, driver.attached) == ([["fickle.lamp"]], ["10.0.0.1"])
        assert kept.family.trouble == ""
    assert driver.closed
    assert [device.id for device in store.look(household.devices)] == ["fickle.lamp"]


async def test_hearing_that_ends_is_begun_again_a_little_later_each_time(store: Store, tmp_path: Path) -> None:
    driver, clock = Fickle(["hear"]), HandClock()
    async with Kept(store, driver, tmp_path, clock) as kept:
        for pause, count in zip((1, 2, 4, 8, 16, 32, 60, 60), itertools.count(1), strict=False):
            await until(lambda: len(driver.heard) == count and kept.family.trouble)  # noqa: B023
            assert kept.family.trouble == "ZeroDivisionError while listening"
            await asyncio.sleep(0.01)
            clock.advance(pause - 0.1)
            await asyncio.sleep(0.01)
            assert len(driver.heard) == count
            clock.advance(0.2)
        await until(lambda: len(driver.heard) == 9)
        await asyncio.sleep(0.01)
        driver.fails = set()
        clock.advance(60)
        await until(lambda: len(driver.heard) == 10)
        driver.changes.put_nowait(Change("fickle.lamp", {"on": True}, available=True))
        await until(lambda: kept.family.trouble == "")
        driver.changes.put_nowait(ConnectionError("cut"))
        await until(lambda: kept.family.trouble)
        await asyncio.sleep(0.01)
        clock.advance(1.1)
        await until(lambda: len(driver.heard) == 11)


@pytest.mark.parametrize("fails", [["adopt"], ["attach"], ["hear"], ["aclose"], ["hang"], ["adopt", "attach", "hear", "aclose"]])
async def test_a_driver_that_throws_everywhere_neither_ends_its_family_nor_hides_its_device(
    store: Store, tmp_path: Path, fails: list[str]
) -> None:
    async with Kept(store, Fickle(fails), tmp_path) as kept:
        assert [device.id for device in kept.family.devices] == ["fickle.lamp"]
        if fails[0] not in ("aclose", "hang"):
            assert "ZeroDivisionError" in kept.family.trouble


class Surveyor(Fickle):
    """A driver whose system knows places."""

    def rooms(self) -> list[Room]:
        return [Room("attic", "Top\x00 floor", ("loft",)), Room("Cellar", "Basement"), Room("Moon", "Sky")]


async def test_rooms_that_nobody_described_take_what_a_system_knows_of_them(store: Store, tmp_path: Path) -> None:
    kept = Kept(store, Surveyor(), tmp_path)
    kept.house.add_room(Room("Attic"))
    kept.house.add_room(Room("Cellar", "Underground"))
    async with kept:
        told = {room.name: (room.floor, room.aliases) for room in kept.house.rooms if room.floor}
        assert told == {"Attic": ("Top floor", ("loft",)), "Cellar": ("Underground", ())}
    assert [room.name for room in store.look(household.rooms)] == ["Attic"]


async def test_one_silent_address_is_trouble_and_the_others_are_adopted(store: Store, tmp_path: Path) -> None:
    async with Kept(store, Fickle(), tmp_path, at=["silent", "here"]) as kept:
        assert kept.family.trouble == "Nobody answers there."
        assert len(kept.family.devices) == 1


async def test_a_device_keeps_the_name_a_person_gave_it_and_takes_its_new_address(store: Store, tmp_path: Path) -> None:
    driver = Fickle(name="Factory name 0815")
    async with Kept(store, driver, tmp_path) as kept:
        named = replace(
            kept.family.devices[0], name="Grandma's lamp", room="Attic", aliases=("the old one",), risk="entry", protected=True
        )
        await store.write(lambda db: household.keep_device(db, named))
    moved = Fickle(name="Factory name 0816")
    moved.at = "10.0.0.2"
    async with Kept(store, moved, tmp_path) as kept:
        device = kept.family.devices[0]
        assert (device.name, device.room, device.aliases) == ("Grandma's lamp", "Attic", ("the old one",))
        assert (device.risk, device.protected, device.address) == ("entry", True, "10.0.0.2")
        assert moved.attached == ["10.0.0.1", "10.0.0.2"]
    assert [(device.name, device.address) for device in store.look(household.devices)] == [("Grandma's lamp", "10.0.0.2")]


async def test_a_name_from_a_device_is_cleaned_and_another_familys_device_is_not_taken_over(store: Store, tmp_path: Path) -> None:
    async with Kept(store, Fickle(name="La\x00mp\n" + "x" * 500), tmp_path) as kept:
        assert kept.family.devices[0].name == "Lamp" + "x" * 194
    others = Device("lock.door", "lock", "lock", "Front door", traits=specs("lock"))
    await store.write(lambda db: household.keep_device(db, others))
    async with Kept(store, Fickle(id_="lock.door"), tmp_path) as kept:
        assert kept.house.get("lock.door") == others
        assert "belongs to lock" in kept.family.trouble


async def test_what_was_not_there_is_looked_for_again(store: Store, tmp_path: Path) -> None:
    driver, clock = Fickle(), HandClock()
    async with Kept(store, driver, tmp_path, clock, at=["silent"]) as kept:
        assert not kept.family.devices
        driver.silent = set()
        clock.advance(16)
        await until(lambda: driver.heard == [["fickle.lamp"]])
        assert len(kept.family.devices) == 1


async def test_one_that_has_gone_is_looked_for_at_once_and_then_ever_more_rarely(store: Store, tmp_path: Path) -> None:
    driver, clock = Fickle(), HandClock()
    async with Kept(store, driver, tmp_path, clock) as kept:
        driver.at = "10.0.0.2"
        clock.advance(100)
        await asyncio.sleep(0.05)
        assert kept.family.devices[0].address == "10.0.0.1", "nobody was missed"
        driver.changes.put_nowait(Change("fickle.lamp", available=False))
        await kept.rests()
        assert kept.family.devices[0].address == "10.0.0.2"
        for number, pause in enumerate((5, 10, 20, 40, 80, 160, 300, 300), 3):
            driver.at = f"10.0.0.{number}"
            clock.advance(pause - 0.1)
            await asyncio.sleep(0.02)
            assert kept.family.devices[0].address != driver.at
            clock.advance(0.2)
            await kept.rests()
            assert kept.family.devices[0].address == driver.at


class Seeker(Fickle):
    """A driver that asks its network by itself, and hears of one lamp long before it has done asking."""

    def __init__(self) -> None:
        super().__init__()
        self.enough = asyncio.Event()

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        yield Finding(Sign("own", "fickle"), "there")
        await self.enough.wait()


async def test_what_answers_first_does_not_wait_for_the_rest(store: Store, tmp_path: Path) -> None:
    driver = Seeker()
    kept = Kept(store, driver, tmp_path, at=(), network=Network(["127.0.0.1"]))
    living = asyncio.create_task(kept.family.run())
    async with asyncio.timeout(ENOUGH):
        while not kept.family.devices:
            await asyncio.sleep(0.01)
        assert not kept.family.looked.is_set()
        driver.enough.set()
        await kept.family.looked.wait()
    living.cancel()
    await asyncio.wait({living}, timeout=5)


class Named(Fickle):
    """A driver whose devices the config names; nobody on the network is asked about them."""

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        yield Finding(Sign("named", "fickle"), "there")


@pytest.mark.parametrize(("via", "found"), [("named", ["there"]), ("own", [])])
async def test_where_looking_is_off_what_the_config_names_is_there_and_nobody_is_asked(via: str, found: list[str]) -> None:
    driver = Named()
    driver.looks_for = [Sign(via, "fickle")]
    assert [one.address async for one in Network(on=False).ask(driver)] == found  # type: ignore[arg-type]
    look = await look_around(Network(["127.0.0.1"]), {"fickle": driver}, seconds=0.01)  # type: ignore[dict-item]
    assert ("there" in look.hosts) is (via == "own"), "a calendar's name is no thing on the network"
