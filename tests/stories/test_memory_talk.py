"""The family tells Dobby things, asks for them, and has them forgotten; what is private stays private."""

import json
from collections.abc import AsyncIterator

import pytest

from dobby.butler.memories import tell_guesses
from dobby.events import EffectState
from dobby.journal import ledger
from dobby.memory.nightly import consolidate
from tests.stories.family import Family, at_home

DAY = 86400.0


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


@pytest.fixture
async def haus() -> AsyncIterator[Family]:
    async with at_home(language="de") as family:
        yield family


async def test_what_is_told_is_kept_in_one_row_and_answered_with_its_source(home: Family) -> None:
    assert (
        await home.asks("anna", "Remember that the wifi password of guests is Sesame42.") == "Noted, for everybody in the house."
    )
    rows = await home.store.read(lambda db: ledger.latest(db))
    assert [(row.call.tool, row.state) for row in rows] == [("remember", EffectState.DONE)]
    assert await home.asks("tom", "What is the wifi password?") == "Anna, 19:40: “the wifi password of guests is Sesame42.”"
    assert "“the wifi password of guests is Sesame42.”" in await home.asks("tom", "why do you think so?")
    assert "Sesame42" not in await home.asks("gus", "what is the wifi password?"), "a guest hears only what they said"


async def test_plain_statements_become_facts_with_their_history(home: Family) -> None:
    await home.asks("anna", "Anna prefers 21 °C at night")
    home.clock.advance(10 * DAY)
    assert "Until now it was: 21 °C at night." in await home.asks("anna", "Anna prefers 19 °C at night")
    told = await home.asks("tom", "What do you know about Anna?")
    assert told == "Anna prefers 19 °C at night (Anna, today). Anna prefers 21 °C at night (until today)."
    assert (await home.asks("anna", "what do you know about me?")).startswith("You prefer 19 °C at night")


@pytest.mark.parametrize("newer", ["Anna now prefers 20 °C at night", "no, Anna prefers 20 °C at night"])
async def test_now_and_no_are_no_part_of_whom_it_is_about(home: Family, newer: str) -> None:
    await home.asks("anna", "Anna prefers 19 °C at night")
    home.clock.advance(DAY)
    assert "Until now it was: 19 °C at night." in await home.asks("anna", newer)
    told = await home.asks("tom", "What do you know about Anna?")
    assert told.startswith("Anna prefers 20 °C at night (Anna, today).")


async def test_was_jetzt_gilt_loest_ab(haus: Family) -> None:
    await haus.asks("anna", "Anna mag lieber 19 Grad")
    haus.clock.advance(DAY)
    assert "19 Grad" in await haus.asks("anna", "Anna mag jetzt lieber 20 Grad")
    assert (await haus.asks("tom", "Was weißt du über Anna?")).startswith("Anna hat am liebsten 20 Grad (Anna, heute).")


async def test_the_plumber_came(home: Family) -> None:
    await home.asks("tom", "The plumber came yesterday and fixed the kitchen tap")
    assert (
        await home.asks("dora", "When did the plumber come?")
        == "The plumber was here yesterday and fixed the kitchen tap (Tom, today)."
    )
    home.clock.advance(3 * DAY)
    assert "on 1.3." in await home.asks("dora", "when was the plumber here last?")


@pytest.mark.parametrize(
    ("said", "asked", "answer"),
    [
        ("the left switch is the porch", "what is the left switch?", "The left switch: the porch (Anna, today)."),
        ("the spare key is in the shed", "where is the spare key?", "in the shed"),
        ("Tom's birthday is on 12 June", "when is Tom's birthday?", "12 June"),
        ("remember: bins go out on Tuesdays", "which day do the bins go out?", "Tuesdays"),
        ("we put the toolbox in the attic", "where is the toolbox?", "in the attic"),
        ("Leo is allergic to nuts", "what do you know about Leo?", "Leo is allergic to nuts"),
        ("keep in mind that the piano was tuned by Weber", "who tuned the piano?", "Weber"),
        ("the plumber was here today, he fixed the boiler", "when did the plumber come?", "was here today, he fixed the boiler"),
        ("remember that the gate code man comes on Tuesday", "who is coming on Tuesday?", "gate code man"),
        ("actually, Grandma's birthday is May 4th", "when is Grandma's birthday?", "May 4th"),
        ("don't forget we need to call the roofer", "what have you remembered about the roofer?", "“we need to call"),
        ("remember to buy candles", "what do you know about candles?", "buy candles"),
    ],
)
async def test_the_houses_lore(home: Family, said: str, asked: str, answer: str) -> None:
    assert "Noted" in await home.asks("anna", said)
    assert answer in await home.asks("tom", asked)


