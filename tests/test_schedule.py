"""Appointments: each run is an event once for ever, whatever the clock, the process or the house do meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dobby.events import Call, Due, DueKind
from dobby.house.almanac import Almanac
from dobby.journal import appointments, inbox, ledger
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import due_call
from dobby.mind.plan import Order, Plan
from dobby.schedule import Wheel
from tests.fakes import FIRST, FakeBridge, HandClock, Home, build, living, put
from tests.patience import ENOUGH

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    """An instant from the clock on the wall."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def timer(home: Home, seconds: float, name: str = "pasta") -> Due:
    return Due(DueKind.TIMER, home.clock.now() + seconds, name=name, after=seconds, said=f"{name}: {seconds:g}")


def once(home: Home, seconds: float, *calls: Call) -> Due:
    return Due(DueKind.ONCE, home.clock.now() + seconds, calls, after=seconds, said="later: lamp")


def routine(at_: float, every: str, *calls: Call, name: str = "") -> Due:
    return Due(DueKind.ROUTINE, at_, calls, every=every, name=name, said=f"routine {name}".strip())


DAILY = "FREQ=DAILY;BYHOUR=7;BYMINUTE=0"


@asynccontextmanager
async def turning(home: Home, zone: ZoneInfo = BERLIN) -> AsyncIterator[Home]:
    """A home whose butler and wheel run; at the end both are cut off without warning."""
    home.desk.zone = zone
    async with living(home):
        wheel = Wheel(home.store, home.clock, home.people, Almanac(zone), home.butler.hear)
        home.desk.wake = wheel.wake
        task = asyncio.create_task(wheel.run())
        try:
            yield home
            assert not task.done(), task.exception() if task.done() else ""
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def house(folder: Path | None = None, now: str = "2026-03-02T06:00", **more: Any) -> AsyncIterator[Home]:
    home = await build(folder, clock=more.pop("clock", None) or HandClock(at(now)), **more)
    try:
        async with turning(home):
            yield home
    finally:
        await home.store.aclose()


async def keep(home: Home, due: Due, person: str = "anna") -> list[str]:
    home.mind.plans["later"] = Plan(due=(due,))
    return await home.say(person, "later")


async def pass_by(home: Home, seconds: float, step: float = 30.0) -> None:
    """Time passes as it does: the wheel looks up now and then."""
    while seconds > 0:
        part = min(step, seconds)
        await settle(home)
        home.clock.advance(part)
        seconds -= part
    await settle(home)


async def settle(home: Home) -> None:
    """Until nothing is due any more, and what was due has been dealt with."""
    async with asyncio.timeout(ENOUGH):
        while (due := await home.store.read(appointments.next_at)) is not None and due <= home.clock.now():
            await asyncio.sleep(0.001)
    for _ in range(2):
        await asyncio.sleep(0.002)
        await home.rest()


async def runs(home: Home) -> list[tuple[float, str]]:
    return await home.store.read(lambda db: db.execute("SELECT instant, state FROM run ORDER BY instant").fetchall())


async def test_the_wheel_is_woken_only_once_the_row_can_be_seen() -> None:
    """Woken before the commit it would find nothing and sleep on for half a minute."""
    async with house() as home:
        loop, seen = threading.get_ident(), list[tuple[int, int]]()

        def wake() -> None:
            seen.append((threading.get_ident(), len(home.store.look(appointments.open_ones))))

        home.desk.wake = wake
        await keep(home, timer(home, 600))
        assert seen == [(loop, 1)]
        home.mind.plans["never mind"] = Plan(order=Order.CANCEL, about="timer")
        await home.say("anna", "never mind")
        assert seen == [(loop, 1), (loop, 0)]


async def test_a_timer_is_kept_at_once_and_rings_when_its_time_is_up() -> None:
    async with house() as home:
        assert await keep(home, timer(home, 600)) != []
        await pass_by(home, 599)
        assert len(home.told("anna")) == 1
        await pass_by(home, 1)
        assert home.told("anna")[1:] == ["<timer_up> pasta  <some_minutes> 10"]
        assert await runs(home) == [(at("2026-03-02T06:10"), "done")]
        await pass_by(home, 3600, 600)
        assert len(home.told("anna")) == 2


async def test_a_delayed_act_passes_the_gate_and_the_ledger_like_any_other() -> None:
    async with house() as home:
        await keep(home, once(home, 300, put("lamp", on=True)))
        assert home.state("lamp")["on"] is False
        await pass_by(home, 300)
        assert home.state("lamp")["on"] is True
        row = (await home.effects())[-1]
        asked = await home.row(row.event)
        assert asked.event.source.origins == {"routine", "person"} and asked.event.source.person == "anna"
        assert asked.event.key.startswith("due:")


async def test_the_wheel_sleeps_through_until_the_next_instant_and_looks_up_at_least_every_half_minute() -> None:
    async with house() as home:
        await keep(home, timer(home, 6000))
        await settle(home)
        assert max(seconds - home.clock.now() for seconds, _, _ in home.clock._sleepers) <= 30


