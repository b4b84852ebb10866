"""What was: who did it, since when, when last; from the rows, with the time, and a question changes nothing."""

from collections.abc import AsyncIterator

import pytest

from tests.stories.family import Family, at_home

HOUR = 3600.0


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


async def test_who_did_it_is_told_by_the_ledger(home: Family) -> None:
    await home.say("tom", "turn on the terrace heater")
    assert "That was Tom, through me" in await home.asks("anna", "who turned on the terrace heater")
    assert "19:40" in await home.asks("anna", "who turned the terrace heater on?")
    assert "That was you" in await home.asks("tom", "who turned on the terrace heater")


async def test_by_hand_is_not_through_me(home: Family) -> None:
    await home.say("tom", "turn on the terrace heater")
    await home.pass_by(HOUR)
    home.by_hand("switch.heater", on=False)
    home.by_hand("switch.heater", on=True)
    said = await home.asks("anna", "who turned on the terrace heater")
    assert "not through me" in said and "20:40" in said
    assert "no such change" in await home.asks("anna", "who opened the garage door?")


async def test_a_routine_is_named(home: Family) -> None:
    await home.say("anna", "every day at 20:00 turn on the terrace heater")
    await home.say("anna", "yes")
    await home.pass_by(HOUR)
    assert home.now("switch.heater")["on"] is True
    assert "a routine of Anna's" in await home.asks("tom", "who turned on the terrace heater")


async def test_a_guest_is_not_told_who_did_what(home: Family) -> None:
    await home.say("tom", "turn on the terrace heater")
    assert "Tom" not in await home.asks("gus", "who turned on the terrace heater")


async def test_since_when_it_is_so(home: Family) -> None:
    home.by_hand("cover.garage", position=100)
    await home.pass_by(HOUR)
    assert await home.asks("anna", "is the garage still open?") == "Yes, Garage Door is open, since 19:40."
    assert "since 19:40 (1 hour)" in await home.asks("anna", "since when is the garage door open?")
    assert "1 hour" in await home.asks("anna", "how long has the garage door been open")
    assert "seit 19:40" in await home.asks("anna", "seit wann ist das garage door offen")
    assert "as long as I can tell" in await home.asks("anna", "how long has the kitchen ceiling been on")


async def test_when_it_last_was_and_whether_it_was_today(home: Family) -> None:
    home.by_hand("cover.garage", position=100)
    await home.pass_by(HOUR)
    home.by_hand("cover.garage", position=0)
    await home.pass_by(HOUR)
    assert "at 19:40" in await home.asks("anna", "when was the garage door last opened")
    assert "from 19:40 to 20:40" in await home.asks("anna", "was the garage open today?")
    assert "No" in await home.asks("anna", "was the garage open yesterday?")
    assert "No" in await home.asks("anna", "was the garage open in the last 30 minutes?")
    await home.pass_by(4 * HOUR, 600)
    assert "yesterday at 19:40" in await home.asks("anna", "was the garage open yesterday?")


async def test_a_lock_that_is_called_a_door_opens_by_being_unlocked(home: Family) -> None:
    home.by_hand("lock.front", locked=False)
    assert "unlocked at 19:40" in await home.asks("anna", "who opened the front door?")
    assert "entriegelt" in await home.asks("anna", "wann wurde die haustür zuletzt geöffnet?")


async def test_a_value_is_told_with_its_age_where_it_may_no_longer_be_so(home: Family) -> None:
    assert await home.asks("anna", "pool temp?") == "Pool: 26 °C."
    home.by_hand("pool.main", on=False)
    assert "26 °C (the pump is off" in await home.asks("anna", "pool temp?")
    home.by_hand("pool.main", on=True)
    await home.pass_by(2 * HOUR, 600)
    assert "26 °C (as of 19:40)" in await home.asks("anna", "pool temp?")
