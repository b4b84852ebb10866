"""Other hands: what turns back what Dobby did is named once; what somebody set by hand is left alone by routines for a while."""

from collections.abc import AsyncIterator

import pytest

from tests.stories.family import Family, at_home

LAMP = "light.kitchen"


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


async def test_what_is_turned_back_right_after_him_is_said_once(home: Family) -> None:
    home.by_hand(LAMP, on=False)
    assert "back" not in await home.tells("anna", "turn on the kitchen ceiling")
    home.clock.advance(8)
    home.by_hand(LAMP, on=False)
    await home.wait_for(lambda: any("has turned Kitchen Ceiling back" in text for text in home.told("anna")))
    await home.tells("anna", "turn on the kitchen ceiling")
    home.clock.advance(8)
    home.by_hand(LAMP, on=False)
    await home.rest()
    assert sum("has turned Kitchen Ceiling back" in text for text in home.told("anna")) == 1, "once is enough"


async def test_a_change_of_mind_is_nobodys_rule(home: Family) -> None:
    home.by_hand(LAMP, on=False)
    await home.tells("anna", "turn on the kitchen ceiling")
    home.clock.advance(300)
    home.by_hand(LAMP, on=False)
    await home.tells("anna", "turn on the kitchen ceiling")
    await home.tells("anna", "turn off the kitchen ceiling")
    await home.rest()
    assert not any("back" in text for text in home.told("anna"))


async def test_a_routine_leaves_alone_what_a_hand_has_just_set_and_says_so(home: Family) -> None:
    await home.tells("anna", "every day at 20:00 turn off the kitchen ceiling and the terrace heater")
    await home.tells("anna", "yes")
    await home.pass_by(600)
    home.by_hand(LAMP, on=False)
    home.by_hand(LAMP, on=True)
    home.by_hand("switch.heater", on=False)
    await home.pass_by(700)
    assert home.now(LAMP)["on"] is True
    assert any("I left Kitchen Ceiling alone: set by hand 10 minutes ago." in text for text in home.told("anna"))


async def test_after_a_while_it_is_the_routines_again_and_what_was_asked_for_is_done(home: Family) -> None:
    home.by_hand(LAMP, on=False)
    home.by_hand(LAMP, on=True)
    await home.tells("anna", "in 5 minutes turn off the kitchen ceiling")
    await home.pass_by(400)
    assert home.now(LAMP)["on"] is False, "that was asked for after the hand"
    home.by_hand(LAMP, on=True)
    await home.tells("anna", "every day at 21:00 turn off the kitchen ceiling")
    await home.tells("anna", "yes")
    await home.pass_by(4800)
    assert home.now(LAMP)["on"] is False


async def test_a_lock_is_locked_whoever_touched_it(home: Family) -> None:
    home.by_hand("lock.front", locked=True)
    await home.tells("anna", "every day at 20:00 lock the front door")
    await home.tells("anna", "yes")
    await home.pass_by(600)
    home.by_hand("lock.front", locked=False)
    await home.pass_by(700)
    assert home.now("lock.front")["locked"] is True
