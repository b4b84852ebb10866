"""Every fixed sentence that the butler says, and every reason that the hands give, exists in every language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dobby.gate import table
from dobby.journal import ledger
from dobby.mind.plan import Order

PACKAGE = Path(__file__).resolve().parents[1] / "dobby"
SOURCES = [*sorted((PACKAGE / "butler").glob("*.py")), *sorted((PACKAGE / "wits").glob("*.py")), PACKAGE / "act.py"]
LANGUAGES = sorted(path.parent.name for path in (PACKAGE / "mind" / "plain").glob("*/phrases.yaml"))
ENDS = {"yes", "no", "chosen", "expired", "closed"}  # how a question ends: no sentences
NOT_TOLD = {"poison", "stranger", "error", "yes", "rehearse", "in doubt"}  # an event's why, or told in another form


def calls() -> Iterator[ast.Call]:
    for path in SOURCES:
        yield from (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def texts(node: ast.AST) -> set[str]:
    """The plain texts an argument may be; a comparison inside it is none."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) and node.value else set()
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return set()


def keys() -> set[str]:
    """What `words(key, …)`, `_say(…, key)` and `_close(…, key, …)` are given."""
    found: set[str] = {
        order.value for order in Order if order in (Order.HANDS_OFF, Order.HANDS_ON, Order.REHEARSE, Order.PERFORM)
    }
    for call in calls():
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in ("words", "_say", "_close"):
            found |= {text for argument in call.args for text in texts(argument)}
    return found - ENDS


def reasons() -> set[str]:
    """What an effect's `why` may be, beside a driver's own words."""
    found = {"role", "hands_off", ledger.OVERTAKEN, *table()["words"]["reason"]}
    for call in calls():
        found |= {text for keyword in call.keywords if keyword.arg == "why" for text in texts(keyword.value)}
        if getattr(call.func, "attr", getattr(call.func, "id", "")) in ("Unsure", "_Busy", "_ending"):
            found |= {text for argument in call.args for text in texts(argument)}
    return found - NOT_TOLD


def test_the_search_finds_what_it_is_for() -> None:
    assert {"left_it", "too_late", "not_yours", "no_answer", "stranger", "parked", "undo_moved", "hands_on"} <= keys()
    assert {"stopped", "stuck", "silent", "blind", "gone", "no_owner", "hands_off", "expired"} <= reasons() | ENDS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_and_every_reason(language: str) -> None:
    phrases = yaml.safe_load((PACKAGE / "mind" / "plain" / language / "phrases.yaml").read_text("utf-8"))
    assert not keys() - phrases["say"].keys()
    assert not (reasons() | {"no", "expired", "closed"}) - phrases["why"].keys()
