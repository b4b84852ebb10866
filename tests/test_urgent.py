"""Life and limb, and where a person hears: every adult over every bridge until one knows; the next bridge when one fails."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dobby.butler import urgent
from dobby.errors import Refused
from dobby.events import Change, OutboxState, Reply
from dobby.house.kinds import specs
from dobby.house.model import Device
from dobby.journal import household, outbox
from dobby.mind.plain import PlainMind
from dobby.people import Limits
from tests.fakes import FakeBridge, Home, lived_in

SMOKE = Device("smoke", "fake", "sensor", "Smoke alarm", device_class="smoke", room="Kitchen", traits=specs("sensor"))


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with lived_in(tmp_path, bridges=[FakeBridge("web"), FakeBridge("telegram", repeats=False)]) as found:
        await found.people.reach("anna", "telegram", "7001")
        found.house.add(SMOKE)
        found.house.state.hear(Change("smoke", {"on": False}, available=True))
        yield found


async def rounds(home: Home, bridge: str, chat: str) -> int:
    return len([text for text in home.told(chat, bridge) if "urgent_smoke" in text])


async def test_smoke_is_told_to_every_adult_on_every_bridge_until_one_knows(home: Home) -> None:
    await home.people.keep(replace(next(p for p in home.people if p.id == "anna"), limits=Limits(quiet="00:00-23:59")))
    home.house.state.hear(Change("smoke", {"on": True}))
    await home.wait_for(lambda: bool(home.told("7001", "telegram") and home.told("anna") and home.told("dora")))
    home.house.state.hear(Change("smoke", {"on": False}))
    home.house.state.hear(Change("smoke", {"on": True}))  # the same one
    await home.rest()
    assert not home.told("ben")  # a child
    assert await rounds(home, "web", "dora") == 1
    home.clock.advance(urgent.AGAIN + urgent.LOOK)
    await home.wait_for(lambda: len(home.told("dora")) >= 2)
    assert await home.say("ben", "ok")  # a child does not end it
    assert await home.count("emergency WHERE known IS NULL") == 1
    await home.say("dora", "ok")
    assert await home.count("emergency WHERE known IS NULL") == 0
    told = len(home.told("7001", "telegram"))
    home.clock.advance(urgent.AGAIN + urgent.LOOK)
    await home.rest()
    assert len(home.told("7001", "telegram")) == told


async def test_what_is_urgent_is_rather_sent_twice_than_never(home: Home) -> None:
    home.bridges["telegram"].fails = [TimeoutError("in doubt")]
    home.house.state.hear(Change("smoke", {"on": True}))
    await home.wait_for(lambda: bool(home.told("anna")))
    home.clock.advance(2.0)
    await home.wait_for(lambda: bool(home.told("7001", "telegram")))


@pytest.mark.parametrize("text", ["Call an ambulance!", "ruf den Notarzt", "Ruf einen Krankenwagen, schnell"])
async def test_a_cry_for_help_is_answered_at_once_and_every_adult_hears(home: Home, text: str) -> None:
    (answer,) = [line for line in await home.say("ben", text) if "help_call" in line]
    assert "112" in answer
    assert any("urgent_help" in line for line in home.told("dora"))
    assert any("urgent_help" in line for line in home.told("7001", "telegram"))


async def test_he_tries_it_every_month(home: Home) -> None:
    await home.store.write(lambda db: household.set_setting(db, urgent.TESTED, "1999-01"))
    day = 24 * 3600.0
    for _ in range(40):
        home.clock.advance(day)
        await asyncio.sleep(0.02)
    assert await home.count("emergency WHERE cause = 'test'") >= 1
    assert any("urgent_test" in line for line in home.told("dora"))


async def test_a_message_that_fails_goes_by_the_next_bridge_once(home: Home) -> None:
    home.bridges["telegram"].fails = [Refused("blocked")]
    lane = "telegram/7001"
    row = await home.store.write(lambda db: outbox.owe(db, Reply("van", lane, "A van has come."), None, home.clock.now()))
    home.post.hand_over([row])
    await home.rest()
    assert home.told("anna") == ["A van has come."]
    states = await home.store.read(lambda db: db.execute("SELECT key, state FROM outbox WHERE key LIKE 'van%'").fetchall())
    assert states == [("van", OutboxState.FAILED), ("van>web", OutboxState.SENT)]


async def test_what_can_wait_waits_for_the_end_of_the_quiet_hours(home: Home) -> None:
    await home.people.keep(replace(next(p for p in home.people if p.id == "anna"), limits=Limits(quiet="00:00-23:59")))
    rows = [
        await home.store.write(lambda db, key=key: outbox.owe(db, Reply(key, "web/anna", key), None, home.clock.now()))
        for key in ("news:1", "due:1")
    ]
    home.post.hand_over(rows)
    await home.rest()
    assert home.told("anna") == ["due:1"]


async def test_everybody_hears_in_their_own_language_and_who_cried_in_the_words_language(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as house:
        house.desk.mind = PlainMind(house.house)
        await house.people.keep(replace(next(p for p in house.people if p.id == "dora"), language="de"))
        answers = await house.say("ben", "Ruf den Notarzt!")
        assert "Ich kann niemanden anrufen. Ruf jetzt 112 an." in " ".join(answers)
        assert any(text.startswith("Ben needs help: ") for text in house.told("anna"))
        assert any(text.startswith("Ben braucht Hilfe: ") for text in house.told("dora"))
        assert "I cannot call anybody" in " ".join(await house.say("dora", "call an ambulance"))
        await house.store.write(lambda db: db.execute("UPDATE emergency SET words = 'Words of an older Dobby.', told = 0"))
        house.clock.advance(urgent.AGAIN + urgent.LOOK)
        await house.wait_for(lambda: any("Words of an older Dobby. Tell me" in text for text in house.told("anna")))
