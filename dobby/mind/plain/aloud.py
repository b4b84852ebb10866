"""What is written, as one would speak it: units, signs, hours, days and lists in words, for whatever reads it aloud.

Tables per language (`aloud.toml`). It does not know any voice; plain numbers stay digits, which every voice can say.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

NUMBER = r"\d+(?:[.,]\d+)*"


@cache
def _table(language: str) -> Mapping[str, Any]:
    tables = tomllib.loads(Path(__file__).with_name("aloud.toml").read_text("utf-8"))
    found: Mapping[str, Any] = tables.get(language, tables["en"])
    return found


def aloud(text: str, language: str) -> str:
    """A message in speech-ready words of a language (`en`, `de`; others as English): one line, nothing that is no word."""
    table = _table(language)
    parts = [part.strip(" •*-–·") for part in text.splitlines() if part.strip()] if "\n" in text else [text]
    said = " ".join(part if len(parts) == 1 or part[-1:] in ".!?:" else f"{part}." for part in parts)
    for pattern, words in table["say"]:
        said = re.sub(pattern, words, said)
    said = re.sub(r"\{(month|hour):(\d+)\}", lambda found: _named(table, found[1], int(found[2])), said)
    units = "|".join(re.escape(unit) for unit in sorted(table["units"], key=len, reverse=True))
    said = re.sub(rf"(?<![\w.,])({NUMBER}) ?({units})(?![\w/³])", lambda found: _amount(table, found[1], found[2]), said)
    for sign, words in table["signs"].items():
        said = said.replace(sign, words)
    return " ".join(re.sub(r"\s+([.,;:!?])", r"\1", "".join(map(_spoken, said))).split())


def _named(table: Mapping[str, Any], what: str, number: int) -> str:
    return table["months"][number - 1] if what == "month" else str(number)


def _amount(table: Mapping[str, Any], number: str, unit: str) -> str:
    one, more = table["units"][unit]
    if number != "1":
        return f"{number} {more}"
    return f"{table['one']}{'e' if one in table.get('feminine', ()) else ''} {one}"


def _spoken(letter: str) -> str:
    """Quotes, pictures and brackets are not spoken; a middle dot is a pause."""
    if letter in "·|":
        return ","
    return " " if letter in '“”„"«»*_`#()[]{}' or unicodedata.category(letter) in ("So", "Cf", "Cc") else letter
