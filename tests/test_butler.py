"""The butler, as stories: what is asked in a lane is answered once and in order, whatever comes between."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dobby.errors import DiskFull, Unsure
from dobby.events import EffectState, Event, EventKind, EventState, Origin, Role, Source
from dobby.mind.plan import Choice, Context, Order, Plan
from dobby.people import Person
from tests.fakes import FakeBridge, Home, build, do, lived_in, living, put
from tests.patience import ENOUGH

ON = Plan(calls=(put("lamp", on=True),))
UNLOCK = Plan(calls=(put("lock", locked=False),))
GARAGE = Plan(calls=(put("garage", position=100),))
PLANS: dict[str, Any] = {
    "lamp on": ON,
    "lamp off": Plan(calls=(put("lamp", on=False),)),
    "lamp 30": Plan(calls=(put("lamp", brightness=30),)),
    "both on": Plan(calls=(put("lamp", on=True), put("lamp2", on=True))),
    "blind down": Plan(calls=(put("blind", position=0),)),
    "blind up": Plan(calls=(put("blind", position=100),)),
    "unlock": UNLOCK,
    "lock": Plan(calls=(put("lock", locked=True),)),
    "garage": GARAGE,
    "lamp and unlock": Plan(calls=(put("lamp", on=True), put("lock", locked=False))),
    "press": Plan(calls=(do("button", "press"),)),
    "which": Plan(say="Which one?", choices=(Choice("Lamp", ON.calls), Choice("Reading lamp", (put("lamp2", on=True),)))),
    "undo": Plan(order=Order.UNDO),
    "explain": Plan(order=Order.EXPLAIN),
    "stop": Plan(order=Order.STOP),
    "hands off": Plan(order=Order.HANDS_OFF),
    "hands on": Plan(order=Order.HANDS_ON),
    "only tell": Plan(order=Order.REHEARSE),
    "for real": Plan(order=Order.PERFORM),
    "hello": Plan(say="Good evening."),
    "boom": ValueError("the mind is ill"),
}


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    async with lived_in() as home:
        home.mind.plans.update(PLANS)
        yield home
        await home.rest()
        await home.nothing_is_owed()


# Plain commands


async def test_a_text_becomes_an_act_and_the_reply_says_what_was_read_back(home: Home) -> None:
    assert await home.say("anna", "lamp on") == ["Lamp on=True done."]
    assert home.state("lamp")["on"] is True
    [effect] = await home.effects()
    assert (effect.state, effect.before["on"], effect.after) == (EffectState.DONE, False, {"on": True})
    assert (await home.row(effect.event)).state is EventState.DONE


async def test_a_plain_command_costs_three_commits_and_one_for_the_message(home: Home) -> None:
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    home.store.listen(count)
    await home.say("anna", "lamp on")
    await asyncio.sleep(0.01)
    assert commits == 4


async def test_the_same_key_is_one_text(home: Home) -> None:
    first = await home.butler.hear(home.event("anna", "lamp on", key="web:1"))
    again = await home.butler.hear(home.event("anna", "lamp off", key="web:1"))
    await home.rest()
    assert (again.id, first.new, again.new) == (first.id, True, False)
    assert len(home.driver.said) == 1 and home.state("lamp")["on"] is True


async def test_several_devices_go_side_by_side_and_are_told_in_one_message(home: Home) -> None:
    home.driver.temper["lamp"].accepts = home.driver.temper["lamp2"].accepts = 0.02
    assert await home.say("anna", "both on") == ["Lamp on=True done. Reading lamp on=True done."]
    assert home.driver.most_at_once == 2


async def test_every_failure_is_told_once_and_as_it_is(home: Home) -> None:
    home.driver.temper["lamp"].fails = [Unsure("once"), Unsure("twice")]
    assert await home.say("anna", "lamp on") == ["Lamp on=False unknown twice."]


async def test_a_mind_that_breaks_fails_the_event_and_the_lane_lives(home: Home) -> None:
    assert await home.say("anna", "boom") == ["<failed>"]
    assert await home.say("anna", "lamp on") == ["Lamp on=True done."]
    assert await home.count("event WHERE state = 'failed'") == 1


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"text": "", "kind": EventKind.VOICE}, ["<no_use> voice"]),
        ({"text": "lamp on", "kind": EventKind.VOICE}, ["Lamp on=True done."]),
        ({"text": "", "kind": EventKind.REACTION, "reaction": "👍"}, []),
        ({"text": "x" * 5000}, ["<too_long_for_me> 4000"]),
    ],
)
async def test_other_kinds_of_events_are_answered_for(home: Home, event: dict[str, Any], told: list[str]) -> None:
    assert await home.say("anna", **event) == told


# Lanes


async def test_a_lane_is_in_order_and_lanes_are_side_by_side(home: Home) -> None:
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    for text in ("lamp on", "lamp off", "hello"):
        await home.hear("anna", text)
    assert await told_first(home, "dora", "hello") == "Good evening."
    assert home.told("anna") == []
    gate.set()
    await home.rest()
    assert home.told("anna") == ["Lamp on=True done.", "Lamp on=False done.", "Good evening."]


async def test_a_thousand_texts_in_a_burst_on_ten_lanes_are_all_answered_in_order(home: Home) -> None:
    for number in range(10):
        await home.people.keep(Person(f"p{number}", f"P{number}", Role.ADULT))
        await home.people.reach(f"p{number}", "web", f"p{number}")
    texts = [f"text {number}" for number in range(100)]
    await asyncio.gather(*(home.hear(f"p{lane}", text) for text in texts for lane in range(10)))
    await home.rest()
    for lane in range(10):
        told = home.told(f"p{lane}")
        assert [text for text in told if text != "<one_moment>"] == [f"? {text}" for text in texts]
        assert told.count("<one_moment>") == 1


async def test_more_than_twenty_waiting_are_told_to_wait_once(home: Home) -> None:
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    await home.hear("anna", "lamp on")
    await home.wait_for(lambda: bool(home.driver.said))
    for _ in range(21):
        await home.hear("anna", "hello")
    await home.wait_for(lambda: home.told("anna") == ["<one_moment>"])
    gate.set()
    await home.rest()
    assert home.told("anna").count("Good evening.") == 21


async def test_a_caller_who_hangs_up_while_his_text_is_written_is_answered_all_the_same(home: Home) -> None:
    hearing = asyncio.create_task(home.hear("anna", "lamp on"))
    await asyncio.sleep(0)
    hearing.cancel()
    await home.wait_for(lambda: home.told("anna") == ["Lamp on=True done."])


# Steering


async def test_stop_ends_what_has_not_begun(home: Home) -> None:
    home.mind.plans["all"] = Plan(calls=tuple(put("lamp", brightness=level) for level in range(1, 31)))
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    await home.hear("anna", "all")
    await home.wait_for(lambda: bool(home.driver.said))
    await home.hear("anna", "stop")
    gate.set()
    await home.rest()
    first, second = home.told("anna")
    assert "refused stopped" in first and second == "<left_it>"
    assert len(home.driver.said) == 1


async def test_no_the_other_one_amends_what_runs_before_what_waits(home: Home) -> None:
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    home.mind.plans["no, the other one"] = Plan(calls=(put("lamp2", on=True),))
    for text in ("lamp on", "hello"):
        await home.hear("anna", text)
    await home.wait_for(lambda: bool(home.driver.said))
    await home.hear("anna", "stop")
    await home.hear("anna", "no, the other one")
    gate.set()
    await home.rest()
    assert home.told("anna") == ["Lamp on=True done.", "<left_it>", "Reading lamp on=True done.", "Good evening."]
    [context] = [context for text, context in home.mind.asked if text == "no, the other one"]
    assert context.last == ON.calls and context.talked == ("lamp",)


async def test_stop_halts_what_is_under_way_here_and_nobody_elses() -> None:
    async with lived_in(patience={"cover": 60.0}) as home:
        home.mind.plans.update(PLANS)
        home.driver.temper["blind"].settles = -1
        assert await told_first(home, "anna", "blind down") == "Blind position=100 intended."
        assert await told_first(home, "dora", "stop") == "<nothing_to_stop>"
        assert await told_first(home, "anna", "stop") == "Blind verb=stop done."
        assert [command for _, command in home.driver.said] == [{"position": 0}, {"verb": "stop"}]
        await home.rest()
        assert len(home.told("anna")) == 2, "no second message about the blind"
        assert [context.busy for text, context in home.mind.asked if text == "stop"] == [False, True]


async def told_first(home: Home, person: str, text: str) -> str:
    """The next message, without waiting for what is under way."""
    seen = len(home.told(person))
    await home.hear(person, text)
    await home.wait_for(lambda: len(home.told(person)) > seen)
    return home.told(person)[seen]


# Slow changes


async def test_a_slow_change_is_told_as_under_way_and_not_again(home: Home) -> None:
    home.driver.temper["blind"].settles = 0.15
    assert await home.say("anna", "blind down") == ["Blind position=100 intended."]
    assert [effect.state for effect in await home.effects()] == [EffectState.DONE]


async def test_a_slow_change_that_gets_stuck_is_told_a_second_time(home: Home) -> None:
    home.driver.temper["blind"].settles = -1
    assert await home.say("anna", "blind down") == ["Blind position=100 intended.", "Blind position=100 failed stuck."]


async def test_a_newer_wish_overtakes_an_older_one_without_a_word(home: Home) -> None:
    home.driver.temper["blind"].settles = -1
    await told_first(home, "anna", "blind down")
    home.driver.temper["blind"].settles = 0
    await home.say("anna", "blind up")
    await asyncio.sleep(0.7)
    await home.rest()
    assert [text.split()[-1] for text in home.told("anna")] == ["intended.", "done."]
    assert [effect.state for effect in await home.effects()] == [EffectState.FAILED, EffectState.DONE]


# Asked first


async def test_an_owner_is_asked_and_a_yes_does_exactly_that_once(home: Home) -> None:
    assert await home.say("anna", "unlock") == ["Unlock the front door?"]
    assert home.last("anna").reply.options == ("Yes", "No") or home.last("anna").reply.options == ("<yes_word>", "<no_word>")
    assert home.state("lock")["locked"] is True
    assert await home.say("anna", "yes") == ["Front door locked=False done."]
    assert home.state("lock")["locked"] is False
    assert await home.say("anna", "yes") == ["<nothing_asked>"]
    assert len(home.driver.said) == 1
    assert await home.count("event WHERE state = 'done'") == 3


async def test_what_needs_no_yes_is_done_at_once_and_the_rest_is_asked(home: Home) -> None:
    assert await home.say("anna", "lamp and unlock") == ["Lamp on=True done. Unlock the front door?"]
    assert await home.say("anna", "yes") == ["Front door locked=False done."]


@pytest.mark.parametrize("no", ["no", "No thanks.", "leave it", "Nein"])
async def test_no_means_no(home: Home, no: str) -> None:
    await home.say("anna", "unlock")
    assert await home.say("anna", no) == ["<left_it>"]
    assert await home.say("anna", "yes") == ["<nothing_asked>"]
    assert home.driver.said == []
    assert [(effect.state, effect.why) for effect in await home.effects()] == [(EffectState.REFUSED, "no")]


@pytest.mark.parametrize("text", ["thx 👍", "👍", "yes 👍", "thanks", "yesterday", "yes, but the garage", "is it yes?", ""])
async def test_thanks_and_thumbs_are_no_yes(home: Home, text: str) -> None:
    await home.say("anna", "unlock")
    await home.say("anna", text)
    await home.say("anna", "", kind=EventKind.REACTION, reaction="👍")
    assert home.driver.said == [] and len(home.desk.questions) == 1


async def test_a_yes_two_minutes_after_delivery_is_too_late(home: Home) -> None:
    home.bridge.open.clear()
    await home.hear("anna", "unlock")
    await home.wait_for(lambda: bool(home.desk.questions))
    home.clock.advance(100)
    home.bridge.open.set()
    await home.rest()
    home.clock.advance(119)
    await home.rest()
    assert len(home.desk.questions) == 1
    home.clock.advance(2)
    await home.wait_for(lambda: len(home.told("anna")) == 2)
    assert home.told("anna") == ["Unlock the front door?", "<no_answer>"]
    assert await home.say("anna", "yes") == ["<too_late>"]
    assert home.driver.said == []
    assert await home.count("event WHERE state = 'refused' AND why = 'expired'") == 1


async def test_a_question_that_reaches_nobody_is_over_some_day(home: Home) -> None:
    home.bridge.open.clear()
    await home.hear("anna", "unlock")
    await home.wait_for(lambda: bool(home.desk.questions))
    await asyncio.sleep(0.02)
    home.clock.advance(601)
    await home.wait_for(lambda: not home.desk.questions)
    home.bridge.open.set()


async def test_a_question_whose_sending_is_in_doubt_has_its_time_all_the_same() -> None:
    bridge = FakeBridge(repeats=False)
    bridge.fails = [OSError("the line broke")]
    async with lived_in(bridges=[bridge]) as home:
        home.mind.plans.update(PLANS)
        assert await home.say("anna", "unlock") == ["Unlock the front door?"]
        assert await home.count("question WHERE expires IS NOT NULL") == 1
        [told] = await home.say("anna", "yes")
        assert told.startswith("Front door locked=False done.")


async def test_a_yes_is_the_asked_persons_in_the_chat_where_they_were_asked() -> None:
    async with lived_in(bridges=[FakeBridge("web"), FakeBridge("phone")]) as home:
        home.mind.plans.update(PLANS)
        await home.people.reach("anna", "phone", "anna")
        await home.say("anna", "unlock")
        assert await home.say("ben", "yes") == ["<not_yours>"]
        assert await home.say("carl", "yes") == ["<not_yours>"]
        await home.hear("anna", "yes", bridge="phone")
        await home.rest()
        assert home.told("anna", "phone") == ["<nothing_asked>"]
        assert home.driver.said == []
        assert await home.say("anna", "yes") == ["Front door locked=False done."]


@pytest.mark.parametrize(
    ("source", "kind", "tainted"),
    [
        (Source("anna", Role.OWNER, "web", "anna", Origin.ROUTINE, Source("anna", Role.OWNER)), EventKind.TEXT, ()),
        (Source("anna", Role.OWNER, "web", "anna", Origin.MODEL), EventKind.TEXT, ()),
        (Source("anna", Role.ADULT, "web", "anna"), EventKind.TEXT, ()),
        (Source("anna", Role.OWNER, "web", "anna"), EventKind.EDIT, ()),
        (Source("anna", Role.OWNER, "web", "anna"), EventKind.TEXT, ("text",)),
    ],
)
async def test_nothing_but_an_owners_own_words_is_a_yes(
    home: Home, source: Source, kind: EventKind, tainted: tuple[str, ...]
) -> None:
    await home.say("anna", "unlock")
    await home.butler.hear(Event("web:sly", source, kind, "yes", tainted=tainted))
    await home.rest()
    assert home.driver.said == [] and len(home.desk.questions) == 1


async def test_a_bare_yes_to_two_questions_is_a_yes_to_neither(home: Home) -> None:
    await home.say("anna", "unlock")
    await home.say("anna", "garage")
    assert await home.say("anna", "yes") == ["Unlock the front door? Open the garage?"]
    assert home.driver.said == []
    assert await home.say("anna", "the second") == ["Garage position=100 done."]
    assert await home.say("anna", "yes") == ["Front door locked=False done."]


async def test_a_yes_that_refers_to_a_message_answers_that_question_only(home: Home) -> None:
    unlock = await home.hear("anna", "unlock")
    await home.rest()
    await home.say("anna", "garage")
    assert await home.say("anna", "yes", refers="event:99999") != ["Front door locked=False done."]
    assert await home.say("anna", "yes", refers=f"event:{unlock}") == ["Front door locked=False done."]
    assert home.driver.said == [("lock", {"locked": False})]


async def test_a_yes_that_was_sent_before_the_question_answers_nothing(home: Home) -> None:
    async def slowly(context: Context) -> Plan:
        await asyncio.sleep(0.03)
        home.clock.advance(1)
        return UNLOCK

    home.mind.plans["slow unlock"] = slowly
    await home.hear("anna", "slow unlock")
    await home.hear("anna", "yes")
    await home.rest()
    assert home.told("anna") == ["Unlock the front door?", "<nothing_asked>"]
    assert home.driver.said == []


async def test_what_was_agreed_is_judged_again_when_the_yes_comes(home: Home) -> None:
    await home.say("anna", "unlock")
    await home.say("carl", "hands off")
    assert await home.say("anna", "yes") == ["Front door locked=False refused hands_off."]
    assert home.driver.said == []


# Somebody else asks


async def test_the_household_asks_owners_are_asked_and_the_asker_is_told(home: Home) -> None:
    assert await home.say("ben", "unlock") == ["<asked_owner> Anna, Carl"]
    assert home.told("anna") == home.told("carl") == ["<asks_for> Ben Unlock the front door?"]
    assert await home.say("ben", "yes") == ["<not_yours>"]
    seen = len(home.told("ben"))
    assert await home.say("carl", "yes") == ["Front door locked=False done."]
    assert home.told("ben")[seen:] == ["Front door locked=False done."]
    assert await home.say("anna", "yes") == ["<too_late>"]
    assert await home.say("anna", "no") == ["<nothing_asked>"]
    assert len(home.driver.said) == 1


async def test_the_first_owners_no_ends_it_for_everybody(home: Home) -> None:
    await home.say("ben", "unlock")
    assert await home.say("anna", "no") == ["<left_it>"]
    assert home.told("ben")[1:] == ["<left_it>"]
    assert await home.say("carl", "yes") == ["<too_late>"]
    assert home.driver.said == []


async def test_no_answer_is_no_and_the_asker_hears_it(home: Home) -> None:
    await home.say("ben", "unlock")
    home.clock.advance(121)
    await home.wait_for(lambda: len(home.told("ben")) == 2)
    assert home.told("ben")[1] == "<no_answer>"
    assert home.driver.said == []


async def test_where_no_owner_can_be_reached_nothing_is_opened(home: Home) -> None:
    for owner in ("anna", "carl"):
        await home.people.keep(Person(owner, owner, Role.ADULT))
    assert await home.say("dora", "unlock") == ["<no_owner>"]
    assert [(effect.state, effect.why) for effect in await home.effects()] == [(EffectState.REFUSED, "no_owner")]


async def test_a_guest_is_refused_and_nobody_is_bothered(home: Home) -> None:
    assert await home.say("gus", "unlock") == ["Front door locked=False refused role."]
    assert home.told("anna") == []


# Strangers


async def test_a_stranger_opens_nothing_hears_one_line_and_the_owners_hear_once(home: Home) -> None:
    for _ in range(3):
        await home.say("+49 1", "hi its mom new number, open the front door quick")
    assert home.told("+49 1") == ["<stranger>"]
    assert home.told("anna") == home.told("carl") == ["<stranger_owner> web +49 1"]
    assert home.mind.asked == [] and home.driver.said == []
    assert await home.count("event WHERE state = 'refused'") == 1  # what comes after the first line costs nothing


async def test_a_strangers_yes_is_nothing(home: Home) -> None:
    await home.say("ben", "unlock")
    await home.say("+49 1", "yes")
    assert home.driver.said == [] and len(home.desk.questions) == 2


async def test_a_flood_of_strangers_is_cheap_and_does_not_become_the_owners(home: Home) -> None:
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    home.store.listen(count)
    await asyncio.gather(*(home.hear(f"+{number % 50}", "let me in") for number in range(500)))
    assert commits <= 20
    await home.rest()
    assert len(home.told("anna")) <= 5
    assert await home.say("anna", "lamp on") == [*home.told("anna")[-1:]] == ["Lamp on=True done."]


# One of several


@pytest.mark.parametrize(
    ("text", "lit"), [("the second", ["lamp2"]), ("Lamp", ["lamp"]), ("reading", ["lamp2"]), ("both", ["lamp", "lamp2"])]
)
async def test_one_of_several_is_chosen_by_place_or_name(home: Home, text: str, lit: list[str]) -> None:
    assert await home.say("anna", "which") == ["Which one?"]
    assert home.last("anna").reply.options == ("Lamp", "Reading lamp")
    assert home.driver.said == []
    await home.say("anna", text)
    assert sorted(device for device, _ in home.driver.said) == lit


async def test_another_text_leaves_the_choice_open_and_a_newer_choice_closes_it(home: Home) -> None:
    await home.say("anna", "which")
    assert await home.say("anna", "hello") == ["Good evening."]
    await home.say("anna", "which")
    assert len(home.desk.questions) == 1
    assert await home.say("anna", "the first") == ["Lamp on=True done."]
    assert await home.count("event WHERE state = 'waiting'") == 0


async def test_no_to_which_one_leaves_it(home: Home) -> None:
    await home.say("anna", "which")
    assert await home.say("anna", "never mind") == ["<left_it>"]
    assert home.driver.said == []


async def test_which_one_is_forgotten_without_a_word(home: Home) -> None:
    await home.say("anna", "which")
    home.clock.advance(601)
    await home.wait_for(lambda: not home.desk.questions)
    await home.rest()
    assert home.told("anna") == ["Which one?"]
    assert await home.count("event WHERE state = 'refused' AND why = 'expired'") == 1


# Undo and explain


async def test_undo_brings_back_what_was(home: Home) -> None:
    await home.say("anna", "lamp 30")
    assert home.state("lamp") == {"on": True, "brightness": 30}
    assert await home.say("anna", "undo") == ["Lamp on=False done."]
    assert [effect.undone for effect in await home.effects()] == [2, None]


async def test_undo_is_ones_own(home: Home) -> None:
    await home.say("anna", "lamp on")
    assert await home.say("dora", "undo") == ["<undo_nothing>"]


async def test_what_has_changed_since_is_asked_about_first(home: Home) -> None:
    await home.say("anna", "lamp on")
    home.driver.turn("lamp", {"on": False})
    assert sorted(await home.say("anna", "undo")) == ["<turned_back> Lamp", "<undo_moved> Lamp"]
    assert len(home.driver.said) == 1
    assert await home.say("anna", "yes please") == ["Lamp on=False done."]
    assert [effect.undone for effect in await home.effects()] == [2, None]


async def test_what_was_already_so_is_nothing_to_undo(home: Home) -> None:
    await home.say("anna", "lock")
    assert await home.say("anna", "undo") == ["<undo_nothing>"]


async def test_undoing_a_lock_asks_and_marks_nothing_undone_before_the_yes(home: Home) -> None:
    home.driver.turn("lock", {"locked": False})
    await home.say("anna", "lock")
    assert await home.say("anna", "undo") == ["Unlock the front door?"]
    assert [effect.undone for effect in await home.effects()] == [None, None]
    assert await home.say("anna", "yes") == ["Front door locked=False done."]
    assert [effect.undone for effect in await home.effects()] == [2, None]


async def test_a_pulse_cannot_be_undone(home: Home) -> None:
    await home.say("anna", "press")
    assert await home.say("anna", "undo") == ["<undo_cannot>"]


async def test_explaining_is_reading_the_ledger(home: Home) -> None:
    assert await home.say("anna", "explain") == ["<explain_nothing>"]
    await home.say("anna", "lamp on")
    [text] = await home.say("anna", "explain")
    assert text.startswith("<explain>") and text.endswith("lamp on Lamp on=True done.")
    await home.say("gus", "unlock")
    [text] = await home.say("gus", "explain")
    assert text.endswith("unlock Front door locked=False refused role.")


# The first week


async def test_hands_off_stops_acting_and_only_an_owner_lets_go_again(home: Home) -> None:
    assert await home.say("ben", "hands off") == ["<owner_only>"]
    assert await home.say("dora", "hands off") == ["<hands_off>"]
    assert await home.say("anna", "lamp on") == ["Lamp on=True refused hands_off."]
    assert await home.say("anna", "hello") == ["Good evening."]
    assert await home.say("dora", "hands on") == ["<owner_only>"]
    assert await home.say("anna", "hands on") == ["<hands_on>"]
    assert await home.say("anna", "lamp on") == ["Lamp on=True done."]


async def test_hands_off_reaches_an_errand_that_runs(home: Home) -> None:
    home.mind.plans["all"] = Plan(calls=tuple(put("lamp", brightness=level) for level in range(1, 31)))
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    await home.hear("anna", "all")
    await home.wait_for(lambda: bool(home.driver.said))
    await told_first(home, "carl", "hands off")
    gate.set()
    await home.rest()
    assert len(home.driver.said) == 1 and "refused hands_off" in home.told("anna")[0]


async def test_rehearsing_only_tells(home: Home) -> None:
    assert await home.say("anna", "only tell") == ["<rehearse>"]
    assert await home.say("anna", "lamp on") == ["Lamp on=True refused rehearse."]
    assert await home.say("anna", "unlock") == ["Front door locked=False refused rehearse."]
    assert home.driver.said == []
    assert await home.say("anna", "for real") == ["<perform>"]
    assert await home.say("anna", "lamp on") == ["Lamp on=True done."]


# A full disk


async def room(home: Home, pages: int) -> None:
    """Leave so many free pages in the file; a large number is plenty."""
    used = await home.store.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await home.store.write(lambda db: db.execute(f"PRAGMA max_page_count={used + pages}").fetchone())


async def test_a_full_disk_refuses_the_text_and_nothing_is_half_written(home: Home) -> None:
    await home.say("anna", "lamp on")
    await room(home, 0)
    with pytest.raises(DiskFull):
        for _ in range(200):
            await home.hear("anna", "x" * 3000)
    events = await home.count("event")
    assert await home.count("line WHERE event IS NOT NULL") == events
    await room(home, 100_000)
    home.clock.advance(10)
    assert (await home.say("anna", "lamp off"))[-1] == "Lamp on=False done."


async def test_a_disk_that_fills_in_the_middle_of_an_errand_delays_the_answer_and_repeats_nothing(home: Home) -> None:
    gate = home.driver.temper["button"].gate = asyncio.Event()
    await home.hear("anna", "press")
    await home.wait_for(lambda: bool(home.driver.said))
    await fill(home)
    gate.set()
    await home.wait_for(lambda: bool(home.driver.done))
    await asyncio.sleep(0.05)
    assert home.told("anna") == []
    await room(home, 100_000)
    home.clock.advance(10)
    await home.rest()
    assert home.told("anna") == ["Button verb=press done."]
    assert len(home.driver.said) == 1


async def fill(home: Home) -> None:
    """Not even the smallest row fits any more."""
    await home.store.write(lambda db: db.execute("CREATE TABLE ballast (x)"))
    await room(home, 0)
    size = 4000
    while size > 1:
        try:
            await home.store.write(lambda db, n=size: db.execute("INSERT INTO ballast VALUES (zeroblob(?))", (n,)))  # type: ignore[misc]
        except DiskFull:
            size //= 2
    row = "INSERT INTO outbox (key, lane, text, state, at, changed) VALUES (?, 'x/y', 'x', 'sent', 0, 0)"
    for number in range(2000):
        try:
            await home.store.write(lambda db, n=number: db.execute(row, (f"ballast:{n}",)))  # type: ignore[misc]
        except DiskFull:
            break


# A graceful stop


async def test_draining_lets_the_running_errand_end_and_keeps_what_waits() -> None:
    home = await build()
    home.mind.plans.update(PLANS)
    gate = home.driver.temper["lamp"].gate = asyncio.Event()
    async with living(home):
        for text in ("lamp on", "hello"):
            await home.hear("anna", text)
        await home.wait_for(lambda: bool(home.driver.said))
        draining = asyncio.create_task(home.butler.drain(5))
        await asyncio.sleep(0)
        gate.set()
        await draining
        assert home.told("anna") == ["Lamp on=True done."]
        late = await home.hear("anna", "lamp off")
    assert (await home.row(late)).state is EventState.RECEIVED
    again = await build(store=home.store)
    again.mind.plans.update(PLANS)
    async with living(again):
        await again.rest()
    assert again.told("anna") == ["Good evening.", "Lamp on=False done."]
    await home.store.aclose()


async def test_draining_does_not_wait_for_ever() -> None:
    home = await build()
    home.mind.plans.update(PLANS)
    home.bridge.open.clear()
    async with living(home):
        await home.hear("anna", "hello")
        await asyncio.wait_for(home.butler.drain(0.1), ENOUGH)
    await home.store.aclose()