@pytest.mark.parametrize(
    ("said", "asked", "answer"),
    [
        ("Merk dir, dass der Ersatzschlüssel im Schuppen liegt", "Wo liegt der Ersatzschlüssel?", "im Schuppen"),
        ("Der Klempner war gestern da", "Wann war der Klempner da?", "Der Klempner war gestern da (Anna, heute)."),
        ("Anna hat es nachts am liebsten 19 °C", "Was weißt du über Anna?", "19 °C"),
        ("Leo ist allergisch gegen Nüsse", "Was weißt du über Leo?", "Leo ist allergisch gegen Nüsse"),
        ("Toms Geburtstag ist am 12. Juni", "Wann hat Tom Geburtstag?", "12. Juni"),
        ("Der linke Schalter ist die Terrasse", "Was ist der linke Schalter?", "Terrasse"),
        ("Merk dir bitte: der Autoschlüssel hängt im Flur", "Wo hängt der Autoschlüssel?", "„der Autoschlüssel hängt im Flur“"),
        ("Erinnere dich daran, dass die Mülltonne mittwochs raus muss", "Wann muss die Mülltonne raus?", "mittwochs"),
    ],
)
async def test_german(haus: Family, said: str, asked: str, answer: str) -> None:
    assert "Notiert" in await haus.asks("anna", said)
    assert answer in await haus.asks("tom", asked)


async def test_what_one_says_of_oneself_is_ones_own_until_it_is_shared(home: Family) -> None:
    assert await home.asks("anna", "remember that I hid Tom's present in the attic") == "Noted, for you alone."
    assert "attic" not in await home.asks("tom", "what did Anna say about the present?")
    assert "attic" not in await home.asks("tom", "where is the present?")
    assert "attic" in await home.asks("anna", "what did I say about the present?")
    assert "Everybody" in await home.asks("anna", "share that")
    assert "attic" in await home.asks("tom", "what did Anna say about the present?")
    assert "between us" in await home.asks("anna", "keep that to yourself")
    assert "attic" not in await home.asks("tom", "what did Anna say about the present?")


@pytest.mark.parametrize(
    ("said", "answer"),
    [("remember I'm vegetarian", "You are vegetarian"), ("my favourite colour is green", "Your favourite colour is green")],
)
async def test_what_one_says_of_oneself_is_known_of_oneself(home: Family, said: str, answer: str) -> None:
    assert await home.asks("gus", said) == "Noted, for you alone."
    assert answer in await home.asks("gus", "what do you know about me?")
    assert "nothing" in await home.asks("anna", "what do you know about Gus?")


async def test_between_us(home: Family) -> None:
    assert "for you alone" in await home.asks("tom", "just between us, remember that the safe code is 9313")
    assert "9313" not in await home.asks("anna", "what is the safe code?")


async def test_those_who_disagree_are_both_told(home: Family) -> None:
    await home.asks("anna", "the left switch is the porch")
    assert "Anna says otherwise: the porch." in await home.asks("tom", "the left switch is the garage")
    told = await home.asks("dora", "what do you know about the left switch?")
    assert "the porch (Anna" in told and "the garage (Tom" in told and "do not agree" in told


async def test_what_is_forgotten_is_gone_and_struck_from_the_conversation(home: Family) -> None:
    await home.asks("anna", "remember that the wifi password of guests is Sesame42")
    await home.asks("tom", "what is the wifi password?")
    assert "Forgotten" in await home.asks("anna", "forget that the wifi password of guests is Sesame42")
    assert "Sesame42" not in await home.asks("tom", "what is the wifi password?")
    tables = {
        "event": "text || coalesce(plan, '')",
        "outbox": "text || options",
        "effect": "args || after",
        "question": "words || choices",
    }
    for table, columns in tables.items():
        rows = home.store.look(lambda db, table=table, columns=columns: db.execute(f"SELECT {columns} FROM {table}").fetchall())  # type: ignore[misc]
        assert not [row for row in rows if "Sesame42" in row[0]], table


