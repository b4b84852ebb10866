"""Virtual devices settle at once and do what was asked."""

import pytest

from dobby.errors import Refused
from dobby.events import State, Value
from dobby.house.kinds import specs, verbs
from dobby.house.model import Device
from dobby.house.virtual import Virtual


def thing(kind: str) -> Device:
    return Device("x", "virtual", kind, "X", traits=specs(kind), verbs=verbs(kind))


@pytest.mark.parametrize(
    ("kind", "was", "wanted", "becomes"),
    [
        ("light", {"on": False}, {"brightness": 40}, {"on": True, "brightness": 40}),
        ("light", {"on": True, "brightness": 40}, {"on": False}, {"on": False, "brightness": 40}),
        ("fan", {"on": False, "speed": 0}, {"on": True}, {"on": True, "speed": 100}),
        ("speaker", {"on": True, "playing": "playing"}, {"on": False}, {"on": False, "playing": "off"}),
        ("cover", {"position": 0}, {"position": 50}, {"position": 50}),
    ],
)
async def test_set_brings_what_goes_with_it(kind: str, was: State, wanted: State, becomes: State) -> None:
    hands = Virtual({"x": was})
    await hands.set(thing(kind), wanted)
    assert await hands.read(thing(kind)) == becomes


@pytest.mark.parametrize(
    ("kind", "verb", "args", "was", "becomes"),
    [
        (
            "speaker",
            "play",
            {"what": "jazz"},
            {"playing": "off", "on": False},
            {"playing": "playing", "on": True, "title": "jazz"},
        ),
        ("speaker", "next", {}, {"track": 1}, {"track": 2, "playing": "playing", "on": True}),
        ("speaker", "previous", {}, {"track": 1}, {"track": 1, "playing": "playing", "on": True}),
        ("vacuum", "clean", {"room": "Hall"}, {"state": "docked"}, {"state": "cleaning"}),
        ("cover", "stop", {}, {"position": 40, "moving": True}, {"position": 40, "moving": False}),
        ("list", "add", {"item": "milk"}, {}, {"count": 1}),
        ("list", "add", {"item": "milk"}, {"items": ["egg"], "count": 1}, {"items": ["egg", "milk"], "count": 2}),
        ("list", "complete", {"item": "Egg"}, {"items": ["egg"], "count": 1}, {"items": [], "count": 0}),
    ],
)
async def test_a_verb_does_what_it_says(kind: str, verb: str, args: dict[str, Value], was: State, becomes: State) -> None:
    hands = Virtual({"x": was})
    await hands.do(thing(kind), verb, **args)
    assert await hands.read(thing(kind)) == becomes


async def test_what_a_device_cannot_do_is_refused() -> None:
    with pytest.raises(Refused):
        await Virtual({"x": {}}).do(thing("light"), "play")
    with pytest.raises(Refused):
        await Virtual({"x": {"items": []}}).do(thing("list"), "remove", item="milk")


async def test_news_is_heard() -> None:
    hands = Virtual({"x": {}})
    await hands.set(thing("lock"), {"locked": True})
    async for change in hands.hear([thing("lock")]):
        assert change.state == {"locked": True}
        break
