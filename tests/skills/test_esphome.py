"""The ESPHome skill against nodes on loopback that speak the native API, in the clear and encrypted: real frames, real Noise."""

import asyncio
import gc
import logging
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dobby import Change, Device, Finding, Refused, Sign, Unreachable, Unsure
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer, nobody
from tests.patience import Ear, confirmed, until
from tests.running import SHIPPED, ask, at_home

pytest.importorskip("aioesphomeapi", reason="pip install 'dobby[esphome]'")
load_skill(shipped("skills") / "esphome")
skill = import_module("dobby_skill_esphome")
dollhouse = import_module("dobby_skill_esphome.dollhouse")

BENCH, SHUTTER, BELL = (f"esphome.aabbccddee11-{name}" for name in ("bench", "shutter", "bell"))
LAMP, FAN, RADIATOR, HATCH = (f"esphome.aabbccddee12-{name}" for name in ("loft_lamp", "fan", "radiator", "hatch"))
PAUSE = 0.1


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    home = await dollhouse.start(pace=20)
    yield home
    await home.aclose()


@pytest.fixture
async def esphome() -> AsyncIterator[Any]:
    driver = skill.ESPHome(pause=PAUSE)
    driver.vault = Drawer(aabbccddee12=dollhouse.KEY)
    yield driver
    await driver.aclose()


async def adopted(esphome: Any, node: Any, ask: Any = nobody, vault: Any = None) -> list[Device]:
    finding = Finding(Sign("mdns", "_esphomelib._tcp.local."), node.address, {"name": node.name, "mac": node.mac})
    kept = vault if vault is not None else esphome.vault
    return [device async for device in esphome.adopt(finding, ask, kept)]


@pytest.fixture
async def things(house: Any, esphome: Any) -> dict[str, Device]:
    return {device.id: device for node in house.nodes.values() for device in await adopted(esphome, node)}


@asynccontextmanager
async def hearing(esphome: Any, devices: Sequence[Device]) -> AsyncIterator[Ear]:
    ear = Ear(esphome.hear(devices))
    await until(lambda: all(ear.state.get(device.id) for device in devices if device.kind != "button"))
    yield ear
    await ear.aclose()


# Found and read


async def test_entities_become_devices_and_what_is_for_the_nodes_keeper_does_not(things: dict[str, Device]) -> None:
    assert {key: (device.kind, device.name) for key, device in things.items()} == {
        BENCH: ("outlet", "Workshop Bench"),
        SHUTTER: ("cover", "Workshop Shutter"),
        "esphome.aabbccddee11-temperature": ("sensor", "Workshop Temperature"),
        "esphome.aabbccddee11-door": ("sensor", "Workshop Door"),
        BELL: ("button", "Workshop Bell"),
        LAMP: ("light", "Loft Lamp"),
        FAN: ("fan", "Loft Lamp Fan"),
        RADIATOR: ("climate", "Loft Lamp Radiator"),
        HATCH: ("lock", "Loft Lamp Hatch"),
    }
    assert things[LAMP].identity == "mac:aabbccddee12"
    assert things[SHUTTER].device_class == "shutter" and list(things[SHUTTER].verbs) == ["stop"]
    assert things["esphome.aabbccddee11-temperature"].traits["value"].unit == "°C"
    assert (things[LAMP].traits["color_temp"].low, things[LAMP].traits["color_temp"].high) == (2000, 6536)
    assert things[LAMP].traits["effect"].options == ("Candle", "Rainbow")
    assert things[RADIATOR].traits["mode"].options == ("off", "heat")


async def test_everything_is_read_as_it_is(house: Any, esphome: Any, things: dict[str, Device]) -> None:
    assert await esphome.read(things[SHUTTER]) == {"position": 100, "moving": False}
    assert await esphome.read(things["esphome.aabbccddee11-temperature"]) == {"value": 18.5}
    assert await esphome.read(things["esphome.aabbccddee11-door"]) == {"on": False}
    assert await esphome.read(things[LAMP]) == {"on": False, "brightness": 50, "color_temp": 4000}
    assert await esphome.read(things[FAN]) == {"on": False, "speed": 50, "oscillating": False}
    assert await esphome.read(things[RADIATOR]) == {"mode": "off", "target": 20.0, "temperature": 19.0}
    assert await esphome.read(things[HATCH]) == {"locked": True, "jammed": False}
    assert await esphome.read(things[BELL]) == {}
    house.nodes["workshop"].become("Temperature", state=21.25)
    assert await esphome.read(things["esphome.aabbccddee11-temperature"]) == {"value": 21.25}


async def test_a_room_is_taken_from_the_node(house: Any, esphome: Any) -> None:
    house.nodes["workshop"].area = "Garage"
    assert {device.room for device in await adopted(esphome, house.nodes["workshop"])} == {"Garage"}


