"""What a bridge's resources are to a house: devices, their states, and what is said to make them so.

It does not know the network. Whatever the bridge says is data: wrong types are left out, names are cut.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dobby import Device, Refused, State, Value, specs, verbs

from . import color

Resources: TypeAlias = Mapping[str, Mapping[str, Any]]
SENSORS: dict[str, dict[str, Any]] = {  # resource type -> how the house calls it
    "motion": {"device_class": "motion", "trait": "on"},
    "contact": {"device_class": "opening", "trait": "on"},
    "temperature": {"device_class": "temperature", "trait": "value", "unit": "°C", "name": "temperature"},
    "light_level": {"device_class": "illuminance", "trait": "value", "unit": "lx", "name": "light level"},
    "button": {"device_class": "button", "trait": "value"},
    "device_power": {"device_class": "battery", "trait": "value", "unit": "%", "name": "battery"},
}
ORDER = ("light", "motion", "contact", "button", "temperature", "light_level", "device_power")


def clean(words: object) -> str:
    """What somebody else wrote: printable and short."""
    return "".join(letter for letter in str(words)[:200] if letter.isprintable()).strip()


def dig(row: Any, *keys: str) -> Any:
    """A value deep inside, None where the way there is not as said."""
    for key in keys:
        row = row.get(key) if isinstance(row, Mapping) else None
    return row


def number(value: Any) -> float | None:
    """A number, or None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Thing:
    """A device and where it hangs: its resource, its owner (the bridge's "device"), the link that tells if it is in reach."""

    device: Device
    rid: str
    type: str
    owner: str = ""
    link: str = ""


def things(resources: Resources, at: str) -> dict[str, Thing]:
    """All that a bridge at `host:port` has for a house, by Dobby's id. Rooms, zones and their groups are no devices."""
    rooms = {rid: clean(dig(row, "metadata", "name") or "") for row in _all(resources, "room") for rid in _children(row)}
    found = [thing for row in _all(resources, "device") for thing in _of_device(resources, row, rooms, at)]
    found += [_scene(resources, row, at) for row in _all(resources, "scene")]
    return {thing.device.id: thing for thing in found}


def _all(resources: Resources, kind: str) -> list[Mapping[str, Any]]:
    return [row for row in resources.values() if row.get("type") == kind]


def _children(row: Mapping[str, Any]) -> list[str]:
    children = row.get("children")
    return [str(dig(one, "rid")) for one in children] if isinstance(children, list) else []


def _of_device(resources: Resources, owner: Mapping[str, Any], rooms: Mapping[str, str], at: str) -> Iterator[Thing]:
    listed = owner.get("services")
    named = [str(dig(one, "rid")) for one in listed] if isinstance(listed, list) else []
    services = [resources[rid] for rid in named if rid in resources]
    link = next((row for row in services if row.get("type") == "zigbee_connectivity"), {})
    mac = "".join(letter for letter in str(link.get("mac_address", "")).lower() if letter in "0123456789abcdef")
    base = f"hue.{mac or owner['id']}"
    name = clean(dig(owner, "metadata", "name") or "") or "Hue device"
    own = sorted((row for row in services if row.get("type") in ORDER), key=lambda row: ORDER.index(row["type"]))
    first = ""
    for at_number, row in enumerate(own):
        before = sum(1 for other in own[:at_number] if other["type"] == row["type"])
        several = sum(1 for other in own if other["type"] == row["type"]) > 1
        tokens = [*([f"mac:{mac}"] if mac else []), f"uuid:{owner['id']}"] if not first else [f"uuid:{row['id']}"]
        device = _device(row, base, name, before, several, owner)
        first = first or device.id
        yield Thing(
            _placed(device, at, rooms.get(owner["id"], ""), " ".join(tokens), first),
            row["id"],
            row["type"],
            owner["id"],
            str(link.get("id", "")),
        )


def _placed(device: Device, at: str, room: str, identity: str, first: str) -> Device:
    part_of = first if device.device_class == "battery" and first != device.id else ""
    return replace(device, address=at, room=room, identity=identity, part_of=part_of)


