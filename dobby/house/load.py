"""A house written down by hand: `HOUSE.yaml`, the form that `dobby try` reads.

Values are taken as kindly as can be ('90' is a number), structures strictly. It does not know what the devices do (`virtual`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from dobby.clock import Clock
from dobby.errors import ConfigError
from dobby.events import Change, State, Value
from dobby.house import kinds
from dobby.house.model import Device, Room, Spec
from dobby.house.registry import House

_WORDS_FOR_BOOL = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
_BOOL_BY_TRAIT = {"locked": {"locked": True, "unlocked": False}, "on": {"open": True, "closed": False}}
_PLACES = {"open": 100, "closed": 0}
_TOP = ("rooms", "devices", "here", "now", "units", "language")
_ROOM = ("name", "floor", "aliases")
_DEVICE = (
    *("id", "name", "kind", "room", "part_of", "aliases", "device_class", "unit", "state"),
    *("risk", "protected", "limits"),
)
_BIGGEST = 10_000_000


class PlainYaml(yaml.SafeLoader):
    """YAML without its surprises: `on`, `off`, `yes`, `no` and dates are plain text."""


PlainYaml.yaml_implicit_resolvers = {
    first: [(tag, how) for tag, how in rules if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainYaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A house as written: its devices, where the speaker is, what time it is, and every device's first state."""

    house: House
    states: Mapping[str, State]
    here: str = ""
    now: datetime | None = None
    units: str = "metric"
    language: str = "en"


def load(path: Path, clock: Clock | None = None) -> Loaded:
    """Read a house file; a malformed one is a `ConfigError` with the line and the key."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse(text, path.name, clock)


def parse(text: str, name: str = "house", clock: Clock | None = None) -> Loaded:
    """A house from YAML text; `name` stands in the error messages."""
    top = _Reader(name).top(text)
    house, states = House(clock), {}
    for field in top.rows("rooms", _ROOM):
        house.add_room(Room(field.text("name", need=True), field.text("floor"), field.texts("aliases")))
    for field in top.rows("devices", _DEVICE):
        device = _device(field)
        if house.get(device.id):
            raise field.error("id", f"{device.id!r} is there twice")
        house.add(device)
        states[device.id] = initial(device, field.mapping("state"))
    for key, state in states.items():
        house.state.hear(Change(key, state))
    return Loaded(house, states, top.text("here"), top.moment("now"), top.units(), top.text("language") or "en")


def _device(field: "_Fields") -> Device:
    kind = field.text("kind", need=True)
    raw = field.mapping("state")
    specs = kinds.specs(kind) if kind in kinds.kinds() else {}
    specs |= {trait: kinds.spec(kind, trait) for trait in raw if trait not in specs}
    if "value" in specs:
        specs["value"] = replace(specs["value"], unit=field.text("unit"))
    for trait, limit in field.mapping("limits").items():
        if isinstance(limit, list) and len(limit) == 2 and trait in specs:
            specs[trait] = replace(specs[trait], low=_number(limit[0]), high=_number(limit[1]))
    return Device(
        id=field.text("id", need=True),
        driver="virtual",
        kind=kind,
        name=field.text("name", need=True),
        device_class=field.text("device_class"),
        room=field.text("room"),
        aliases=field.texts("aliases"),
        part_of=field.text("part_of"),
        risk=field.text("risk"),
        protected=field.text("protected").casefold() in ("true", "yes", "on", "1"),
        traits=specs,
        verbs=kinds.verbs(kind) if kind in kinds.kinds() else {},
    )


def initial(device: Device, raw: Mapping[str, Any], before: State = MappingProxyType({})) -> dict[str, Value]:
    """A state as written on top of `before`, each value in its trait's type, with the traits that come with it."""
    given = {
        trait: coerce(trait, device.traits.get(trait) or kinds.spec(device.kind, trait), value) for trait, value in raw.items()
    }
    return {**before, **kinds.coupled(device.kind, given, before), **given}


def coerce(trait: str, spec: Spec, value: Value) -> Value:
    """A written value in the type of its trait; what does not fit is kept as it is."""
    word = value.strip().casefold() if isinstance(value, str) else value
    if spec.type == "bool":
        words = _WORDS_FOR_BOOL | _BOOL_BY_TRAIT.get(trait, {})
        return words.get(word, value) if isinstance(word, str) else value
    if spec.type == "number" or trait == "value":
        if trait in ("position", "tilt") and word in _PLACES:
            return _PLACES[word]
        found = None if isinstance(value, bool) else _number(value)
        return value if found is None else found
    if spec.type == "text" and isinstance(value, bool):
        return "on" if value else "off"
    return value


