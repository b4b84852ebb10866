"""Presence by phone: real sockets on loopback stand for phones; the kernel's table is a file as Linux writes it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import pytest

from dobby import Device, Finding, Refused, Sign
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer
from tests.patience import ENOUGH, until
from tests.running import SHIPPED, ask, at_home

load_skill(shipped("skills") / "presence")
skill = import_module("dobby_skill_presence")
phone = import_module("dobby_skill_presence.phone")
NOWHERE = "192.0.2.77"  # RFC 5737: nobody is there, and it counts as private
HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"


async def nobody(words: str, options: object) -> str:
    return ""


def person(name: str = "Anna", at: str = "127.0.0.1") -> Device:
    return Device(f"presence.{name.casefold()}", "presence", "person", name, address=at)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = "192.0.2.77       0x1         0x2         aa:bb:cc:dd:ee:01     *        eth0\n"
    rows += "192.0.2.78       0x1         0x0         aa:bb:cc:dd:ee:02     *        eth0\nnonsense\n1 2 zz 4 5 6\n"
    path = tmp_path / "arp"
    path.write_text(HEAD + rows)
    return path


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[object]:
    empty = tmp_path / "empty"
    empty.write_text(HEAD)
    made = skill.Presence(beat=0.05, patience=0.2, table=empty)
    made.vault = Drawer(phones=json.dumps({"Anna": "127.0.0.1", "Tom": NOWHERE}))
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("192.168.1.23", "192.168.1.23"),
        ("Pixel-8.", "Pixel-8"),
        ("AA-BB-CC-dd-ee-FF", "aa:bb:cc:dd:ee:ff"),
        ("Annas iPhone", "Annas-iPhone"),
        ("pixel.fritz.box", "pixel.fritz.box"),
        ("8.8.8.8", ""),
        ("evil.example.com", ""),
        ("300.1.1.1", ""),
        ("; rm -rf /", ""),
        ("", ""),
    ],
)
def test_a_phone_is_a_private_address_a_mac_or_a_name_of_the_house(said: str, kept: str) -> None:
    assert phone.known_as(said) == kept


def test_only_neighbours_who_have_answered_count(table: Path) -> None:
    assert phone.neighbours(table) == {"192.0.2.77": "aa:bb:cc:dd:ee:01"}
    assert phone.neighbours(table.with_name("none")) == {}


async def test_an_open_door_and_a_closed_one_are_both_an_answer(table: Path) -> None:
    assert await phone.is_there("127.0.0.1", table=table, patience=0.5)
    assert await phone.is_there("localhost", table=table, patience=0.5)


async def test_silence_is_none_unless_the_kernel_knows_better(table: Path) -> None:
    assert await phone.is_there(NOWHERE, table=table, patience=0.2)
    assert await phone.is_there("aa:bb:cc:dd:ee:01", table=table, patience=0.2)
    assert not await phone.is_there("aa:bb:cc:dd:ee:02", table=table, patience=0.2)
    assert not await phone.is_there("192.0.2.78", table=table, patience=0.2)
    assert not await phone.is_there("no-such-phone", table=table, patience=0.2)


async def test_who_was_never_seen_is_unknown_and_only_after_a_while_away(driver: object) -> None:
    now = [1000.0]
    driver.now = lambda: now[0]  # type: ignore[attr-defined]
    read = driver.read  # type: ignore[attr-defined]
    assert await read(person("Tom", NOWHERE)) == {"home": "unknown"}
    now[0] += 16 * 60
    assert await read(person("Tom", NOWHERE)) == {"home": "away"}
    assert await read(person()) == {"home": "home"}
    driver.vault["phones"] = json.dumps({"Anna": NOWHERE})  # type: ignore[attr-defined]
    assert await read(person("Nobody")) == {"home": "unknown"}
    with pytest.raises(Refused):
        await driver.set(person(), {"home": "away"})  # type: ignore[attr-defined]


async def test_everybody_who_named_a_phone_is_a_person_heard_by_changes(driver: object) -> None:
    found = [each async for each in driver.seek(())]  # type: ignore[attr-defined]
    assert [each.address for each in found] == ["Anna", "Tom"]
    devices = [d for each in found async for d in driver.adopt(each, nobody, driver.vault)]  # type: ignore[attr-defined]
    assert [(d.id, d.kind) for d in devices] == [("presence.anna", "person"), ("presence.tom", "person")]
    none = Finding(Sign("named", "presence"), "Eve")
    assert [d async for d in driver.adopt(none, nobody, driver.vault)] == []  # type: ignore[attr-defined]
    heard = driver.hear(devices)  # type: ignore[attr-defined]
    async with asyncio.timeout(ENOUGH):
        assert {(await anext(heard)).state["home"] for _ in range(2)} == {"home", "unknown"}
    await heard.aclose()


async def test_said_in_words_and_answered_in_words(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        tables = {"skills": {"off": [name for name in SHIPPED if name != "presence"]}, "owner": {"name": "Anna"}}
        async with at_home(tmp_path, **tables, discovery={"interfaces": ["127.0.0.1"]}) as dobby:
            assert "no address on a home network" in (await ask(tmp_path, "my phone is 8.8.8.8"))[0]
            assert "I'll look for Anna's phone (127.0.0.1)" in (await ask(tmp_path, "my phone is 127.0.0.1"))[0]
            await dobby.families["presence"].look_now()
            await until(lambda: dobby.house.state.of("presence.anna").get("home") == "home")
            assert (await ask(tmp_path, "is Anna home?"))[0].startswith("Yes, Anna is at home")
            assert "Anna" in (await ask(tmp_path, "who is home?"))[0]
            assert "don't look for Anna's phone" in (await ask(tmp_path, "forget my phone"))[0]