def _device(row: Mapping[str, Any], base: str, name: str, before: int, several: bool, owner: Mapping[str, Any]) -> Device:
    kind = row["type"]
    if kind == "light":
        own = clean(dig(row, "metadata", "name") or "") if several else ""
        return _light(row, f"{base}_{before + 1}" if before else base, own or name, owner)
    about = SENSORS[kind]
    mark = f"{kind}{dig(row, 'metadata', 'control_id') or before + 1}" if kind == "button" else kind
    words = f"button {mark.removeprefix('button')}" if kind == "button" and several else about.get("name", "")
    spec = {"unit": about["unit"], "type": "number"} if "unit" in about else {}
    return Device(
        id=f"{base}_{mark}",
        driver="hue",
        kind="sensor",
        name=f"{name} {words}".strip(),
        device_class=about["device_class"],
        traits=specs("sensor", [about["trait"]], **{about["trait"]: spec}),
    )


def _light(row: Mapping[str, Any], id: str, name: str, owner: Mapping[str, Any]) -> Device:
    if dig(owner, "product_data", "product_archetype") == "plug" or dig(owner, "metadata", "archetype") == "plug":
        return Device(id=id, driver="hue", kind="outlet", name=name, traits=specs("outlet", ["on"]))
    traits: dict[str, dict[str, Any]] = {"on": {}}
    if "dimming" in row:
        traits["brightness"] = {}
    if "color_temperature" in row:
        schema = dig(row, "color_temperature", "mirek_schema")
        low, high = number(dig(schema, "mirek_minimum")) or 153, number(dig(schema, "mirek_maximum")) or 500
        traits["color_temp"] = {"low": round(1e6 / high), "high": round(1e6 / low)}
    if "color" in row:
        traits["color"] = {}
    if effects := dig(row, "effects", "effect_values"):
        offered = [clean(one) for one in effects if isinstance(one, str) and one != "no_effect"]
        traits["effect"] = {"options": ("none", *offered)}
    return Device(id=id, driver="hue", kind="light", name=name, traits=specs("light", traits, **traits), verbs=verbs("light"))


def _scene(resources: Resources, row: Mapping[str, Any], at: str) -> Thing:
    group = resources.get(str(dig(row, "group", "rid")), {})
    room = clean(dig(group, "metadata", "name") or "") if group.get("type") == "room" else ""
    device = Device(
        id=f"hue.{row['id']}",
        driver="hue",
        kind="scene",
        name=clean(dig(row, "metadata", "name") or "") or "Hue scene",
        identity=f"uuid:{row['id']}",
        address=at,
        room=room,
        verbs=verbs("scene"),
    )
    return Thing(device, row["id"], "scene")


# How it is


def in_reach(resources: Resources, thing: Thing) -> bool:
    """Whether the bridge has heard of the device lately; one without such a link counts as there."""
    if thing.rid not in resources:
        return False
    return dig(resources, thing.link, "status") in (None, "connected", "unidirectional_incoming")


def state(resources: Resources, thing: Thing, asked: tuple[str, color.Point] | None = None) -> dict[str, Value]:
    """All traits as the bridge tells them. `asked`: a colour and the xy that it became, told as asked while it is so."""
    row = resources.get(thing.rid, {})
    if thing.type == "light":
        return {trait: value for trait, value in _lit(row, asked).items() if trait in thing.device.traits}
    value = _sensed(row, thing.type)
    return {trait: value for trait in thing.device.traits} if value is not None else {}


