"""The LIFX skill against lifx-emulator on loopback: real UDP, lifx-async unpatched, somebody else's lamps."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import psutil
import pytest

from dobby import Device, Finding, Refused, Sign, Unreachable, Unsure
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Empty, nobody
from tests.patience import ENOUGH, Ear, confirmed, until

FOLDER = shipped("skills") / "lifx"
load_skill(FOLDER)
skill = import_module("dobby_skill_lifx")
dollhouse = device_side(FOLDER)
DESK, READING, STRIP, CANDLE = (f"d073d50000{number}0" for number in range(1, 5))
POLL, PATIENCE = 0.1, 0.4
SET_COLOR, SET_POWER, GET_COLOR, LIGHT_STATE, ACK = 102, 117, 101, 107, 45  # packet types


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    started = await dollhouse.start()
    yield started
    await started.aclose()


@pytest.fixture
async def lifx() -> AsyncIterator[Any]:
    driver = skill.Lifx(poll=POLL, patience=PATIENCE)
    yield driver
    await driver.aclose()


async def adopted(lifx: Any, address: str, serial: str = "") -> Device:
    """Named by the config; with its serial number, which a broadcast tells, as if found by one."""
    finding = Finding(Sign("own", "lifx"), address, {"serial": serial}) if serial else Finding(Sign("config", "lifx"), address)
    found = [device async for device in lifx.adopt(finding, nobody, Empty())]
    assert len(found) == 1
    await lifx.attach(found[0])
    device: Device = found[0]
    return device


@pytest.fixture
async def desk(house: Any, lifx: Any) -> Device:
    return await adopted(lifx, house.lamps[DESK].address)


@pytest.fixture
async def ear(lifx: Any, desk: Device) -> AsyncIterator[Ear]:
    listening = Ear(lifx.hear([desk]))
    await until(lambda: listening.state)
    yield listening
    await listening.aclose()


# Found


async def test_each_lamp_is_what_its_owner_made_it(house: Any, lifx: Any) -> None:
    lamps = {device.name: device for device in [await adopted(lifx, lamp.address) for lamp in house.lamps.values()]}
    desk = lamps["Desk lamp"]
    assert (desk.id, desk.kind, desk.room) == ("lifx.d073d5000010", "light", "Study")
    assert desk.identity == "mac:d073d5000011 serial:d073d5000010", "from firmware 3.70 on the MAC is one above the serial"
    assert set(desk.traits) == {"on", "brightness", "color", "color_temp"}
    assert set(lamps["Reading lamp"].traits) == {"on", "brightness", "color_temp"}
    assert lamps["TV strip"].traits["effect"].options == ("none", "move")
    assert lamps["Candle"].traits["effect"].options == ("none", "morph", "flame")
    assert desk.traits["color_temp"].low == 1500


async def test_a_broadcast_finds_it(house: Any, lifx: Any) -> None:
    lamp = house.lamps[DESK]
    lamp.unplug()
    await lamp.plug("127.255.255.255")  # loopback's own broadcast reaches a socket that is bound to it
    lifx.port = int(lamp.address.rpartition(":")[2])
    async with asyncio.timeout(ENOUGH):
        found = [finding async for finding in lifx.seek(["127.0.0.1", "192.0.2.77"])]
    assert [(one.sign, one.says) for one in found] == [(Sign("own", "lifx"), {"serial": DESK})]


async def test_what_is_no_lamp_is_said(lifx: Any) -> None:
    with pytest.raises(Unreachable, match=r"The LIFX at 127\.0\.0\.9:4444 cannot be reached"):
        await adopted(lifx, "127.0.0.9:4444")
    for address in ("", "127.0.0.1:9", "127.0.0.1:", "127.0.0.1:99999", ":80"):
        with pytest.raises(Refused, match="is no address of a LIFX light"):
            await adopted(lifx, address)


async def test_a_switch_is_left_alone(house: Any, lifx: Any) -> None:
    relay = dollhouse.Lamp(dollhouse.create_device(70, serial="d073d5000070"))
    await relay.plug()
    for serial in ("", "d073d5000070"):
        with pytest.raises(Refused, match="is a LIFX switch; only LIFX lights can be run"):
            await adopted(lifx, relay.address, serial)
    await relay.aclose()


async def test_found_or_named_it_is_the_same_lamp(house: Any, lifx: Any) -> None:
    for serial, lamp in house.lamps.items():
        assert await adopted(lifx, lamp.address) == await adopted(lifx, lamp.address, serial)


async def test_a_name_is_data(house: Any, lifx: Any) -> None:
    house.lamps[DESK].device.state.label = "Desk\x07\nlamp\u202e"
    assert (await adopted(lifx, house.lamps[DESK].address)).name == "Desklamp"


# Read and set


async def becomes(house: Any, serial: str, **traits: object) -> None:
    await until(lambda: traits.items() <= house.lamps[serial].truth().items())


async def test_brightness_colour_and_white(house: Any, lifx: Any, desk: Device) -> None:
    await lifx.set(desk, {"brightness": 30, "on": True})
    await becomes(house, DESK, brightness=30, color_temp=3500)
    await lifx.set(desk, {"color": "#ff0000", "on": True})
    await becomes(house, DESK, brightness=30, color="#ff0000", color_temp=None)
    assert await lifx.read(desk) == {"on": True, "brightness": 30, "color": "#ff0000", "color_temp": None}
    await lifx.set(desk, {"color": "#ffffff", "on": True})
    await becomes(house, DESK, color_temp=3500)
    await lifx.set(desk, {"color_temp": 2700, "brightness": 80, "on": True})
    await becomes(house, DESK, brightness=80, color_temp=2700)


async def test_a_dark_colour_is_told_as_it_was_asked_until_it_is_another(house: Any, lifx: Any, desk: Device) -> None:
    await lifx.set(desk, {"color": "#8b4513", "on": True})
    await becomes(house, DESK, color="#ff7f23")
    assert (await lifx.read(desk))["color"] == "#8b4513"
    house.lamps[DESK].device.state.color = dollhouse.LightHsbk(hue=21845, saturation=65535, brightness=9000, kelvin=3500)
    assert (await lifx.read(desk))["color"] == "#00ff00"


async def test_off_keeps_the_rest_and_on_never_flashes(house: Any, lifx: Any, desk: Device) -> None:
    await lifx.set(desk, {"on": False, "brightness": 70})
    await becomes(house, DESK, on=False, brightness=70)
    await lifx.set(desk, {"color": "#0000ff", "brightness": 20, "on": True})
    assert house.lamps[DESK].truth()["color"] == "#0000ff", "set while it was dark, at once"
    await becomes(house, DESK, on=True, brightness=20)
    await lifx.set(desk, {"brightness": 0})
    await becomes(house, DESK, on=False, brightness=20)


async def test_a_fade_takes_its_time(house: Any, lifx: Any, desk: Device) -> None:
    await lifx.set(desk, {"brightness": 100, "on": True})
    assert house.lamps[DESK].truth()["brightness"] < 100
    await becomes(house, DESK, brightness=100)


@pytest.mark.parametrize(("serial", "effect"), [(STRIP, "move"), (CANDLE, "flame"), (CANDLE, "morph")])
async def test_effects_run_on_the_lamp(house: Any, lifx: Any, serial: str, effect: str) -> None:
    lamp = await adopted(lifx, house.lamps[serial].address)
    await lifx.set(lamp, {"effect": effect, "on": True})
    assert (await lifx.read(lamp))["effect"] == effect
    await lifx.set(lamp, {"effect": "none", "on": True})
    assert (await lifx.read(lamp))["effect"] == "none"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"effect": "move"}, "has no effect to set"),
        ({"volume": 3}, "has no volume to set"),
        ({"brightness": 101}, "goes from 0 to 100"),
        ({"brightness": True}, "goes from 0 to 100"),
        ({"color_temp": 500}, "The color temp of Desk lamp goes from 1500 to 9000"),
        ({"color": "red"}, "“red” is no colour"),
        ({"color": "#ff00"}, "is no colour"),
    ],
)
async def test_what_it_cannot_is_refused_before_anything_is_sent(
    house: Any, lifx: Any, desk: Device, wanted: dict[str, Any], words: str
) -> None:
    sent = house.lamps[DESK].packets
    with pytest.raises(Refused, match=words):
        await lifx.set(desk, wanted)
    assert house.lamps[DESK].packets == sent


async def test_blink_leaves_a_lamp_as_it_was(house: Any, lifx: Any, desk: Device) -> None:
    await lifx.do(desk, "blink")
    await until(lambda: house.lamps[DESK].truth()["brightness"] == 10)
    await until(lambda: house.lamps[DESK].truth()["brightness"] == 70)
    await lifx.set(desk, {"on": False})
    await becomes(house, DESK, on=False)
    blinking = asyncio.create_task(lifx.do(desk, "blink"))
    await until(lambda: house.lamps[DESK].truth()["on"])
    await blinking
    assert house.lamps[DESK].truth()["on"] is False
    with pytest.raises(Refused, match="does not know how to “dance”"):
        await lifx.do(desk, "dance")


# Heard


async def test_what_others_do_is_heard_and_nothing_twice(house: Any, desk: Device, ear: Ear) -> None:
    await asyncio.sleep(3 * POLL)
    assert len(ear.heard) == 1
    house.lamps[DESK].device.state.power_level = 0
    await until(lambda: ear.state[desk.id]["on"] is False)
    assert ear.available(desk) == [True]


async def test_between_two_looks_no_socket_is_open_and_an_order_opens_one(house: Any) -> None:
    """lifx-async wakes ten times a second for each that is."""
    lifx = skill.Lifx(poll=2 * ENOUGH, patience=PATIENCE)

    def sockets() -> int:
        return len(psutil.Process().net_connections("udp"))

    try:
        desk = await adopted(lifx, house.lamps[DESK].address)
        before, listening = sockets(), Ear(lifx.hear([desk]))
        await until(lambda: listening.state)
        await until(lambda: sockets() == before)
        await lifx.set(desk, {"brightness": 41})
        await confirmed(lifx, desk, {"brightness": 41})
        await listening.aclose()
    finally:
        await lifx.aclose()


async def test_unplugged_is_said_once_and_back_by_itself(house: Any, lifx: Any, desk: Device, ear: Ear) -> None:
    lamp = house.lamps[DESK]
    port = int(lamp.address.rpartition(":")[2])
    lamp.unplug()
    await until(lambda: ear.available(desk) == [True, False])
    with pytest.raises(Unreachable, match=r"Desk lamp cannot be reached; is it switched off at the wall\?"):
        await lifx.set(desk, {"on": False})
    await asyncio.sleep(2 * (PATIENCE + POLL))
    await lamp.plug(port=port)
    await until(lambda: ear.available(desk) == [True, False, True])
    assert ear.state[desk.id]["brightness"] == 70


async def test_a_new_address_is_followed(house: Any, lifx: Any, desk: Device, ear: Ear) -> None:
    lamp = house.lamps[DESK]
    lamp.unplug()
    await until(lambda: ear.available(desk) == [True, False])
    await lamp.plug("127.0.0.2")
    moved = await adopted(lifx, lamp.address)
    assert moved == replace(desk, address=lamp.address)
    await until(lambda: ear.available(desk) == [True, False, True])
    await lifx.set(moved, {"brightness": 15, "on": True})
    await becomes(house, DESK, brightness=15)


async def test_after_a_restart_of_dobby_a_row_is_enough(house: Any, lifx: Any) -> None:
    strip = await adopted(lifx, house.lamps[STRIP].address)
    again = skill.Lifx(patience=PATIENCE)
    await again.attach(strip)
    assert (await again.read(strip))["effect"] == "none"
    await again.aclose()


# Broken on purpose


async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(house: Any, lifx: Any, desk: Device) -> None:
    house.lamps[DESK].trouble(drop_packets={SET_COLOR: 1.0})
    with pytest.raises(Unsure, match="Desk lamp did not confirm"):
        await lifx.set(desk, {"brightness": 33, "on": True})
    assert (await lifx.read(desk))["brightness"] == 70
    house.lamps[DESK].trouble()
    await lifx.set(desk, {"brightness": 33, "on": True})
    await becomes(house, DESK, brightness=33)


async def test_one_that_is_lost_now_and_then_is_asked_again(house: Any, lifx: Any, desk: Device) -> None:
    house.lamps[DESK].trouble(response_delays={GET_COLOR: 0.25})
    assert (await lifx.read(desk))["on"] is True


async def test_garbage_is_a_clean_error(house: Any, lifx: Any, desk: Device, ear: Ear) -> None:
    for what in ("malformed_packets", "invalid_field_values"):
        house.lamps[DESK].trouble(**{what: [LIGHT_STATE]})
        with pytest.raises(Unreachable, match=r"Desk lamp (cannot be reached|answered something that makes no sense)"):
            await lifx.read(desk)
    house.lamps[DESK].trouble()
    await until(lambda: ear.available(desk)[-1] is True)
    assert (await lifx.read(desk))["brightness"] == 70


async def test_the_library_is_imported_only_when_a_lamp_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('lifx' in sys.modules)"
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(FOLDER)], capture_output=True, text=True)
    assert done.stdout.split() == ["False"], done.stderr
