"""A language's words and what each may mean, read from its grammar and synonyms.

It does not know the house: names of devices and rooms are in `index`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dobby.mind.plain.words import fold_all, listed, stem

LANGUAGES = ("en", "de")
HOME = Path(__file__).parent


class Sense(NamedTuple):
    """One thing a phrase may mean: a tag of the grammar and its value; `many` for plurals and mass nouns."""

    tag: str
    value: str
    many: bool = False


Key = tuple[str, ...]


def read_yaml(name: str) -> dict[str, Any]:
    """A data file of this package."""
    data = _parsed(name)
    return data if isinstance(data, dict) else {}


def read_list(name: str) -> list[str]:
    """A data file of this package that is a list of texts."""
    return list(_parsed(name))


def _parsed(name: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((HOME / name).read_text("utf-8"), Loader=loader)


@cache
def meaning() -> Mapping[str, Any]:
    """`meaning.yaml`, with kinds that share a line set apart."""
    data = read_yaml("meaning.yaml")
    for part in ("verbs", "states", "attrs", "reads"):
        data[part] = {word: _apart(kinds) for word, kinds in data[part].items()}
    return data


def _apart(kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: wanted for joined, wanted in kinds.items() for kind in joined.split()}


class Lexicon:
    """Phrases to senses. `reach` tells how many words the longest phrase that starts with a word has."""

    def __init__(self, language: str, *others: "Lexicon") -> None:
        self.language = language
        self.senses: dict[Key, list[Sense]] = {}
        self.reach: dict[str, int] = {}
        for other in others:
            for key, senses in other.senses.items():
                self._learn(key, senses)
        if not others:
            for phrase, sense in _phrases(language):
                self._learn(fold_all(phrase) or (phrase,), [sense])
        self.vocabulary = {word for key in self.senses for word in key}

    def _learn(self, key: Key, senses: list[Sense]) -> None:
        row = self.senses.setdefault(key, [])
        row += [sense for sense in senses if sense not in row]
        self.reach[key[0]] = max(self.reach.get(key[0], 0), len(key))


def _phrases(language: str) -> Iterator[tuple[str, Sense]]:
    for name in ("grammar", "synonyms"):
        for tag, values in read_yaml(f"{language}/{name}.yaml").items():
            for value, patterns in values.items():
                forms = patterns if isinstance(patterns, Mapping) else {"one" if tag == "noun" else "as": patterns}
                for form, phrase in _forms(forms, language):
                    yield phrase, Sense(tag, str(value), form != "one")


def _forms(forms: Mapping[str, Any], language: str) -> Iterator[tuple[str, str]]:
    for form, text in forms.items():
        yield from ((form, phrase) for phrase in listed(str(text)))
    if language == "en" and "one" in forms and "many" not in forms:
        yield from (("many", phrase + ("es" if phrase.endswith(("ch", "sh", "s")) else "s")) for phrase in listed(forms["one"]))


@cache
def lexicon(*languages: str) -> Lexicon:
    """The words of a language, or of several at once for people who mix them."""
    if len(languages) == 1:
        return Lexicon(languages[0])
    return Lexicon(languages[0], *(lexicon(language) for language in languages))


@cache
def generic(noun: str) -> frozenset[Key]:
    """What a noun is called in every language; its other words may be somebody's own names ("the sonos")."""
    rows = (read_yaml(f"{language}/synonyms.yaml")["noun"].get(noun, {}) for language in LANGUAGES)
    forms = (form for row in rows for form in (row.values() if isinstance(row, Mapping) else (row,)))
    return frozenset(tuple(stem(word) for word in fold_all(listed(str(form))[0])) for form in forms)
