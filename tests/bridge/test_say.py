"""`POST /say`: a phone's shortcut, a tablet, a satellite speak for a person by a token, and hear the answer in words to speak."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from small_dobby import Dobby
from visitor import Visitor

from dobby.events import Role
from dobby.house.model import Room
from dobby.journal import inbox, outbox
from dobby.mind.plain.aloud import aloud
from dobby.people import Person


class Shortcut:
    """A thing with a token, which knows nothing of cookies."""

    def __init__(self, stranger: Visitor, token: str) -> None:
        self.stranger, self.token = stranger, token

    async def say(self, text: Any, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.stranger.http.post(f"{self.stranger.base}/say", json={"text": text, **more}, headers=headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def phone(dobby: Dobby, stranger: Visitor) -> Shortcut:
    """Anna's, who is an owner."""
    return Shortcut(stranger, await dobby.people.make_token("anna", "Anna's phone"))


async def test_a_text_is_done_and_answered_in_words_to_read_and_to_speak(dobby: Dobby, phone: Shortcut, anna: Visitor) -> None:
    status, said = await phone.say("lamp on")
    assert (status, said["state"], said["options"]) == (200, "done", [])
    assert dobby.house.state.of("lamp")["on"] is True
    assert "Reading lamp" in said["text"] and said["speech"] and "{" not in said["speech"]
    assert [line["text"] for line in await anna.lines()] == ["lamp on", said["text"]], "it is a line of her page"


async def test_the_same_id_is_the_same_text_however_often_it_comes(dobby: Dobby, phone: Shortcut) -> None:
    first, *others = await asyncio.gather(*(phone.say("hello", id="one") for _ in range(8)))
    assert others == [first] * 7 and first[0] == 200
    assert (await phone.say("something else", id="one"))[0] == 409
    rows = await dobby.store.read(lambda db: inbox.recent(db, "anna"))
    assert [row.event.text for row in rows] == ["hello"]


async def test_who_does_not_wait_gets_202_and_the_answer_later(dobby: Dobby, phone: Shortcut) -> None:
    dobby.mind.hold.clear()
    assert [(await phone.say("hello", id="slow", wait=wait))[0] for wait in (0, 0.05)] == [202, 202]
    assert await dobby.store.read(lambda db: inbox.text_of(db, "say:Anna's phone:slow")) == "hello", "it is kept"
    dobby.mind.hold.set()
    status, said = await phone.say("hello", id="slow")
    assert (status, said["text"]) == (200, "You said: hello")


async def test_what_is_guarded_comes_back_as_a_question_with_its_choices(dobby: Dobby, phone: Shortcut, anna: Visitor) -> None:
    status, asked = await phone.say("unlock the front door")
    assert (status, asked["state"], asked["options"]) == (200, "waiting", ["Yes", "No"])
    assert "Unlock the front door?" in asked["text"]
    assert (await anna.lines())[-1]["options"] == ["Yes", "No"], "and on the page"
    assert dobby.house.state.of("door")["locked"] is True
    assert (await phone.say("yes"))[1]["state"] == "done"
    assert dobby.house.state.of("door")["locked"] is False


async def test_it_may_what_its_person_may(dobby: Dobby, stranger: Visitor) -> None:
    await dobby.people.keep(Person("gus", "Gus", Role.GUEST))
    guest = Shortcut(stranger, await dobby.people.make_token("gus", "tablet"))
    assert (await guest.say("unlock the front door"))[1]["state"] == "refused"
    assert dobby.desk_questions() == 0


async def test_a_room_is_the_things_own_or_said_and_must_be_one(dobby: Dobby, stranger: Visitor) -> None:
    dobby.house.add_room(Room("Study"))
    dobby.web.things.rooms = lambda: ["Study", "Hall"]
    tablet = Shortcut(stranger, await dobby.people.make_token("anna", "tablet", "Study"))
    await tablet.say("hello", id="own")
    await tablet.say("hello", id="said", room="hall")
    rows = await dobby.store.read(lambda db: inbox.recent(db, "anna"))
    assert [row.event.source.room for row in rows] == ["Hall", "Study"]
    assert dobby.butler.desk.context(rows[0].event.source).here == "Hall"
    status, said = await tablet.say("hello", room="Attic")
    assert status == 422 and "The rooms are: Study, Hall" in said["error"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"text": ""}, 422),
        ({"text": 7}, 422),
        ({"text": "a\0b"}, 422),
        ({"text": "hello", "id": "a b"}, 422),
        ({"text": "hello", "id": "x" * 65}, 422),
        ({"text": "hello", "wait": 3600}, 422),
        ({"text": "hello", "wait": True}, 422),
        ({"text": "hello", "person": "ben"}, 422),
        ({"text": "hello", "role": "owner"}, 422),
        ({"text": "x" * 20_000}, 413),
    ],
)
async def test_what_is_no_text_is_refused_in_words_and_leaves_nothing(
    dobby: Dobby, phone: Shortcut, fields: dict[str, Any], status: int
) -> None:
    got, said = await phone.say(**fields)
    assert got == status and said["error"].endswith(".")
    assert await dobby.store.read(lambda db: inbox.recent(db, "anna")) == []


