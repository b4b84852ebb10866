"""May this be done? One pure function judges every call by its consequence, whoever made it.

It weighs who (the whole chain), what kind of consequence (a risk from `risks.toml`), where the values came from, and
a grant. It is total: what no rule names is still judged. It does not ask anybody; `butler` does.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from dobby.events import Call, Origin, Source, State, Value
from dobby.house.model import Device
from dobby.people import Limits, within


class Verdict(StrEnum):
    """What is to become of a call, from freest to strictest."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


STRICTNESS = [verdict.value for verdict in Verdict]
LEVELS = {"read": "comfort", "act": "comfort", "guarded": "power"}
WORST = "power"  # what nobody described is judged by


@dataclass(frozen=True, slots=True)
class Modes:
    """The switches of the first week: `hands_off` stops acting, `rehearse` only tells what would be done."""

    hands_off: bool = False
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What an owner agreed to when a routine was made: for exactly these calls, and whether entry was named in the config."""

    hash: str
    entry: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the values of a call may have come from: `said` are the words of whoever speaks, `named` the ids of devices that
    these words have already meant, `outside` tells that whatever made the call has read words of nobody in the house.
    `strict` doubts every value then."""

    said: str = ""
    named: frozenset[str] = frozenset()
    outside: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What narrows the people behind a call, each of the chain, at this minute of the day in the house's zone."""

    limits: Sequence[Limits] = ()
    minute: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one call, the risk it was judged by, and why (a phrase's key: `role`, `origin`, `hands_off`, …)."""

    verdict: Verdict
    risk: str
    why: str = ""


@cache
def table() -> Mapping[str, Any]:
    """`risks.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("risks.toml").read_text("utf-8"))


def risk_of(call: Call, device: Device | None, state: State, level: str = "") -> str:
    """The gravest consequence of a call: every trait it sets is judged by itself, and never below the device's own risk.

    A risk that only the name gives away counts until a person has said otherwise (`risk = "comfort"`).
    """
    if call.tool not in ("set", "do"):
        return LEVELS.get(level, WORST)
    rules = [_rule(trait, to, device, state) for trait, to in _parts(call)]
    found = [rule["risk"] for rule in rules]
    own = (device.risk or proposed_risk(device)) if device else ""
    if own and not all(rule.get("always") for rule in rules):
        found.append(own if own in table()["level"] else WORST)
    gravest: str = max(found, key=list(table()["level"]).index)
    return gravest


def decide(
    call: Call,
    device: Device | None,
    source: Source,
    *,
    state: State,
    modes: Modes = Modes(),
    grant: Grant | None = None,
    level: str = "",
    hash_: str = "",
    bounds: Bounds = Bounds(),
) -> Decision:
    """Judge one call.

    `state` is the device as it is now; `level` a skill function's own (`read`, `act`, `guarded`); `grant` counts only
    where its hash is `hash_`, the hash of these exact calls; `bounds` narrow what the people behind it may.
    """
    risk = risk_of(call, device, state, level)
    named = "" if device is None else "yeses" if device.yeses > 1 else "approver" if device.approver else ""
    several = "" if device is None or _harmless(call, device, state) else named
    verdicts = _verdicts(call, source, risk, several) | _bounded(call, device, bounds)
    if level == "read" or (_granted(risk, grant, hash_, source) and not several):
        verdicts = {why: verdict for why, verdict in verdicts.items() if verdict == "refuse"}
    why, verdict = max(verdicts.items(), key=lambda item: STRICTNESS.index(item[1]), default=("", "allow"))
    if verdict == "refuse" or level == "read":
        return Decision(Verdict(verdict), risk, why if verdict == "refuse" else "")
    if modes.hands_off or modes.rehearse:
        return Decision(Verdict.REFUSE, risk, "hands_off" if modes.hands_off else "rehearse")
    return Decision(Verdict(verdict), risk, "" if verdict == "allow" else why)


def _harmless(call: Call, device: Device, state: State) -> bool:
    """Always in order, whatever the device: locking, arming, halting."""
    return call.tool in ("set", "do") and all(_rule(trait, to, device, state).get("always") for trait, to in _parts(call))


def _verdicts(call: Call, source: Source, risk: str, several: str) -> dict[str, str]:
    """What speaks for and against, the reason most worth telling first; `several` is why certain people have to say yes."""
    made_by = (table()["origin"][origin] for origin in source.origins)
    return {
        "tainted": "ask" if call.tainted else "allow",
        several: "ask" if several else "allow",
        "origin": max(made_by, key=STRICTNESS.index),
        "role": table()["level"][risk][source.authority],
    }


def _bounded(call: Call, device: Device | None, bounds: Bounds) -> dict[str, str]:
    """Rooms, hours and loudness beyond which nothing is done, whoever would say yes: rows of the table's `bounds`."""
    verdicts: dict[str, str] = {}
    loud = call.args.get("volume")
    for limits in bounds.limits:
        room = device.room.casefold() if device else ""
        broken = {
            "rooms": limits.rooms and room not in {known.casefold() for known in limits.rooms},
            "hours": limits.hours and not within(limits.hours, bounds.minute),
            "volume": limits.volume and isinstance(loud, int | float) and loud > limits.volume,
        }
        verdicts |= {why: table()["bounds"][why] for why, is_so in broken.items() if is_so}
    return verdicts


def _granted(risk: str, grant: Grant | None, hash_: str, source: Source) -> bool:
    if grant is None or not hash_ or grant.hash != hash_ or source.origins.isdisjoint({Origin.ROUTINE, Origin.SCENE}):
        return False
    return grant.entry if risk == "entry" else risk not in table()["grants"]["never_granted"]


# Where values came from


def tainted(call: Call, device: Device | None, provenance: Provenance, contents: Collection[str] = ()) -> tuple[str, ...]:
    """Which args of a call (`device` for what it is about) whoever speaks did not say, where words from outside were read.

    A switch's two sides, a trait's own words and a device's verbs are the house's own; numbers and free texts have to be said.
    `contents` are args that only say what is written: they may be new, but bring no address that was not said.
    """
    if not provenance.outside:
        return ()
    own = {word.casefold() for spec in (device.traits.values() if device else ()) for word in spec.options}
    own |= set(device.verbs) if device else set()
    args = [
        name
        for name, value in call.args.items()
        if provenance.strict or not _may_be(name in contents, value, provenance.said, own)
    ]
    if device is None and not any(value for name, value in call.args.items() if name not in contents):
        return (*args, "device")  # nothing says whom or what it is about
    known = device is None or (not provenance.strict and (device.id in provenance.named or is_named(device, provenance.said)))
    return tuple(args) if known else (*args, "device")


def is_said(value: Value, said: str, own: Iterable[str] = ()) -> bool:
    """Does a value stand in what was said: a text as a whole, a number as one, of a list or table every part."""
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, list | dict):
        return all(is_said(part, said, own) for part in (value.values() if isinstance(value, dict) else value))
    words = f" {_words(said)} "
    return f" {_words(f'{value:g}' if isinstance(value, float) else str(value))} " in words or str(value).casefold() in own


