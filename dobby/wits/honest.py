"""What a model says, held against what the rows say: a claim without a row is not passed on. Patterns are data (`claims.toml`).

It does not know the rows; it is told which devices were acted on or read.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from dobby.gate import is_named
from dobby.house.model import Device
from dobby.mind.answer import is_amendment

T = TypeVar("T")


@cache
def _patterns() -> Mapping[str, Sequence[re.Pattern[str]]]:
    table = tomllib.loads(Path(__file__).with_name("claims.toml").read_text("utf-8"))
    return {name: [re.compile(row, re.IGNORECASE) for row in rows] for name, rows in table.items()}


def _is(kind: str, sentence: str) -> bool:
    return any(pattern.search(sentence.replace("’", "'")) for pattern in _patterns()[kind])


def sentences(text: str) -> list[str]:
    """A text sentence by sentence, line breaks kept at the ends."""
    return re.findall(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+|\n+|$)\s*", text)[:-1] if text else []


@dataclass(frozen=True, slots=True)
class Checked:
    """What may be passed on, and what was claimed of which nothing is known."""

    text: str
    false: tuple[str, ...]


def check(text: str, acted: Sequence[Device], seen: Iterable[Device], house: Iterable[Device]) -> Checked:
    """Leave out every claim of an act, as rows speak for those, and every state that was not looked at.

    What is left out is false where none of the devices `acted` on is what it speaks of.
    """
    known, kept, false = {device.id for device in (*acted, *seen)}, [], []
    others = [device for device in house if device.id not in known]
    for sentence in sentences(text):
        claimed = _is("done", sentence)
        guessed = _is("state", sentence) and any(_names(device, sentence) for device in others)
        if not claimed and not (guessed and not any(_names(device, sentence) for device in (*acted, *seen))):
            kept.append(sentence)
        elif not acted or (any(_names(one, sentence) for one in others) and not any(is_named(one, sentence) for one in acted)):
            false.append(sentence.strip())
    return Checked("".join(kept).strip(), tuple(false))


def _names(device: Device, sentence: str) -> bool:
    """By its own name or nickname, not by what kind of thing it is."""
    words = sentence.casefold()
    return any(name.casefold() in words for name in (device.name, *device.aliases) if name)


def only_asks(text: str) -> bool:
    """Is it a question and nothing else, one that asks for no act."""
    said = [one.strip() for one in sentences(text) if one.strip()]
    return bool(said) and all(one.endswith("?") and not _is("request", one) for one in said)


def cancels(text: str) -> bool:
    """Does it end something that it names."""
    return _is("cancel", text.strip())


def amends(text: str) -> bool:
    """Does it change what is under way: "no, blue", "make it blue instead"."""
    return is_amendment(text) or _is("amend", text.strip())


def meant(text: str, errands: Mapping[str, T]) -> list[T]:
    """Which of what runs is named: the one whose own words, those of some length, are shared most; of alike ones all."""
    words = _long(text)
    shares = {about: len(words & _long(about)) / (len(_long(about)) or 1) for about in errands}
    most = max(shares.values(), default=0)
    return [errand for about, errand in errands.items() if shares[about] == most > 0]


def _long(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.casefold()))
