"""Follows blobs from look to look, so that a thing that moves is one thing; gathers what the detector called it.

It does not know what is told of it. Boxes are shares of the picture, times seconds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dobby import Box, around

LOST = 2.0  # seconds without a blob
TRIES = (0.0, 0.2, 0.4, 0.8, 1.6, 3.0)  # seconds between asking what it is
LIVING = ("person", "animal")
GREW = 1.8  # times a named thing's size that it cannot grow to from one look to the next
JUMP = 0.1  # of the picture from one look to the next
GOING = 8.0  # seconds in which what goes from where it stood is asked for often
AGAIN = 2.5  # seconds between asking again of what has a name and still moves


@dataclass(slots=True, eq=False)
class Track:
    """One thing that moves, or did. `box` is where it was last, `path` where its feet were and how tall it was, `named` what the
    detector said, `sought` how often it was looked for where it came to rest, `closely` until when it is asked for often, `lined`
    when it was last held against the lines, `clear` where it was then clear of each."""

    number: int
    box: Box
    born: float
    seen: float
    path: list[tuple[float, float, float, float]] = field(default_factory=list)
    named: list[Box] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    tries: int = 0
    ask_at: float = 0.0
    sought: int = 0
    closely: float = 0.0
    lined: float = 0.0
    clear: dict[Any, tuple[float, float]] = field(default_factory=dict)
    crossed: list[tuple[str, str, float]] = field(default_factory=list)  # line, way, when: of these no visit knows yet

    @property
    def kind(self) -> str:
        """What it was mostly called; "" where it has no name yet."""
        return max(self.scores, key=self.scores.__getitem__, default="")

    @property
    def score(self) -> float:
        """The sum of how sure it was called that."""
        return max(self.scores.values(), default=0.0)

    @property
    def calls(self) -> list[Box]:
        """The boxes in which it was called what it mostly is."""
        return [box for box in self.named if box.kind == self.kind]

    @property
    def surest(self) -> float:
        """The surest single time."""
        return max((box.score for box in self.calls), default=0.0)

    def at_rest(self, now: float, seconds: float = 1.5) -> bool:
        """Has it stood for so long, and not grown either, as what leaves its place does together with that place?"""
        recent = [place[1:] for place in self.path if place[0] >= now - seconds]
        reach = max(0.015, 0.12 * max(self.box.w, self.box.h))
        return now - self.born >= seconds and len(recent) > 2 and all(math.dist(recent[0], each) < reach for each in recent)

    def moved(self) -> bool:
        """Is it elsewhere than it was when it was first called so? Two names for one standing thing do not make it move."""
        return any(self.calls[0].iou(box) < 0.6 for box in self.calls[1:])

    def thing_like(self, jumped: bool = False) -> bool:
        """Nameless: does it move as things do, far for its size, straight, step by step, not tiny? One that may have `jumped`, as
        a drop does that becomes part of a thing, is judged by what came after."""
        points = [place[1:3] for place in self.path]
        jumps = [at for at, (a, b) in enumerate(pairwise(points), 1) if math.dist(a, b) > JUMP]
        points = points[jumps[-1] :] if jumped and jumps else points
        far, steps = math.dist(points[0], points[-1]), [math.dist(a, b) for a, b in pairwise(points)]
        steady = len(steps) >= 5 and far > 0.6 * sum(steps) and max(steps) < far / 3
        return steady and self.box.area > 0.004 and far > max(0.15, 0.8 * self.box.w)

    def follow(self, box: Box, now: float) -> None:
        """It is here now."""
        self.box, self.seen = box, now
        self.path.append((now, *box.foot, box.h))
        del self.path[1:-60]

    def linger(self, now: float, ask: bool = False) -> None:
        """It is somewhere in a blob that is more than it: a crowd, or the place it stood in; `ask` soon where in it."""
        self.seen = now
        self.ask_at = min(self.ask_at, now + TRIES[2]) if ask else self.ask_at

    def name(self, box: Box) -> None:
        """The detector called it something."""
        self.scores[box.kind] = self.scores.get(box.kind, 0.0) + box.score
        self.named.append(box)
        del self.named[1:-12]
        self.box = box

    def unname(self) -> None:
        """What it was called is something else."""
        self.scores.clear()
        self.named.clear()

    def go(self, now: float, clear: dict[Any, tuple[float, float]]) -> None:
        """It goes from where it stood: for a while a blob is no sure sign of where it is, a name is."""
        self.closely, self.ask_at, self.clear = now + GOING, min(self.ask_at, now + TRIES[2]), clear

    def wants_a_name(self, now: float) -> bool:
        """Is it time to ask the detector?"""
        return len(self.path) > 1 and now >= self.ask_at and (self.tries < len(TRIES) or self.score > 0)

    def asked(self, now: float, enough: float) -> None:
        """The detector was asked; next time later."""
        self.tries += 1
        wait = AGAIN if self.score >= enough else TRIES[min(self.tries, len(TRIES) - 1)]
        self.ask_at = now + (min(wait, TRIES[3]) if now < self.closely else wait)


class Tracks:
    """The things of one camera that move."""

    def __init__(self) -> None:
        self.live: list[Track] = []
        self._count = 0

    def update(self, blobs: Sequence[Box], now: float) -> list[Track]:
        """Give each blob to the track it belongs to, or a new one; returns those that are gone."""
        free = list(blobs)
        for track in sorted(self.live, key=lambda track: (-track.score, -track.box.area)):
            mine = [blob for blob in free if _belongs(blob, track, now)]
            if mine:
                where = _fit(track, mine)
                track.follow(where, now) if where else track.linger(now, ask=True)
                free = [blob for blob in free if blob not in mine]
            elif any(track.box.inside(blob) > 0.6 for blob in blobs):
                track.linger(now)
        for blob in free:
            self.begin(blob, now)
        gone = [track for track in self.live if now - track.seen > LOST]
        self.live = [track for track in self.live if track not in gone]
        return gone

    def begin(self, box: Box, now: float) -> Track:
        """A new one."""
        self._count += 1
        self.live.append(Track(self._count, box, now, now, [(now, *box.foot, box.h)]))
        return self.live[-1]

    def name(self, boxes: Iterable[Box], asked: Sequence[Track]) -> list[Box]:
        """Give names to the tracks under them, or to those `asked` for that are not found there and can have come so far.

        Returns the boxes that are nobody's.
        """
        free, left = sorted(boxes, key=lambda box: -box.score), list(self.live)
        for fit, among in ((_is, self.live), (_went, asked), (_in, self.live)):
            for box in list(free):
                track = max((each for each in left if each in among), key=lambda track: fit(box, track), default=None)
                if track is not None and fit(box, track) >= 0.3:
                    left.remove(track)
                    free.remove(box)
                    track.name(box)
        return free


def _is(box: Box, track: Track) -> float:
    """How well what the detector sees is a track's, 0 … 1."""
    return track.box.iou(box)


