"""The Home Assistant skill against an instance on loopback that replays what a real one said, and against a real one where told.

`HOME_ASSISTANT=http://:TOKEN@host:port` names a Home Assistant with `demo:` that may be switched about.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

from dobby import Change, Device, EffectClass, Finding, Refused, Sign, State, Unreachable, Unsure, Voice
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer
from tests.patience import confirmed, until

PREFIX = "127.77.58"
load_skill(shipped("skills") / "homeassistant")
skill = import_module("dobby_skill_homeassistant")
hub = import_module("dobby_skill_homeassistant.hub")
dollhouse = device_side(shipped("skills") / "homeassistant")


async def nobody(words: str, options: Sequence[str]) -> str:
    return ""


class Person:
    """Somebody who answers in turn."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def __call__(self, words: str, options: Sequence[str]) -> str:
        self.asked.append(words)
        return self.answers.pop(0)


@pytest.fixture
async def home() -> AsyncIterator[Any]:
    instance = await dollhouse.start(prefix=PREFIX, pace=20)
    yield instance
    await instance.aclose()


@pytest.fixture
async def driver() -> AsyncIterator[Any]:
    made = skill.driver()
    yield made
    await made.aclose()


async def adopted(driver: Any, at: str, ask: Any = nobody, vault: Any = None, **says: str) -> dict[str, Device]:
    finding = Finding(Sign("mdns" if says else "config", "homeassistant"), at, says)
    return {device.name: device async for device in driver.adopt(finding, ask, Drawer() if vault is None else vault)}


@pytest.fixture
async def found(home: Any, driver: Any) -> dict[str, Device]:
    return await adopted(driver, home.config["at"][0])


@asynccontextmanager
async def hearing(driver: Any, *devices: Device) -> AsyncIterator[list[Change]]:
    heard: list[Change] = []

    async def listen() -> None:
        async for change in driver.hear(devices):
            heard.append(change)

    task = asyncio.create_task(listen())
    await until(lambda: {change.device for change in heard} == {device.id for device in devices})
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def there(heard: Sequence[Change]) -> list[bool]:
    return [change.available for change in heard if change.available is not None]


# Found and taken in


async def test_what_is_exposed_comes_with_names_rooms_and_identity(found: dict[str, Device]) -> None:
    kitchen = found["Kitchen Lights"]
    assert (kitchen.kind, kitchen.room, kitchen.aliases) == ("light", "Kitchen", ("worktop lights",))
    assert kitchen.identity.split() == ["demo:light_3", "mac:001788010baabb99"]
    assert found["Bed Light"].identity.split() == ["demo:light_1", "mac:d073d5010203"]
    kinds = {device.kind for device in found.values()}
    assert kinds >= {"light", "switch", "fan", "cover", "lock", "climate", "water_heater", "humidifier", "speaker", "vacuum"}
    assert kinds >= {"sensor", "alarm", "camera", "weather", "calendar", "person", "scene", "script", "button", "siren", "list"}
    assert found["Living Room Window"].room == "Living Room"
    assert len({device.id for device in found.values()}) == len(found)


async def test_what_is_hidden_secondary_unexposed_or_a_group_stays_out(found: dict[str, Device]) -> None:
    out = {"Office RGBW Lights", "AC", "volume", "Sun", "Sun Next dawn", "Downstairs lights", "Basement Floor Wet"}
    assert not out & set(found)
    assert "Half of them" in found, "a group of which one member is not here is a thing of its own"


async def test_areas_bring_their_floors_and_aliases(driver: Any, found: dict[str, Device]) -> None:
    rooms = {room.name: (room.floor, room.aliases) for room in driver.rooms()}
    assert rooms["Living Room"] == ("Ground floor", ("lounge",))
    assert rooms["Bedroom"] == ("Upstairs", ())
    assert rooms["Garage"] == ("", ())


