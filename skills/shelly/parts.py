"""What is inside a Shelly, as the house knows it: components become devices, statuses become traits, traits become calls.

Source: shelly-api-docs.shelly.cloud/gen2 (Switch, Cover, Light, RGB, RGBW, CCT, PM1, Input). It does not know connections.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dobby import Device, EffectClass, Refused, State, Value, specs, verbs

MAC = re.compile("[0-9a-f]{12}")
COMPONENT = re.compile(r"(switch|cover|light|rgbw|rgb|cct|pm1|input|temperature|humidity):(\d{1,3})")
NAMES = {"rgb": "RGB", "rgbw": "RGBW", "cct": "CCT", "light": "Light", "switch": "Switch"}
LAMPS: Mapping[str, tuple[str, ...]] = {
    "light": ("on", "brightness"),
    "cct": ("on", "brightness", "color_temp"),
    "rgb": ("on", "brightness", "color"),
    "rgbw": ("on", "brightness", "color"),
}
METERS = {"power": ("apower", "W", 1.0), "energy": ("aenergy", "kWh", 0.001)}  # the key of a status, unit, factor
CLIMATE = {"temperature": ("tC", "°C"), "humidity": ("rh", "%")}
PULSE = 10.0  # seconds: a relay that falls back so soon gives pulses, and a pulse is never repeated
WARM, COLD = 2700, 6500  # kelvin

Rows = Mapping[str, Any]


def is_old(shelly: Rows) -> bool:
    """Is it of the first generation? Those have a type, and no number of their generation."""
    return isinstance(shelly.get("type"), str) and "gen" not in shelly


def clean(said: object, longest: int = 60) -> str:
    """Words from outside, on one line: no control signs, no direction marks."""
    kept = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in str(said or "")[: 4 * longest])
    return " ".join(kept.split())[:longest].strip()


def devices(shelly: Rows, config: Rows, status: Rows, address: str) -> list[Device]:
    """Everything inside: what it switches first, then meters and inputs as parts of it."""
    mac = str(shelly.get("mac", "")).lower()
    heads: list[Device] = []
    parts: list[Device] = []
    called = clean(table(table(config, "sys"), "device").get("name")) or clean(shelly.get("id")) or f"Shelly {mac[-4:]}"
    found = [match for key in status if isinstance(key, str) and (match := COMPONENT.fullmatch(key))]
    many = sum(match[1] in (*LAMPS, "switch", "cover", "pm1") for match in found) > 1
    for match in found:
        own = table(config, match[0])
        kind = _kind(match, shelly, config)
        name = clean(own.get("name")) or (f"{called} {int(match[2]) + 1}" if many or kind == "sensor" else called)
        made = Device(
            id=f"shelly.{mac}-{match[1]}{match[2]}",
            driver="shelly",
            kind=kind,
            name=name,
            identity=f"mac:{mac}",
            address=address,
            device_class="shutter" if kind == "cover" else match[1] if match[1] in CLIMATE else "",
            traits=_traits(match[1], kind, own, table(status, match[0])),
            verbs=verbs(kind),
        )
        (parts if match[1] in ("input", *CLIMATE) else heads).append(made)
        parts += _meters(made, table(status, match[0]))
    return [*(head for head in heads if head.traits), *_attached(heads, parts)]


def _attached(heads: list[Device], parts: list[Device]) -> Iterator[Device]:
    """A sensor belongs to what has its number, else to the first."""
    known = {head.id for head in heads if head.traits}
    for part in (part for part in parts if part.traits):
        number = part.id.rpartition("-")[2].lstrip("abcdefghijklmnopqrstuvwxyz")
        same = next((head.id for head in heads if head.id in known and head.id.endswith(number)), "")
        owner = part.part_of or same or next(iter(known), "")
        yield replace(part, part_of=owner if owner in known else "", name=part.name)


def table(rows: Rows, key: str) -> Rows:
    """What stands under a key, if it is a table."""
    found = rows.get(key)
    return found if isinstance(found, Mapping) else {}


def _kind(match: re.Match[str], shelly: Rows, config: Rows) -> str:
    if match[1] in LAMPS:
        return "light"
    if match[1] == "cover":
        return "cover"
    if match[1] != "switch":
        return "sensor"
    types = table(table(config, "sys"), "ui_data").get("consumption_types")
    number = int(match[2])
    if isinstance(types, list) and number < len(types) and types[number] in ("light", "lights"):
        return "light"
    return "outlet" if "plug" in str(shelly.get("app", "")).casefold() else "switch"


def _traits(component: str, kind: str, own: Rows, status: Rows) -> dict[str, Any]:
    if component in LAMPS:
        ends = own.get("ct_range")
        low, high = ends if isinstance(ends, list) and len(ends) == 2 and all(map(_number, ends)) else (WARM, COLD)
        return specs("light", LAMPS[component], color_temp={"low": low, "high": high})
    if component == "cover":
        return specs("cover", ["position", "moving"], position={} if status.get("pos_control") is True else {"step": 100 - 1})
    if component == "switch":
        delay = _number(own.get("auto_off_delay"))
        pulse = own.get("auto_off") is True and delay is not None and delay <= PULSE
        return specs(kind, ["on"], on={"effect": EffectClass.BLIND} if pulse else {})
    if component == "input":
        return specs("sensor", ["on"]) if own.get("type") == "switch" and isinstance(status.get("state"), bool) else {}
    if component in CLIMATE:
        return specs("sensor", ["value"], value={"type": "number", "unit": CLIMATE[component][1]})
    return {}


def _meters(owner: Device, status: Rows) -> Iterator[Device]:
    for what, (key, unit, _) in METERS.items():
        if key in status:
            yield replace(
                owner,
                id=f"{owner.id}-{what}",
                kind="sensor",
                device_class=what,
                name=f"{owner.name} {what}",
                part_of=owner.id if owner.traits else "",
                traits=specs("sensor", ["value"], value={"type": "number", "unit": unit}),
                verbs={},
            )


def place(device: Device) -> tuple[str, str, int, str]:
    """A device -> key in the status, component, number, and which meter of it."""
    _, _, rest = device.id.partition("-")
    inside, _, meter = rest.partition("-")
    component = inside.rstrip("0123456789") if inside[:3] != "pm1" else "pm1"
    number = inside[len(component) :]
    return f"{component}:{number}", component, int(number) if number.isdecimal() else 0, meter


def state(device: Device, status: Rows) -> dict[str, Value] | None:
    """The traits in a whole status; None where the device is no longer inside."""
    key, component, _, meter = place(device)
    row = status.get(key)
    if not isinstance(row, Mapping):
        return None
    known = dict(_said(component, row) if not meter else _measured(meter, row))
    return {trait: value for trait, value in known.items() if trait in device.traits and value is not None}


def _measured(meter: str, row: Rows) -> Iterator[tuple[str, Value]]:
    key, _, factor = METERS[meter]
    amount = _number(table(row, key).get("total") if meter == "energy" else row.get(key))
    yield "value", None if amount is None else round(amount * factor, 3)


def _said(component: str, row: Rows) -> Iterator[tuple[str, Value]]:
    if component == "cover":
        yield from _cover(row)
    elif component in CLIMATE:
        yield "value", _number(row.get(CLIMATE[component][0]))
    else:
        on = row.get("state" if component == "input" else "output")
        yield "on", on if isinstance(on, bool) else None
        yield "brightness", _whole(row.get("brightness"))
        yield "color_temp", _whole(row.get("ct"))
        rgb = row.get("rgb")
        if isinstance(rgb, list) and len(rgb) == 3 and all(_number(part) is not None for part in rgb):
            yield "color", "#" + "".join(f"{min(255, max(0, int(part))):02x}" for part in rgb)


def _cover(row: Rows) -> Iterator[tuple[str, Value]]:
    ends = {"open": 100, "closed": 0}
    where = _whole(row.get("current_pos")) if row.get("pos_control") is True else None
    yield "position", where if where is not None else ends.get(str(row.get("state")))
    yield "moving", row.get("state") in ("opening", "closing")


def _number(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits and isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    found = _number(value)
    return None if found is None else round(found)


def call(device: Device, wanted: State, status: Rows) -> tuple[str, dict[str, Any]]:
    """The one call that makes the traits so; raises `Refused`."""
    key, component, number, _ = place(device)
    for trait in wanted:
        if trait not in device.traits or not device.traits[trait].settable:
            raise Refused(f"{device.name} has no {trait.replace('_', ' ')} to set.")
    if component == "cover":
        return _moved(device, wanted, number, table(status, key))
    told: dict[str, Any] = {"id": number}
    if "on" in wanted:
        told["on"] = wanted["on"] is True
    if wanted.get("on") is not False:
        if "brightness" in wanted:
            told["brightness"] = round(_amount(wanted["brightness"], 0, 100))
        if "color_temp" in wanted:
            told["ct"] = round(_amount(wanted["color_temp"], WARM - 1700, COLD + 3500))
        if "color" in wanted:
            told["rgb"] = _rgb(wanted["color"])
    return f"{NAMES[component]}.Set", told


def _moved(device: Device, wanted: State, number: int, row: Rows) -> tuple[str, dict[str, Any]]:
    where = _amount(wanted.get("position"), 0, 100)
    if where in (0, 100):
        return ("Cover.Open" if where else "Cover.Close"), {"id": number}
    if row.get("pos_control") is not True:
        raise Refused(f"{device.name} is not calibrated: it can only open or close. Calibrate it in the Shelly app first.")
    return "Cover.GoToPosition", {"id": number, "pos": round(where)}


def _amount(value: Value, low: float, high: float) -> float:
    found = _number(value)
    if found is None or not low <= found <= high:
        raise Refused(f"{clean(value)} is not a number from {low:g} to {high:g}.")
    return found


def _rgb(value: Value) -> list[int]:
    try:
        found = bytes.fromhex(value.removeprefix("#")) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != 3:
        raise Refused("That is not a colour like #ff8800.")
    return list(found)
