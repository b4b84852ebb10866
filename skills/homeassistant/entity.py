"""An entity of Home Assistant in action: what its state says of a device's traits, and which services make them so.

Frozen, and without a connection. It does not know where it was found (`registry`); `domains.toml` says what it means.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dobby import Device, Refused, Spec, Value, specs, verbs

from . import values
from .values import celsius, clean, number, table

NOTHING = ("unavailable", "unknown")  # states that say nothing of a device
CLIP = re.compile(r"[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE)  # an address or a media id; not a song's name
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """One service to call."""

    service: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entity:
    """A device, its entity's id, and the rows of the table that hold for it. `fahrenheit`: the instance counts in °F."""

    device: Device
    entity: str
    rows: Mapping[str, Row]
    verbs: Mapping[str, Row]
    fahrenheit: bool = False

    def traits(self, state: str, attributes: Mapping[str, Any]) -> dict[str, Value]:
        """What a state with its attributes says; what it says nothing about is left out."""
        if state == "unavailable":
            return {}
        found: dict[str, Value] = {}
        for trait, row in self.rows.items():
            value = self._trait(row, state, attributes)
            if value is not None or row.get("codec") == "rgb":
                found[trait] = value
        return found

    def _trait(self, row: Row, state: str, attributes: Mapping[str, Any]) -> Value:
        raw = attributes.get(row["attribute"]) if "attribute" in row else state
        if "words" in row:
            said: Value = row["words"].get(raw if isinstance(raw, str) else None, row.get("other"))
            return said if raw not in NOTHING or raw in row["words"] else None
        if raw is None:
            return row.get("null")
        if raw in NOTHING and "attribute" not in row:
            return None
        return values.read(row.get("codec", "plain"), raw, attributes, self.fahrenheit)

    def orders(self, wanted: Mapping[str, Value], now: Mapping[str, Value]) -> list[Order]:
        """The services that make the traits so, in order; raises `Refused`. `now` is how the device is."""
        services: dict[str, dict[str, Any]] = {}
        for trait, value in self._sequence(wanted, now):
            row, spec = self.rows.get(trait), self.device.traits.get(trait)
            if row is None or spec is None:
                raise Refused(f"{self.device.name} has no {trait.replace('_', ' ')}.")
            _within(self.device.name, spec, trait, value)
            service = row.get("calls", {}).get(spelled(value), row.get("call"))
            if service is None:
                raise Refused(f"{self.device.name} cannot be told that.")
            data = services.setdefault(service, {})
            if service == row.get("call"):
                data |= self._field(row, value)
            if (other := row.get("both")) and other not in wanted and other in now:
                data |= self._field(self.rows[other], now[other])
        return [Order(service, data) for service, data in services.items()]

    def _field(self, row: Row, value: Value) -> dict[str, Any]:
        return {row["key"]: values.write(row.get("codec", "plain"), value, self.fahrenheit)}

    def _sequence(self, wanted: Mapping[str, Value], now: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
        """On before the rest, off alone; a player that plays is on by that."""
        on = wanted.get("on")
        left = dict(wanted)
        if on is not None and "calls" in self.rows.get("on", {}):
            if not on or (left.get("playing") == "idle" and now.get("on") is False):
                left = {trait: value for trait, value in left.items() if trait not in ("playing", *(self.rows if not on else ()))}
                left["on"] = on
            elif "playing" in left:
                del left["on"]
        elif "playing" in left:
            left.pop("on", None)
        order = ["on", *self.rows]
        return iter(sorted(left.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))

    def does(self, verb: str, args: Mapping[str, Value]) -> Order:
        """The service behind a verb; raises `Refused`."""
        row = self.verbs.get(verb)
        said = [value for value in args.values() if value not in (None, "", [])]
        if row is None:
            raise Refused(f"{self.device.name} cannot do that.")
        if not said:
            if "call" not in row:
                raise Refused(f"{self.device.name} needs to know what.")
            return Order(row["call"], row.get("data", {}))
        rich = row.get("with")
        if rich is None or len(said) > 1 or not isinstance(said[0], str):
            raise Refused(f"{self.device.name} takes no more than that: I cannot say where or how.")
        if row["what"] == "media_content_id" and not CLIP.fullmatch(said[0]):
            raise Refused(f"Through Home Assistant {self.device.name} plays addresses, not names.")
        return Order(rich["call"], {**rich.get("data", {}), row["what"]: said[0]})


def spelled(value: Value) -> str:
    """A value as the table's keys spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _within(name: str, spec: Spec, trait: str, value: Value) -> None:
    said = trait.replace("_", " ")
    if not spec.settable:
        raise Refused(f"The {said} of {name} can only be read.")
    if spec.type == "bool" and not isinstance(value, bool):
        raise Refused(f"The {said} of {name} is on or off.")
    if spec.options and str(value).casefold() not in {option.casefold() for option in spec.options}:
        raise Refused(f"The {said} of {name} can be {', '.join(spec.options)}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = spec.low, spec.high
        if (low is not None and value < low - spec.step) or (high is not None and value > high + spec.step):
            raise Refused(f"The {said} of {name} goes from {low:g} to {high:g} {spec.unit}.".replace(" .", "."))


# Made from a state


def make(device: Device, entity: str, attributes: Mapping[str, Any], fahrenheit: bool) -> Entity:
    """An entity whose device has the traits and verbs that its features and attributes stand for."""
    domain = table()[entity.partition(".")[0]]
    rows = {}
    for trait, given in domain.get("traits", {}).items():
        fits = [row for row in (given if isinstance(given, list) else [given]) if _holds(row, attributes)]
        if fits:
            rows[trait] = _offered(fits[0], attributes)
    named = {verb: row for verb, given in domain.get("verbs", {}).items() if (row := _verb(given, attributes))}
    device = Device(
        **{field: getattr(device, field) for field in device.__slots__ if field not in ("kind", "traits", "verbs")},
        kind=device.kind,
        traits=specs(device.kind, rows, **{trait: _spec(row, attributes, fahrenheit) for trait, row in rows.items()}),
        verbs=verbs(device.kind, named),
    )
    return Entity(device, entity, rows, named, fahrenheit)


def _bits(attributes: Mapping[str, Any]) -> int:
    found = attributes.get("supported_features")
    return found if isinstance(found, int) else 0


def _holds(row: Row, attributes: Mapping[str, Any]) -> bool:
    modes = attributes.get("supported_color_modes")
    return (
        ("features" not in row or bool(_bits(attributes) & row["features"]))
        and ("modes" not in row or (isinstance(modes, list) and any(mode in modes for mode in row["modes"])))
        and ("has" not in row or attributes.get(row["has"]) is not None)
        and ("hasnt" not in row or not attributes.get(row["hasnt"]))
    )


def _offered(row: Row, attributes: Mapping[str, Any]) -> Row:
    """The row without the calls whose features are missing."""
    if "bits" not in row:
        return row
    wants = row["bits"]
    calls = {value: call for value, call in row["calls"].items() if value not in wants or _bits(attributes) & wants[value]}
    return {**row, "calls": calls}


def _verb(row: Row, attributes: Mapping[str, Any]) -> Row:
    """A verb with the ways that hold: without a word more, `with` one, or none at all."""
    kept = {key: value for key, value in row.items() if key not in ("call", "with")}
    if "call" in row and _holds(row, attributes):
        kept["call"] = row["call"]
    if "with" in row and _holds(row["with"], attributes):
        kept["with"] = row["with"]
    return kept if "call" in kept or "with" in kept else {}


def _spec(row: Row, attributes: Mapping[str, Any], fahrenheit: bool) -> dict[str, Any]:
    """What this one can do, where that differs from its kind."""
    changed: dict[str, Any] = {"settable": "call" in row or bool(row.get("calls"))}
    if changed["settable"] and attributes.get("assumed_state") is True:
        changed["echoes"] = True
    if "options" in row:
        listed = attributes.get(row["options"])
        changed["options"] = tuple(filter(None, map(clean, listed))) if isinstance(listed, list) else ()
    elif changed["settable"] and "words" in row and not {"true", "100"} & row["calls"].keys():
        changed["options"] = tuple(row["calls"])
    if row.get("codec") == "measure":
        reading, unit = values.measure(attributes.get("state"), clean(attributes.get("unit_of_measurement")))
        changed |= {"type": "number" if isinstance(reading, int | float) or unit else "text", "unit": unit}
    degrees = row.get("codec") == "temperature"
    for end in ("low", "high", "step"):
        found = attributes.get(row.get(end, ""))
        edge = celsius(found, fahrenheit and end != "step") if degrees else number(found)
        if edge is not None:
            changed[end] = round(edge / 1.8, 2) if degrees and fahrenheit and end == "step" else edge
    return changed
