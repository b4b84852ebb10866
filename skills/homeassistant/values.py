"""How Home Assistant spells a value, and how this house does: percentages, colours, degrees, measures with a unit.

It does not know which entity or trait a value belongs to (`entity`). What comes from outside is cut, cleaned or left out.
"""

import math
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dobby import Refused, Value

LONGEST = 200  # characters of any word from outside
MOST_ITEMS = 500  # of a list
COLOURLESS = ("color_temp", "brightness", "onoff", "white")  # colour modes in which the colour says nothing


@cache
def table() -> Mapping[str, Any]:
    """`domains.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("domains.toml").read_text("utf-8"))


def clean(text: object) -> str:
    """Somebody else's words, cut short and without control characters; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    return "".join(letter for letter in text[:LONGEST] if letter.isprintable()).strip()


def number(value: object) -> int | float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 4)


def celsius(value: object, fahrenheit: bool) -> int | float | None:
    """Degrees as the instance counts them -> °C, to a hundredth."""
    found = number(value)
    return round((found - 32) / 1.8, 2) if found is not None and fahrenheit else found


def measure(value: object, unit: str) -> tuple[Value, str]:
    """A reading and its unit, in the house's units where it came in others; text stays text."""
    found = number(value)
    if found is None:
        return clean(value), unit
    name, factor, offset = table()["settings"]["metric"].get(unit, (unit, 1, 0))
    return (found if name == unit else round(found * factor + offset, 2)), name


def read(codec: str, value: Any, attributes: Mapping[str, Any], fahrenheit: bool) -> Value:
    """A value as this house has it; None where it says nothing."""
    if codec == "measure":
        return measure(value, clean(attributes.get("unit_of_measurement")))[0]
    if codec == "temperature":
        return celsius(value, fahrenheit)
    if codec == "rgb":
        return None if attributes.get("color_mode") in COLOURLESS else _hex(value)
    return _READ[codec](value)


def write(codec: str, value: Value, fahrenheit: bool) -> Any:
    """A value of this house as a service takes it; raises `Refused` for what makes no sense."""
    if codec in ("byte", "share", "temperature", "number"):
        found = number(value)
        if found is None:
            raise Refused(f"{clean(str(value))} is not a number.")
        return {"byte": round(found * 2.55), "share": round(found / 100, 4)}.get(codec, _degrees(codec, found, fahrenheit))
    if codec == "rgb":
        try:
            return list(bytes.fromhex(str(value).removeprefix("#")))
        except ValueError:
            raise Refused(f"{clean(str(value))} is not a colour.") from None
    return value


def _degrees(codec: str, value: float, fahrenheit: bool) -> float:
    return round(value * 1.8 + 32, 1) if codec == "temperature" and fahrenheit else value


def _plain(value: object) -> Value:
    return value if isinstance(value, bool) else number(value) if isinstance(value, int | float) else clean(value) or None


def _byte(value: object) -> Value:
    found = number(value)
    return None if found is None else max(round(found / 2.55), 1 if found > 0 else 0)


def _share(value: object) -> Value:
    found = number(value)
    return None if found is None else round(found * 100)


def _hex(value: object) -> Value:
    if not isinstance(value, list | tuple) or len(value) != 3 or not all(type(part) is int and 0 <= part < 256 for part in value):
        return None
    return "#" + bytes(value).hex()


def _list(value: object) -> Value:
    return [clean(item) for item in value[:MOST_ITEMS]] if isinstance(value, list) else None


def _count(value: object) -> Value:
    return len(value) if isinstance(value, list) else None


_READ: Mapping[str, Callable[[object], Value]] = {
    "plain": _plain,
    "number": number,
    "byte": _byte,
    "share": _share,
    "list": _list,
    "count": _count,
}
