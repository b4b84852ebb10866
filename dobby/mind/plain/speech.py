"""Dobby's mouth: fixed sentences and the words for states, from a language's phrases.

It does not decide what is true; it is told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from dobby.events import State, Value
from dobby.house import units
from dobby.house.model import Device
from dobby.mind.plain.lexicon import HOME, read_yaml

_SHOWN = {
    "speaker": ("playing", "title", "volume"),
    "tv": ("playing", "on", "title", "source"),
    "climate": ("mode", "target", "temperature"),
    "water_heater": ("mode", "target", "temperature"),
    "pool": ("on", "temperature", "target"),
    "sensor": ("value", "on"),
    "list": ("items",),
    "weather": ("value",),
    "calendar": ("value",),
}
_NAMED = 4


@cache
def phrases(language: str) -> Mapping[str, Any]:
    """A language's `phrases.yaml`; English where there is none."""
    known = (HOME / language / "phrases.yaml").exists()
    return read_yaml(f"{language if known else 'en'}/phrases.yaml")


@cache
def colors(language: str) -> Mapping[str, str]:
    """The first name of each colour that has one."""
    known = (HOME / language / "synonyms.yaml").exists()
    rows = read_yaml(f"{language if known else 'en'}/synonyms.yaml").get("color", {})
    return {code: names.split(",")[0] for code, names in rows.items()}


class Speech:
    """One person's language and units."""

    def __init__(self, language: str = "en", person_units: str = "metric") -> None:
        self.language, self.units = language, person_units
        self.table = phrases(language)

    def say(self, key: str, **facts: object) -> str:
        """A fixed sentence, filled in; braces in the facts stay what they are."""
        template = str(self.table["say"].get(key) or phrases("en")["say"].get(key) or self.table["say"]["ok"])
        return fill(template, facts)

    def value(self, device: Device, trait: str, value: Value) -> str:
        """A trait's value with its unit."""
        if isinstance(value, list):
            return self.names(str(item) for item in value) if value else "–"
        if trait == "color":
            return colors(self.language).get(str(value), str(value))
        spec = device.traits.get(trait)
        return units.quantity(value, spec.unit if spec else "", self.units, self.language)

    def state(self, device: Device, trait: str, value: Value) -> str:
        """How a device is: `off`, `at 30 %`, `closed`."""
        plain = (
            str(value).lower()
            if isinstance(value, bool)
            else units.number(value)
            if isinstance(value, int | float)
            else str(value)
        )
        if device.kind == "sensor" and trait == "on":
            words = self.table["sensor"].get(f"{device.device_class}={plain}")
            if words:
                return str(words)
        table = self.table["is"]
        words = table.get(f"{trait}={plain}") or table.get(trait) or "{value}"
        return fill(str(words), {"value": self.value(device, trait, value)})

    def condition(self, device: Device, state: State) -> str:
        """A device as it is, in a few words; "" where it never said."""
        if state.get("on") is False or state.get("playing") == "off":
            return self.state(device, "on", False)
        known = {t: v for t, v in state.items() if v not in ("", None) and (v is not False or f"{t}=false" in self.table["is"])}
        traits = _SHOWN.get(device.kind) or ("brightness", *known)
        shown = [t for t in traits if t in known and not (t == "on" and len(state) > 1 and device.kind != "sensor")]
        told = [self.state(device, trait, state[trait]) for trait in dict.fromkeys(shown)][:3]
        return ", ".join(told or [self.state(device, trait, value) for trait, value in list(state.items())[:2]])

    def moment(self, at: datetime, now: datetime) -> str:
        """`14:20`, `yesterday at 14:20`, or the date with it: an instant up to now."""
        hour = at.strftime("%-I:%M %p" if self.units == "us" else "%H:%M")
        if at.date() == now.date():
            return hour
        if at.date() == now.date() - timedelta(days=1):
            return self.say("yesterday_at", time=hour)
        return self.say("date_at", date=at.strftime("%-d.%-m."), time=hour)

    def names(self, names: Iterable[str], most: int = 8, word: str = "and") -> str:
        """`a, b and c`; many are cut short with their number."""
        row = list(dict.fromkeys(names))
        if len(row) > max(most, _NAMED):
            return fill(self.table["join"]["more"], {"names": ", ".join(row[:_NAMED]), "count": len(row) - _NAMED})
        return str(self.table["join"][word]).join([", ".join(row[:-1]), row[-1]] if len(row) > 1 else row)

    def kind(self, device: Device) -> str:
        """The plural of a device's kind or class."""
        return str(self.table["classes"].get(device.device_class) or self.table["kinds"].get(device.kind, device.kind))

    def within(self, rooms: Iterable[str]) -> str:
        """` in the kitchen`; "" for no room."""
        row = [room for room in rooms if room]
        return fill(self.table["join"]["in"], {"room": self.names(row)}) if row else ""


def fill(template: str, facts: Mapping[str, object]) -> str:
    """Put facts into braces; what is missing stays empty, what a fact contains is never filled again."""
    parts = template.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        key, _, rest = part.partition("}")
        out += [str(facts.get(key, "")), rest]
    return "".join(out)


def called(devices: Iterable[Device]) -> list[str]:
    """Devices' names in order, with the room where two are called the same."""
    row = list(devices)
    count = Counter(device.name.casefold() for device in row)
    return [f"{d.name} ({d.room or d.kind})" if count[d.name.casefold()] > 1 else d.name for d in row]


def upper(text: str) -> str:
    """The first letter as a sentence begins."""
    return text[:1].upper() + text[1:]
