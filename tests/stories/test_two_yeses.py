"""The alarm needs two: a second person's yes, said in words by an owner, bound to the very act, and undone only by two."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dobby.events import Role
from dobby.journal import household
from dobby.people import Person
from tests.stories.family import Family, at_home

HOUSE = """
rooms: [{name: Hall}]
devices:
  - {id: alarm, name: Alarm, aliases: [Alarmanlage], kind: alarm, room: Hall, state: {armed: away}}
  - {id: lock, name: Front Door, kind: lock, room: Hall, state: {locked: true}}
  - {id: lamp, name: Hall Lamp, kind: light, room: Hall, state: {on: false}}
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Family]:
    (tmp_path / "house.yaml").write_text(HOUSE)
    async with at_home(path=tmp_path / "house.yaml") as family:
        await family.say("anna", "the alarm needs two")
        yield family


async def test_it_is_said_in_words_by_an_owner_and_kept(home: Family) -> None:
    device = home.house.get("alarm")
    assert device is not None and device.yeses == 2
    assert [one.yeses for one in await home.store.read(household.devices) if one.id == "alarm"] == [2]
    assert "not yours" in await home.tells("dora", "the front door needs two")
    assert "Front Door: 2 of the house" in await home.tells("anna", "the front door needs two people")
    assert "Alarm: 2 im Haus" in await home.tells("tom", "die Alarmanlage braucht zwei")


@pytest.mark.parametrize("second", ["tom", "dora"])
async def test_two_people_say_yes_and_then_it_is_done_once(home: Family, second: str) -> None:
    asked = await home.tells("anna", "disarm the alarm")
    assert "Disarm the alarm?" in asked and "Tom, Dora" in asked
    assert "Anna asks: Disarm the alarm?" in home.last(second).reply.text
    assert home.last(second).reply.options == ("Yes", "No")
    assert "one more yes" in await home.tells("anna", "yes")
    assert home.now("alarm")["armed"] == "away"
    assert "disarmed" in await home.tells(second, "yes")
    assert home.now("alarm")["armed"] == "disarmed"
    assert "disarmed" in home.last("anna").reply.text, "who had said yes before hears of it"
    assert not home.desk.questions and await home.count("question WHERE state = 'open'") == 0
    home.by_hand("alarm", armed="away")
    for person in ("anna", "tom", "dora"):
        await home.say(person, "yes")
    assert home.now("alarm")["armed"] == "away", "no yes counts twice"


async def test_nobody_is_two_people_however_many_bridges_they_have(home: Family) -> None:
    home.post.bridges["sms"] = home.bridge
    await home.people.reach("anna", "sms", "+49 1")
    await home.say("anna", "disarm the alarm")
    await home.say("anna", "yes")
    for bridge, chat in (("sms", "+49 1"), ("web", "anna"), ("sms", "+49 1")):
        await home.say(chat, "yes", bridge=bridge)
    assert home.now("alarm")["armed"] == "away"
    number = next(number for number, question in home.desk.questions.items() if question.person == "tom")
    await home.say("anna", "yes", refers=f"question:{number}")
    assert home.now("alarm")["armed"] == "away", "and somebody else's question is not hers"


async def test_two_adults_without_an_owner_are_not_enough(home: Family) -> None:
    await home.people.keep(Person("eva", "Eva", Role.ADULT))
    await home.people.reach("eva", "web", "eva")
    await home.say("leo", "disarm the alarm")
    assert home.now("alarm")["armed"] == "away" and not home.desk.questions, "a child may not even ask"
    await home.say("dora", "disarm the alarm")
    await home.say("dora", "yes")
    assert "one more yes" in await home.tells("eva", "yes")
    assert home.now("alarm")["armed"] == "away"
    await home.say("tom", "yes")
    assert home.now("alarm")["armed"] == "disarmed"


async def test_a_no_of_either_ends_it_for_all(home: Family) -> None:
    await home.say("anna", "disarm the alarm")
    await home.say("anna", "yes")
    await home.say("tom", "no")
    assert home.last("anna").reply.text == "Left as it is."
    await home.say("dora", "yes")
    assert home.now("alarm")["armed"] == "away" and not home.desk.questions


async def test_time_runs_out_and_that_is_said(home: Family) -> None:
    await home.say("anna", "disarm the alarm")
    await home.say("anna", "yes")
    await home.pass_by(150)
    assert "second person" in home.last("anna").reply.text
    await home.say("tom", "yes")
    assert home.now("alarm")["armed"] == "away" and not home.desk.questions


async def test_what_makes_the_house_safer_and_other_things_need_nobody_else(home: Family) -> None:
    home.by_hand("alarm", armed="disarmed")
    await home.say("anna", "set the alarm to away")
    assert home.now("alarm")["armed"] != "disarmed"
    await home.say("anna", "unlock the front door")
    await home.say("anna", "yes")
    assert home.now("lock")["locked"] is False
    await home.say("tom", "the hall lamp needs two")
    await home.say("tom", "hall lamp on")
    await home.say("tom", "yes")
    assert home.now("lamp")["on"] is False, "whatever he says needs two, needs two"


@pytest.mark.parametrize("said", ["the alarm needs only one", "undo", "die Alarmanlage braucht nicht mehr zwei"])
async def test_asking_less_needs_two_as_well(home: Family, said: str) -> None:
    await home.say("anna", said)
    await home.say("anna", "yes")
    assert home.house.get("alarm").yeses == 2  # type: ignore[union-attr]
    await home.say("dora", "yes")
    assert home.house.get("alarm").yeses == 1  # type: ignore[union-attr]
    await home.say("anna", "disarm the alarm")
    await home.say("anna", "yes")
    assert home.now("alarm")["armed"] == "disarmed"


