"""Appointments that wait for the house: a turn is a run once for ever, what was so already is none, and nothing runs for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dobby import people
from dobby.events import NEVER, Call, Due, DueKind, Value, Watch
from dobby.journal import appointments
from dobby.mind.plan import Order, Plan
from dobby.schedule import Triggers
from dobby.schedule.triggers import OFTEN
from tests.fakes import HandClock, Home, build, living, put


@asynccontextmanager
async def house(folder: Path | None = None, *, clock: HandClock | None = None) -> AsyncIterator[Home]:
    """A home whose butler and triggers run; at the end both are cut off without warning."""
    home = await build(folder, clock=clock or HandClock(1_750_000_000.0))
    try:
        async with living(home):
            triggers = Triggers(home.store, home.clock, home.people, home.house.state, home.butler.hear)
            home.desk.wake = triggers.wake
            task = asyncio.create_task(triggers.run())
            try:
                await ready(home)
                yield home
                assert not task.done(), task.exception() if task.done() else ""
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    finally:
        await home.store.aclose()


async def ready(home: Home) -> None:
    """Until what was to be noticed has been."""
    for _ in range(5):
        await asyncio.sleep(0.005)
        await home.rest()


def waits(trait: str, wanted: Value, *calls: Call, device: str = "garage", **more: object) -> Due:
    watch = Watch(((device, trait, wanted),), **more)  # type: ignore[arg-type]
    kind = DueKind.ROUTINE if watch.always else DueKind.ONCE if calls else DueKind.REMINDER
    return Due(kind, NEVER, calls, remind="" if calls else "The garage is open.", said="when the garage is open", watch=watch)


OPENS = waits("position", ">0", put("lamp", on=True))


async def keep(home: Home, due: Due, person: str = "anna") -> None:
    """Asked for and, where it is shown back first, agreed to."""
    home.mind.plans["wait"] = Plan(due=(due,))
    await home.say(person, "wait")
    if due.kind is DueKind.ROUTINE:
        await home.say(person, "yes")
    await ready(home)


async def turn(home: Home, device: str = "garage", **traits: Value) -> None:
    home.driver.turn(device, traits)
    await ready(home)


async def runs(home: Home) -> list[str]:
    return await home.store.read(lambda db: [row[0] for row in db.execute("SELECT state FROM run ORDER BY instant")])


async def test_each_turn_is_a_run_and_nothing_else_is() -> None:
    async with house() as home:
        await keep(home, OPENS)
        assert home.state("lamp")["on"] is False and not await runs(home)
        for position in (40, 100, 0, 0):  # opening further is no second turn
            await turn(home, position=position)
        assert home.state("lamp")["on"] is True and await runs(home) == ["done"]
        home.clock.advance(3600)
        await turn(home, position=100)
        assert await runs(home) == ["done", "done"]
        assert await home.count("due WHERE state = 'waiting'") == 1


async def test_why_is_told_by_what_was_agreed_to() -> None:
    async with house() as home:
        await keep(home, OPENS)
        await turn(home, position=100)
        home.mind.plans["why?"] = Plan(order=Order.EXPLAIN)
        assert "explain_due" in (told := (await home.say("anna", "why?"))[-1]) and "when the garage is open" in told


async def test_what_is_so_already_is_waited_for_anew() -> None:
    async with house() as home:
        await turn(home, position=100)
        await keep(home, OPENS)
        assert not await runs(home)
        await turn(home, position=0)
        await turn(home, position=100)
        assert await runs(home) == ["done"]


async def test_once_is_once_and_told_in_the_conversation() -> None:
    async with house() as home:
        await keep(home, waits("position", ">0", always=False))
        await turn(home, position=100)
        assert home.told("anna")[-1] == "The garage is open."
        await turn(home, position=0)
        await turn(home, position=100)
        assert await runs(home) == ["done"] and await home.count("due WHERE state = 'ended'") == 1


async def test_it_must_stay_so_for_as_long_as_was_said() -> None:
    async with house() as home:
        await keep(home, waits("position", ">0", always=False, hold=600.0))
        await turn(home, position=100)
        home.clock.advance(500)
        await turn(home, position=0)
        home.clock.advance(500)
        await ready(home)
        assert not await runs(home)
        await turn(home, position=100)
        home.clock.advance(601)
        await ready(home)
        assert await runs(home) == ["done"] and home.told("anna")[-1] == "The garage is open."


async def test_of_several_one_is_enough_or_all_are_wanted() -> None:
    doors = (("garage", "position", ">0"), ("blind", "position", ">0"))
    some = Due(DueKind.ROUTINE, NEVER, (put("lamp", on=True),), said="any", watch=Watch(doors))
    every = Due(DueKind.ROUTINE, NEVER, (put("lamp2", on=True),), said="all", watch=Watch(doors, whole=True))
    async with house() as home:
        await turn(home, "blind", position=0)
        await keep(home, some)
        await keep(home, every)
        await turn(home, "garage", position=100)
        assert (home.state("lamp")["on"], home.state("lamp2")["on"]) == (True, False)
        await turn(home, "blind", position=100)
        assert home.state("lamp2")["on"] is True and await runs(home) == ["done", "done"]


async def test_it_is_paused_gone_on_with_and_cancelled_in_words() -> None:
    async with house() as home:
        await keep(home, OPENS)
        home.mind.plans |= {word: Plan(order=Order(word), about="*") for word in ("pause", "resume", "cancel", "appointments")}
        assert "when the garage is open" in (await home.say("anna", "appointments"))[-1]
        await home.say("anna", "pause")
        await ready(home)
        await turn(home, position=100)
        assert not await runs(home)
        await home.say("anna", "resume")
        await ready(home)
        await turn(home, position=0)
        await turn(home, position=100)
        assert await runs(home) == ["done"]
        await home.say("anna", "cancel")
        await ready(home)
        await turn(home, position=0)
        await turn(home, position=100)
        assert await runs(home) == ["done"]


async def test_what_comes_too_often_is_paused_and_told_once() -> None:
    """Two that undo each other would else never end."""
    async with house() as home:
        await keep(home, OPENS)
        for _ in range(OFTEN + 3):
            for position in (100, 0):
                home.clock.advance(2.0)
                await turn(home, position=position)
        assert await runs(home) == ["done"] * OFTEN + ["often"]
        assert sum("run_often" in text for text in home.told("anna")) == 1
        assert await home.count("due WHERE state = 'paused'") == 1


async def test_a_restart_goes_on_waiting_and_makes_nothing_up(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await keep(home, OPENS)
    async with house(tmp_path) as home:
        assert not await runs(home)
        await turn(home, position=100)
        assert await runs(home) == ["done"]
    async with house(tmp_path) as home:
        await turn(home, position=100)  # it was closed in between, for all that is known
        assert len(await runs(home)) <= 2
        waiting = await home.store.read(appointments.watching)
        assert [row.due.watch for row in waiting] == [OPENS.watch], "as it was agreed to, after two restarts"


async def test_whoever_may_not_unlock_is_asked_when_it_is_made_and_when_it_runs() -> None:
    async with house() as home:
        unlocks = waits("on", True, put("lock", locked=False), device="lamp")
        home.mind.plans["wait"] = Plan(due=(unlocks,))
        await home.say("anna", "wait")
        await home.say("anna", "yes")
        await ready(home)
        await turn(home, "lamp", on=True)
        assert home.state("lock")["locked"] is True, "an entry is asked about each time"
        await home.say("anna", "yes")
        await ready(home)
        assert home.state("lock")["locked"] is False


async def test_somebody_who_is_gone_is_acted_for_no_more() -> None:
    async with house() as home:
        await keep(home, OPENS)
        await home.store.write(lambda db: people.forget(db, "anna"))
        await home.people.refresh()
        await turn(home, position=100)
        assert not await runs(home) and home.state("lamp")["on"] is False


@pytest.mark.parametrize("wanted", ["30|50|half", "!0|none"])
async def test_one_of_several_words_is_waited_for_and_another_of_them_is_no_second_turn(wanted: str) -> None:
    """ "When it rains" is any weather that falls."""
    async with house() as home:
        await keep(home, waits("position", wanted, put("lamp", on=True), always=True))
        for position in (0, "half", "50", 0, "30"):
            await turn(home, position=position)
            home.clock.advance(3600)
        assert await runs(home) == ["done", "done"]
