"""The memory: words as they were said, facts with their history, and whose they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dobby.clock import FixedClock
from dobby.errors import Refused, Unreachable
from dobby.events import Origin, Role, Source
from dobby.journal import open_journal
from dobby.memory import MIGRATIONS, Memory, open_memory, wishes
from dobby.memory.nightly import Night, consolidate, keep
from dobby.memory.proposing import SURE
from dobby.memory.requests import answer
from dobby.people import People, Person
from dobby.store import Store

ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, tzinfo=ZONE).timestamp()
DAY = 86400.0
ANNA = Source("anna", Role.OWNER, "web", "anna")
TOM = Source("tom", Role.OWNER, "web", "tom")
LEO = Source("leo", Role.CHILD, "web", "leo")
GUS = Source("gus", Role.GUEST, "web", "gus")
STRANGER = Source(bridge="web", chat="?")


@pytest.fixture
async def memory() -> AsyncIterator[Memory]:
    journal = open_journal(None)
    clock = FixedClock(NOON)
    people = People(journal, clock)
    for source, name in ((ANNA, "Anna"), (TOM, "Tom"), (LEO, "Leo"), (GUS, "Gus")):
        await people.keep(Person(source.person, name, source.role))
    memory = open_memory(None, people, clock, ZONE)
    yield memory
    await memory.aclose()
    await journal.aclose()


async def told(memory: Memory, text: str, source: Source = ANNA, at: float = NOON, **more: bool) -> int:
    return await memory.note(text, source=source, at=at, **more)


async def found(memory: Memory, text: str, who: Source = ANNA, **more: float) -> list[str]:
    return [one.text for one in await memory.recall(text, who=who, now=NOON + DAY, **more)]


# Notes


async def test_what_was_said_is_found_by_its_words_with_who_and_when(memory: Memory) -> None:
    await told(memory, "The plumber fixed the kitchen tap, it dripped for weeks.")
    await told(memory, "The pool pump hums again.", TOM)
    one = (await memory.recall("plumbers", who=TOM, now=NOON))[0]
    assert (one.text, one.by, one.at, one.kind) == (
        "The plumber fixed the kitchen tap, it dripped for weeks.",
        "Anna",
        NOON,
        "said",
    )
    assert await found(memory, "what did Tom say about the pumps?") == ["The pool pump hums again."]


async def test_a_word_of_the_day_finds_it_and_dates_bound_it(memory: Memory) -> None:
    await told(memory, "The heating was checked.", at=NOON - 40 * DAY)
    await told(memory, "The heating was checked again.")
    assert (await found(memory, "heating in January"))[0] == "The heating was checked."
    assert await found(memory, "heating", after=NOON - DAY) == ["The heating was checked again."]
    assert await found(memory, "heating", before=NOON - DAY) == ["The heating was checked."]


async def test_what_was_said_beside_it_comes_along(memory: Memory) -> None:
    await told(memory, "Shall I call somebody for the boiler?")
    await told(memory, "Yes, Weber and Sons, they were good last time.", at=NOON + 5)
    await told(memory, "Tomorrow is Ada's party.", at=NOON + 2 * DAY)
    assert await found(memory, "boiler") == [
        "Shall I call somebody for the boiler?",
        "Yes, Weber and Sons, they were good last time.",
    ]


async def test_german_is_found_with_and_without_its_endings(memory: Memory) -> None:
    await told(memory, "Der Heizungsmonteur war da und hat die Ventile getauscht.")
    assert await found(memory, "Was war mit den Ventilen?") or await found(memory, "Ventile")


async def test_the_same_text_again_is_one_note(memory: Memory) -> None:
    first = await memory.note("Once.", source=ANNA, at=NOON, key="web:1")
    assert await memory.note("Once.", source=ANNA, at=NOON, key="web:1") == first


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000])
async def test_nothing_and_too_much_are_refused(memory: Memory, text: str) -> None:
    with pytest.raises(Refused):
        await told(memory, text)


@pytest.mark.parametrize("text", ['"', "NEAR(", "text:", "a AND", "*", "-", "😀", "'; DROP TABLE note; --"])
async def test_a_search_is_words_never_a_language(memory: Memory, text: str) -> None:
    await told(memory, "The drop table is in the cellar.")
    assert isinstance(await found(memory, text), list)


# Whose it is


async def test_private_stays_private(memory: Memory) -> None:
    number = await told(memory, "Tom's present is a kayak.", private=True)
    await memory.learn("Tom", "present", "a kayak", note=number, since=NOON)
    assert await found(memory, "kayak", TOM) == []
    assert await memory.about("Tom", who=TOM) == []
    assert await found(memory, "kayak") == ["Tom's present is a kayak."]
    assert [fact.value for fact in await memory.about("Tom", who=ANNA)] == ["a kayak"]


async def test_guests_see_their_own_and_strangers_nothing(memory: Memory) -> None:
    await told(memory, "The key lies under the mat.")
    await told(memory, "My key to the room is lost.", GUS)
    assert await found(memory, "key", GUS) == ["My key to the room is lost."]
    assert await found(memory, "key", STRANGER) == []
    behalf = replace(ANNA, origin=Origin.SKILL, behalf=GUS)
    assert "The key lies under the mat." not in await found(memory, "key", behalf), "authority is the least of the chain"
    with pytest.raises(Refused):
        await told(memory, "Let me in.", STRANGER)


async def test_a_private_neighbour_does_not_come_along(memory: Memory) -> None:
    await told(memory, "The cellar needs paint.")
    await told(memory, "But that is between us.", private=True, at=NOON + 5)
    assert await found(memory, "cellar", TOM) == ["The cellar needs paint."]


# Facts


async def test_a_newer_fact_ends_the_older_and_keeps_it(memory: Memory) -> None:
    first = await told(memory, "I prefer 21 at night.", at=NOON - 30 * DAY)
    await memory.learn("anna", "prefers", "21 °C at night", note=first, since=NOON - 30 * DAY)
    second = await told(memory, "I prefer 19 at night.")
    await memory.learn("Anna", "prefers", "19 °C at night", note=second, since=NOON)
    now, then = await memory.about("anna", who=ANNA)
    assert (now.value, now.now, now.until) == ("19 °C at night", True, None)
    assert (then.value, then.now, then.since, then.until) == ("21 °C at night", False, NOON - 30 * DAY, NOON)
    recalled = {one.note: one.valid for one in await memory.recall("prefer night", who=ANNA, now=NOON)}
    assert recalled == {first: False, second: True}


async def test_what_is_learnt_late_about_earlier_is_history(memory: Memory) -> None:
    number = await told(memory, "The switch is the porch; before, it was the hall.")
    await memory.learn("left switch", "is", "the porch", note=number, since=NOON)
    await memory.learn("The left switch", "is", "the hall", note=number, since=NOON - 90 * DAY)
    now, then = await memory.about("the left switch", who=TOM)
    assert (now.value, then.value, then.until, then.now) == ("the porch", "the hall", NOON, False)


async def test_two_people_who_disagree_both_stand(memory: Memory) -> None:
    for source, value in ((ANNA, "the porch"), (TOM, "the garage")):
        number = await told(memory, f"The left switch is {value}.", source)
        await memory.learn("left switch", "is", value, note=number, since=NOON)
    facts = await memory.about("left switch", who=LEO)
    assert {fact.value for fact in facts} == {"the porch", "the garage"}
    assert all(fact.doubted and fact.now for fact in facts)


async def test_about_oneself_ones_own_word_counts(memory: Memory) -> None:
    await memory.learn("Anna", "prefers", "tea", note=await told(memory, "Anna prefers tea.", TOM), since=NOON)
    await memory.learn("Anna", "prefers", "coffee", note=await told(memory, "I prefer coffee.", ANNA), since=NOON + 1)
    assert [(fact.value, fact.now) for fact in await memory.about("Anna", who=TOM)] == [("coffee", True), ("tea", False)]


async def test_the_same_fact_of_the_same_note_is_one(memory: Memory) -> None:
    number = await told(memory, "I like tea.")
    for _ in range(2):
        await memory.learn("anna", "likes", "tea", note=number, since=NOON)
    await memory.learn("anna", "likes", "cake", note=number, since=NOON)
    assert [fact.value for fact in await memory.about("anna", who=ANNA)] == ["cake", "tea"], "several things may be liked"


# At night


async def test_the_night_merges_and_ends_and_the_second_time_finds_nothing(memory: Memory) -> None:
    for days, text in ((9, "I like tea."), (4, "I like tea, still."), (1, "I like Tea.")):
        number = await told(memory, text, at=NOON - days * DAY)
        await memory.learn("anna", "likes", "tea" if days > 1 else "Tea", note=number, since=NOON - days * DAY)
    number = await told(memory, "Grandma stays until Sunday.")
    await memory.learn("grandma", "stays", "in the guest room", note=number, since=NOON - 2 * DAY, until=NOON - 1)
    assert await consolidate(memory) == Night(merged=2, expired=1)
    assert await consolidate(memory) == Night()
    assert [(fact.value, fact.since) for fact in await memory.about("anna", who=ANNA)] == [("Tea", NOON - 9 * DAY)]
    assert [fact.now for fact in await memory.about("grandma", who=TOM)] == [False]
    assert len(await found(memory, "tea")) == 3, "the notes stay as they were said"


async def test_a_wish_that_is_put_differently_no_longer_binds(memory: Memory) -> None:
    number = await told(memory, "Never turn on the heater.")
    await memory.store.write(lambda db: wishes.keep(db, number, {"calls": [], "hours": "", "nobody": False}))
    assert not await memory.reword(number, "Never turn on the heater.", True) and await memory.store.read(wishes.standing)
    assert await memory.reword(number, "Never turn on the fan.", None)
    assert await memory.store.read(wishes.standing) == []


async def test_a_memory_of_before_corrections_is_taken_along(tmp_path: Path) -> None:
    store = Store(tmp_path / "memory.db", MIGRATIONS[:1])
    old = Memory(store)
    await told(old, "The piano was tuned by Weber.")
    await old.aclose()
    memory = open_memory(tmp_path)
    assert await memory.store.read(wishes.standing) == [] and len(await found(memory, "piano")) == 1
    await memory.aclose()


async def test_said_again_it_has_been_so_since_the_first_time(memory: Memory) -> None:
    for days in (30, 2):
        number = await told(memory, "I prefer 19 at night.", at=NOON - days * DAY)
        await memory.learn("anna", "prefers", "19 at night", note=number, since=NOON - days * DAY)
    assert [(fact.value, fact.since) for fact in await memory.about("anna", who=ANNA)] == [("19 at night", NOON - 30 * DAY)]


async def test_the_night_comes_when_the_house_sleeps(memory: Memory) -> None:
    slept: list[float] = []

    class Clock(FixedClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            await super().sleep(seconds)
            if len(slept) == 2:
                raise asyncio.CancelledError

    memory.clock = Clock(NOON)
    with pytest.raises(asyncio.CancelledError):
        await keep(memory, memory.settle)
    assert slept == [15.5 * 3600, DAY]


async def test_meaning_reorders_what_words_have_found(memory: Memory) -> None:
    """With the extra, of two notes that share as many words the nearer one comes first; nothing else is found by it."""
    pytest.importorskip("wordllama")
    await told(memory, "The doctor saw the cat.", at=NOON - 2 * DAY)
    await told(memory, "The doctor saw the play.", at=NOON - DAY)
    memory.meaning = True
    assert (await found(memory, "doctor for our sick pet"))[0] == "The doctor saw the cat."
    assert await found(memory, "veterinarian") == []


# What a model proposes


def answering(*rows: object, asked: list[str]) -> Any:
    async def ask(text: str, form: Any) -> str:
        asked.append(text)
        return json.dumps({"facts": list(rows)})

    return ask


async def test_at_night_a_model_may_propose_what_follows_from_shared_notes(memory: Memory) -> None:
    asked: list[str] = []
    number = await told(memory, "Leo can't get enough of those liquorice snails, can he")
    await told(memory, "I am tired of liquorice", private=True)
    memory.ask = answering({"note": number, "who": "Leo", "what": "likes", "value": "liquorice snails"}, asked=asked)
    assert await consolidate(memory) == Night(proposed=1)
    assert "liquorice snails" in asked[0] and "tired" not in asked[0], "what is private is shown to nobody"
    (fact,) = await memory.about("leo", who=ANNA)
    assert (fact.what, fact.value, fact.sure, fact.note) == ("likes", "liquorice snails", SURE, number)
    assert await consolidate(memory) == Night() and len(asked) == 1, "each note is shown once; idle costs nothing"
    people = memory.people
    assert people is not None
    assert "a guess" in (await answer(memory, people, {"do": "show", "what": "guesses"}))["told"]
    await memory.forget(number, who=ANNA)
    assert await memory.about("leo", who=ANNA) == []


async def test_what_was_said_takes_the_place_of_what_was_proposed_and_never_the_reverse(memory: Memory) -> None:
    number = await told(memory, "Leo said something about prefers nineteen degrees or so, and the shed")
    asked: list[str] = []
    memory.ask = answering({"note": number, "who": "Leo", "what": "prefers", "value": "nineteen degrees"}, asked=asked)
    await consolidate(memory)
    said = await told(memory, "Leo prefers 21", at=NOON + 60)
    await memory.learn("Leo", "prefers", "21", note=said, since=NOON + 60)
    assert [(fact.value, fact.now) for fact in await memory.about("leo", who=ANNA)] == [("21", True), ("nineteen degrees", False)]
    again = await told(memory, "Leo and the nineteen degrees once more", at=NOON + 120)
    memory.ask = answering({"note": again, "who": "Leo", "what": "prefers", "value": "nineteen degrees"}, asked=asked)
    assert (await consolidate(memory)).proposed == 0


@pytest.mark.parametrize(
    "row",
    [
        {"who": "Leo", "what": "likes", "value": "whisky"},
        {"who": "Mallory", "what": "likes", "value": "snails"},
        {"who": "Leo", "what": "owns", "value": "snails"},
        {"who": "Leo", "what": "likes", "value": ""},
        {"who": "Leo", "what": "likes", "value": ["snails"]},
        {"who": "Leo", "what": "likes", "value": "snails", "note": 4711},
        "likes snails",
        None,
    ],
)
async def test_what_the_words_do_not_say_or_has_no_form_is_not_kept(memory: Memory, row: Any) -> None:
    number = await told(memory, "Leo and the snails")
    memory.ask = answering({"note": number, **row} if isinstance(row, dict) else row, asked=[])
    assert await consolidate(memory) == Night()
    assert await memory.about("leo", who=ANNA) == []


@pytest.mark.parametrize("said", ["", "no facts", "[]", '{"facts": 7}', '{"facts": null}'])
async def test_a_model_may_say_anything(memory: Memory, said: str) -> None:
    async def ask(text: str, form: Any) -> str:
        return said

    await told(memory, "Leo and the snails")
    memory.ask = ask
    assert await consolidate(memory) == Night()


async def test_a_night_without_an_answer_is_made_up_for(memory: Memory) -> None:
    async def away(text: str, form: Any) -> str:
        raise Unreachable("Nobody there.")

    number = await told(memory, "Leo and the snails he loves")
    memory.ask = away
    with pytest.raises(Unreachable):
        await consolidate(memory)
    memory.ask = answering({"note": number, "who": "Leo", "what": "likes", "value": "snails"}, asked=[])
    assert await consolidate(memory) == Night(proposed=1)
