"""Lives through drawn scenes on a clock of their own, and holds what was told against what really happened.

Every picture is one that a camera would have shown at that moment; none is shown twice, none is left out while anything moves.
It does not know what is right: `scene.truth` does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from dobby.vision.detect import seeing
from dobby.vision.wire import Camera, Settings, Sighting, Zone
from tests.vision.films import scene

see = seeing()
BEGUN = 1.7e9  # seconds since 1970 at which every scene begins
STREET = Zone("street", scene.ZONES["street"], ignore=True)
GATE = Zone("gate", ((0.0, 0.6), (1.0, 0.6)))  # a line over the driveway: inward is to who looks
LOOK, KEY, CALM = 0.2, 2.0, 10.0  # seconds between looks: awake, at keyframes, while the picture is as good as still
PATIENCE = 8.0  # seconds after an arrival stands in which it has to be told
ALERTS = ("vehicle", "person", "motion")

Told = list[tuple[float, Sighting]]


class Silent:
    """Reads nothing: these scenes are about who comes."""

    def warm(self) -> None: ...

    def read(self, bgr: Any) -> tuple[list[str], str]:
        return [], ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many visits (or crossings) there were, how many were told in time, and which alerts were of nobody (`false`) or of
    somebody told already (`again`)."""

    wanted: int
    missed: tuple[str, ...]
    false: tuple[str, ...]
    again: tuple[str, ...]

    @property
    def told(self) -> int:
        return self.wanted - len(self.missed)


def live(
    day: Any,
    detector: Any,
    *,
    begin: float = 0.0,
    end: float = 0.0,
    idle: bool = False,
    zones: Sequence[Zone] = (STREET,),
    memory: Path | None = None,
) -> Told:
    """What an eye tells of a scene, and when, from `begin` to `end` (else the script's own end).

    :param idle: look as at a large stream: at keyframes until something stirs, and closely until it is quiet again; and only
        now and then while nothing is drawn that moves. Else five times a second.
    :param memory: where the yard is kept.
    """
    told, now = [], [begin]
    camera = Camera("bench", watch="x", zones=tuple(zones))
    eye = see.Eye(camera, Settings(), detector, lambda seen, *_: told.append((now[0], seen)), reader=Silent(), memory=memory)
    for now[0] in _moments(day, begin, end or day.seconds, eye if idle else None):
        picture = scene.frame(day, now[0])
        eye.see(see.Frame(BEGUN + now[0], cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), lambda picture=picture: picture))
    return told


def _moments(day: Any, begin: float, end: float, eye: Any) -> Iterator[float]:
    """Each moment to look at; `eye` says whether it is awake, None that it never sleeps."""
    step, count = round(1 / LOOK), round(begin / LOOK)
    while count < end * step:
        now = count / step
        yield now
        awake = eye is None or now < 2 or BEGUN + now - eye.active < Settings().quiet
        count += round((LOOK if awake else KEY if scene.stirs(day, now) else CALM) * step)


def held(day: Any, told: Told, begin: float = 0.0, end: float = 0.0) -> Verdict:
    """Every alert belongs to one visit, every visit to the driveway has one."""
    whole, until = scene.truth(day), end or day.seconds
    came = [one for one in whole if one.kind in ALERTS and one.zone == "driveway"]
    truth = [one for one in came if begin < one.seen and one.at + PATIENCE <= until]
    alerts = [(at, one) for at, one in told if one.phase == "arrived" and one.kind in ALERTS and not one.candidate]
    mine = [[at for at, one in alerts if _is_of(visit, at, one, visit.at + PATIENCE)][:1] for visit in truth]
    used = {at for row in mine for at in row}
    cut = [one for one in came if one not in truth]  # begun before, or not over yet
    cats = [one for one in whole if one.kind == "animal"]  # motion alone calls them something, and rightly
    free = [
        (at, one) for at, one in alerts if not any(_is_of(each, at, one, each.left + PATIENCE) for each in _free(cut, cats, one))
    ]
    rest = [(at, one) for at, one in free if at not in used]
    again = [(at, one) for at, one in rest if any(_is_of(visit, at, one, visit.left + PATIENCE) for visit in truth)]
    words = [_words(rows) for rows in ([row for row in rest if row not in again], again)]
    missed = tuple(f"{visit.what} at {visit.seen:g} s" for visit, row in zip(truth, mine, strict=True) if not row)
    return Verdict(len(truth), missed, words[0], words[1])


def crossed(day: Any, told: Told, end: float = 0.0) -> Verdict:
    """Every visit to the driveway comes in over the line `GATE` and goes out over it; nobody else crosses it but animals."""
    until = end or day.seconds
    truth = [one for one in scene.truth(day) if one.kind in ALERTS and one.zone == "driveway"]
    ways = [(one, "in", one.seen, one.at + PATIENCE) for one in truth]
    ways += [(one, "out", one.at, one.left + PATIENCE) for one in truth]
    wanted = [row for row in ways if row[0].seen > 0 and row[3] <= until]
    free = [(at, one) for at, one in told if one.way and one.kind in ALERTS and one.phase in ("arrived", "crossed")]
    missed = []
    for visit, way, begin, last in wanted:
        mine = next((row for row in free if row[1].way == way and _is_of(visit, row[0], row[1], last) and row[0] >= begin), None)
        if mine is None:
            missed.append(f"{visit.what} {way} at {begin:g} s")
        else:
            free.remove(mine)
    return Verdict(len(wanted), tuple(missed), tuple(f"{one.kind} {one.way} at {at:g} s" for at, one in free), ())


def _free(cut: Sequence[Any], cats: Sequence[Any], one: Sighting) -> Sequence[Any]:
    return [*cut, *cats] if one.kind == "motion" else cut


def _is_of(visit: Any, at: float, one: Sighting, until: float) -> bool:
    return visit.seen <= at <= until and one.kind in (visit.kind, "motion")


def _words(rows: Sequence[tuple[float, Sighting]]) -> tuple[str, ...]:
    return tuple(f"{one.kind} at {at:g} s" for at, one in rows)