@pytest.mark.parametrize(
    ("said", "asked", "telling"),
    [
        ("Leo dislikes strawberry jam", "what do you know about Leo?", "strawberry"),
        ("I love tequila", "what do you know about me?", "tequila"),
        ("the spare key is in the blue flowerpot", "where is the spare key?", "flowerpot"),
        ("my favourite colour is purple", "what do you know about me?", "purple"),
    ],
)
async def test_what_followed_from_it_and_how_it_was_told_is_gone_too(home: Family, said: str, asked: str, telling: str) -> None:
    await home.asks("anna", said)
    assert telling in await home.asks("anna", asked)
    await home.asks("anna", "is the kitchen light on?")
    assert "Forgotten" in await home.asks("anna", f"forget that {said}")
    left = home.store.look(lambda db: "\n".join(db.iterdump()))
    assert telling not in left, [row for row in left.splitlines() if telling in row]
    assert "is the kitchen light on?" in left


async def test_of_several_it_is_asked_which(home: Family) -> None:
    await home.asks("anna", "remember that the plumber is Weber and Sons")
    await home.asks("anna", "remember that the plumber takes the side door")
    assert "Which of these" in await home.asks("anna", "forget everything about the plumber")
    assert "Forgotten" in await home.asks("anna", "all 2")
    assert await home.asks("anna", "what do you know about the plumber?") == "I have nothing about that."


async def test_only_ones_own_words_are_taken_back(home: Family) -> None:
    await home.asks("anna", "remember that the plumber is Weber and Sons")
    assert "nothing about that" in await home.asks("leo", "forget everything about the plumber")
    assert "Weber" in await home.asks("leo", "what do you know about the plumber?")
    await home.asks("gus", "remember that my bag is in the hall")
    assert "Forgotten" in await home.asks("gus", "forget that my bag is in the hall")


async def test_it_is_taken_back_at_once(home: Family) -> None:
    await home.asks("anna", "remember that the plumber is Weber and Sons")
    assert "Forgotten" in await home.asks("anna", "undo that")
    assert "nothing" in await home.asks("anna", "what do you know about the plumber?")
    await home.asks("anna", "remember that the gardener is Finch")
    assert "Forgotten" in await home.asks("anna", "forget that")
    assert "nothing" in await home.asks("anna", "what do you know about the gardener?")


async def test_that_is_what_was_just_told_and_nothing_older(home: Family) -> None:
    await home.asks("anna", "remember that the gardener is Finch")
    assert "leave it" in await home.asks("anna", "forget it"), "never mind"
    await home.say("anna", "bedroom light off")
    await home.asks("anna", "forget that")
    assert "Finch" in await home.asks("anna", "what do you know about the gardener?")
    assert "tell me how it is" in await home.asks("anna", "that's wrong")
    assert "Forgotten" in await home.asks("anna", "forget that")
    assert "nothing" in await home.asks("anna", "what do you know about the gardener?")


async def test_forgetting_everything_is_ones_own_and_asked(home: Family) -> None:
    await home.asks("tom", "remember that the bins go out on Tuesdays")
    await home.asks("anna", "remember that the gardener is Finch")
    assert "Which of these" in await home.asks("anna", "forget everything")
    assert "Forgotten" in await home.asks("anna", "all 1")
    assert "nothing" in await home.asks("anna", "what do you know about the gardener?")
    assert "Tuesdays" in await home.asks("anna", "what do you know about the bins?")


async def test_what_is_kept_can_be_asked_for(home: Family) -> None:
    await home.asks("anna", "remember that the gardener is Finch")
    await home.asks("tom", "just between us, remember that the safe code is 9313")
    told = await home.asks("anna", "what do you remember?")
    assert "Finch" in told and "9313" not in told


async def test_a_remark_is_kept_for_whoever_made_it(home: Family) -> None:
    await home.asks("anna", "had a lovely long walk around the lake with Ada")
    assert "lovely long walk" in await home.asks("anna", "what did I say about the lake?")
    assert (await home.asks("anna", "the baby sleeps at 7")).endswith("I keep it as a note, for you alone.")
    assert "at 7" in await home.asks("anna", "when does the baby sleep?")
    assert "lovely" not in await home.asks("tom", "what did Anna say about the lake?")


@pytest.mark.parametrize(
    "text",
    [
        "remember to lock the door at 10",
        "remind me that the cake is in the oven in 20 minutes",
        "remember this as cosy",
        "I'd like the desk lamp off",
    ],
)
async def test_what_means_something_else_is_no_note(home: Family, text: str) -> None:
    assert "Noted" not in await home.tells("anna", text)
    rows = await home.store.read(lambda db: ledger.latest(db))
    assert not [row for row in rows if row.call.tool == "remember"]


# Standing wishes


