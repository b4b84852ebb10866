"""What is inside an ESPHome node, as the house knows it: entities become devices, states become traits, traits become commands.

Source: `api.proto` of esphome/aioesphomeapi; units as ESPHome sends them (fractions, mireds). It does not know connections.
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dobby import Device, Refused, State, Value, specs, verbs

KINDS = {  # the library's class of an entity -> the house's kind
    "BinarySensorInfo": "sensor",
    "SensorInfo": "sensor",
    "SwitchInfo": "switch",
    "LightInfo": "light",
    "CoverInfo": "cover",
    "FanInfo": "fan",
    "ClimateInfo": "climate",
    "LockInfo": "lock",
    "ValveInfo": "valve",
    "ButtonInfo": "button",
    "SirenInfo": "siren",
}
MODES = ("off", "heat_cool", "cool", "heat", "fan_only", "dry", "auto")  # ClimateMode by number
FANS = ("on", "off", "auto", "low", "medium", "high", "middle", "focus", "diffuse", "quiet")  # ClimateFanMode by number
BRIGHT, WARMTH, COLD_WARM, RGB = 1 << 1, 1 << 3, 1 << 4, 1 << 5  # what a light's colour mode is made of
LOCKED, UNLOCKED, JAMMED = 1, 2, 3
SERVICE = ("restart", "update", "identify")  # buttons that are for whoever keeps the node, not for the house


def clean(said: object, longest: int = 60) -> str:
    """Words from outside, on one line: no control signs, no direction marks."""
    kept = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in str(said or "")[: 4 * longest])
    return " ".join(kept.split())[:longest].strip()


def devices(node: Any, entities: Iterable[Any], mac: str, address: str) -> Iterator[tuple[Device, Any]]:
    """Every entity that is for the house, beside its description; what is for whoever keeps the node is left out."""
    called = clean(node.friendly_name) or clean(node.name) or f"ESPHome {mac[-4:]}"
    parts = {part.device_id: part for part in getattr(node, "devices", ())}
    areas = {area.area_id: area.name for area in getattr(node, "areas", ())}
    for info in entities:
        kind = KINDS.get(type(info).__name__, "")
        if not kind or info.entity_category or info.disabled_by_default or getattr(info, "device_class", "") in SERVICE:
            continue
        part = parts.get(info.device_id)
        whole = clean(part.name) if part else called
        own = clean(info.name)
        traits = dict(_traits(info))
        kind = "outlet" if kind == "switch" and info.device_class == "outlet" else kind
        yield (
            Device(
                id=f"esphome.{mac}-{_plain(info.object_id)}" + (f"-{info.device_id}" if info.device_id else ""),
                driver="esphome",
                kind=kind,
                name=own if own.casefold().startswith(whole.casefold()) else f"{whole} {own}".strip(),
                room=clean(areas.get(part.area_id, "") if part else node.suggested_area),
                identity=f"mac:{mac}",
                address=address,
                device_class="" if kind in ("switch", "outlet") else _plain(getattr(info, "device_class", "")),
                traits=specs(kind, list(traits), **traits),
                verbs={name: effect for name, effect in verbs(kind).items() if _can(info, name)},
            ),
            info,
        )


def _plain(said: str) -> str:
    return "".join(sign for sign in str(said)[:60].lower() if sign.isascii() and (sign.isalnum() or sign in "_-"))


def _can(info: Any, verb: str) -> bool:
    return verb != "stop" or bool(getattr(info, "supports_stop", False))


def _traits(info: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The traits of an entity, and what is its own about each."""
    name = type(info).__name__
    if name == "SensorInfo":
        yield "value", {"type": "number", "unit": clean(info.unit_of_measurement, 12)}
    elif name in ("BinarySensorInfo", "SwitchInfo", "SirenInfo"):
        yield "on", {}
    elif name == "LightInfo":
        yield from _lamp(info)
    elif name in ("CoverInfo", "ValveInfo"):
        echoes = {"echoes": True} if info.assumed_state else {}
        yield "position", echoes if info.supports_position else {"step": 99, **echoes}
        yield from [("tilt", {})] if getattr(info, "supports_tilt", False) else []
        yield from [("moving", {})] if name == "CoverInfo" else []
    elif name == "FanInfo":
        yield "on", {}
        yield from [("speed", {"step": 100 / max(1, info.supported_speed_count)})] if info.supports_speed else []
        yield from [("oscillating", {})] if info.supports_oscillation else []
        yield from [("direction", {})] if info.supports_direction else []
    elif name == "ClimateInfo":
        yield from _climate(info)
    elif name == "LockInfo":
        yield "locked", {"echoes": True} if info.assumed_state else {}
        yield "jammed", {}