def _went(box: Box, track: Track) -> float:
    """How near somebody is to where he was, 0 … 1; things are not lost while they go."""
    reach = 0.8 * max(box.w, box.h, track.box.w, track.box.h)
    return 1 - 0.7 * math.dist(box.foot, track.box.foot) / reach if track.kind == box.kind and box.kind in LIVING else 0.0


def _in(box: Box, track: Track) -> float:
    """How well it is more than what moved, or less: while somebody goes, the blob is he and the place he stood in."""
    return max(overlap(track.box, box), 0.35 * box.inside(track.box) if track.kind in ("", box.kind) else 0.0)


def overlap(part: Box, box: Box) -> float:
    """How well what moved (perhaps only a part of a thing) and what the detector sees are one, 0 … 1."""
    return max(part.iou(box), 0.9 * part.inside(box) if part.area > 0.04 * box.area else 0.0)


def _belongs(blob: Box, track: Track, now: float) -> bool:
    if blob.iou(track.box) > 0.15 or blob.inside(track.box) > 0.5 or track.box.inside(blob) > 0.7:
        return True
    reach = 0.8 * max(track.box.w, track.box.h, blob.w, blob.h) + 0.02
    alike = 0.25 < (blob.area + 1e-6) / (track.box.area + 1e-6) < 4.0
    return now - track.seen < 1.2 and alike and math.dist(blob.foot, track.box.foot) < reach


def _fit(track: Track, blobs: Sequence[Box]) -> Box | None:
    """Where a track is, from its blobs: all of them together; a named thing keeps its size where they are only a part of it,
    and takes the nearest one where together they are too much for it; None where that is too much for somebody, too."""
    box, old = around(blobs, track.kind), track.box
    if track.named and box.area < 0.6 * old.area and box.inside(old) > 0.8:
        return old
    if not track.named or box.area <= GREW * old.area:
        return box
    near = max(blobs, key=lambda blob: blob.iou(old))
    return None if track.kind in LIVING and near.area > GREW * old.area else near
