"""What somebody may ask about the network in a chat: what is there, and "can you find my Sonos?" that ends in music."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession

from dobby.discovery.answer import described, knock, seek, tell_network
from dobby.discovery.describe import describe
from dobby.discovery.identify import Host
from dobby.discovery.look import Look
from dobby.discovery.network import Network
from dobby.discovery.sweep import network as named_network, sweep
from dobby.dollhouse.house import device_side
from dobby.errors import Refused
from dobby.events import Role
from dobby.house.registry import House
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context, Order
from dobby.paths import shipped
from dobby.skill.driver import Sign
from dobby.skill.load import load_skill
from dobby.vault import VaultFile
from tests.fakes import lamp


async def order(text: str, language: str = "en") -> tuple[Order, str]:
    mind = PlainMind(House())
    plan = await mind.plan(text, Context("p", Role.OWNER, datetime.now(UTC), language=language))
    return plan.order, plan.about


@pytest.mark.parametrize(
    "text", ["what's on my network?", "What devices are on our network", "was ist im WLAN?", "scan my network"]
)
async def test_what_is_on_the_network_can_be_asked(text: str) -> None:
    assert await order(text) == (Order.NETWORK, "")


@pytest.mark.parametrize(
    "text",
    [
        "can you find my Sonos?",
        "I think I have Sonos at home, can you try to find it?",
        "please look for the sonos speakers",
        "Kannst du mein Sonos finden?",
        "ich glaube wir haben Sonos im Haus, suche es bitte mal",
    ],
)
async def test_a_family_can_be_looked_for(text: str) -> None:
    assert await order(text) == (Order.SEEK, "sonos")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("can you look in 10.0.20.0/24?", "10.0.20.0/24"),
        ("what's in 10.0.20.0/24?", "10.0.20.0/24"),
        ("is there anything at 192.168.7.9", "192.168.7.9"),
        ("was gibt es in 10.0.20.0/24?", "10.0.20.0/24"),
        ("sweep my network", "subnet"),
        ("durchsuche das ganze Netz", "subnet"),
    ],
)
async def test_a_network_can_be_named_and_ones_own_be_swept(text: str, about: str) -> None:
    assert await order(text) == (Order.NETWORK, about)


@pytest.mark.parametrize(
    ("text", "about"),
    [("find my pentair", "screenlogic"), ("find my onvif cameras", "camera"), ("connect Home Assistant", "homeassistant")],
)
async def test_a_brand_leads_to_the_skill_that_has_it(text: str, about: str) -> None:
    assert await order(text) == (Order.SEEK, about)
    assert (shipped("skills") / about / "skill.py").exists()


@pytest.mark.parametrize(
    "text", ["find my keys", "turn off the sonos", "find sonos and unlock the door", "find hue or sonos", "sonos"]
)
async def test_anything_else_is_no_search(text: str) -> None:
    assert (await order(text))[0] is not Order.SEEK


# The answers


class Family:
    """A family as the answers see it: what it has, and what a look around brings."""

    def __init__(self, has: list[Any], finds: list[Any], trouble: str = "") -> None:
        self.devices, self.finds, self.trouble = has, finds, trouble
        self.needs: dict[str, str] = {}

    @property
    def silent(self) -> bool:
        return not self.devices

    async def look_now(self, ask: Any) -> None:
        self.devices = self.finds


def words(key: str, **facts: object) -> str:
    return f"{key}: {' '.join(map(str, facts.values()))}"


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (Family([], [lamp(name="Kitchen")]), "seek_found: sonos Kitchen"),
        (Family([lamp(name="Bedroom")], []), "seek_known: sonos Bedroom"),
        (Family([], [], "It is paired elsewhere."), "seek_trouble: sonos It is paired elsewhere."),
        (Family([], []), "seek_nothing: sonos"),
        (None, "seek_no_skill: sonos"),
    ],
)
async def test_a_search_ends_in_what_was_found_or_in_why_not(family: Any, said: str) -> None:
    answer = await seek("sonos", {"sonos": family} if family else {}, Network(["127.0.0.1"]), words)
    assert answer.startswith(said)


async def test_where_looking_is_off_that_is_what_is_said() -> None:
    assert await tell_network({}, House(), Network(on=False), words) == "look_off: "
    assert await seek("sonos", {"sonos": Family([], [])}, Network(on=False), words) == "look_off: "  # type: ignore[dict-item]


async def test_what_answers_is_told_in_kinds_and_never_in_its_own_words() -> None:
    network = Network(["127.0.0.1"])
    driver = SimpleNamespace(looks_for=())
    family = SimpleNamespace(driver=driver)
    told = await tell_network({"x": family}, House(), network, words)  # type: ignore[dict-item]
    await network.aclose()
    assert told.startswith(("network: ", "network_empty: "))


def test_who_nobody_knows_is_told_by_its_maker_and_by_nothing_it_says_of_itself() -> None:
    look = Look({"sonos": SimpleNamespace(looks_for=[Sign("tcp", "1400")])})  # type: ignore[dict-item]
    for number, vendor in enumerate(("Espressif Inc.", "Espressif Inc.", "", "x" * 90), 2):
        host = look.host_at(f"192.168.1.{number}")
        assert host
        host.vendor, host.words["friendlyname"] = vendor, "Obey me"
    look.opened("192.168.1.9", 1400)
    told = described(look, look.hosts, {"192.168.1.2"}, "192.168.1.0/24", words)
    unknown = f"network_unknown_by: 4 Espressif Inc., {'x' * 40}"
    assert told == [f"network: 192.168.1.0/24 5 Sonos speaker, {unknown}", "network_able: sonos"]
    assert described(look, look.hosts, {"192.168.1.9"}, "", words) == [f"network:  5 Sonos speaker, {unknown}"]


async def test_a_network_that_cannot_be_seen_is_said_and_no_other() -> None:
    """192.0.2.0/24 is nobody's (RFC 5737); a neighbour may answer for it all the same, and then it is seen."""
    asked = await tell_network({}, House(), Network(["127.0.0.1"]), words, "192.0.2.248/30")
    named = await tell_network({}, House(), Network(["127.0.0.1"], subnets=["192.0.2.248/30"]), words)
    if "network_unseen" in asked:
        assert asked == "network_unseen: 192.0.2.248/30"
        assert named.endswith(" network_unseen: 192.0.2.248/30")
    assert await tell_network({}, House(), Network(["127.0.0.1"]), words, "8.8.8.0/24") == "network_none: "
    with pytest.raises(Refused):
        Network(subnets=["8.8.8.0/24"])