def _lamp(info: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    able = 0
    for mode in info.supported_color_modes:
        able |= int(mode)
    yield "on", {}
    if able & BRIGHT:
        yield "brightness", {}
    low, high = _number(info.min_mireds), _number(info.max_mireds)
    if able & (WARMTH | COLD_WARM) and low and high and low < high:
        yield "color_temp", {"low": round(1e6 / high), "high": round(1e6 / low), "step": 50}
    if able & RGB:
        yield "color", {}
    if info.effects:
        yield "effect", {"options": tuple(clean(effect) for effect in info.effects[:50])}


def _climate(info: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    flags = info.feature_flags
    two = bool(flags & 2 or flags & 4 or info.supports_two_point_target_temperature)
    ends = {"low": _number(info.visual_min_temperature), "high": _number(info.visual_max_temperature)}
    room = {key: value for key, value in ends.items() if value} | {"step": _number(info.visual_target_temperature_step) or 0.5}
    yield "mode", {"options": tuple(MODES[int(mode)] for mode in info.supported_modes if int(mode) < len(MODES))}
    yield from [("target_low", room), ("target_high", room)] if two else [("target", room)]
    if flags & 1 or info.supports_current_temperature:
        yield "temperature", {}
    if flags & 8 or info.supports_current_humidity:
        yield "humidity", {}
    if info.supported_fan_modes:
        yield "fan_mode", {"options": tuple(FANS[int(mode)] for mode in info.supported_fan_modes if int(mode) < len(FANS))}


# States


def state(device: Device, said: Any) -> dict[str, Value]:
    """The traits in what an entity said last; what makes no sense is left out."""
    if getattr(said, "missing_state", False):
        return {}
    return {trait: value for trait, value in _said(device, said) if trait in device.traits and value is not None}


def _said(device: Device, said: Any) -> Iterator[tuple[str, Value]]:
    name = type(said).__name__
    if name == "SensorState":
        yield "value", _number(said.state)
    elif name in ("BinarySensorState", "SwitchState", "SirenState", "LightState", "FanState"):
        yield "on", bool(said.state)
    if name == "LightState":
        yield from _shining(said)
    elif name == "FanState":
        yield "speed", _whole(said.speed_level * device.traits["speed"].step) if "speed" in device.traits else None
        yield "oscillating", bool(said.oscillating)
        yield "direction", "reverse" if said.direction == 1 else "forward"
    elif name in ("CoverState", "ValveState"):
        yield "position", _percent(said.position)
        yield "tilt", _percent(getattr(said, "tilt", math.nan))
        yield "moving", bool(said.current_operation)
    elif name == "ClimateState":
        yield "mode", MODES[int(said.mode)] if said.mode is not None and int(said.mode) < len(MODES) else None
        yield from (("target", _number(said.target_temperature)), ("target_low", _number(said.target_temperature_low)))
        yield from (("target_high", _number(said.target_temperature_high)), ("temperature", _number(said.current_temperature)))
        yield "humidity", _number(said.current_humidity)
        yield "fan_mode", FANS[int(said.fan_mode)] if said.fan_mode is not None and int(said.fan_mode) < len(FANS) else None
    elif name == "LockEntityState":
        yield "locked", {LOCKED: True, UNLOCKED: False}.get(int(said.state or 0))
        yield "jammed", said.state == JAMMED


def _shining(said: Any) -> Iterator[tuple[str, Value]]:
    yield "brightness", _percent(said.brightness)
    mireds = _number(said.color_temperature)
    if mireds and (not int(said.color_mode) or int(said.color_mode) & (WARMTH | COLD_WARM)):
        yield "color_temp", round(1e6 / mireds)
    parts = [_number(part) for part in (said.red, said.green, said.blue)]
    if int(said.color_mode) & RGB and None not in parts:
        yield "color", "#" + "".join(f"{min(255, max(0, round((part or 0) * 255))):02x}" for part in parts)
    yield "effect", clean(said.effect) or None


def _number(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return round(value, 3) if fits and isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    found = _number(value)
    return None if found is None else round(found)


def _percent(value: object) -> int | None:
    found = _number(value)
    return None if found is None or not 0 <= found <= 1 else round(found * 100)


# Commands


def command(device: Device, wanted: State, info: Any) -> tuple[str, dict[str, Any]]:
    """The one command that makes the traits so: the client's method and what it is told; raises `Refused`."""
    for trait in wanted:
        if trait not in device.traits or not device.traits[trait].settable:
            raise Refused(f"{device.name} has no {trait.replace('_', ' ')} to set.")
    if device.kind == "lock":
        return "lock_command", {"command": 1 if wanted["locked"] is True else 0}
    if device.kind in ("cover", "valve"):
        rows = {trait: _amount(wanted[trait], 0, 100) / 100 for trait in ("position", "tilt") if trait in wanted}
        if not info.supports_position and rows.get("position", 0) not in (0, 1):
            raise Refused(f"{device.name} can only open or close.")
        return f"{device.kind}_command", rows
    if device.kind == "climate":
        return "climate_command", dict(_warmth(wanted))
    if device.kind == "fan":
        return "fan_command", dict(_blowing(device, wanted))
    if device.kind == "light":
        return "light_command", dict(_light(wanted, info))
    return ("siren" if device.kind == "siren" else "switch") + "_command", {"state": wanted["on"] is True}


def _warmth(wanted: State) -> Iterator[tuple[str, Any]]:
    names = {"target": "target_temperature", "target_low": "target_temperature_low", "target_high": "target_temperature_high"}
    yield from ((names[trait], _amount(value, -50, 150)) for trait, value in wanted.items() if trait in names)
    for trait, words in (("mode", MODES), ("fan_mode", FANS)):
        if trait in wanted:
            if wanted[trait] not in words:
                raise Refused(f"{clean(wanted[trait])} is no {trait.replace('_', ' ')} of it.")
            yield trait, words.index(str(wanted[trait]))


def _blowing(device: Device, wanted: State) -> Iterator[tuple[str, Any]]:
    if "on" in wanted:
        yield "state", wanted["on"] is True
    if "speed" in wanted and wanted.get("on") is not False:
        yield "speed_level", max(1, round(_amount(wanted["speed"], 0, 100) / device.traits["speed"].step))
    if "oscillating" in wanted:
        yield "oscillating", wanted["oscillating"] is True
    if "direction" in wanted:
        yield "direction", 1 if wanted["direction"] == "reverse" else 0


def _light(wanted: State, info: Any) -> Iterator[tuple[str, Any]]:
    if "on" in wanted:
        yield "state", wanted["on"] is True
    if wanted.get("on") is False:
        return
    if "brightness" in wanted:
        yield "brightness", _amount(wanted["brightness"], 0, 100) / 100
    modes = [int(mode) for mode in info.supported_color_modes]
    if "color" in wanted:
        yield "rgb", _rgb(wanted["color"])
        yield "color_brightness", 1.0
        yield "color_mode", next(mode for mode in modes if mode & RGB)
    elif "color_temp" in wanted:
        yield "color_temperature", 1e6 / _amount(wanted["color_temp"], 1000, 20000)
        yield "color_mode", next((mode for mode in modes if mode & WARMTH), modes[0])
    if "effect" in wanted:
        yield "effect", str(wanted["effect"])


def _amount(value: Value, low: float, high: float) -> float:
    found = _number(value)
    if found is None or not low <= found <= high:
        raise Refused(f"{clean(value)} is not a number from {low:g} to {high:g}.")
    return found


def _rgb(value: Value) -> tuple[float, float, float]:
    try:
        found = bytes.fromhex(value.removeprefix("#")) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != 3:
        raise Refused("That is not a colour like #ff8800.")
    return found[0] / 255, found[1] / 255, found[2] / 255


def names(device: Device) -> Mapping[str, str]:
    """The parts of a device's id: `mac`, and `inside` the node."""
    mac, _, inside = device.id.removeprefix("esphome.").partition("-")
    return {"mac": mac, "inside": inside}
