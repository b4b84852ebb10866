"""What a driver asks, in the language of whoever is asked: a skill's `asks.yaml` has its sentences in other languages.

A sentence that is not in there is asked as it is. It does not know who asks, nor why.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from dobby.skill.driver import Ask


def asked_in(language: str, folders: Iterable[Path], ask: Ask) -> Ask:
    """The same `ask`, in `language` where one of these skills has the words for it."""
    told = {said: words for folder in folders for said, words in _table(folder, language).items()}

    async def spoken(words: str, options: Sequence[str]) -> str:
        found = ((other, match) for said, other in told.items() if (match := re.fullmatch(_pattern(said), words, re.DOTALL)))
        other, match = next(found, (words, None))
        filled = re.sub(r"\{(\w+)\}", lambda name: match[name[1]], other) if match else words
        return await ask(filled, options)

    return spoken


def _table(folder: Path, language: str) -> Mapping[str, str]:
    try:
        return dict(yaml.safe_load((folder / "asks.yaml").read_text("utf-8"))[language])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):  # none, or not for this language
        return {}


def _pattern(said: str) -> str:
    """`{name}` stands for any words."""
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(said))
