"""Lines drawn over a picture: who crosses one, and which way.

A line is a zone of two corners. As one goes from its first to its second, inward is to the right, outward to the left.
Places are shares of the picture; it does not know what is told of a crossing.
"""

import math
from collections.abc import Iterable, Iterator

from dobby import Zone

from .track import Track

CLEAR, LEAST = 0.1, 0.012  # of its height, and of the picture: so far off a line, a thing is on one side of it
ENDS = 0.02  # of a line, beyond its ends

Point = tuple[float, float]


def lines_of(zones: Iterable[Zone]) -> list[Zone]:
    """Those of what is drawn that are lines."""
    return [zone for zone in zones if len(zone.points) == 2]


def crossings(track: Track, lines: Iterable[Zone]) -> Iterator[tuple[str, str]]:
    """The lines that its feet crossed since it was last looked at, each with `in` or `out`; who stands on one does not."""
    sure = not track.closely or (bool(track.named) and track.box is track.named[-1])
    steps = [] if track.closely else [step[1:] for step in track.path if step[0] > track.lined][:-1]
    track.lined = track.path[-1][0]
    for x, y, high in (*steps, (*track.box.foot, track.box.h)) if sure else ():
        for line in lines:
            off, was = _off(line, (x, y)), track.clear.get(line)
            if abs(off) < max(LEAST, CLEAR * high):
                continue
            track.clear[line] = x, y
            before = _off(line, was) if was else off
            if was and before * off < 0 and _on(line, was, (x, y), before / (before - off)):
                yield line.name, "in" if off > 0 else "out"


def _off(line: Zone, point: Point) -> float:
    """How far right of a line a point is."""
    (ax, ay), (bx, by) = line.points
    long = max(1e-6, math.dist((ax, ay), (bx, by)))
    return ((bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)) / long


def _on(line: Zone, old: Point, new: Point, share: float) -> bool:
    """Is what lies on the way from one point to the other, after this share of it, on the line and not beyond its ends?"""
    (ax, ay), (bx, by) = line.points
    x, y = (a + share * (b - a) for a, b in zip(old, new, strict=True))
    along = ((bx - ax) * (x - ax) + (by - ay) * (y - ay)) / max(1e-9, (bx - ax) ** 2 + (by - ay) ** 2)
    return -ENDS <= along <= 1 + ENDS
