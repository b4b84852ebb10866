"""What a driver asks, in the language of whoever is asked: tables of the skills, and what is not in them as it is."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from dobby.paths import shipped
from dobby.skill.asks import asked_in

TABLES = sorted(shipped("skills").glob("*/asks.yaml"))


class Person:
    """Hears what is asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Sequence[str]]] = []

    async def __call__(self, words: str, options: Sequence[str]) -> str:
        self.heard.append((words, options))
        return "ok"


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.parent.name)
def test_every_sentence_of_a_table_is_one_that_its_skill_says(table: Path) -> None:
    source = re.sub(r'"\s*\n?\s*f?"', "", "\n".join(path.read_text("utf-8") for path in table.parent.glob("*.py")))
    for said, told in yaml.safe_load(table.read_text("utf-8"))["de"].items():
        assert all(part in source for part in re.split(r"\{\w+\}", said)), said
        assert set(re.findall(r"\{(\w+)\}", told)) <= set(re.findall(r"\{(\w+)\}", said)), told


def asked(tree: ast.AST) -> Iterator[str]:
    """What a driver's source asks, with something in every place that is filled in."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        said = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)
        if isinstance(node, ast.JoinedStr | ast.Constant) and re.match(
            r"[A-Z].*(\?|: in .*\.|\(XXX-XX-XXX\).*|then say ok\.)$", said
        ):
            yield re.sub(r"\{\w+\}", "X", said)


@pytest.mark.parametrize("skill", ["camera", "esphome", "homeassistant", "homekit", "hue", "mqtt", "shelly"])
async def test_whatever_a_driver_asks_is_asked_in_german_too(skill: str) -> None:
    folder = shipped("skills") / skill
    said = list(asked(ast.parse((folder / "skill.py").read_text("utf-8"))))
    assert said
    for words in (one for one in said if "does not answer" not in one):
        person = Person()
        await asked_in("de", [folder], person)(words, ())
        assert person.heard[0][0] != words, words


def test_who_asks_is_in_this_list() -> None:
    asks = {path.parent.name for path in shipped("skills").glob("*/skill.py") if "await ask(" in path.read_text("utf-8")}
    assert asks == {path.parent.name for path in TABLES}


async def test_somebody_who_writes_german_is_asked_in_german() -> None:
    person, folders = Person(), [path.parent for path in TABLES]
    german, english = asked_in("de", folders, person), asked_in("en", folders, person)
    words = "The Shelly Desk plug at 10.0.0.7 wants its password. Which one?"
    assert await german(words, ()) == await english(words, ()) == "ok"
    assert await german("Press the round button on the Hue bridge at 10.0.0.3, then say ok.", ("ok",)) == "ok"
    assert await german("Nobody has words for this.", ()) == "ok"
    assert person.heard == [
        ("Der Shelly Desk plug bei 10.0.0.7 will sein Passwort. Welches?", ()),
        (words, ()),
        ("Drück den runden Knopf an der Hue-Bridge bei 10.0.0.3 und sag dann ok.", ("ok",)),
        ("Nobody has words for this.", ()),
    ]


@pytest.mark.parametrize("text", ["", "7", "[]", "de: 7", "de: {a: ", "fr: {A: B}", "de: {A: {b: c}}"])
async def test_a_table_that_is_none_leaves_the_words_as_they_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "asks.yaml").write_text(text, "utf-8")
    person = Person()
    await asked_in("de", [tmp_path, tmp_path / "nowhere"], person)("What is the code?", ())
    assert person.heard == [("What is the code?", ())]


async def test_a_name_from_outside_fills_its_place_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "asks.yaml").write_text('de: {"Code of {who} at {at}?": "Code von {who} bei {at}?"}', "utf-8")
    person = Person()
    await asked_in("de", [tmp_path], person)(r"Code of {at} \1 at home?", ())
    assert person.heard == [(r"Code von {at} \1 bei home?", ())]
