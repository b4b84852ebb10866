"""A house of any size with names people could use, and sentences about it that each change one device.

Six devices a room, as many rooms as it takes. It does not know how a device is reached (`hub`) nor who runs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from dobby.events import State, Value
from dobby.house.kinds import specs
from dobby.house.model import Device

TREES = (
    "oak birch maple cedar willow hazel elm larch poplar linden juniper alder aspen cypress spruce rowan beech chestnut "
    "laurel myrtle"
)
PLACES = (
    "bedroom study kitchen bathroom library nursery parlour pantry cellar attic workshop gallery lobby den laundry veranda "
    "ballroom chapel armoury stable scullery dairy vault loggia crypt conservatory"
)

# name, kind, device class, traits, what it is at first
FURNITURE: tuple[tuple[str, str, str, dict[str, Value]], ...] = (
    ("ceiling light", "light", "", {"on": False, "brightness": 60}),
    ("reading lamp", "light", "", {"on": False, "brightness": 80, "color_temp": 2700}),
    ("blinds", "cover", "blind", {"position": 100}),
    ("coffee machine", "switch", "", {"on": False}),
    ("thermostat", "climate", "", {"mode": "heat", "target": 20.0, "temperature": 19.5}),
    ("thermometer", "sensor", "temperature", {"value": 20.4}),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A sentence, and what has to become of which device."""

    text: str
    device: str
    wanted: State


def rooms() -> Iterator[str]:
    """The oak bedroom, the birch study, …: neighbours share no word."""
    trees, places = TREES.split(), PLACES.split()
    for shift in count():
        if shift == len(trees):
            raise ValueError(f"there are names for {len(trees) * len(places) * len(FURNITURE)} devices only")
        for number, place in enumerate(places):
            yield f"{trees[(number + shift) % len(trees)]} {place}".title()


def pieces(size: int) -> Iterator[tuple[str, str, int]]:
    """(id, room, which piece of furniture) of every device."""
    every = ((room, piece) for room in rooms() for piece in range(len(FURNITURE)))
    for room, piece in islice(every, size):
        yield f"echo.{room.lower().replace(' ', '_')}_{FURNITURE[piece][0].replace(' ', '_')}", room, piece


def devices(size: int, address: str) -> list[Device]:
    """The house as Dobby knows it, all of it behind one hub."""
    made = []
    for id_, room, piece in pieces(size):
        name, kind, class_, state = FURNITURE[piece]
        traits = specs(kind, state)
        made.append(Device(id_, "echo", kind, f"{room} {name}", id_, address, class_, room, traits=traits))
    return made


def states(size: int) -> dict[str, dict[str, Value]]:
    """What every device is at first."""
    return {id_: dict(FURNITURE[piece][3]) for id_, _, piece in pieces(size)}


def wishes(size: int) -> Iterator[Wish]:
    """Sentences without end, each about another device than the one before; in every lap it wants something new of it."""
    settable = [(id_, f"the {room} {FURNITURE[piece][0]}".lower(), piece) for id_, room, piece in pieces(size) if piece < 5]
    stride = next(step for step in (97, 89, 7, 1) if len(settable) % step)
    for turn in count():
        id_, name, piece = settable[turn * stride % len(settable)]
        yield _wish(id_, name, piece, turn // len(settable))


def _wish(id_: str, name: str, piece: int, lap: int) -> Wish:
    """`lap` counts how often every device has had its turn."""
    on, percent, degrees = lap % 2 == 0, 10 + lap % 80, 21 + lap % 5
    sentences: tuple[tuple[str, State], ...] = (
        (f"turn {'on' if on else 'off'} {name}", {"on": on}),
        (f"set {name} to {percent} percent", {"brightness": percent}),
        (f"{'close' if on else 'open'} {name}", {"position": 0 if on else 100}),
        (f"{'switch on' if on else 'switch off'} {name}", {"on": on}),
        (f"set {name} to {degrees} degrees", {"target": degrees}),
    )
    return Wish(sentences[piece][0], id_, sentences[piece][1])
