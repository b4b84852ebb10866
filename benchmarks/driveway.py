"""The cascade against drawn scenes whose truth is known: weather and lamps, arrivals, a whole day of three cameras.

Time is the scenes' own, as fast as this machine draws. It does not know what a camera costs (`cameras.py`).
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import cv2
import psutil

from benchmarks.sheet import Row, at_most, memory_mb, rounded, share
from tests.vision.days import BEGUN, GATE, STREET, Told, Verdict, crossed, held, live, see
from tests.vision.films import scene

NUISANCES = ("rain", "wind", "flicker", "headlights", "spider", "switch", "dusk", "dawn", "parked", "quiet")
EMPTY = ("parked",)  # nobody else fits in there
CAMERAS = ("day", "gate", "garden")
LONG = 600.0  # seconds of a scene


def nuisances(choice: str, seconds: float, note: str) -> Iterator[Row]:
    """What must not become a visit, with nobody there and with visitors; by the detector, and by motion alone."""
    for eyes in dict.fromkeys((choice, "motion")):
        which = _which(eyes)
        alone = dict(zip(NUISANCES, _at_once(partial(_lived, "", eyes, seconds), NUISANCES), strict=True))
        false = {name: float(len(verdict.false + verdict.again)) for name, (verdict, _) in alone.items()}
        yield at_most(f"false visits, {seconds:g} s of each nuisance, {which}", sum(false.values()), "visits", 0, false, note)
        if seconds < LONG:
            continue
        names = [name for name in NUISANCES if name not in EMPTY]
        busy = dict(zip(names, _at_once(partial(_lived, "visitors", eyes, seconds), names), strict=True))
        visits, lines = ({name: rows[part] for name, rows in busy.items()} for part in (0, 1))
        first, other = f"arrivals told in the same scenes, {which}", f"unfounded or repeated alerts in the same scenes, {which}"
        yield from _told_of(visits, first, other, "visits", eyes != "motion", note)
        first, other = f"crossings of a line told with their way there, {which}", f"crossings told that were none, {which}"
        yield from _told_of(lines, first, other, "crossings", False, note)


def _at_once(work: Callable[[str], Any], names: Iterable[str]) -> Iterator[Any]:
    """Some scenes, each in a process of its own, as many at a time as there are processors."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        yield from pool.map(work, names)


def _told_of(busy: dict[str, Verdict], figure: str, other: str, unit: str, must: bool, note: str) -> Iterator[Row]:
    """How many of what happened were told, over all scenes (`figure`), and how many were told beside them (`other`)."""
    told, wanted = sum(one.told for one in busy.values()), sum(one.wanted for one in busy.values())
    beside = {name: f"{one.told} of {one.wanted}" for name, one in busy.items()}
    words = "; ".join(f"{name}: {', '.join(one.missed)}" for name, one in busy.items() if one.missed)
    goal = (f"= {wanted}", told == wanted) if must else ("", None)
    yield Row(figure, told, unit, *goal, beside, f"missed: {words}. {note}" if words else note)
    more = {name: float(len(one.false + one.again)) for name, one in busy.items()}
    yield at_most(other, sum(more.values()), "alerts", 0, more, note)


def _which(choice: str) -> str:
    return "motion alone" if choice == "motion" else "yolox-nano"


def _lived(other: str, choice: str, seconds: float, name: str) -> tuple[Verdict, Verdict]:
    day, detector = scene.load(name), see.make_detector(choice)
    whole = scene.together(day, scene.load(other)) if other else day
    begun, told = time.monotonic(), live(whole, detector, end=seconds, zones=(STREET, GATE))
    verdict, over = held(whole, told, end=seconds), crossed(whole, told, end=seconds)
    if seconds >= LONG:
        said = (
            f"{verdict.told} of {verdict.wanted} told; missed {verdict.missed}; of nobody {verdict.false}; again {verdict.again}"
        )
        said += f"; over the line {over.told} of {over.wanted}, missed {over.missed}; of nobody {over.false}"
        _show(f"{name} {other}, {_which(choice)}, in {time.monotonic() - begun:.0f} s: {said}")
    return verdict, over


