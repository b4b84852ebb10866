"""A Frigate-shaped pipeline, re-implemented from its published source to stand beside ours: its motion step and its regions.

It is not Frigate: no tracker, no process per camera, the same detector as ours. It does not know ours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from dobby.vision.detect import Box, around


class Motion:
    """Luma to height 100 (nearest), contrast stretched between the 4th and 96th percentile, blurred, held against a running
    average, threshold 30, dilated, contours over 10 pixels."""

    def __init__(self) -> None:
        self._average: Any = None

    def look(self, luma: Any) -> list[Box]:
        high, wide = luma.shape
        small = cv2.resize(luma, (100 * wide // high, 100), interpolation=cv2.INTER_NEAREST)
        low, top = np.percentile(small, (4, 96))
        small = np.clip((small.astype(np.float32) - low) * (255 / max(1.0, top - low)), 0, 255)
        small = cv2.GaussianBlur(small, (3, 3), 1)
        self._average = small.copy() if self._average is None else self._average
        apart = cv2.absdiff(small, self._average).astype(np.uint8)
        cv2.accumulateWeighted(small, self._average, 0.01)
        mask = cv2.dilate((apart > 30).astype(np.uint8), None, iterations=2)
        found = []
        for contour in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
            if cv2.contourArea(contour) > 10:
                x, y, w, h = cv2.boundingRect(contour)
                found.append(Box("", "", 0, x / small.shape[1], y / 100, w / small.shape[1], h / 100))
        return found


def idle(path: Path) -> None:
    """Frigate: every frame decoded, 5 a second kept (`-vf fps=5`), then its motion step (improved_motion.py)."""
    motion, due = Motion(), 0.0
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        for frame in box.decode(stream):
            if float(frame.time or 0) >= due:
                due += 0.2
                motion.look(frame.to_ndarray(format="yuv420p")[: frame.height])


def calls(frames: Sequence[tuple[Any, Any]], detector: Any) -> tuple[int, dict[int, list[Box]]]:
    """A look per region and frame: a region per cluster of things that were named, and of motion outside of them."""
    motion, known, before = Motion(), [], detector.calls
    named: dict[int, list[Box]] = {}
    for index, (luma, bgr) in enumerate(frames):
        blobs = [blob for blob in motion.look(luma) if not any(blob.inside(box) > 0.5 for box in known)]
        regions = [*_clusters(known), *_clusters(blobs)]
        known = detector.detect(bgr, regions) if regions else []
        named[index] = known
    return detector.calls - before, named


def _clusters(blobs: Sequence[Box]) -> list[Box]:
    """Boxes near each other, as one region (Frigate's are squares of 320 pixels or more)."""
    found: list[list[Box]] = []
    for blob in blobs:
        near = next((row for row in found if max(abs(blob.x - row[0].x), abs(blob.y - row[0].y)) < 0.2), None)
        (near.append(blob) if near is not None else found.append([blob]))
    return [around(row) for row in found]