# Set


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        (BENCH, {"on": True}),
        (LAMP, {"on": True, "brightness": 40}),
        (LAMP, {"on": True, "color": "#ff8800"}),
        (LAMP, {"on": True, "color_temp": 2700}),
        (LAMP, {"on": True, "effect": "Candle"}),
        (FAN, {"on": True, "speed": 75, "oscillating": True}),
        (RADIATOR, {"mode": "heat", "target": 21.5}),
        (HATCH, {"locked": False}),
        (SHUTTER, {"position": 30}),
    ],
)
async def test_what_is_set_is_read_back(
    house: Any, esphome: Any, things: dict[str, Device], device: str, wanted: dict[str, Any]
) -> None:
    await esphome.set(things[device], wanted)
    await confirmed(esphome, things[device], wanted)
    truth = house.truth(device)
    assert all(things[device].traits[trait].matches(wanted[trait], truth[trait]) for trait in truth.keys() & wanted.keys())


async def test_a_shutter_stops_on_its_way_and_a_bell_rings_once(house: Any, esphome: Any, things: dict[str, Device]) -> None:
    house.nodes["workshop"].pace = 0.2
    async with hearing(esphome, [things[SHUTTER]]) as ear:
        await esphome.set(things[SHUTTER], {"position": 0})
        await ear.comes(SHUTTER, moving=True)
        await esphome.do(things[SHUTTER], "stop")
        await ear.comes(SHUTTER, moving=False)
        assert 0 < house.truth(SHUTTER)["position"] <= 100
    await esphome.do(things[BELL], "press")
    assert house.nodes["workshop"].pressed == ["Bell"]


async def test_what_it_cannot_do_is_refused(esphome: Any, things: dict[str, Device]) -> None:
    for device, wanted in (
        (BENCH, {"brightness": 3}),
        (LAMP, {"brightness": "x"}),
        (LAMP, {"color": "red"}),
        (RADIATOR, {"mode": "x"}),
    ):
        with pytest.raises(Refused):
            await esphome.set(things[device], wanted)
    with pytest.raises(Refused):
        await esphome.do(things[BENCH], "stop")
    gone = replace(things[BENCH], id="esphome.aabbccddee11-saw")
    with pytest.raises(Unreachable, match="no longer there"):
        await esphome.set(gone, {"on": True})


# A key


async def test_a_key_is_asked_for_once_kept_in_the_vault_and_never_logged(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dobby")
    wrong = dollhouse.KEY.replace("Y", "Z", 1)
    answers, asked, node = iter(["no key at all", wrong, f" {dollhouse.KEY} "]), list[str](), house.nodes["loft"]

    async def answer(words: str, options: Sequence[str]) -> str:
        asked.append(words)
        return next(answers)

    async def silence(words: str, options: Sequence[str]) -> str:
        return ""

    vault, first = Drawer(), skill.ESPHome()
    with pytest.raises(Refused, match="wants its encryption key"):
        await adopted(first, node, silence, vault)
    found = {device.id: device for device in await adopted(first, node, answer, vault)}
    assert len(asked) == 3 and vault == {"aabbccddee12": dollhouse.KEY}
    await first.set(found[HATCH], {"locked": False})
    await first.aclose()
    later = skill.ESPHome()
    later.vault = vault
    await later.attach(found[HATCH])
    assert (await later.read(found[HATCH]))["locked"] is False
    await later.aclose()
    assert dollhouse.KEY not in caplog.text and dollhouse.KEY not in repr(found)


async def test_a_node_that_encrypted_and_speaks_in_the_clear_is_not_believed(
    house: Any, esphome: Any, things: dict[str, Device]
) -> None:
    node = house.nodes["loft"]
    await node.aclose()
    node.key = ""
    await node.open()
    with pytest.raises(Refused, match="does not encrypt any more"):
        await esphome.set(things[HATCH], {"locked": False})
    assert house.truth(HATCH)["locked"] is True


# Heard


async def test_what_others_do_is_pushed(house: Any, esphome: Any, things: dict[str, Device]) -> None:
    async with hearing(esphome, list(things.values())) as ear:
        house.nodes["workshop"].become("Door", state=True)
        await ear.comes("esphome.aabbccddee11-door", on=True)
        house.nodes["loft"].become("", state=True, brightness=0.25)
        await ear.comes(LAMP, on=True, brightness=25)


async def test_gone_is_said_once_and_back_by_itself(house: Any, esphome: Any, things: dict[str, Device]) -> None:
    node = house.nodes["workshop"]
    async with hearing(esphome, list(things.values())) as ear:
        await node.aclose()
        await until(lambda: ear.available(BENCH) == [True, False])
        with pytest.raises(Unreachable, match="cannot be reached"):
            await esphome.set(things[BENCH], {"on": True})
        await esphome.set(things[LAMP], {"on": True})
        node.states["Bench"].state = True
        await node.open()
        await ear.comes(BENCH, on=True)
        assert ear.available(BENCH) == [True, False, True]
        assert ear.available(LAMP) == [True]


async def test_a_line_that_merely_breaks_is_no_news(house: Any, esphome: Any, things: dict[str, Device]) -> None:
    node = house.nodes["workshop"]
    async with hearing(esphome, [things[BENCH]]) as ear:
        node.cut()
        await until(lambda: any(line.states for line in node.lines))
        node.become("Bench", state=True)
        await ear.comes(BENCH, on=True)
        assert ear.available(BENCH) == [True]


async def test_a_new_address_is_followed_and_a_stranger_is_not_taken_for_it(
    house: Any, esphome: Any, things: dict[str, Device]
) -> None:
    node = house.nodes["workshop"]
    stranger = dollhouse.Node("other", "Other", "aabbccddee99", dollhouse.WORKSHOP, "", 1.0)
    await stranger.open()
    with pytest.raises(Unreachable, match="Another device"):
        await esphome.set(replace(things[BENCH], address=stranger.address), {"on": True})
    await stranger.aclose()
    await node.aclose()
    node.port = 0
    await node.open()
    found = {device.id: device for device in await adopted(esphome, node)}
    assert found[BENCH] == replace(things[BENCH], address=node.address)
    await esphome.attach(found[BENCH])
    await esphome.set(found[BENCH], {"on": True})
    assert house.truth(BENCH)["on"] is True


# Broken on purpose


@pytest.mark.parametrize(("trouble", "on"), [("cut", True), ("drop", False), ("garbage", True)])
async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(
    house: Any, esphome: Any, things: dict[str, Device], trouble: str, on: bool
) -> None:
    node = house.nodes["workshop"]
    node.trouble["SwitchCommandRequest"] = trouble
    with pytest.raises(Unsure, match="broke off"):
        await esphome.set(things[BENCH], {"on": True})
    assert await esphome.read(things[BENCH]) == {"on": on}
    assert node.calls.count("SwitchCommandRequest") == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x05\x1a\xff\xff\xff\xff\xff",
        b"\x01\x00\x00",
        b"\x00\xff\xff\xff\xff\x7f\x1a",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x7f",
    ],
)
async def test_garbage_on_the_line_loses_nothing(house: Any, esphome: Any, things: dict[str, Device], raw: bytes) -> None:
    node = house.nodes["workshop"]
    async with hearing(esphome, [things[BENCH]]) as ear:
        for line in list(node.lines):
            line.writer.write(raw)
            if raw.startswith(b"\x00\xff"):
                line.writer.transport.abort()  # a frame that never ends, until the line does
        await until(lambda: any(line.states for line in node.lines))
        await until(lambda: esphome._of(things[BENCH]).up)
        await esphome.read(things[BENCH])
        node.become("Bench", state=True)
        await ear.comes(BENCH, on=True)