def _lit(row: Mapping[str, Any], asked: tuple[str, color.Point] | None) -> dict[str, Value]:
    found: dict[str, Value] = {"on": dig(row, "on", "on") is True}
    if (brightness := number(dig(row, "dimming", "brightness"))) is not None:
        found["brightness"] = max(round(brightness), 1)
    mirek = number(dig(row, "color_temperature", "mirek"))
    warm = dig(row, "color_temperature", "mirek_valid") is True and mirek
    found["color_temp"] = round(1e6 / mirek) if mirek and warm else None
    x, y = number(dig(row, "color", "xy", "x")), number(dig(row, "color", "xy", "y"))
    if x is not None and y is not None:
        found["color"] = asked[0] if asked and color.near(asked[1], (x, y)) else color.to_hex((x, y))
    if isinstance(effect := dig(row, "effects", "status"), str):
        found["effect"] = "none" if effect == "no_effect" else clean(effect)
    return found


def _sensed(row: Mapping[str, Any], kind: str) -> Value:
    if kind == "motion":
        moved = dig(row, "motion", "motion_report", "motion")
        moved = dig(row, "motion", "motion") if moved is None else moved
        return moved if isinstance(moved, bool) else None
    if kind == "contact":
        return {"contact": False, "no_contact": True}.get(str(dig(row, "contact_report", "state")))
    if kind == "button":
        return clean(dig(row, "button", "button_report", "event") or dig(row, "button", "last_event") or "")
    if kind == "device_power":
        return number(dig(row, "power_state", "battery_level"))
    if kind == "temperature":
        report = number(dig(row, "temperature", "temperature_report", "temperature"))
        celsius = number(dig(row, "temperature", "temperature")) if report is None else report
        return None if celsius is None else round(celsius, 1)
    report = number(dig(row, "light", "light_level_report", "light_level"))
    level = number(dig(row, "light", "light_level")) if report is None else report
    return None if level is None else round(10 ** ((min(level, 100_000) - 1) / 10_000))  # the API's logarithm of lux


# What makes it so


def gamut(row: Mapping[str, Any]) -> list[color.Point]:
    """The corners of what a lamp can show; empty where it does not say."""
    corners = [dig(row, "color", "gamut", name) for name in ("red", "green", "blue")]
    points = [(number(dig(one, "x")), number(dig(one, "y"))) for one in corners]
    return [(x, y) for x, y in points if x is not None and y is not None]


def orders(device: Device, wanted: State, row: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of aiohue's `lights.set_state`. Raises `Refused` before anything is sent."""
    for trait, value in wanted.items():
        _check(device, trait, value)
    if wanted.get("on") is False or wanted.get("brightness") == 0:
        return {"on": False}
    said: dict[str, Any] = {}
    if "on" in wanted:
        said["on"] = True
    if "brightness" in wanted:
        said["brightness"] = float(str(wanted["brightness"]))
    if "color" in wanted:
        x, y = color.to_xy(str(wanted["color"]), gamut(row))
        said["color_xy"] = (round(x, 4), round(y, 4))
    elif "color_temp" in wanted:
        schema = dig(row, "color_temperature", "mirek_schema")
        low, high = number(dig(schema, "mirek_minimum")) or 153, number(dig(schema, "mirek_maximum")) or 500
        said["color_temp"] = round(min(max(1e6 / float(str(wanted["color_temp"])), low), high))
    if "effect" in wanted:
        said["effect"] = "no_effect" if wanted["effect"] == "none" else str(wanted["effect"])
    return said


def _check(device: Device, trait: str, value: Value) -> None:
    spec = device.traits.get(trait)
    if spec is None or not spec.settable:
        raise Refused(f"{device.name} has no {trait.replace('_', ' ')} to set.")
    if spec.type == "number":
        low, high = spec.low or 0, spec.high or 100
        if isinstance(value, bool) or not isinstance(value, int | float) or not low - 1 <= value <= high + 1:
            raise Refused(f"The {trait.replace('_', ' ')} of {device.name} goes from {low:g} to {high:g}.")
    if spec.options and value not in spec.options:
        raise Refused(f"{device.name} has no effect “{clean(value)}”; there are {', '.join(spec.options)}.")
    if trait == "color" and not (isinstance(value, str) and len(value) == 7 and value[0] == "#" and _hex(value[1:])):
        raise Refused(f"“{clean(value)}” is no colour; write #rrggbb.")


def _hex(digits: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in digits)
