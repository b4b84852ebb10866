"""A restart at every stage: the rows say what is owed, and nothing is done twice in a way that matters.

The process is cut off by ending its tasks at once; a second one is built on the same folder. Real kills are in `tests/crash`.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dobby.errors import Refused, Unreachable, Unsure
from dobby.events import EffectState, EventState, OutboxState, State
from dobby.journal import inbox, outbox
from dobby.mind.plan import Context, Plan
from tests.fakes import FIRST, FakeBridge, HandClock, Home, build, living, put
from tests.test_butler import PLANS


class World:
    """What outlives a process: the folder, the devices as they stand, the clock, the provider."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.rows: Mapping[str, State] = FIRST
        self.deeds: list[Any] = []
        self.bridge = FakeBridge()

    @asynccontextmanager
    async def process(self, **plans: Any) -> AsyncIterator[Home]:
        """One life: until the end of the block, then cut off."""
        home = await build(self.folder, clock=self.clock, bridges=[self.bridge], rows=self.rows)
        home.mind.plans.update({**PLANS, **plans})
        home.driver.said = self.deeds
        try:
            async with living(home):
                yield home
        finally:
            self.rows = home.driver.rows
            await home.store.aclose()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def forever(context: Context) -> Plan:
    await asyncio.Event().wait()
    return Plan()


async def test_a_text_that_was_only_received_is_answered(world: World) -> None:
    async with world.process(**{"lamp on": forever}) as home:
        for text in ("lamp on", "hello"):
            await home.hear("anna", text)
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Lamp on=True done.", "Good evening."]
        await home.nothing_is_owed()