async def test_what_each_can_do_is_what_its_features_say(found: dict[str, Device]) -> None:
    assert set(found["Kitchen Lights"].traits) == {"on", "brightness", "color_temp", "color"}
    hvac = found["Hvac"]
    assert "heat_cool" not in hvac.traits["mode"].options
    assert (hvac.traits["target"].low, hvac.traits["target"].high) == (7, 35)
    assert found["Demo Water Heater"].traits["target"].high == 60
    assert not found["Security"].traits["armed"].settable, "it wants its code each time"
    assert found["Decorative Lights"].traits["on"].echoes
    assert found["Bedtime story"].verbs["run"] is EffectClass.BLIND
    assert not found["Outside Temperature"].traits["value"].settable


async def test_a_token_is_asked_for_once_and_kept(home: Any) -> None:
    person, vault = Person("wrong", home.token), Drawer()
    first = skill.driver()
    found = await adopted(first, home.at, person, vault)
    assert len(person.asked) == 2
    assert "long-lived access token" in person.asked[0]
    await first.aclose()
    assert home.logins == 2
    again = skill.driver()
    assert len(await adopted(again, home.at, nobody, vault)) == len(found)
    await again.aclose()


async def test_without_a_token_nothing_is_tried(home: Any, driver: Any) -> None:
    with pytest.raises(Refused, match="wants a token"):
        await adopted(driver, home.at)
    assert home.logins == 0


async def test_nobody_there_is_said_before_a_token_is_asked_for(driver: Any) -> None:
    with pytest.raises(Unreachable, match="No Home Assistant answers at http"):
        await adopted(driver, "http://127.0.0.1:9", Person())
    for wrong in ("ftp://x", "http://", "http://x:99999"):
        with pytest.raises(Refused):
            await adopted(driver, wrong, Person())


async def test_one_that_moved_keeps_its_token_if_a_person_says_so(home: Any, driver: Any) -> None:
    vault = Drawer()
    await adopted(driver, f"{home.host}:{home.port}", Person(home.token), vault, uuid="abc")
    await home.down()
    home.port = 0
    await home.up()
    with pytest.raises(Refused):
        await adopted(driver, f"{home.host}:{home.port}", nobody, vault, uuid="abc")
    person = Person("yes")
    moved = await adopted(driver, f"{home.host}:{home.port}", person, vault, uuid="abc")
    assert "Is it the same?" in person.asked[0]
    await driver.set(moved["Kitchen Lights"], {"on": False})
    assert home.truth("light.kitchen_lights")["state"] == "off"


# Read and set

WANTED = [
    ("Kitchen Lights", {"on": True, "brightness": 40}),
    ("Kitchen Lights", {"on": True, "color_temp": 3000}),
    ("Kitchen Lights", {"on": False}),
    ("Bed Light", {"on": True, "color": "#ff0000"}),
    ("Bed Light", {"on": True, "effect": "rainbow"}),
    ("Decorative Lights", {"on": False}),
    ("Living Room Fan", {"on": True, "speed": 60}),
    ("Living Room Fan", {"on": False, "speed": 0}),
    ("Living Room Window", {"position": 30}),
    ("Kitchen Window", {"position": 100}),
    ("Front Door", {"locked": False}),
    ("Front Door", {"locked": True}),
    ("Hvac", {"target": 23}),
    ("Hvac", {"mode": "heat"}),
    ("Ecobee", {"target_low": 19}),
    ("HeatPump", {"target": 19}),
    ("Humidifier", {"target_humidity": 40}),
    ("Demo Water Heater", {"target": 50}),
    ("Kitchen", {"volume": 30}),
    ("Kitchen", {"playing": "paused", "on": True}),
    ("Kitchen", {"on": False, "playing": "off"}),
    ("0_Ground_floor", {"state": "cleaning"}),
]


@pytest.mark.parametrize(("name", "wanted"), WANTED)
async def test_what_is_set_is_so(driver: Any, found: dict[str, Device], name: str, wanted: State) -> None:
    await driver.set(found[name], wanted)
    await confirmed(driver, found[name], wanted)


