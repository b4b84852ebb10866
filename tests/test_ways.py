"""The same lamps through a Hue bridge, zigbee2mqtt and Home Assistant, each a device side on loopback: one thing each."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dobby.alive import Dobby
from dobby.dollhouse.house import device_side
from dobby.house.model import Device
from dobby.paths import shipped
from tests.patience import until
from tests.running import SHIPPED, ask, at_home

HUE, ZIGBEE = "00:17:88:01:0d:0b:00:01", "00:15:8d:00:01:a2:b3:c4"  # the Hue hallway lamp, zigbee2mqtt's hallway light
MINE = ("hue", "mqtt", "homeassistant")


@pytest.fixture
async def sides() -> AsyncIterator[dict[str, Any]]:
    home = await device_side(shipped("skills") / "homeassistant").start(prefix="127.77.61", pace=20)
    for device in home.tables["devices"]:
        if mac := {"Ceiling Lights": HUE, "Bed Light": ZIGBEE}.get(device["name"]):
            device["connections"] = [["zigbee", mac]]
    hue = await device_side(shipped("skills") / "hue").start(beat=0.05)
    mqtt = await device_side(shipped("skills") / "mqtt").start(pace=20)
    yield {"hue": hue, "mqtt": mqtt, "homeassistant": home}
    for side in (hue, mqtt, home):
        await side.aclose()


def tables(sides: dict[str, Any]) -> dict[str, Any]:
    return {"off": [name for name in SHIPPED if name not in MINE], **{name: dict(side.config) for name, side in sides.items()}}


def thing(dobby: Dobby, way: str) -> Device:
    """What a way leads to."""
    found = dobby.house.get(way)
    assert found is not None
    return dobby.house.get(found.same_as) or found


def ways(dobby: Dobby, way: str) -> list[str]:
    return [each.driver for each in dobby.house.ways(thing(dobby, way).id)]


LAMP, PAPER = "hue.001788010d0b0001", "mqtt.0x00158d0001a2b3c4_light_zigbee2mqtt"


async def settled(dobby: Dobby) -> None:
    await until(lambda: all(dobby.families[name].looked.is_set() and dobby.families[name].devices for name in MINE), 20)
    await until(lambda: dobby.house.get(LAMP) and dobby.house.get(PAPER) and len(ways(dobby, PAPER)) == 2, 20)


async def test_one_lamp_is_one_thing_by_whichever_way_and_obeys_by_the_best_that_answers(
    tmp_path: Path, sides: dict[str, Any]
) -> None:
    home, bridge = sides["homeassistant"], sides["hue"]
    async with at_home(tmp_path, skills=tables(sides)) as dobby:
        await settled(dobby)
        assert ways(dobby, LAMP) == ["hue", "homeassistant"]
        assert ways(dobby, PAPER) == ["mqtt", "homeassistant"]
        lamp = thing(dobby, LAMP)
        hidden = {way.id for one in dobby.house for way in dobby.house.ways(one.id) if way.same_as}
        assert not hidden & {one.id for one in dobby.house}

        name, before = lamp.name, len(home.calls)
        await ask(tmp_path, f"turn off the {name}")
        assert bridge.truth(LAMP)["on"] is False
        assert len(home.calls) == before, "its own bridge was asked, not the other system"

        await bridge.aclose()
        (said,) = await ask(tmp_path, f"turn on the {name}")
        assert home.truth("light.ceiling_lights")["state"] == "on", said
        assert dobby.house.lost(LAMP)
        assert dobby.house.state.unavailable_since(lamp.id) is None
        home.put("light.ceiling_lights", "off")
        await until(lambda: dobby.house.state.of(lamp.id)["on"] is False)

    async with at_home(tmp_path, skills=tables(sides)) as dobby:
        assert thing(dobby, LAMP) == lamp
        assert set(ways(dobby, LAMP)) == {"hue", "homeassistant"}


async def test_lamps_that_are_on_are_counted_once(tmp_path: Path, sides: dict[str, Any]) -> None:
    async with at_home(tmp_path, skills=tables(sides)) as dobby:
        await settled(dobby)
        names = [thing(dobby, way).name for way in (LAMP, PAPER)]
        for name in names:
            await ask(tmp_path, f"turn on the {name}")
        (said,) = await ask(tmp_path, "how many lights are on?")
        lit = [one.name for one in dobby.house if one.kind == "light" and dobby.house.state.of(one.id).get("on")]
        assert said.startswith(f"{len(lit)}:") or said.startswith(f"{len(lit) + 1}:"), said  # a switch may be a light by its name
        others = {way.name for name in (LAMP, PAPER) for way in dobby.house.ways(thing(dobby, name).id)} - set(names)
        assert all(said.count(name) == 1 for name in names)
        assert not any(name in said for name in others)
