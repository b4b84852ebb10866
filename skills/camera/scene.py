"""A driveway that nobody filmed: a day's script is data, and `frame(script, t, size)` draws what a camera would see then.

The same script, time and size give the same picture always, so any instant can be looked at in any order, and `truth(script)`
says who really came. It does not know how pictures are encoded or served (`dollhouse.py`), nor anything of Dobby.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).with_name("scenes.toml")
SIZE = (640, 360)  # pixels
DAY = 86400.0  # seconds
ZONES = {  # as a share of width and height
    "street": ((0.0, 0.28), (1.0, 0.28), (1.0, 0.53), (0.0, 0.53)),  # the pavement is a part of it
    "driveway": ((0.31, 0.53), (0.69, 0.53), (0.97, 1.0), (0.03, 1.0)),
}
KINDS = {"truck": "vehicle", "car": "vehicle", "walker": "person", "passer": "person", "traffic": "vehicle", "cat": "animal"}
KINDS |= {"parcel": "parcel", "ring": "press"}
INFRARED = 0.16  # below this share of full daylight the camera goes over to infrared
LAMP = (0.72, 0.30)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what and when. `at` is when it comes into the picture, `stay` how long it stands; seconds.

    `what`: truck, car (drive in, stand, leave), traffic, passer (go by in the street), walker (comes up to the door and goes),
    cat (crosses), parcel (lies there), ring (the doorbell's button); rain, wind, flicker, headlights, spider, cloud, night,
    jump (the lens is knocked to one side for good).
    `strength` is 0 … 1; `way` the side it comes from (`left`, `right`); `leaves` the side it goes to.
    """

    what: str
    at: float
    stay: float = 10.0
    text: str = ""
    colour: tuple[int, int, int] = (236, 234, 232)
    ink: tuple[int, int, int] = (140, 42, 78)
    way: str = "left"
    leaves: str = "right"
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Script:
    """A named stretch of one day. `clock` is the time of day at t = 0, `seconds` its length; `noise` in grey levels."""

    name: str
    acts: tuple[Act, ...]
    seconds: float = 60.0
    clock: float = 14 * 3600.0
    noise: float = 2.0
    seed: int = 1
    sunrise: float = 7 * 3600.0
    sunset: float = 19 * 3600.0


@dataclass(frozen=True, slots=True)
class Visit:
    """What really happened. `seen` is when it came into the picture, `at` when it stood (or passed the middle), `left` when
    it was gone (`inf` for what stays); `zone` where it stood."""

    kind: str
    what: str
    seen: float
    at: float
    left: float
    zone: str
    lettering: str = ""


def load(name: str = "delivery", path: Path = SCRIPTS) -> Script:
    """A script by its name in a file of scripts. Times are seconds, or times of day ("07:12", "07:12:30").

    :raises KeyError: no script has that name.
    """
    with path.open("rb") as file:
        return read(name, tomllib.load(file)[name])


def read(name: str, table: Mapping[str, Any]) -> Script:
    """A script from its table: `clock`, `seconds`, `noise`, `seed`, and `act` rows."""
    clock = _seconds(table.get("clock", "14:00"))
    known: dict[str, Any] = {key: _seconds(table[key]) for key in ("seconds", "sunrise", "sunset") if key in table}
    acts = tuple(_act(row, clock) for row in table.get("act", ()))
    script = Script(name, acts, clock=clock, **known)
    return replace(script, noise=float(table.get("noise", script.noise)), seed=int(table.get("seed", script.seed)))


def together(script: Script, other: Script) -> Script:
    """A script in which what happens in another one happens too."""
    return replace(script, acts=script.acts + other.acts, seconds=max(script.seconds, other.seconds))


def stirs(script: Script, t: float) -> bool:
    """Does anything move, shine or change at this time or within a minute of it? Else one picture is as good as the next."""
    sun = min(abs((script.clock + t) % DAY - edge) for edge in (script.sunrise, script.sunset)) < 960
    return sun or any(begin - 60 < t < end + 60 for act in script.acts for begin, end in _stirring(act))


def _stirring(act: Act) -> list[tuple[float, float]]:
    """The stretches of time in which an act moves, or comes and goes."""
    inward = LEGS.get(act.what, CROSS * 1.6)
    if act.what in LEGS or act.what == "parcel":
        return [(act.at, act.at + inward), (act.at + act.stay, act.at + act.stay + 2 * inward)]
    return [(act.at, act.at + act.stay + inward)]


