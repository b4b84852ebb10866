"""The cascade against drawn scenes whose truth is known: weather and lamps, arrivals, a whole day of three cameras.

Time is the scenes' own, as fast as this machine draws. It does not know what a camera costs (`cameras.py`).
"""

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psutil

from benchmarks.sheet import Row, at_most, memory_mb, rounded, share
from tests.vision.days import BEGUN, Told, Verdict, held, live, see
from tests.vision.films import scene

NUISANCES = ("rain", "wind", "flicker", "headlights", "spider", "switch", "dusk", "dawn", "parked", "quiet")
EMPTY = ("parked",)  # nobody else fits in there
CAMERAS = ("day", "gate", "garden")
LONG = 600.0  # seconds of a scene
SETTLED = 3  # hours after which nothing new is loaded


def nuisances(detector: Any, seconds: float, note: str) -> Iterator[Row]:
    """What must not become a visit, with nobody there and with visitors; by the detector, and by motion alone."""
    for eyes in (detector, see.make_detector("motion")) if detector.names else (detector,):
        which, alone = _which(eyes), {name: _lived(name, "", eyes, seconds) for name in NUISANCES}
        false = {name: float(len(verdict.false + verdict.again)) for name, verdict in alone.items()}
        yield at_most(f"false visits, {seconds:g} s of each nuisance, {which}", sum(false.values()), "visits", 0, false, note)
        if seconds < LONG:
            continue
        busy = {name: _lived(name, "visitors", eyes, seconds) for name in NUISANCES if name not in EMPTY}
        yield from _visited(busy, which, bool(eyes.names), note)


def _visited(busy: dict[str, Verdict], which: str, must: bool, note: str) -> Iterator[Row]:
    told, wanted = sum(one.told for one in busy.values()), sum(one.wanted for one in busy.values())
    beside = {name: f"{one.told} of {one.wanted}" for name, one in busy.items()}
    words = "; ".join(f"{name}: {', '.join(one.missed)}" for name, one in busy.items() if one.missed)
    goal = (f"= {wanted}", told == wanted) if must else ("", None)
    yield Row(
        f"arrivals told in the same scenes, {which}", told, "visits", *goal, beside, f"missed: {words}. {note}" if words else note
    )
    more = {name: float(len(one.false + one.again)) for name, one in busy.items()}
    yield at_most(f"unfounded or repeated alerts in the same scenes, {which}", sum(more.values()), "alerts", 0, more, note)


def _which(detector: Any) -> str:
    return "yolox-nano" if detector.names else "motion alone"


def _lived(name: str, other: str, detector: Any, seconds: float) -> Verdict:
    day = scene.load(name)
    whole = scene.together(day, scene.load(other)) if other else day
    begun, verdict = time.monotonic(), held(whole, live(whole, detector, end=seconds), end=seconds)
    if seconds >= LONG:
        said = (
            f"{verdict.told} of {verdict.wanted} told; missed {verdict.missed}; of nobody {verdict.false}; again {verdict.again}"
        )
        _show(f"{name} {other}, {_which(detector)}, in {time.monotonic() - begun:.0f} s: {said}")
    return verdict


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


def day(detector: Any, quick: bool, note: str) -> Iterator[Row]:
    """24 hours of three cameras; quick: two hours of the first, with a delivery in them."""
    begin, end = (9 * 3600.0, 11 * 3600.0) if quick else (0.0, scene.DAY)
    process, memory, before = psutil.Process(), [], detector.calls
    verdicts = []
    for name in CAMERAS[: 1 if quick else None]:
        script = scene.load(name)
        told = live(script, detector, begin=begin, end=end, idle=True, hour=lambda: memory.append(_settled(process)))
        verdicts.append(held(script, told, begin, end))
        if not quick:
            _show(f"{name}: {verdicts[-1].told} of {verdicts[-1].wanted} told in {scene.DAY / 3600:g} hours")
    yield from _judged(verdicts, f"{len(verdicts) * (end - begin) / 3600:g} simulated hours, {_which(detector)}", note)
    yield Row(
        "detector calls per simulated hour", rounded((detector.calls - before) / len(verdicts) / (end - begin) * 3600), "calls"
    )
    if len(memory) > SETTLED:
        beside = {"then": rounded(memory[SETTLED]), "at the end": rounded(memory[-1])}
        yield at_most(f"memory grown after hour {SETTLED}", max(0.0, memory[-1] - memory[SETTLED]), "MB", 5, beside, note)


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


def _settled(process: psutil.Process) -> float:
    gc.collect()
    return memory_mb(process)
