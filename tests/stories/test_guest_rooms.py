"""A guest with rooms hears of those rooms and of nothing else: whatever they ask, the rest of the house makes no difference."""

from dataclasses import replace

import pytest

from dobby.discovery.look import Look
from dobby.drawing import Drawing
from dobby.events import Role, Value
from dobby.house.kinds import specs
from dobby.house.model import Device
from dobby.mind.plain import PlainMind
from dobby.mind.plain.speech import Speech
from dobby.mind.route import Routed
from dobby.people import Limits, Person
from tests.stories.family import Family, at_home

OFFICE = Person("gus", "Gus", Role.GUEST, limits=Limits(rooms=("Office",)))
ASKED = """
what's on?
what is on upstairs?
is the garage still open?
is the garage door closed?
is everything locked?
are all the doors locked?
is the front door locked?
is the kitchen ceiling on?
how bright is the bedroom light?
how warm is it in the bedroom?
how warm is it?
pool temp?
which windows are open?
is any window open?
who is home?
is Anna home?
where is Anna?
is anybody home?
what's playing?
what is playing in the kitchen?
what's in the kitchen?
what rooms are there?
what devices do you have?
list all devices
list the lights
how many lights are on?
which lights are on?
what is unavailable?
which batteries are low?
who came today?
who was at the door?
what do you see?
what's on the driveway?
show me the driveway
tell me when somebody comes
when was the front door unlocked last?
who turned on the terrace heater?
since when is the kitchen ceiling on?
was the garage open today?
how much power do we use?
why was electricity so high yesterday?
show me the bedroom temperature today
last month's energy
what's on the shopping list?
what's on my calendar?
what's on my network?
what did you just do?
what did we teach you?
what have you not understood?
who may write to you?
what did Anna say yesterday?
what appointments are there?
turn everything off
kitchen ceiling off
unlock the front door
good night
is it off?
what about the bedroom?
was ist an?
ist die Haustür zu?
wer ist zuhause?
wie warm ist es im Schlafzimmer?
wer war heute da?
was läuft gerade?
was ist oben an?
ist die Garage offen?
"""


def other(value: Value) -> Value:
    """As different as a value can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 7
    return {"playing": "paused", "heat": "off", "home": "away"}.get(str(value), "something else")


async def furnish(family: Family, *, turned: bool) -> None:
    """Gus has the office; people come and go; `turned`: everything outside of it is otherwise, and called otherwise."""
    await family.people.keep(OFFICE)
    family.desk.mind = Routed(PlainMind(family.house), lambda: (), lambda: True)
    for name in ("Anna", "Tom"):
        family.house.add(Device(f"person.{name}", "virtual", "person", name, traits=specs("person")))
        family.by_hand(f"person.{name}", home="home")
    for device in list(family.house) if turned else ():
        if device.room != "Office":
            family.by_hand(device.id, **{trait: other(value) for trait, value in family.now(device.id).items()})
            family.house.add(replace(device, name=f"Other {device.name}"))
    await family.say("anna", "remember that the key is under the mat" if turned else "hello")
    await family.say("anna", "front door unlock")
    await family.say("anna", "no")


@pytest.mark.timeout(120)
async def test_whatever_he_asks_the_rest_of_the_house_makes_no_difference() -> None:
    heard: list[dict[str, str]] = []
    for turned in (False, True):
        async with at_home() as family:
            await furnish(family, turned=turned)
            heard.append({text: await family.tells("gus", text) for text in ASKED.strip().splitlines()})
            outside = [one for one in family.house if one.room != "Office" and one.kind not in ("person", "list")]
    first, second = heard
    assert {text: (said, second[text]) for text, said in first.items() if said != second[text]} == {}
    assert all(first.values()), "and nothing is left without an answer"
    names = [device.name.removeprefix("Other ") for device in outside]
    told = {
        text: name for text, said in first.items() for name in names if name in said and name.casefold() not in text.casefold()
    }
    assert told == {}


async def test_his_own_rooms_he_hears_of_and_runs() -> None:
    async with at_home() as family:
        await furnish(family, turned=False)
        assert "21" in await family.asks("gus", "how warm is it?")
        assert "Desk Lamp" in await family.asks("gus", "what's on?")
        await family.say("gus", "turn off the desk lamp")
        assert family.now("light.office")["on"] is False
        await family.say("gus", "all lights on")
        assert family.now("light.office_ceiling")["on"] is True and family.now("light.hall_wall")["on"] is False
        assert "Office Ceiling" in await family.tells("gus", "undo")
        assert "Desk Lamp" in await family.asks("anna", "is the desk lamp on?"), "the others hear of all"


@pytest.mark.parametrize(("rooms", "role", "seen"), [(("Office",), Role.GUEST, {"Office"}), ((), Role.GUEST, set())])
async def test_the_page_draws_him_his_rooms(rooms: tuple[str, ...], role: Role, seen: set[str]) -> None:
    async def look() -> Look:
        return Look({})

    async with at_home() as family:
        person = replace(OFFICE, role=role, limits=Limits(rooms=rooms))
        drawn = await Drawing(family.house, family.clock, look, lambda one: Speech("en"))(person)
        assert {room["name"] for room in drawn["rooms"]} == seen
        assert drawn["network"] == [] and drawn["looked"] == 0.0
