"""May this be done? One pure function judges every call by its consequence, whoever made it.

It weighs who (the whole chain), what kind of consequence (a risk from `risks.toml`), where the values came from, and
a grant. It is total: what no rule names is still judged. It does not ask anybody; `butler` does.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from dobby.events import Call, Origin, Source, State, Value
from dobby.house.model import Device


class Verdict(StrEnum):
    """What is to become of a call, from freest to strictest."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


STRICTNESS = list(Verdict)
LEVELS = {"read": "comfort", "act": "comfort", "guarded": "power"}


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
class Decision:
    """The verdict on one call, the risk it was judged by, and why (a phrase's key: `role`, `origin`, `hands_off`, …)."""

    verdict: Verdict
    risk: str
    why: str = ""


@cache
def table() -> Mapping[str, Any]:
    """`risks.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("risks.toml").read_text("utf-8"))


def risk_of(call: Call, device: Device | None, state: State) -> str:
    """The gravest consequence of a call: every trait it sets is judged by itself."""
    found = [_rule(trait, to, call, device, state)["risk"] for trait, to in _parts(call)]
    if device is not None and device.risk:
        found.append(device.risk)
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
) -> Decision:
    """Judge one call.

    `state` is the device as it is now; `level` a skill function's own (`read`, `act`, `guarded`); `grant` counts only
    where its hash is `hash_`, the hash of these exact calls.
    """
    if level == "read":
        return Decision(
            Verdict.ALLOW if source.authority.rank else Verdict.REFUSE, "comfort", "" if source.authority.rank else "role"
        )
    risk = LEVELS[level] if level else risk_of(call, device, state)
    verdicts = {"role": table()["level"][risk][source.authority]}
    verdicts |= {"origin": max((table()["origin"][origin] for origin in source.origins), key=STRICTNESS.index)}
    if call.tainted:
        verdicts["tainted"] = "ask"
    if _granted(risk, grant, hash_, source):
        verdicts = {why: verdict for why, verdict in verdicts.items() if verdict == "refuse"} or {"grant": "allow"}
    why, verdict = max(verdicts.items(), key=lambda item: STRICTNESS.index(item[1]))
    if modes.hands_off and verdict != "refuse":
        return Decision(Verdict.REFUSE, risk, "hands_off")
    return Decision(Verdict(verdict), risk, "" if verdict == "allow" else why)


def _granted(risk: str, grant: Grant | None, hash_: str, source: Source) -> bool:
    if grant is None or not hash_ or grant.hash != hash_ or Origin.ROUTINE not in source.origins:
        return False
    return grant.entry if risk == "entry" else risk not in table()["grants"]["never_granted"]


def _parts(call: Call) -> list[tuple[str, Value]]:
    if call.tool == "set" and call.args:
        return list(call.args.items())
    return [(str(call.args.get("verb", call.tool)), None)]


def _rule(trait: str, to: Value, call: Call, device: Device | None, state: State) -> Mapping[str, Any]:
    return next(row for row in table()["rule"] if _matches(row, trait, to, device, state))


def _matches(row: Mapping[str, Any], trait: str, to: Value, device: Device | None, state: State) -> bool:
    facts = {"kind": device.kind if device else "", "device_class": device.device_class if device else "", "trait": trait}
    return (
        all(facts[key] in _many(row[key]) for key in facts if key in row)
        and ("to" not in row or to == row["to"])
        and ("above" not in row or (isinstance(to, int | float) and not isinstance(to, bool) and to > row["above"]))
        and ("lowers" not in row or _lowers(row["lowers"], state.get(trait), to))
    )


def _many(value: Any) -> Iterable[str]:
    return value if isinstance(value, list) else [value]


def _lowers(order: list[str], was: Value, to: Value) -> bool:
    """From a stricter word to a laxer one; an unknown present counts as the strictest."""
    if to not in order:
        return False
    return order.index(str(to)) < (order.index(str(was)) if was in order else len(order))


Quantity = Callable[[Value, str], str]
"""A value and its unit as the asked person reads them: "22 °C"."""


def question(call: Call, device: Device | None, language: str, quantity: Quantity, *, why: str = "") -> str:
    """The words of a question, made by code from the exact call."""
    words = table()["words"]
    asked = [_ask(trait, to, call, device, language, quantity) for trait, to in _parts(call)]
    if why == "tainted":
        asked.append(_in(words["reason"]["tainted"], language))
    return " ".join(asked)


def _ask(trait: str, to: Value, call: Call, device: Device | None, language: str, quantity: Quantity) -> str:
    words = table()["words"]
    rule = _rule(trait, to, call, device, {})
    by_tool = {"set": words["on"] if isinstance(to, bool) else words["set"], "do": words["do"]}
    template = _in(rule.get("ask") or by_tool.get(call.tool, words["tool"]), language)
    unit = device.traits[trait].unit if device and trait in device.traits else ""
    shown = _on_off(to, language) if isinstance(to, bool) else quantity(to, unit)
    name = device.name if device else call.tool
    args = ", ".join(f"{key} {value}" for key, value in call.args.items() if key != "verb")
    text = template.format(name=name, to=args if call.tool not in ("set", "do") else shown, trait=trait, verb=trait)
    return " ".join(text.split()).replace(" ?", "?")


def _on_off(value: bool, language: str) -> str:
    on, off = ("ein", "aus") if language == "de" else ("on", "off")
    return on if value else off


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or texts["en"]
