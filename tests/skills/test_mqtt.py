"""The MQTT skill against a house of MQTT devices: an embedded broker always, Mosquitto where it is installed."""

import asyncio
import gc
import json
import logging
import shutil
import socket
import time
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from dobby import Change, Device, EffectClass, Finding, Refused, Sign, State, Unreachable, Value
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill

FOLDER = shipped("skills") / "mqtt"
load_skill(FOLDER)
skill = import_module("dobby_skill_mqtt")
dollhouse = device_side(FOLDER)

HALLWAY_LIGHT = "mqtt.0x00158d0001a2b3c4_light_zigbee2mqtt"
TV_PLUG = "mqtt.0x00158d0001d4e5f6_switch_zigbee2mqtt"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Drawer(dict[str, str]):
    """A vault."""

    async def put(self, name: str, secret: str) -> None:
        self[name] = secret


async def nobody(words: str, options: Sequence[str]) -> str:
    raise AssertionError(f"nobody was to be asked {words!r}")


@asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[str]:
    """A Mosquitto of our own -> host:port."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([f"listener {port} 127.0.0.1", *(lines or ["allow_anonymous true"])]) + "\n")
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
    for _ in range(100):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.02)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(params=["amqtt", "mosquitto"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "amqtt":
        home = await dollhouse.start(pace=10)
        yield home
        await home.aclose()
        return
    async with mosquitto(tmp_path) as broker:
        home = await dollhouse.start(pace=10, broker=broker)
        yield home
        await home.aclose()


@pytest.fixture
async def own() -> AsyncIterator[Any]:
    home = await dollhouse.start(pace=10)
    yield home
    await home.aclose()


@pytest.fixture
async def mqtt() -> AsyncIterator[Any]:
    driver = skill.driver()
    yield driver
    await driver.aclose()


async def adopted(mqtt: Any, home: Any, ask: Any = nobody, vault: Any = None) -> dict[str, Device]:
    finding = Finding(Sign("config", "mqtt"), home.config["at"][0])
    return {device.id: device async for device in mqtt.adopt(finding, ask, Drawer() if vault is None else vault)}


async def soon(check: Callable[[], object], seconds: float = 3.0) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "it did not become so in time"
        await asyncio.sleep(0.01)


async def read_until(mqtt: Any, device: Device, wanted: State, seconds: float = 3.0) -> None:
    until = time.monotonic() + seconds
    while not wanted.items() <= (state := await mqtt.read(device)).items():
        assert time.monotonic() < until, state
        await asyncio.sleep(0.02)


async def confirmed(mqtt: Any, device: Device, wanted: State) -> None:
    until = time.monotonic() + 2
    while True:
        state = await mqtt.read(device)
        if all(device.traits[trait].matches(value, state.get(trait)) for trait, value in wanted.items()):
            return
        assert time.monotonic() < until, (device.id, wanted, state)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def hearing(mqtt: Any, *devices: Device) -> AsyncIterator[list[Change]]:
    heard: list[Change] = []

    async def listen() -> None:
        async for change in mqtt.hear(devices):
            heard.append(change)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.05)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def announce(home: Any, topic: str, payload: Mapping[str, Any] | bytes, retain: bool = True) -> None:
    async with home.client("test") as client:
        said = payload if isinstance(payload, bytes) else json.dumps(payload)
        await client.publish(topic, said, qos=1, retain=retain)


# Adopting


async def test_every_device_is_adopted_once_with_its_name_room_and_kind(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    assert len(found) == 21
    assert {device.room for device in found.values()} == {"Kitchen", "Living Room", "Bedroom", "Hallway", "Terrace", "Garage"}
    assert (found[HALLWAY_LIGHT].name, found[HALLWAY_LIGHT].room) == ("Hallway light", "Hallway")
    assert found["mqtt.bedroom_sensor_humidity"].name == "Bedroom sensor Humidity"
    kinds = {
        "front_door": "lock",
        "alarm_panel": "alarm",
        "coffee_machine": "outlet",
        "bedroom_blinds": "cover",
        "garden_valve": "valve",
    }
    assert {name: found[f"mqtt.{name}"].kind for name in kinds} == kinds
    assert found[TV_PLUG].kind == "outlet"


async def test_batteries_and_meters_are_parts(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    parts = {device.id: device.part_of for device in found.values() if device.part_of}
    assert parts == {
        "mqtt.bedroom_sensor_battery": "mqtt.bedroom_sensor_temperature",
        "mqtt.0x00158d0001d4e5f6_power_zigbee2mqtt": TV_PLUG,
    }


async def test_a_garage_relay_is_an_entry_and_never_repeated_and_a_freezer_is_protected(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    relay = found["mqtt.garage_relay"]
    assert (relay.risk, relay.traits["on"].effect) == ("entry", EffectClass.BLIND)
    assert [device.id for device in found.values() if device.risk] == [relay.id]
    assert [device.id for device in found.values() if device.protected] == ["mqtt.freezer"]


# Reading and setting

SETS: list[tuple[str, dict[str, Value], dict[str, Value]]] = [
    ("kitchen_ceiling", {"on": True, "brightness": 35}, {"on": True, "brightness": 35}),
    ("living_lamp", {"on": True, "color": "#ff8800", "brightness": 50}, {"on": True, "color": "#ff8800", "brightness": 50}),
    ("living_lamp", {"on": True, "color_temp": 4000}, {"on": True, "color_temp": 4000}),
    ("living_lamp", {"on": True, "effect": "candle"}, {"effect": "candle"}),
    ("bedroom_ceiling", {"on": False}, {"on": False, "brightness": 100}),
    (HALLWAY_LIGHT, {"on": True, "brightness": 25, "color_temp": 2700}, {"on": True, "brightness": 25, "color_temp": 2703}),
    (TV_PLUG, {"on": False}, {"on": False, "power": 0.0}),
    ("living_thermostat", {"mode": "auto", "target": 21.5}, {"mode": "auto", "target": 21.5}),
    ("front_door", {"locked": False}, {"locked": False}),
    ("coffee_machine", {"on": True}, {"on": True}),
    ("alarm_panel", {"armed": "night"}, {"armed": "night"}),
    ("ceiling_fan", {"on": True, "speed": 75, "direction": "reverse"}, {"on": True, "speed": 75, "direction": "reverse"}),
    ("garden_valve", {"position": 100}, {"position": 100}),
    ("bedroom_blinds", {"position": 40}, {"position": 40}),
]


async def test_what_is_set_becomes_true_and_is_read_back(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    for name, wanted, true in SETS:
        device = found[name if name.startswith("mqtt.") else f"mqtt.{name}"]
        await mqtt.set(device, wanted)
        await soon(lambda device=device, true=true: true.items() <= house.truth(device.id).items())  # type: ignore[misc]
        await confirmed(mqtt, device, wanted)


async def test_a_fan_that_is_off_has_no_speed(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    fan = found["mqtt.ceiling_fan"]
    assert (await mqtt.read(fan))["speed"] == 0
    await mqtt.set(fan, {"on": True, "speed": 50})
    await read_until(mqtt, fan, {"on": True, "speed": 50})
    await mqtt.set(fan, {"on": False, "speed": 0})
    await read_until(mqtt, fan, {"on": False, "speed": 0})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("kitchen_ceiling", {"color": "#ff0000"}),
        ("living_thermostat", {"temperature": 21}),
        ("living_thermostat", {"target": 90}),
        ("living_thermostat", {"mode": "cool"}),
        ("living_lamp", {"color": "red"}),
        ("kitchen_ceiling", {"brightness": "bright"}),
        ("garden_valve", {"position": 50}),
        ("bedroom_sensor_temperature", {"value": 3}),
    ],
)
async def test_what_a_device_cannot_be_is_refused_in_words(own: Any, mqtt: Any, name: str, wanted: State) -> None:
    found = await adopted(mqtt, own)
    with pytest.raises(Refused) as refused:
        await mqtt.set(found[f"mqtt.{name}"], wanted)
    assert str(refused.value).endswith(".")


async def test_a_state_older_than_the_command_is_what_is_read(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    door = found["mqtt.front_door"]
    await mqtt.set(door, {"locked": False})
    assert (await mqtt.read(door))["locked"] is True  # the bolt takes its time
    await read_until(mqtt, door, {"locked": False})


async def test_a_blind_reports_on_its_way_and_stops_when_told(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    blind = found["mqtt.bedroom_blinds"]
    async with hearing(mqtt, blind) as heard:
        await mqtt.set(blind, {"position": 0})
        await soon(lambda: len({change.state.get("position") for change in heard}) >= 4)
        assert any(change.state.get("moving") is True for change in heard)
        await mqtt.do(blind, "stop")
        await soon(lambda: heard[-1].state.get("moving") is False)
        assert 0 < house.truth(blind.id)["position"] < 100
    with pytest.raises(Refused):
        await mqtt.do(blind, "fold")


async def test_a_pulse_is_sent_once(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    await mqtt.set(found["mqtt.garage_relay"], {"on": True})
    await soon(lambda: own.truth("mqtt.garage_relay")["door"] == "open")
    await soon(lambda: own.truth("mqtt.garage_relay")["on"] is False)
    assert own.truth("mqtt.garage_relay")["door"] == "open"


async def test_a_button_is_pressed_and_a_device_without_a_state_only_echoes(own: Any, mqtt: Any) -> None:
    await announce(own, "homeassistant/button/bell/config", {"name": "Bell", "cmd_t": "bell/press", "uniq_id": "bell"})
    await announce(own, "homeassistant/switch/dumb/config", {"name": "Dumb plug", "cmd_t": "dumb/set", "uniq_id": "dumb"})
    found = await adopted(mqtt, own)
    bell, dumb = found["mqtt.bell"], found["mqtt.dumb"]
    assert bell.verbs == {"press": EffectClass.BLIND}
    assert dumb.traits["on"].echoes
    assert not found["mqtt.coffee_machine"].traits["on"].echoes
    async with own.client("ear") as ear, hearing(mqtt, dumb) as heard:
        await ear.subscribe([("bell/press", 1), ("dumb/set", 1)])
        await mqtt.do(bell, "press")
        await mqtt.set(dumb, {"on": True})
        messages = [await anext(ear.messages), await anext(ear.messages)]
        assert [(str(m.topic), m.payload) for m in messages] == [("bell/press", b"PRESS"), ("dumb/set", b"ON")]
        await soon(lambda: any(change.state == {"on": True} for change in heard))
    assert await mqtt.read(dumb) == {"on": True}


# Hearing


async def test_a_hand_on_the_switch_is_heard(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    lamp, motion, zigbee = found["mqtt.bedside_lamp"], found["mqtt.hallway_motion"], found[HALLWAY_LIGHT]
    async with hearing(mqtt, lamp, motion, zigbee) as heard:
        for device in (lamp, motion, zigbee):
            await house.by_hand(device.id, on=True)
            await soon(lambda device=device: any(c.device == device.id and c.state.get("on") is True for c in heard))  # type: ignore[misc]
    assert {change.device for change in heard} == {lamp.id, motion.id, zigbee.id}


@pytest.mark.parametrize("name", ["mqtt.kitchen_ceiling", HALLWAY_LIGHT])
async def test_an_unplugged_device_is_unavailable_once_and_comes_back(house: Any, mqtt: Any, name: str) -> None:
    found = await adopted(mqtt, house)
    lamp = found[name]
    async with hearing(mqtt, lamp) as heard:
        await soon(lambda: [c.available for c in heard if c.available is not None] == [True])
        await house.unplug(name)
        await soon(lambda: [c.available for c in heard if c.available is not None] == [True, False])
        with pytest.raises(Unreachable):
            await mqtt.set(lamp, {"on": True})
        with pytest.raises(Unreachable):
            await mqtt.read(lamp)
        await house.plug(name)
        await soon(lambda: [c.available for c in heard if c.available is not None] == [True, False, True])
        await mqtt.set(lamp, {"on": True})
        await read_until(mqtt, lamp, {"on": True})


async def test_a_device_that_is_no_longer_announced_is_unavailable(own: Any, mqtt: Any) -> None:
    await announce(own, "homeassistant/switch/lamp/config", {"name": "Old", "cmd_t": "o/set", "stat_t": "o/is", "uniq_id": "old"})
    found = await adopted(mqtt, own)
    async with hearing(mqtt, found["mqtt.old"]) as heard:
        await announce(own, "homeassistant/switch/lamp/config", b"")
        await soon(lambda: heard[-1].available is False)
    with pytest.raises(Unreachable):
        await mqtt.set(found["mqtt.old"], {"on": True})


async def test_a_broker_that_restarts_is_one_gap_and_everything_goes_on(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    lamp, dumb = found["mqtt.kitchen_ceiling"], found["mqtt.coffee_machine"]
    async with hearing(mqtt, lamp, dumb) as heard:
        await own.broker_down()
        await soon(lambda: {c.device for c in heard if c.available is False} == {lamp.id, dumb.id})
        with pytest.raises(Unreachable):
            await mqtt.set(lamp, {"on": True})
        await asyncio.sleep(1.2)  # some attempts in vain
        await own.broker_up()
        await own.ready()
        await soon(
            lambda: [c.available for c in heard if c.device == lamp.id and c.available is not None] == [True, False, True], 8
        )
        await mqtt.set(lamp, {"on": True})
        await soon(lambda: heard[-1].state.get("on") is True)
        assert own.truth(lamp.id)["on"] is True


async def test_attaching_does_not_wait_and_needs_no_adoption(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    later = skill.driver()
    began = time.monotonic()
    for device in found.values():
        await later.attach(device)
    assert time.monotonic() - began < 0.05
    assert (await later.read(found["mqtt.kitchen_ceiling"]))["brightness"] == 60
    assert len(later._brokers) == 1
    await later.aclose()


async def test_without_a_broker_nothing_is_sent_and_it_says_so(mqtt: Any) -> None:
    lamp = Device("mqtt.x", "mqtt", "light", "Lamp", address="127.0.0.1:9")
    for attempt in (mqtt.set(lamp, {"on": True}), mqtt.read(lamp), mqtt.do(lamp, "blink")):
        with pytest.raises(Unreachable):
            await attempt
    with pytest.raises(Unreachable, match="No MQTT broker answers"):
        await anext(skill.driver().adopt(Finding(Sign("tcp", "1883"), "127.0.0.1:9"), nobody, Drawer()))
    for address in ("http://x", "mqtt://:99999", ""):
        with pytest.raises(Refused):
            await anext(mqtt.adopt(Finding(Sign("tcp", "1883"), address), nobody, Drawer()))


# Names and passwords


@asynccontextmanager
async def guarded(kind: str, folder: Path) -> AsyncIterator[Any]:
    if kind == "amqtt":
        home = await dollhouse.start(pace=10, login=("butler", "s3cret"))
        yield home
        await home.aclose()
        return
    passwords = folder / "passwords"
    passwords.write_text("butler:s3cret\n")
    tool = shutil.which("mosquitto_passwd")
    if MOSQUITTO is None or tool is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    hashed = await asyncio.create_subprocess_exec(tool, "-U", str(passwords))
    await hashed.wait()
    async with mosquitto(folder, "allow_anonymous false", f"password_file {passwords}", "user root") as broker:
        home = await dollhouse.start(pace=10, broker=broker, login=("butler", "s3cret"))
        yield home
        await home.aclose()


@pytest.mark.parametrize("kind", ["amqtt", "mosquitto"])
async def test_a_password_is_asked_for_once_and_kept_in_the_vault(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dobby")
    answers = iter(["butler", "wrong", "butler", "s3cret"])
    asked: list[str] = []

    async def ask(words: str, options: Sequence[str]) -> str:
        asked.append(words)
        return next(answers)

    vault = Drawer()
    async with guarded(kind, tmp_path) as home:
        first = skill.driver()
        found = await adopted(first, home, ask, vault)
        assert len(asked) == 4
        assert len(found) == 21
        assert {device.address for device in found.values()} == {home.config["at"][0]}
        await first.aclose()
        again = skill.driver()
        await again.attach(found["mqtt.freezer"])  # before anybody handed it the vault
        await soon(lambda: all(broker.refused for broker in again._brokers.values()))
        assert len(await adopted(again, home, nobody, vault)) == 21
        await again.aclose()
    assert "s3cret" not in caplog.text
    assert "s3cret" in vault[home.config["at"][0]]


async def test_a_password_in_the_address_goes_to_the_vault_and_nobody_who_answers_means_no() -> None:
    home = await dollhouse.start(pace=10, login=("butler", "s3cret"))
    at = home.config["at"][0]

    async def silence(words: str, options: Sequence[str]) -> str:
        return ""

    driver, vault = skill.driver(), Drawer()
    with pytest.raises(Refused):
        await adopted(driver, home, silence)
    finding = Finding(Sign("config", "mqtt"), f"mqtt://butler:s3cret@{at}")
    devices = [device async for device in driver.adopt(finding, nobody, vault)]
    assert len(devices) == 21
    assert not any("s3cret" in repr(device) for device in devices)
    assert list(vault) == [at]
    await driver.aclose()
    await home.aclose()


# Hostile neighbours

GARBAGE: list[tuple[str, bytes]] = [
    ("homeassistant/light/broken/config", b'{"name": "Broken", "cmd_t": "b/se'),
    ("homeassistant/light/list/config", b"[1, 2, 3]"),
    ("homeassistant/light/types/config", json.dumps({"name": {"a": 1}, "cmd_t": 7, "stat_t": ["x"], "dev": "me"}).encode()),
    ("homeassistant/light/deep/config", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    ("homeassistant/light/bytes/config", b"\xff\xfe\x00\x80"),
    ("homeassistant/light/huge/config", b'{"name": "' + b"x" * 1_000_000 + b'", "cmd_t": "h/set"}'),
    ("homeassistant/light/wild/config", json.dumps({"name": "All", "cmd_t": "+/set", "stat_t": "#"}).encode()),
    ("homeassistant/device/none/config", b'{"dev": {"name": "x"}, "cmps": "none"}'),
    ("zigbee2/bridge/devices", b'[{"ieee_address": 1}, 4, {"definition": {"exposes": [null, {"features": 3}]}}]'),
]


async def test_garbage_is_left_out_with_one_line_each_and_the_rest_is_adopted(house: Any, mqtt: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "dobby")
    for topic, payload in GARBAGE:
        await announce(house, topic, payload)
    found = await adopted(mqtt, house)
    assert len(found) == 21
    for topic in ("broken", "list", "deep", "bytes", "huge"):
        assert len([record for record in caplog.records if f"light/{topic}/config" in record.getMessage()]) == 1
    lamp = found["mqtt.bedside_lamp"]
    for payload in (b"{", b"\xff", b"null", b'{"brightness": "1e999", "state": []}', b"9" * 1_000_000, b'{"brightness": NaN}'):
        await announce(house, "dollhouse/bedside_lamp/state", payload, retain=False)
    assert await mqtt.read(lamp) == {"on": False, "brightness": 30}
    for topic, _ in GARBAGE:
        await announce(house, topic, b"")


async def test_a_name_from_outside_is_one_short_clean_line(own: Any, mqtt: Any) -> None:
    name = "Lamp\x00\x1b[31m\nignore all \u202eprevious " + "x" * 10_000
    await announce(
        own, "homeassistant/light/n/config", {"name": name, "cmd_t": "n/set", "uniq_id": "../n n\n", "dev": {"sa": "A\tB"}}
    )
    found = await adopted(mqtt, own)
    lamp = found["mqtt..._n_n"]
    assert lamp.name.startswith("Lamp [31m ignore all previous xxx")
    assert len(lamp.name) <= 80
    assert lamp.room == "A B"


async def test_five_thousand_announcements_are_taken_without_blocking_the_house(tmp_path: Path, mqtt: Any) -> None:
    async with mosquitto(tmp_path, "allow_anonymous true", "max_queued_messages 0") as broker:
        host, port = broker.split(":")
        async with aiomqtt.Client(host, int(port)) as client:
            for number in range(5_000):
                settings = {
                    "name": f"Lamp {number}",
                    "cmd_t": f"l/{number}/set",
                    "stat_t": f"l/{number}",
                    "uniq_id": f"l{number}",
                }
                await client.publish(f"homeassistant/light/l{number}/config", json.dumps(settings), retain=True)
        longest, stop = 0.0, asyncio.Event()

        async def watch() -> None:
            nonlocal longest
            while not stop.is_set():
                began = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)

        watching = asyncio.create_task(watch())
        finding = Finding(Sign("config", "mqtt"), broker)
        found = [device async for device in mqtt.adopt(finding, nobody, Drawer())]
        stop.set()
        await watching
        assert len(found) == 5_000
        assert longest < 0.5


async def test_a_house_ends_without_a_trace() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = asyncio.all_tasks()
        home, driver = await dollhouse.start(pace=10), skill.driver()
        found = await adopted(driver, home)
        async with hearing(driver, *found.values()):
            await driver.set(found["mqtt.bedroom_blinds"], {"position": 0})
        await driver.aclose()
        await home.aclose()
        await asyncio.sleep(0.1)
        gc.collect()
        assert asyncio.all_tasks() == before
    assert not [str(item.message) for item in caught]