def _show(text: str) -> None:
    """What is there already of something that takes long."""
    print(f"  {text}", file=sys.stderr, flush=True)


def arrivals(detector: Any, note: str) -> Iterator[Row]:
    """Who comes on a quiet day: told once, and how soon after the eyes were sure."""
    lived: list[tuple[Verdict, Told]] = []
    for name in ("delivery", "walker", "door"):
        day = scene.load(name)
        told = live(day, detector)
        lived.append((held(day, told), told))
    right, wanted = sum(one.told for one, _ in lived), sum(one.wanted for one, _ in lived)
    yield Row("arrivals told", right, "visits", f"= {wanted}", right == wanted, {"truth": wanted}, note)
    more = sum(len(one.false + one.again) for one, _ in lived)
    yield at_most("repeated or unfounded alerts in the same scenes", more, "visits", 0, {}, note)
    late = [at - (one.certain - BEGUN) for _, told in lived for at, one in told if one.phase == "arrived" and not one.candidate]
    if late:
        yield at_most("certain to told (without reading), p95", share(late, 0.95), "s", 2.0, {"worst": rounded(max(late))}, note)


def day(choice: str, quick: bool, note: str) -> Iterator[Row]:
    """24 hours of three cameras; quick: two hours of the first, with a delivery in them."""
    begin, end = (9 * 3600.0, 11 * 3600.0) if quick else (0.0, scene.DAY)
    lived = list(_at_once(partial(_day, choice, begin, end), CAMERAS[: 1 if quick else None]))
    verdicts = [verdict for verdict, _, _ in lived]
    yield from _judged(verdicts, f"{len(verdicts) * (end - begin) / 3600:g} simulated hours, {_which(choice)}", note)
    calls = sum(calls for _, calls, _ in lived) / len(lived) / (end - begin) * 3600
    yield Row("detector calls per simulated hour", rounded(calls), "calls")
    kept = {name: memory for name, (_, _, memory) in zip(CAMERAS, lived, strict=False) if memory}
    if kept:
        grown = max(0.0, *(end - begin for begin, end in kept.values()))
        beside = {name: f"{begin:.0f} to {end:.0f}" for name, (begin, end) in kept.items()}
        yield at_most("memory grown on the second such day, worst", grown, "MB", 5, beside, note)


def _day(choice: str, begin: float, end: float, name: str) -> tuple[Verdict, int, tuple[float, ...]]:
    """One camera's: the verdict, looks of the detector; of a whole day also the process's memory (MB) at its end, when all
    has been used once, and at the end of the same day again."""
    detector, script = see.make_detector(choice), scene.load(name)
    verdict = held(script, live(script, detector, begin=begin, end=end, idle=True), begin, end)
    _show(f"{name}: {verdict.told} of {verdict.wanted} told in {(end - begin) / 3600:g} hours")
    calls, memory = detector.calls, _settled()
    if end - begin < scene.DAY:
        return verdict, calls, ()
    live(script, detector, begin=begin, end=end, idle=True)
    return verdict, calls, (memory, _settled())


def _judged(verdicts: Sequence[Verdict], what: str, note: str) -> Iterator[Row]:
    wanted, told = sum(one.wanted for one in verdicts), sum(one.told for one in verdicts)
    missed, false, again = ([word for one in verdicts for word in getattr(one, part)] for part in ("missed", "false", "again"))
    recall, precision = told / max(1, wanted), told / max(1, told + len(false) + len(again))
    for figure, value, words in (("recall", recall, missed), ("precision", precision, [*false, *again])):
        more = f"not so: {', '.join(words)[:200]}. {note}" if words else note
        yield Row(
            f"{figure} of alerts, {what}", rounded(value), "share", "= 1", value == 1, {"visits": wanted, "told": told}, more
        )
    yield at_most(f"repeated alerts, {what}", len(again), "alerts", 0, {}, note)


def _settled() -> float:
    gc.collect()
    return memory_mb(psutil.Process())