@pytest.mark.parametrize(
    ("name", "wanted", "words"),
    [
        ("Kitchen Lights", {"brightness": 300}, "goes from 0 to 100 %"),
        ("Kitchen Lights", {"on": "maybe"}, "on or off"),
        ("Kitchen Lights", {"color": "red-ish"}, "not a colour"),
        ("Hvac", {"mode": "turbo"}, "can be off, heat"),
        ("Hvac", {"target": 60}, "goes from 7 to 35 °C"),
        ("Kitchen Window", {"position": 50}, "cannot be told that"),
        ("Security", {"armed": "disarmed"}, "can only be read"),
        ("Outside Temperature", {"value": 3}, "can only be read"),
        ("Front Door", {"position": 3}, "has no position"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    home: Any, driver: Any, found: dict[str, Device], name: str, wanted: State, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        await driver.set(found[name], wanted)
    assert not home.calls


async def test_degrees_of_a_fahrenheit_house_are_converted_both_ways(driver: Any) -> None:
    home = await dollhouse.start(prefix=PREFIX, pace=20, fahrenheit=True)
    try:
        home.put("sensor.outside_temperature", "68", unit_of_measurement="°F")
        home.put("climate.hvac", min_temp=45, max_temp=95, temperature=70)
        found = await adopted(driver, home.config["at"][0])
        outside = found["Outside Temperature"]
        assert outside.traits["value"].unit == "°C"
        assert (await driver.read(outside))["value"] == 20
        assert (found["Hvac"].traits["target"].low, found["Hvac"].traits["target"].high) == (7.22, 35)
        await driver.set(found["Hvac"], {"target": 21})
        assert home.truth("climate.hvac")["temperature"] == 69.8
        assert (await driver.read(found["Hvac"]))["target"] == 21
    finally:
        await home.aclose()


async def test_verbs_are_services(home: Any, driver: Any, found: dict[str, Device]) -> None:
    home.put("media_player.kitchen", supported_features=512 | 16384)
    home.tell("entity_registry_updated", {})
    await until(lambda: "with" in driver._hub(home.at).entities[found["Kitchen"].id].verbs["play"])
    await driver.do(found["Movie time"], "run")
    await driver.do(found["Push"], "press")
    await driver.do(found["Kitchen"], "play", what="http://127.0.0.1:9/a.mp3")
    assert [call[:2] for call in home.calls] == [
        ("scene.movie_time", "turn_on"),
        ("button.push", "press"),
        ("media_player.kitchen", "play_media"),
    ]
    with pytest.raises(Refused, match="plays addresses, not names"):
        await driver.do(found["Kitchen"], "play", what="jazz")
    with pytest.raises(Refused, match="cannot do that"):
        await driver.do(found["Front Door"], "dance")


class Aloud:
    """Somebody who reads texts aloud."""

    async def clip(self, text: str, near: str) -> str:
        return f"http://{near}:9/{text.replace(' ', '-')}.wav"


async def test_a_text_is_announced_as_a_sound(home: Any, driver: Any, found: dict[str, Device]) -> None:
    home.put("media_player.kitchen", supported_features=512 | 16384 | 1048576)
    home.tell("entity_registry_updated", {})
    await until(lambda: "announce" in driver._hub(home.at).entities[found["Kitchen"].id].verbs)
    with pytest.raises(Refused, match="nobody here who reads texts aloud"):
        await driver.do(found["Kitchen"], "announce", text="dinner is ready")
    driver.voice = Voice(Aloud())
    await driver.do(found["Kitchen"], "announce", text="dinner is ready")
    entity, service, data = home.calls[-1][:3]
    assert (entity, service, data["announce"]) == ("media_player.kitchen", "play_media", True)
    assert re.fullmatch(r"http://127\.[\d.]+:9/dinner-is-ready\.wav", data["media_content_id"])
    with pytest.raises(Refused, match="cannot do that"):
        await driver.do(found["Front Door"], "announce", text="dinner is ready")


async def test_a_list_is_read_and_written(home: Any, driver: Any, found: dict[str, Device]) -> None:
    shopping = found["Shopping List"]
    assert (await driver.read(shopping))["items"] == ["Bread"]
    await driver.do(shopping, "add", item="milk")
    assert await driver.read(shopping) == {"items": ["Bread", "milk"], "count": 2}
    await driver.do(shopping, "complete", item="Bread")
    assert (await driver.read(shopping))["items"] == ["milk"]
    with pytest.raises(Refused, match="Unable to find to-do list item"):
        await driver.do(shopping, "remove", item="caviar")


async def test_a_person_is_home_away_or_unknown(home: Any, driver: Any, found: dict[str, Device]) -> None:
    said = {name: (await driver.read(found[name]))["home"] for name in ("Anna", "Ben")}
    assert said == {"Anna": "home", "Ben": "away"}
    for state, is_home in (("Work", "away"), ("unknown", "unknown"), ("home", "home")):
        home.put("person.ben", state)
        assert (await driver.read(found["Ben"]))["home"] == is_home


# Heard


async def test_changes_are_pushed_and_being_gone_is_said_once(home: Any, driver: Any, found: dict[str, Device]) -> None:
    lamp = found["Kitchen Lights"]
    async with hearing(driver, lamp) as heard:
        home.put("light.kitchen_lights", "off", brightness=None)
        await until(lambda: heard[-1].state.get("on") is False)
        home.put("light.kitchen_lights", "unavailable")
        home.put("light.kitchen_lights", "unavailable", brightness=3)
        await until(lambda: there(heard) == [True, False])
        with pytest.raises(Unreachable, match="is not there"):
            await driver.set(lamp, {"on": True})
        home.put("light.kitchen_lights", "on", brightness=255)
        await until(lambda: there(heard) == [True, False, True] and heard[-1].state["brightness"] == 100)


async def test_a_new_name_or_room_is_seen_at_the_next_look(home: Any, driver: Any, found: dict[str, Device]) -> None:
    row = next(row for row in home.tables["entities"] if row["entity_id"] == "light.bed_light")
    row["entity_id"] = "light.reading_lamp"
    home.states["light.reading_lamp"] = {**home.states.pop("light.bed_light"), "entity_id": "light.reading_lamp"}
    home.tables["exposed"]["light.reading_lamp"] = {"conversation": True}
    home.tell("entity_registry_updated", {"event_type": "entity_registry_updated"})
    await until(lambda: any(entity.entity == "light.reading_lamp" for entity in driver._hub(home.at).entities.values()))
    await driver.set(found["Bed Light"], {"on": True})
    assert home.calls[-1][0] == "light.reading_lamp", "the device is the same, whatever its entity is called now"


# Trouble


async def test_a_restart_is_one_gap_and_everything_goes_on(home: Any, driver: Any, found: dict[str, Device]) -> None:
    lamp = found["Kitchen Lights"]
    async with hearing(driver, lamp) as heard:
        await home.down()
        await until(lambda: there(heard) == [True, False])
        with pytest.raises(Unreachable):
            await driver.set(lamp, {"on": True})
        home.starting = True
        await home.up()
        await until(lambda: driver._hub(home.at).up)
        with pytest.raises(Unreachable, match="still starting"):
            await driver.read(lamp)
        home.starting = False
        await until(lambda: there(heard) == [True, False, True])
        await driver.set(lamp, {"on": False})
        assert home.truth(lamp.id)["state"] == "off"


async def test_attaching_does_not_wait(home: Any, driver: Any, found: dict[str, Device]) -> None:
    later = skill.driver()
    later.vault = Drawer({home.at: home.token})
    for device in found.values():
        await later.attach(device)
    assert (await later.read(found["Front Door"]))["locked"] is True
    assert len(later._hubs) == 1
    await later.aclose()


@pytest.mark.parametrize(("trouble", "done"), [("drop", False), ("cut", True)])
async def test_a_link_cut_in_the_middle_of_a_command_is_unsure(
    home: Any, driver: Any, found: dict[str, Device], trouble: str, done: bool
) -> None:
    home.trouble["turn_off"] = trouble
    with pytest.raises(Unsure, match="went away"):
        await driver.set(found["Kitchen Lights"], {"on": False})
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            assert (await driver.read(found["Kitchen Lights"]))["on"] is not done
            break
        except (Unreachable, Unsure):
            await asyncio.sleep(0.05)
    await driver.set(found["Kitchen Lights"], {"on": False})


async def test_a_device_that_did_not_answer_home_assistant_is_unsure(home: Any, driver: Any, found: dict[str, Device]) -> None:
    home.trouble["lock"] = "fail"
    with pytest.raises(Unsure, match="Timeout while talking to the device"):
        await driver.set(found["Front Door"], {"locked": True})


async def test_an_unknown_service_is_refused_in_words(home: Any, driver: Any, found: dict[str, Device]) -> None:
    entity = await driver._hub(home.at).entity(found["Kitchen Lights"])
    with pytest.raises(Refused, match=r"Service light\.nonsense not found"):
        await driver._hub(home.at).call(hub.Order("nonsense", {}), entity)


@pytest.mark.parametrize(
    "said",
    [
        "nonsense",
        "[]",
        "[1, null, {}]",
        '{"id": "x", "type": "event"}',
        '{"id": 4, "type": "event", "event": {"a": [], "c": {"light.kitchen_lights": 3}, "r": 7}}',
        '{"id": 4, "type": "event", "event": {"c": {"light.kitchen_lights": {"+": {"s": 5, "a": []}, "-": {"a": 1}}}}}',
        '{"id": 4, "type": "event", "event": {"c": {"light.kitchen_lights": {"+": {"a": {"brightness": "much"}}}}}}',
    ],
)
async def test_garbage_changes_nothing(home: Any, driver: Any, found: dict[str, Device], said: str) -> None:
    before = await driver.read(found["Front Door"])
    await home.say(said)
    assert await driver.read(found["Front Door"]) == before
    assert (await driver.read(found["Kitchen Lights"]))["on"] is True


async def test_a_house_of_wrong_types_is_taken_in_as_far_as_it_goes(home: Any, driver: Any) -> None:
    home.states["light.kitchen_lights"]["attributes"] |= {"friendly_name": ["x"], "supported_color_modes": "hs", "brightness": {}}
    home.states["light.bed_light"]["attributes"] = None
    home.states["cover.kitchen_window"]["attributes"]["friendly_name"] = "Kit\x00chen" + "x" * 500
    home.tables["areas"].append(7)
    home.tables["devices"] = None
    home.tables["exposed"] = []
    found = await adopted(driver, home.config["at"][0])
    assert found["kitchen lights"].traits.keys() == {"on"}
    assert all(len(name) <= 200 and name.isprintable() for name in found)


async def test_a_token_that_ends_is_said_once_and_asked_for_again(
    home: Any, driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vault = Drawer()
    found = await adopted(driver, home.at, Person(home.token), vault)
    caplog.clear()
    async with hearing(driver, found["Front Door"]) as heard:
        home.token = "another"
        home.cut()
        await until(lambda: driver._hub(home.at).refused)
        tried = home.logins
        with pytest.raises(Unreachable, match="I need a new one"):
            await driver.set(found["Front Door"], {"locked": True})
        with pytest.raises(Refused, match="wants a token"):
            await adopted(driver, home.at, nobody, vault)
        assert home.logins == tried, "who keeps trying is banned"
        assert there(heard) == [True, False]
        await adopted(driver, home.at, Person("another"), vault)
        await until(lambda: there(heard) == [True, False, True])
    assert sum("wants a token" in record.message for record in caplog.records) == 1
    assert "another" not in caplog.text
    assert vault[home.at] == "another"


# A real one


@pytest.mark.optional
@pytest.mark.skipif("HOME_ASSISTANT" not in os.environ, reason="HOME_ASSISTANT names no Home Assistant with `demo:`")
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        row
        for row in WANTED
        if row[0] in ("Kitchen Lights", "Bed Light", "Living Room Fan", "Living Room Window", "Front Door", "Hvac")
    ],
)
async def test_a_real_home_assistant_does_the_same(driver: Any, name: str, wanted: State) -> None:
    found = await adopted(driver, os.environ["HOME_ASSISTANT"])
    await driver.set(found[name], wanted)
    await confirmed(driver, found[name], wanted)
