"""Where something is in a picture; and the code that sees, which the camera skill brings (`skills/camera/eyes`).

It does not look at pictures itself. Places are shares of a picture's width and height.
"""

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dobby.paths import shipped


@dataclass(frozen=True, slots=True)
class Box:
    """Something with a place: `x`, `y` its upper left corner, all as shares of the picture."""

    kind: str
    label: str
    score: float
    x: float
    y: float
    w: float
    h: float

    @property
    def area(self) -> float:
        """As a share of the picture."""
        return self.w * self.h

    @property
    def foot(self) -> tuple[float, float]:
        """Where it stands: the middle of its lower edge."""
        return self.x + self.w / 2, self.y + self.h

    def shared(self, other: "Box") -> float:
        """The area that both cover."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        return wide * high if wide > 0 and high > 0 else 0.0

    def iou(self, other: "Box") -> float:
        """Shared area over the area of both, 0 … 1."""
        shared = self.shared(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def inside(self, other: "Box") -> float:
        """The share of this one that lies in the other."""
        return self.shared(other) / self.area if self.area else 0.0

    def of(self, picture: Any, more: float = 0.0) -> Any:
        """The pixels under it, and a share `more` of its size around."""
        high, wide = picture.shape[:2]
        left, top = (self.x - more * self.w) * wide, (self.y - more * self.h) * high
        right, bottom = (self.x + (1 + more) * self.w) * wide, (self.y + (1 + more) * self.h) * high
        return picture[max(0, int(top)) : max(2, int(bottom) + 1), max(0, int(left)) : max(2, int(right) + 1)]


def around(boxes: Iterable[Box], kind: str = "") -> Box:
    """One box around some."""
    rows = list(boxes)
    x, y = min(b.x for b in rows), min(b.y for b in rows)
    return Box(kind, "", 0.0, x, y, max(b.x + b.w for b in rows) - x, max(b.y + b.h for b in rows) - y)


def seeing(folder: str = "") -> Any:
    """The package `eyes` of a folder, else of `skills/camera`: `Eye`, `Frame`, `Round`, `make_detector`, `Reader`, `fetch`."""
    parent = sys.modules.setdefault("dobby_seeing", ModuleType("dobby_seeing"))
    parent.__path__ = [folder or str(shipped("skills") / "camera")]
    return importlib.import_module("dobby_seeing.eyes")
