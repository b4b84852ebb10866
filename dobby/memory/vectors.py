"""Nearness of meaning, an extra (`dobby[vectors]`): a small static model reorders what the words have found, at a low weight.

WordLlama's weights come in its wheel (https://pypi.org/project/wordllama), so nothing is fetched; nothing is stored. Words go
first: measured, they find more than vectors do (benchmarks/recall.py).
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WEIGHT = 0.2  # of the meaning, beside the words
LOOKED = 40  # of the best, which are reordered


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("wordllama") is not None


@cache
def _model() -> Any:
    import wordllama

    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def reordered(wanted: str, found: Sequence[tuple[float, str]]) -> list[int]:
    """The places of worths and texts, best first by both; slow the first time (about a second)."""
    near = _model().embed([text for _, text in found], norm=True) @ _model().embed([wanted], norm=True)[0]
    most = max((worth for worth, _ in found), default=0.0) or 1.0
    both = [(1 - WEIGHT) * worth / most + WEIGHT * max(0.0, float(like)) for (worth, _), like in zip(found, near, strict=True)]
    return sorted(range(len(found)), key=lambda place: -both[place])
