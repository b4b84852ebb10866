"""What a clause would make of one device: the exact call, or why there is none.

Relative becomes absolute here, people's units become the house's, limits are checked. It does not know which devices are meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dobby.events import Call, State, Value
from dobby.house import units
from dobby.house.model import Device, Spec
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.lexicon import meaning

_VALUED = {"set", "on", "dim", "brighten", "up", "down", "open", "close", "start", "leave"}
_BRIGHTNESS_FLOOR = 1


@dataclass(frozen=True, slots=True)
class Deed:
    """A call, or a problem: the key of a phrase with its facts."""

    call: Call | None = None
    problem: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def trait_of(clause: Clause, device: Device) -> str:
    """Which trait of this device the clause's value or attribute is about; "" for none."""
    rules, kind = meaning(), device.kind
    if clause.attr in ("temperature", "target") and kind == "light":
        return "color_temp" if clause.unit == "K" or "ct" in clause.values or _tints(clause) else ""
    if clause.attr:
        return str(rules["attrs"].get(clause.attr, {}).get(kind, ""))
    for tag, trait in (("color", "color"), ("ct", "color_temp")):
        if tag in clause.values:
            return trait if kind == "light" else ""
    if "mode" in clause.values and clause.number is None:
        return "mode" if kind in ("climate", "water_heater", "pool") else ""
    if "arm" in clause.values:
        return "armed" if kind == "alarm" else ""
    if clause.unit in ("deg", "C", "F"):
        return str(rules["degrees"].get(kind, ""))
    if clause.unit == "K":
        return str(rules["kelvin"].get(kind, ""))
    if clause.unit == "%" or "level" in clause.values:
        return str(rules["percent"].get(kind, ""))
    if clause.number is not None:
        return str(rules["percent"].get(kind) or rules["degrees"].get(kind, ""))
    return ""


def _tints(clause: Clause) -> bool:
    """`warmer light`, the light itself being named."""
    return clause.direction != 0 and clause.number is None and any("light" in item.nouns or item.devices for item in clause.items)


def possible(clause: Clause, device: Device) -> bool:
    """Whether what the clause asks makes sense for this kind of device, and this one can do it."""
    if clause.has_value or clause.direction or (clause.attr and clause.verb in ("up", "down", "dim", "brighten", "set")):
        trait = trait_of(clause, device)
        spec = device.traits.get(trait)
        if clause.direction or clause.verb in _VALUED or (clause.verb == "arm" and trait == "armed"):
            return spec is not None and spec.settable
        return False
    rule = meaning()["verbs"].get(clause.verb, {}).get(device.kind)
    return rule is not None and not clause.attr_only_read and _capable(rule, device)


def _capable(rule: Mapping[str, Any], device: Device) -> bool:
    if "do" in rule:
        return rule["do"] in device.verbs
    traits = [rule["step"]] if "step" in rule else list(rule)
    return all(trait in device.traits and device.traits[trait].settable for trait in traits)


