"""Tasmota's own discovery, put into the same settings that Home Assistant's discovery has, so that there is one way in for all.

Two retained messages a device, `tasmota/discovery/MAC/config` and `/sensors`; states on `stat/…/RESULT` after every command and
on `tele/…/STATE` now and then. It does not know connections.
Sources: tasmota.github.io/docs/MQTT and /Commands; the fields of the messages: github.com/emontnemery/hatasmota (const.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from .announcement import Settings, Unfit, topic_of
from .entity import Entity, Order, parsed
from .templates import Nothing, Scope, Template
from .values import clean
from .zigbee import Found

PREFIX = "tasmota/discovery"
RELAY, LIGHT, SHUTTER = 1, 2, 3  # in `rl`
DIMMER, WHITES, COLORS = 1, (2, 5), (3, 4, 5)  # in `lt_st`: what the lamp can do
INVERTED = 1  # a bit of `sho`
SENSORS: Mapping[str, tuple[str, str]] = {  # what is read of a sensor -> Home Assistant's class and unit
    "Temperature": ("temperature", "°C"),
    "Humidity": ("humidity", "%"),
    "Pressure": ("pressure", "hPa"),
    "Illuminance": ("illuminance", "lx"),
    "CarbonDioxide": ("carbon_dioxide", "ppm"),
    "PM2.5": ("pm25", "µg/m³"),
    "Moisture": ("moisture", "%"),
    "Battery": ("battery", "%"),
    "Power": ("power", "W"),
    "Total": ("energy", "kWh"),  # Today and Yesterday say the same again
    "Voltage": ("voltage", "V"),
    "Current": ("current", "A"),
}
MOST = 32  # relays, sensors


@dataclass(frozen=True, slots=True)
class Within:
    """A term that reads `inner` in one part of a message."""

    part: str
    inner: Template

    def __call__(self, scope: Scope) -> Any:
        rows = scope["value_json"]
        if not isinstance(rows, dict) or self.part not in rows:
            raise Nothing
        return self.inner({**scope, "value_json": rows[self.part]})


@dataclass(frozen=True, slots=True)
class HueAndSaturation:
    """A term: `HSBColor` without its brightness, which is told by itself."""

    def __call__(self, scope: Scope) -> Any:
        said = scope["value_json"]["HSBColor"] if "HSBColor" in (scope["value_json"] or ()) else None
        if not isinstance(said, str):
            raise Nothing
        return said.rpartition(",")[0]


@dataclass(frozen=True, slots=True)
class Also:
    """Finishes an entity: what is heard on one topic is also heard on another, there maybe inside a part of the message."""

    heard: str
    other: str
    part: str = ""

    def __call__(self, entity: Entity) -> Entity:
        colored = Template((HueAndSaturation(),))
        own = tuple(replace(row, pick=colored) if row.trait == "color" else row for row in entity.channels)
        more = [row for row in own if row.heard == self.heard and row.pick]
        wrapped = [replace(row, pick=Template((Within(self.part, row.pick),))) for row in more if row.pick] if self.part else more
        return replace(entity, channels=(*(replace(row, heard=self.other, told={}) for row in wrapped), *own))


def announced_by(halves: Mapping[str, bytes]) -> list[Found]:
    """The two messages of one device (`sensors` may be missing) -> its entities; raises `Unfit`."""
    config = parsed(halves.get("config", b""))
    if not isinstance(config, dict) or config.get("ver") != 1:
        raise Unfit("it is no Tasmota configuration")
    device = _Device(config)
    sensors = parsed(halves.get("sensors", b"{}"))
    rows = sensors.get("sn") if isinstance(sensors, dict) else None
    known = rows if isinstance(rows, dict) else {}
    return [*device.shutters(), *device.relays(metered="ENERGY" in known), *device.sensors(known)]


class _Device:
    """One device as its configuration describes it."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.mac = clean(config.get("mac"), 20).lower()
        prefixes = config.get("tp")
        named = prefixes if isinstance(prefixes, list) and len(prefixes) == 3 else ["cmnd", "stat", "tele"]
        self.cmnd, self.stat, self.tele = (self._topic(clean(prefix, 40)) for prefix in named)
        if not self.mac or not self.tele:
            raise Unfit("it has no address or no topic")
        self.name = clean(config.get("dn"), 60) or f"Tasmota {self.mac[-4:]}"
        self.kinds = [row if isinstance(row, int) else 0 for row in _list(config.get("rl"))]

    def _topic(self, prefix: str) -> str:
        full = clean(self.config.get("ft"), 120).replace("%prefix%", prefix).replace("%topic%", clean(self.config.get("t"), 60))
        full = full.replace("%hostname%", clean(self.config.get("hn"), 60)).replace("%id%", self.mac[-6:].upper())
        return topic_of(full.rstrip("/"))

    def _shared(self, key: str, name: str, topic: str) -> dict[str, Any]:
        return {
            "device": {"identifiers": [f"mac:{self.mac}"], "name": name, "model": self.config.get("md")},
            "unique_id": f"tasmota_{self.mac}_{key}",
            "state_topic": topic,
            "availability": [{"topic": f"{self.tele}/LWT"}],
            "payload_available": clean(self.config.get("onln"), 40) or "Online",
            "payload_not_available": clean(self.config.get("ofln"), 40) or "Offline",
        }

    def _result(self, command: str) -> str:
        """Where a command is answered: with SetOption4 on a topic of its own."""
        options = self.config.get("so")
        own = isinstance(options, dict) and options.get("4") == 1
        return f"{self.stat}/{command.upper() if own else 'RESULT'}"

    def _called(self, place: int) -> str:
        names = _list(self.config.get("fn"))
        return clean(names[place] if place < len(names) else "", 60) or (f"{self.name} {place + 1}" if place else self.name)

    def relays(self, *, metered: bool) -> Iterator[Found]:
        """Switches and lamps. `metered`: what one relay switches has a meter, so it is an outlet."""
        several = sum(kind in (RELAY, LIGHT) for kind in self.kinds) > 1
        options = self.config.get("so")
        lamps = isinstance(options, dict) and options.get("30") == 1
        states = _list(self.config.get("state"))
        off, on = (clean(word, 20) for word in states[:2]) if len(states) > 1 else ("OFF", "ON")
        for place, kind in enumerate(self.kinds):
            if kind not in (RELAY, LIGHT):
                continue
            key = f"POWER{place + 1}" if several or place else "POWER"
            result = self._result(key)
            own = self._shared(f"relay{place + 1}", self._called(place), result) | {
                "command_topic": f"{self.cmnd}/POWER{place + 1}",
                "value_template": _pick(key),
                "state_value_template": _pick(key),
                "payload_on": on,
                "payload_off": off,
            }
            light = kind == LIGHT or lamps
            if kind == LIGHT:
                own |= self._lamp(result)
            elif metered and not light:
                own["device_class"] = "outlet"
            also = Also(result, f"{self.tele}/STATE")
            yield Found("light" if light else "switch", f"{self.mac}_{place}", own, Order(f"{self.cmnd}/STATE", ""), also)

    def _lamp(self, result: str) -> dict[str, Any]:
        can = self.config.get("lt_st")
        own: dict[str, Any] = {"brightness_scale": 100}
        rows = [("brightness", "Dimmer", can in (DIMMER, *WHITES, *COLORS)), ("color_temp", "CT", can in WHITES)]
        for name, key, fits in rows:
            if fits:
                own |= {f"{name}_state_topic": result, f"{name}_value_template": _pick(key)}
                own[f"{name}_command_topic"] = f"{self.cmnd}/{key}"
        if can in COLORS:
            own |= {"hs_state_topic": result, "hs_value_template": _pick("HSBColor"), "hs_command_topic": f"{self.cmnd}/Backlog"}
            own["hs_command_template"] = "HSBColor1 {{ hue }}; HSBColor2 {{ sat }}"
        options = self.config.get("so")
        narrow = isinstance(options, dict) and options.get("82") == 1
        return own | {"min_mireds": 200 if narrow else 153, "max_mireds": 380 if narrow else 500}

    def shutters(self) -> Iterator[Found]:
        """Two relays are one shutter."""
        pairs = [place for place, (one, two) in enumerate(pairwise(self.kinds)) if one == two == SHUTTER]
        for number, place in enumerate(pairs[::2], 1):
            ways = _list(self.config.get("sho"))
            turned = number <= len(ways) and isinstance(ways[number - 1], int) and ways[number - 1] & INVERTED
            result = self._result("ShutterPosition")
            own = self._shared(f"shutter{number}", self._called(place if number == 1 else number - 1), "") | {
                "state_topic": None,
                "device_class": "shutter",
                "position_topic": result,
                "position_template": "{{ value_json['Shutter" + str(number) + "']['Position'] }}",
                "set_position_topic": f"{self.cmnd}/ShutterPosition{number}",
                "command_topic": f"{self.cmnd}/ShutterStop{number}",
                "payload_stop": "1",
                "position_open": 0 if turned else 100,
                "position_closed": 100 if turned else 0,
            }
            ask = Order(f"{self.cmnd}/ShutterPosition{number}", "")
            yield Found("cover", f"{self.mac}_shutter{number}", own, ask, Also(result, f"{self.tele}/SENSOR"))

    def sensors(self, rows: Mapping[str, Any]) -> Iterator[Found]:
        """What it measures, by sensor and quantity."""
        fahrenheit = rows.get("TempUnit") == "F"
        groups = [(key, row) for key, row in list(rows.items())[:MOST] if isinstance(key, str) and isinstance(row, dict)]
        for sensor, row in groups:
            for what in row:
                if what not in SENSORS or isinstance(row[what], list | dict):
                    continue
                class_, unit = SENSORS[what]
                topic = f"{self.tele}/SENSOR"
                label = class_.replace("_", " ") if sensor == "ENERGY" or len(groups) == 1 else f"{sensor} {class_}"
                own = self._shared(f"{sensor}_{what}", f"{self.name} {label}", topic) | {
                    "device_class": class_,
                    "unit_of_measurement": "°F" if fahrenheit and class_ == "temperature" else unit,
                    "value_template": "{{ value_json['" + sensor.replace("'", "") + "']['" + what + "'] }}",
                }
                also = Also(topic, f"{self.stat}/STATUS10", "StatusSNS")
                yield Found("sensor", f"{self.mac}_{sensor}_{what}", own, Order(f"{self.cmnd}/STATUS", "10"), also)


def _list(rows: object) -> Sequence[Any]:
    return rows[:MOST] if isinstance(rows, list) else []


def _pick(key: str) -> str:
    return "{{ value_json['" + key + "'] }}"
