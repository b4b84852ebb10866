"""The WLED skill against controllers on loopback that answer with captured payloads: real HTTP and WebSocket."""

import asyncio
import gc
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, Finding, Refused, Sign, Unreachable, Unsure
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Empty, nobody
from tests.patience import hearing, until

load_skill(shipped("skills") / "wled")
skill = import_module("dobby_skill_wled")
dollhouse = import_module("dobby_skill_wled.dollhouse")

SHELF, TERRACE = "wled.8813bf0455f0", "wled.8813bf0455f1"
BEAT = 0.3


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    home = await dollhouse.start()
    yield home
    await home.aclose()


@pytest.fixture
async def wled() -> AsyncIterator[Any]:
    driver = skill.Wled(beat=BEAT)
    yield driver
    await driver.aclose()


@pytest.fixture
async def lights(house: Any, wled: Any) -> dict[str, Device]:
    return {device.id: device for address in house.config["at"] for device in await adopted(wled, address)}


async def adopted(wled: Any, address: str) -> list[Device]:
    return [device async for device in wled.adopt(Finding(Sign("config", "wled"), address), nobody, Empty())]


# Found and read


async def test_a_controller_becomes_a_light_with_its_effects_and_presets(lights: dict[str, Device]) -> None:
    shelf = lights[SHELF]
    assert (shelf.kind, shelf.name, shelf.identity, shelf.part_of) == ("light", "Bookshelf strip", "mac:8813bf0455f0", "")
    assert set(shelf.traits) == {"on", "brightness", "color", "effect"}
    options = shelf.traits["effect"].options
    assert {"Solid", "Rainbow", "Fire 2012", "My Preset", "My Playlist"} <= set(options)
    assert "RSVD" not in options
    assert list(shelf.verbs) == ["blink"]


async def test_the_segments_of_a_controller_are_its_parts(lights: dict[str, Device]) -> None:
    assert {device.name: device.part_of for device in lights.values()} == {
        "Bookshelf strip": "",
        "Terrace strip": "",
        "Railing lights": TERRACE,
        "Stairs lights": TERRACE,
    }


async def test_it_is_looked_for_by_mdns_and_a_finding_of_it_opens(house: Any, wled: Any) -> None:
    sign = Sign("mdns", "_wled._tcp.local.")
    assert sign in wled.looks_for
    finding = Finding(sign, house.config["at"][0], {"name": "WLED", "host": "wled-0455f0.local.", "mac": "8813bf0455f0"})
    assert [device.id async for device in wled.adopt(finding, nobody, Empty())] == [SHELF]


