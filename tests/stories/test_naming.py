"""What a person may correct of a thing in words: its name, its room, what it opens, whether it is protected; with undo."""

from collections.abc import AsyncIterator

import pytest

from tests.stories.family import Family, at_home


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


@pytest.mark.parametrize(
    ("text", "device", "trait", "value"),
    [
        ("rename the desk lamp to Reader", "light.office", "name", "Reader"),
        ("benenne die Desk Lamp in Leselampe um", "light.office", "name", "Leselampe"),
        ("move the desk lamp to the bedroom", "light.office", "room", "Bedroom"),
        ("the desk lamp is in the kitchen", "light.office", "room", "Kitchen"),
        ("the kitchen sonos is in the office", "speaker.kitchen", "room", "Office"),
        ("der kitchen sonos steht jetzt im office", "speaker.kitchen", "room", "Office"),
        ("move the desk lamp to the new room Attic", "light.office", "room", "Attic"),
        ("the freezer plug is not protected", "outlet.freezer", "protected", False),
        ("protect the terrace heater", "switch.heater", "protected", True),
        ("the terrace heater opens the gate", "switch.heater", "risk", "entry"),
    ],
)
async def test_a_thing_is_corrected_in_words_and_that_can_be_undone(
    home: Family, text: str, device: str, trait: str, value: object
) -> None:
    before = home.house.get(device)
    told = await home.tells("anna", text)
    assert "Kept" in told or "Behalten" in told
    assert getattr(home.house.get(device), trait) == value
    await home.say("anna", "undo that")
    await home.say("anna", "yes")  # where that makes Dobby less careful, he asks
    assert home.house.get(device) == before


async def test_it_is_what_was_talked_about_last(home: Family) -> None:
    await home.say("anna", "turn on the desk lamp")
    await home.say("anna", "this is in the kitchen")
    assert getattr(home.house.get("light.office"), "room", "") == "Kitchen"


async def test_that_a_thing_opens_nothing_is_asked_about_first(home: Family) -> None:
    assert "not yours" in await home.asks("leo", "the garage relay opens nothing")
    await home.say("anna", "the garage relay opens nothing")
    assert getattr(home.house.get("relay.garage"), "risk", "") == ""
    await home.say("anna", "yes")
    assert getattr(home.house.get("relay.garage"), "risk", "") == "comfort"


@pytest.mark.parametrize(
    "text",
    [
        "move the music to the kitchen",
        "move the kitchen sonos to the office",
        "is the desk lamp in the kitchen?",
        "Anna is in the kitchen",
    ],
)
async def test_what_is_no_correction_corrects_nothing(home: Family, text: str) -> None:
    before = {device.id: device for device in home.house}
    await home.say("anna", text)
    assert {device.id: device for device in home.house} == before
