"""Values as a device takes them: a word for a switch, a number in its range, one of the words that a trait knows.

It does not know who wants them, nor whether they may be set.
"""

from collections.abc import Mapping
from typing import Any

from dobby.errors import Refused
from dobby.events import State, Value
from dobby.house.model import Device, Spec

ON_OFF: Mapping[str, Value] = {"on": True, "off": False, "true": True, "false": False}


def fit(device: Device, wanted: Mapping[str, Any]) -> State:
    """Values from outside, in any form, as the device's specs want them.

    :raises Refused: one does not fit; says what would.
    """
    return {trait: _fitted(device, trait, value) for trait, value in wanted.items()}


def _fitted(device: Device, trait: str, value: Any) -> Value:
    spec = device.traits.get(trait)
    if spec is None or not spec.settable:
        able = ", ".join(name for name, one in device.traits.items() if one.settable)
        raise Refused(f"{device.name} has no {trait} to set; there is {able or 'nothing'}.")
    value = _read(spec, value)
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    forms = {"bool": isinstance(value, bool), "number": numbers, "list": isinstance(value, list)}
    low, high = spec.low if spec.low is not None else value, spec.high if spec.high is not None else value
    fits = forms.get(spec.type, isinstance(value, str)) and (not spec.options or value in spec.options)
    if not fits or (numbers and not low <= value <= high):
        raise Refused(f"{device.name}: {trait} can be {span_of(spec)}, not {value!r}.")
    fitted: Value = value
    return fitted


def _read(spec: Spec, value: Any) -> Any:
    """A word or a number that was written as a text."""
    if spec.type == "bool":
        return ON_OFF.get(str(value).casefold(), value)
    if spec.type == "number" and isinstance(value, str):
        return float(value) if value.replace(".", "", 1).lstrip("-").isdecimal() else value
    return next((option for option in spec.options if option.casefold() == str(value).casefold()), value)


def span_of(spec: Spec) -> str:
    """What a trait can be, in words: `0…100 %`, `heat|cool`, `bool`."""
    if spec.options:
        return "|".join(spec.options)
    return f"{spec.low:g}…{spec.high:g} {spec.unit}".strip() if spec.low is not None and spec.high is not None else spec.type
