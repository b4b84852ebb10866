"""Reads a text as the answer to an open question, or as a word to the errand that is running.

Strict on purpose: the whole text must be an answer; thanks and thumbs are none. It does not know any question's state.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("answers.toml").read_text("utf-8"))


def plain(text: str) -> str:
    """Lower case, letters and digits only, single spaces."""
    return " ".join(re.sub(r"[^\w\s]|_", "", text.casefold()).split())


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset(word for words in _table()[name].values() for word in words)


def is_yes(text: str) -> bool:
    """A plain yes and nothing else; a text with an emoji or thanks in it is not."""
    return plain(text) in _listed("yes") and not _has_emoji(text)


def is_no(text: str) -> bool:
    """A plain no."""
    return plain(text) in _listed("no")


def is_known(text: str) -> bool:
    """Somebody knows of an emergency."""
    return plain(text) in _listed("known")


def help_in(text: str) -> str:
    """The language of a cry for help: the text begins so, courtesy aside, and asks nothing; "" for any other text."""
    said = re.sub(r"^(?:please|bitte|dobby|hey|schnell|quick|quickly)\b ?", "", plain(text))
    cries = () if text.strip().endswith("?") else _table()["help"].items()
    return next((language for language, starts in cries if _begins(said, starts)), "")


def is_done(text: str) -> bool:
    """A button was pressed, what was asked for is done."""
    return plain(text) in _listed("done")


def is_later(text: str) -> bool:
    """Not now: ends a question for a button or a code."""
    return plain(text) in _listed("later")


def secret_in(text: str, *, quoted: bool = False, short: bool = True) -> str:
    """The code or password that a text gives, "" where it is none.

    It begins with such a word ("password …"), is one word with a digit in it (of six letters at least, if not `short`), groups
    of digits or keys that were pasted together, or is `quoted`: given as the reply to exactly that question.
    """
    words = "|".join(sorted(_listed("secret"), key=len, reverse=True))
    begun = re.fullmatch(
        rf"(?:(?:the|my|der|die|das|mein)\s+)?(?:{words})\b\s*(?:is\s|ist\s|:|=)?\s*(\S.*)", text.strip(), re.I | re.S
    )
    if begun:
        return begun[1]
    alone = re.fullmatch(r"\S*\d\S*[^\s%°]|\d|[\d\s-]{4,}|\w{20,}(?:\s+\w{20,})+", text.strip()) and len(text.strip()) >= (
        1 if short else 6
    )
    return text.strip() if quoted or alone else ""


def _has_emoji(text: str) -> bool:
    return any(ord(letter) > 0x2190 for letter in text)


def chosen(text: str, labels: Sequence[str]) -> list[int]:
    """Which of several labels a text names: one by its words or its place, all of them, or none (empty)."""
    said = plain(text)
    if said in _listed("all"):
        return list(range(len(labels)))
    for words in _table()["ordinal"].values():
        for place, ways in enumerate(words[: len(labels)]):
            if said in ways:
                return [place]
    exact = [place for place, label in enumerate(labels) if plain(label) == said]
    if exact:
        return exact[:1]
    part = [place for place, label in enumerate(labels) if said and _words(said) <= _words(plain(label))]
    return part if len(part) == 1 else []


ARTICLES = {"the", "one", "in", "on", "die", "das", "der", "den", "im", "please", "bitte"}


def _words(text: str) -> set[str]:
    words = set(text.split())
    return (words - ARTICLES) or words


def is_stop(text: str) -> bool:
    """Meant for what is running: end it."""
    return plain(text) in _listed("stop")


def is_amendment(text: str) -> bool:
    """Meant for what is running: not that, this."""
    return _begins(plain(text), _listed("amend"))


def _begins(said: str, starts: Iterable[str]) -> bool:
    return any(said == start or said.startswith(start + " ") for start in starts)
