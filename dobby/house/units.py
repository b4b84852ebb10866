"""What people read and write: degrees in their own unit, numbers in their own form.

Inside the house everything is metric (`kinds.toml`); this is the border. It does not know sentences.
"""

from collections.abc import Callable

from dobby.events import Value

Convert = Callable[[float], float]

_US: dict[str, tuple[str, Convert]] = {
    "°C": ("°F", lambda c: c * 9 / 5 + 32),
    "km/h": ("mph", lambda v: v / 1.609344),
    "m/s": ("mph", lambda v: v * 2.2369363),
    "km": ("mi", lambda v: v / 1.609344),
    "m": ("ft", lambda v: v / 0.3048),
    "cm": ("in", lambda v: v / 2.54),
    "mm": ("in", lambda v: v / 25.4),
    "hPa": ("inHg", lambda v: v * 0.02953),
    "kg": ("lb", lambda v: v / 0.45359237),
    "L": ("gal", lambda v: v / 3.785411784),
}
"""Metric unit -> the unit of a person in a `us` house, and how to get there."""


def celsius(value: float, unit: str) -> float:
    """What a person wrote in `unit` (`C` or `F`) in °C, to a hundredth."""
    return round((value - 32) * 5 / 9, 2) if unit == "F" else value


def celsius_step(value: float, unit: str) -> float:
    """A difference of degrees in `unit` (`C` or `F`) as a difference in °C."""
    return round(value * 5 / 9, 2) if unit == "F" else value


def shown(value: float, unit: str, units: str) -> tuple[float, str]:
    """A metric value as a person of a `metric` or `us` house reads it."""
    if units == "us" and unit in _US:
        name, convert = _US[unit]
        return convert(value), name
    if units != "us" and unit == "°F":
        return celsius(value, "F"), "°C"
    return value, unit


def number(value: float, language: str = "en", digits: int = 1) -> str:
    """A number without needless decimals; German has a comma."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    text = "0" if text == "-0" else text
    return text.replace(".", ",") if language == "de" else text


def quantity(value: Value, unit: str, units: str = "metric", language: str = "en") -> str:
    """A value with its unit, as a person reads it: `21.5 °C`, `70 °F`, `30 %`; words stay as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    amount, name = shown(float(value), unit, units)
    digits = 2 if unit in ("", "kWh", "m³") else 1
    return f"{number(amount, language, digits)} {name}".rstrip()
