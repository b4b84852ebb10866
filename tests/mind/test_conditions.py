"""Conditions are looked at now and said, or not done; what means "whenever" is never misread; questions change nothing."""

import pytest
from stage import Stage
from test_sentences import play, table

from dobby.house.load import parse

GERMAN = 4  # the last rows of conditions.yaml


@pytest.fixture(scope="module")
def english() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def german() -> Stage:
    return Stage(language="de")


@pytest.mark.parametrize("case", table("conditions.yaml")[:-GERMAN])
async def test_a_condition_is_looked_at_once_or_refused(case: dict[str, object], english: Stage) -> None:
    await play(case, english)


@pytest.mark.parametrize("case", table("conditions.yaml")[-GERMAN:])
async def test_the_same_in_german(case: dict[str, object], german: Stage) -> None:
    await play(case, german)


@pytest.mark.parametrize("case", table("at_large.yaml"))
async def test_a_question_at_large_is_answered_and_changes_nothing(case: dict[str, object], english: Stage) -> None:
    await play(case, english)


async def test_weather_and_calendar_say_what_their_devices_say_of_that_day() -> None:
    house = """
devices:
- {id: weather.home, name: Weather, kind: weather, state: {value: sunny, forecast: {today: sunny, tomorrow: rain 12 °C}}}
- {id: calendar.family, name: Family Calendar, kind: calendar, state: {entries: [{starts: '2026-03-02T20:30:00', title: choir}]}}
"""
    stage = Stage(parse(house))
    assert (await stage.say("will it rain tomorrow?")).said == "Weather: sunny; tomorrow rain 12 °C."
    assert "choir (20:30)" in (await stage.say("what's on my calendar today")).said
