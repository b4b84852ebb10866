"""What a device announces about itself on MQTT, read into plain settings with their whole names.

Home Assistant's discovery: one component a message, or a device with its components; abbreviations, a base topic. It does
not know what a setting means.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .entity import parsed

LONGEST_TOPIC = 256

Settings = Mapping[str, Any]


class Unfit(ValueError):
    """This announcement cannot be used; the text says why, without a word of its content."""


@cache
def table() -> Mapping[str, Any]:
    """`components.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("components.toml").read_text("utf-8"))


def announced(topic: str, payload: bytes) -> list[tuple[str, str, Settings]]:
    """A config message -> (component, object id, settings) for each entity in it; raises `Unfit`."""
    parts = topic.split("/")
    component, name = parts[1], "_".join(parts[2:-1])
    settings = parsed(payload)
    if not isinstance(settings, dict):
        raise Unfit("it is not a JSON object")
    full = _rooted(expanded(settings))
    if component != "device":
        return [(component, name, full)]
    rows = full.pop("components", None)
    if not isinstance(rows, dict):
        raise Unfit("it has no components")
    return list(_components(name, rows, full))


def _components(name: str, rows: Settings, shared: Settings) -> Iterator[tuple[str, str, Settings]]:
    for key, row in list(rows.items())[:200]:
        own = expanded(row) if isinstance(row, dict) else {}
        platform = own.pop("platform", None)
        if isinstance(platform, str) and own:
            yield platform, f"{name}_{key}", _rooted({**shared, **own})


def expanded(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Settings with their whole names."""
    full = {_spelled(str(key)): value for key, value in list(settings.items())[:300]}
    if isinstance(full.get("device"), dict):
        full["device"] = {_spelled(str(key)): value for key, value in full["device"].items()}
    if isinstance(full.get("availability"), dict):
        full["availability"] = [full["availability"]]
    if isinstance(full.get("availability"), list):
        full["availability"] = [expanded(row) for row in full["availability"][:10] if isinstance(row, dict)]
    return full


@cache
def _shorts() -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    short = table()["short"]
    return short["whole"], short["word"], short["respell"]


def _spelled(key: str) -> str:
    whole, word, respell = _shorts()
    if len(key) > 60 or key in whole:
        return whole.get(key, "")
    full = "_".join(word.get(part, part) for part in key.split("_"))
    return next((right + full.removeprefix(wrong) for wrong, right in respell.items() if full.startswith(wrong)), full)


def _rooted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Topics with their base filled in."""
    base = settings.get("~")

    def fill(key: str, value: Any) -> Any:
        if isinstance(value, str) and isinstance(base, str) and key.endswith("topic"):
            value = base + value[1:] if value.startswith("~") else value
            return value[:-1] + base if value.endswith("~") else value
        if key == "availability" and isinstance(value, list):
            return [{inner: fill(inner, item) for inner, item in row.items()} for row in value]
        return value

    return {key: fill(key, value) for key, value in settings.items()}


def topic_of(value: object) -> str:
    """A topic one may publish to or listen on; "" for anything else."""
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_TOPIC and value.isprintable() and not set("+#") & set(value)
    return str(value) if fits else ""