async def test_a_plan_that_was_not_begun_is_carried_out(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["lamp"].accepts = 5
        await home.hear("anna", "lamp on")
        await home.wait_for(lambda: bool(world.deeds))
    assert home.driver.done == []
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Lamp on=True done."]
        assert home.driver.done == [("lamp", {"on": True})]


async def test_what_was_done_before_the_cut_is_found_done(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["lamp"].hangs = True
        await home.hear("anna", "lamp on")
        await home.wait_for(lambda: bool(home.driver.done))
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Lamp on=True done."]
    assert len(world.deeds) == 1


async def test_a_pulse_is_not_repeated_and_that_is_said(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["button"].hangs = True
        await home.hear("anna", "press")
        await home.wait_for(lambda: bool(world.deeds))
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Button verb=press unknown blind."]
    assert len(world.deeds) == 1


async def test_with_hands_off_nothing_is_taken_up_again(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["lamp"].accepts = 5
        await home.hear("anna", "lamp on")
        await home.wait_for(lambda: bool(world.deeds))
        await home.desk.set_modes(type(home.desk.modes)(hands_off=True))
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Lamp on=True refused hands_off."]
        assert home.driver.done == []


async def test_a_slow_change_is_followed_to_its_end(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["blind"].settles = -1
        await home.hear("anna", "blind down")
        await home.wait_for(lambda: bool(world.bridge.sent))
    async with world.process() as home:
        home.driver.temper["blind"].settles = -1
        await home.wait_for(lambda: len(world.bridge.sent) == 2)
        assert home.told("anna") == ["Blind position=100 intended.", "Blind position=100 failed stuck."]


async def test_what_is_under_way_and_arrives_meanwhile_needs_no_word(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["blind"].settles = -1
        await home.hear("anna", "blind down")
        await home.wait_for(lambda: bool(world.bridge.sent))
        home.driver.turn("blind", {"position": 0})
        home.driver.done.clear()
    async with world.process() as home:
        await home.rest()
        assert len(home.told("anna")) == 1 and len(world.deeds) == 1
        assert [effect.state for effect in await home.effects()] == [EffectState.DONE]


async def test_an_open_question_is_still_open_and_its_time_goes_on(world: World) -> None:
    async with world.process() as home:
        assert await home.say("anna", "unlock") == ["Unlock the front door?"]
    async with world.process() as home:
        assert await home.say("anna", "yes") == ["Front door locked=False done."]
        await home.say("anna", "garage")
    world.clock.advance(121)
    async with world.process() as home:
        await home.wait_for(lambda: home.told("anna")[-1] == "<no_answer>")
        assert await home.say("anna", "yes") == ["<too_late>"]
    assert [device for device, _ in world.deeds] == ["lock"]


async def test_a_choice_is_still_open(world: World) -> None:
    async with world.process() as home:
        await home.say("anna", "which")
    async with world.process() as home:
        assert await home.say("anna", "the second") == ["Reading lamp on=True done."]


async def test_a_yes_that_was_only_received_is_a_yes(world: World) -> None:
    async with world.process() as home:
        await home.say("ben", "unlock")
        event = home.event("anna", "yes", received=world.clock.now())
        await home.store.write(lambda db: inbox.receive(db, event))  # the process dies before it acts on it
    async with world.process() as home:
        await home.rest()
        assert home.told("anna")[-1] == home.told("ben")[-1] == "Front door locked=False done."
        await home.nothing_is_owed()


async def test_a_yes_that_was_being_carried_out_is_carried_out_once_and_the_asker_is_told(world: World) -> None:
    async with world.process() as home:
        home.driver.temper["lock"].hangs = True
        await home.say("ben", "unlock")
        await home.hear("anna", "yes")
        await home.wait_for(lambda: bool(home.driver.done))
    async with world.process() as home:
        await home.rest()
        assert home.told("anna")[-1] == home.told("ben")[-1] == "Front door locked=False done."
        assert await home.say("carl", "yes") == ["<too_late>"]
    assert len(world.deeds) == 1


async def test_a_message_that_was_owed_goes_out_once(world: World) -> None:
    world.bridge.open.clear()
    async with world.process() as home:
        await home.hear("anna", "hello")
        while not await home.count("outbox"):
            await asyncio.sleep(0.005)
    world.bridge.open.set()
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Good evening."]
        await home.nothing_is_owed()


@pytest.mark.parametrize(("went", "told", "state"), [(True, 0, "sent"), (False, 1, "sent"), (None, 0, "unknown")])
async def test_a_message_that_was_being_sent_is_looked_up(world: World, went: bool | None, told: int, state: str) -> None:
    world.bridge.repeats = False
    world.bridge.open.clear()
    async with world.process() as home:
        await home.hear("anna", "hello")
        while not await home.count("outbox WHERE state = 'sending'"):
            await asyncio.sleep(0.005)
    world.bridge.open.set()
    world.bridge.went = went
    async with world.process() as home:
        await home.rest()
        assert len(home.told("anna")) == told and world.bridge.looked == 1
        assert await home.count(f"outbox WHERE state = '{state}'") == 1


async def test_the_switches_stay_as_they_were_left(world: World) -> None:
    async with world.process() as home:
        await home.say("anna", "hands off")
    async with world.process() as home:
        assert await home.say("anna", "lamp on") == ["Lamp on=True refused hands_off."]


async def test_undo_knows_what_was_done_before(world: World) -> None:
    async with world.process() as home:
        await home.say("anna", "lamp 30")
    async with world.process() as home:
        assert await home.say("anna", "undo") == ["Lamp on=False done."]


async def test_the_same_key_is_still_one_text(world: World) -> None:
    for _ in range(2):
        async with world.process() as home:
            await home.say("anna", "lamp on", key="web:1")
    assert len(world.deeds) == 1


# A row that stops the process


async def test_a_row_begun_three_times_is_parked_and_the_rest_goes_on(world: World) -> None:
    for _ in range(3):
        async with world.process(poison=forever) as home:
            if await home.count("event") == 0:
                for person, text in (("dora", "poison"), ("dora", "hello"), ("ben", "hello")):
                    await home.hear(person, text)
            await asyncio.sleep(0.05)
    async with world.process(poison=forever) as home:
        await home.rest()
        assert home.told("dora") == ["<parked>", "Good evening."]
        assert home.told("ben") == ["Good evening."]
        assert home.told("anna") == home.told("carl") == ["<parked_owner> 1"]
        assert (await home.row(1)).state is EventState.PARKED
    async with world.process() as home:
        await home.rest()
        assert len(home.told("dora")) == 2, "parked is parked, and told once"


async def test_a_parked_errand_is_not_begun_again_by_its_effects(world: World) -> None:
    for _ in range(4):
        async with world.process() as home:
            home.driver.temper["lamp"].hangs_reading = home.driver.temper["lamp"].hangs = True
            if await home.count("event") == 0:
                await home.hear("dora", "lamp on")
            await asyncio.sleep(0.02)
    deeds = len(world.deeds)
    async with world.process() as home:
        await home.rest()
        assert [(effect.state, effect.why) for effect in await home.effects()] == [(EffectState.UNKNOWN, "blind")]
    assert len(world.deeds) == deeds


POISON = """
import asyncio, os, sys
from pathlib import Path
from dobby.mind.plan import Plan
from tests.fakes import build, living

async def die(context):
    os._exit(9)

async def main():
    home = await build(Path(sys.argv[1]))
    home.mind.plans.update({"poison": die, "hello": Plan(say="Good evening.")})
    async with living(home):
        if await home.count("event") == 0:
            await asyncio.gather(*(home.hear("dora", text) for text in ("hello", "poison", "hello")))
        await home.rest()
        print(*home.told("dora"), sep="|")

asyncio.run(main())
"""


def test_a_text_that_kills_the_process_is_parked_after_three_deaths(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", POISON, str(tmp_path)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=30)
        for _ in range(4)
    ]
    assert [run.returncode for run in runs] == [9, 9, 9, 0], runs[-1].stderr
    assert runs[-1].stdout.strip().endswith("<parked>|Good evening.")


# The post


async def test_a_provider_that_refuses_is_not_asked_again_and_one_out_of_reach_is(world: World) -> None:
    world.bridge.repeats = False
    async with world.process() as home:
        world.bridge.fails = [Refused("blocked"), Unreachable("later")]
        await home.hear("anna", "hello")
        await home.hear("anna", "lamp on")
        await home.wait_for(lambda: world.bridge.fails == [])
        await asyncio.sleep(0.02)
        assert home.told("anna") == []
        home.clock.advance(1)
        await home.rest()
        assert home.told("anna") == ["Lamp on=True done."]
        assert await home.count("outbox WHERE state = 'failed'") == 1


@pytest.mark.parametrize(("repeats", "told"), [(True, 2), (False, 1)])
async def test_a_send_in_doubt_is_repeated_only_where_that_shows_once(world: World, repeats: bool, told: int) -> None:
    world.bridge.repeats = repeats
    async with world.process() as home:
        world.bridge.fails = [Unsure("the line broke")]
        await home.hear("anna", "hello")
        await home.wait_for(lambda: world.bridge.fails == [])
        await asyncio.sleep(0.02)
        home.clock.advance(1)
        await home.rest()
        assert len(home.told("anna")) == told
        await home.nothing_is_owed()


async def test_one_sick_message_does_not_hold_up_the_others(world: World) -> None:
    class Sick(FakeBridge):
        async def look_up(self, row: outbox.OutboxRow) -> bool | None:
            raise ValueError("no such thing")

    world.bridge = Sick(repeats=False)
    async with world.process() as home:
        world.bridge.fails = [ValueError("?")]
        world.bridge.arrives = False
        await home.say("anna", "hello")
        assert await home.say("anna", "lamp on") == ["Lamp on=True done. <perhaps_missed> Good evening."]
        assert await home.say("anna", "lamp off") == ["Lamp on=False done."]
        assert await home.count("outbox WHERE state = 'unknown'") == 1


async def test_a_page_that_was_quicker_than_the_send_is_not_turned_back(world: World) -> None:
    async with world.process() as home:
        await home.say("anna", "hello")
        row = home.last("anna")
        assert await home.post.moved(row.id, OutboxState.READ)
        assert not await home.post.moved(row.id, OutboxState.DELIVERED)
        assert await home.count("outbox WHERE state = 'read'") == 1


async def test_two_devices_one_done_one_not(world: World) -> None:
    async with world.process(pair=Plan(calls=(put("lamp", on=True), put("lamp2", on=True)))) as home:
        home.driver.temper["lamp2"].accepts = 5
        await home.hear("anna", "pair")
        await home.wait_for(lambda: len(home.driver.done) == 1 and len(world.deeds) == 2)
    async with world.process() as home:
        await home.rest()
        assert home.told("anna") == ["Lamp on=True done. Reading lamp on=True done."]
        assert home.driver.done == [("lamp2", {"on": True})]
