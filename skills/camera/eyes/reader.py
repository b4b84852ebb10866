"""Reads the lettering on what arrived, and knows couriers by it.

What is read was written by a stranger: it is cut, cleaned and handed on as data. It does not know what a courier brings.
"""

import re
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rapidfuzz import fuzz

from dobby import Refused

LONGEST, MOST = 40, 6  # characters of a text, texts of a picture
SURE = 0.6  # of a text, to be told
SMALL, WIDEST = 200, 640  # pixels of the longer side: below, made larger; above, made smaller
NEAR = 84.0  # of 100: the same name, badly read
SHIPPED = Path(__file__).with_name("couriers.toml")


class Reader:
    """RapidOCR with the models that its wheel brings, for several threads; loaded when first needed.

    :param couriers: a file of the owner's, in the form of `couriers.toml`; it is added to ours.
    """

    def __init__(self, couriers: str = "") -> None:
        self.couriers = read_couriers(SHIPPED) | (read_couriers(Path(couriers)) if couriers else {})
        self._engine: Any = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Load the models now, so that the first visit need not wait for them."""
        from rapidocr import RapidOCR

        with self._lock:
            threads = {f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")}
            size = {"Det.limit_type": "max", "Det.limit_side_len": WIDEST}
            if self._engine is None:
                engine = RapidOCR(params={"Global.log_level": "error", **size, **threads})
                sign = cv2.putText(np.full((320, 640, 3), 230, np.uint8), "Dobby", (120, 200), 0, 4.0, (20, 20, 20), 12)
                engine(sign, use_cls=False)  # the first reading takes three times as long as those after it
                self._engine = engine

    def read(self, bgr: Any) -> tuple[list[str], str]:
        """The texts in a picture of one thing, and whose vehicle it says it is ("" unknown)."""
        if self._engine is None:
            self.warm()
        scale = 2 if max(bgr.shape[:2]) < SMALL else 1
        with self._lock:
            found = self._engine(cv2.resize(bgr, None, fx=scale, fy=scale), use_cls=False)
        texts = [clean(text) for text, score in zip(found.txts or (), found.scores or (), strict=True) if score >= SURE]
        texts = [text for text in texts if len(text) > 1][:MOST]
        return texts, self.courier(texts)

    def courier(self, texts: Sequence[str]) -> str:
        """Whose name is in these texts, read however badly."""
        words = [_plain(text) for text in texts]
        rows = [
            (_likeness(_plain(spelling), word), name)
            for name, every in self.couriers.items()
            for spelling in every
            for word in words
        ]
        best, who = max(rows, default=(0.0, ""))
        return who if best >= NEAR else ""


def _likeness(spelling: str, text: str) -> float:
    """A short name (UPS, DHL) must be there to the letter, as a word of its own; others may be off a little."""
    if len(spelling) <= 4:
        return 100.0 if spelling in text.split() else 0.0
    joined = text.replace(" ", "")
    return fuzz.partial_ratio(spelling, joined) if len(joined) > len(spelling) else fuzz.ratio(spelling, joined)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def clean(text: str) -> str:
    """A stranger's text without control characters, cut short."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * LONGEST]).split())[:LONGEST]


def read_couriers(path: Path) -> dict[str, list[str]]:
    """Couriers and how their name may be spelled, from TOML: `name = ["spelling", …]`.

    :raises Refused: the file is no such table.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    if not all(isinstance(row, list) and all(isinstance(each, str) for each in row) for row in table.values()):
        raise Refused(f'{path}: each courier is a list of spellings, like "Corner Bakery" = ["corner bakery"]')
    return table
