"""zigbee2mqtt's own list of devices, put into the same settings that Home Assistant's discovery has.

So there is one way in for both. It does not know what the settings become; the property names are zigbee2mqtt's `exposes`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .announcement import Settings, Unfit, table
from .entity import Entity, Order, parsed

MOST_DEVICES = 500
SET, GET = 2, 4  # bits of `access`

Part = tuple[str, dict[str, Any], list[str]]
"""Component, settings, and the properties that can be asked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entity of a device, as if announced; `finish` adds what announcements have no words for."""

    component: str
    name: str
    settings: Settings
    ask: Order | None = None
    finish: Callable[[Entity], Entity] | None = None


def listed(base: str, payload: bytes) -> list[Found]:
    """`BASE/bridge/devices` -> every entity; raises `Unfit`."""
    rows = parsed(payload)
    if not isinstance(rows, list):
        raise Unfit("it is not a list of devices")
    return [found for row in rows[:MOST_DEVICES] if isinstance(row, dict) for found in _device(base, row)]


def hardware(settings: Settings) -> str:
    """The Zigbee address in an announcement that zigbee2mqtt made for Home Assistant; "" in others."""
    device = settings.get("device")
    marks = device.get("identifiers") if isinstance(device, dict) else None
    for mark in marks if isinstance(marks, list) else [marks]:
        if isinstance(mark, str) and mark.startswith("zigbee2mqtt_0x"):
            return mark.removeprefix("zigbee2mqtt_")
    return ""


def _device(base: str, row: Mapping[str, Any]) -> Iterator[Found]:
    hard, friendly = row.get("ieee_address"), row.get("friendly_name")
    definition = row.get("definition")
    if row.get("type") == "Coordinator" or row.get("disabled") is True or not isinstance(definition, dict):
        return
    exposes = definition.get("exposes")
    if not isinstance(hard, str) or not isinstance(friendly, str) or not isinstance(exposes, list):
        return
    topic = f"{base}/{friendly}"
    shared = _shared(base, topic, hard, friendly, row, definition)
    metered = any(isinstance(expose, dict) and expose.get("name") == "power" for expose in exposes[:60])
    for expose in exposes[:60]:
        for component, own, asked in _parts(expose, topic) if isinstance(expose, dict) else ():
            key = own.pop("key", component)
            if component == "switch" and metered:
                own["device_class"] = "outlet"
            settings = {**shared, **own, "unique_id": f"{hard}_{key}_{base}"}
            ask = Order(f"{topic}/get", json.dumps(dict.fromkeys(asked, ""))) if asked else None
            yield Found(component, f"{hard}_{key}", settings, ask)


def _shared(base: str, topic: str, hard: str, friendly: str, row: Settings, definition: Settings) -> dict[str, Any]:
    """Name and room: `Room/Name` is how people order their devices there; underscores stand for blanks."""
    room, _, name = friendly.rpartition("/")
    room, name = (word if " " in word else word.replace("_", " ") for word in (room, name))
    return {
        "device": {
            "identifiers": [f"zigbee2mqtt_{hard}"],
            "name": name,
            "suggested_area": room.rpartition("/")[2],
            "model": definition.get("model"),
        },
        "state_topic": topic,
        "availability": [{"topic": f"{base}/bridge/state"}, {"topic": f"{topic}/availability"}],
        "availability_mode": "all",
    }


def _parts(expose: Mapping[str, Any], topic: str) -> Iterator[Part]:
    kind = expose.get("type")
    features = {str(row.get("name")): row for row in _rows(expose, "features")}
    suffix = f"_{expose['endpoint']}" if isinstance(expose.get("endpoint"), str) else ""
    if kind in _SPECIFIC and features:
        part = _SPECIFIC[kind](features, f"{topic}/set", suffix)
    elif kind in ("binary", "numeric"):
        part = _single(expose, topic)
    else:
        part = None
    if part:
        component, own, asked = part
        yield component, {"key": component + suffix, "name": _spoken(suffix), **own}, asked


def _rows(expose: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = expose.get(key)
    return [row for row in found[:40] if isinstance(row, dict)] if isinstance(found, list) else []


def _spoken(name: str) -> str | None:
    return name.replace("_", " ").strip().capitalize() or None


def _bits(row: Mapping[str, Any] | None) -> int:
    access = row.get("access") if row else 0
    return access if isinstance(access, int) else 0


def _property(row: Mapping[str, Any]) -> str:
    return str(row.get("property") or row.get("name") or "").replace("'", "")[:60]


def _asked(*rows: Mapping[str, Any] | None) -> list[str]:
    return [_property(row) for row in rows if row and _bits(row) & GET]


def _pick(row: Mapping[str, Any]) -> str:
    return "{{ value_json['" + _property(row) + "'] }}"


def _shape(row: Mapping[str, Any], quoted: bool = False) -> str:
    return json.dumps({_property(row): "@"}).replace('"@"', "{{ value | tojson }}" if quoted else "{{ value }}")


Features = Mapping[str, Mapping[str, Any]]


def _light(features: Features, topic: str, suffix: str) -> Part | None:
    state, bright, warm = features.get("state"), features.get("brightness"), features.get("color_temp")
    if not state:
        return None
    modes = [name.removeprefix("color_") for name in ("color_xy", "color_hs") if name in features][:1]
    own: dict[str, Any] = {
        "schema": "json",
        "command_topic": topic,
        "field_suffix": suffix,
        "brightness": bool(bright),
        "brightness_scale": (bright or {}).get("value_max") or 254,
        "supported_color_modes": modes + (["color_temp"] if warm else []),
        **_words(state, "payload_on", "payload_off"),
    }
    if warm:
        own |= {"min_mireds": warm.get("value_min"), "max_mireds": warm.get("value_max")}
    return "light", own, _asked(state, bright)


def _words(row: Mapping[str, Any], on: str, off: str) -> dict[str, Any]:
    return {on: row.get("value_on", "ON"), off: row.get("value_off", "OFF")}


def _switch(features: Features, topic: str, suffix: str) -> Part | None:
    state = features.get("state")
    if not state:
        return None
    own = {"value_template": _pick(state), "command_topic": topic, "command_template": _shape(state, True)}
    return "switch", own | _words(state, "payload_on", "payload_off"), _asked(state)


def _lock(features: Features, topic: str, suffix: str) -> Part | None:
    state = features.get("state")
    if not state:
        return None
    own = {"value_template": _pick(state), "command_topic": topic, "command_template": _shape(state, True)}
    said = {"state_locked": state.get("value_on", "LOCK"), "state_unlocked": state.get("value_off", "UNLOCK")}
    return "lock", own | said | {"payload_lock": said["state_locked"], "payload_unlock": said["state_unlocked"]}, _asked(state)


def _cover(features: Features, topic: str, suffix: str) -> Part | None:
    state, position, tilt = (features.get(name) for name in ("state", "position", "tilt"))
    own: dict[str, Any] = {"state_topic": None} if position else {"state_open": "OPEN", "state_closed": "CLOSE"}
    if state:
        own |= {"value_template": _pick(state), "command_topic": topic, "command_template": _shape(state, True)}
    for row, where, told in ((position, "position_topic", "set_position"), (tilt, "tilt_status_topic", "tilt_command")):
        if row:
            name = where.removesuffix("_topic")
            own |= {
                where: topic.removesuffix("/set"),
                f"{name}_template": _pick(row),
                f"{told}_topic": topic,
                f"{told}_template": _shape(row),
            }
    return ("cover", own, _asked(position, tilt)) if state or position else None


def _climate(features: Features, topic: str, suffix: str) -> Part | None:
    goal = features.get("occupied_heating_setpoint") or features.get("current_heating_setpoint")
    rows = {
        "temperature": goal,
        "mode": features.get("system_mode"),
        "preset_mode": features.get("preset"),
        "fan_mode": features.get("fan_mode"),
    }
    own: dict[str, Any] = {"state_topic": None, "modes": _values(rows["mode"]), "preset_modes": _values(rows["preset_mode"])}
    for name, row in rows.items():
        if row:
            own |= {f"{name}_state_topic": topic.removesuffix("/set"), f"{name}_value_template": _pick(row)}
            own |= {f"{name}_command_topic": topic, f"{name}_command_template": _shape(row, name != "temperature")}
    if now := features.get("local_temperature"):
        own |= {"current_temperature_topic": topic.removesuffix("/set"), "current_temperature_template": _pick(now)}
    if goal:
        own |= {"min_temp": goal.get("value_min"), "max_temp": goal.get("value_max"), "temp_step": goal.get("value_step")}
    return "climate", own, _asked(goal, rows["mode"])


def _values(row: Mapping[str, Any] | None) -> list[Any]:
    found = (row or {}).get("values")
    return found if isinstance(found, list) else []


def _fan(features: Features, topic: str, suffix: str) -> Part | None:
    part = _switch({**features, "state": features.get("state") or features.get("fan_state") or {}}, topic, suffix)
    return ("fan", part[1], part[2]) if part else None


def _single(row: Mapping[str, Any], topic: str) -> Part | None:
    """A value that stands alone: what can be set is a setting of the device, and left out."""
    rows = table()["zigbee"]
    name, key = str(row.get("name")), _property(row)
    if not key or name in rows["hidden"] or _bits(row) & SET:
        return None
    own: dict[str, Any] = {"key": key, "name": _spoken(key), "value_template": _pick(row)}
    own["entity_category"] = "diagnostic" if name in rows["parts"] else None
    if row.get("type") == "numeric":
        own["device_class"] = rows["class_of"].get(name, name if name in rows["known_classes"] else None)
        return "sensor", own | {"unit_of_measurement": row.get("unit"), "state_class": "measurement"}, _asked(row)
    own["device_class"] = rows["binary"].get(name)
    return "binary_sensor", own | _words(row, "payload_on", "payload_off"), _asked(row)


_SPECIFIC = {"light": _light, "switch": _switch, "lock": _lock, "cover": _cover, "climate": _climate, "fan": _fan}
