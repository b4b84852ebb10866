"""A payload's spelling of a value, and the house's: words, scales, temperatures, colours, both ways.

Each codec is built from one row of `components.toml` and one device's own settings. It does not know topics or templates.
"""

import colorsys
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dobby import Refused, Value

from .templates import text

LONGEST = 200  # letters of a word a device may say
Settings = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """`decode`: what a device said -> a value, None for nothing understood. `encode`: a value -> what to send, or `Refused`.

    `spec`: what this device's settings say about the trait's Spec.
    """

    decode: Callable[[Any], Value]
    encode: Callable[[Value], Any]
    spec: Mapping[str, Any] = field(default_factory=dict)


def clean(said: object, longest: int = LONGEST) -> str:
    """Words from outside, on one line: no control signs, no direction marks, no more than so many letters."""
    if not isinstance(said, str | int | float):
        return ""
    kept = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in str(said)[: 4 * longest])
    return " ".join(kept.split())[:longest].strip()


def number(said: object) -> float | None:
    """A finite number, from a number or its text."""
    if isinstance(said, bool) or not isinstance(said, int | float | str) or (isinstance(said, str) and len(said) > 40):
        return None
    try:
        found = float(said)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def tidy(found: float, digits: int = 3) -> float:
    """Rounded, and whole where it is whole."""
    rounded = round(found, digits)
    return int(rounded) if rounded.is_integer() else rounded


def setting(settings: Settings, key: Any) -> Any:
    """A setting by name, the first of `a|b` that is there; numbers and `=words` stand for themselves."""
    if not isinstance(key, str):
        return key
    if key.startswith("="):
        return key[1:]
    return next((settings[name] for name in key.split("|") if settings.get(name) is not None), None)


def _amount(value: Value) -> float:
    found = None if isinstance(value, str) else number(value)
    if found is None:
        raise Refused(f"That is not a number: {clean(value) or 'nothing'}.")
    return found


def _numeric(decode: Callable[[float], Value]) -> Callable[[Any], Value]:
    def read(said: Any) -> Value:
        found = number(said)
        return None if found is None else decode(found)

    return read


# Words


def words(row: Row, settings: Settings) -> Codec:
    """Fixed words: `said` maps a device's word to a value, `sent` a value to the word for it."""
    known = {_fold(word): value for key, value in row.get("said", {}).items() if (word := setting(settings, key)) is not None}
    sent = {key: word for key, name in row.get("sent", {}).items() if (word := setting(settings, name)) is not None}
    keep = row.get("keep", False)

    def decode(said: Any) -> Value:
        found = known.get(_fold(said))
        return (clean(said) or None) if found is None and keep else found

    def encode(value: Value) -> Any:
        key = text(tidy(value) if isinstance(value, float) else value)
        if key not in sent:
            raise Refused("It can only be one of " + ", ".join(_spoken(word) for word in sent) + ".")
        return sent[key]

    options = {"options": tuple(sent)} if row.get("options") and sent else {}
    return Codec(decode, encode, options)


def _fold(said: Any) -> str:
    return text(said).strip().casefold() if isinstance(said, str | int | float) else ""


def _spoken(word: str) -> str:
    return {"true": "on", "false": "off", "100": "open", "0": "closed"}.get(word, word)


def choice(row: Row, settings: Settings) -> Codec:
    """One of the words a device lists by itself, or any word where it lists none; `rename` gives the house's spelling."""
    rename = row.get("rename", {})
    listed = settings.get(row.get("options", ""), ())
    given = [word for item in (listed if isinstance(listed, list) else ()) if (word := clean(item))][:100]
    back = {rename.get(word, word).casefold(): word for word in given}

    def decode(said: Any) -> Value:
        word = clean(said)
        return rename.get(word, word) or None if word.casefold() not in ("none", "null", "unknown") else None

    def encode(value: Value) -> Any:
        word = clean(value)
        if back and word.casefold() not in back:
            raise Refused("It can only be one of " + ", ".join(back.values()) + ".")
        return back.get(word.casefold(), word)

    return Codec(decode, encode, {"options": tuple(rename.get(word, word) for word in given)})


