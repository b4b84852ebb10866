"""A line over the picture: who crosses it and which way; who stands on it, or goes round its end, does not."""

import importlib
from dataclasses import replace
from typing import Any

import cv2
import pytest

from dobby.vision.detect import Box
from dobby.vision.wire import Camera, Settings, Sighting, Zone
from tests.vision.days import BEGUN, GATE, STREET, Silent, live, see
from tests.vision.films import scene
from tests.vision.test_seeing import yolox as yolox

SHORT = Zone("short", ((0.4, 0.6), (0.2, 0.6)))  # inward is up
tracking, lines = (importlib.import_module(f"dobby_seeing.eyes.{name}") for name in ("track", "lines"))


def walk(*feet: tuple[float, float], at: float = 0.0) -> list[tuple[str, str]]:
    """The lines that somebody crosses whose feet are there one after the other."""
    boxes = [Box("person", "", 0.9, x - 0.05, y - 0.2, 0.1, 0.2) for x, y in feet]
    track = tracking.Track(1, boxes[0], at, at, [(at, *boxes[0].foot, 0.2)])
    crossed = list(lines.crossings(track, [GATE, SHORT]))
    for count, box in enumerate(boxes[1:], 1):
        track.follow(box, at + count * 0.2)
        crossed += lines.crossings(track, [GATE, SHORT])
    return crossed


@pytest.mark.parametrize(
    ("feet", "crossed"),
    [
        ([(0.6, 0.5), (0.6, 0.7)], [("gate", "in")]),
        ([(0.6, 0.7), (0.6, 0.61), (0.6, 0.59), (0.6, 0.5)], [("gate", "out")]),
        ([(0.3, 0.5), (0.3, 0.7)], [("gate", "in"), ("short", "out")]),
        ([(0.1, 0.5), (0.5, 0.7)], [("gate", "in"), ("short", "out")]),  # between two looks, where the straight way goes
        ([(0.6, 0.7), (0.6, 0.605), (0.6, 0.595), (0.6, 0.606), (0.6, 0.7)], []),  # feet that tremble on it
        ([(0.6, 0.5), (0.6, 0.6), (0.6, 0.6)], []),  # stands on it
        ([(0.6, 0.5), (0.6, 0.7), (0.6, 0.5)], [("gate", "in"), ("gate", "out")]),
        ([(0.6, 0.5), (0.9, 0.5)], []),
    ],
)
def test_who_crosses_a_line_is_on_its_other_side_afterwards(
    feet: list[tuple[float, float]], crossed: list[tuple[str, str]]
) -> None:
    assert walk(*feet) == crossed
    assert walk(*feet, at=1.7e9) == crossed


def test_a_line_is_no_place_to_stand_in_and_none_without_length() -> None:
    assert importlib.import_module("dobby_seeing.eyes.visit").zone_of(Box("", "", 0, 0.4, 0.4, 0.2, 0.2), [GATE]) is None
    assert lines.lines_of([GATE, STREET]) == [GATE]
    point = Zone("point", ((0.5, 0.6), (0.5, 0.6)))
    track = tracking.Track(1, Box("", "", 0, 0.4, 0.3, 0.2, 0.2), 0, 0, [(0, 0.5, 0.5, 0.2), (1, 0.5, 0.8, 0.2)])
    assert list(lines.crossings(track, [point])) == []


def test_a_line_reaches_the_eyes_as_a_zone_of_two_corners() -> None:
    row = {"id": "a", "watch": "x", "zones": [{"name": "gate", "points": [[0, 0.6], [1, 0.6]]}]}
    assert Camera.parse(row).zones == (GATE,)
    with pytest.raises(ValueError, match="2 corners"):
        Camera.parse({**row, "zones": [{"name": "gate", "points": [[0, 0.6]]}]})
    with pytest.raises(ValueError, match="3 corners"):
        Camera.parse({**row, "masks": [[[0, 0.6], [1, 0.6]]]})


def told(script: str, detector: Any, begin: float, end: float, *zones: Zone) -> list[tuple[str, str, str, str]]:
    every: list[Sighting] = [one for _, one in live(scene.load(script), detector, begin=begin, end=end, zones=zones)]
    return [
        (one.kind, one.phase, one.zone, one.way) for one in every if one.phase in ("arrived", "crossed") and not one.candidate
    ]


def test_who_comes_over_a_line_is_told_so_even_without_a_model() -> None:
    assert told("walker", see.make_detector("motion"), 2, 18, STREET, GATE) == [("motion", "arrived", "gate", "in")]


def test_a_line_that_is_crossed_after_the_arrival_is_a_sighting_of_its_own_with_a_picture() -> None:
    pictures: list[Any] = []
    deep = Zone("deep", ((0.0, 0.8), (1.0, 0.8)))
    seen: list[Sighting] = []

    def out(one: Sighting, visit: Any, picture: Any) -> None:
        seen.append(one)
        pictures.append(picture)

    eye = see.Eye(Camera("c", watch="x", zones=(GATE, deep)), Settings(), see.make_detector("motion"), out, reader=Silent())
    for step in range(10, 90):
        picture = scene.frame(scene.load("walker"), step / 5)
        eye.see(see.Frame(BEGUN + step / 5, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), lambda picture=picture: picture))
    crossed = [(one, picture) for one, picture in zip(seen, pictures, strict=True) if one.phase == "crossed"]
    arrived = next(one for one in seen if one.phase == "arrived")
    assert [(one.zone, one.way, one.visit) for one, _ in crossed] == [("deep", "in", arrived.visit)]
    assert crossed[0][1].shape[1] > 600
    assert len({one.id for one in seen}) == len(seen)


@pytest.mark.optional
def test_who_goes_is_seen_to_cross_it_outward(yolox: Any) -> None:
    assert told("walker", yolox, 6, 30, GATE) == [("person", "arrived", "gate", "in"), ("person", "crossed", "gate", "out")]
    truck = [("vehicle", "arrived", "gate", "in"), ("vehicle", "crossed", "gate", "out")]
    assert told("delivery", yolox, 2, 46, STREET, GATE) == truck


@pytest.mark.optional
@pytest.mark.parametrize("later", [0.0, 0.07, 0.13])
def test_a_truck_that_goes_is_one_visit_whenever_one_looks(later: float, yolox: Any) -> None:
    day = scene.load("demo")
    day = replace(day, acts=tuple(replace(act, at=act.at + later) for act in day.acts))
    seen = [one for _, one in live(day, yolox, begin=10, end=64, zones=[GATE])]
    assert len({one.visit for one in seen if not one.candidate}) == 1
    assert [one.way for one in seen if one.phase == "crossed"][-1] == "out"


@pytest.mark.optional
def test_who_goes_by_in_the_street_crosses_nothing(yolox: Any) -> None:
    assert {way for *_, way in told("street", yolox, 2, 50, GATE)} == {""}
