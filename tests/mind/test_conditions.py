"""Conditions: looked at now and said, or not done; what means "whenever" is never misread."""

import pytest
from stage import Stage
from test_sentences import play, table


@pytest.mark.parametrize("case", table("conditions.yaml")[:-7])
async def test_a_condition_is_looked_at_once_or_refused(case: dict[str, object], english: Stage) -> None:
    await play(case, english)


@pytest.mark.parametrize("case", table("conditions.yaml")[-7:])
async def test_the_same_in_german(case: dict[str, object], german: Stage) -> None:
    await play(case, german)


@pytest.fixture(scope="module")
def english() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def german() -> Stage:
    return Stage(language="de")