@pytest.mark.parametrize("mac", ["", "../etc", "zz"])
async def test_what_is_no_node_is_refused_in_words(house: Any, esphome: Any, mac: str) -> None:
    node = house.nodes["workshop"]
    node.mac = mac
    with pytest.raises(Refused, match="no ESPHome node"):
        await adopted(esphome, node)


async def test_what_answers_in_another_language_is_told_in_words(esphome: Any) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises((Unreachable, Unsure)):
        [device async for device in esphome.adopt(Finding(Sign("config", "esphome"), at), nobody, Drawer())]
    server.close()
    for address in ("", "http://x", "host:port"):
        with pytest.raises(Refused, match="not the address"):
            [device async for device in esphome.adopt(Finding(Sign("config", "esphome"), address), nobody, Drawer())]


async def test_names_from_outside_are_one_short_clean_line(house: Any, esphome: Any) -> None:
    node = house.nodes["workshop"]
    node.entities["Bench"].name = "Saw\x1b[31m\nignore \u202eall " + "x" * 5000
    device = next(device for device in await adopted(esphome, node) if device.id == BENCH)
    assert device.name.startswith("Workshop Saw [31m ignore all xxx")
    assert device.name.isprintable() and len(device.name) < 140


# Through chat, and leaving


async def test_a_node_named_in_the_config_obeys_through_chat(house: Any, tmp_path: Path) -> None:
    skills = {"off": [name for name in SHIPPED if name != "esphome"], "esphome": house.config}
    async with at_home(tmp_path, skills=skills) as dobby:
        await until(lambda: dobby.house.get(BENCH))
        await until(lambda: dobby.house.state.of(BENCH).get("on") is False)
        assert "Workshop Bench" in (await ask(dobby.folder, "turn on the workshop bench"))[0]
        assert house.truth(BENCH)["on"] is True
        assert "18.5" in (await ask(dobby.folder, "what is the workshop temperature?"))[0]


async def test_the_library_is_imported_only_when_a_node_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('aioesphomeapi' in sys.modules)"
    command = [sys.executable, "-c", code, str(shipped("skills") / "esphome")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.stdout.split() == ["False"], done.stderr


async def test_nothing_is_left_behind() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        home, driver = await dollhouse.start(), skill.ESPHome(pause=PAUSE)
        driver.vault = Drawer(aabbccddee12=dollhouse.KEY)
        found = [device for node in home.nodes.values() for device in await adopted(driver, node)]
        changes: AsyncIterator[Change] = driver.hear(found)
        await anext(changes)
        await changes.aclose()  # type: ignore[attr-defined]
        await driver.aclose()
        await home.aclose()
        del driver, home, changes
        gc.collect()
    assert [str(each.message) for each in said if issubclass(each.category, ResourceWarning)] == []
    await until(lambda: len(asyncio.all_tasks()) == 1)