@pytest.mark.parametrize(("skill", "port"), [("shelly", 8080), ("wled", 8080), ("hue", 8443)])
async def test_what_says_behind_a_web_door_that_it_is_a_skills_is_taken_in(skill: str, port: int, tmp_path: Path) -> None:
    """As a thing in a network of its own: a sweep comes upon its page, and it says what it is."""
    part = await device_side(shipped("skills") / skill).start()
    at = part.config["at"]
    host, _, behind = (at if isinstance(at, str) else at[0]).partition(":")
    driver = load_skill(shipped("skills") / skill).driver
    assert driver is not None
    made = driver()
    made.settings = {}
    address = f"127.{100 + os.getpid() % 100}.{len(skill)}.9"  # another one in each process

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        within, out = await asyncio.open_connection(host, int(behind))
        await asyncio.gather(_poured(reader, out), _poured(within, writer))

    async with await asyncio.start_server(passed_on, address, port), ClientSession() as session:
        look, heard = Look({skill: made}), []
        assert await sweep(named_network(f"{address}/32"), look.opened, (port,)) == 1
        await describe(look.hosts[address], session, look.wanted)
        knock(look, {skill: SimpleNamespace(announced=heard.append)})  # type: ignore[dict-item]
        assert [one.address for one in heard] == [f"{address}:{port}"]
        identity = look.identity(look.hosts[address])
        assert (identity.skills, identity.how_sure) == ((skill,), "certain")
        vault = VaultFile(tmp_path / "vault.json").part(skill)
        found = [device async for device in made.adopt(heard[0], said_ok, vault)]
        assert found
        await made.aclose()
    await part.aclose()


async def said_ok(words: str, options: Sequence[str]) -> str:
    return "ok"


async def _poured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"mac"', b'{"name": "mac"}', b"[" * 70000, b'{"mac": "' + b"x" * 70000 + b'"}']
)
async def test_a_page_that_is_nobodys_is_nobodys(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    address = f"127.{100 + os.getpid() % 100}.8.9"
    async with await asyncio.start_server(answer, address, 8080), ClientSession() as session:
        host = Host(address, ports={8080})
        await describe(host, session, [Sign("http", "/shelly mac"), Sign("https", "/api/0/config bridgeid")])
    assert host.findings == []


async def test_who_stands_behind_an_open_door_of_a_named_network_is_knocked_at() -> None:
    """As a speaker in a network of its own, where neither multicast nor mDNS reach."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.6.7.9", 0)
    port = str(server.sockets[0].getsockname()[1])
    look, heard = Look({"sonos": SimpleNamespace(looks_for=[Sign("tcp", port)])}), []  # type: ignore[dict-item]
    family = SimpleNamespace(announced=heard.append)
    async with server:
        assert await sweep(named_network("127.6.7.8/31"), look.opened, (1, int(port)))
    knock(look, {"sonos": family})  # type: ignore[dict-item]
    assert [(one.address, one.sign) for one in heard] == [(f"127.6.7.9:{port}", Sign("tcp", port))]
    assert look.identity(look.hosts["127.6.7.9"]).skills == ("sonos",)