async def test_no_routine_and_no_scene_is_a_way_around(home: Family) -> None:
    for text in ("disarm the alarm in 10 minutes", "yes"):
        await home.say("anna", text)
    await home.pass_by(660)
    assert home.now("alarm")["armed"] == "away"
    assert {question.person for question in home.desk.questions.values()} == {"anna", "tom", "dora"}


async def test_with_one_adult_alone_it_is_refused_in_words(home: Family) -> None:
    for person in ("tom", "dora"):
        await home.people.keep(Person(person, person, Role.GUEST))
    assert "too few of them" in await home.tells("anna", "disarm the alarm")
    assert not home.desk.questions


async def test_who_was_let_in_today_is_nobodys_second(home: Family) -> None:
    for person in ("tom", "dora"):
        await home.people.keep(Person(person, person, Role.GUEST))
    await home.say("anna", "John lives here")
    await home.say("anna", "yes")
    code = home.last("anna").reply.text.split(": ")[1].split(" ")[0]
    await home.say("+49 7", code)
    assert home.people.source("web", "+49 7").role is Role.ADULT
    assert "less than a day" in await home.tells("anna", "disarm the alarm"), "whoever it is, anna has just invented him"
    assert not home.desk.questions
    await home.pass_by(25 * 3600)
    for chat, text in (("+49 7", "hello"), ("anna", "disarm the alarm"), ("anna", "yes"), ("+49 7", "yes")):
        await home.say(chat, text)
    assert home.now("alarm")["armed"] == "disarmed"


async def test_a_second_phone_is_no_second_person(home: Family) -> None:
    await home.people.keep(Person("dora", "Dora", Role.GUEST))
    await home.say("anna", "Tom lost his phone")
    await home.say("anna", "yes")
    await home.say("+49 8", home.last("anna").reply.text.split(": ")[1].split(" ")[0])
    assert home.people.source("web", "+49 8").person == "tom", "anna holds a phone in his name"
    assert "less than a day" in await home.tells("anna", "disarm the alarm")
    assert "less than a day" in (await home.say("+49 8", "disarm the alarm"))[0]


async def test_an_owner_who_is_named_must_say_the_yes(home: Family) -> None:
    assert "not yours" in await home.tells("dora", "only Dora may say yes to the front door")
    assert "not kept: only an owner" in await home.tells("anna", "only Dora may say yes to the front door")
    assert "Front Door, whose yes it takes: Tom" in await home.tells("anna", "only Tom may say yes to the front door")
    assert [one.approver for one in await home.store.read(household.devices) if one.id == "lock"] == ["Tom"]
    assert "asked Tom" in await home.tells("anna", "unlock the front door")
    assert {question.person for question in home.desk.questions.values()} == {"tom"}
    await home.say("anna", "yes")
    assert home.now("lock")["locked"] is True
    await home.say("tom", "yes")
    assert home.now("lock")["locked"] is False
    await home.say("dora", "lock the front door")
    assert home.now("lock")["locked"] is True, "what makes the house safer needs nobody"
    await home.say("anna", "any owner may say yes to the front door")
    assert {question.person for question in home.desk.questions.values()} == {"tom"}, "taking it back is his to say, too"
    await home.say("tom", "yes")
    assert home.house.get("lock").approver == ""  # type: ignore[union-attr]
    assert "wessen Ja es braucht: Anna" in await home.tells("anna", "nur Anna darf zur Alarmanlage Ja sagen")
    await home.say("tom", "disarm the alarm")
    assert len(home.desk.questions) == 3, "it needs two, and she must be one of them"
    await home.say("tom", "yes")
    await home.say("dora", "yes")
    assert home.now("alarm")["armed"] == "away"
    await home.say("anna", "yes")
    assert home.now("alarm")["armed"] == "disarmed"


async def test_no_grant_stands_for_the_one_who_is_named(home: Family) -> None:
    await home.say("anna", "only Tom may say yes to the front door")
    for text in ("unlock the front door in 10 minutes", "yes"):
        await home.say("anna", text)
    for question in list(home.desk.questions.values()):
        await home.say(question.person, "yes")
    await home.pass_by(660)
    assert home.now("lock")["locked"] is True
    assert {question.person for question in home.desk.questions.values()} == {"tom"}


async def test_with_somebody_go_their_routines_grants_and_questions(home: Family) -> None:
    for person, text in (
        ("dora", "every day at 8 hall lamp on"),
        ("dora", "yes"),
        ("tom", "every day at 9 unlock the front door"),
        ("tom", "yes"),
    ):
        await home.say(person, text)
    await home.say("dora", "unlock the front door")
    assert await home.count("due WHERE state = 'waiting'") == 2 and await home.count('"grant" WHERE ended IS NULL') == 1
    for name in ("Dora no longer lives here", "Tom no longer lives here"):
        await home.say("anna", name)
        number = max(home.desk.questions)
        await home.say("anna", "yes", refers=f"question:{number}")
    assert home.people.named("Dora") is None and home.people.named("Tom") is None
    assert await home.count("due WHERE state <> 'ended'") == 0
    assert await home.count('"grant" WHERE ended IS NULL') == 0
    assert not home.desk.questions and home.now("lock")["locked"] is True
