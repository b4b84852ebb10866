"""How a characteristic spells what a trait says: brightness as it is, colour as hue and saturation, a lock as 0 and 1.

Pure: it knows no accessory and no line. Which spelling a trait has is said in `services.toml`.
"""

import colorsys
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dobby import Refused, Spec, Value, specs

Key = tuple[int, int]
"""A characteristic's address behind one connection: accessory id, instance id."""

Raws = Mapping[Key, Any]
"""What characteristics hold, as the accessory says it: data from outside, of any type."""

ONWARDS = "="  # a word that stands for what the next characteristic says
LONGEST = 200  # letters of anything an accessory calls itself
WHOLE = frozenset({"uint8", "uint16", "uint32", "uint64", "int"})


def clean(said: object, longest: int = LONGEST) -> str:
    """Words from outside on one line: no control signs, no direction marks, not long."""
    kept = "".join(sign if sign.isprintable() else " " for sign in str(said)[: 4 * longest]) if isinstance(said, str) else ""
    return " ".join(kept.split())[:longest].strip()


def number(raw: object) -> float | None:
    """A finite number that is no yes or no; None for anything else."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return raw


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic and what it says it can be (HAP specification, 6.3.3); `valid`: its values, if not the whole range."""

    key: Key
    type: str
    perms: frozenset[str] = frozenset()
    format: str = ""
    low: float | None = None
    high: float | None = None
    step: float = 0
    valid: tuple[int, ...] = ()

    def takes(self, raw: int) -> bool:
        """Is this one of the values it takes?"""
        within = (self.low is None or raw >= self.low) and (self.high is None or raw <= self.high)
        return raw in self.valid if self.valid else within

    def spelt(self, value: Value) -> bool | int | float:
        """A value as it wants it: in its range, on one of its steps, whole where it is whole.

        :raises Refused: it takes no such thing.
        """
        if self.format == "bool":
            return bool(value)
        exact = number(int(value) if isinstance(value, bool) else value)
        if exact is None:
            raise Refused(f"{clean(value) or 'That'} is no number.")
        low, high = self.low, self.high
        if self.step > 0:
            start = low or 0
            exact = round(start + round((exact - start) / self.step) * self.step, 6)
        exact = min(exact, high) if high is not None else exact
        exact = max(exact, low) if low is not None else exact
        return round(exact) if self.format in WHOLE or exact == int(exact) else exact


@dataclass(frozen=True, slots=True)
class Row:
    """One trait's way in and out, see `services.toml`."""

    trait: str
    spelling: str
    of: tuple[Characteristic, ...]
    told: tuple[Characteristic, ...]
    words: tuple[Mapping[int, Value], ...] = ()
    tell: tuple[Mapping[int, Value], ...] = ()
    unit: str = ""

    def read(self, raws: Raws) -> Value:
        """What the trait is; None where the accessory says nothing that makes sense."""
        return SPELLINGS[self.spelling].read(self, [raws.get(one.key) for one in self.of])

    def say(self, value: Value, raws: Raws) -> dict[Key, bool | int | float]:
        """What to write to make it so; `raws` is what else is wanted or known.

        :raises Refused: it cannot be made so.
        """
        said = SPELLINGS[self.spelling].say(self, value, [raws.get(one.key) for one in self.of])
        return {one.key: one.spelt(raw) for one, raw in zip(self.told, said, strict=False) if raw is not None}

    def spec(self, kind: str) -> Spec:
        """What the trait can be on this device, from what the characteristics say of themselves."""
        base = specs(kind, [self.trait])[self.trait]
        changed = {"unit": self.unit or base.unit, **SPELLINGS[self.spelling].limits(self, base)}
        return specs(kind, [self.trait], **{self.trait: {**changed, "settable": bool(self.told) and base.settable}})[self.trait]


# The spellings


Read = Callable[[Row, Sequence[Any]], Value]
Say = Callable[[Row, Value, Sequence[Any]], Sequence[Value]]
Limits = Callable[[Row, Spec], dict[str, Any]]


def _range(row: Row, base: Spec) -> dict[str, Any]:
    """A step is also how near counts as there: never finer than the house's own."""
    one = (row.told or row.of)[-1]
    step = max(base.step, one.step) if row.told else base.step
    return {
        "type": "number",
        "low": base.low if one.low is None else one.low,
        "high": base.high if one.high is None else one.high,
        "step": step,
    }


def _read_number(row: Row, raws: Sequence[Any]) -> Value:
    exact = number(raws[-1])
    return None if exact is None else round(exact) if exact == int(exact) else round(exact, 2)


