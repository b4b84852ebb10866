"""Tasmota, ESPHome and Frigate on a real Mosquitto: what they publish, by their docs and sources, and a Tasmota that lives."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from hypothesis import given, settings, strategies as st

from dobby import Device, Finding, Sign, Unreachable
from tests.patience import ENOUGH, confirmed, until
from tests.skills.mqtt_house import Drawer, hearing, mosquitto, mqtt, nobody  # noqa: F401

catalog, frigate, entity = (import_module(f"dobby_skill_mqtt.{name}") for name in ("catalog", "frigate", "entity"))

# tasmota/discovery/MAC/config as Tasmota 12 sends it; the fields are those of github.com/emontnemery/hatasmota
# (tests/components/tasmota/test_common.py in home-assistant/core has such messages).
CONFIG: dict[str, Any] = {
    "ip": "192.168.15.10",
    "dn": "Washer Plug",
    "fn": ["Washer", None, None, None, None, None, None, None],
    "hn": "tasmota-49A3BC-0956",
    "mac": "DC4F2249A3BC",
    "md": "NOUS A1T",
    "ty": 0,
    "if": 0,
    "ofln": "Offline",
    "onln": "Online",
    "state": ["OFF", "ON", "TOGGLE", "HOLD"],
    "sw": "12.4.0",
    "t": "tasmota_49A3BC",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
    "rl": [1, 0, 0, 0, 0, 0, 0, 0],
    "swc": [-1, -1, -1, -1, -1, -1, -1, -1],
    "swn": [None, None, None, None, None, None, None, None],
    "btn": [0, 0, 0, 0, 0, 0, 0, 0],
    "so": {"4": 0, "11": 0, "13": 0, "17": 0, "20": 0, "30": 0, "68": 0, "73": 0, "82": 0, "114": 0, "117": 0},
    "lk": 1,
    "lt_st": 0,
    "sho": [0, 0, 0, 0],
    "ver": 1,
}
ENERGY = {"TotalStartTime": "2023-01-01T00:00:00", "Total": 12.345, "Yesterday": 1.2, "Today": 0.4, "Power": 0, "Voltage": 231}
SENSORS = {"sn": {"Time": "2023-05-01T12:00:00", "ENERGY": ENERGY}, "ver": 1}
LAMP = CONFIG | {
    "dn": "Desk",
    "fn": ["Desk Lamp"],
    "mac": "DC4F22000002",
    "t": "desk",
    "rl": [2, 0, 0, 0, 0, 0, 0, 0],
    "lt_st": 5,
}
BLIND = CONFIG | {"dn": "Blind", "fn": ["Left Blind", None], "mac": "DC4F22000003", "t": "blind", "rl": [3, 3, 0, 0, 0, 0, 0, 0]}


class Tasmota:
    """A device that answers as Tasmota does: `stat/…/RESULT` after a command, `tele/…/LWT` retained, its will when it dies."""

    def __init__(self, broker: str, config: Mapping[str, Any], sensors: Mapping[str, Any] | None = None) -> None:
        self.host, _, port = broker.partition(":")
        self.port, self.config, self.sensors = int(port), dict(config), sensors
        self.state: dict[str, Any] = {"POWER": "OFF"}
        if config["lt_st"]:
            self.state |= {"Dimmer": 40, "Color": "0000000000", "HSBColor": "0,0,40", "CT": 300}
        self.shutter = {"Position": 100, "Direction": 0, "Target": 100}
        self.told: list[tuple[str, str]] = []
        self._client: aiomqtt.Client | None = None
        self._running: asyncio.Task[None] | None = None

    def topic(self, prefix: str, word: str) -> str:
        return f"{prefix}/{self.config['t']}/{word}"

    async def plug(self) -> None:
        """Power on: it connects, announces itself and says how it is."""
        up = asyncio.Event()
        self._running = asyncio.create_task(self._run(up))
        await asyncio.wait_for(up.wait(), ENOUGH)

    async def unplug(self) -> None:
        """Power off: no goodbye, so that the broker speaks its will."""
        assert self._client and self._running
        cut = self._client._client.socket()
        assert isinstance(cut, socket.socket)
        cut.shutdown(socket.SHUT_RDWR)
        await asyncio.wait({self._running}, timeout=5)
        self._running = None

    async def _run(self, up: asyncio.Event) -> None:
        will = aiomqtt.Will(self.topic("tele", "LWT"), "Offline", qos=1, retain=True)
        with suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(self.host, self.port, will=will) as client:
                self._client = client
                await client.subscribe(self.topic("cmnd", "#"))
                await client.publish(self.topic("tele", "LWT"), "Online", retain=True)
                base = f"tasmota/discovery/{self.config['mac']}"
                await client.publish(f"{base}/config", json.dumps(self.config), retain=True)
                await client.publish(f"{base}/sensors", json.dumps(self.sensors or {"sn": {}, "ver": 1}), retain=True)
                await self.tele()
                up.set()
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    await self.obey(str(message.topic).rpartition("/")[2], message.payload.decode())

    async def tele(self) -> None:
        await self._say("tele", "STATE", {"Time": "2023-05-01T12:00:00", "UptimeSec": 7, **self.state})
        if self.sensors:
            await self._say("tele", "SENSOR", self.sensors["sn"])

    async def _say(self, prefix: str, word: str, rows: Mapping[str, Any]) -> None:
        assert self._client
        await self._client.publish(self.topic(prefix, word), json.dumps(rows))

    async def press(self, on: bool) -> None:
        """A finger on its button."""
        self.state["POWER"] = "ON" if on else "OFF"
        await self._say("stat", "RESULT", {"POWER": self.state["POWER"]})

    async def obey(self, command: str, payload: str) -> None:
        self.told.append((command, payload))
        if command == "Backlog":
            for part in payload.split(";"):
                name, _, value = part.strip().partition(" ")
                self._color(name, float(value))
            await self._say("stat", "RESULT", {key: self.state[key] for key in ("POWER", "Dimmer", "Color", "HSBColor")})
        elif command == "STATUS":
            await self._say("stat", "STATUS10", {"StatusSNS": (self.sensors or {})["sn"]})
        elif command == "STATE":
            await self._say("stat", "RESULT", self.state)
        elif command.startswith("Shutter"):
            if payload and command == "ShutterPosition1":
                self.shutter |= {"Position": int(payload), "Target": int(payload)}
            await self._say("stat", "RESULT", {"Shutter1": self.shutter})
        elif command == "POWER1":
            await self.press(payload == "ON")
        else:
            self.state |= {command: int(float(payload)), "POWER": "ON"}
            await self._say("stat", "RESULT", {"POWER": "ON", command: self.state[command]})

    def _color(self, name: str, value: float) -> None:
        parts = [float(part) for part in self.state["HSBColor"].split(",")]
        parts[{"HSBColor1": 0, "HSBColor2": 1}[name]] = value
        self.state |= {"HSBColor": ",".join(f"{part:g}" for part in parts), "POWER": "ON"}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[str]:
    async with mosquitto(tmp_path) as at:
        yield at


async def found(mqtt: Any, broker: str) -> dict[str, Device]:  # noqa: F811
    finding = Finding(Sign("mdns", "_mqtt._tcp.local."), broker)
    return {device.id: device async for device in mqtt.adopt(finding, nobody, Drawer())}


@asynccontextmanager
async def plugged(*things: Tasmota) -> AsyncIterator[None]:
    for thing in things:
        await thing.plug()
    yield
    for thing in things:
        if thing._running:
            await thing.unplug()


PLUG = "mqtt.tasmota_dc4f2249a3bc_relay1"


async def test_a_tasmota_plug_is_found_with_its_meter_set_read_and_heard(broker: str, mqtt: Any) -> None:  # noqa: F811
    plug = Tasmota(broker, CONFIG, SENSORS)
    async with plugged(plug):
        devices = await found(mqtt, broker)
        washer = devices[PLUG]
        assert (washer.name, washer.kind, washer.identity) == ("Washer", "outlet", "mac:dc4f2249a3bc")
        parts = {device.device_class: device for device in devices.values() if device.part_of == PLUG}
        assert set(parts) == {"energy", "power", "voltage"}  # Today and Yesterday say the same again
        assert parts["energy"].name == "Washer Plug energy" and parts["energy"].traits["value"].unit == "kWh"
        assert await mqtt.read(parts["energy"]) == {"value": 12.345}  # asked for, on stat/STATUS10
        assert await mqtt.read(washer) == {"on": False}
        async with hearing(mqtt, washer, parts["power"]) as heard:
            await mqtt.set(washer, {"on": True})
            await until(lambda: any(change.state.get("on") is True for change in heard))
            assert plug.state["POWER"] == "ON" and ("POWER1", "ON") in plug.told
            await plug.press(False)
            await until(lambda: heard[-1].state == {"on": False})
            plug.sensors = {"sn": {"ENERGY": ENERGY | {"Power": 1830}}, "ver": 1}
            await plug.tele()
            await until(lambda: any(change.state.get("value") == 1830 for change in heard))


async def test_a_tasmota_without_power_is_gone_once_and_comes_back_at_another_address(broker: str, mqtt: Any) -> None:  # noqa: F811
    plug = Tasmota(broker, CONFIG, SENSORS)
    async with plugged(plug):
        washer = (await found(mqtt, broker))[PLUG]
        async with hearing(mqtt, washer) as heard:
            said: Callable[[], list[bool]] = lambda: [c.available for c in heard if c.available is not None]  # noqa: E731
            await until(lambda: said() == [True])
            await plug.unplug()
            await until(lambda: said() == [True, False])
            with pytest.raises(Unreachable):
                await mqtt.set(washer, {"on": True})
            plug.config["ip"] = "192.168.15.77"
            await plug.plug()
            await until(lambda: said() == [True, False, True])
        await mqtt.set(washer, {"on": True})
        await confirmed(mqtt, washer, {"on": True})
        assert (await found(mqtt, broker))[PLUG].id == washer.id


async def test_a_tasmota_lamp_and_shutter(broker: str, mqtt: Any) -> None:  # noqa: F811
    lamp, blind = Tasmota(broker, LAMP), Tasmota(broker, BLIND)
    async with plugged(lamp, blind):
        devices = await found(mqtt, broker)
        desk, left = devices["mqtt.tasmota_dc4f22000002_relay1"], devices["mqtt.tasmota_dc4f22000003_shutter1"]
        assert (desk.kind, set(desk.traits)) == ("light", {"on", "brightness", "color_temp", "color"})
        assert (await mqtt.read(desk))["brightness"] == 40
        await mqtt.set(desk, {"brightness": 70})
        await confirmed(mqtt, desk, {"on": True, "brightness": 70})
        await mqtt.set(desk, {"color": "#ff0000"})
        assert await mqtt.read(desk) is not None
        await until(lambda: ("Backlog", "HSBColor1 0; HSBColor2 100") in lamp.told)
        await confirmed(mqtt, desk, {"color": "#ff0000"})
        await mqtt.set(desk, {"color_temp": 2700})
        await until(lambda: ("CT", "370") in lamp.told)
        assert (left.name, left.kind, await mqtt.read(left)) == ("Left Blind", "cover", {"position": 100})
        await mqtt.set(left, {"position": 30})
        await confirmed(mqtt, left, {"position": 30})
        await mqtt.do(left, "stop")
        await until(lambda: ("ShutterStop1", "1") in blind.told)


# ESPHome's own announcements (esphome/components/mqtt/mqtt_component.cpp, mqtt_light.cpp, mqtt_sensor.cpp)
NODE = {"ids": "a4cf12f05a3c", "name": "Hall Node", "sw": "esphome v2024.6.4", "mdl": "esp32dev", "mf": "espressif"}
ESPHOME = {
    "homeassistant/light/hall-node/strip/config": {
        "schema": "json",
        "clrm": True,
        "supported_color_modes": ["rgb"],
        "brightness": True,
        "name": "Strip",
        "stat_t": "hall-node/light/strip/state",
        "cmd_t": "hall-node/light/strip/command",
        "avty_t": "hall-node/status",
        "uniq_id": "ESPlightstrip",
        "dev": NODE,
    },
    "homeassistant/sensor/hall-node/hall_humidity/config": {
        "dev_cla": "humidity",
        "unit_of_meas": "%",
        "stat_cla": "measurement",
        "name": "Hall Humidity",
        "stat_t": "hall-node/sensor/hall_humidity/state",
        "avty_t": "hall-node/status",
        "uniq_id": "ESPsensorhall_humidity",
        "dev": NODE,
    },
}


async def test_an_esphome_node_is_found_read_set_heard_and_missed(broker: str, mqtt: Any) -> None:  # noqa: F811
    host, _, port = broker.partition(":")
    async with aiomqtt.Client(host, int(port)) as node:
        for topic, config in ESPHOME.items():
            await node.publish(topic, json.dumps(config), retain=True)
        await node.publish("hall-node/status", "online", retain=True)
        await node.publish("hall-node/sensor/hall_humidity/state", "48.2", retain=True)
        await node.subscribe("hall-node/light/strip/command")
        devices = await found(mqtt, broker)
        strip, humid = devices["mqtt.ESPlightstrip"], devices["mqtt.ESPsensorhall_humidity"]
        assert (strip.name, humid.name, humid.part_of) == ("Hall Node Strip", "Hall Node Hall Humidity", strip.id)
        await confirmed(mqtt, humid, {"value": 48.2})
        async with hearing(mqtt, strip) as heard:
            await mqtt.set(strip, {"brightness": 50})
            message = await asyncio.wait_for(anext(aiter(node.messages)), ENOUGH)
            assert isinstance(message.payload, bytes)
            assert json.loads(message.payload) in ({"brightness": 128}, {"state": "ON", "brightness": 128})
            await node.publish("hall-node/light/strip/state", '{"state":"ON","color_mode":"rgb","brightness":128}', retain=True)
            await until(lambda: heard[-1].state.get("brightness") == 50)
            await node.publish("hall-node/status", "offline", retain=True)
            await until(lambda: heard[-1].available is False)
            with pytest.raises(Unreachable):
                await mqtt.set(strip, {"on": False})


# frigate/events as docs.frigate.video/integrations/mqtt shows it
SEEN: dict[str, Any] = {
    "id": "1607123955.475377-mxklsc",
    "camera": "front_door",
    "label": "person",
    "sub_label": ["Ben", 0.93],
    "top_score": 0.958984375,
    "false_positive": False,
    "start_time": 1607123955.475377,
    "end_time": None,
    "score": 0.87890625,
    "box": [432, 496, 544, 854],
    "current_zones": ["yard", "driveway"],
    "entered_zones": ["yard", "driveway"],
    "has_snapshot": True,
    "stationary": False,
}
REVIEW = {
    "id": "1718987129.308396-fqk5ka",
    "camera": "front_door",
    "start_time": 1718987129.308396,
    "end_time": None,
    "severity": "alert",
    "thumb_path": "/media/frigate/clips/review/thumb-front_door-1718987129.308396-fqk5ka.webp",
    "data": {"detections": ["1718987128.947436-g92ztx"], "objects": ["person", "car"], "sub_labels": [], "zones": ["yard"]},
}
JPEG = bytes.fromhex("ffd8ffe000104a464946") + b"\0" * 500


def event(phase: str, **more: Any) -> str:
    return json.dumps({"type": phase, "before": SEEN, "after": SEEN | more})


async def test_frigates_cameras_are_devices_that_hear_of_what_it_follows(broker: str, mqtt: Any) -> None:  # noqa: F811
    host, _, port = broker.partition(":")
    async with aiomqtt.Client(host, int(port)) as nvr:
        await nvr.publish("frigate/available", "online", retain=True)
        await nvr.publish("frigate/front_door/detect/state", "ON", retain=True)
        await nvr.publish("frigate/front_door/person/snapshot", JPEG, retain=True)
        await nvr.subscribe("frigate/front_door/detect/set")
        devices = await found(mqtt, broker)
        door = devices["mqtt.frigate_front_door"]
        assert (door.kind, door.name, set(door.traits)) == ("camera", "Front door", {"on", "motion"})
        await confirmed(mqtt, door, {"on": True, "motion": False})
        async with hearing(mqtt, door) as heard:
            await nvr.publish("frigate/events", event("new"))
            await until(lambda: heard[-1].state.get("motion") is True)
            seen = await mqtt.sighted(door)
            assert (seen.id, seen.phase, seen.kind, seen.labels) == (SEEN["id"], "new", "event", ("person",))
            assert (seen.name, seen.zones, round(seen.score, 2)) == ("Ben", ("yard", "driveway"), 0.96)
            assert seen.picture == JPEG and seen.end == 0.0
            await nvr.publish("frigate/events", event("end", end_time=1607123990.0))
            await until(lambda: heard[-1].state.get("motion") is False)
            await mqtt.set(door, {"on": False})
            message = await asyncio.wait_for(anext(aiter(nvr.messages)), ENOUGH)
            assert message.payload == b"OFF"
            await nvr.publish("frigate/available", "offline", retain=True)
            await until(lambda: heard[-1].available is False)


def test_a_review_is_read_and_what_is_odd_is_nothing() -> None:
    seen = frigate.sight("frigate/reviews", json.dumps({"type": "new", "before": REVIEW, "after": REVIEW}).encode())
    assert (seen.kind, seen.labels, seen.zones) == ("alert", ("person", "car"), ("yard",))
    for odd in (b"", b"[]", b'{"type":"new"}', b'{"type":"new","after":[]}', b"\xff", event("new", false_positive=True).encode()):
        assert frigate.sight("frigate/events", odd) is None
    said = frigate.sight("frigate/events", event("update", label="x\n\x00" * 500, entered_zones=[{}, 3, "z" * 900]).encode())
    assert len(said.labels[0]) <= 40 and len(said.zones) == 1 and len(said.zones[0]) <= 40


TREE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 400) | st.text(max_size=6),
    lambda rows: (
        st.lists(rows, max_size=4) | st.dictionaries(st.sampled_from([*CONFIG, "sn", "Total", "after", "data"]), rows, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(TREE, TREE, st.sampled_from(sorted(CONFIG)))
def test_no_tasmota_and_no_frigate_message_breaks_the_catalog(odd: Any, sensors: Any, key: str) -> None:
    book = catalog.Catalog("broker:1883")
    book.take("tasmota/discovery/X/sensors", json.dumps({"sn": sensors, "ver": 1}).encode())
    book.take("tasmota/discovery/X/config", json.dumps(CONFIG | {key: odd}).encode())
    book.take("frigate/events", json.dumps({"type": "new", "after": odd}).encode())
    book.take(
        "frigate/events", json.dumps({"type": "new", "after": {**SEEN, "sub_label": odd, "entered_zones": sensors}}).encode()
    )
    book.take("frigate/+/detect/state", b"ON")
    assert book.devices() is not None and not any("broke the reader" in line for line in book._lines)
    book.take("tasmota/discovery/X/config", b"")
    assert not [name for name in book._lives if "tasmota" in name]
