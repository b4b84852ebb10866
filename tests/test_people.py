"""Who may ask for what, in words: let in with rooms and an end, paired by a code, limited, gone with all of theirs."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dobby.events import Call, Role, Source
from dobby.gate import Bounds, Verdict, decide
from dobby.house import load
from dobby.house.model import Room
from dobby.journal import questions
from dobby.mind import persons
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context
from dobby.people import Limits, People, Person, within
from tests.fakes import HandClock, Home, lived_in

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)  # a Friday
HOUSE = """
rooms: [{name: Guest Room, aliases: [Gästezimmer]}, {name: Kitchen}]
devices:
  - {id: lamp, name: Guest lamp, kind: light, room: Guest Room, state: {on: false}}
  - {id: spot, name: Kitchen spot, kind: light, room: Kitchen, state: {on: false}}
  - {id: radio, name: Radio, kind: speaker, room: Guest Room, state: {on: true, volume: 20}}
"""


class Asking:
    """A butler with the plain mind, and people who write."""

    def __init__(self, home: Home) -> None:
        self.home = home

    async def say(self, text: str, chat: str = "anna") -> list[str]:
        """What came back to this chat because of this text."""
        return await self.home.say(chat, text)


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with lived_in(tmp_path) as home:
        mind = PlainMind(home.house)
        home.desk.mind = mind
        home.house.add_room(Room("Guest Room"))
        yield Asking(home)


CASES = {
    "Tom may use the guest room until Sunday": ("guest", {"rooms": ("Guest Room",), "until": 1795996799.0}),
    "Maria is our cleaner": ("helper", {}),
    "Max is our son": ("child", {}),
    "Eva is also an owner": ("owner", {}),
    "Tom darf bis Sonntag das Gästezimmer benutzen": ("guest", {"rooms": ("Guest Room",), "until": 1795996799.0}),
    "Maria ist unsere Putzfrau": ("helper", {}),
}


@pytest.mark.parametrize("text", CASES)
def test_what_is_said_about_people_is_understood(text: str) -> None:
    loaded = load.parse(HOUSE)
    context = Context("anna", Role.OWNER, NOW, language="de" if " ist " in text or "darf" in text else "en")

    class Nobody:
        def named(self, name: str) -> None: ...
        def get(self, name: str) -> None: ...

    plan = persons.plan(text, context, Nobody(), loaded.house, PlainMind(loaded.house))  # type: ignore[arg-type]
    assert plan is not None
    row = plan.calls[0].args["person"]
    assert isinstance(row, dict)
    role, limits = CASES[text]
    assert row["role"] == role
    for name, value in limits.items():
        assert row["limits"][name] == (list(value) if isinstance(value, tuple) else value)  # type: ignore[index, call-overload]


async def test_a_guest_is_let_in_by_one_sentence_and_a_yes_and_pairs_by_a_code(asking: Asking) -> None:
    (question,) = await asking.say("Tom may use the guest room until Sunday")
    assert "Tom: guest, only Guest Room, until" in question
    assert asking.home.people.named("Tom") is None
    kept, code = await asking.say("yes")
    assert "Tom: guest" in kept
    found = re.search(r"[2-9A-Z]{5}-[2-9A-Z]{5}", code)
    assert found is not None
    assert await asking.say("XXXXX-YYYYY", "+49 7") == ["I only talk with the people of the house."]
    assert "Hello Tom" in (await asking.say(f" {found[0].lower()} ", "+49 8"))[0]
    assert await asking.say(found[0], "+49 9") == ["I only talk with the people of the house."]  # once
    source = asking.home.people.source("web", "+49 8")
    assert (source.person, source.role) == ("tom", Role.GUEST)


async def test_everybody_brings_their_own_phone_along_by_a_code(asking: Asking) -> None:
    code = re.search(r"[2-9A-Z]{5}-[2-9A-Z]{5}", (await asking.say("invite me", "dora"))[-1])
    assert code is not None
    await asking.say(code[0], "+49 6")
    assert asking.home.people.source("web", "+49 6").person == "dora"


async def test_only_an_owner_says_who_may_come_in(asking: Asking) -> None:
    assert asking.home.people.source("web", "ben").role is not Role.OWNER
    assert await asking.say("Mallory is also an owner", "ben") == ["That is not yours to ask."]
    assert asking.home.people.named("Mallory") is None


async def test_who_leaves_takes_everything_along(asking: Asking) -> None:
    people, store = asking.home.people, asking.home.store
    await asking.say("Maria is our cleaner")
    await asking.say("yes")
    await people.reach("maria", "web", "+49 5")
    session = await people.redeem(await people.make_code("maria"))
    assert session is not None
    await asking.say("remove Maria")
    (gone,) = await asking.say("yes")
    assert "Done: Maria goes" in gone
    assert people.named("Maria") is None
    assert await people.of_session(session) is None
    assert not people.source("web", "+49 5").role.rank
    assert not [one for one in await store.read(questions.open_questions) if one.person == "maria"]


async def test_the_last_owner_stays(asking: Asking) -> None:
    for owner in asking.home.people.owners[1:]:
        await asking.home.people.keep(Person(owner.id, owner.name, Role.ADULT))
    await asking.say("remove Anna")
    await asking.say("yes")
    assert [owner.id for owner in asking.home.people.owners] == ["anna"]


async def test_everybody_says_how_they_want_to_be_written_to(asking: Asking) -> None:
    assert await asking.say("write to me in German", "ben")
    assert asking.home.people.get("ben").language == "de"  # type: ignore[union-attr]
    await asking.say("quiet hours from 22 to 7", "ben")
    assert asking.home.people.get("ben").limits.quiet == "22:00-07:00"  # type: ignore[union-attr]


ROOMS = Limits(rooms=("Guest Room",))


@pytest.mark.parametrize(
    ("device", "args", "limits", "minute", "why"),
    [
        ("lamp", {"on": True}, ROOMS, 600, ""),
        ("spot", {"on": True}, ROOMS, 600, "rooms"),
        ("spot", {"on": True}, Limits(hours="07:00-20:00"), 1300, "hours"),
        ("spot", {"on": True}, Limits(hours="07:00-20:00"), 600, ""),
        ("radio", {"volume": 60}, Limits(volume=40), 600, "volume"),
        ("radio", {"volume": 40}, Limits(volume=40), 600, ""),
    ],
)
def test_the_gate_holds_everybody_to_their_own_bounds(
    device: str, args: dict[str, bool | int], limits: Limits, minute: int, why: str
) -> None:
    house = load.parse(HOUSE).house
    call, source = Call("set", device, dict(args)), Source("max", Role.CHILD)
    decision = decide(call, house.get(device), source, state={}, bounds=Bounds([Limits(), limits], minute))
    assert (decision.verdict, decision.why) == ((Verdict.REFUSE, why) if why else (Verdict.ALLOW, ""))


async def test_whose_time_is_over_is_a_stranger(asking: Asking) -> None:
    people: People = asking.home.people
    until = asking.home.clock.now() + 60
    await people.keep(Person("tom", "Tom", Role.GUEST, limits=Limits(until=until)))
    await people.reach("tom", "web", "+49 8")
    assert people.source("web", "+49 8").role is Role.GUEST
    clock: HandClock = asking.home.clock
    clock.advance(61)
    assert not people.source("web", "+49 8").role.rank


def test_hours_go_over_midnight() -> None:
    assert within("22:00-07:00", 30)
    assert not within("22:00-07:00", 720)
    assert not within("", 720)


NOT_LESS = {
    "Max may use the guest room": ("max", Role.CHILD, Limits(rooms=("Guest Room",))),
    "Max may only use the house from 7 to 20": ("max", Role.CHILD, Limits(hours="07:00-20:00")),
    "Max darf nur von 7 bis 20 Uhr das Haus benutzen": ("max", Role.CHILD, Limits(hours="07:00-20:00")),
    "Max may only use the guest room": ("max", Role.CHILD, Limits(rooms=("Guest Room",))),
}


@pytest.mark.parametrize("text", NOT_LESS)
async def test_who_gets_a_room_or_hours_stays_who_they_are(asking: Asking, text: str) -> None:
    await asking.home.people.keep(Person("max", "Max", Role.CHILD))
    assert re.search(r": Max: (child|Kind), .*\?$", (await asking.say(text))[0])
    await asking.say("yes")
    person = asking.home.people.get("max")
    assert person is not None and ("max", person.role, person.limits) == NOT_LESS[text]


@pytest.mark.parametrize(
    "text",
    ["Maria no longer works for us", "Maria doesn't live here any more", "Maria has left", "Maria arbeitet nicht mehr für uns"],
)
async def test_somebody_goes_by_one_sentence_and_a_yes(asking: Asking, text: str) -> None:
    await asking.say("Maria is our cleaner")
    await asking.say("yes")
    (question,) = await asking.say(text)
    assert question.endswith("?") and asking.home.people.named("Maria") is not None
    await asking.say("yes")
    assert asking.home.people.named("Maria") is None


async def test_whoever_is_not_known_is_not_invited_but_asked_about(asking: Asking) -> None:
    assert "I do not know Zoe yet" in (await asking.say("invite Zoe"))[0]
    assert "I do not know Zoe yet" in (await asking.say("a code for Zoe"))[0]
