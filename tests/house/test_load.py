"""A house written down by hand: kind to values, strict about structure."""

from pathlib import Path

import pytest

from dobby.errors import ConfigError
from dobby.house.load import initial, load, parse

SMALL = """
rooms:
- {name: Kitchen, floor: 1, aliases: [Küche]}
devices:
- id: light.a
  name: Lamp
  kind: light
  room: Kitchen
  state: {on: yes, brightness: '90'}
- {id: sensor.t, name: Warmth, kind: sensor, device_class: temperature, unit: °C, room: Attic, state: {value: '21.5'}}
- {id: tv, name: TV, kind: tv, state: {playing: off, volume: 15}}
- {id: fan, name: Fan, kind: fan, state: {on: false}}
- {id: odd, name: Oddity, kind: teleporter, state: {charge: 4, mood: grim}}
here: Kitchen
now: 2026-03-02T19:40
units: us
language: de
"""


def test_everything_written_is_there() -> None:
    loaded = parse(SMALL)
    assert [room.name for room in loaded.house.rooms] == ["Kitchen", "Attic"], "a room that is only used is implied"
    assert (loaded.here, loaded.units, loaded.language) == ("Kitchen", "us", "de")
    assert loaded.now is not None
    assert loaded.now.tzinfo is not None


def test_values_are_taken_in_their_traits_type() -> None:
    states = parse(SMALL).states
    assert states["light.a"] == {"on": True, "brightness": 90}
    assert states["sensor.t"] == {"value": 21.5}
    assert states["tv"] == {"playing": "off", "volume": 15, "on": False}, "on and playing are one"
    assert states["fan"] == {"on": False, "speed": 0}


def test_the_house_has_heard_it() -> None:
    loaded = parse(SMALL)
    assert loaded.house.state.of("light.a") == loaded.states["light.a"]


def test_what_is_unknown_is_kept_and_never_set() -> None:
    odd = parse(SMALL).house.get("odd")
    assert odd is not None
    assert parse(SMALL).states["odd"] == {"charge": 4, "mood": "grim"}
    assert not any(spec.settable for spec in odd.traits.values())


def test_a_lamp_takes_all_that_lamps_take_even_if_little_is_said_of_it() -> None:
    light = parse("devices: [{id: a, name: A, kind: light}]").house.get("a")
    assert light is not None
    assert light.traits["brightness"].settable


def test_a_later_state_brings_what_goes_with_it() -> None:
    fan = parse(SMALL).house.get("fan")
    assert fan is not None
    assert initial(fan, {"on": "on"}, {"on": False, "speed": 0}) == {"on": True, "speed": 100}


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("devices: {a: 1}", 1, "devices"),
        ("rooms:\n- Kitchen", 2, "rooms"),
        ("devices:\n- name: Lamp\n  kind: light", 2, "id"),
        ("devices:\n- {id: a, name: A, kind: light}\n- {id: a, name: B, kind: light}", 3, "id"),
        ("devices:\n- id: a\n  name: A\n  kind: light\n  state: [1]", 5, "state"),
        ("devices:\n- id: a\n  name: [A]\n  kind: light", 3, "name"),
        ("devices:\n- id: a\n  name: A\n  kind: light\n  romo: Hall", 5, "romo"),
        ("devcies: []", 1, "devcies"),
        ("now: soon", 1, "now"),
        ("units: imperial", 1, "units"),
        ("rooms: [", 1, ""),
        ("", 1, ""),
        ("just words", 1, "house"),
    ],
)
def test_a_malformed_house_is_told_by_line_and_key(text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "home.yaml")
    assert str(caught.value).startswith(f"home.yaml:{line}: {key}")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")