async def test_no_token_no_word_and_guessing_is_slowed_down(
    dobby: Dobby, stranger: Visitor, anna: Visitor, phone: Shortcut
) -> None:
    assert (await anna.post("/say", {"text": "hello"}))[0] == 401, "a cookie is no token: other sites' pages cannot use one"
    status, said = await Shortcut(stranger, "wrong").say("hello")
    assert status == 401 and "dobby token NAME" in said["error"]
    got = [(await Shortcut(stranger, f"wrong{number}").say("hello"))[0] for number in range(8)]
    assert got[-1] == 429
    assert (await phone.say("hello"))[0] == 200, "who has a right one is not held up by it"


async def test_a_thing_that_went_mad_is_slowed_down_by_itself(dobby: Dobby, stranger: Visitor, phone: Shortcut) -> None:
    other = Shortcut(stranger, await dobby.people.make_token("ben", "tablet"))
    got = await asyncio.gather(*(phone.say(f"text {number}", wait=0) for number in range(34)))
    assert sum(status == 429 for status, _ in got) == 4
    assert (await other.say("hello"))[0] == 200


async def test_a_token_is_kept_as_a_hash_and_ends_at_once(dobby: Dobby, phone: Shortcut, stranger: Visitor) -> None:
    rows = await dobby.store.read(lambda db: db.execute("SELECT * FROM login").fetchall())
    assert phone.token not in str(rows)
    again = Shortcut(stranger, await dobby.people.make_token("anna", "Anna's phone"))
    assert [(await thing.say("hello"))[0] for thing in (phone, again)] == [401, 200], "a new one of the same name ends the old"
    assert await dobby.people.end_token("Anna's phone") and not await dobby.people.end_token("Anna's phone")
    assert (await again.say("hello"))[0] == 401
    lost = Shortcut(stranger, await dobby.people.make_token("anna", "watch"))
    await dobby.people.end_sessions("anna")
    assert (await lost.say("hello"))[0] == 401, "a lost phone takes its tokens along"


async def test_after_a_crash_the_same_id_gets_the_same_answer(tmp_path: Path, stranger: Visitor) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    async with Dobby(folder) as first:
        token = await first.people.make_token("anna", "phone")
        _, said = await Shortcut(Visitor(stranger.http, f"http://127.0.0.1:{first.web.port}"), token).say("hello", id="once")
    async with Dobby(folder) as second:
        again = await Shortcut(Visitor(stranger.http, f"http://127.0.0.1:{second.web.port}"), token).say("hello", id="once")
        assert again == (200, said)
        assert len(await second.store.read(lambda db: outbox.conversation(db, "web/anna"))) == 2


@pytest.mark.parametrize(
    ("language", "text", "speech"),
    [
        ("en", "Kitchen Ceiling at 40 %.", "Kitchen Ceiling at 40 percent."),
        ("en", "It is -3.5 °C outside; 1 W, 22–24 °C.", "It is minus 3.5 degrees outside; 1 watt, 22 to 24 degrees."),
        ("en", "Set for 07:00, then 7:00 PM and 7:40 PM.", "Set for 7 o'clock, then 7 PM and 7:40 PM."),
        ("en", "$0.42 & 2026-11-27 “now” 🥚", "0.42 dollars and November 27, 2026 now"),
        ("en", "• Milk\n• Eggs", "Milk. Eggs."),
        ("de", "Es sind 21,5 °C, um 07:05 Uhr und 19:00 Uhr.", "Es sind 21,5 Grad, um 7 Uhr 5 und 19 Uhr."),
        ("de", "1 kWh, 1 % am 2026-11-27", "eine Kilowattstunde, ein Prozent am 27. November 2026"),
        ("de", "-2 °C → 3 °C", "minus 2 bis 3 Grad"),
        ("fr", "30 %", "30 percent"),
    ],
)
def test_what_is_written_is_spoken_as_one_would_say_it(language: str, text: str, speech: str) -> None:
    assert aloud(text, language) == speech
