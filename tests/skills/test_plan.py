"""The house as a picture in any chat: its rooms and what is on in them, in words too; a guest is shown nothing of it."""

import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from dobby import Device, Manner
from dobby.events import Change, State
from tests.fakes import NOON, living
from tests.skills.test_figures import PNG, Metered
from tests.stories.family import BERLIN

plan, words_of = (import_module(f"dobby_skill_history.{name}") for name in ("plan", "words"))
drawn = pytest.mark.skipif(find_spec("matplotlib") is None, reason="no matplotlib")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Metered]:
    made = Metered(tmp_path)
    await made.furnish()
    async with living(made):
        yield made


@drawn
@pytest.mark.parametrize(
    "text",
    [
        "show me the floor plan",
        "show me what is on",
        "draw a plan of the house",
        "zeig mir den Grundriss",
        "zeig mir, was an ist",
    ],
)
async def test_the_house_is_shown_with_what_is_on(home: Metered, text: str) -> None:
    light = next(one for one in home.house if one.kind == "light")
    home.house.state.hear(Change(light.id, {"on": True, "brightness": 40}, available=True))
    said, picture = await home.ask(text)
    assert light.name in said and said.startswith(("On or open: ", "An oder offen: "))
    data = Path(picture).read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(PNG) and width == 1188 and height > 400
    home.house.state.hear(Change(light.id, {"on": False}, available=True))


async def test_a_guest_sees_nothing_of_the_house(home: Metered) -> None:
    gus = home.people.get("gus")
    assert gus is not None
    await home.people.keep(replace(gus, limits=replace(gus.limits, rooms=("Nowhere",))))
    said, picture = await home.ask("show me the floor plan", "gus")
    assert said == "Nothing is on or open." and "Nowhere" not in said, "the house has nothing that is theirs"
    assert home.bridge.sent[-1].reply.picture == picture


def test_a_card_says_what_is_on_first_and_what_is_left_out(home: Metered) -> None:
    things = [one for one in home.house if not one.part_of and one.kind not in plan.UNSEEN]
    rooms = {one.room or "No room" for one in things}
    wanted = plan.drawn(_Looking(home), things, words_of.Words.of(Manner("en", "us", BERLIN, NOON)))
    shown = [room for floor in wanted["floors"] for room in floor["rooms"]]
    assert {room["name"] for room in shown} == rooms
    assert [floor["name"] for floor in wanted["floors"]][:3] == ["Upstairs", "Ground floor", "Basement"]
    for room in shown:
        on = [thing["on"] for thing in room["things"]]
        assert on == sorted(on, reverse=True) and len(on) <= plan.SHOWN


class _Looking:
    """What a skill sees of states."""

    def __init__(self, home: Metered) -> None:
        self.rooms = home.house.rooms
        self._state = home.house.state

    def state(self, device: Device) -> State:
        return self._state.of(device.id)
