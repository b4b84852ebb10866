"""The vocabulary of kinds and traits, read from `kinds.toml`, and what goes with what.

Coupled traits live here: a brightness implies on, off keeps the brightness. It does not know any device.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from dobby.events import EffectClass, State, Value
from dobby.house.model import Spec


@cache
def table() -> Mapping[str, Any]:
    """`kinds.toml` as it stands: `trait` and `kind`."""
    return tomllib.loads(Path(__file__).with_name("kinds.toml").read_text("utf-8"))


def kinds() -> frozenset[str]:
    """Every kind of device."""
    return frozenset(table()["kind"])


@cache
def spec(kind: str, trait: str) -> Spec:
    """The default Spec of a trait for a kind; an unknown trait can be kept and shown, never set."""
    rows = table()
    own = rows["kind"].get(kind, {})
    if trait not in rows["trait"] or trait not in own.get("traits", ()):
        return Spec(settable=False)
    row = {**rows["trait"][trait], **own.get(trait, {})}
    return Spec(**{**row, "options": tuple(row.get("options", ()))})


def specs(kind: str, traits: Iterable[str] | None = None, **changed: Mapping[str, Any]) -> dict[str, Spec]:
    """Default Specs of the named traits (all of the kind's by default), with single fields changed.

    `specs("light", ["on", "brightness"], brightness={"low": 1})`
    """
    named = table()["kind"].get(kind, {}).get("traits", ()) if traits is None else traits
    return {trait: replace(spec(kind, trait), **changed.get(trait, {})) for trait in named}


def verbs(kind: str, named: Iterable[str] | None = None) -> dict[str, EffectClass]:
    """The verbs of a kind beyond set, each with its effect class."""
    own = table()["kind"].get(kind, {}).get("verbs", {})
    return {verb: EffectClass(own[verb]) for verb in (own if named is None else named)}


def coupled(kind: str, wanted: State, was: State) -> dict[str, Value]:
    """`wanted`, with the traits that come with it.

    Brightness or colour implies on; a fan turned off stands still, turned on it takes its last speed or 100;
    `on` and `playing ≠ off` are one; a lamp turned off keeps its brightness.
    """
    out = dict(wanted)
    rule = _RULES.get(kind)
    if rule:
        rule(out, was)
    return out


def _light(out: dict[str, Value], was: State) -> None:
    if any(trait in out for trait in ("brightness", "color", "color_temp", "effect")) and "on" not in out:
        out["on"] = out.get("brightness") != 0


def _fan(out: dict[str, Value], was: State) -> None:
    if "speed" in out and "on" not in out:
        out["on"] = out["speed"] != 0
    elif out.get("on") is False:
        out["speed"] = 0
    elif out.get("on") is True and "speed" not in out and "speed" in was:
        out["speed"] = was["speed"] or 100


def _media(out: dict[str, Value], was: State) -> None:
    if "playing" in out and "on" not in out:
        out["on"] = out["playing"] != "off"
    elif out.get("on") is False:
        out["playing"] = "off"
    elif out.get("on") is True and "playing" not in out and was.get("playing", "off") == "off":
        out["playing"] = "idle"


_RULES = {"light": _light, "fan": _fan, "speaker": _media, "tv": _media}
