"""The Hue skill against a bridge of ours on loopback: real TLS, the link button, CLIP v2, its event stream, aiohue unpatched."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, Finding, Refused, Sign, Unreachable, Unsure
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer
from tests.patience import Ear, until

FOLDER = shipped("skills") / "hue"
load_skill(FOLDER)
skill = import_module("dobby_skill_hue")
color = import_module("dobby_skill_hue.color")
dollhouse = device_side(FOLDER)
HALLWAY, VANITY, BATHTUB, WARMER, SENSOR, BUTTON = (f"00:17:88:01:0d:0b:00:0{number}" for number in range(1, 7))
BEAT = 0.05


class Person:
    """Somebody who is asked, and does or says something."""

    def __init__(self, answer: str = "", act: Callable[[], None] = lambda: None) -> None:
        self.answer, self.act, self.asked = answer, act, list[str]()

    async def __call__(self, words: str, options: Sequence[str]) -> str:
        self.asked.append(words)
        self.act()
        return self.answer


def id_of(mac: str, part: str = "") -> str:
    return f"hue.{mac.replace(':', '')}{part}"


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    started = await dollhouse.start(beat=BEAT, held=False)
    yield started
    await started.aclose()


@pytest.fixture
async def hue() -> AsyncIterator[Any]:
    driver = skill.Hue(beat=0.2, pause=0.05)
    yield driver
    await driver.aclose()


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


def finding(house: Any, via: str = "mdns") -> Finding:
    return Finding(Sign(via, "_hue._tcp.local."), house.at, {"bridgeid": house.id})


async def adopted(hue: Any, found: Finding, person: Person, drawer: Drawer) -> dict[str, Device]:
    devices = {device.id: device async for device in hue.adopt(found, person, drawer)}
    for device in devices.values():
        await hue.attach(device)
    return devices


@pytest.fixture
async def devices(house: Any, hue: Any, drawer: Drawer) -> dict[str, Device]:
    return await adopted(hue, finding(house), Person("ok", house.press), drawer)


@pytest.fixture
async def ear(hue: Any, devices: dict[str, Device]) -> AsyncIterator[Ear]:
    listening = Ear(hue.hear(list(devices.values())))
    await until(lambda: len(listening.state) == len(devices))
    yield listening
    await listening.aclose()


# Pairing


async def test_the_button_is_asked_for_once_and_the_key_kept(house: Any, hue: Any, drawer: Drawer) -> None:
    person = Person("ok", house.press)
    assert await adopted(hue, finding(house), person, drawer)
    assert person.asked == [f"Press the round button on the Hue bridge at {house.at}, then say ok."]
    kept = json.loads(drawer["bridges"])[house.id]
    assert kept["key"] in house.keys
    assert kept["at"] == house.at
    assert await adopted(hue, finding(house), person, drawer)
    assert len(person.asked) == 1


async def test_nobody_there_to_press_it_is_said(house: Any, hue: Any, drawer: Drawer) -> None:
    for answer in ("", "no"):
        with pytest.raises(Refused, match=r"The round button on the Hue bridge at .* has to be pressed once"):
            await adopted(hue, finding(house), Person(answer), drawer)
    assert "POST /api" not in house.asked
    assert not drawer


async def test_ok_without_pressing_is_not_enough(house: Any, hue: Any, drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skill, "TRY_SECONDS", 0.01)  # the skill's own knob
    with pytest.raises(Refused, match="was not pressed"):
        await adopted(hue, finding(house), Person("ok"), drawer)


async def test_a_bridge_named_in_the_config_needs_its_button_only(house: Any, hue: Any, drawer: Drawer) -> None:
    house.press()
    person = Person()
    assert await adopted(hue, Finding(Sign("config", "hue"), house.at), person, drawer)
    assert not person.asked


async def test_a_key_that_is_no_longer_taken_is_asked_for_again_once(
    house: Any, hue: Any, devices: dict[str, Device], drawer: Drawer
) -> None:
    house.keys.clear()
    with pytest.raises(Refused, match="no longer knows Dobby"):
        await hue.set(devices[id_of(HALLWAY)], {"on": False})
    with pytest.raises(Refused, match=r"it no longer knows Dobby\) has to be pressed once"):
        await adopted(hue, finding(house), Person(""), drawer)
    person = Person("ok", house.press)
    assert await adopted(hue, finding(house), person, drawer)
    assert len(person.asked) == 1
    await hue.set(devices[id_of(HALLWAY)], {"on": False})
    assert house.truth(id_of(HALLWAY))["on"] is False


async def test_another_machine_at_its_address_never_sees_the_key(house: Any, hue: Any, devices: dict[str, Device]) -> None:
    port = int(house.at.rpartition(":")[2])
    await house.aclose()
    impostor = await dollhouse.start(held=True)
    await impostor.aclose()
    impostor.asked.clear()
    await impostor.open(port=port)
    with pytest.raises(Refused, match="another machine answers where the Hue bridge was; Dobby's key was not sent"):
        await hue.read(devices[id_of(HALLWAY)])
    assert impostor.asked == []
    await impostor.aclose()


async def test_what_is_no_bridge_is_said(hue: Any, drawer: Drawer) -> None:
    with pytest.raises(Unreachable, match=r"The Hue at 127\.0\.0\.1:9: the Hue bridge cannot be reached"):
        await adopted(hue, Finding(Sign("config", "hue"), "127.0.0.1:9"), Person(), drawer)
    with pytest.raises(Refused, match="is no address of a Hue bridge"):
        await adopted(hue, Finding(Sign("config", "hue"), "a:b"), Person(), drawer)
    basic = Finding(Sign("ssdp", skill.BASIC), "192.0.2.1", {"server": "a television"})
    assert await adopted(hue, basic, Person(), drawer) == {}


# What is behind it


async def test_rooms_are_places_and_lamps_are_devices(devices: dict[str, Device]) -> None:
    kinds = sorted((device.kind, device.name, device.room) for device in devices.values())
    assert kinds == [
        ("light", "Bathtub light", "Bathroom"),
        ("light", "Hallway lamp", "Hallway"),
        ("light", "Vanity light", "Bathroom"),
        ("outlet", "Towel warmer", "Bathroom"),
        ("scene", "Relax", "Bathroom"),
        ("sensor", "Bathroom button", "Bathroom"),
        ("sensor", "Bathroom button battery", "Bathroom"),
        ("sensor", "Hallway sensor", "Hallway"),
        ("sensor", "Hallway sensor battery", "Hallway"),
        ("sensor", "Hallway sensor light level", "Hallway"),
        ("sensor", "Hallway sensor temperature", "Hallway"),
    ]
    lamp = devices[id_of(HALLWAY)]
    assert lamp.identity.startswith("mac:001788010d0b0001 uuid:")
    assert set(lamp.traits) == {"on", "brightness", "color_temp", "color", "effect"}
    assert lamp.traits["effect"].options == ("none", "candle", "fire", "prism")
    assert (lamp.traits["color_temp"].low, lamp.traits["color_temp"].high) == (2000, 6536)
    assert set(devices[id_of(VANITY)].traits) == {"on", "brightness", "color_temp"}
    battery = devices[id_of(SENSOR, "_device_power")]
    assert (battery.part_of, battery.device_class) == (id_of(SENSOR, "_motion"), "battery")


async def test_sensors_are_told_in_the_houses_units(hue: Any, devices: dict[str, Device]) -> None:
    assert await hue.read(devices[id_of(SENSOR, "_motion")]) == {"on": False}
    assert await hue.read(devices[id_of(SENSOR, "_temperature")]) == {"value": 20.5}
    assert await hue.read(devices[id_of(SENSOR, "_light_level")]) == {"value": 63}
    assert await hue.read(devices[id_of(SENSOR, "_device_power")]) == {"value": 88}


async def test_a_name_is_data(house: Any, hue: Any, drawer: Drawer) -> None:
    house.of("device", HALLWAY)["metadata"]["name"] = "Ignore\x07 all\u202e" + "x" * 400
    found = await adopted(hue, finding(house), Person("ok", house.press), drawer)
    assert found[id_of(HALLWAY)].name == "Ignore all" + "x" * 188


# Read and set


async def test_brightness_white_and_off(house: Any, hue: Any, devices: dict[str, Device]) -> None:
    lamp = devices[id_of(HALLWAY)]
    await hue.set(lamp, {"brightness": 20, "color_temp": 4000, "on": True})
    assert house.truth(lamp.id)["brightness"] > 20, "a fade takes its time"
    await until(lambda: house.truth(lamp.id) == {"on": True, "brightness": 20, "color_temp": 4000})
    read = await hue.read(lamp)
    assert (read["brightness"], read["color_temp"], read["effect"]) == (20, 4000, "none")
    await hue.set(lamp, {"on": False, "brightness": 20})
    assert house.truth(lamp.id)["on"] is False
    await hue.set(lamp, {"effect": "candle", "on": True})
    assert (await hue.read(lamp))["effect"] == "candle"


@pytest.mark.parametrize("asked", ["#ff0000", "#00ff00", "#0000ff", "#ffa500", "#800080", "#8b4513", "#ffffff"])
@pytest.mark.parametrize("mac", [HALLWAY, BATHTUB])
async def test_a_colour_becomes_the_nearest_and_is_told_as_asked(
    house: Any, hue: Any, devices: dict[str, Device], mac: str, asked: str
) -> None:
    lamp = devices[id_of(mac)]
    await hue.set(lamp, {"color": asked, "on": True})
    read = await hue.read(lamp)
    assert (read["color"], read["color_temp"]) == (asked, None)
    house.change(house.of("light", mac), color={"xy": {"x": 0.3, "y": 0.3}})
    assert (await hue.read(lamp))["color"] != asked


@pytest.mark.parametrize("asked", ["#ff0000", "#ff8800", "#88ff00", "#ff00ff", "#ffffff", "#80c0ff"])
def test_xy_and_back_is_the_same_colour(asked: str) -> None:
    back = color.to_hex(color.to_xy(asked))
    assert all(abs(a - b) <= 2 for a, b in zip(bytes.fromhex(asked[1:]), bytes.fromhex(back[1:]), strict=True))


async def test_plug_blink_and_scene(house: Any, hue: Any, devices: dict[str, Device]) -> None:
    await hue.set(devices[id_of(WARMER)], {"on": True})
    assert house.truth(id_of(WARMER))["on"] is True
    await hue.do(devices[id_of(HALLWAY)], "blink")
    assert house.asked[-1] == f"PUT /clip/v2/resource/device/{dollhouse.rid('device', HALLWAY)}"
    scene = next(device for device in devices.values() if device.kind == "scene")
    await hue.do(scene, "run")
    await until(lambda: house.truth(id_of(VANITY)) == {"on": True, "brightness": 30, "color_temp": round(1e6 / 447)})
    with pytest.raises(Refused, match="does not know how to “dance”"):
        await hue.do(scene, "dance")


@pytest.mark.parametrize(
    ("mac", "wanted", "words"),
    [
        (VANITY, {"color": "#ff0000"}, "has no color to set"),
        (VANITY, {"brightness": 300}, "goes from 0 to 100"),
        (HALLWAY, {"color": "red"}, "is no colour"),
        (HALLWAY, {"effect": "storm"}, "has no effect “storm”; there are none, candle"),
    ],
)
async def test_what_it_cannot_is_refused_before_anything_is_sent(
    house: Any, hue: Any, devices: dict[str, Device], mac: str, wanted: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        await hue.set(devices[id_of(mac)], wanted)
    assert not [line for line in house.asked if line.startswith("PUT")]


# Heard


async def test_what_others_do_is_heard_and_nothing_twice(house: Any, ear: Ear) -> None:
    before = len(ear.heard)
    await asyncio.sleep(0.5)  # two beats
    assert len(ear.heard) == before
    house.change(house.of("light", HALLWAY), on={"on": False}, dimming={"brightness": 12.3})
    await ear.comes(id_of(HALLWAY), on=False, brightness=12)
    report = {"motion_report": {"changed": "now", "motion": True}}
    house.change(house.of("motion", SENSOR), motion={"motion": True, **report})
    await ear.comes(id_of(SENSOR, "_motion"), on=True)
    house.change(house.of("button", BUTTON), button={"button_report": {"event": "short_release", "updated": "now"}})
    await ear.comes(id_of(BUTTON, "_button1"), value="short_release")


async def test_a_lamp_without_power_is_said_once_and_back_by_itself(
    house: Any, hue: Any, devices: dict[str, Device], ear: Ear
) -> None:
    lamp = devices[id_of(HALLWAY)]
    house.unplug(HALLWAY)
    await until(lambda: ear.available(lamp.id) == [True, False])
    for act in (lambda: hue.read(lamp), lambda: hue.set(lamp, {"on": False}), lambda: hue.do(lamp, "blink")):
        with pytest.raises(Unreachable, match="Hallway lamp does not answer the Hue bridge; is it switched off at the wall"):
            await act()
    await hue.set(devices[id_of(VANITY)], {"on": True})
    house.unplug(HALLWAY, out=False)
    await until(lambda: ear.available(lamp.id) == [True, False, True])


async def test_a_restart_of_the_bridge_loses_nothing(house: Any, hue: Any, devices: dict[str, Device], ear: Ear) -> None:
    port = int(house.at.rpartition(":")[2])
    await house.aclose()
    await until(lambda: all(ear.available(id) == [True, False] for id in devices))
    with pytest.raises(Unreachable, match="Hallway lamp: the Hue bridge cannot be reached"):
        await hue.set(devices[id_of(HALLWAY)], {"on": False})
    house.change(house.of("light", HALLWAY), on={"on": False})
    await house.open(port=port)
    await until(lambda: all(ear.available(id) == [True, False, True] for id in devices))
    await ear.comes(id_of(HALLWAY), on=False)


async def test_a_new_address_is_followed_and_asks_nobody(
    house: Any, hue: Any, devices: dict[str, Device], drawer: Drawer
) -> None:
    await house.aclose()
    await house.open("127.0.0.2")
    person = Person()
    moved = await adopted(hue, finding(house), person, drawer)
    assert moved.keys() == devices.keys()
    assert not person.asked
    await hue.set(moved[id_of(HALLWAY)], {"on": False})
    assert house.truth(id_of(HALLWAY))["on"] is False


async def test_after_a_restart_of_dobby_rows_and_vault_are_enough(house: Any, devices: dict[str, Device], drawer: Drawer) -> None:
    again = skill.Hue()
    again.vault = drawer
    lamp = devices[id_of(HALLWAY)]
    await again.attach(lamp)
    assert (await again.read(lamp))["brightness"] == 60
    await again.aclose()


# Broken on purpose


async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(house: Any, hue: Any, devices: dict[str, Device]) -> None:
    lamp = devices[id_of(HALLWAY)]
    for trouble, became in (("cut", 33), ("drop", 33)):
        house.trouble["PUT light"] = trouble
        with pytest.raises(Unsure, match="Hallway lamp: the Hue bridge broke off"):
            await hue.set(lamp, {"brightness": 33 if trouble == "cut" else 80, "on": True})
        house.trouble.clear()  # a link that breaks once is made anew by aiohttp itself: the command is absolute
        assert (await hue.read(lamp))["brightness"] == became
    house.trouble["PUT light"] = "garbage"
    with pytest.raises(Unsure, match="makes no sense"):
        await hue.set(lamp, {"brightness": 44, "on": True})
    house.trouble["GET light"] = "garbage"
    with pytest.raises(Unreachable, match="makes no sense"):
        await hue.read(lamp)
    assert (await hue.read(lamp))["brightness"] == 44


async def test_a_busy_bridge_is_asked_again(house: Any, hue: Any, devices: dict[str, Device]) -> None:
    house.trouble["PUT light"] = "busy"
    await hue.set(devices[id_of(VANITY)], {"brightness": 10, "on": True})
    assert (await hue.read(devices[id_of(VANITY)]))["brightness"] == 10


@pytest.mark.parametrize(
    "line",
    [
        b"data: {\n\n",
        b'data: [{"type": "update"}]\n\n',
        b'data: [{"type": "update", "data": [{"on": {"on": 1}}]}]\n\n',
        b"data: 7\n\n",
        b"data: [7]\n\n",
        b"data: \xff\xfe\n\n",
        b"nonsense\n\x00\x00\n",
        b'data: [{"type": "update", "data": [{"id": "unknown", "on": 7}]}]\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
async def test_garbage_on_the_event_stream_loses_nothing(house: Any, ear: Ear, line: bytes) -> None:
    house.say(line)
    house.change(house.of("light", HALLWAY), dimming={"brightness": 5.0})
    await ear.comes(id_of(HALLWAY), brightness=5)
    assert ear.available(id_of(HALLWAY)) == [True]


async def test_resources_of_an_unknown_form_are_left_out(house: Any, hue: Any, drawer: Drawer) -> None:
    house.resources["a"] = {"id": "a", "type": "device", "services": 7, "metadata": []}
    house.resources["b"] = {"id": "b", "type": "room", "children": {"rid": 1}}
    house.of("light", VANITY)["dimming"] = "bright"
    found = await adopted(hue, finding(house), Person("ok", house.press), drawer)
    assert len(found) == 11
    assert (await hue.read(found[id_of(VANITY)]))["on"] is False


async def test_the_library_is_imported_only_when_a_bridge_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('aiohue' in sys.modules, 'aiohttp' in sys.modules)"
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(FOLDER)], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
