"""The MQTT skill against a house of MQTT devices: an embedded broker always, Mosquitto where it is installed."""

from typing import Any

import pytest

from dobby import EffectClass, Refused, State, Unreachable, Value
from tests.patience import confirmed, until
from tests.skills.mqtt_house import (
    HALLWAY_LIGHT,
    TV_PLUG,
    adopted,
    announce,
    hearing,
    house,
    mqtt,
    own,
)

__all__ = ["house", "mqtt", "own"]  # fixtures


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
        await until(lambda device=device, true=true: true.items() <= house.truth(device.id).items())  # type: ignore[misc]
        await confirmed(mqtt, device, wanted)


async def test_a_fan_that_is_off_has_no_speed(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    fan = found["mqtt.ceiling_fan"]
    assert (await mqtt.read(fan))["speed"] == 0
    await mqtt.set(fan, {"on": True, "speed": 50})
    await confirmed(mqtt, fan, {"on": True, "speed": 50})
    await mqtt.set(fan, {"on": False, "speed": 0})
    await confirmed(mqtt, fan, {"on": False, "speed": 0})


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
    await confirmed(mqtt, door, {"locked": False})


async def test_a_blind_reports_on_its_way_and_stops_when_told(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    blind = found["mqtt.bedroom_blinds"]
    async with hearing(mqtt, blind) as heard:
        await mqtt.set(blind, {"position": 0})
        await until(lambda: len({change.state.get("position") for change in heard}) >= 4)
        assert any(change.state.get("moving") is True for change in heard)
        await mqtt.do(blind, "stop")
        await until(lambda: heard[-1].state.get("moving") is False)
        assert 0 < house.truth(blind.id)["position"] < 100
    with pytest.raises(Refused):
        await mqtt.do(blind, "fold")


async def test_a_pulse_is_sent_once(own: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, own)
    await mqtt.set(found["mqtt.garage_relay"], {"on": True})
    await until(lambda: own.truth("mqtt.garage_relay")["door"] == "open")
    await until(lambda: own.truth("mqtt.garage_relay")["on"] is False)
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
        await until(lambda: any(change.state == {"on": True} for change in heard))
    assert await mqtt.read(dumb) == {"on": True}


# Hearing


async def test_a_hand_on_the_switch_is_heard(house: Any, mqtt: Any) -> None:
    found = await adopted(mqtt, house)
    lamp, motion, zigbee = found["mqtt.bedside_lamp"], found["mqtt.hallway_motion"], found[HALLWAY_LIGHT]
    async with hearing(mqtt, lamp, motion, zigbee) as heard:
        for device in (lamp, motion, zigbee):
            await house.by_hand(device.id, on=True)
            await until(lambda device=device: any(c.device == device.id and c.state.get("on") is True for c in heard))  # type: ignore[misc]
    assert {change.device for change in heard} == {lamp.id, motion.id, zigbee.id}


@pytest.mark.parametrize("name", ["mqtt.kitchen_ceiling", HALLWAY_LIGHT])
async def test_an_unplugged_device_is_unavailable_once_and_comes_back(house: Any, mqtt: Any, name: str) -> None:
    found = await adopted(mqtt, house)
    lamp = found[name]
    async with hearing(mqtt, lamp) as heard:
        await until(lambda: [c.available for c in heard if c.available is not None] == [True])
        await house.unplug(name)
        await until(lambda: [c.available for c in heard if c.available is not None] == [True, False])
        with pytest.raises(Unreachable):
            await mqtt.set(lamp, {"on": True})
        with pytest.raises(Unreachable):
            await mqtt.read(lamp)
        await house.plug(name)
        await until(lambda: [c.available for c in heard if c.available is not None] == [True, False, True])
        await mqtt.set(lamp, {"on": True})
        await confirmed(mqtt, lamp, {"on": True})


async def test_a_device_that_is_no_longer_announced_is_unavailable(own: Any, mqtt: Any) -> None:
    await announce(own, "homeassistant/switch/lamp/config", {"name": "Old", "cmd_t": "o/set", "stat_t": "o/is", "uniq_id": "old"})
    found = await adopted(mqtt, own)
    async with hearing(mqtt, found["mqtt.old"]) as heard:
        await announce(own, "homeassistant/switch/lamp/config", b"")
        await until(lambda: heard[-1].available is False)
    with pytest.raises(Unreachable):
        await mqtt.set(found["mqtt.old"], {"on": True})
