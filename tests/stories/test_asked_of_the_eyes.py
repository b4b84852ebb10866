"""Who came, when, and what somebody is told of: asked in plain words, answered with what was seen and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.stories.family import Family, at_home
from tests.stories.test_sightings import furnish, seen, told


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        furnish(family)
        yield family


async def speaks(home: Family, language: str) -> None:
    await home.people.keep(replace(home.people.named("Anna"), language=language))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("language", "asks", "says"),
    [
        ("en", "did fedex come today?", "19:40 A FedEx truck just arrived at the driveway."),
        ("en", "when did the fedex truck come?", "19:40 A FedEx truck just arrived at the driveway."),
        ("en", "was there a delivery today?", "19:40 A FedEx truck just arrived at the driveway."),
        ("en", "has the mail come?", "19:40 A FedEx truck just arrived at the driveway."),
        ("en", "how many people came today?", "19:50 A person is at the gate."),
        ("en", "did ups come today?", "No, nothing of that kind."),
        ("en", "was there a cat yesterday?", "No, nothing of that kind."),
        ("de", "War DHL heute da?", "Nein, nichts dergleichen."),
        ("de", "Wann kam FedEx?", "19:40 Driveway: gerade ist ein Lieferwagen von FedEx gekommen."),
        ("de", "Ist die Post schon gekommen?", "19:40 Driveway: gerade ist ein Lieferwagen von FedEx gekommen."),
        ("de", "Wie viele Leute waren heute da?", "19:50 Gate: da ist eine Person."),
    ],
)
async def test_a_visit_is_asked_for_by_what_it_was(home: Family, language: str, asks: str, says: str) -> None:
    await speaks(home, language)
    await told(home, seen(home, courier="FedEx"))
    home.clock.advance(600)
    await told(home, seen(home, "person", "camera.gate"))
    assert await home.asks("anna", asks) == says


@pytest.mark.parametrize(
    ("language", "asks", "says"),
    [
        (
            "en",
            "tell me when a van comes before noon",
            "I'll tell you when a van comes before noon. To me all vehicles are alike.",
        ),
        ("en", "let me know when a person is at the gate at night", "I'll tell you when a person is at the gate at night."),
        ("en", "don't tell me about vehicles", "I won't tell you any more about vehicles."),
        ("en", "ignore dogs", "I won't tell you any more about dogs. To me all animals are alike."),
        ("de", "Sag mir Bescheid, wenn jemand am Gate ist", "Ich sage Bescheid, wenn jemand am Gate ist."),
        ("de", "Sag mir nichts mehr über Katzen", "Davon sage ich nichts mehr: Katzen. Für mich sind alle Tiere gleich."),
    ],
)
async def test_what_is_asked_for_is_said_back_as_a_sentence(home: Family, language: str, asks: str, says: str) -> None:
    await speaks(home, language)
    assert await home.asks("anna", asks) == says


async def test_what_somebody_is_told_of_can_be_asked(home: Family) -> None:
    defaults = await home.asks("anna", "what do you tell me about?")
    assert defaults.startswith("I tell who comes to the front")
    await home.say("anna", "tell me when a van comes before noon")
    await home.say("anna", "don't tell me about cats at the gate")
    await home.say("tom", "tell me about dogs")
    said = await home.asks("anna", "what do you tell me about?")
    otherwise = defaults.replace("I tell", "Otherwise I tell", 1)
    assert said == f"I leave out animals (gate).\nI tell you of vehicles between 0 and 12 o'clock.\n{otherwise}"
    await speaks(home, "de")
    assert "Ich melde: Fahrzeuge zwischen 0 und 12 Uhr.\nSonst melde ich" in await home.asks("anna", "Wovon erzählst du mir?")


@pytest.mark.parametrize("asks", ["Steht ein Auto in der Einfahrt?", "Wer ist in der Auffahrt?", "Zeig mir die Einfahrt"])
async def test_a_place_is_known_by_its_german_name(home: Family, asks: str) -> None:
    async def peek(device: object) -> dict[str, object]:
        return {"picture": "/pictures/drive.jpg", "sees": ["vehicle"]}

    home.hands.peek = peek  # type: ignore[assignment]
    await speaks(home, "de")
    assert await home.asks("anna", asks) == "Driveway, gerade eben: ein Fahrzeug."


@pytest.mark.parametrize(
    ("language", "asks"),
    [("en", "is there a car in the garden?"), ("de", "Steht ein Hund im Garten?"), ("en", "are there parcels on the terrace?")],
)
async def test_where_no_camera_looks_nothing_is_claimed(home: Family, language: str, asks: str) -> None:
    await speaks(home, language)
    assert "Driveway, Gate" in await home.asks("anna", asks)