def reading(row: Row, settings: Settings) -> Codec:
    """What a sensor says: a number where it has a unit or a state class, a word otherwise."""
    unit = clean(settings.get("unit_of_measurement"), 20)
    numeric = bool(unit or settings.get("state_class"))
    celsius = _to_celsius(unit)
    shown = "°C" if unit in _DEGREES else unit

    def decode(said: Any) -> Value:
        found = number(said)
        return tidy(celsius(found)) if found is not None else None if numeric else (clean(said) or None)

    return Codec(decode, _read_only, {"unit": shown, "type": "number" if numeric else "text"})


def _read_only(value: Value) -> Any:
    raise Refused("It can only be read.")


# Numbers


def percent(row: Row, settings: Settings) -> Codec:
    """A share of a range of the device's own: `between` two settings or numbers, `below` so much under the first."""
    first, last = (number(setting(settings, key)) for key in row["between"])
    if first is None or last is None:
        raise ValueError("a range without ends")
    low = first - float(row.get("below", 0))
    span = last - low
    if not span:
        raise ValueError("a range without a width")

    def decode(found: float) -> Value:
        return round(min(100.0, max(0.0, (found - low) / span * 100)))

    def encode(value: Value) -> Any:
        share = min(100.0, max(0.0, _amount(value))) / 100
        steps = round(abs(span) * share) or (1 if share else 0)
        return tidy(low + math.copysign(steps, span))

    return Codec(_numeric(decode), encode, {"step": max(1.0, math.ceil(100 / abs(span)))})


_DEGREES = ("°C", "°F", "C", "F", "K")


def _to_celsius(unit: str) -> Callable[[float], float]:
    table: Mapping[str, Callable[[float], float]] = {"F": lambda f: (f - 32) / 1.8, "K": lambda k: k - 273.15}
    return table.get(unit.removeprefix("°"), lambda c: c) if unit in _DEGREES else lambda c: c


def temperature(row: Row, settings: Settings) -> Codec:
    """Degrees Celsius here, the device's own degrees there."""
    fahrenheit = clean(settings.get("temperature_unit")).upper().removeprefix("°").startswith("F")
    celsius = _to_celsius("°F" if fahrenheit else "°C")
    low, high, step = (number(settings.get(key)) for key in ("min_temp", "max_temp", "temp_step"))
    limits = {"low": low, "high": high}
    spec = {key: tidy(celsius(limit), 1) for key, limit in limits.items() if limit is not None}
    grain = step if step and step > 0 else 1.0 if fahrenheit else 0.5

    def encode(value: Value) -> Any:
        degrees = _amount(value)
        return tidy(round((degrees * 1.8 + 32) / grain) * grain if fahrenheit else degrees, 2)

    return Codec(
        _numeric(lambda found: tidy(celsius(found), 1)), encode, {**spec, "step": tidy(grain / (1.8 if fahrenheit else 1), 2)}
    )


def color_temperature(row: Row, settings: Settings) -> Codec:
    """Kelvin here; mireds there, a million by kelvin, unless the device says it takes kelvin."""
    direct = settings.get("color_temp_kelvin") is True
    ends = [number(settings.get(key)) for key in (("min_kelvin", "max_kelvin") if direct else ("max_mireds", "min_mireds"))]

    def turn(found: float) -> float:
        return found if direct else 1_000_000 / found

    limits = {key: round(turn(end)) for key, end in zip(("low", "high"), ends, strict=True) if end and end > 0}
    decode = _numeric(lambda found: round(turn(found)) if found > 0 else None)
    return Codec(decode, lambda value: round(turn(max(1.0, _amount(value)))), limits)


# Colours: "#rrggbb" here; rgb, hs or CIE 1931 xy there, as text or as a map


def color(row: Row, settings: Settings) -> Codec:
    """A colour; `space` is how this device wants it, `map` whether as JSON. It may answer in any space."""
    space = row["space"]

    def decode(said: Any) -> Value:
        found = _spelled(said, space)
        return None if found is None else "#" + "".join(f"{_byte(part):02x}" for part in found)

    def encode(value: Value) -> Any:
        parts = _SPACES[space].of(parse_color(value))
        return dict(zip(_SPACES[space].letters, parts, strict=True)) if row.get("map") else ",".join(map(text, parts))

    return Codec(decode, encode)


