"""A text as words: folded, cut, counted. The same for what people write and for what devices are called.

It does not know what any word means.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST_TEXT = 500
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "’": "'", "‘": "'", "ʼ": "'"})
_TOKEN = re.compile(
    r"#[0-9a-f]{6}\b|(?<!\S)-\d+(?:[.,]\d+)?|\d{1,2}:\d\d|\d+(?:[.,]\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*|%|°|[,;.!?:\n&+]"
)
_NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_STOPS = frozenset(",;.!?:\n")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: folded (`text`), as written (`raw`), and where it stands in the text."""

    text: str
    raw: str
    start: int
    end: int

    @property
    def is_stop(self) -> bool:
        """A comma, a full stop and their like."""
        return self.text in _STOPS

    @property
    def number(self) -> float | None:
        """The number it is, if it is one."""
        return float(self.text.replace(",", ".")) if _NUMBER.fullmatch(self.text) else None


def clean(text: str) -> str:
    """A text without what cannot be read aloud: control characters and half characters become blanks."""
    kept = (c if c == "\n" or unicodedata.category(c)[0] != "C" or c == "\u200d" else " " for c in text)
    return "".join(kept)


@lru_cache(65536)
def fold(raw: str) -> str:
    """One word without case, accents and apostrophes: `Küche` -> `kueche`, `what's` -> `whats`."""
    text = raw.casefold().translate(_UMLAUTS).replace("'", "")
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c))


def cut(text: str) -> list[Word]:
    """The words of a text, in order; what is no word (emoji, brackets) is left out."""
    return list(_cut(text))


def _cut(text: str) -> Iterator[Word]:
    lowered = text.lower()
    source = lowered if len(lowered) == len(text) else text
    for found in _TOKEN.finditer(source.replace("’", "'").replace("‘", "'")):
        raw = text[found.start() : found.end()]
        folded = fold(raw)
        if folded:
            yield Word(folded, raw, found.start(), found.end())


def fold_all(text: str) -> tuple[str, ...]:
    """The folded words of a name or a phrase, stops left out."""
    return tuple(word.text for word in _cut(text) if not word.is_stop)


@lru_cache(65536)
def stem(word: str) -> str:
    """A word without the ending of its plural, English or German; only good for comparing."""
    for ending, least in (("ies", 5), ("nen", 7), ("en", 6), ("es", 5), ("s", 4), ("n", 6), ("e", 5)):
        if len(word) >= least and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def listed(text: str) -> list[str]:
    """All phrases of a list in a data file: patterns, set apart by commas."""
    return [phrase for pattern in text.split(",") for phrase in expand(pattern) if phrase]


def expand(pattern: str) -> list[str]:
    """All phrases of a pattern with `(a|b)` and `[perhaps]`."""
    found = re.search(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]", pattern)
    if not found:
        return [" ".join(pattern.split())]
    inner = found.group(1) if found.group(1) is not None else "|" + found.group(2)
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [phrase for part in inner.split("|") for phrase in expand(head + part + tail)]
