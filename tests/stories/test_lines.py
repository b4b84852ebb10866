"""Lines and zones of a camera's picture, put into words: drawn, crossed, asked for, asked about, and let go."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dobby.butler.sightings import sentence
from dobby.events import Source
from dobby.journal import household, sightings as rows
from dobby.journal.pack import dump
from tests.stories.family import Family, at_home
from tests.stories.test_asked_of_the_eyes import speaks
from tests.stories.test_sightings import furnish, seen, told

DRAWN = {"name": "Gate", "points": [[0.0, 0.6], [1.0, 0.6]], "ignore": False}


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        furnish(family)
        yield family


async def draw(home: Family, *zones: dict[str, object], camera: str = "camera.drive") -> None:
    """As the page keeps it."""
    view = dump({camera: {"zones": list(zones), "masks": []}})
    await home.store.write(lambda db: household.set_setting(db, "views", view))


async def zones(home: Family, camera: str = "camera.drive") -> list[dict[str, object]]:
    return list((await home.store.read(rows.views)).get(camera, {}).get("zones", []))


@pytest.mark.parametrize(
    ("facts", "english", "german"),
    [
        ({"kind": "person", "way": "in"}, "A person came in over the gate.", "Herein über „Gate“: eine Person."),
        ({"kind": "person", "count": 2, "way": "out"}, "2 people went out over the gate.", "Hinaus über „Gate“: 2 Personen."),
        ({"courier": "UPS", "way": "out"}, "A UPS truck went out over the gate.", "Hinaus über „Gate“: ein Lieferwagen von UPS."),
        ({"kind": "motion", "way": "in"}, "Something came in over the gate.", "Herein über „Gate“: etwas."),
    ],
)
async def test_a_crossing_is_said_with_its_way(home: Family, facts: dict[str, object], english: str, german: str) -> None:
    one = seen(home, zone="Gate", phase="crossed", **facts)  # type: ignore[arg-type]
    assert sentence(home.desk, one, Source("anna")) == english
    await speaks(home, "de")
    assert sentence(home.desk, one, Source("anna")) == german


WISHES = [
    ("en", "tell me when somebody crosses the gate line", "across", "I'll tell you when somebody crosses the gate line."),
    ("en", "tell me when a person comes in over the gate", "in", "I'll tell you when a person comes in over the gate."),
    (
        "en",
        "let me know when someone goes out over the gate line",
        "out",
        "I'll tell you when someone goes out over the gate line.",
    ),
    (
        "en",
        "notify me if anyone crosses the gate line from outside",
        "in",
        "I'll tell you if anyone crosses the gate line from outside.",
    ),
    ("de", "Sag mir, wenn jemand die Linie Gate überquert", "across", "Ich sage Bescheid, wenn jemand die Linie Gate überquert."),
    ("de", "Sag Bescheid, wenn jemand über Gate hinausgeht", "out", "Ich sage Bescheid, wenn jemand über Gate hinausgeht."),
    (
        "de",
        "Sag mir Bescheid, wenn jemand über die Linie Gate kommt",
        "in",
        "Ich sage Bescheid, wenn jemand über die Linie Gate kommt.",
    ),
]


@pytest.mark.parametrize(("language", "asks", "way", "says"), WISHES)
async def test_a_line_is_wished_for_in_words(home: Family, language: str, asks: str, way: str, says: str) -> None:
    await speaks(home, language)
    assert ("no line" if language == "en" else "Eine Linie") in await home.asks("anna", asks)  # none is drawn yet
    await draw(home, DRAWN)
    assert await home.asks("anna", asks) == says
    (want,) = await home.store.read(lambda db: rows.wants(db, "anna"))
    assert (want["kind"], want["place"], want["way"]) == ("person", "Gate", way)


async def test_who_asked_hears_of_a_crossing_beside_the_arrival_and_nobody_else(home: Family) -> None:
    await draw(home, DRAWN)
    await home.say("anna", "tell me when somebody goes out over the gate")
    one = seen(home, "person")
    assert await told(home, one) == ["A person is at the driveway."]
    inward = replace(seen(home, "person", zone="Gate", way="in", phase="crossed"), visit=one.visit)
    outward = replace(seen(home, "person", zone="Gate", way="out", phase="crossed"), visit=one.visit)
    assert await told(home, inward) == []
    assert await told(home, outward) == ["A person went out over the gate."]
    assert await told(home, outward) == []  # said again by the eyes
    assert await told(home, replace(outward, id="again"), "tom") == []


async def test_from_the_street_nobody_is_told_until_the_line_is_crossed(home: Family) -> None:
    await draw(home, DRAWN)
    one = seen(home, "person", zone="Street")
    assert await told(home, one) == []
    over = replace(seen(home, "person", zone="Gate", way="in", phase="crossed"), visit=one.visit)
    assert await told(home, over) == ["A person came in over the gate."]
    back = replace(seen(home, "person", zone="Gate", way="out", phase="crossed"), visit=one.visit)
    assert await told(home, back) == []
    crossed = "19:40 A person came in over the gate.\n19:40 A person went out over the gate."
    assert (await home.asks("anna", "did anyone cross the gate line today?")).endswith(crossed)
    assert await home.asks("anna", "who went out over the gate line today?") == "19:40 A person went out over the gate."
    assert await home.asks("anna", "who came today?") == "19:40 A person is at the street."
    await speaks(home, "de")
    crossed = "19:40 Herein über „Gate“: eine Person.\n19:40 Hinaus über „Gate“: eine Person."
    assert (await home.asks("anna", "Wer ist heute über die Linie Gate gegangen?")).endswith(crossed)


async def test_who_came_over_a_line_is_told_so_once(home: Family) -> None:
    await draw(home, DRAWN)
    await home.say("anna", "tell me when somebody crosses the line")
    assert await told(home, seen(home, "person", zone="Gate", way="in")) == ["A person came in over the gate."]
    assert await told(home, seen(home, "person", camera="camera.gate"), "tom") == ["A person is at the gate."]
    said = await home.asks("anna", "what do you tell me about?")
    assert said.startswith("I tell you of people crossing any line.\nOtherwise")


async def test_crossings_can_be_waved_off(home: Family) -> None:
    await draw(home, DRAWN)
    one = seen(home, "person", zone="Gate", way="in", phase="crossed")
    assert await told(home, one) == ["A person came in over the gate."]
    assert "I won't tell you that any more: A person came in over the gate." in await home.asks(
        "anna", "stop telling me about this"
    )
    assert await told(home, seen(home, "person", zone="Gate", way="in", phase="crossed")) == []
    assert await told(home, seen(home, "person", zone="Gate", way="in", phase="crossed"), "tom") == [
        "A person came in over the gate."
    ]
    assert await told(home, seen(home, "person")) == ["A person is at the driveway."]


DRAWINGS = [
    ("en", "the street is the top third of the driveway camera", "street", [[0, 0], [1, 0], [1, 0.3333], [0, 0.3333]], False),
    ("en", "Ignore the left half of the driveway", "left half", [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], True),
    ("en", "ignore the bottom right corner of the driveway camera", "bottom right corner", None, True),
    ("en", "The gate line goes from the left to the right of the driveway camera", "gate", [[0, 0.5], [1, 0.5]], False),
    ("en", "draw a line called Pool from bottom left to top right in the driveway picture", "Pool", [[0, 1], [1, 0]], False),
    ("en", "the gate line goes across the lower third of the driveway camera", "gate", [[0, 0.6667], [1, 0.6667]], False),
    ("de", "Die Linie Tor geht quer durch die Mitte im Bild der Einfahrt", "Linie Tor", [[0, 0.5], [1, 0.5]], False),
    ("de", "Die Straße ist das obere Drittel im Bild der Einfahrt", "Straße", None, False),
    ("de", "Ignoriere die linke Hälfte im Bild der Einfahrt", "linke Hälfte", [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], True),
    ("de", "Die Torlinie geht von links nach rechts im Bild der Einfahrt", "Torlinie", [[0, 0.5], [1, 0.5]], False),
]


@pytest.mark.parametrize(("language", "says", "name", "points", "ignore"), DRAWINGS)
async def test_a_zone_or_a_line_is_drawn_in_words(
    home: Family, language: str, says: str, name: str, points: list[list[float]] | None, ignore: bool
) -> None:
    await speaks(home, language)
    await draw(home, {"name": name.upper(), "points": [[0, 0], [1, 1]], "ignore": False})
    answer = await home.asks("anna", says)
    (zone,) = await zones(home)  # instead of the one that had its name
    assert (zone["name"], zone["ignore"]) == (name, ignore)
    assert points is None or zone["points"] == points
    assert name in answer
    assert "Driveway" in answer
    let_go = ("forget the line " if len(zone["points"]) == 2 else "forget the zone ") + name  # type: ignore[arg-type]
    await speaks(home, "en")
    assert "no part of any picture any more" in await home.asks("anna", let_go)
    assert await zones(home) == []
    assert "I know no place called" in await home.asks("anna", let_go)


async def test_a_place_that_is_put_into_words_can_be_ignored(home: Family) -> None:
    assert "Say where it is" in await home.asks("anna", "ignore the street")
    await home.say("anna", "the street is the top third of the driveway camera")
    assert "leave this out for everybody" in await home.asks("anna", "ignore the street")


@pytest.mark.parametrize(
    "says", ["draw a line called pool from left to right in the attic camera", "ignore the left half of the hayloft"]
)
async def test_a_camera_that_there_is_not_is_said(home: Family, says: str) -> None:
    assert (await home.asks("anna", says)).startswith("I have no camera there")
    assert await home.store.read(rows.views) == {}


async def test_a_child_draws_nothing(home: Family) -> None:
    await home.say("mia", "ignore the left half of the driveway")
    assert await zones(home) == []


async def test_a_remark_about_where_things_are_is_no_drawing(home: Family) -> None:
    await home.say("anna", "the spare key is in the left half of the drawer")
    assert await home.store.read(rows.views) == {}


async def test_with_no_model_whatever_moves_may_be_who_is_waited_for(home: Family) -> None:
    await draw(home, DRAWN)
    await home.say("anna", "don't tell me about vehicles")
    await home.say("anna", "tell me when somebody crosses the gate line")
    assert await told(home, seen(home, "motion", zone="Gate", way="in")) == ["Something came in over the gate."]
    assert await told(home, seen(home, "motion", camera="camera.gate")) == []
    assert await home.asks("anna", "did a person cross the gate line today?") == "No, nothing of that kind."
