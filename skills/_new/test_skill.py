"""A skill's functions are plain functions: call them. Run with `pytest`."""

import asyncio
from pathlib import Path

from dobby.skill.load import load_skill

skill = load_skill(Path(__file__).parent)


def test_it_says_how_long_a_soft_egg_takes() -> None:
    assert asyncio.run(skill.tools["NAME.minutes"].function("soft")) == "6 minutes for a soft egg."


def test_its_schema_offers_three_kinds_of_egg() -> None:
    assert skill.tools["NAME.minutes"].schema["properties"]["hardness"]["enum"] == ["soft", "medium", "hard"]


def test_cooking_without_a_cooker_says_so() -> None:
    class EmptyHome:
        def find(self, name: str) -> list[object]:
            return []

    assert "no outlet" in asyncio.run(skill.tools["NAME.cook"].function(EmptyHome()))