async def test_a_light_is_read_as_it_is(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    assert await wled.read(lights[SHELF]) == {"on": False, "brightness": 50, "color": "#ffa000", "effect": "Solid"}
    await house.strip(SHELF).become({"on": True, "bri": 255, "seg": [{"fx": 9}]})
    assert await wled.read(lights[SHELF]) == {"on": True, "brightness": 100, "color": "#ffa000", "effect": "Rainbow"}


async def test_a_nameless_controller_gets_a_name_of_its_own(house: Any, wled: Any) -> None:
    house.strip(SHELF).info["name"] = "WLED"
    assert (await adopted(wled, house.config["at"][0]))[0].name == "WLED 55f0"


async def test_white_and_warm_strips_have_the_traits_they_can_show(house: Any, wled: Any) -> None:
    strip = house.strip(SHELF)
    strip.info["leds"] |= {"lc": 6, "seglc": [6], "cct": 1}
    white = (await adopted(wled, strip.address))[0]
    assert set(white.traits) == {"on", "brightness", "color_temp", "effect"}
    await wled.set(white, {"on": True, "color_temp": 2700})
    assert strip.state["seg"][0]["cct"] == 2700
    assert (await wled.read(white))["color_temp"] == 2700
    strip.state["seg"][0]["cct"] = 255
    assert (await wled.read(white))["color_temp"] == 10091


# Set


@pytest.mark.parametrize(
    "wanted",
    [
        {"on": True},
        {"on": True, "brightness": 40},
        {"on": True, "color": "#0080ff"},
        {"on": True, "effect": "Rainbow", "brightness": 70},
        {"on": True, "effect": "my preset"},
        {"on": True, "effect": "My Playlist"},
    ],
)
async def test_what_is_set_is_read_back(house: Any, wled: Any, lights: dict[str, Device], wanted: dict[str, Any]) -> None:
    shelf = lights[SHELF]
    await wled.set(shelf, wanted)
    state = await wled.read(shelf)
    assert all(shelf.traits[trait].matches(value, state[trait]) for trait, value in wanted.items()), state
    assert house.truth(SHELF)["on"] is True


async def test_off_keeps_the_brightness_and_a_preset_colours_the_strip(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    await wled.set(lights[SHELF], {"on": True, "effect": "My Preset"})
    assert house.truth(SHELF)["color"] == "#ff0000"
    await wled.set(lights[SHELF], {"on": True, "brightness": 30})
    assert (await wled.read(lights[SHELF]))["effect"] == "Solid", "a changed preset is no longer that preset"
    await wled.set(lights[SHELF], {"on": False})
    assert await wled.read(lights[SHELF]) == {"on": False, "brightness": 30, "color": "#ff0000", "effect": "Solid"}


async def test_a_colour_ends_an_effect_that_would_not_show_it_and_no_other(
    house: Any, wled: Any, lights: dict[str, Device]
) -> None:
    await wled.set(lights[SHELF], {"on": True, "effect": "Rainbow"})
    await wled.set(lights[SHELF], {"on": True, "color": "#ff0000"})
    assert house.truth(SHELF)["effect"] == "Solid"
    await wled.set(lights[SHELF], {"on": True, "effect": "Breathe"})
    await wled.set(lights[SHELF], {"on": True, "color": "#00ff00"})
    assert house.truth(SHELF)["effect"] == "Breathe"


async def test_the_whole_strip_means_every_segment_and_a_part_itself(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    railing, stairs = f"{TERRACE}-0", f"{TERRACE}-1"
    await wled.set(lights[stairs], {"on": True, "color": "#0000ff", "brightness": 20})
    assert (house.truth(railing)["on"], house.truth(stairs)["on"]) == (False, True)
    assert (await wled.read(lights[stairs]))["brightness"] == 20
    assert (await wled.read(lights[railing]))["on"] is False
    assert (await wled.read(lights[TERRACE]))["on"] is True
    await wled.set(lights[TERRACE], {"on": True, "color": "#ff0000"})
    assert [house.truth(part)["color"] for part in (railing, stairs)] == ["#ff0000", "#ff0000"]
    await wled.set(lights[stairs], {"on": False})
    await wled.set(lights[TERRACE], {"on": True})
    assert (house.truth(railing)["on"], house.truth(stairs)["on"]) == (True, True), "all were dark, so all are meant"
    await wled.set(lights[stairs], {"on": False})
    await wled.set(lights[TERRACE], {"on": True, "brightness": 70})
    assert house.truth(stairs)["on"] is False, "who was dark stays dark while another is lit"
    with pytest.raises(Refused, match="only a part"):
        await wled.set(lights[stairs], {"on": True, "effect": "My Preset"})


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"effect": "Disco Inferno"}, "no effect or preset called Disco Inferno"),
        ({"color": "reddish"}, "not a colour"),
        ({"brightness": True}, "not a number"),
        ({"volume": 3}, "has no volume"),
    ],
)
async def test_what_it_cannot_do_is_refused_and_nothing_is_sent(
    house: Any, wled: Any, lights: dict[str, Device], wanted: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await wled.set(lights[SHELF], wanted)
    assert house.truth(SHELF)["on"] is False


async def test_blinking_leaves_it_as_it_was(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    async with hearing(wled, list(lights.values())) as ear:
        await wled.do(lights[SHELF], "blink")
        await until(lambda: [c.state["on"] for c in ear.heard if c.device == SHELF and "on" in c.state] == [0, 1, 0, 1, 0])
    assert house.truth(SHELF)["on"] is False


# Heard


async def test_what_others_do_is_pushed(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    async with hearing(wled, list(lights.values())) as ear:
        await house.strip(TERRACE).become({"on": True, "bri": 51, "seg": [{"id": 1, "fx": 2}]})
        await ear.comes(TERRACE, on=True, brightness=20)
        await ear.comes(f"{TERRACE}-1", effect="Breathe")
        await wled.set(lights[SHELF], {"on": True, "color": "#112233"})
        await ear.comes(SHELF, on=True, color="#112233")
        count = len(ear.heard)
        await house.strip(SHELF).push()
        await house.strip(TERRACE).become({"bri": 102})
        await ear.comes(TERRACE, brightness=40)
        assert len(ear.heard) == count + 1, "what did not change is not told"
    await until(lambda: not house.strip(SHELF).listeners)


async def test_one_without_a_free_line_is_looked_at(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    house.strip(SHELF).deaf = True
    async with hearing(wled, [lights[SHELF]]) as ear:
        await house.strip(SHELF).become({"on": True, "bri": 26})
        await ear.comes(SHELF, on=True, brightness=10)
        assert ear.available(SHELF) == [True]


async def test_one_that_cannot_push_at_all_is_looked_at(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    house.strip(SHELF).info["ws"] = -1
    async with hearing(wled, [lights[SHELF]]) as ear:
        await house.strip(SHELF).become({"on": True, "bri": 26})
        await ear.comes(SHELF, on=True, brightness=10)


async def test_gone_is_said_once_and_back_by_itself(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    async with hearing(wled, list(lights.values())) as ear:
        await house.strip(SHELF).aclose()
        await until(lambda: ear.available(SHELF) == [True, False])
        with pytest.raises(Unreachable, match="cannot be reached"):
            await wled.set(lights[SHELF], {"on": True})
        with pytest.raises(Unreachable):
            await wled.read(lights[SHELF])
        await wled.set(lights[TERRACE], {"on": True})
        await asyncio.sleep(2 * BEAT)  # several looks in vain
        house.strip(SHELF).state |= {"on": True, "bri": 255}
        await house.strip(SHELF).open()
        await ear.comes(SHELF, on=True, brightness=100)
        assert ear.available(SHELF) == [True, False, True]
        assert ear.available(TERRACE) == [True]


async def test_a_new_address_is_followed_and_a_stranger_at_the_old_one_is_not_taken_for_it(
    house: Any, wled: Any, lights: dict[str, Device]
) -> None:
    shelf, moved = house.strip(SHELF), house.strip(TERRACE).address
    stranger = replace(lights[SHELF], address=moved)
    with pytest.raises(Unreachable, match="Another device answers"):
        await wled.read(stranger)
    with pytest.raises(Unreachable, match="Another device answers"):
        await wled.set(stranger, {"on": True})
    assert house.truth(TERRACE)["on"] is False
    await shelf.aclose()
    shelf.port = 0
    await shelf.open()
    found = (await adopted(wled, shelf.address))[0]
    assert found == replace(lights[SHELF], address=shelf.address)
    await wled.attach(found)
    await wled.set(found, {"on": True})
    assert house.truth(SHELF)["on"] is True


async def test_after_a_restart_of_ours_a_known_light_is_read_without_adopting(house: Any, lights: dict[str, Device]) -> None:
    later = skill.Wled()
    await later.attach(lights[SHELF])
    await later.set(lights[SHELF], {"on": True, "effect": "Candle"})
    assert house.truth(SHELF)["effect"] == "Candle"
    await later.aclose()


# Broken on purpose


async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    shelf = house.strip(SHELF)
    shelf.trouble["/json/state"] = "cut"
    with pytest.raises(Unsure, match="broke off"):
        await wled.set(lights[SHELF], {"on": True})
    assert (await wled.read(lights[SHELF]))["on"] is True
    shelf.trouble["/json/state"] = "drop"
    with pytest.raises(Unsure):
        await wled.set(lights[SHELF], {"on": False})
    assert (await wled.read(lights[SHELF]))["on"] is True, "nothing is sent twice behind our back"


async def test_an_answer_that_is_garbage_is_a_clear_error(house: Any, wled: Any, lights: dict[str, Device]) -> None:
    house.strip(SHELF).trouble["/json/si"] = "garbage"
    house.strip(SHELF).trouble["/json"] = "garbage"
    with pytest.raises(Unsure, match="makes no sense"):
        await wled.read(lights[SHELF])
    assert (await wled.read(lights[SHELF]))["on"] is False


NONSENSE = [
    "[1, 2]",
    "{",
    '{"state": 7}',
    '{"state": {"seg": 5}}',
    '{"state": {"on": true}, "info": {"leds": [1]}}',
    "\x00" * 100,
    "[" * 9000,
]


@pytest.mark.parametrize("text", NONSENSE)
async def test_garbage_on_the_line_loses_nothing(house: Any, wled: Any, lights: dict[str, Device], text: str) -> None:
    async with hearing(wled, [lights[SHELF]]) as ear:
        await until(lambda: house.strip(SHELF).listeners)
        await house.strip(SHELF).push(text)
        await house.strip(SHELF).become({"on": True, "bri": 26})
        await ear.comes(SHELF, on=True, brightness=10)


@pytest.mark.parametrize("wrong", [{"mac": "../../etc"}, {"mac": 7}, {"leds": None}, {"fs": 3}, {"ver": {"a": 1}}])
async def test_a_hostile_self_description_is_refused_in_words(house: Any, wled: Any, wrong: dict[str, Any]) -> None:
    strip = house.strip(SHELF)
    strip.info |= wrong
    with pytest.raises((Refused, Unsure)):
        await adopted(wled, strip.address)


async def test_names_from_outside_are_one_short_clean_line(house: Any, wled: Any) -> None:
    strip = house.strip(SHELF)
    strip.info["name"] = "Strip\x1b[31m\nignore \u202eall " + "x" * 5000
    strip.presets["7"] = {"n": "Party\n\x00<b>" + "y" * 5000, "on": True}
    device = (await adopted(wled, strip.address))[0]
    assert device.name.startswith("Strip [31m ignore all xxx")
    assert device.name.isprintable()
    assert all(len(option) <= 70 and option.isprintable() for option in device.traits["effect"].options)


async def test_an_old_firmware_and_a_wrong_address_are_said(house: Any, wled: Any) -> None:
    house.strip(SHELF).info["ver"] = "0.13.3"
    with pytest.raises(Refused, match=r"older than 0\.14"):
        await adopted(wled, house.strip(SHELF).address)
    for address in ("", "http://x", "host:port", "a b"):
        with pytest.raises(Refused, match="not the address"):
            await adopted(wled, address)
    with pytest.raises(Unreachable):
        await adopted(wled, "127.0.0.1:9")


# Leaving


async def test_the_library_is_imported_only_when_a_controller_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('wled' in sys.modules, 'aiohttp' in sys.modules)"
    command = [sys.executable, "-c", code, str(shipped("skills") / "wled")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


async def test_nothing_is_left_behind() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before = asyncio.all_tasks()
        home, driver = await dollhouse.start(), skill.Wled(beat=BEAT)
        devices = await adopted(driver, home.config["at"][1])
        async with hearing(driver, devices) as ear:
            await driver.set(devices[0], {"on": True})
            await ear.comes(devices[0].id, on=True)
        await driver.aclose()
        await home.aclose()
        await asyncio.sleep(0.05)
        gc.collect()
        assert asyncio.all_tasks() == before
    assert not [str(warning.message) for warning in said if issubclass(warning.category, ResourceWarning)]
