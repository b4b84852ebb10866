"""What a skill asks and refuses, in the language of whoever hears it: tables, and what is not in them as it is."""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from dobby.errors import Refused, Unreachable
from dobby.paths import shipped
from dobby.skill.music import Hit, Music
from dobby.skill.told import EVERYBODY, asked_in, told_in

TABLES = sorted(shipped("skills").glob("*/words.yaml"))


class Person:
    """Hears what is asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Sequence[str]]] = []

    async def __call__(self, words: str, options: Sequence[str]) -> str:
        self.heard.append((words, options))
        return "ok"


def sources(folder: Path) -> list[ast.AST]:
    paths = [path for path in folder.glob("*.py") if not path.name.startswith("dollhouse")]
    return [ast.parse(path.read_text("utf-8")) for path in paths]


def sentence(node: ast.AST) -> str:
    """A text of a source, with something in every place that is filled in; "" where it is none."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    said = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)
    return said if isinstance(node, ast.JoinedStr | ast.Constant) else ""


@pytest.mark.parametrize("table", [*TABLES, EVERYBODY], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_place_of_a_translation_is_one_of_the_sentence(table: Path) -> None:
    for said, told in yaml.safe_load(table.read_text("utf-8"))["de"].items():
        assert set(re.findall(r"\{(\w+)\}", told)) <= set(re.findall(r"\{(\w+)\}", said)), told


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.parent.name)
def test_every_sentence_of_a_table_is_one_that_its_skill_says(table: Path) -> None:
    texts = {sentence(node) for tree in sources(table.parent) for node in ast.walk(tree)}
    texts |= {f"X {words}." for _, words in _statuses(table.parent)}
    for said in yaml.safe_load(table.read_text("utf-8"))["de"]:
        words = re.sub(r"\\\{\w+\\\}", ".+", re.escape(said))
        assert any(re.fullmatch(words, text, re.DOTALL) for text in texts), said


def asked(tree: ast.AST) -> Iterator[str]:
    """What a driver's source asks."""
    for said in map(sentence, ast.walk(tree)):
        if re.match(r"[A-Z].*(\?|: in .*\.|\(XXX-XX-XXX\).*|then say ok\.)$", said):
            yield re.sub(r"\{\w+\}", "X", said)


def _statuses(folder: Path) -> Sequence[tuple[str, str]]:
    """What HomeKit's statuses are told as."""
    path = folder / "services.toml"
    rows = tomllib.loads(path.read_text("utf-8"))["status"].values() if path.exists() else ()
    return [*rows, *([("refused", "says no (X)")] if rows else [])]


def refused(tree: ast.AST) -> Iterator[str]:
    """What a source says when something cannot be done, and what it fills into that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Refused", "Unreachable", "Unsure") and node.args:
            yield from filter(None, map(sentence, _either(node.args[0])))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FAULTS" and isinstance(node.value, ast.Dict):
            yield from (f"X refused: {sentence(words)}." for words in node.value.values)


def _either(node: ast.AST) -> list[ast.AST]:
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


ENGLISH = re.compile(r"\b(the|is|are|not|cannot|does|did|has|that|what|it|there|of|refused|goes|can|only|needs?)\b", re.I)


def told_in_german(words: str) -> str:
    return told_in("de", (path.parent for path in TABLES), words)


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in shipped("skills").glob("[!_]*/skill.py")), ids=lambda path: path.name
)
def test_whatever_a_skill_refuses_is_refused_in_german_too(folder: Path) -> None:
    said = {words for tree in sources(folder) for words in refused(tree)} | {f"X {words}." for _, words in _statuses(folder)}
    for words in said - HALVES:
        told = told_in_german(words)
        assert told != words and not ENGLISH.search(re.sub(r"\[skills[^]]*\]", "", told)), (words, told)


HALVES = {"X X.", "answered without an end.", "broke off without an answer.", "cannot be reached."}  # a name is put before them


@pytest.mark.parametrize("asked", ["Xylophone Madness", "Kind of Blu", "Blue"])
@pytest.mark.parametrize("silent", [False, True])
async def test_that_nothing_goes_by_a_name_or_several_do_is_told_in_german(asked: str, silent: bool) -> None:
    class Shelf:
        async def look_up(self, what: str) -> Sequence[Hit]:
            if silent:
                raise Unreachable("It does not answer.")
            return [Hit("Kind of Blue", "album"), Hit("Blue Train", "album")]

        async def names(self) -> Sequence[str]:
            return [hit.name for hit in await self.look_up("")]

    own = [Hit("Blue Monday", "favourite"), Hit("Blue Nile", "favourite")]
    with pytest.raises(Refused) as found:
        await Music({"nas": Shelf()}).find(asked, own)
    told = told_in_german(str(found.value))
    assert re.match(f"Etwas namens „{asked}“ gibt es hier nicht zu spielen|Mehrere heißen „{asked}“: Blue", told)
    assert not ENGLISH.search(told.replace("Kind of Blu", ""))


def test_what_stands_in_a_sentence_is_told_too() -> None:
    assert told_in_german("The WLED at 10.0.0.4 cannot be reached.") == "Der WLED bei 10.0.0.4 ist nicht zu erreichen."
    assert told_in_german("Desk has no color temp to set.") == "Desk hat nichts zum Einstellen, das Farbtemperatur heißt."
    assert (
        told_in_german("Only a part of it was done. Desk cannot do that.") == "Nur ein Teil davon ist getan. Desk kann das nicht."
    )
    elsewhere = "Porch Door is paired with another controller: unpair it there, or use it through Home Assistant."
    assert "ist mit einer anderen Steuerung verbunden" in told_in_german(elsewhere)
    both = told_in_german("Porch needs its setup code.; TimeoutError; see the log")
    assert both == "Porch braucht seinen Einrichtungscode.; TimeoutError; mehr im Log"


@pytest.mark.parametrize(
    "words", ["", "{who}", "Nobody says this", "x" * 5000, "a; " * 400, "The of goes from " * 30, "\\1 cannot do that"]
)
def test_words_that_nobody_knows_stay_as_they_are(words: str) -> None:
    assert told_in("de", [], words) == words
    assert told_in("en", [], "X cannot do that.") == told_in("fr", [], "X cannot do that.") == "X cannot do that."


@pytest.mark.parametrize("skill", ["camera", "esphome", "homeassistant", "homekit", "hue", "mqtt", "shelly", "spotify"])
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
    assert asks <= {path.parent.name for path in TABLES}


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
    (tmp_path / "words.yaml").write_text(text, "utf-8")
    person = Person()
    await asked_in("de", [tmp_path, tmp_path / "nowhere"], person)("What is the code?", ())
    assert person.heard == [("What is the code?", ())]


async def test_a_name_from_outside_fills_its_place_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text('de: {"Code of {who} at {at}?": "Code von {who} bei {at}?"}', "utf-8")
    person = Person()
    await asked_in("de", [tmp_path], person)(r"Code of {at} \1 at home?", ())
    assert person.heard == [(r"Code von {at} \1 bei home?", ())]
