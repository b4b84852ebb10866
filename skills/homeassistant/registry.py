"""Home Assistant's registries and states as this house's devices and rooms.

It does not know a connection. Left out is what is disabled, hidden, diagnostic or configuration, what is not exposed to Assist,
what this house has no kind for, and groups whose members are all here. The forms are those of Home Assistant's
`components/config/*_registry.py`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dobby import Device, Room

from .entity import Entity, make
from .values import clean, table

MAC = re.compile(r"(?:[0-9a-f]{2}[:-]?){5}[0-9a-f]{2}(?:(?:[:-]?[0-9a-f]{2}){2})?")  # 6 bytes, or Zigbee's 8
UUID = re.compile(r"(?:uuid:)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})")
CONNECTIONS = {"mac": "mac", "zigbee": "mac", "bluetooth": "mac", "upnp": "uuid"}
NO_GROUPS = ("scene", "script")  # they name other entities too
Row = Mapping[str, Any]


def rows(given: Any) -> list[Row]:
    """The mappings of a list; whatever else came is left out."""
    return [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []


def row(given: Any) -> dict[str, Any]:
    """A mapping; empty for whatever else came."""
    return given if isinstance(given, dict) else {}


@dataclass(frozen=True, slots=True)
class Registries:
    """What an instance answered, command by command; each may be empty."""

    config: Row
    states: Mapping[str, Row]
    entities: Mapping[str, Row]
    devices: Mapping[str, Row]
    areas: Mapping[str, Row]
    floors: Mapping[str, Row]
    exposed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fahrenheit(self) -> bool:
        """Does this instance count in °F?"""
        return row(self.config.get("unit_system")).get("temperature") == "°F"

    def rooms(self) -> list[Room]:
        """Its areas with the names of their floors."""
        named = ((clean(area.get("name")), area) for area in self.areas.values())
        return [Room(name, self._floor(area), _names(area.get("aliases"))) for name, area in named if name]

    def _floor(self, area: Row) -> str:
        return clean(self.floors.get(str(area.get("floor_id")), {}).get("name"))

    def devices_at(self, at: str) -> dict[str, Entity]:
        """What this house takes in, by our id."""
        names = [name for name in self.states if self._wanted(name)]
        here = set(names)
        found = [self._entity(name, at) for name in names if not self._group_of(name, here)]
        return {entity.device.id: entity for entity in _together(found)}

    def _wanted(self, name: str) -> bool:
        about = self.entities.get(name, {})
        device = self.devices.get(str(about.get("device_id")), {})
        return (
            name.partition(".")[0] in table().keys() - {"settings"}
            and not any(about.get(key) for key in ("disabled_by", "hidden_by"))
            and about.get("entity_category") not in table()["settings"]["secondary"]
            and not device.get("disabled_by")
            and self._is_exposed(name, about)
        )

    def _is_exposed(self, name: str, about: Row) -> bool:
        """What an owner decided for Assist, else what Home Assistant itself would."""
        said = row(self.exposed.get(name)).get("conversation")
        if said is None:
            said = row(row(about.get("options")).get("conversation")).get("should_expose")
        if isinstance(said, bool):
            return said
        settings, domain = table()["settings"], name.partition(".")[0]
        kind = self._attributes(name).get("device_class")
        return domain in settings["exposed"] or kind in settings["exposed_classes"].get(domain, ())

    def _attributes(self, name: str) -> dict[str, Any]:
        return row(self.states[name].get("attributes"))

    def _group_of(self, name: str, here: set[str]) -> bool:
        members = self._attributes(name).get("entity_id")
        known = isinstance(members, list) and bool(members) and all(isinstance(one, str) and one in here for one in members)
        return known and name.partition(".")[0] not in NO_GROUPS

    def _entity(self, name: str, at: str) -> "_Found":
        about, attributes = self.entities.get(name, {}), self._attributes(name)
        thing = self.devices.get(str(about.get("device_id")), {})
        domain = table()[name.partition(".")[0]]
        kind = clean(attributes.get("device_class"))
        area = self.areas.get(str(about.get("area_id") or thing.get("area_id")), {})
        device = Device(
            id=f"homeassistant.{clean(about.get('id')) or name}",
            driver="homeassistant",
            kind=domain.get("classes", {}).get(kind, domain["kind"]),
            name=clean(attributes.get("friendly_name")) or clean(about.get("name")) or name.partition(".")[2].replace("_", " "),
            identity=" ".join(sorted(set(_identity(thing)))),
            address=at,
            device_class=kind,
            room=clean(area.get("name")),
            aliases=_names(about.get("aliases")),
        )
        known = {**attributes, "state": self.states[name].get("state")}
        return _Found(make(device, name, known, self.fahrenheit), clean(about.get("device_id")))


@dataclass(frozen=True, slots=True)
class _Found:
    entity: Entity
    thing: str  # the device it belongs to there; "" for none


def _together(found: Iterable[_Found]) -> Iterator[Entity]:
    """What belongs to one thing: its main entity, the sensors beside it as its parts.

    An identity is said only where it names one thing: of two sockets in one plug neither is "the" plug.
    """
    listed, settings = list(found), table()["settings"]
    by_thing: dict[str, list[Entity]] = {}
    for one in listed:
        by_thing.setdefault(one.thing or one.entity.entity, []).append(one.entity)
    for entities in by_thing.values():
        mains = [one.device for one in entities if one.device.kind in settings["order"]]
        main = min(mains, key=lambda device: settings["order"].index(device.kind), default=None)
        kinds = Counter(one.device.kind for one in entities)
        for each in entities:
            part = main.id if main and each.device.kind in settings["parts"] else ""
            known = "" if part or kinds[each.device.kind] > 1 else each.device.identity
            yield replace(each, device=replace(each.device, identity=known, part_of=part))


def _names(given: Any) -> tuple[str, ...]:
    return tuple(sorted({name for one in given if (name := clean(one))})) if isinstance(given, list) else ()


def _identity(thing: Row) -> Iterator[str]:
    """What the thing is known by over any protocol; a service or a group is none."""
    if thing.get("entry_type"):
        return
    serial = clean(thing.get("serial_number")).lower().replace(" ", "")
    if len(set(serial)) > 3:  # not 0000 or 1
        yield f"serial:{serial}"
    for key, said in _pairs(thing.get("connections")):
        if key in CONNECTIONS:
            yield from _token(said, CONNECTIONS[key])
    for key, said in _pairs(thing.get("identifiers")):
        yield from _token(said, key)


def _pairs(given: Any) -> Iterator[tuple[str, str]]:
    for pair in given if isinstance(given, list) else ():
        if isinstance(pair, list) and len(pair) >= 2 and clean(pair[0]) and clean(pair[1]):
            yield clean(pair[0]).lower(), clean(pair[1]).lower()


def _token(said: str, key: str) -> Iterator[str]:
    if MAC.fullmatch(said):
        yield "mac:" + re.sub("[:-]", "", said)
    elif named := UUID.fullmatch(said):
        yield f"uuid:{named[1]}"
    elif " " not in said and key not in ("mac", "uuid"):
        yield f"{key.replace(' ', '')}:{said}"