def parse_color(value: Value) -> tuple[float, float, float]:
    """`#rrggbb` -> three shares of 1; raises `Refused`."""
    digits = value.removeprefix("#") if isinstance(value, str) else ""
    if len(digits) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise Refused("That is not a colour like #ff8800.")
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def near(one: Value, other: Value, apart: float = 12 / 255) -> bool:
    """Two colours nobody could tell apart, as devices round them on their way through another colour space."""
    try:
        return all(abs(a - b) <= apart for a, b in zip(parse_color(one), parse_color(other), strict=True))
    except Refused:
        return False


def _byte(share: float) -> int:
    return round(255 * min(1.0, max(0.0, share)))


def _spelled(said: Any, space: str) -> tuple[float, float, float] | None:
    if isinstance(said, dict):
        space, found = next(
            (
                (name, [number(said[letter]) for letter in way.letters])
                for name, way in _SPACES.items()
                if set(way.letters) <= set(said)
            ),
            ("", [None]),
        )
    else:
        found = [number(part) for part in text(said).split(",")]
    parts = [part for part in found if part is not None]
    return _SPACES[space].rgb(parts) if space and len(parts) == len(_SPACES[space].letters) == len(found) else None


def _hs_to_rgb(parts: Sequence[float]) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(parts[0] % 360 / 360, min(1.0, max(0.0, parts[1] / 100)), 1.0)


def _rgb_to_hs(rgb: Sequence[float]) -> list[float]:
    hue, saturation, _ = colorsys.rgb_to_hsv(rgb[0], rgb[1], rgb[2])
    return [round(hue * 360, 1), round(saturation * 100, 1)]


def _xy_to_rgb(parts: Sequence[float]) -> tuple[float, float, float]:
    """CIE 1931 xy at full brightness to sRGB, D65 (Philips' published matrix)."""
    x, y = parts[0], max(parts[1], 1e-4)
    big_x, big_z = x / y, (1 - x - y) / y
    linear = (
        big_x * 1.656492 - 0.354851 - big_z * 0.255038,
        -big_x * 0.707196 + 1.655397 + big_z * 0.036152,
        big_x * 0.051713 - 0.121364 + big_z * 1.011530,
    )
    top = max(*linear, 1e-9)
    red, green, blue = (_gamma(max(0.0, part / top)) for part in linear)
    return red, green, blue


def _rgb_to_xy(rgb: Sequence[float]) -> list[float]:
    red, green, blue = (((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92 for part in rgb)
    big_x = red * 0.664511 + green * 0.154324 + blue * 0.162028
    big_y = red * 0.283881 + green * 0.668433 + blue * 0.047685
    big_z = red * 0.000088 + green * 0.072310 + blue * 0.986039
    total = big_x + big_y + big_z
    return [round(big_x / total, 4), round(big_y / total, 4)] if total else [0.3127, 0.3290]


def _gamma(part: float) -> float:
    return float(12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)


@dataclass(frozen=True, slots=True)
class _Space:
    letters: tuple[str, ...]
    rgb: Callable[[Sequence[float]], tuple[float, float, float]]
    of: Callable[[Sequence[float]], list[float]]


_SPACES: Mapping[str, _Space] = {
    "rgb": _Space(
        ("r", "g", "b"), lambda parts: (parts[0] / 255, parts[1] / 255, parts[2] / 255), lambda rgb: [_byte(p) for p in rgb]
    ),
    "hs": _Space(
        ("h", "s"),
        _hs_to_rgb,
        _rgb_to_hs,
    ),
    "xy": _Space(("x", "y"), _xy_to_rgb, _rgb_to_xy),
}

CODECS: Mapping[str, Callable[[Row, Settings], Codec]] = {
    "words": words,
    "choice": choice,
    "reading": reading,
    "percent": percent,
    "temperature": temperature,
    "color_temperature": color_temperature,
    "color": color,
}
