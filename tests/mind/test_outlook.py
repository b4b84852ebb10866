"""What the plain mind says of what lies ahead, from a forecast and a calendar: outlook.yaml, one case a test."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from stage import HOUSE, NOW, Stage
from test_sentences import play

from dobby.events import Change
from dobby.house.load import load

AHEAD = HOUSE.with_name("outlook_house.yaml")
ROWS = yaml.safe_load(HOUSE.with_name("outlook.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def english() -> Stage:
    return Stage(load(AHEAD))


@pytest.fixture(scope="module")
def german() -> Stage:
    return Stage(load(AHEAD), language="de")


@pytest.mark.parametrize("case", ROWS["english"], ids=lambda case: case["say"])
async def test_a_question_about_what_lies_ahead(case: dict[str, Any], english: Stage) -> None:
    await play(case, english)


@pytest.mark.parametrize("case", ROWS["german"], ids=lambda case: case["say"])
async def test_the_same_in_german(case: dict[str, Any], german: Stage) -> None:
    await play(case, german)


def forecast(stage: Stage, **changed: Any) -> None:
    told = dict(stage.house.state.of("weather.home")["forecast"])  # type: ignore[arg-type]
    stage.house.state.hear(Change("weather.home", {"forecast": told | changed}))


async def test_an_old_forecast_is_told_with_its_age(english: Stage) -> None:
    english.start()
    forecast(english, as_of=(NOW - timedelta(hours=5)).isoformat())
    assert (await english.say("will it rain tomorrow?")).said.endswith("(as of 14:40)")


async def test_yesterdays_tomorrow_is_today(english: Stage) -> None:
    english.start()
    forecast(english, today={"date": "2026-03-01", "condition": "sunny"}, tomorrow={"date": "2026-03-02", "condition": "snowy"})
    assert (await english.say("what's the weather today")).said.startswith("Now cloudy, 7 °C. Today: snow.")
    assert "tells me nothing" in (await english.say("will it rain tomorrow?")).said


async def test_people_who_see_fahrenheit_are_told_so() -> None:
    stage = Stage(load(AHEAD), units="us")
    assert "39 to 49 °F" in (await stage.say("how warm will it get today?")).said
    assert "from 10:00 PM on" in (await stage.say("will it rain today?")).said
