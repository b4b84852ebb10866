"""Homes of any size, named as people name things, in English or German; and the same home with every name invented anew.

It does not know what is said in them (`generate`), and it knows nothing of Dobby: a home is what a house file holds.
"""

import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from itertools import count, product
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Home: TypeAlias = dict[str, Any]
HEADS, MIDS, TAILS = (
    ["b", "br", "d", "dr", "f", "g", "gl", "k", "kr", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "v", "z"],
    ["a", "e", "i", "o", "u", "au", "ei"],
    ["lk", "mb", "nd", "rf", "rt", "sk", "x", "zz"],
)


@cache
def table() -> Mapping[str, Any]:
    """`homes.yaml`."""
    found: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("homes.yaml").read_text("utf-8"))
    return found


def home(size: int, language: str = "en", seed: int = 1) -> Home:
    """A home of `size` devices; the same size, language and seed give the same home."""
    dice = random.Random(f"{size} {language} {seed}")
    devices: list[dict[str, Any]] = []
    rooms: list[dict[str, str]] = []
    for room, floor in _rooms(language, dice, size):
        if len(devices) >= size:
            break
        rooms.append({"name": room, "floor": floor})
        row = _furnish(room, floor in ("Outside", "Draußen"), language, dice, {device["name"] for device in devices})
        devices += row if size > 60 else dice.sample(row, min(len(row), 5))
    for kind, number in table()["once"].items():
        for _ in range(min(number, 1 + size // 100)):
            room = dice.choice(rooms)["name"]
            devices.insert(dice.randrange(size), _device(kind, room, language, dice, {d["name"] for d in devices}))
    devices = devices[:size]
    for number, device in enumerate(devices):
        device["id"] = f"{device['kind']}.d{number}"
    return {"language": language, "rooms": rooms, "devices": devices}


def _rooms(language: str, dice: random.Random, size: int) -> Iterator[tuple[str, str]]:
    """(name, floor), the usual rooms first, then as many as it takes."""
    words = table()[language]
    usual = [(bare(room), floor) for floor, names in words["rooms"].items() for room in names]
    first = [row for floor in words["rooms"] for row in usual if row[1] == floor][: 2 if size < 60 else None]
    rest = [row for row in usual if row not in first]
    dice.shuffle(rest)
    yield from (*first, *rest)
    floors = list(words["rooms"])[:2]
    for round_ in count(1):
        for number, (more, room) in enumerate(product(words["more"], words["more_rooms"])):
            yield f"{more} {room}{'' if round_ == 1 else f' {round_}'}", floors[number % 2]


def bare(room: str) -> str:
    """`in der Küche` is called Küche."""
    first, _, rest = room.partition(" ")
    if first == "im" or (first == "in" and not rest.startswith("der ")):
        return rest
    return rest.partition(" ")[2] if first in ("in", "auf") else room


@cache
def where(language: str) -> Mapping[str, str]:
    """How one is in a room, by its name."""
    rooms = [room for names in table()[language]["rooms"].values() for room in names]
    return {bare(room): room for room in rooms} if language == "de" else {room: f"in the {room}" for room in rooms}


def _furnish(room: str, outside: bool, language: str, dice: random.Random, taken: set[str]) -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = []
    for kind, (least, most) in table()["outside" if outside else "inside"].items():
        for _ in range(dice.randint(least, most)):
            devices.append(_device(kind, room, language, dice, taken | {device["name"] for device in devices}))
    return devices


def _device(kind: str, room: str, language: str, dice: random.Random, taken: set[str]) -> dict[str, Any]:
    names = table()[language]["things"][kind]
    options = [f"{room} {after}" for after in names["after"]] + list(names["own"])
    name = next(
        (name for name in dice.sample(options, len(options)) if not {name, name + "s", name.removesuffix("s")} & taken), ""
    )
    if not name:
        name = next(name for number in count(2) if (name := f"{room} {names['after'][0]} {number}") not in taken)
    base, _, device_class = kind.partition("/")
    state = {t: dice.choice(v) for t, v in table()["states"].get(kind, table()["states"].get(base, {})).items()}
    found = {"id": "", "name": name, "kind": base, "room": room, "state": state}
    extra = {"device_class": device_class, "unit": table()["units"].get(kind, "")}
    return found | {key: value for key, value in extra.items() if value}


# The same home, called otherwise


def renamed(old: Home, keep: frozenset[str] = frozenset(), seed: int = 1) -> tuple[Home, dict[str, str]]:
    """The same home with an invented word for every word of every name but those in `keep`, and which stands for which."""
    new, invented, fresh = deepcopy(old), dict[str, str](), _invented(random.Random(seed))

    def called(name: str) -> str:
        words = [word if word in keep or word.isdigit() else invented.setdefault(word, next(fresh)) for word in name.split()]
        return " ".join(words)

    for room in new["rooms"]:
        room["name"] = called(room["name"])
        room.pop("aliases", None)
    for device in new["devices"]:
        device["name"] = called(device["name"])
        device.pop("aliases", None)
        if device.get("room"):
            device["room"] = called(device["room"])
    return new, invented


def _invented(dice: random.Random) -> Iterator[str]:
    """Words that nobody uses, none the beginning of another."""
    row = ["".join(parts) for parts in product(HEADS, MIDS, TAILS, MIDS, "lnrt")]
    dice.shuffle(row)
    yield from (word.capitalize() for word in row)


def as_yaml(made: Home) -> str:
    """The text of its house file."""
    return yaml.safe_dump(made, allow_unicode=True, sort_keys=False)
