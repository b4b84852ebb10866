"""What a person says of the house itself: two things that are one, one that is two, a room that is new; with undo."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dobby.house.model import Device
from dobby.journal import household
from tests.stories.family import Family, at_home

LAMP, OTHER = "light.office", "far.light"


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        family.house.distance["far"] = 2
        yield family


def lamp(family: Family, **said: str) -> Device:
    """The desk lamp once more, through another system."""
    found = family.house.get(LAMP)
    assert found is not None
    told = {"id": OTHER, "driver": "far", "name": "Writing lamp", **said}
    return family.house.add(replace(found, **told))


def same_as(family: Family, key: str = OTHER) -> str:
    found = family.house.get(key)
    return found.same_as if found else "gone"


@pytest.mark.parametrize(
    "text",
    [
        "the desk lamp and the writing lamp are one",
        "the writing lamp and the desk lamp are the same lamp",
        "the writing lamp is actually the same as the desk lamp",
        "die writing lamp und die desk lamp sind dieselbe Lampe",
        "writing lamp ist dasselbe wie desk lamp",
        "desk lamp und writing lamp sind eigentlich eine einzige Lampe",
    ],
)
async def test_two_that_are_one_become_one_and_that_can_be_undone(home: Family, text: str) -> None:
    lamp(home)
    told = await home.tells("anna", text)
    assert "another way" in told or "anderer Weg" in told
    assert same_as(home) == LAMP and same_as(home, LAMP) == ""
    assert "Writing" not in " ".join(device.name for device in home.house)
    await home.say("anna", "undo that")
    assert same_as(home) == ""


@pytest.mark.parametrize(
    "text",
    [
        "the desk lamp is two lamps",
        "the desk lamp and the writing lamp are not the same",
        "the desk lamp and the writing lamp are actually two different lamps",
        "die desk lamp ist eigentlich zwei Lampen",
        "desk lamp und writing lamp sind nicht dieselbe Lampe",
    ],
)
async def test_one_that_is_two_becomes_two_and_that_can_be_undone(home: Family, text: str) -> None:
    lamp(home, same_as=LAMP)
    told = await home.tells("anna", text)
    assert "of its own" in told or "für sich" in told
    assert same_as(home) == ""
    assert [device.same_as for device in home.store.look(household.devices) if device.id == OTHER] == [""]
    await home.say("anna", "undo that")
    assert same_as(home) == LAMP


async def test_these_are_those_that_were_talked_about(home: Family) -> None:
    lamp(home, same_as=LAMP)
    await home.say("anna", "turn on the desk lamp")
    await home.say("anna", "these are two lamps")
    assert same_as(home) == ""
    await home.say("anna", "is the writing lamp on?")
    await home.say("anna", "das ist eine einzige Lampe")
    assert same_as(home) == LAMP


async def test_one_that_had_the_same_name_gets_another(home: Family) -> None:
    lamp(home, same_as=LAMP, name="Desk Lamp")
    await home.say("anna", "the desk lamp is two lamps")
    assert getattr(home.house.get(OTHER), "name", "") == "Desk Lamp 2"
    await home.say("anna", "undo")
    assert getattr(home.house.get(OTHER), "name", "") == "Desk Lamp" and same_as(home) == LAMP


async def test_of_several_ways_it_is_asked_which_is_something_else(home: Family) -> None:
    lamp(home, same_as=LAMP)
    lamp(home, id="third.light", driver="third", name="Third lamp", same_as=LAMP)
    asked = await home.asks("anna", "the desk lamp is two lamps")
    assert "Writing lamp (far)" in asked and "Third lamp (third)" in asked
    await home.say("anna", "the second")
    assert same_as(home) == LAMP and same_as(home, "third.light") == ""


async def test_what_is_one_of_a_guarded_thing_stays_guarded_and_keeps_that_name(home: Family) -> None:
    relay = home.house.get("relay.garage")
    assert relay is not None
    home.house.add(replace(relay, risk="entry"))
    lamp(home, id="near.relay", driver="virtual", name="Side relay", kind=relay.kind, device_class=relay.device_class)
    await home.say("anna", "the side relay and the garage relay are one")
    assert same_as(home, "near.relay") == relay.id


@pytest.mark.parametrize(
    ("who", "text"),
    [
        ("anna", "the desk lamp and the terrace heater are one"),
        ("anna", "the desk lamp is two lamps"),
        ("anna", "are the desk lamp and the writing lamp the same?"),
        ("anna", "the desk lamp and the writing lamp are the same colour"),
        ("leo", "the desk lamp and the writing lamp are one"),
        ("gus", "the desk lamp and the writing lamp are one"),
    ],
)
async def test_what_is_no_correction_or_not_theirs_to_make_corrects_nothing(home: Family, who: str, text: str) -> None:
    lamp(home)
    before = {device.id: device for device in home.house.every()}
    await home.say(who, text)
    assert {device.id: device for device in home.house.every()} == before


@pytest.mark.parametrize(
    ("text", "name", "floor"),
    [
        ("there is a new room called Study upstairs", "Study", "upstairs"),
        ("there's a new room upstairs called Music Room", "Music Room", "upstairs"),
        ("we have a new room: Den", "Den", ""),
        ("create a room called Wine Cellar in the basement", "Wine Cellar", "basement"),
        ("es gibt einen neuen Raum namens Werkraum im Keller", "Werkraum", "Keller"),
        ("wir haben ein neues Zimmer, Atelier", "Atelier", ""),
        ("lege einen neuen Raum Näherei oben an", "Näherei", "oben"),
    ],
)
async def test_a_new_room_in_words_and_back(home: Family, text: str, name: str, floor: str) -> None:
    told = await home.tells("anna", text)
    made = home.house.room(name)
    assert name in told and made is not None and (made.name, made.floor) == (name, floor)
    assert name in [room.name for room in home.store.look(household.rooms)]
    await home.say("anna", f"move the desk lamp to the {name}")
    assert getattr(home.house.get(LAMP), "room", "") == name
    await home.say("anna", "undo that")
    await home.say("anna", text)
    assert home.house.room(name) is not None  # it was known already, and stays


async def test_a_room_goes_again_by_undo_unless_something_stands_in_it(home: Family) -> None:
    await home.say("anna", "there is a new room called Study upstairs")
    await home.say("anna", "undo that")
    assert home.house.room("Study") is None and "Study" not in [room.name for room in home.store.look(household.rooms)]
    assert "role" not in await home.tells("leo", "there is a new room called Lab")
    assert home.house.room("Lab") is None


@pytest.mark.parametrize(("answer", "made"), [("yes", True), ("no", False)])
async def test_a_room_that_nobody_knows_is_asked_about_where_something_stands_nowhere(
    home: Family, answer: str, made: bool
) -> None:
    desk_lamp = home.house.get(LAMP)
    assert desk_lamp is not None
    home.house.add(replace(desk_lamp, room=""))
    asked = await home.asks("anna", "the desk lamp is in the Loggia")
    assert "Loggia" in asked
    await home.say("anna", answer)
    assert (home.house.room("Loggia") is not None) is made
    assert (getattr(home.house.get(LAMP), "room", "") == "Loggia") is made
