"""Puts pictures on the disk for good, and keeps each sighting there until the daemon has it.

It does not know what is in them. Files: `<folder>/YYYY-MM-DD/ID.jpg` (and `ID.mp4`), `<folder>/owed/ID.json` until acknowledged.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dobby.vision.wire import Points, Sighting

WIDEST = 1920  # pixels


class Album:
    """The folder of what was seen."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._owed = folder, folder / "owed"
        self._owed.mkdir(parents=True, exist_ok=True)

    def keep(self, picture: Any, name: str, at: float) -> Path:
        """A picture, on the disk when this returns.

        :raises OSError: it could not be written.
        """
        share = min(1.0, WIDEST / picture.shape[1])
        picture = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) if share < 1 else picture
        day = self.folder / f"{datetime.fromtimestamp(at):%Y-%m-%d}"
        day.mkdir(exist_ok=True)
        _write(day / f"{name}.jpg", cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
        _sync(self.folder)
        return day / f"{name}.jpg"

    def owe(self, sighting: Sighting) -> None:
        """A sighting that is to be handed on, on the disk when this returns."""
        _write(self._owed / f"{sighting.id}.json", json.dumps({"is": "sighting", **asdict(sighting)}).encode())

    def paid(self, sighting: str) -> None:
        """The daemon has it."""
        (self._owed / Path(f"{sighting}.json").name).unlink(missing_ok=True)

    def owed(self) -> list[Sighting]:
        """What was never acknowledged, oldest first; a broken file is left out."""
        found = []
        for path in self._owed.glob("*.json"):
            try:
                found.append(Sighting.parse(json.loads(path.read_text("utf-8"))))
            except (OSError, ValueError):
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda sighting: sighting.at)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def burn(picture: Any, masks: Sequence[Points]) -> Any:
    """A picture (or its grey plane) with its masked parts black, for good."""
    if masks:
        picture = picture.copy()
        corners = [np.round(np.asarray(mask) * picture.shape[1::-1]).astype(np.int32) for mask in masks]
        cv2.fillPoly(picture, corners, 0)
    return picture
