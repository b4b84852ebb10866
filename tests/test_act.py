"""The hands: what is told comes from read-back, a doubt is looked at, and a device is handled by one hand at a time."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dobby.act import Ending, Hands
from dobby.errors import Refused, Unreachable, Unsure
from dobby.events import Call, Change, EffectClass, EffectState, State
from dobby.house.kinds import specs
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal.ledger import EffectRow
from tests.fakes import FakeDriver, HandClock, Temper, do, lamp, put, thing

DONE, FAILED, UNKNOWN, INTENDED = EffectState.DONE, EffectState.FAILED, EffectState.UNKNOWN, EffectState.INTENDED


class Bench:
    """One house, one driver, one pair of hands."""

    def __init__(self) -> None:
        self.house = House(HandClock())
        self.driver = FakeDriver(self.house)
        self.hands = self.fresh()
        self.number = 0

    def fresh(self, **more: float) -> Hands:
        times = {"settle": 0.1, "accept": 2.0, "looking": 0.2, "back": 0.5, **more}
        return Hands(self.house, {"fake": self.driver}, patience={"cover": 0.6}, **times)

    def add(self, device: Device, **state: object) -> Temper:
        self.house.add(device)
        self.driver.turn(device.id, state)  # type: ignore[arg-type]
        return self.driver.temper[device.id]

    def effect(self, call: Call, before: State | None = None) -> EffectRow:
        self.number += 1
        was = self.hands.before(call) if before is None else before
        return EffectRow(self.number, 1, call, self.hands.effect_class(call), "comfort", INTENDED, was)

    async def perform(self, call: Call) -> Ending:
        return await self.hands.perform(self.effect(call))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.driver.aclose()


# Read-back


@pytest.mark.parametrize("plays", ["Miles Davis – Kind Of Blue", "", None, 7])
async def test_what_a_player_says_it_plays_goes_with_what_was_read_back(bench: Bench, plays: str | None) -> None:
    bench.add(thing("speaker"), playing="idle")
    bench.driver.plays = plays
    ending = await bench.perform(do("speaker", "play", what="kind of blue"))
    assert ending.state is DONE
    assert ending.after == {"playing": "playing"} | ({"plays": plays} if plays == "Miles Davis – Kind Of Blue" else {})


@pytest.mark.parametrize("pushes", [True, False])
async def test_a_change_is_done_when_the_device_says_so(bench: Bench, pushes: bool) -> None:
    bench.add(lamp(), on=False).pushes = pushes
    assert await bench.perform(put("lamp", on=True)) == Ending(DONE, {"on": True})
    reading = bench.house.state.reading("lamp", "on")
    assert reading is not None and reading.cause == "effect:1"


async def test_coupled_traits_are_sent_and_confirmed_together(bench: Bench) -> None:
    bench.add(lamp(), on=False, brightness=80)
    assert await bench.perform(put("lamp", brightness=30)) == Ending(DONE, {"brightness": 30, "on": True})
    assert bench.driver.said == [("lamp", {"brightness": 30, "on": True})]


@pytest.mark.parametrize(("lands", "state"), [(99, DONE), (98, INTENDED)])
async def test_there_means_within_one_step(bench: Bench, lands: int, state: EffectState) -> None:
    bench.add(thing("cover"), position=0).ignores = 1
    asyncio.get_running_loop().call_later(0.01, lambda: bench.driver.turn("cover", {"position": lands}))
    assert (await bench.perform(put("cover", position=100))).state is state


async def test_what_was_already_so_is_looked_at_all_the_same(bench: Bench) -> None:
    bench.add(lamp(), on=True)
    bench.driver.rows["lamp"]["on"] = False  # switched at the wall, and nobody told us
    bench.driver.temper["lamp"].ignores = 1
    assert await bench.perform(put("lamp", on=True)) == Ending(INTENDED, {"on": False})


async def test_an_old_state_is_no_proof_where_the_device_cannot_be_read(bench: Bench) -> None:
    bench.add(lamp(), on=True).unreadable = True
    bench.driver.temper["lamp"].pushes = False
    assert (await bench.perform(put("lamp", on=True))).state is INTENDED


async def test_a_slow_change_is_under_way_then_done(bench: Bench) -> None:
    bench.add(thing("cover"), position=100).settles = 0.3
    effect = bench.effect(put("cover", position=0))
    assert await bench.hands.perform(effect) == Ending(INTENDED, {"position": 100})
    assert await bench.hands.watch(effect) == Ending(DONE, {"position": 0})


async def test_a_slow_change_that_gets_stuck_says_where(bench: Bench) -> None:
    bench.add(thing("cover"), position=100).settles = -1
    effect = bench.effect(put("cover", position=0))
    assert (await bench.hands.perform(effect)).state is INTENDED
    bench.driver.turn("cover", {"position": 40})
    assert await bench.hands.watch(effect) == Ending(FAILED, {"position": 40}, why="stuck")


async def test_a_slow_change_of_a_device_that_falls_silent_is_unknown(bench: Bench) -> None:
    bench.add(thing("cover"), position=100).settles = -1
    effect = bench.effect(put("cover", position=0))
    await bench.hands.perform(effect)
    bench.driver.temper["cover"].unreadable = True
    assert await bench.hands.watch(effect) == Ending(UNKNOWN, {"position": 100}, why="silent")


@pytest.mark.parametrize("tells", [True, False])
async def test_an_echo_is_told_as_sent(bench: Bench, tells: bool) -> None:
    bench.add(thing("switch", traits=specs("switch", on={"echoes": True})), on=False)
    bench.driver.temper["switch"].ignores, bench.driver.temper["switch"].unreadable = (0, False) if tells else (1, True)
    ending = await bench.perform(put("switch", on=True))
    assert (ending.state, ending.echoed) == (DONE, True)


async def test_a_verb_is_read_back_where_it_leaves_a_trace(bench: Bench) -> None:
    bench.add(thing("speaker"), playing="idle", on=True)
    assert await bench.perform(do("speaker", "play", what="jazz")) == Ending(DONE, {"playing": "playing"})
    assert (await bench.perform(do("speaker", "announce", text="dinner"))).state is DONE


# What is known of a failure


@pytest.mark.parametrize(("error", "gone"), [(Refused("It says no."), False), (Unreachable("It is off the network."), True)])
async def test_refused_and_unreachable_were_not_done(bench: Bench, error: Exception, gone: bool) -> None:
    bench.add(lamp(), on=False).fails = [error]
    assert await bench.perform(put("lamp", on=True)) == Ending(FAILED, why=str(error))
    assert len(bench.driver.said) == 1
    assert (bench.house.state.unavailable_since("lamp") is not None) == gone


@pytest.mark.parametrize("error", [Unsure("The line broke."), TimeoutError(), ValueError("garbage"), asyncio.CancelledError()])
async def test_in_doubt_and_done_is_done_once(bench: Bench, error: BaseException) -> None:
    temper = bench.add(lamp(), on=False)
    temper.fails, temper.late = [error], True
    assert await bench.perform(put("lamp", on=True)) == Ending(DONE, {"on": True})
    assert len(bench.driver.said) == 1


@pytest.mark.parametrize("error", [Unsure("The line broke."), TimeoutError(), ValueError("garbage")])
async def test_in_doubt_and_not_done_is_tried_once_more(bench: Bench, error: Exception) -> None:
    bench.add(lamp(), on=False).fails = [error]
    assert await bench.perform(put("lamp", on=True)) == Ending(DONE, {"on": True})
    assert len(bench.driver.said) == 2


async def test_in_doubt_twice_is_unknown_and_refused_the_second_time_is_not(bench: Bench) -> None:
    bench.add(lamp(), on=False).fails = [Unsure("once"), Unsure("twice")]
    assert await bench.perform(put("lamp", on=True)) == Ending(UNKNOWN, {"on": False}, why="twice")
    bench.driver.temper["lamp"].fails = [Unsure("once"), Refused("It says no.")]
    assert await bench.perform(put("lamp", on=True)) == Ending(FAILED, why="It says no.")


async def test_in_doubt_and_out_of_reach_is_unknown(bench: Bench) -> None:
    temper = bench.add(lamp(), on=False)
    temper.fails, temper.unreadable = [Unsure("The line broke.")], True
    assert await bench.perform(put("lamp", on=True)) == Ending(UNKNOWN, why="The line broke.")


async def test_a_command_that_never_returns_is_looked_after(bench: Bench) -> None:
    bench.add(lamp(), on=False).hangs = True
    bench.hands = bench.fresh(accept=0.2)
    assert await bench.perform(put("lamp", on=True)) == Ending(DONE, {"on": True})


@pytest.mark.parametrize("how", ["garbage", "hangs_reading", "unreadable"])
async def test_a_device_that_cannot_be_read_is_out_of_reach(bench: Bench, how: str) -> None:
    setattr(bench.add(lamp(), on=False), how, True)
    device = bench.house.get("lamp")
    assert device is not None
    assert not await bench.hands.look(device)
    assert bench.house.state.unavailable_since("lamp") is not None
    assert bench.house.state.of("lamp") == {"on": False}


async def test_a_device_that_is_gone_is_not_done(bench: Bench) -> None:
    bench.house.add(replace(lamp("ghost"), driver="nobody"))
    assert await bench.perform(put("ghost", on=True)) == Ending(FAILED, why="gone")
    assert await bench.perform(put("nowhere", on=True)) == Ending(FAILED, why="gone")


# Not to be repeated


async def test_a_pulse_is_never_repeated_whatever_happens(bench: Bench) -> None:
    temper = bench.add(thing("button"))
    for error in (Unsure("The line broke."), TimeoutError()):
        temper.fails = [error]
        assert (await bench.perform(do("button", "press"))).state is UNKNOWN
    assert len(bench.driver.said) == 2
    assert await bench.hands.reconcile(bench.effect(do("button", "press"))) == Ending(UNKNOWN, why="blind")
    assert len(bench.driver.said) == 2


async def test_a_pulse_on_a_trait_is_told_as_sent(bench: Bench) -> None:
    bench.add(thing("switch", traits=specs("switch", on={"effect": EffectClass.BLIND})), on=False).ignores = 1
    assert await bench.perform(put("switch", on=True)) == Ending(DONE, {"on": True}, echoed=True)


@pytest.mark.parametrize("late", [True, False])
async def test_what_can_be_asked_is_asked_before_it_is_repeated(bench: Bench, late: bool) -> None:
    temper = bench.add(thing("list"), items=["milk"], count=1)
    temper.fails, temper.late = [Unsure("The line broke.")], late
    assert (await bench.perform(do("list", "add", item="eggs"))).state is DONE
    assert bench.driver.rows["list"]["items"] == ["milk", "eggs"]
    assert len(bench.driver.said) == (1 if late else 2)


async def test_an_item_that_somebody_else_added_is_not_mine(bench: Bench) -> None:
    bench.add(thing("list"), items=["milk", "bread"], count=2)
    effect = bench.effect(do("list", "add", item="eggs"), before={"items": ["milk"], "count": 1})
    assert (await bench.hands.reconcile(effect)).state is DONE
    assert bench.driver.rows["list"]["items"] == ["milk", "bread", "eggs"]


async def test_what_cannot_be_asked_is_unknown(bench: Bench) -> None:
    bench.add(thing("speaker"), playing="playing", on=True).fails = [Unsure("The line broke.")]
    assert (await bench.perform(do("speaker", "next"))).state is UNKNOWN
    assert len(bench.driver.said) == 1


# After a restart


async def test_reconciling_reads_first(bench: Bench) -> None:
    bench.add(lamp(), on=True)
    effect = bench.effect(put("lamp", on=True), before={"on": False})
    assert await bench.hands.reconcile(effect) == Ending(DONE, {"on": True})
    assert bench.driver.said == []
    bench.driver.rows["lamp"]["on"] = False
    assert await bench.hands.reconcile(effect) == Ending(DONE, {"on": True})
    assert len(bench.driver.said) == 1


async def test_reconciling_waits_for_a_link_that_needs_a_moment(bench: Bench) -> None:
    temper = bench.add(lamp(), on=True)
    temper.unreadable = True
    asyncio.get_running_loop().call_later(0.15, setattr, temper, "unreadable", False)
    assert (await bench.hands.reconcile(bench.effect(put("lamp", on=True)))).state is DONE


async def test_reconciling_a_silent_device_is_unknown(bench: Bench) -> None:
    bench.add(lamp(), on=True).unreadable = True
    assert await bench.hands.reconcile(bench.effect(put("lamp", on=True))) == Ending(UNKNOWN, why="silent")


async def test_coupling_goes_by_what_was_before_the_call(bench: Bench) -> None:
    bench.add(thing("fan"), on=True, speed=40)
    effect = bench.effect(put("fan", on=True), before={"on": False, "speed": 40})
    assert await bench.hands.reconcile(effect) == Ending(DONE, {"on": True, "speed": 40})


# One hand per device


async def test_one_device_is_handled_by_one_hand_and_two_by_two(bench: Bench) -> None:
    for name in ("lamp", "lamp2"):
        bench.add(lamp(name), on=False).accepts = 0.02
    await asyncio.gather(*(bench.perform(put("lamp", on=on)) for on in (True, False, True)))
    assert bench.driver.most_at_once == 1
    assert [state["on"] for _, state in bench.driver.said] == [True, False, True]
    await asyncio.gather(bench.perform(put("lamp", on=True)), bench.perform(put("lamp2", on=True)))
    assert bench.driver.most_at_once == 2


async def test_a_hand_is_held_until_the_blocking_thread_has_really_returned(bench: Bench) -> None:
    returns = threading.Event()
    bench.add(lamp(), on=False).thread = returns
    bench.hands = bench.fresh(accept=0.2)
    assert (await bench.perform(put("lamp", on=True))).state is UNKNOWN
    bench.driver.temper["lamp"].thread = None
    assert await bench.perform(put("lamp", on=False)) == Ending(FAILED, why="silent")
    assert len(bench.driver.said) == 1, "the second was never sent"
    assert bench.house.state.unavailable_since("lamp") is None, "busy is not gone"
    returns.set()
    while (await bench.perform(put("lamp", on=False))).why == "silent":
        await asyncio.sleep(0.01)
    assert bench.driver.rows["lamp"]["on"] is False


async def test_a_caller_who_is_cut_off_leaves_the_hand_to_the_work(bench: Bench) -> None:
    bench.add(lamp(), on=False).accepts = 0.05
    cut = asyncio.create_task(bench.perform(put("lamp", on=True)))
    await asyncio.sleep(0.01)
    cut.cancel()
    assert (await bench.perform(put("lamp", on=False))).state is DONE
    assert [state["on"] for _, state in bench.driver.done] == [True, False]
    await bench.hands.aclose()


# Skills' functions


class Tools:
    """Functions of skills that answer as they are told."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer

    def tool(self, name: str) -> object | None:
        return self

    async def run(self, call: Call) -> State:
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"says": self.answer}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("It rains.", DONE),
        (Refused("No."), FAILED),
        (Unsure("Perhaps."), UNKNOWN),
        (ValueError("bug"), UNKNOWN),
        (TimeoutError(), UNKNOWN),
    ],
)
async def test_a_skills_function_ends_in_words(bench: Bench, answer: str | Exception, state: EffectState) -> None:
    hands = Hands(bench.house, {}, Tools(answer))
    ending = await hands.perform(bench.effect(Call("weather.today")))
    assert ending.state is state
    assert ending.after.get("says") == "It rains." if state is DONE else ending.why


# Cause and age


async def test_what_changes_later_by_hand_is_not_ours(bench: Bench) -> None:
    bench.add(lamp(), on=False)
    await bench.perform(put("lamp", on=True))
    clock = bench.house.clock
    assert isinstance(clock, HandClock)
    clock.advance(30)
    bench.house.state.hear(Change("lamp", {"on": False}))
    reading = bench.house.state.reading("lamp", "on")
    assert reading is not None and (reading.cause, reading.since) == ("", clock.now())
