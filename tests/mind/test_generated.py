"""Some hundred texts about homes that nobody has, made with their truth known: nothing wrong is done, nearly all is done right.

Thousands more, and bigger homes, run in `benchmarks/understand`.
"""

import pytest

from tests.mind.generate import Writer
from tests.mind.homes import home, renamed, table
from tests.mind.trial import Theatre


def type_words(language: str) -> frozenset[str]:
    """`Light`, `Ceiling`, `Door`: what says what a thing is, not which."""
    return frozenset(word for names in table()[language]["things"].values() for name in names["after"] for word in name.split())


@pytest.mark.parametrize(("size", "language", "number"), [(30, "en", 300), (30, "de", 200), (300, "en", 150), (453, "de", 100)])
async def test_nothing_wrong_is_done_in_any_home(size: int, language: str, number: int) -> None:
    made = home(size, language)
    score = await Theatre(made).score(Writer(made).cases(number))
    assert score.wrong == []
    assert score.share("typo") >= 0.96, score.failed
    assert score.share() >= 0.95, score.failed


@pytest.mark.parametrize("keep", [True, False], ids=["words for what it is stay", "no word stays"])
@pytest.mark.parametrize("language", ["en", "de"])
async def test_with_every_name_invented_anew_it_comes_to_the_same(language: str, keep: bool) -> None:
    made, _ = renamed(home(30, language), type_words(language) if keep else frozenset())
    score = await Theatre(made).score(Writer(made).cases(100))
    assert score.wrong == []
    assert score.share() >= 0.95, score.failed