ADDRESS = re.compile(
    r"\b(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+\.[\w.]+|\b[\w-]+\.(?:com|org|net|io)\b\S*|\b[A-Z]{2}\d{2}[A-Z0-9]{8,}\b"
)


def _may_be(content: bool, value: Value, said: str, own: Iterable[str]) -> bool:
    return all(is_said(one, said) for one in ADDRESS.findall(str(value))) if content else is_said(value, said, own)


def is_named(device: Device, said: str) -> bool:
    """Is a device meant by its name, a nickname or its kind."""
    words = f" {_words(said)} "
    names = [
        _words(name) for name in (device.name, *device.aliases, device.kind, device.kind.replace("_", " "), device.device_class)
    ]
    return any(f" {name}{end} " in words for name in names if name for end in ("", "s"))


def _words(text: str) -> str:
    """Lower case, words and numbers only, single spaces; addresses stay whole."""
    return " ".join(re.findall(r"[\w./@:+-]*\w", text.casefold()))


def proposed_risk(device: Device) -> str:
    """The risk that a thing's name gives away where its kind does not: a relay called "Garage" opens an entry."""
    words = table()["proposed"]
    if device.kind not in words["kinds"] or device.device_class in ("blind", "shade", "curtain", "awning"):
        return ""
    names = [f" {' '.join(name.casefold().split())} " for name in (device.name, *device.aliases)]
    found = [risk for risk in ("entry", "alarm") for word in words[risk] if any(f" {word} " in name for name in names)]
    return found[0] if found else ""


