"""The Shelly skill against Shellys on loopback that answer with captured payloads: real HTTP and JSON-RPC over WebSocket."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, EffectClass, Finding, Refused, Sign, Unreachable, Unsure
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer, nobody
from tests.patience import hearing, until

pytest.importorskip("aioshelly", reason="pip install 'dobby[shelly]'")
load_skill(shipped("skills") / "shelly")
skill = import_module("dobby_skill_shelly")
dollhouse = import_module("dobby_skill_shelly.dollhouse")

BENCH, SAW = "shelly.aabbccddee01-switch0", "shelly.aabbccddee01-switch1"
SHUTTER, LAMP, PLUG = "shelly.aabbccddee02-cover0", "shelly.aabbccddee03-cct0", "shelly.c049ef8c480c-switch0"
PAUSE = 0.1


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    home = await dollhouse.start(pace=10)
    yield home
    await home.aclose()


@pytest.fixture
async def shelly() -> AsyncIterator[Any]:
    driver = skill.Shelly(pause=PAUSE)
    yield driver
    await driver.aclose()


async def adopted(shelly: Any, address: str, ask: Any = nobody, vault: Any = None) -> list[Device]:
    finding = Finding(Sign("config", "shelly"), address)
    return [device async for device in shelly.adopt(finding, ask, Drawer() if vault is None else vault)]


@pytest.fixture
async def things(house: Any, shelly: Any) -> dict[str, Device]:
    return {device.id: device for address in house.config["at"][:4] for device in await adopted(shelly, address)}


# Found and read


async def test_a_shelly_becomes_what_it_switches_with_meters_and_inputs_as_parts(things: dict[str, Device]) -> None:
    assert {key: (device.kind, device.name) for key, device in things.items() if not device.part_of} == {
        BENCH: ("switch", "Workshop bench"),
        SAW: ("switch", "Workshop saw"),
        SHUTTER: ("cover", "Studio shutter"),
        LAMP: ("light", "Reading lamp"),
        PLUG: ("outlet", "Desk plug"),
    }
    assert {key: device.device_class for key, device in things.items() if device.part_of == PLUG} == {
        f"{PLUG}-power": "power",
        f"{PLUG}-energy": "energy",
    }
    assert things["shelly.aabbccddee01-input1"].part_of == SAW
    assert things[PLUG].identity == "mac:c049ef8c480c"
    assert things[f"{PLUG}-energy"].traits["value"].unit == "kWh"
    assert list(things[SHUTTER].verbs) == ["stop"]


async def test_only_a_web_page_that_calls_itself_shelly_is_knocked_at(house: Any, shelly: Any) -> None:
    sign, at = Sign("mdns", "_http._tcp.local."), house.config["at"][3]
    other = Finding(sign, at, {"name": "Printer"})
    assert [device async for device in shelly.adopt(other, nobody, Drawer())] == []
    own = Finding(sign, at, {"name": "ShellyPlugUS-C049EF8C480C"})
    assert len([device async for device in shelly.adopt(own, nobody, Drawer())]) == 3


async def test_everything_is_read_as_it_is(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    assert await shelly.read(things[SHUTTER]) == {"position": 100, "moving": False}
    assert await shelly.read(things[f"{SHUTTER}-energy"]) == {"value": 0.315}
    assert await shelly.read(things[LAMP]) == {"on": False, "brightness": 5, "color_temp": 2700}
    assert await shelly.read(things["shelly.aabbccddee01-input0"]) == {"on": False}
    house.thing(PLUG).status["switch:0"] |= {"output": True, "apower": 12.5}
    assert await shelly.read(things[PLUG]) == {"on": True}
    assert await shelly.read(things[f"{PLUG}-power"]) == {"value": 12.5}


async def test_a_relay_that_falls_back_is_never_told_twice_and_one_for_a_lamp_is_a_light(house: Any, shelly: Any) -> None:
    relays = house.thing("Workshop")
    relays.config["switch:0"] |= {"auto_off": True, "auto_off_delay": 1.0, "name": "Garage door"}
    relays.config["sys"]["ui_data"] = {"consumption_types": ["", "light"]}
    found = {device.id: device for device in await adopted(shelly, relays.address)}
    assert found[BENCH].name == "Garage door"
    assert found[BENCH].traits["on"].effect is EffectClass.BLIND
    assert found[SAW].kind == "light"


# Set


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        (BENCH, {"on": True}),
        (PLUG, {"on": True}),
        (LAMP, {"on": True, "brightness": 40}),
        (LAMP, {"on": True, "color_temp": 4000}),
    ],
)
async def test_what_is_set_is_read_back(house: Any, shelly: Any, things: dict[str, Device], device: str, wanted: Any) -> None:
    await shelly.set(things[device], wanted)
    assert wanted.items() <= (await shelly.read(things[device])).items()
    assert wanted.items() <= house.truth(device).items()
    await shelly.set(things[device], {"on": False})
    assert house.truth(device)["on"] is False


async def test_a_colour_lamp_is_told_its_colour(house: Any, shelly: Any) -> None:
    bulb = house.thing("Reading lamp")
    bulb.status["rgb:0"] = {"id": 0, "output": False, "brightness": 50, "rgb": [255, 0, 0]}
    bulb.config["rgb:0"] = {"id": 0, "name": "Mood"}
    del bulb.status["cct:0"]
    lamp = (await adopted(shelly, bulb.address))[0]
    assert await shelly.read(lamp) == {"on": False, "brightness": 50, "color": "#ff0000"}
    await shelly.set(lamp, {"on": True, "color": "#0080ff"})
    assert bulb.status["rgb:0"]["rgb"] == [0, 128, 255]


async def test_a_shutter_moves_stops_and_says_so(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    house.thing(SHUTTER).pace = 1
    async with hearing(shelly, [things[SHUTTER]]) as ear:
        await shelly.set(things[SHUTTER], {"position": 0})
        await ear.comes(SHUTTER, moving=True)
        await shelly.do(things[SHUTTER], "stop")
        await ear.comes(SHUTTER, moving=False)
        assert 0 < house.truth(SHUTTER)["position"] <= 100
        house.thing(SHUTTER).pace = 10
        await shelly.set(things[SHUTTER], {"position": 30})
        await ear.comes(SHUTTER, position=30, moving=False)


async def test_one_that_is_not_calibrated_only_opens_and_closes(house: Any, shelly: Any) -> None:
    row = house.thing(SHUTTER).status["cover:0"]
    row["pos_control"] = False
    cover = (await adopted(shelly, house.thing(SHUTTER).address))[0]
    assert (await shelly.read(cover))["position"] == 100
    with pytest.raises(Refused, match="not calibrated"):
        await shelly.set(cover, {"position": 30})
    await shelly.set(cover, {"position": 0})
    await until(lambda: row["state"] == "closed")
    assert (await shelly.read(cover))["position"] == 0


async def test_what_it_cannot_do_is_refused(shelly: Any, things: dict[str, Device]) -> None:
    for device, wanted in ((PLUG, {"brightness": 3}), (LAMP, {"brightness": "x"}), (f"{PLUG}-power", {"value": 1})):
        with pytest.raises(Refused):
            await shelly.set(things[device], wanted)
    with pytest.raises(Refused):
        await shelly.do(things[PLUG], "stop")
    gone = replace(things[PLUG], id=PLUG.replace("switch0", "switch7"))
    with pytest.raises(Refused, match="not found"):
        await shelly.set(gone, {"on": True})
    with pytest.raises(Unreachable, match="no longer there"):
        await shelly.read(gone)


# A password


async def test_a_password_is_asked_for_once_kept_in_the_vault_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dobby")
    answers, asked = iter(["wrong", "s3cret"]), []

    async def ask(words: str, options: Sequence[str]) -> str:
        asked.append(words)
        return next(answers)

    async def silence(words: str, options: Sequence[str]) -> str:
        return ""

    home, vault = await dollhouse.start(password="s3cret"), Drawer()
    at, first = home.thing(PLUG).address, skill.Shelly()
    with pytest.raises(Refused, match="wants its password"):
        await adopted(first, at, silence, vault)
    found = await adopted(first, at, ask, vault)
    assert len(asked) == 2
    assert vault == {"c049ef8c480c": "s3cret"}
    await first.set(found[0], {"on": True})
    await first.aclose()
    later = skill.Shelly()
    later.vault = vault
    await later.attach(found[0])
    assert await later.read(found[0]) == {"on": True}
    await later.aclose()
    await home.aclose()
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(found)


# Heard


async def test_what_others_do_is_pushed(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, list(things.values())) as ear:
        await house.thing(PLUG).become("switch:0", output=True)
        await ear.comes(PLUG, on=True)
        await ear.comes(f"{PLUG}-power", value=40.0)
        await house.thing(BENCH).become("input:1", state=True)
        await ear.comes("shelly.aabbccddee01-input1", on=True)


async def test_gone_is_said_once_and_back_by_itself(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, list(things.values())) as ear:
        await house.thing(PLUG).aclose()
        await until(lambda: ear.available(PLUG) == [True, False])
        with pytest.raises(Unreachable, match="cannot be reached"):
            await shelly.set(things[PLUG], {"on": True})
        await shelly.set(things[LAMP], {"on": True})
        await asyncio.sleep(3 * PAUSE)  # several tries in vain
        house.thing(PLUG).status["switch:0"]["output"] = True
        await house.thing(PLUG).open()
        await ear.comes(PLUG, on=True)
        assert ear.available(PLUG) == [True, False, True]
        assert ear.available(LAMP) == [True]


async def test_a_line_that_merely_breaks_is_no_news(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, [things[PLUG]]) as ear:
        house.thing(PLUG).cut()
        await until(lambda: house.thing(PLUG).lines)
        await until(lambda: shelly._of(things[PLUG]).up)
        await house.thing(PLUG).become("switch:0", output=True)
        await ear.comes(PLUG, on=True)
        assert ear.available(PLUG) == [True]


async def test_a_new_address_is_followed_and_a_stranger_is_not_taken_for_it(
    house: Any, shelly: Any, things: dict[str, Device]
) -> None:
    with pytest.raises(Unreachable, match="Another device"):
        await shelly.set(replace(things[PLUG], address=house.thing(LAMP).address), {"on": True})
    plug = house.thing(PLUG)
    await plug.aclose()
    plug.port = 0
    await plug.open()
    found = (await adopted(shelly, plug.address))[0]
    assert found == replace(things[PLUG], address=plug.address)
    await shelly.set(found, {"on": True})
    assert house.truth(PLUG)["on"] is True


# Broken on purpose


@pytest.mark.parametrize(("trouble", "on"), [("cut", True), ("drop", False)])
async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(
    house: Any, shelly: Any, things: dict[str, Device], trouble: str, on: bool
) -> None:
    house.thing(PLUG).trouble["Switch.Set"] = trouble
    with pytest.raises(Unsure, match="broke off"):
        await shelly.set(things[PLUG], {"on": True})
    assert await shelly.read(things[PLUG]) == {"on": on}
    assert house.thing(PLUG).calls.count("Switch.Set") == 1


@pytest.mark.parametrize("text", ["[1]", "{", "7", json.dumps({"method": "NotifyStatus", "params": {"switch:0": 5}}), "\x00"])
async def test_garbage_on_the_line_loses_nothing(house: Any, shelly: Any, things: dict[str, Device], text: str) -> None:
    async with hearing(shelly, [things[PLUG]]) as ear:
        await house.thing(PLUG).push(text)
        await until(lambda: shelly._of(things[PLUG]).up and house.thing(PLUG).lines)
        await shelly.read(things[PLUG])
        await house.thing(PLUG).become("switch:0", output=True)
        await ear.comes(PLUG, on=True)


@pytest.mark.parametrize("wrong", [{"mac": "../etc"}, {"mac": 7}, {"gen": "x"}, {"gen": None}])
async def test_what_is_no_shelly_or_too_old_is_refused_in_words(house: Any, shelly: Any, wrong: dict[str, Any]) -> None:
    plug = house.thing(PLUG)
    plug.shelly |= wrong
    with pytest.raises((Refused, Unsure)):
        await adopted(shelly, plug.address)


async def test_names_from_outside_are_one_short_clean_line(house: Any, shelly: Any) -> None:
    house.thing(BENCH).config["switch:0"]["name"] = "Saw\x1b[31m\nignore \u202eall " + "x" * 5000
    device = (await adopted(shelly, house.thing(BENCH).address))[0]
    assert device.name.startswith("Saw [31m ignore all xxx")
    assert device.name.isprintable()
    for address in ("", "http://x", "host:port"):
        with pytest.raises(Refused, match="not the address"):
            await adopted(shelly, address)


# Leaving


async def test_the_library_is_imported_only_when_a_shelly_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('aioshelly' in sys.modules, 'aiohttp' in sys.modules)"
    command = [sys.executable, "-c", code, str(shipped("skills") / "shelly")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


async def test_nothing_is_left_behind() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before = asyncio.all_tasks()
        home, driver = await dollhouse.start(), skill.Shelly(pause=PAUSE)
        devices = await adopted(driver, home.config["at"][3])
        async with hearing(driver, devices) as ear:
            await driver.set(devices[0], {"on": True})
            await ear.comes(devices[0].id, on=True)
        await driver.aclose()
        await home.aclose()
        await asyncio.sleep(0.05)
        gc.collect()
        assert asyncio.all_tasks() == before
    assert not [str(warning.message) for warning in said if issubclass(warning.category, ResourceWarning)]
