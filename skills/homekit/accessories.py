"""What a HomeKit accessory or bridge says it consists of becomes the devices of this house.

It reads one document, `/accessories`, and trusts nothing in it; it does not know how to get it. What means what is
`services.toml`.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from dobby import Device, Refused, State, Value, verbs

from .values import Characteristic, Key, Raws, Row, clean, number

MOST = 200  # accessories of a bridge, services of an accessory, characteristics of a service (HAP allows 150, 100, 100)
BASE = "-0000-1000-8000-0026BB765291"  # what Apple's own types end with
INFORMATION = "3E"
MAC = re.compile(r"(?:[0-9a-f]{2}[:-]?){5}[0-9a-f]{2}")
PLACEHOLDER = re.compile(r"default.*|unknown|none|n/?a|0*|1234.*|sn|serial.*")


@cache
def table() -> Mapping[str, Any]:
    """`services.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("services.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Part:
    """A device and the characteristics behind it. `deeds`: what to write for a verb; None: only what it is told anyway."""

    device: Device
    rows: tuple[Row, ...]
    deeds: Mapping[str, Characteristic | None]

    @property
    def looked_at(self) -> dict[Key, Characteristic]:
        """Everything that has to be read."""
        return {one.key: one for row in self.rows for one in row.of if "pr" in one.perms}

    @property
    def timed(self) -> frozenset[Key]:
        """What takes only writes that were announced before (HAP 6.7.2.4: timed writes)."""
        return frozenset(one.key for row in self.rows for one in row.told if "tw" in one.perms)

    def state(self, raws: Raws) -> dict[str, Value]:
        """The traits, as far as they are known."""
        read = {row.trait: row.read(raws) for row in self.rows}
        return {trait: value for trait, value in read.items() if value is not None}

    def orders(self, wanted: State, raws: Raws) -> dict[Key, bool | int | float]:
        """What to write so that the traits become so.

        :raises Refused: it has no such trait, or cannot be made so.
        """
        traits = self.device.traits
        if strange := [trait for trait in wanted if trait not in traits or not traits[trait].settable]:
            raise Refused(f"{self.device.name} has no {strange[0].replace('_', ' ')} to set.")
        off = wanted.get("on") is False
        said: dict[Key, bool | int | float] = {}
        for row in self.rows:
            if row.trait in wanted and (not off or row.trait == "on"):
                self._within(row.trait, wanted[row.trait])
                said |= row.say(wanted[row.trait], {**raws, **said})
        return said

    def _within(self, trait: str, value: Value) -> None:
        spec, exact = self.device.traits[trait], number(value)
        low, high = spec.low, spec.high
        if exact is None or low is None or high is None or low - spec.step <= exact <= high + spec.step:
            return
        unit = f" {spec.unit}" if spec.unit else ""
        raise Refused(f"The {trait.replace('_', ' ')} of {self.device.name} goes from {low:g} to {high:g}{unit}.")


def parts(document: object, hub: str) -> list[Part]:
    """Every device in an `/accessories` document, heads before their parts. `hub` begins their ids."""
    found: list[Part] = []
    accessories = [Accessory(row, hub) for row in _rows(document, "accessories")]
    serials = Counter(one.serial for one in accessories)
    for one in accessories:
        found += one.parts(unique=serials[one.serial] == 1)
    return found


def _rows(document: object, name: str) -> list[dict[str, Any]]:
    rows = document.get(name) if isinstance(document, dict) else None
    return [row for row in rows[:MOST] if isinstance(row, dict)] if isinstance(rows, list) else []


def _whole(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _type(row: Mapping[str, Any]) -> str:
    return clean(row.get("type")).upper().removesuffix(BASE).lstrip("0")


class Accessory:
    """One accessory of the document while it is read."""

    def __init__(self, row: Mapping[str, Any], hub: str) -> None:
        self.aid = _whole(row, "aid")
        self._hub = hub
        self._services = [Service(one, self.aid) for one in _rows(row, "services") if not one.get("hidden")]
        self._information = next((one for one in self._services if one.type == INFORMATION), Service({}, self.aid))
        self.name = self._information.text("Name") or "HomeKit accessory"
        self.serial = self._information.text("SerialNumber")

    def parts(self, *, unique: bool) -> list[Part]:
        """Its devices; the identity is only told where this accessory is the only one with its serial number."""
        if not self.aid:
            return []
        found = [*self._mains(), *self._extras()]
        found.sort(key=lambda part: table()["order"].index(part.device.kind))
        head = next((part.device for part in found if not part.device.part_of), None)
        if head is None:
            return [self._headless(part) for part in found]
        named = self._named(found, head)
        return [self._identified(part, head) for part in named] if unique else named

    def _headless(self, part: Part) -> Part:
        return replace(part, device=replace(part.device, part_of="", name=f"{self.name} {part.device.name}"))

    def _id(self, iid: int) -> str:
        return f"{self._hub}.{self.aid}.{iid}"

    def _mains(self) -> Iterator[Part]:
        for service in self._services:
            row = table()["service"].get(service.type)
            rows = list(service.rows(row["traits"])) if row and service.iid else []
            if row is None or not rows:
                continue
            deeds = {verb: self._deed(service, name) for verb, name in row.get("verbs", {}).items()}
            deeds = {verb: one for verb, one in deeds.items() if one or verb == "stop"}  # a blind is held where it is
            device = Device(
                id=self._id(service.iid),
                driver="homekit",
                kind=row["kind"],
                name=row.get("label", "") or service.text("ConfiguredName") or service.text("Name"),
                device_class=self._class(service, row.get("device_class", "")),
                part_of="?" if row.get("part") else "",
                traits={one.trait: one.spec(row["kind"]) for one in rows},
                verbs=verbs(row["kind"], deeds),
            )
            yield Part(device, tuple(rows), deeds)

    def _deed(self, service: "Service", name: str) -> Characteristic | None:
        return service.one(name) or (self._information.one(name) if name == "Identify" else None)

    def _class(self, service: "Service", usual: str) -> str:
        if usual != "blind":
            return usual
        words = f"{self.name} {service.text('Name')}".casefold().split()
        return next((name for name, known in table()["covering"].items() if set(words) & set(known)), usual)

    def _extras(self) -> Iterator[Part]:
        types = {service.type for service in self._services}
        for service in self._services:
            for one in service.characteristics.values():
                row = table()["extra"].get(one.type)
                if row is None or row.get("unless") in types or "pr" not in one.perms:
                    continue
                flag = row.get("as") == "flag"
                rows = (Row("on" if flag else "value", row.get("as", "number"), (one,), (), unit=row.get("unit", "")),)
                device = Device(
                    id=self._id(one.key[1]),
                    driver="homekit",
                    kind="sensor",
                    name=row["label"],
                    device_class=row["device_class"],
                    part_of=self._id(service.iid) if service.type in table()["service"] else "?",
                    traits={each.trait: each.spec("sensor") for each in rows},
                )
                yield Part(device, rows, {})

    def _named(self, found: Sequence[Part], head: Device) -> list[Part]:
        """A device by its accessory's name, where it is the only one; else with what it is, or by its own name."""
        alone = [part.device for part in found if part.device.kind != "sensor"]
        sensors = [part.device for part in found if part.device.kind == "sensor" and not part.device.part_of]
        taken: Counter[str] = Counter()
        named = []
        for part in found:
            device, label = part.device, part.device.name
            if device.kind == "sensor":
                beside = bool(device.part_of) or head.kind != "sensor"
                name = f"{self.name} {label}" if beside or len(sensors) > 1 else self.name
                of = (device.part_of if device.part_of not in ("", "?") else head.id) if beside else ""
            else:
                name, of = self._beside(label) if len(alone) > 1 else self.name, ""
            taken[name] += 1
            name = f"{name} {taken[name]}" if taken[name] > 1 else name
            named.append(replace(part, device=replace(device, name=name, part_of=of)))
        return named

    def _beside(self, label: str) -> str:
        """What one of several is called: its own name says little without its accessory's."""
        return label if label.casefold().startswith(self.name.casefold()) else f"{self.name} {label}".strip()

    def _identified(self, part: Part, head: Device) -> Part:
        """The accessory's serial number is its head's; what else stands in it goes by a place of its own."""
        serial = self.serial.casefold().replace(" ", "")
        if len(serial) < 4 or PLACEHOLDER.fullmatch(serial):
            return part
        tokens = f"serial:{serial}"
        if part.device.id != head.id:
            tokens += f".{part.device.id.rpartition('.')[2]}"
        elif MAC.fullmatch(serial):
            tokens += f" mac:{re.sub('[:-]', '', serial)}"
        return replace(part, device=replace(part.device, identity=tokens))


class Service:
    """One service of an accessory while it is read."""

    def __init__(self, row: Mapping[str, Any], aid: int) -> None:
        self.iid = _whole(row, "iid")
        self.type = _type(row)
        listed = _rows(row, "characteristics")
        self._texts = {_type(one): clean(one.get("value")) for one in listed}
        self.characteristics = {_type(one): _characteristic(one, aid) for one in listed if _whole(one, "iid")}

    def one(self, name: str) -> Characteristic | None:
        """A characteristic by its name in the table."""
        return self.characteristics.get(table()["names"][name])

    def text(self, name: str) -> str:
        """What one says, as clean text."""
        return self._texts.get(table()["names"][name], "")

    def rows(self, traits: Mapping[str, Any]) -> Iterator[Row]:
        """The traits that its characteristics make."""
        for trait, said in traits.items():
            options = said if isinstance(said, list) else [said]
            if row := next((row for option in options if (row := self._row(trait, option))), None):
                yield row

    def _row(self, trait: str, option: Mapping[str, Any]) -> Row | None:
        of = [self.one(name) for name in option["of"]]
        told = [one for name in option.get("told", option["of"]) if (one := self.one(name)) and "pw" in one.perms]
        if not all(one and "pr" in one.perms for one in of):
            return None
        complete = len(told) == len(option.get("told", option["of"]))
        return Row(
            trait,
            option.get("as", "number"),
            tuple(one for one in of if one),
            tuple(told) if complete else (),
            _numbered(option.get("words", ())),
            _numbered(option.get("tell", ())),
            option.get("unit", ""),
        )


def _numbered(words: Sequence[Mapping[str, Value]]) -> tuple[Mapping[int, Value], ...]:
    return tuple({int(raw): word for raw, word in each.items()} for each in words)


def _characteristic(row: Mapping[str, Any], aid: int) -> Characteristic:
    perms, valid = row.get("perms"), row.get("valid-values")
    return Characteristic(
        key=(aid, _whole(row, "iid")),
        type=_type(row),
        perms=frozenset(one for one in perms[:MOST] if isinstance(one, str)) if isinstance(perms, list) else frozenset(),
        format=clean(row.get("format")),
        low=number(row.get("minValue")),
        high=number(row.get("maxValue")),
        step=max(0.0, number(row.get("minStep")) or 0.0),
        valid=tuple(one for one in valid[:MOST] if isinstance(one, int)) if isinstance(valid, list) else (),
    )
