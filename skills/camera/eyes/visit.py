"""A visit: from when something came until it is gone, however many looks and tracks it took; with its best picture.

It does not know how anything is seen. One visit that several cameras see is found to be one in `Round`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import cv2
import numpy as np

from dobby import Box, Sighting, Zone

from .models import Picture
from .track import Track

WINDOW = 20.0  # seconds between two cameras seeing the same visit
MOMENT = 3.0  # seconds between two cameras seeing the same thing come
GREY = 110.0  # mean of a picture that is neither dark nor bright
PALE = 4.0  # grey levels between the colours of a picture, on average: below, it has none
AGAIN = 300.0  # seconds within which the same thing has returned


@dataclass(slots=True)
class Best:
    """The best picture so far: how good, when, where in it."""

    quality: float
    at: float
    box: Box
    picture: Picture = field(repr=False)


@dataclass(slots=True, eq=False)
class Visit:
    """One visit to one camera. `facts` are what there is to say of it; `last` is when it was last seen, `box` where, `went` that
    this was at the picture's edge, or that it is gone from where it stood; `goes` since when it goes; `crossed` when it
    crossed a line last, each way, and `clear` where it was then clear of it."""

    facts: Sighting
    last: float
    box: Box
    best: Best | None = None
    tracks: set[int] = field(default_factory=set)
    colours: Any = field(default=None, repr=False)
    grey: bool = False
    told: bool = False
    dwelt: bool = False
    over: bool = False
    went: bool = False
    returns: int = 0
    goes: float = 0.0
    crossed: dict[tuple[str, str], float] = field(default_factory=dict)
    clear: dict[Any, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def begin(cls, camera: str, kind: str, box: Box, at: float, certain: float) -> "Visit":
        """A new one. Its id is made from what cannot change: the camera, when it came (to a tenth of a second), what it is."""
        plain = "".join(letter if letter.isalnum() else "-" for letter in camera)[:40]
        name = f"{plain}-{datetime.fromtimestamp(at):%Y%m%d-%H%M%S}{int(at * 10) % 10}-{kind}"
        return cls(Sighting(camera=camera, kind=kind, at=at, visit=name, certain=certain), certain, box)

    def learn(self, **facts: Any) -> None:
        """More to say of it."""
        self.facts = replace(self.facts, **facts)

    def sighting(self, phase: str, at: float) -> Sighting:
        """What there is to say of it now."""
        box = self.best.box if self.best else self.box
        return replace(self.facts, id=f"{self.facts.visit}-{phase}{self.returns or ''}", phase=phase, at=at, box=_place(box))

    def crossing(self, line: str, way: str, at: float) -> Sighting:
        """That it crosses a line now."""
        name = f"{self.facts.visit}-crossed{int(at * 10) % 1_000_000}{way}"
        return replace(
            self.facts, id=name, phase="crossed", zone=line, way=way, at=at, certain=at, box=_place(self.box), direction=""
        )


def _place(box: Box) -> tuple[float, ...]:
    return tuple(round(each, 4) for each in (box.x, box.y, box.w, box.h))


def quality(box: Box, luma: Any) -> float:
    """How good a picture of a thing is: large, sharp, and not cut off by the edge."""
    cut = cv2.resize(box.of(luma), (64, 64), interpolation=cv2.INTER_AREA)
    sharp = math.sqrt(float(cv2.Laplacian(cut, cv2.CV_32F).var())) + 1.0
    return box.area * math.sqrt(sharp) * (0.35 if at_edge(box) else 1.0)


def at_edge(box: Box) -> bool:
    """Does the edge of the picture cut it off?"""
    return min(box.x, box.y, 1 - box.x - box.w, 1 - box.y - box.h) < 0.008


def colours_of(picture: Picture, box: Box) -> Any:
    """Hue, saturation and brightness of a thing, as a histogram that is compared by correlation.

    Each colour is taken as a share of the whole picture's (grey world), so that another sensor, and dusk, change little.
    """
    light = cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA).reshape(-1, 3).mean(0)
    within = replace(box, x=box.x + 0.25 * box.w, y=box.y + 0.15 * box.h, w=0.5 * box.w, h=0.6 * box.h)  # not what is behind it
    even = np.clip(within.of(picture) * (GREY / np.maximum(light, 8.0)), 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(even, cv2.COLOR_BGR2HSV)
    return cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).ravel()


def is_grey(picture: Picture) -> bool:
    """Is it without colours, as by infrared?"""
    return float(np.ptp(cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA), axis=2).mean()) < PALE


def same_colours(one: Any, other: Any) -> float:
    """Correlation of two histograms, -1 … 1."""
    return 0.0 if one is None or other is None else float(np.corrcoef(one, other)[0, 1])


def direction_of(track: Track) -> str:
    """Which way it went: `nearer`, `away`, `left to right`, `right to left` or ""."""
    named = [box for box in track.named if not at_edge(box)]
    growth = named[-1].area / max(named[0].area, 1e-6) if named else 1.0
    across = track.path[-1][1] - track.path[0][1]
    if growth > 1.8 or growth < 0.55:
        return "nearer" if growth > 1 else "away"
    return "" if abs(across) < 0.12 else "left to right" if across > 0 else "right to left"


def zone_of(box: Box, zones: Iterable[Zone]) -> Zone | None:
    """The first zone that a thing stands in; a line is none."""
    foot, areas = (box.foot[0], min(0.999, box.foot[1])), (zone for zone in zones if len(zone.points) > 2)
    return next((zone for zone in areas if cv2.pointPolygonTest(np.asarray(zone.points, np.float32), foot, False) >= 0), None)


class Round:
    """The visits of all cameras of the last minutes: one that another camera told of already is the same visit."""

    def __init__(self) -> None:
        self._told: list[tuple[str, Visit]] = []

    def first(self, room: str, visit: Visit) -> str:
        """The id of the visit that another camera told of, or "" where this one is the first; each is remembered."""
        at = visit.facts.at
        self._told = [(where, told) for where, told in self._told if at - told.last < AGAIN]
        found = next((told.facts for where, told in self._told if _same(visit, told, bool(room) and room == where)), None)
        self._told.append((room, visit))
        return found.same_as or found.visit if found else ""


def _same(visit: Visit, told: Visit, beside: bool) -> bool:
    """Is it one visit that two cameras see; those in one room, and what comes in the same moment, need look less alike."""
    new, old = visit.facts, told.facts
    close = old.at - WINDOW <= new.at <= told.last + WINDOW and old.kind == new.kind and old.camera != new.camera
    return close and _alike(visit, told) > (0.2 if beside else 0.3 if abs(new.at - old.at) < MOMENT else 0.5)


def _alike(visit: Visit, told: Visit) -> float:
    """By the courier's name where both show one, else by colours."""
    if visit.facts.courier and told.facts.courier:
        return float(visit.facts.courier == told.facts.courier)
    return same_colours(visit.colours, told.colours)
