"""History: what a device was, since when, and whose doing it was; thinned, bounded, and it outlives the process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dobby.clock import FixedClock
from dobby.events import Change
from dobby.house.history import KEEP, MOST, SWEEP, History, Past
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


async def test_a_listener_that_fails_keeps_nobody_from_knowing() -> None:
    states, heard = States(FixedClock(NOON)), []

    def broken(turn: object) -> None:
        raise ValueError("no")

    states.listen(broken)
    states.listen(heard.append)
    states.hear(Change("d", {"on": False}))
    states.hear(Change("d", {"on": True}))
    assert len(heard) == 1 and states.of("d") == {"on": True}
