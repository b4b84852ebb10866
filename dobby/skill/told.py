"""What a skill says in English, in the language of whoever hears it: its `words.yaml` has its sentences in other languages, and
`told.yaml` those that many say. What is in neither is told as it is. It does not know who hears it, nor why.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from dobby.skill.driver import Ask

EVERYBODY = Path(__file__).with_name("told.yaml")
LONGEST = 500  # characters that are looked at


def told_in(language: str, folders: Iterable[Path], words: str) -> str:
    """The same words in `language` where one of these skills has them; what stands in a `{place}` of theirs too."""
    rows = [row for path in (*(folder / "words.yaml" for folder in folders), EVERYBODY) for row in _table(path, language).items()]

    def told(said: str) -> str:
        found = ((other, match) for one, other in rows if (match := _pattern(one).fullmatch(said)))
        other, match = next(found if len(said) <= LONGEST else iter(()), (said, None))
        return re.sub(r"\{(\w+)\}", lambda name: told(match[name[1]]), other) if match else said

    return told(words)


def asked_in(language: str, folders: Iterable[Path], ask: Ask) -> Ask:
    """The same `ask`, in `language` where one of these skills has the words for it."""
    folders = list(folders)

    async def spoken(words: str, options: Sequence[str]) -> str:
        return await ask(told_in(language, folders, words), options)

    return spoken


def _table(path: Path, language: str) -> Mapping[str, str]:
    try:
        return _read(path, path.stat().st_mtime_ns).get(language, {})
    except OSError:  # it says nothing in other languages
        return {}


@cache
def _read(path: Path, changed: int) -> Mapping[str, Mapping[str, str]]:
    """All its languages; nothing where the file is not one of sentences."""
    try:
        tables = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)).items()
        return {language: {str(said): str(other) for said, other in rows.items()} for language, rows in tables}
    except (ValueError, AttributeError, yaml.YAMLError):
        return {}


@cache
def _pattern(said: str) -> re.Pattern[str]:
    """`{name}` stands for any words, `{at}` for an address or another word without a blank."""
    words = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(said)).replace("(?P<at>.*)", r"(?P<at>\S+)")
    return re.compile(words, re.DOTALL)