class Deeds:
    """Deeds for a person who reads these units, in a house that is in these states."""

    def __init__(self, person_units: str) -> None:
        self.units = person_units

    def deed(self, clause: Clause, device: Device, state: State) -> Deed:
        """What the clause comes to for this device as it is now."""
        if clause.number is None and (clause.direction or (clause.attr and clause.verb in ("up", "down", "dim", "brighten"))):
            return self.step(clause, device, trait_of(clause, device), state, clause.direction or _sign(clause.verb))
        if clause.number is not None and "mode" in clause.values:
            return self._mode_and(clause, device, state)
        if clause.has_value:
            return self._value(clause, device, state)
        rule = meaning()["verbs"].get(clause.verb, {}).get(device.kind)
        if rule is None:
            return Deed(problem="cannot")
        if any("pump" in item.nouns for item in clause.items) and set(rule) == {"on"}:
            return Deed(Call("set", device.id, {"pump": rule["on"]})) if "pump" in device.traits else Deed(problem="cannot")
        if "do" in rule:
            return Deed(Call("do", device.id, {"verb": rule["do"]}))
        if clause.amount and device.kind == "cover" and "position" in rule:
            return self.step(clause, device, "position", state, _sign(clause.verb))
        if "step" in rule:
            return self.step(clause, device, rule["step"], state, rule["by"])
        return self._plain(clause, device, rule, state)

    def _plain(self, clause: Clause, device: Device, rule: Mapping[str, Value], state: State) -> Deed:
        wanted = dict(rule)
        if wanted.get("mode") == "@on":
            options = device.traits["mode"].options
            named = [meaning()["on_mode"][noun] for item in clause.items for noun in item.nouns if noun in meaning()["on_mode"]]
            mode = next((mode for mode in (*named, *meaning()["on_modes"]) if mode in options or not options), None)
            if mode is None:
                return Deed(problem="cannot")
            wanted["mode"] = mode
        if wanted.get("on") == "@other":
            wanted["on"] = state.get("on") is not True
        if wanted.get("armed") == "@arm":
            return Deed(problem="arm_how")
        if wanted.get("playing") in ("idle", "paused") and state.get("playing") in ("off", "idle"):
            return Deed(problem="not_playing")  # a speaker that is off would be on by being stopped
        for trait, value in wanted.items():
            options = device.traits[trait].options
            if options and isinstance(value, str) and value not in options:
                return Deed(problem="no_option", facts={"value": value, "options": options})
        return Deed(Call("set", device.id, wanted))

    def _mode_and(self, clause: Clause, device: Device, state: State) -> Deed:
        """`cool at 21`: the degrees, and the mode where this one has it."""
        deed = self._value(replace(clause, values={}), device, state)
        mode, spec = clause.values["mode"], device.traits.get("mode")
        if deed.call is None or spec is None or not spec.settable or (spec.options and mode not in spec.options):
            return deed
        return Deed(replace(deed.call, args={"mode": mode, **deed.call.args}))

    def _value(self, clause: Clause, device: Device, state: State) -> Deed:
        trait = trait_of(clause, device)
        spec = device.traits.get(trait)
        if spec is None or not spec.settable:
            return Deed(problem="cannot")
        if clause.number is None:
            return self._word(clause, device, trait, spec)
        if clause.direction and clause.how != "to":
            return self.step(clause, device, trait, state, clause.direction)
        if clause.how == "by" or (clause.verb in ("up", "down", "brighten") and clause.how != "to"):
            if device.kind in ("cover", "valve") and clause.how != "by":
                return self._number(clause, device, trait, spec)
            return self.step(clause, device, trait, state, _sign(clause.verb))
        return self._number(clause, device, trait, spec)

    def _word(self, clause: Clause, device: Device, trait: str, spec: Spec) -> Deed:
        """A value that is a word: a colour, a mode, half."""
        tag, word = next(iter(clause.values.items()))
        if {"level": "number", "ct": "number", "color": "color"}.get(tag, "text") != spec.type:
            return Deed(problem="wrong_unit")
        if tag == "level":
            shuts = trait == "position" and clause.verb in ("close", "down") and (clause.how != "to" or word == "max")
            share = self._level(word, spec)
            return self._checked(device, trait, spec, 100 - share if shuts else share, "%")
        if tag == "ct":
            return self._checked(device, trait, spec, float(word), "K")
        if spec.options and word not in spec.options:
            return Deed(problem="no_option", facts={"value": word, "options": spec.options})
        return Deed(Call("set", device.id, {trait: word}))

    def _level(self, word: str, spec: Spec) -> float:
        share = float(meaning()["levels"][word])
        if word in ("max", "min"):
            return float((spec.high if word == "max" else max(spec.low or 0, 1)) or share)
        return share

    def _number(self, clause: Clause, device: Device, trait: str, spec: Spec) -> Deed:
        assert clause.number is not None
        if spec.unit == "°C":
            if clause.unit in ("%", "K"):
                return Deed(problem="wrong_unit")
            scale = clause.unit if clause.unit in ("C", "F") else "F" if self.units == "us" else "C"
            return self._checked(device, trait, spec, units.celsius(clause.number, scale), "°C")
        if clause.unit and clause.unit != ("K" if spec.unit == "K" else "%"):
            return Deed(problem="wrong_unit")
        return self._checked(device, trait, spec, clause.number, spec.unit)

    def _checked(self, device: Device, trait: str, spec: Spec, value: float, unit: str) -> Deed:
        low, high = spec.low, spec.high
        slack = 0.3 if spec.unit == "°C" and self.units == "us" else 0.0
        if (low is not None and value < low - slack) or (high is not None and value > high + slack):
            facts = {"trait": trait, "unit": unit or spec.unit, "low": low, "high": high, "value": value}
            return Deed(problem="beyond", facts=facts)
        value = min(max(value, low if low is not None else value), high if high is not None else value)
        return Deed(Call("set", device.id, {trait: int(value) if value == int(value) else value}))

    def step(self, clause: Clause, device: Device, trait: str, state: State, sign: int) -> Deed:
        """One step up or down from where it is now, or the amount that is said."""
        spec = device.traits.get(trait)
        if spec is None or not spec.settable:
            return Deed(problem="cannot")
        now = self._now(trait, device, state)
        if now is None:
            return Deed(problem="unknown_now", facts={"trait": trait})
        sign = -sign if trait == "color_temp" and clause.attr == "temperature" else sign  # warm light is low in kelvin
        times = {"halved": 0.5, "doubled": 2.0}.get(clause.amount)
        wanted = now * times if times else now + sign * self._step(clause, trait, spec)
        low = spec.low if spec.low is not None else wanted
        high = spec.high if spec.high is not None else wanted
        low = max(low, _BRIGHTNESS_FLOOR) if trait == "brightness" else low
        wanted = round(min(max(wanted, low), high), 2)
        if state.get("on") is False and now == 0 and sign < 0:
            return Deed(problem="as_it_is")  # what is off gets no darker by being lit
        if wanted == now:
            return Deed(problem="at_limit", facts={"trait": trait, "value": now, "unit": spec.unit})
        return Deed(Call("set", device.id, {trait: int(wanted) if wanted == int(wanted) else wanted}))

    def _step(self, clause: Clause, trait: str, spec: Spec) -> float:
        if clause.number is not None:
            amount = clause.number
        else:
            amount = float(meaning()["steps"].get(trait, 10)) * {"small": 0.5, "big": 2.0}.get(clause.amount, 1.0)
            if spec.unit == "°C":
                amount *= 2 if self.units == "us" else 1
        scale = clause.unit if clause.unit in ("C", "F") else "F" if self.units == "us" else "C"
        return units.celsius_step(amount, scale) if spec.unit == "°C" else amount

    def _now(self, trait: str, device: Device, state: State) -> float | None:
        value = state.get(trait)
        if trait in ("brightness", "speed") and state.get("on") is False:
            return 0.0
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return 100.0 if trait == "brightness" and state.get("on") is True else None


def _sign(verb: str) -> int:
    return -1 if verb in ("down", "dim", "close") else 1