def _number(value: Any) -> float | int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        found = float(str(value).strip().removesuffix("%"))
    except ValueError:
        return None
    if found != found or abs(found) == float("inf"):
        return None
    return int(found) if found.is_integer() and "." not in str(value) else found


class _Reader:
    """Turns YAML text into fields that remember their line."""

    def __init__(self, name: str) -> None:
        self.name = name

    def top(self, text: str) -> "_Fields":
        if len(text) > _BIGGEST:
            raise ConfigError(f"{self.name}: too big for a house")
        try:
            node = yaml.compose(text, Loader=PlainYaml)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            raise ConfigError(f"{self.name}:{line}: {getattr(error, 'problem', None) or error}") from error
        if node is None:
            raise ConfigError(f"{self.name}:1: the file is empty; `rooms:` and `devices:` are expected")
        return _Fields(self.name, "house", node, _TOP)


class _Fields:
    """One mapping of the file: its keys by name, errors with line and key."""

    def __init__(self, name: str, where: str, node: yaml.Node, known: tuple[str, ...]) -> None:
        self.name, self.where, self.node = name, where, node
        self.known = known
        self._rows = dict(self._pairs(node))
        for key, value in self._rows.items():
            near = get_close_matches(key, known, 1, 0.75) if key not in known else []
            if near:
                raise self._at(value, key, f"unknown key; did you mean {near[0]!r}?")

    def _pairs(self, node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._at(node, self.where, "expected `key: value` lines")
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._at(key, self.where, "a key must be a plain word")
            yield str(key.value), value

    def _at(self, node: yaml.Node, key: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.name}:{node.start_mark.line + 1}: {key}: {problem}")

    def error(self, key: str, problem: str) -> ConfigError:
        """An error about one key of this mapping."""
        return self._at(self._rows.get(key, self.node), key, problem)

    def _get(self, key: str) -> yaml.Node | None:
        node = self._rows.get(key)
        empty = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
        return None if empty else node

    def text(self, key: str, need: bool = False) -> str:
        """A plain word or number as text; "" where there is none."""
        node = self._get(key)
        if node is None or (need and isinstance(node, yaml.ScalarNode) and not str(node.value).strip()):
            if need:
                raise self.error(key, f"missing in {self.where}")
            return ""
        if not isinstance(node, yaml.ScalarNode):
            raise self._at(node, key, "expected a text")
        return str(node.value).strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        node = self._get(key)
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode) or not all(isinstance(item, yaml.ScalarNode) for item in node.value):
            raise self._at(node, key, "expected a list of texts")
        return tuple(str(item.value).strip() for item in node.value)

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping of traits to plain values."""
        node = self._get(key)
        if node is None:
            return {}
        return {trait: self._plain(value, f"{key}.{trait}") for trait, value in self._pairs_of(key, node)}

    def _pairs_of(self, key: str, node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._at(node, key, "expected `trait: value` lines")
        return self._pairs(node)

    def _plain(self, node: yaml.Node, key: str) -> Any:
        try:
            return _Constructor().construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._at(node, key, "cannot be read") from error

    def rows(self, key: str, known: tuple[str, ...]) -> Iterator["_Fields"]:
        """The mappings of a list."""
        node = self._get(key)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self._at(node, key, "expected a list")
        for item in node.value:
            yield _Fields(self.name, key, item, known)

    def moment(self, key: str) -> datetime | None:
        """An ISO time; one without a zone is the house's own."""
        words = self.text(key)
        if not words:
            return None
        try:
            found = datetime.fromisoformat(words)
        except ValueError as error:
            raise self.error(key, f"{words!r} is no ISO time") from error
        return found if found.tzinfo else found.astimezone()

    def units(self) -> str:
        """`metric` or `us`."""
        words = self.text("units") or "metric"
        if words not in ("metric", "us"):
            raise self.error("units", f"{words!r} is neither 'metric' nor 'us'")
        return words


class _Constructor(yaml.constructor.SafeConstructor):
    """Builds plain values from nodes that are already composed."""