def _say_as_it_is(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    return [value]


def _read_flag(row: Row, raws: Sequence[Any]) -> Value:
    return bool(raws[0]) if raws[0] in (0, 1) else None


def _say_flag(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    return [value is True]


def _read_words(row: Row, raws: Sequence[Any]) -> Value:
    for raw, words in zip(raws, row.words, strict=False):
        word = words.get(int(raw)) if number(raw) is not None or isinstance(raw, bool) else None
        if word != ONWARDS:
            return word
    return None


def _say_words(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    said: list[Value] = []
    for one, words in zip(row.told, row.tell or row.words, strict=False):
        by_word = {word: raw for raw, word in words.items()}
        raw = by_word.get(value) if isinstance(value, bool | int | float | str) else None
        if raw is not None and one.takes(raw):
            return [*said, raw]
        said.append(by_word.get(ONWARDS))
    raise Refused(f"It cannot be told {clean(str(value))}; it takes {' or '.join(map(str, _words_told(row)))}.")


def _words_told(row: Row) -> list[Value]:
    """The words it can be told; where it can be told nothing, those it may say."""
    pairs = list(zip(row.told, row.tell or row.words, strict=False)) or list(zip(row.of, row.words, strict=False))
    return [word for one, words in pairs for raw, word in words.items() if word != ONWARDS and (not row.told or one.takes(raw))]


def _word_limits(row: Row, base: Spec) -> dict[str, Any]:
    words = _words_told(row)
    if not all(isinstance(word, str) for word in words):
        return {}
    return {"type": "text", "options": tuple(dict.fromkeys(map(str, words)))}


def _read_mireds(row: Row, raws: Sequence[Any]) -> Value:
    mireds = number(raws[0])
    return round(1e6 / mireds) if mireds and mireds > 0 else None


def _say_mireds(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    kelvin = number(value)
    if not kelvin or kelvin <= 0:
        raise Refused(f"{clean(str(value))} is no colour temperature.")
    return [round(1e6 / kelvin)]


def _mired_limits(row: Row, base: Spec) -> dict[str, Any]:
    one = row.of[0]
    return {"low": round(1e6 / one.high) if one.high else base.low, "high": round(1e6 / one.low) if one.low else base.high}


def _read_hue(row: Row, raws: Sequence[Any]) -> Value:
    hue, saturation = map(number, raws)
    if hue is None or saturation is None:
        return None
    rgb = colorsys.hsv_to_rgb(hue % 360 / 360, min(1.0, max(0.0, saturation / 100)), 1.0)
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)


def _say_hue(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    """How dark a colour is does not go into hue and saturation: that is the brightness."""
    try:
        red, green, blue = bytes.fromhex(str(value).removeprefix("#"))
    except ValueError as error:
        raise Refused(f"{clean(str(value))} is no colour.") from error
    hue, saturation, _ = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    return [hue * 360, saturation * 100]


def _read_angle(row: Row, raws: Sequence[Any]) -> Value:
    """-90° is 0 %, 90° is 100 %, or whatever range it has."""
    angle, low, high = number(raws[0]), *_angles(row)
    return None if angle is None else round((angle - low) / (high - low) * 100)


def _say_angle(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    percent, low, high = number(value), *_angles(row)
    if percent is None:
        raise Refused(f"{clean(str(value))} is no number.")
    return [low + percent / 100 * (high - low)]


def _angles(row: Row) -> tuple[float, float]:
    low, high = row.of[0].low, row.of[0].high
    return (low, high) if low is not None and high is not None and low < high else (-90, 90)


def _read_speed(row: Row, raws: Sequence[Any]) -> Value:
    """A fan that is off stands still, whatever speed it keeps for later."""
    on = _read_flag(row, raws)
    return None if on is None else _read_number(row, raws) if on else 0


HEATS, COOLS = 1, 2  # TargetHeaterCoolerState


def _read_threshold(row: Row, raws: Sequence[Any]) -> Value:
    state, heating, cooling = raws
    return _read_number(row, [{HEATS: heating, COOLS: cooling}.get(state) if isinstance(state, int) else None])


def _say_threshold(row: Row, value: Value, raws: Sequence[Any]) -> Sequence[Value]:
    if raws[0] not in (HEATS, COOLS):
        raise Refused("It heats and cools by itself: say between which temperatures.")
    return [value, None] if raws[0] == HEATS else [None, value]


@dataclass(frozen=True, slots=True)
class Spelling:
    """Both ways of one spelling, and what it says about a trait's range."""

    read: Read
    say: Say
    limits: Limits = field(default=lambda row, base: {})


SPELLINGS: Mapping[str, Spelling] = {
    "number": Spelling(_read_number, _say_as_it_is, _range),
    "flag": Spelling(_read_flag, _say_flag, lambda row, base: {"type": "bool"}),
    "words": Spelling(_read_words, _say_words, _word_limits),
    "mireds": Spelling(_read_mireds, _say_mireds, _mired_limits),
    "hue": Spelling(_read_hue, _say_hue),
    "angle": Spelling(_read_angle, _say_angle),
    "speed": Spelling(_read_speed, _say_as_it_is, _range),
    "threshold": Spelling(_read_threshold, _say_threshold, _range),
}
