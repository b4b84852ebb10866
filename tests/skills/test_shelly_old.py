"""Shellys of the first generation: their own HTTP pages on loopback, through the same driver as the later ones."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, EffectClass, Finding, Refused, Sign, Unreachable, Unsure
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer, nobody
from tests.patience import confirmed, hearing, until

pytest.importorskip("aioshelly", reason="pip install 'dobby[shelly]'")
load_skill(shipped("skills") / "shelly")
skill = import_module("dobby_skill_shelly")
dollhouse = import_module("dobby_skill_shelly.dollhouse")

PLUG, SHUTTER = "shelly.c45bbe5f0001-switch0", "shelly.c45bbe5f0002-cover0"
DIMMER, BULB = "shelly.c45bbe5f0003-light0", "shelly.c45bbe5f0004-rgb0"


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    home = await dollhouse.start(pace=10)
    yield home
    await home.aclose()


@pytest.fixture
async def shelly() -> AsyncIterator[Any]:
    driver = skill.Shelly(pause=0.1, beat=0.05)
    yield driver
    await driver.aclose()


async def adopted(shelly: Any, thing: Any, ask: Any = nobody, vault: Any = None) -> dict[str, Device]:
    finding = Finding(Sign("mdns", "_http._tcp.local."), thing.address, {"name": "shellyplug-s-5F0001"})
    return {device.id: device async for device in shelly.adopt(finding, ask, Drawer() if vault is None else vault)}


@pytest.fixture
async def things(house: Any, shelly: Any) -> dict[str, Device]:
    return {
        key: device for key in (PLUG, SHUTTER, DIMMER, BULB) for key, device in (await adopted(shelly, house.thing(key))).items()
    }


async def test_one_is_found_by_its_web_page_and_is_what_it_switches_with_its_meter_as_a_part(things: dict[str, Device]) -> None:
    assert {key: (device.kind, device.name) for key, device in things.items() if not device.part_of} == {
        PLUG: ("outlet", "Aquarium plug"),
        SHUTTER: ("cover", "Attic shutter"),
        DIMMER: ("light", "Stairs dimmer"),
        BULB: ("light", "Party bulb"),
    }
    assert things[f"{PLUG}-energy"].part_of == PLUG
    assert things[PLUG].identity == "mac:c45bbe5f0001"


async def test_everything_is_read_as_it_is(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    house.thing(PLUG).become(on=True)
    assert await shelly.read(things[PLUG]) == {"on": True}
    assert await shelly.read(things[f"{PLUG}-power"]) == {"value": 40.0}
    assert await shelly.read(things[f"{PLUG}-energy"]) == {"value": 0.02}, "1200 watt-minutes"
    assert await shelly.read(things[SHUTTER]) == {"position": 100, "moving": False}
    assert await shelly.read(things[DIMMER]) == {"on": False, "brightness": 50}


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (PLUG, {"on": True}),
        (SHUTTER, {"position": 30}),
        (SHUTTER, {"position": 0}),
        (DIMMER, {"on": True, "brightness": 70}),
        (BULB, {"on": True, "color": "#00ff80"}),
        (BULB, {"on": True, "brightness": 20}),
    ],
)
async def test_what_is_set_is_read_back(shelly: Any, things: dict[str, Device], key: str, wanted: dict[str, Any]) -> None:
    await shelly.set(things[key], wanted)
    await confirmed(shelly, things[key], wanted)


async def test_a_shutter_stops_on_its_way(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    house.thing(SHUTTER).pace = 0.5
    await shelly.set(things[SHUTTER], {"position": 0})
    await until(lambda: house.truth(SHUTTER)["position"] < 90)
    await shelly.do(things[SHUTTER], "stop")
    assert (await shelly.read(things[SHUTTER]))["moving"] is False
    assert house.truth(SHUTTER)["position"] > 0


async def test_a_relay_that_falls_back_is_never_told_twice(house: Any, shelly: Any) -> None:
    house.thing(PLUG).settings["relays"][0] |= {"auto_off": 1.0, "name": "Garage door"}
    gate = (await adopted(shelly, house.thing(PLUG)))[PLUG]
    assert (gate.name, gate.traits["on"].effect) == ("Garage door", EffectClass.BLIND)


async def test_a_password_is_asked_for_once_kept_in_the_vault_and_told_to_no_other(house: Any, shelly: Any) -> None:
    plug, vault, asked = house.thing(PLUG), Drawer(), []
    plug.password, plug.shelly["auth"] = "hidden", True

    async def ask(words: str, options: Any) -> str:
        asked.append(words)
        return "wrong" if len(asked) == 1 else "hidden"

    device = (await adopted(shelly, plug, ask, vault))[PLUG]
    assert vault == {"c45bbe5f0001": "hidden"}
    assert len(asked) == 2
    await adopted(shelly, plug, nobody, vault)
    plug.shelly["mac"] = "C45BBE5F9999"
    await plug.aclose()
    await plug.open()
    plug.calls.clear()
    with pytest.raises(Unreachable, match="Another device"):
        await shelly.read(device)
    assert set(plug.calls) == {"shelly"}, "another one hears no password"


async def test_what_a_hand_does_is_heard_and_nothing_twice(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, [things[PLUG], things[DIMMER]]) as ear:
        house.thing(PLUG).become(on=True)
        await ear.comes(PLUG, on=True)
        house.thing(PLUG).become(on=False)
        await ear.comes(PLUG, on=False)
        assert [change.state["on"] for change in ear.heard if change.device == PLUG] == [False, True, False]


async def test_a_restart_is_said_once_and_clears_by_itself(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, [things[PLUG]]) as ear:
        await house.thing(PLUG).aclose()
        await until(lambda: ear.available(PLUG) == [True, False])
        with pytest.raises(Unreachable):
            await shelly.set(things[PLUG], {"on": True})
        await house.thing(PLUG).open()
        await until(lambda: ear.available(PLUG) == [True, False, True])
        await shelly.set(things[PLUG], {"on": True})
    assert house.truth(PLUG)["on"] is True


async def test_a_new_address_is_followed(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    plug = house.thing(PLUG)
    await plug.aclose()
    plug.port = 0
    await plug.open()
    moved = (await adopted(shelly, plug))[PLUG]
    assert moved == replace(things[PLUG], address=plug.address)
    await shelly.set(moved, {"on": True})
    assert await shelly.read(moved) == {"on": True}


@pytest.mark.parametrize("how", ["drop", "cut", "garbage"])
async def test_a_link_cut_in_the_middle_is_a_doubt_that_reading_ends(
    house: Any, shelly: Any, things: dict[str, Device], how: str
) -> None:
    house.thing(PLUG).trouble["relay"] = how
    with pytest.raises(Unsure):
        await shelly.set(things[PLUG], {"on": True})
    assert await shelly.read(things[PLUG]) == {"on": how != "drop"}
    assert sum(call.startswith("relay") for call in house.thing(PLUG).calls) == 1, "sent once"


async def test_what_it_refuses_is_told_in_its_own_words(shelly: Any, things: dict[str, Device]) -> None:
    gone = replace(things[PLUG], id="shelly.c45bbe5f0001-switch7")
    with pytest.raises(Refused, match="Bad turn!"):
        await shelly.set(gone, {"on": True})


@pytest.mark.parametrize("page", ["settings", "status"])
@pytest.mark.parametrize(
    "wrong", [[], {"relays": 7, "lights": {}, "meters": None}, {"relays": [None, {"ison": 7}], "mode": ["x"]}]
)
async def test_garbage_is_a_clear_error_or_nothing(house: Any, shelly: Any, page: str, wrong: Any) -> None:
    setattr(house.thing(PLUG), page, wrong)
    try:
        found = await adopted(shelly, house.thing(PLUG))
    except (Unsure, Refused, Unreachable) as error:
        assert "Shelly" in str(error)
    else:
        for device in found.values():
            with_value = await shelly.read(device)
            assert with_value.get("on") in (None, True, False)


async def test_garbage_while_it_listens_loses_nothing(house: Any, shelly: Any, things: dict[str, Device]) -> None:
    async with hearing(shelly, [things[PLUG]]) as ear:
        house.thing(PLUG).trouble["status"] = "garbage"
        await until(lambda: "status" not in house.thing(PLUG).trouble)
        house.thing(PLUG).become(on=True)
        await ear.comes(PLUG, on=True)
        assert ear.available(PLUG) == [True], "a look that made no sense is no news"
    await asyncio.sleep(0)
