"""The cheap look: what of a small grey picture is not as it usually is, in half a millisecond.

A running average is the usual; what differs beyond the place's own restlessness is a blob. Light that changes everywhere is
divided out, light that changes somewhere keeps the texture under it and is left out. It does not know what a blob is of.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dobby import Box

WIDEST = 320  # pixels; what is seen in more of them is seen in these
STEP = 10.0  # grey levels that are nothing yet
RESTLESS = 3.5  # times a place's usual difference that are nothing yet
SMALLEST = 0.0008  # of the picture
FLOOD = 0.5  # of the picture: then all of it has changed
SLOW, FAST = 0.02, 0.25  # of a look, into the usual
TEXTURE = 0.45  # correlation of what is under a change with what was there: above, only the light has changed
FOCUS = 0.12  # steepest step per pixel as a share of a change's height: below, it is out of focus, so it sits on the lens
STAYS = 0.3  # of a change that was one at the last look already: below, it is a drop of rain
SEED = 8  # looks that make a usual

Luma = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: `blobs` are what may be things, `flood` says that all of the picture has changed, `stirs` that
    something has (drops of rain too), so that a closer look is worth it."""

    blobs: tuple[Box, ...]
    flood: bool = False
    stirs: bool = False


class Gate:
    """One camera's usual picture. Feed it looks in order, some five a second."""

    def __init__(self) -> None:
        self._usual: Any = None
        self._restless: Any = None
        self._looks = 0
        self._small: Any = None
        self._before: Any = None  # what had changed at the last look

    def look(self, luma: Luma) -> Look:
        """What differs in this plane, as boxes in shares of the picture."""
        small = _small(luma)
        if self._usual is None or self._usual.shape != small.shape:
            self._usual, self._restless, self._looks = small, np.full_like(small, 4.0), 0
        self._small, self._looks = small, self._looks + 1
        usual = self._usual * _gain(small, self._usual)
        apart = cv2.absdiff(small, usual)
        mask = (apart > STEP + RESTLESS * self._restless).astype(np.uint8)
        if self._looks > 1 and cv2.countNonZero(mask) > FLOOD * mask.size:
            self._usual, self._looks = small, 0
            return Look((), True, True)
        near = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _CROSS), _SQUARE)
        self._learn(small, apart, near)
        before, self._before = self._before, near
        if self._looks < SEED or not near.any():
            return Look(())
        every = self._blobs(near, small, usual, before)
        return Look(tuple(box for box in every if box.kind != "drop"), stirs=bool(every))

    def _learn(self, small: Any, apart: Any, near: Any) -> None:
        pace = FAST if self._looks < SEED else SLOW
        cv2.accumulateWeighted(small, self._usual, pace, None if self._looks < SEED else 1 - near)
        cv2.accumulateWeighted(apart, self._restless, pace / 2)
        np.clip(self._restless, 1.5, 30.0, out=self._restless)

    def _blobs(self, near: Any, small: Any, usual: Any, before: Any) -> list[Box]:
        high, wide = small.shape
        count, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
        found = []
        for index in range(1, count):
            x, y, w, h, area = (int(each) for each in stats[index])
            if area < SMALLEST * high * wide:
                continue
            here = (slice(y, y + h), slice(x, x + w))
            where = labels[here] == index
            if only_light(small[here], usual[here], where) or on_the_lens(small[here] - usual[here], where):
                continue
            kind = "" if before[here][where].mean() > STAYS else "drop"
            found.append(Box(kind, "", area / (high * wide), x / wide, y / high, w / wide, h / high))
        return sorted(found, key=lambda box: -box.score)[:24]

    def take_in(self, box: Box) -> None:
        """What is in this place now is usual from here on: it stands there, or what stood there is gone."""
        box.of(self._usual, 0.1)[:] = box.of(self._small, 0.1)
        box.of(self._restless, 0.1)[:] = 4.0

    def patch(self, box: Box) -> Any:
        """How a place looks now, as 16 x 16 greys without their brightness and contrast."""
        patch = cv2.resize(box.of(self._small), (16, 16), interpolation=cv2.INTER_AREA)
        return (patch - patch.mean()) / (patch.std() + 1.0)


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = np.ones((5, 5), np.uint8)


def _small(luma: Luma) -> Any:
    high, wide = luma.shape
    share = min(1.0, WIDEST / wide)
    size = (max(8, round(wide * share)), max(8, round(high * share)))
    return cv2.blur(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), (3, 3)).astype(np.float32)


def _gain(small: Any, usual: Any) -> float:
    """By how much everything is brighter than usual; things that cover less than half of the picture do not count."""
    each = ((small[::4, ::4] + 4) / (usual[::4, ::4] + 4)).ravel()
    return min(4.0, max(0.25, float(np.partition(each, each.size // 2)[each.size // 2])))


def only_light(now: Any, usual: Any, where: Any) -> bool:
    """Is the texture of a place still there, so that only light or shade fell on it?

    Fine structure (less than some five pixels) of both pictures is correlated over the changed pixels; a thing hides it.
    """
    if now.shape[0] < 8 or now.shape[1] < 8:
        return False
    fine = (now - cv2.blur(now, (7, 7)))[where]
    was = (usual - cv2.blur(usual, (7, 7)))[where]
    both = float(np.sqrt((fine * fine).mean() * (was * was).mean()))
    return both > 0.3 and float((fine * was).mean()) / both > TEXTURE


def on_the_lens(change: Any, where: Any) -> bool:
    """Are all edges of a change soft? A spider, a drop or dirt on the lens is out of focus, what is farther away is not."""
    if change.shape[0] < 8 or change.shape[1] < 8:
        return False
    across, down = np.abs(change[1:-1, 2:] - change[1:-1, :-2]), np.abs(change[2:, 1:-1] - change[:-2, 1:-1])
    steps = np.maximum(across, down)[where[1:-1, 1:-1]] / 2
    return steps.size > 0 and float(np.percentile(steps, 98)) < FOCUS * float(np.abs(change[where]).max())