def looks_protected(device: Device) -> bool:
    """Going by its name or class, a thing that may only ever be meant by name: a freezer's plug, the router's."""
    words = table()["proposed"]
    known = f" {' '.join(device.name.casefold().split())} {device.device_class} "
    return device.kind in words["kinds_protected"] and any(f" {word} " in known for word in words["protected"])


def _parts(call: Call) -> list[tuple[str, Value]]:
    if call.tool == "set" and call.args:
        return list(call.args.items())
    return [(str(call.args.get("verb", call.tool)), None)]


def _rule(trait: str, to: Value, device: Device | None, state: State) -> Mapping[str, Any]:
    return next(row for row in table()["rule"] if _matches(row, trait, to, device, state))


def _matches(row: Mapping[str, Any], trait: str, to: Value, device: Device | None, state: State) -> bool:
    facts = {"kind": device.kind if device else "", "device_class": device.device_class if device else "", "trait": trait}
    return (
        all(facts[key] in _many(row[key]) for key in facts if key in row)
        and ("to" not in row or _same(to, row["to"]))
        and ("to_most" not in row or (_is_number(to) and to <= row["to_most"]))
        and ("raises" not in row or _raises(row["raises"], state.get(trait), to))
    )


def _many(value: Any) -> Iterable[str]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Value, wanted: Value) -> bool:
    """Equal and of the same kind: 0 is not false."""
    return value == wanted and _is_number(value) == _is_number(wanted)


def _raises(order: list[str], was: Value, to: Value) -> bool:
    """To a word at least as strict as the present one; an unknown present counts as the strictest."""
    if to not in order:
        return False
    return order.index(str(to)) >= (order.index(str(was)) if was in order else len(order) - 1)


Quantity = Callable[[Value, str], str]
"""A value and its unit as the asked person reads them: "22 °C"."""


LONGEST = 200  # characters of one value in a question


def question(call: Call, device: Device | None, language: str, quantity: Quantity, *, why: str = "") -> str:
    """The words of a question, made by code from the exact call."""
    reasons = table()["words"]["reason"]
    parts = _parts(call) if call.tool == "set" else [("", None)]
    asked = [_ask(call, trait, to, device, language, quantity) for trait, to in parts]
    if why in reasons:
        asked.append(_in(reasons[why], language))
    return " ".join(asked)


def _ask(call: Call, trait: str, to: Value, device: Device | None, language: str, quantity: Quantity) -> str:
    name = device.name if device else call.device
    if call.tool == "set" and call.args:
        unit = device.traits[trait].unit if device and trait in device.traits else ""
        shown = _on_off(to, language) if isinstance(to, bool) else quantity(to, unit)
        return _filled(_set_words(trait, to, device), language, name=name, trait=trait, to=shown)
    if call.args.get("said"):  # an appointment, in its own words
        later = table()["words"]["later"]
        return _filled(later.get(str(call.args.get("to")), later["kept"]), language, name=str(call.args["said"]).rstrip("."))
    args = ", ".join(f"{key} {value}" for key, value in call.args.items() if key != "verb" or call.tool != "do")
    verb = str(call.args.get("verb", "")) if call.tool == "do" else call.tool
    kind = "do" if call.tool in ("set", "do") else "tool"
    return _filled(table()["words"][f"{kind}_with" if args else kind], language, name=name, verb=verb, to=args)


def _set_words(trait: str, to: Value, device: Device | None) -> Mapping[str, str]:
    words = table()["words"]
    by_kind = words["on"] if trait == "on" and isinstance(to, bool) else words["set"]
    found: Mapping[str, str] = _rule(trait, to, device, {}).get("ask", by_kind)
    return found


def _filled(texts: Mapping[str, str], language: str, **facts: str) -> str:
    """One line, each fact cut where it would bury the question; after "the" a name begins small, as people write it."""
    template = _in(texts, language)
    name = facts["name"].removeprefix("The ").removeprefix("the ")
    facts["name"] = name[:1].lower() + name[1:] if "the {name}" in template and name[1:2].islower() else name
    cut = {key: fact if len(fact) <= LONGEST else f"{fact[:LONGEST]}…" for key, fact in facts.items()}
    asked = " ".join(template.format(**cut).split())
    return asked[:1].upper() + asked[1:]


def _on_off(value: bool, language: str) -> str:
    on, off = ("ein", "aus") if language == "de" else ("on", "off")
    return on if value else off


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or texts["en"]
