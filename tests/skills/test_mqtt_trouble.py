"""The MQTT skill where things go wrong: brokers that die, passwords, hostile neighbours, thousands of them."""

import asyncio
import gc
import json
import logging
import shutil
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from dobby import Device, Finding, Refused, Sign, Unreachable, Unsure
from tests.patience import confirmed, until
from tests.skills.mqtt_house import (
    MOSQUITTO,
    Drawer,
    adopted,
    announce,
    dollhouse,
    hearing,
    house,
    mosquitto,
    mqtt,
    nobody,
    own,
    skill,
)

__all__ = ["house", "mqtt", "own"]  # fixtures
LAMP = "mqtt.kitchen_ceiling"


# A broker that goes and comes


async def test_a_broker_that_restarts_is_one_gap_and_everything_goes_on(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    lamp, dumb = found["mqtt.kitchen_ceiling"], found["mqtt.coffee_machine"]
    async with hearing(mqtt, lamp, dumb) as heard:
        await own.broker_down()
        await until(lambda: {c.device for c in heard if c.available is False} == {lamp.id, dumb.id})
        with pytest.raises(Unreachable):
            await mqtt.set(lamp, {"on": True})
        await asyncio.sleep(1.2)  # some attempts in vain
        await own.broker_up()
        await own.ready()
        await until(
            lambda: [c.available for c in heard if c.device == lamp.id and c.available is not None] == [True, False, True], 8
        )
        await mqtt.set(lamp, {"on": True})
        await until(lambda: heard[-1].state.get("on") is True)
        assert own.truth(lamp.id)["on"] is True


class Wire:
    """A wire to a broker. `trouble` breaks it at the next order: `drop` before the broker has it, `cut` after, with no answer."""

    def __init__(self, broker: str) -> None:
        self.trouble = ""
        self._broker = broker
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        """Where it leads in."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _lead(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        host, _, port = self._broker.partition(":")
        far, forth = await asyncio.open_connection(host, int(port))
        for task in (self._carry(near, forth, back), self._carry(far, back, forth)):
            self._tasks.add(asyncio.create_task(task))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, other: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            broken = self.trouble if b"/set" in data else ""
            if broken:
                other.transport.abort()  # no answer comes back
                self.trouble = ""
            if broken != "drop":
                sink.write(data)
                await sink.drain()
            if broken:
                break
        sink.close()  # what is on its way arrives
        other.transport.abort()


@pytest.mark.parametrize("how", ["drop", "cut"])
async def test_a_line_cut_in_the_middle_of_a_command_is_a_doubt_that_reading_ends(own: Any, mqtt: Any, how: str) -> None:
    wire = Wire(own.config["at"][0])
    try:
        lamp = {d.id: d async for d in mqtt.adopt(Finding(Sign("config", "mqtt"), await wire.open()), nobody, Drawer())}[LAMP]
        before = own.truth(LAMP)["on"]
        wire.trouble = how
        with pytest.raises(Unsure):
            await mqtt.set(lamp, {"on": not before})

        async def read() -> Any:
            with suppress(Unreachable, Unsure):  # the line is on its way back
                return (await mqtt.read(lamp)).get("on") is (before if how == "drop" else not before)

        await until(read)
        await mqtt.set(lamp, {"on": not before})
        await confirmed(mqtt, lamp, {"on": not before})
    finally:
        await mqtt.aclose()
        await wire.aclose()


async def test_a_broker_at_a_new_address_has_the_same_devices(own: Any, mqtt: Any) -> None:
    wire = Wire(own.config["at"][0])
    before = await adopted(mqtt, own)
    try:
        at = await wire.open()
        moved = {device.id: device async for device in mqtt.adopt(Finding(Sign("config", "mqtt"), at), nobody, Drawer())}
        assert moved.keys() == before.keys()
        assert {device.address for device in moved.values()} == {at} != {before[LAMP].address}
        await mqtt.set(moved[LAMP], {"on": True, "brightness": 33})
        await confirmed(mqtt, moved[LAMP], {"brightness": 33})
    finally:
        await mqtt.aclose()
        await wire.aclose()


async def test_attaching_does_not_wait_and_needs_no_adoption(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    later = skill.driver()
    for device in found.values():
        await later.attach(device)
    assert not any(broker.up for broker in later._brokers.values()), "nobody was waited for"
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


# Silence


async def test_motion_ends_and_a_sensor_goes_stale_as_announced(own: Any, mqtt: Any) -> None:
    motion = {"name": "Motion", "stat_t": "m", "uniq_id": "m", "off_dly": 0.2}
    meter = {"name": "Meter", "stat_t": "w", "uniq_id": "w", "exp_aft": 0.2, "unit_of_meas": "W"}
    await announce(own, "homeassistant/binary_sensor/m/config", motion)
    await announce(own, "homeassistant/sensor/w/config", meter)
    found = await adopted(mqtt, own)
    async with hearing(mqtt, found["mqtt.m"], found["mqtt.w"]) as heard:
        await announce(own, "m", b"ON", retain=False)
        await announce(own, "w", b"7", retain=False)
        await until(lambda: [c.state["on"] for c in heard if "on" in c.state] == [True, False])
        await until(lambda: [c.available for c in heard if c.device == "mqtt.w" and c.available is not None] == [True, False])
        await announce(own, "w", b"8", retain=False)
        await until(
            lambda: [c.available for c in heard if c.device == "mqtt.w" and c.available is not None][:3] == [True, False, True]
        )


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
        await until(lambda: all(broker.refused for broker in again._brokers.values()))
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
    async with mosquitto(tmp_path) as broker:
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
        turns, stop = 0, asyncio.Event()

        async def watch() -> None:
            nonlocal turns
            while not stop.is_set():
                await asyncio.sleep(0.005)
                turns += 1

        watching = asyncio.create_task(watch())
        finding = Finding(Sign("config", "mqtt"), broker)
        found = [device async for device in mqtt.adopt(finding, nobody, Drawer())]
        stop.set()
        await watching
        assert len(found) == 5_000
        assert turns > 10  # everybody else had their turns meanwhile


async def test_a_house_ends_without_a_trace() -> None:
    gc.collect()  # what others left is not this house's
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = asyncio.all_tasks()
        home, driver = await dollhouse.start(pace=10), skill.driver()
        found = await adopted(driver, home)
        async with hearing(driver, *found.values()):
            await driver.set(found["mqtt.bedroom_blinds"], {"position": 0})
        await driver.aclose()
        await home.aclose()
        await until(lambda: asyncio.all_tasks() == before)
        gc.collect()
    assert not [str(item.message) for item in caught]
