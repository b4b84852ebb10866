"""What is said about what was done: only what the outcomes bear out."""

import pytest

from dobby.events import Call, EffectState, State
from dobby.house.kinds import specs
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Outcome

MIND = PlainMind(House())


def thing(kind: str, name: str, room: str = "Kitchen") -> Device:
    return Device(name, "virtual", kind, name, room=room, traits=specs(kind))


def outcome(
    device: Device, state: EffectState, before: State, after: State, echoed: bool = False, why: str = "", **wanted: object
) -> Outcome:
    return Outcome(Call("set", device.id, wanted), state, device, before, after, echoed, why)  # type: ignore[arg-type]


LAMP, BLIND, LOCK = thing("light", "Kitchen light"), thing("cover", "Bedroom blinds", "Bedroom"), thing("lock", "Front door")
HEAT = thing("climate", "Thermostat")
DONE, UNDER_WAY, FAILED, UNKNOWN = EffectState.DONE, EffectState.INTENDED, EffectState.FAILED, EffectState.UNKNOWN


def plays(state: EffectState, what: str, told: str = "") -> Outcome:
    after = {"playing": "playing"} | ({"plays": told} if told else {})
    return Outcome(Call("do", "speaker", {"verb": "play", "what": what}), state, thing("speaker", "Kitchen Sonos"), {}, after)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([outcome(LAMP, DONE, {"on": True}, {"on": False}, on=False)], "Kitchen light off."),
        ([outcome(LAMP, DONE, {"on": False}, {"on": False}, on=False)], "Kitchen light is already off."),
        ([outcome(BLIND, DONE, {"position": 100}, {"position": 20}, position=20)], "Bedroom blinds at 20 %."),
        ([outcome(BLIND, DONE, {"position": 0}, {"position": 0}, position=0)], "Bedroom blinds are already closed."),
        ([outcome(BLIND, UNDER_WAY, {"position": 100}, {"position": 90}, position=0)], "Closing the bedroom blinds."),
        ([plays(DONE, "kind of blue")], "Playing kind of blue on Kitchen Sonos."),
        ([plays(DONE, "kind of blue", "Miles Davis – Kind Of Blue")], "Playing Miles Davis – Kind Of Blue on Kitchen Sonos."),
        (
            [plays(UNDER_WAY, "kind of blue", "Miles Davis – Kind Of Blue")],
            "Starting Miles Davis – Kind Of Blue on Kitchen Sonos.",
        ),
        ([plays(UNDER_WAY, "")], "Kitchen Sonos: under way."),
        ([outcome(BLIND, UNDER_WAY, {"position": 100}, {"position": 90}, position=20)], "Moving the bedroom blinds to 20 %."),
        ([outcome(LOCK, UNDER_WAY, {}, {}, locked=True)], "Locking the front door."),
        ([outcome(LAMP, DONE, {}, {"on": True}, echoed=True, on=True)], "Sent to Kitchen light: on. It doesn't report back."),
        ([outcome(LAMP, FAILED, {}, {}, why="It is out of reach.", on=True)], "Kitchen light: not done. It is out of reach."),
        ([outcome(LAMP, UNKNOWN, {}, {}, on=True)], "I can't tell whether Kitchen light is on now."),
        ([outcome(HEAT, DONE, {"target": 20}, {"target": 21}, target=21)], "Thermostat set to 21 °C."),
    ],
)
def test_one_outcome(row: list[Outcome], words: str) -> None:
    assert MIND.report(row, "en", "metric") == words


def test_it_tells_what_was_read_back_not_what_was_asked() -> None:
    assert "set to 19.5 °C" in MIND.report([outcome(HEAT, DONE, {"target": 20}, {"target": 19.5}, target=21)], "en", "metric")


def test_several_in_one_room_are_counted() -> None:
    row = [outcome(thing("light", f"Lamp {at}"), DONE, {"on": True}, {"on": False}, on=False) for at in range(3)]
    assert MIND.report(row, "en", "metric") == "3 lights off in the kitchen."


def test_some_done_and_some_failed_are_told_apart() -> None:
    row = [
        outcome(thing("light", "Hall"), DONE, {"on": True}, {"on": False}, on=False),
        outcome(thing("light", "Desk"), FAILED, {}, {}, why="No answer.", on=False),
    ]
    assert MIND.report(row, "en", "metric") == "Hall off. Desk: not done. No answer."


def test_a_person_reads_their_own_units_and_language() -> None:
    row = [outcome(HEAT, DONE, {"target": 20}, {"target": 21.5}, target=21.5)]
    assert MIND.report(row, "en", "us") == "Thermostat set to 70.7 °F."
    assert MIND.report(row, "de", "metric") == "Thermostat auf 21,5 °C eingestellt."


def test_a_phrase_is_filled_and_never_filled_twice() -> None:
    assert MIND.phrase("cannot", "en", name="{why} {name}") == "{why} {name} can't do that."
    assert MIND.phrase("cannot", "xx", name="Lamp") == "Lamp can't do that."