async def test_what_is_never_to_be_done_is_asked_about_and_nothing_does_it_by_itself(home: Family) -> None:
    assert "I hold to it" in await home.asks("anna", "Never turn on the terrace heater")
    assert "Somebody of the house asked that this never be done." in await home.asks("tom", "terrace heater on")
    await home.say("tom", "yes")
    assert home.now("switch.heater")["on"] is True, "an owner who insists is obeyed"
    await home.say("tom", "terrace heater off")
    assert "never be done" in await home.asks("leo", "turn on the terrace heater")
    await home.say("anna", "forget that I said never turn on the terrace heater")
    await home.say("anna", "forget everything about the terrace heater")
    await home.say("tom", "terrace heater on")
    assert home.now("switch.heater")["on"] is True, "with the note the wish is gone"


async def test_a_wish_has_its_hours(home: Family) -> None:
    assert "I hold to it" in await home.asks("anna", "quiet in the bedroom from 19:00 to 7:00")
    assert "never be done" in await home.asks("tom", "play jazz in the bedroom")
    await home.say("tom", "no")
    await home.say("tom", "play jazz in the kitchen")
    home.clock.advance(13 * 3600)
    assert "never" not in await home.tells("tom", "bedroom sonos to 20")


async def test_a_routine_does_not_do_what_is_never_to_be_done(home: Family) -> None:
    await home.say("anna", "turn on the terrace heater at 23:00")
    assert "I hold to it" in await home.asks("anna", "never turn on the terrace heater at night")
    await home.pass_by(3.5 * 3600, step=600)
    assert home.now("switch.heater")["on"] is False
    assert any("never be done" in row.reply.text for row in home.bridge.sent)


async def test_a_wish_that_is_not_understood_is_only_remembered_and_that_is_said(home: Family) -> None:
    assert "only remembered" in await home.asks("anna", "never wake the baby")
    assert "wake the baby" in await home.asks("tom", "what do you know about the baby?")
    assert "only remembered" in await home.asks("leo", "never turn on the bedroom light"), "a child's wish binds nobody"


async def test_a_wish_said_as_dont(home: Family) -> None:
    assert "I hold to it" in await home.asks("anna", "don't play music in the bedroom after 7pm")
    assert "never be done" in await home.asks("tom", "play jazz in the bedroom")
    assert "hold to it" not in await home.asks("anna", "don't turn on the terrace heater"), "that is of now"


async def test_german_wishes(haus: Family) -> None:
    assert "nur im Gedächtnis" in await haus.asks("anna", "weck nie das Baby")
    assert "daran halte ich mich" in await haus.asks("anna", "Dimme nie das Bedroom Light")
    assert "daran halte ich mich" in await haus.asks("anna", "Mach den Terrace Heater nie an, wenn niemand zuhause ist")
    assert "nie zu tun" in await haus.asks("tom", "Terrace Heater an")
    await haus.say("tom", "nein")
    assert "daran halte ich mich" in await haus.asks("anna", "Ruhe im Schlafzimmer von 20 bis 7 Uhr")


async def test_what_a_model_made_of_notes_in_the_night_is_told_once_in_the_morning_to_owners(home: Family) -> None:
    memory = home.desk.memory
    assert memory is not None
    await home.asks("anna", "Remember that Leo can't get enough of those liquorice snails")
    (note,) = await memory.lately(who=home.people.source("web", "anna"))

    async def ask(text: str, form: object) -> str:
        return json.dumps({"facts": [{"note": note.note, "who": "Leo", "what": "likes", "value": "liquorice snails"}]})

    memory.ask = ask
    before = {name: len(home.told(name)) for name in ("anna", "tom", "dora", "leo", "gus")}
    home.clock.advance(8 * 3600.0)  # 3:40
    await consolidate(memory)
    await tell_guesses(home.desk)
    await home.rest()
    assert len(home.told("anna")) == before["anna"], "not in the night"
    home.clock.advance(5 * 3600.0)
    await home.wait_for(lambda: len(home.told("tom")) > before["tom"])
    told = home.told("anna")[-1]
    assert told.startswith("From what was said I concluded 1 new, about Leo.")
    assert "snails" in await home.asks("anna", "What do you know about Leo?")
    await tell_guesses(home.desk)
    await home.rest()
    assert {name: len(home.told(name)) - before[name] for name in ("tom", "dora", "leo", "gus")} == dict(
        tom=1, dora=0, leo=0, gus=0
    )
    await home.asks("anna", "forget that")
    assert await home.asks("anna", "What do you know about Leo?") == "I have nothing about that."
