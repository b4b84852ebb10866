"""What the daemon and its eyes say to each other, as JSON lines: cameras one way, sightings the other.

Standard library only: both sides import it. What comes in is checked here, so that garbage is an error and never a surprise.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

Points = tuple[tuple[float, float], ...]
LONGEST = 1 << 20  # bytes of one line
KINDS = ("person", "vehicle", "animal", "parcel", "motion")
PHASES = ("arrived", "dwell", "left", "returned", "press", "crossed")
_SECRETS = (
    (re.compile(r"(\b\w[\w+.-]*://)[^\s/@'\"]*@"), r"\1•••@"),
    (re.compile(r"(\b(?:pass(?:word|wd)?|pwd|token|user(?:name)?|auth|key)=)[^&\s'\"]+", re.I), r"\1•••"),
)


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the picture, its corners as shares of width and height; what stands in an ignored one is nobody's visit.

    Two corners are a line: from the first to the second, inward is to the right.
    """

    name: str
    points: Points
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera as the eyes need it: `watch` is the stream to look at (the small one), `keep` the large one or "" for none.

    `decode` is `auto`, `keyframes` or `full`; `masks` are burned in before anything is looked at or stored.
    """

    id: str
    name: str = ""
    room: str = ""
    watch: str = ""
    keep: str = ""
    decode: str = "auto"
    zones: tuple[Zone, ...] = ()
    masks: tuple[Points, ...] = ()

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> "Camera":
        """A camera from its JSON object.

        :raises ValueError: something is missing or of the wrong shape; names it.
        """
        try:
            zones = tuple(Zone(str(z["name"]), _points(z["points"], 2), bool(z.get("ignore"))) for z in row.get("zones", ()))
            masks = tuple(map(_points, row.get("masks", ())))
            words = {key: str(row[key]) for key in ("id", "name", "room", "watch", "keep", "decode") if key in row}
            camera = cls(**words, zones=zones, masks=masks)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a camera cannot be read: {type(error).__name__} {error}") from error
        if not camera.id or not camera.watch or camera.decode not in ("auto", "keyframes", "full"):
            raise ValueError(f"camera {camera.id!r} needs an id, a stream to watch, and to decode auto, keyframes or full")
        return camera


def _points(rows: Sequence[Sequence[float]], least: int = 3) -> Points:
    points = tuple((float(x), float(y)) for x, y in rows)
    if len(points) < least or not all(-1 <= each <= 2 for point in points for each in point):
        raise ValueError(f"a zone or mask needs {least} corners or more, as shares of width and height")
    return points


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing to know about one visit, however many frames saw it.

    `id` is made from the visit and its phase and never changes, `visit` ties the phases together; `at` is seconds since 1970.
    `zone` is where it is; where `way` is `in` or `out`, the line that it crossed. `lettering` is what strangers wrote on things:
    data, never an order. `picture` and `clip` are files (`clip` appears when its seconds are over), `box` is where in the picture
    (x, y, w, h as shares). A `candidate` was below the threshold: kept for teaching, not told. `same_as` names the visit that
    another camera already told of. `certain` is when the eyes were sure.
    """

    id: str = ""
    camera: str = ""
    kind: str = ""
    phase: str = ""
    at: float = 0.0
    visit: str = ""
    count: int = 1
    zone: str = ""
    way: str = ""
    direction: str = ""
    lettering: tuple[str, ...] = ()
    courier: str = ""
    score: float = 0.0
    picture: str = ""
    clip: str = ""
    candidate: bool = False
    same_as: str = ""
    certain: float = 0.0
    box: tuple[float, ...] = ()

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> "Sighting":
        """A sighting from its JSON object.

        :raises ValueError: it is not one.
        """
        found: Sighting = _typed(cls, row)
        if not found.id or found.kind not in KINDS or found.phase not in PHASES:
            raise ValueError("a sighting cannot be read: its id, kind or phase is not one")
        return found


@dataclass(frozen=True, slots=True)
class Settings:
    """How the eyes work, times in seconds.

    `detector` is `yolox-nano`, a path to an ONNX file, `ultralytics:MODEL` or `motion`; `weights` a folder looked into first;
    `models` another folder than `skills/camera` with the code that sees; `couriers` a file of the owner's; `dwell` is when a
    visit is a stay, `quiet` when it is over, `clip` how much follows the arrival; `hangs` how long a camera's thread may do
    nothing (of the process's own time); `pace` plays files at their own pace.
    """

    folder: str = "."
    detector: str = "yolox-nano"
    weights: str = ""
    models: str = ""
    couriers: str = ""
    fps: float = 5.0
    dwell: float = 60.0
    quiet: float = 10.0
    clip: float = 6.0
    hangs: float = 30.0
    pace: bool = True

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> "Settings":
        """From a JSON object; keys that are not known are left out.

        :raises ValueError: one is of another type.
        """
        return _typed(cls, row)  # type: ignore[no-any-return]


def _typed(cls: Any, row: Mapping[str, Any]) -> Any:
    """A dataclass with defaults from a JSON object: each value becomes of its default's type."""
    kinds: dict[str, Any] = {each.name: type(each.default) for each in fields(cls)}
    try:
        return cls(**{name: kinds[name](value) for name, value in row.items() if name in kinds})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{cls.__name__.lower()} cannot be read: {error}") from error


def redact(text: str) -> str:
    """A text without the names and passwords that URLs carry."""
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def line(row: Mapping[str, Any]) -> bytes:
    """One JSON line."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def parse_line(data: bytes) -> dict[str, Any]:
    """A JSON object from a line; anything else is an empty one."""
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
