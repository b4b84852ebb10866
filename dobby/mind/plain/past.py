"""Questions about what was: who did it, since when it is so, when it last was, whether it was in some stretch of time.

They become looks at what is kept (`Past`), which the butler takes; nothing here acts. It does not know what was.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.lexicon import meaning, read_yaml
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.tell import rule_of
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.words import cut
from dobby.mind.plan import Order, Past, Plan

_MOST = 4
_KINDS = ("who", "since", "when", "ever")
_PARTS = {"morning": (4, 12), "afternoon": (12, 18), "evening": (17, 24)}  # hours of today
_MAIN = {"climate": "target", "water_heater": "target", "pool": "target", "cover": "position", "valve": "position"}
_MAIN |= {"lock": "locked", "alarm": "armed", "vacuum": "state", "mower": "state", "person": "home", "speaker": "playing"}
_STATE = {"close": "closed", "lock": "locked", "unlock": "unlocked", "play": "playing"} | {w: w for w in ("open", "on", "off")}
_BOLT: dict[str, dict[str, Any]] = {"open": {"lock": {"locked": False}}, "closed": {"lock": {"locked": True}}}

Reader = Callable[[str], Sequence[Mark]]


@cache
def _table(language: str) -> Mapping[str, Any]:
    return read_yaml(f"{language}/past.yaml")


def past_plan(text: str, mark: Reader, thinker: Thinker) -> Plan | None:
    """A look at what was; None where the text asks for none."""
    table = _table(thinker.speech.language)
    line = " ".join(word.text for word in cut(text) if not word.is_stop)
    for kind in _KINDS:
        for pattern in table[kind]:
            match = re.fullmatch(pattern, line)
            if match:
                window, rest = _window(match["rest"], table, thinker.context.now)
                if kind == "ever" and window is None:
                    return None
                return _looks(kind, rest, window or (0.0, 0.0), table, mark, thinker)
    return None


def _window(rest: str, table: Mapping[str, Any], now: datetime) -> tuple[tuple[float, float] | None, str]:
    """The stretch of time that is named, as instants, and the words without it."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, pattern in table["window"].items():
        match = re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", rest)
        if match is None:
            continue
        rest = f"{rest[: match.start()]} {rest[match.end() :]}"
        start, end = midnight, now
        if name == "yesterday":
            start, end = midnight - timedelta(days=1), midnight
        elif name == "night":
            start, end = midnight - timedelta(hours=3), min(midnight + timedelta(hours=7), now)
        elif name in _PARTS:
            start, end = (midnight + timedelta(hours=hour) for hour in _PARTS[name])
        elif name == "last":
            start = now - timedelta(seconds=_seconds(match.groupdict(), table))
        return ((1.0 if name == "all" else start.timestamp()), min(end, now).timestamp()), rest
    return None, rest


def _seconds(said: Mapping[str, str | None], table: Mapping[str, Any]) -> float:
    unit = said.get("unit") or said.get("unit2") or ""
    return float(said.get("n") or 1) * next(int(size) for size, pattern in table["unit"].items() if re.fullmatch(pattern, unit))


def _looks(
    kind: str, rest: str, window: tuple[float, float], table: Mapping[str, Any], mark: Reader, thinker: Thinker
) -> Plan | None:
    rest = re.sub(rf"(?<![a-z])(?:{table['drop']})(?![a-z])", " ", rest)
    for word, becomes in table["verbs"].items():
        rest = re.sub(rf"(?<![a-z]){word}(?![a-z])", f" {becomes} ", rest) if kind == "who" else rest
    row = clauses(mark(rest))
    if len(row) != 1 or row[0].unknown or not row[0].aims:
        return None
    clause = row[0]
    clause.blocks.clear()
    tests = _tests(clause)
    found = thinker.finder.all_of(clause, lambda device: _asked(device, tests, clause) is not None)
    if not found.devices:
        return thinker.teller.missing(found)
    devices = [thinker.index.devices[key] for key in found.devices[:_MOST]]
    looks = tuple(_past(kind, device, asked, window) for device in devices if (asked := _asked(device, tests, clause)))
    return Plan(order=Order.PAST, past=looks, topic=tuple(found.devices[:_MOST]), language=thinker.speech.language)


def _tests(clause: Clause) -> Mapping[str, Any]:
    """The state that is asked about, by kind: from a state word, else from what the verb makes; empty for any change."""
    states = [state for state in clause.states if state != "still"]
    if states and states[-1] in meaning()["states"]:
        return {**_BOLT.get(states[-1], {}), **meaning()["states"][states[-1]]}
    return dict(_made(clause.verb)) if clause.verb and not clause.has_value else {}


def _made(verb: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if verb in _STATE:
        yield from {**_BOLT.get(_STATE[verb], {}), **meaning()["states"][_STATE[verb]]}.items()
        return
    for kind, rule in meaning()["verbs"].get(verb, {}).items():
        if "do" not in rule and "step" not in rule:
            yield kind, {trait: ">0" if value == 100 else value for trait, value in rule.items()}


def _asked(device: Device, tests: Mapping[str, Any], clause: Clause) -> tuple[str, Any] | None:
    """The trait that is looked at and what it must be (None: anything)."""
    if clause.attr:
        trait = str(meaning()["attrs"].get(clause.attr, {}).get(device.kind, ""))
        return (trait, None) if trait in device.traits else None
    if tests:
        rule = rule_of(tests, device)
        return next(iter(rule.items())) if rule else None
    trait = _MAIN.get(device.kind) or next((one for one in ("on", "value") if one in device.traits), "")
    return (trait, None) if trait in device.traits else None


def _past(kind: str, device: Device, asked: tuple[str, Any], window: tuple[float, float]) -> Past:
    return Past(kind, device.id, asked[0], asked[1], *window)