def _act(row: Mapping[str, Any], clock: float) -> Act:
    at = (_seconds(row["at"]) - clock) % DAY if isinstance(row["at"], str) else float(row["at"])
    colours = {key: _bgr(row[key]) for key in ("colour", "ink") if key in row}
    rest = {key: row[key] for key in ("text", "way", "leaves", "strength") if key in row}
    stay = _seconds(row.get("stay", 10.0))
    more: dict[str, Any] = {**colours, **rest}
    return Act(row["what"], at, stay, **more)


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return sum(float(part) * size for part, size in zip(value.split(":"), (3600, 60, 1), strict=False))
    return float(value)


def _bgr(text: str) -> tuple[int, int, int]:
    return int(text[5:7], 16), int(text[3:5], 16), int(text[1:3], 16)


# Where things are

TURN, PULL = 2.5, 1.8  # seconds from the picture's edge to the drive, and from the street into it
STAND = (0.5, 0.72)  # where a vehicle stands
WALK, UP = 4.0, 4.0  # seconds along the pavement, and up to the door
DOOR = (0.44, 0.93)
CROSS = 7.0  # seconds somebody in the street takes from edge to edge (a car half of it)


def _ease(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def _edge(side: str) -> float:
    return -0.3 if side == "left" else 1.3


def _there_and_back(t: float, act: Act, legs: tuple[float, float], street: float, stand: tuple[float, float]) -> Any:
    """In from a side along the street, to the place, a stay, and out again: (x, y, facing, moving), or None when not there."""
    along, inward = legs
    inside = along + inward
    back = t - inside - act.stay
    here = t if t < inside else inside - back if back > 0 else inside
    if t < 0 or back > inside:
        return None
    side = act.way if back <= 0 else act.leaves
    start, facing = _edge(side), 1 if side == "left" else -1
    if back > 0:
        facing = -facing if here <= along else 1 if act.way == "left" else -1
    out, deep = min(1.0, here / along), _ease((here - along) / inward)
    x, y = start + (0.5 - start) * out, street
    return x + (stand[0] - 0.5) * deep, y + (stand[1] - street) * deep, facing, not (t >= inside and back <= 0)


def _across(t: float, act: Act, seconds: float, y: float) -> Any:
    if not 0 <= t <= seconds:
        return None
    share = t / seconds if act.way == "left" else 1 - t / seconds
    return -0.25 + 1.5 * share, y, 1 if act.way == "left" else -1, True


def _cat(t: float, act: Act) -> Any:
    """Over the lawn, with a rest in the middle."""
    half = CROSS / 2
    walked = min(t, half) + max(0.0, t - half - act.stay)
    found = _across(walked, act, CROSS, 0.80) if t >= 0 else None
    return found and (*found[:3], not half < t < half + act.stay)


def place(act: Act, t: float) -> Any:
    """Where somebody is at a time: (x, y, facing, moving) with the feet at x, y as shares; None when not in the picture."""
    since = t - act.at
    if act.what in ("truck", "car"):
        return _there_and_back(since, act, (TURN, PULL), 0.475, STAND)
    if act.what == "walker":
        return _there_and_back(since, act, (WALK, UP), 0.495, DOOR)
    if act.what == "traffic":
        return _across(since, act, CROSS / 2, 0.45 if act.way == "left" else 0.405)
    if act.what == "passer":
        return _across(since, act, CROSS * 1.6, 0.485)
    if act.what == "cat":
        return _cat(since, act)
    return (0.36, 0.95, 1, False) if act.what == "parcel" and 0 <= since <= act.stay else None


LEGS = {"truck": TURN + PULL, "car": TURN + PULL, "walker": WALK + UP}


def truth(script: Script) -> list[Visit]:
    """Who really came, in order; what merely goes by is in the zone `street`, weather is nobody."""
    return sorted((_visit(act) for act in script.acts if act.what in KINDS), key=lambda visit: visit.seen)


def _visit(act: Act) -> Visit:
    kind, inward = KINDS[act.what], LEGS.get(act.what, 0.0)
    if act.what in LEGS:
        at, left, zone = act.at + inward, act.at + 2 * inward + act.stay, "driveway"
    elif act.what in ("traffic", "passer"):
        long = CROSS / 2 if act.what == "traffic" else CROSS * 1.6
        at, left, zone = act.at + long / 2, act.at + long, "street"
    elif act.what == "cat":
        at, left, zone = act.at + CROSS / 2, act.at + CROSS + act.stay, "driveway"
    else:
        at, left, zone = act.at, act.at + (0.0 if act.what == "ring" else act.stay), "driveway"
    return Visit(kind, act.what, act.at, at, left, zone, act.text)


# Drawing


def daylight(script: Script, t: float) -> float:
    """0 … 1 over the day, by the sun's height between sunrise and sunset; dusk takes half an hour."""
    now = (script.clock + t) % DAY
    edge = min(now - script.sunrise, script.sunset - now)
    return _ease((edge + 900) / 1800)


def frame(script: Script, t: float, size: tuple[int, int] = SIZE) -> Any:
    """The picture at `t` seconds into the script: ndarray (height, width, 3), uint8, BGR. Needs OpenCV.

    :param size: width and height in pixels.
    """
    from . import scene_actors as actors, scene_draw as draw

    active = [act for act in script.acts if act.at <= t]
    around = {act.what: _strength(act, t) for act in active if act.what not in KINDS and t <= act.at + act.stay}
    picture = draw.backdrop(*size, script.seed).copy()
    draw.tree(picture, t, around.get("wind", 0.0), script.seed)
    for _, what, paint in sorted(_painted(active, t), key=lambda one: one[0]):
        getattr(actors, what)(picture, *paint[0], **paint[1])
    picture = _lit(draw, picture, script, t, around)
    number = round(t * 30)
    if heavy := around.get("rain", 0.0):
        draw.rain(picture, number, heavy)
    if "spider" in around:
        draw.spider(picture, t)
    if "jump" in around:
        picture = _rolled(picture, round(size[0] * 0.04 * around["jump"]))
    dark = 1 + (1 - daylight(script, t)) * 0.8
    return draw.noise(picture, number, round(script.noise * dark, 1)) if script.noise else picture


def _strength(act: Act, t: float) -> float:
    """Weather comes and goes within three seconds; lamps and headlights at once."""
    if act.what in ("headlights", "jump", "night", "flicker"):
        return act.strength
    return act.strength * _ease((t - act.at) / 3) * _ease((act.at + act.stay - t) / 3)


def _painted(active: list[Act], t: float) -> Any:
    """What is in the picture: (feet, its painter, positional and named arguments)."""
    for act in active:
        where = place(act, t)
        if where is None:
            continue
        x, y, facing, moving = where
        named: dict[str, Any] = {"colour": act.colour}
        what = {"walker": "person", "passer": "person", "traffic": "car"}.get(act.what, act.what)
        if what in ("person", "cat"):
            named["moving"] = moving
        if what in ("truck", "parcel"):
            named |= {"text": act.text, "ink": act.ink}
        yield y, what, ((x, y, facing, t), named)


def _lit(draw: Any, picture: Any, script: Script, t: float, around: Mapping[str, float]) -> Any:
    import cv2

    light = min(daylight(script, t), 0.0 if "night" in around else 1.0)
    if light < INFRARED:
        picture = draw.night(picture)
    elif (share := (0.3 + 0.7 * light) * (1 - 0.4 * around.get("cloud", 0.0))) < 0.995:
        picture = cv2.convertScaleAbs(picture, alpha=share)
    lamp = around.get("flicker", 0.0)
    if lamp and _flickers(t):
        draw.glow(picture, *LAMP, 0.55, lamp * 0.6, (120, 190, 235))
    if "headlights" in around:
        _sweep(draw, picture, t, around["headlights"])
    return picture


def _flickers(t: float) -> bool:
    """On or off in uneven steps of a fifth of a second."""
    return math.sin(math.floor(t * 5) * 12.9898) * 43758.5453 % 1 > 0.45


def _sweep(draw: Any, picture: Any, t: float, strength: float) -> None:
    """Two beams that run over hedge and lawn, once in six seconds."""
    share = (t % 6) / 3
    if share < 1:
        for apart in (0.0, 0.09):
            draw.glow(picture, -0.1 + 1.2 * share + apart, 0.47, 0.42, strength * 0.7, (215, 235, 245))


def _rolled(picture: Any, across: int) -> Any:
    import numpy

    return numpy.roll(picture, across, axis=1)


@lru_cache(32)
def named(name: str) -> Script:
    """A shipped script, read once."""
    return load(name)
