"""History: what a device was, since when, and whose doing it was; thinned, bounded, and it outlives the process."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dobby.clock import FixedClock
from dobby.events import Change
from dobby.house.history import DAY, KEEP, MOST, SWEEP, History, Past
from dobby.house.state import States

NOON = 1_700_000_000.0


class Home:
    """States and history that share a clock."""

    def __init__(self, path: Path | None = None) -> None:
        self.clock = FixedClock(NOON)
        self.path = path
        self.states = States(self.clock)
        self.history = History(path, self.states, self.clock)

    def say(self, seconds: float = 1.0, **traits: object) -> None:
        self.clock.set(self.clock.now() + seconds)
        self.states.hear(Change("d", traits))  # type: ignore[arg-type]


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    home = Home()
    yield home
    await home.history.aclose()


async def test_every_yes_no_and_word_is_kept_with_its_cause(home: Home) -> None:
    home.say(on=False, mode="heat")
    home.states.expect("d", {"on": True}, "effect:7")
    home.say(on=True)
    home.say(200, on=False)
    home.say(mode="off")
    await home.history.flush()
    assert await home.history.last("d", "on", 5) == [
        Past("d", "on", False, NOON + 202, ""),
        Past("d", "on", True, NOON + 2, "effect:7"),
    ]
    assert [past.value for past in await home.history.last("d", limit=2)] == ["off", False]
    assert await home.history.since("d", "on") == Past("d", "on", False, NOON + 202, "")
    assert await home.history.since("d", "brightness") is None


async def test_what_was_ours_is_ours_only_until_it_has_settled(home: Home) -> None:
    home.say(on=False)
    home.states.expect("d", {"on": True}, "effect:7")
    home.say(on=True)
    home.states.settled("d", ["on"])
    home.say(1, on=False)  # the device goes on reporting for a moment
    home.say(10, on=True)  # by hand
    await home.history.flush()
    assert [past.cause for past in await home.history.last("d", "on", 5)] == ["", "effect:7", "effect:7"]


async def test_numbers_are_thinned_to_their_latest_and_ours_never(home: Home) -> None:
    for number in range(120):
        home.say(value=number)
        await home.history.flush()
    kept = [past.value for past in await home.history.last("d", "value", 500)]
    assert kept == [61, 1]
    home.states.expect("d", {"value": 5}, "effect:9")
    home.say(value=5)
    await home.history.flush()
    assert (await home.history.last("d", "value"))[0] == Past("d", "value", 5, NOON + 121, "effect:9")
    assert await home.history.at("d", "value", NOON + 70) == Past("d", "value", 61, NOON + 62)
    assert await home.history.at("d", "value", NOON) is None


async def test_since_when_survives_a_restart(tmp_path: Path) -> None:
    first = Home(tmp_path / "history.db")
    first.say(on=False)
    first.say(on=True)
    await first.history.aclose()
    second = Home(tmp_path / "history.db")
    second.say(500, on=True)
    reading = second.states.reading("d", "on")
    assert reading is not None and reading.since == NOON + 2
    second.say(500, on=False)
    await second.history.flush()
    assert [past.value for past in await second.history.last("d", "on", 9)] == [False, True]
    await second.history.aclose()


async def test_what_changed_while_dobby_was_away_is_a_turn(tmp_path: Path) -> None:
    first = Home(tmp_path / "history.db")
    first.say(on=False)
    first.say(on=True)
    await first.history.aclose()
    second = Home(tmp_path / "history.db")
    assert second.states.of("d") == {}
    second.say(500, on=False)
    await second.history.aclose()
    third = Home(tmp_path / "history.db")
    assert (await third.history.last("d", "on"))[0] == Past("d", "on", False, NOON + 500)
    await third.history.aclose()


async def test_memory_is_bounded_and_old_rows_go(home: Home) -> None:
    home.say(on=False)
    for number in range(MOST + 100):
        home.say(0, on=number % 2 == 0)
    await home.history.flush()
    assert len(await home.history.last("d", "on", 2 * MOST)) == MOST
    home.clock.set(NOON + KEEP + SWEEP)
    await home.history.flush()
    assert await home.history.last("d", "on") == []


async def test_years_are_kept_by_the_hour_then_by_the_day_as_real_readings(home: Home) -> None:
    """Two days of a reading a minute: what is left of them when they are a month, and when they are two years old."""
    home.say(value=0.5, on=False)
    start = home.clock.now()
    for minute in range(2 * 1440):
        home.say(60, value=round(20 + 5 * math.sin(minute / 229), 3))
        await home.history.flush()
    home.say(60, on=True)
    await home.history.flush()
    fresh = await home.history.between("d", "value", start, home.clock.now())
    assert len(fresh) > 2800
    for age in (31 * DAY, 402 * DAY):
        home.clock.set(start + age + 2 * DAY)
        await home.history.flush()
    months = await home.history.between("d", "value", start, home.clock.now())
    by_day = [{past.value for past in months if past.at // DAY == day} for day in sorted({past.at // DAY for past in fresh})]
    assert all(1 <= len(values) <= 3 for values in by_day)
    assert set(months) <= set(fresh) and max(p.value for p in months) == max(p.value for p in fresh)  # type: ignore[type-var]
    assert await home.history.last("d", "on") == []  # words go after four hundred days
    assert (await home.history.since("d", "on")) is not None  # since when it is so stays


async def test_an_hour_keeps_its_lowest_its_highest_and_its_last(home: Home) -> None:
    home.clock.set(NOON // 3600 * 3600)
    home.say(0, value=1)
    for value in (5, 9, 2, 7, 4):
        home.say(600, value=value)
        await home.history.flush()
    for days in (29, 31):
        home.clock.set(NOON + days * DAY)
        await home.history.flush()
        kept = [past.value for past in await home.history.between("d", "value", 0, home.clock.now())]
        assert kept == ([5, 9, 2, 7, 4] if days == 29 else [9, 2, 4])


async def test_what_cannot_be_known_is_a_gap(tmp_path: Path) -> None:
    first = Home(tmp_path / "history.db")
    first.say(value=1)
    first.say(100, value=2)
    first.states.hear(Change("d", available=False))
    first.say(3600, value=2)  # the same as before, and yet heard again
    heard = first.clock.now()
    await first.history.flush()
    assert await first.history.gaps("d", NOON, heard + 10) == [(NOON + 101, heard)]
    assert await first.history.gaps("d", NOON + 500, NOON + 600) == [(NOON + 500, NOON + 600)]
    first.states.hear(Change("d", available=False))
    first.clock.set(heard + 500)
    assert await first.history.gaps("d", heard + 10, heard + 500) == [(heard + 10, heard + 500)]  # and still
    await first.history.aclose()
    second = Home(tmp_path / "history.db")
    second.clock.set(heard + DAY)
    second.history._since = second.clock.now()
    second.say(0, value=3)
    second.clock.set(heard + DAY + 50)
    assert await second.history.gaps("other", NOON, second.clock.now()) == [(heard + 500, heard + DAY)]  # nobody was awake
    await second.history.aclose()


async def test_a_listener_that_fails_keeps_nobody_from_knowing() -> None:
    states, heard = States(FixedClock(NOON)), []

    def broken(turn: object) -> None:
        raise ValueError("no")

    states.listen(broken)
    states.listen(heard.append)
    states.hear(Change("d", {"on": False}))
    states.hear(Change("d", {"on": True}))
    assert len(heard) == 1 and states.of("d") == {"on": True}
