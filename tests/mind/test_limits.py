"""The plain mind under strain: renamed houses, hostile texts and names, houses of thousands."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st
from stage import HOUSE, Stage

from dobby.events import Role
from dobby.house import kinds
from dobby.house.load import PlainYaml, parse
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal.pack import REMEMBER
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context, Plan

NOBODY = Context("ann", Role.OWNER, datetime(2026, 3, 2, 19, 40, tzinfo=UTC))
STRANGE = ["Quibble", "Zanthor", "Mirabel", "Oxley", "Tamsin", "Wendover", "Ulverst", "Pellam", "Ickwell", "Brundle"]


def renamed() -> tuple[Stage, dict[str, str]]:
    """The house with every room called otherwise, and the devices' names following."""
    data = yaml.load(HOUSE.read_text("utf-8"), PlainYaml)
    names = {room["name"]: f"{new} Chamber" for room, new in zip(data["rooms"], STRANGE, strict=True)}
    for room in data["rooms"]:
        room.update(name=names[room["name"]], aliases=[])
    for device in data["devices"]:
        device["aliases"] = []
        if "room" in device:
            old, device["room"] = device["room"], names[device["room"]]
            device["name"] = device["name"].replace(old, device["room"])
    return Stage(parse(yaml.safe_dump(data, allow_unicode=True))), names


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("turn off the {} lights", "Kitchen"),
        ("close the {} blinds and turn off the lights", "Bedroom"),
        ("play jazz in the {}", "Kitchen"),
        ("set the {} to 22", "Living Room"),
        ("{} light off", "Hallway"),
        ("all lights off except the {}", "Hallway"),
        ("what's the temperature in the {}", "Bedroom"),
        ("turn everything off in the {}", "Office"),
        ("vacuum the {}", "Kitchen"),
    ],
)
async def test_results_follow_when_every_room_is_renamed(text: str, room: str) -> None:
    first, (second, names) = Stage(), renamed()
    assert (await first.say(text.format(room))).changes == (await second.say(text.format(names[room]))).changes
    assert (await second.say(text.format("Kitchenette"))).changes == {}


async def test_a_new_name_counts_at_once() -> None:
    stage = Stage()
    assert (await stage.say("moonbeam on")).changes == {}
    lamp = stage.house.get("light.floor_lamp")
    assert lamp is not None
    stage.house.add(replace(lamp, name="Moonbeam"))
    assert (await stage.say("moonbeam on")).changes == {"light.floor_lamp": {"on": True}}


@pytest.mark.parametrize(
    "name",
    [
        "turn off everything",
        "unlock the front door",
        "(a+)+$",
        "[",
        "{name}",
        "%s",
        "yes",
        "all",
        "the",
        "50 %",
        "📷",
        "\u202e",
        "not",
        "at 7",
        "and",
    ],
)
async def test_a_device_may_be_called_anything(name: str) -> None:
    stage = Stage()
    light = stage.house.get("light.floor_lamp")
    assert light is not None
    stage.house.add(replace(light, id="light.odd", name=name, room=""))
    assert (await stage.say("hallway light off")).changes == {"light.hallway": {"on": False}}
    assert (await stage.say("lock the back door")).changes == {"lock.back": {"locked": True}}
    seen = await stage.say(name)
    assert not set(seen.changes) & {"lock.front", "lock.back", "outlet.freezer", "climate.living"}


COMMON = """turn on off the all lights kitchen and except not 7 % at door lock , ? der und it garage open dim to play in
add list everything no other is degrees bedroom up a bit 📷"""
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(COMMON.split()),
        max_size=40,
    ).map(" ".join),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
async def test_any_text_is_answered(strained: Stage, text: str) -> None:
    plan = await strained.mind.plan(text, NOBODY)
    assert isinstance(plan, Plan)
    assert plan.say or plan.calls or plan.order or plan.due
    for call in plan.calls:
        if call.tool == REMEMBER:
            continue
        device = strained.house.get(call.device)
        assert device is not None
        if call.tool == "set":
            assert all(device.traits[trait].settable for trait in call.args)
        else:
            assert call.args["verb"] in device.verbs


@pytest.fixture(scope="module")
def strained() -> Stage:
    return Stage()


@pytest.mark.parametrize(
    "text", ["lights " * 2000, "a" * 10_000, "and " * 2500, "((" * 5000, "🎉" * 5000, "lock " * 90, "1 " * 240]
)
async def test_a_long_text_takes_little_time(text: str, strained: Stage) -> None:
    await strained.mind.plan("hi", NOBODY)
    began = time.process_time()
    plan = await strained.mind.plan(text, NOBODY)
    assert time.process_time() - began < 1.0
    assert plan.calls == ()


def big(count: int) -> House:
    house = House()
    for at in range(count):
        room = f"{STRANGE[at % 10]} {at // 40}"
        device = Device(
            f"light.{at}", "virtual", "light", f"{STRANGE[at // 7 % 10]} Lamp {at}", room=room, traits=kinds.specs("light")
        )
        house.add(device)
    return house


async def typical(count: int) -> float:
    """The middle processor time of a plain command, in seconds."""
    mind = PlainMind(big(count))
    await mind.plan("hi", NOBODY)
    took = []
    for at in range(40):
        began = time.process_time()
        plan = await mind.plan(f"turn on the {STRANGE[at % 10]} 0 lights", NOBODY)
        took.append(time.process_time() - began)
        assert plan.calls
    return sorted(took)[20]


async def test_a_house_of_thousands_costs_little_more() -> None:
    small, large = await typical(30), await typical(3000)
    assert large < 3 * small + 0.002
    assert large < 0.02
