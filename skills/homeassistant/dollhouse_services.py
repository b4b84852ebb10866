"""What Home Assistant's services do to an entity of the device side, as the demo integration does it.

It does not know a connection. Service names and fields: home-assistant.io/integrations/DOMAIN.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]


class ServiceError(Exception):
    """A call that was not done, with Home Assistant's code for it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


async def serve(home: Any, domain: str, service: str, entity: str, data: Data) -> None:
    """Do it; returns when it is done, as `blocking` calls do. Raises `ServiceError`."""
    if entity not in home.states or entity.partition(".")[0] != domain:
        return  # Home Assistant only warns of a target that it does not know
    found = SERVICES.get(domain, {}).get(service)
    if found is None:
        raise ServiceError("not_found", f"Service {domain}.{service} not found.")
    for key, value in data.items():
        if key in NUMBERS and not isinstance(value, int | float):
            raise ServiceError("invalid_format", f"expected float for dictionary value @ data['{key}']")
    state, attributes = found(data)
    if domain == "lock":
        home.put(entity, "locking" if state == "locked" else "unlocking")
        await asyncio.sleep(1 / home.pace)
    elif (
        domain == "cover"
        and "current_position" in attributes
        and home.states[entity]["attributes"].get("supported_features", 0) & 4
    ):
        home.later(_move(home, entity, attributes["current_position"]))
        return
    elif domain == "todo":
        _note(home, entity, service, data)
        return
    elif domain == "cover":
        attributes = {}
    home.put(entity, state, **attributes)


async def _move(home: Any, entity: str, to: int) -> None:
    """A cover on its way, a tenth at a time."""
    at = home.states[entity]["attributes"]["current_position"]
    home.put(entity, "opening" if to > at else "closing")
    while at != to:
        await asyncio.sleep(0.1 / home.pace)
        at = min(to, at + 10) if to > at else max(to, at - 10)
        home.put(entity, current_position=at)
    home.put(entity, "open" if at else "closed")


def _note(home: Any, entity: str, service: str, data: Data) -> None:
    items = home.items[entity]
    found = [item for item in items if item["summary"] == data["item"]]
    if service == "add_item":
        items.append({"uid": str(len(items) + 1), "summary": data["item"], "status": "needs_action"})
    elif not found:
        raise ServiceError("service_validation_error", f"Validation error: Unable to find to-do list item: {data['item']}")
    elif service == "remove_item":
        items.remove(found[0])
    else:
        found[0]["status"] = data["status"]
    home.tell("items", {"items": items}, entity)
    home.put(entity, str(sum(item["status"] == "needs_action" for item in items)))


Work = Callable[[Data], tuple[str | None, dict[str, Any]]]
NUMBERS = ("brightness", "color_temp_kelvin", "temperature", "target_temp_low", "target_temp_high", "position", "volume_level")


def _lit(data: Data) -> tuple[str, dict[str, Any]]:
    more = dict(data)
    if "color_temp_kelvin" in data:
        more["color_mode"] = "color_temp"
    elif "rgb_color" in data:
        more["color_mode"] = "hs"
    return "on", {"brightness": 180, **more}


def _becomes(state: str | None, **attributes: Any) -> Work:
    return lambda data: (state, attributes)


def _takes(key: str, attribute: str = "") -> Work:
    return lambda data: (None, {attribute or key: data[key]})


def _keeps(data: Data) -> tuple[None, dict[str, Any]]:
    return None, dict(data)


ON_OFF = {"turn_on": _becomes("on"), "turn_off": _becomes("off")}
SERVICES: Mapping[str, Mapping[str, Work]] = {
    "light": {"turn_on": _lit, "turn_off": _becomes("off", brightness=None, color_mode=None, rgb_color=None)},
    "switch": ON_OFF,
    "input_boolean": ON_OFF,
    "siren": ON_OFF,
    "humidifier": {**ON_OFF, "set_humidity": _keeps},
    "fan": {
        "turn_on": lambda data: ("on", {"percentage": data.get("percentage", 67)}),
        "turn_off": _becomes("off", percentage=0),
        "oscillate": _keeps,
        "set_direction": _keeps,
    },
    "cover": {
        "open_cover": _becomes("open", current_position=100),
        "close_cover": _becomes("closed", current_position=0),
        "set_cover_position": _takes("position", "current_position"),
        "set_cover_tilt_position": lambda data: (None, {"current_tilt_position": data["tilt_position"]}),
        "stop_cover": _becomes("open"),
    },
    "lock": {"lock": _becomes("locked"), "unlock": _becomes("unlocked")},
    "climate": {
        "set_temperature": _keeps,
        "set_hvac_mode": lambda data: (data["hvac_mode"], {}),
        "set_fan_mode": _keeps,
        "set_preset_mode": _keeps,
    },
    "water_heater": {"set_temperature": _keeps, "set_operation_mode": lambda data: (data["operation_mode"], {})},
    "media_player": {
        **{"turn_on": _becomes("playing"), "turn_off": _becomes("off")},
        **{"media_play": _becomes("playing"), "media_pause": _becomes("paused"), "media_stop": _becomes("off")},
        **{"volume_set": _keeps, "volume_mute": _keeps, "select_source": _keeps},
        "media_next_track": _becomes(None, media_title="Next"),
        "play_media": lambda data: ("playing", {"media_title": data["media_content_id"]}),
    },
    "vacuum": {
        **{"start": _becomes("cleaning"), "pause": _becomes("paused"), "stop": _becomes("idle")},
        **{"return_to_base": _becomes("returning"), "set_fan_speed": _keeps},
    },
    "scene": {"turn_on": _becomes("2026-11-27T06:20:00+00:00")},
    "script": {"turn_on": _becomes(None, last_triggered="2026-11-27T06:20:00+00:00")},
    "button": {"press": _becomes("2026-11-27T06:20:00+00:00")},
    "input_button": {"press": _becomes("2026-11-27T06:20:00+00:00")},
    "todo": {"add_item": _keeps, "update_item": _keeps, "remove_item": _keeps},
}
