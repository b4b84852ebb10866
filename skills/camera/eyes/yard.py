"""Remembers what stands in one camera's picture, so that a parked car is never news again.

Each thing has a place, a look (16 x 16 greys) and since when. It is kept in a file, so that what came while the eyes were
closed is noticed. It does not know what is told.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dobby import Box

KNOWN = 0.45  # of two boxes: the same place
MOST = 60  # things


@dataclass(slots=True, eq=False)
class Parked:
    """Something that stands: when it was last seen to, and the visit it belongs to ("": it was there before)."""

    kind: str
    box: Box
    seen: float
    visit: str = ""
    look: Any = field(default=None, repr=False)
    doubt: int = 0


class Yard:
    """What stands in one picture."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.things: list[Parked] = []
        self.saved = 0.0
        try:
            kept: Any = json.loads(file.read_text("utf-8")) if file else {"at": 0.0, "things": []}
            for row in kept["things"]:
                row |= {"box": Box(**row["box"]), "look": np.asarray(row["look"], np.float32).reshape(16, 16)}
                self.things.append(Parked(**row))
            self.saved = float(kept["at"])
        except (OSError, ValueError, KeyError, TypeError):
            self.things = []  # none yet, or broken: it is learned anew

    def known(self, box: Box, kind: str) -> Parked | None:
        """What of this kind stands in this place already."""
        fits = [(max(thing.box.iou(box), 0.7 * box.inside(thing.box)), thing) for thing in self.things if kind == thing.kind]
        best, thing = max(fits, key=lambda fit: fit[0], default=(0.0, None))
        return thing if best > KNOWN else None

    def park(self, kind: str, box: Box, now: float, visit: str, look: Any) -> None:
        """It stands here from now on."""
        thing = self.known(box, kind)
        if thing is None:
            self.things = [*self.things[1 - MOST :], Parked(kind, box, now, visit, look)]
        else:
            thing.box, thing.seen, thing.look, thing.doubt, thing.visit = box, now, look, 0, visit or thing.visit
        self.save(now)

    def leave(self, thing: Parked, now: float) -> None:
        """It stands here no more."""
        self.things = [other for other in self.things if other is not thing]
        self.save(now)

    def fresh(self, boxes: Sequence[Box]) -> list[Box]:
        """After all of the picture changed: what cannot be one of the old things, not even moved along with the picture."""
        fresh = []
        lost = [thing for thing in self.things if not any(thing.kind == b.kind and thing.box.iou(b) > KNOWN for b in boxes)]
        for box in boxes:
            old = next((t for t in lost if t.kind == box.kind and 0.5 < box.area / max(t.box.area, 1e-6) < 2.0), None)
            if self.known(box, box.kind) is None and old is None:
                fresh.append(box)
            elif old is not None and self.known(box, box.kind) is None:
                old.box = box
                lost.remove(old)
        return fresh

    def save(self, now: float) -> None:
        """Into the file, whole or not at all."""
        self.saved = now
        if self._file is not None:
            rows = [{**asdict(thing), "look": np.round(thing.look, 2).tolist()} for thing in self.things]
            part = self._file.with_suffix(".part")
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"at": now, "things": rows}), "utf-8")
            part.replace(self._file)