async def test_a_clock_set_forward_makes_it_late_and_says_so_once() -> None:
    async with house() as home:
        await keep(home, timer(home, 600))
        await settle(home)
        home.clock.advance(4200)
        await settle(home)
        assert home.told("anna")[1:] == ["<timer_up> pasta  <some_minutes> 10 <run_late> 06:10 <one_hour> 1"]
        assert [state for _, state in await runs(home)] == ["late"]


async def test_a_clock_set_back_makes_nothing_happen_twice() -> None:
    async with house(now="2026-03-02T06:55") as home:
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        await pass_by(home, 300)
        assert len(await runs(home)) == 1
        home.clock.advance(-3600)
        await pass_by(home, 2 * 3600, 600)
        assert await runs(home) == [(at("2026-03-02T07:00"), "done")]


async def keep_routine(home: Home, due: Due, person: str = "anna") -> None:
    await keep(home, due, person)
    await home.say(person, "yes")


async def test_a_routine_is_shown_back_before_it_is_kept() -> None:
    async with house() as home:
        told = await keep(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        assert told == ["routine <keep_it>"] and await home.count("due") == 0
        await home.say("anna", "no")
        assert await home.count("due") == 0
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        assert await home.count("due WHERE state = 'waiting'") == 1
        await pass_by(home, 3600 * 25, 1800)
        assert [state for _, state in await runs(home)] == ["done", "done"]


@pytest.mark.parametrize(
    ("now", "hour", "expected"),
    [
        ("2026-03-28T12:00", 2, ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),  # 02:30 does not exist
        ("2026-10-24T12:00", 2, ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),  # 02:30 exists twice
    ],
)
async def test_a_change_of_hour_neither_drops_nor_doubles_a_run(now: str, hour: int, expected: list[str]) -> None:
    every = f"FREQ=DAILY;BYHOUR={hour};BYMINUTE=30"
    async with house(now=now) as home:
        first = Almanac(BERLIN).next_run(every, home.clock.now())
        assert first is not None
        await keep_routine(home, routine(first, every, put("lamp", on=True)))
        await pass_by(home, 2 * 86400 - 3600, 900)
        assert [instant for instant, _ in await runs(home)] == [datetime.fromisoformat(one).timestamp() for one in expected]


async def test_a_house_that_moves_keeps_its_hours_on_the_wall(tmp_path: Path) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    async with house(tmp_path) as home:
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        clock = home.clock
    home = await build(tmp_path, clock=clock)
    async with turning(home, tokyo):
        await settle(home)
        assert await home.store.read(appointments.next_at) == at("2026-03-03T07:00", tokyo)
    await home.store.aclose()


async def test_a_week_of_downtime_is_told_once_and_the_next_run_is_on_time(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        await keep(home, timer(home, 600))
        clock = home.clock
    clock.advance(7 * 86400)
    async with house(tmp_path, clock=clock) as home:
        await settle(home)
        told = home.told("anna")
        assert sorted(one.split()[0] for one in told) == ["<run_missed>", "<timer_up>"]
        assert [state for _, state in await runs(home)] == ["late", *["missed"] * 7]
        assert home.state("lamp")["on"] is False
        await pass_by(home, 3600, 600)
        assert (await runs(home))[-1] == (at("2026-03-09T07:00"), "done") and home.state("lamp")["on"] is True


async def test_a_routine_a_few_minutes_late_still_runs_and_says_how_late(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lamp", on=True)))
        clock = home.clock
    clock.advance(3600 + 300)
    async with house(tmp_path, clock=clock) as home:
        await settle(home)
        assert "<run_late> 07:00 <some_minutes> 5" in home.told("anna")[-1] and home.state("lamp")["on"] is True


async def test_what_was_cancelled_never_runs() -> None:
    async with house() as home:
        home.mind.plans["stop that"] = Plan(order=Order.CANCEL, about="pasta")
        await keep(home, timer(home, 600))
        await home.say("anna", "stop that")
        await pass_by(home, 900)
        assert await runs(home) == [] and await home.count("due WHERE state = 'ended'") == 1


async def test_undo_drops_what_was_kept_and_cancel_that_does_too() -> None:
    async with house() as home:
        home.mind.plans |= {"undo": Plan(order=Order.UNDO), "cancel that": Plan(order=Order.STOP)}
        for words in ("undo", "cancel that"):
            await keep(home, once(home, 300, put("lamp", on=True)))
            await home.say("anna", words)
        await pass_by(home, 600)
        assert await runs(home) == [] and home.state("lamp")["on"] is False


async def test_a_paused_timer_keeps_what_it_had_left() -> None:
    async with house() as home:
        home.mind.plans |= {"hold": Plan(order=Order.PAUSE, about="pasta"), "go on": Plan(order=Order.RESUME, about="pasta")}
        await keep(home, timer(home, 600))
        await pass_by(home, 300)
        await home.say("anna", "hold")
        await pass_by(home, 3600, 600)
        assert await runs(home) == []
        await home.say("anna", "go on")
        await pass_by(home, 300)
        assert [state for _, state in await runs(home)] == ["done"]


async def test_stop_is_meant_for_a_ringing_timer_first() -> None:
    async with house() as home:
        home.mind.plans["stop"] = Plan(order=Order.STOP)
        await keep(home, timer(home, 60))
        await pass_by(home, 60)
        assert await home.say("anna", "stop") == ["<timer_quiet> pasta "]
        assert await home.say("anna", "stop") == ["<nothing_to_stop>"]


# Guarded content


async def test_guarded_content_is_asked_for_when_it_is_made_and_then_granted() -> None:
    async with house() as home:
        hot = put("lamp2", on=True)
        home.house.add(replace(home.house.get("lamp2"), risk="heat"))  # type: ignore[type-var]
        told = await keep(home, routine(at("2026-03-02T07:00"), DAILY, hot))
        assert "?" in told[0] and await home.count("due") == 0
        await home.say("anna", "yes")
        assert await home.count("due") == 1 and await home.count('"grant" WHERE ended IS NULL') == 1
        await pass_by(home, 3700, 600)
        assert home.state("lamp2")["on"] is True


async def test_opening_an_entry_asks_again_when_it_runs_unless_the_config_names_that_routine() -> None:
    for named in (False, True):
        async with house() as home:
            home.desk.entry_routines = frozenset({"morning"} if named else ())
            due = routine(at("2026-03-02T07:00"), DAILY, put("lock", locked=False), name="Morning")
            await keep_routine(home, due)
            await pass_by(home, 3600, 600)
            assert home.state("lock")["locked"] is not named
            if not named:
                assert home.last("anna").reply.question
                await home.say("anna", "yes")
                assert home.state("lock")["locked"] is False


async def test_a_child_cannot_make_an_appointment_that_opens_the_door_by_itself() -> None:
    async with house() as home:
        told = await keep(home, once(home, 60, put("lock", locked=False)), "ben")
        assert told[0].startswith("<asked_owner>") and await home.count("due") == 0
        await home.say("ben", "yes")
        await pass_by(home, 120)
        assert await home.count("due") == 0 and home.state("lock")["locked"] is True


async def test_an_edit_ends_the_grant_and_is_asked_for_again() -> None:
    async with house() as home:
        await keep_routine(home, routine(at("2026-03-02T07:00"), DAILY, put("lock", locked=False), name="morning"))
        due = Due(DueKind.ROUTINE, at("2026-03-02T08:00"), every=DAILY, said="every day at 8")
        later = Plan(order=Order.CHANGE, about="morning", due=(due,))
        home.mind.plans["at eight"] = later
        told = await home.say("anna", "at eight")
        assert "?" in told[0]
        await home.say("anna", "yes")
        assert await home.count('"grant" WHERE ended IS NOT NULL') == 1 and await home.count("due WHERE state = 'waiting'") == 1


# Killed at every stage


def _lit(home: Home) -> bool:
    return home.state("lamp")["on"] is True


@pytest.mark.parametrize("steps", [0, 1, 2, 4, 6, 8, 11, 15, 20, 30])
async def test_killed_at_any_moment_around_the_instant_it_fires_once(tmp_path: Path, steps: int) -> None:
    """The wheel and the butler are cut off after some steps of the loop, and begun anew."""
    clock, bridge = HandClock(at("2026-03-02T06:00")), FakeBridge()
    async with house(tmp_path, clock=clock, bridges=[bridge]) as home:
        await keep(home, once(home, 60, put("lamp", on=True), Call("do", "list", {"verb": "add", "item": "milk"})))
        rows = {device: dict(home.state(device)) for device in FIRST}
    bridge.sent.clear()
    home = await build(tmp_path, clock=clock, bridges=[bridge], rows=rows)
    async with turning(home):
        await settle(home)
        clock.advance(61)
        for _ in range(steps):
            await asyncio.sleep(0.001)
    rows = {device: dict(home.state(device)) for device in FIRST}
    await home.store.aclose()
    async with house(tmp_path, clock=clock, bridges=[bridge], rows=rows) as home:
        await settle(home)
        await home.wait_for(partial(_lit, home))
        await settle(home)
        assert home.state("list")["items"] == ["milk"]
        assert await home.count("run") == 1 and await home.count("event WHERE kind = 'due'") == 1
        assert len(bridge.sent) == 1
        await home.nothing_is_owed()


async def test_ten_thousand_wait_and_only_what_is_due_is_touched() -> None:
    async with house() as home:
        soon = home.clock.now() + 60

        def fill(db: Any) -> None:
            event, _ = inbox.receive(db, home.event("anna", "many"))
            inbox.move(db, event, "done")  # type: ignore[arg-type]
            for number in range(2000):
                due = Due(DueKind.REMINDER, soon if number < 3 else soon + 3600 + number, remind=f"{number}")
                call = due_call(due)
                effect = EffectRow(0, event, call, "blind", "comfort", "done", at=soon)  # type: ignore[arg-type]
                appointments.keep(db, ledger.write_down(db, effect), due, "anna", "web/anna", "", soon, None)

        await home.store.write(fill)
        home.desk.wake()
        await pass_by(home, 60)
        assert sorted(home.told("anna")) == [f"<reminder> {number}" for number in range(3)]
