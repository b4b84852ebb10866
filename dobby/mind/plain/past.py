"""Questions about what was: who did it, since when it is so, when it last was, whether it was in some stretch of time, and
how much of it: what was used, what it cost, a picture of it.

They become looks at what is kept (`Past`), which the butler takes; nothing here acts. It does not know what was.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.find import Found
from dobby.mind.plain.lexicon import meaning, read_yaml
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.tell import rule_of
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.words import cut
from dobby.mind.plan import FIGURES, Order, Past, Plan

_MOST = 4
_KINDS = ("who", "since", "when", "used", "why", "now", "chart", "sum", "ever")
_FLOWS = ("energy", "power", "apparent_power")
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
                window, rest = _window(f"{match['rest']} {match.groupdict().get('rest2') or ''}", table, thinker.context.now)
                if kind in ("ever", "sum") and window is None:
                    return None
                if kind in ("sum", *FIGURES):
                    return _figures(kind, match, rest, window, table, mark, thinker)
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
        start, end = _days(name, midnight, now) or (midnight, now)
        if name == "night":
            start, end = midnight - timedelta(hours=3), min(midnight + timedelta(hours=7), now)
        elif name in _PARTS:
            start, end = (midnight + timedelta(hours=hour) for hour in _PARTS[name])
        elif name == "last":
            start = now - timedelta(seconds=_seconds(match.groupdict(), table))
        elif name == "day":
            start = midnight - timedelta(days=(now.weekday() - _place(match, table["days"])) % 7 or 7)
            end = start + timedelta(days=1)
        elif name == "month":
            start = midnight.replace(day=1, month=_place(match, table["months"]) + 1)
            start = start if start <= now else start.replace(year=start.year - 1)
            end = (start + timedelta(days=31)).replace(day=1)
        return ((1.0 if name == "all" else start.timestamp()), min(end, now).timestamp()), rest
    return None, rest


def _days(name: str, midnight: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """The stretches that whole days make up."""
    day, week, month = timedelta(days=1), midnight - timedelta(days=now.weekday()), midnight.replace(day=1)
    year = month.replace(month=1)
    rows = {
        "yesterday": (midnight - day, midnight),
        "before": (midnight - 2 * day, midnight - day),
        "this_week": (week, now),
        "last_week": (week - 7 * day, week),
        "this_month": (month, now),
        "last_month": ((month - day).replace(day=1), month),
        "this_year": (year, now),
        "last_year": (year.replace(year=year.year - 1), year),
    }
    return rows.get(name)


def _place(match: "re.Match[str]", names: Sequence[str]) -> int:
    return next(place for place, name in enumerate(names) if re.search(name, match[0]))


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


def _figures(
    kind: str,
    match: "re.Match[str]",
    rest: str,
    window: tuple[float, float] | None,
    table: Mapping[str, Any],
    mark: Reader,
    thinker: Thinker,
) -> Plan | None:
    """How much was used, why so much, what uses it now, or a picture; None where it must mean something else."""
    if kind == "used" and window is None and match.groupdict().get("present"):
        return None  # "how much does it use" is about now
    drawn, drop = match.groupdict().get("drawn"), table["drop_chart" if kind == "chart" else "drop_used"]
    rest = re.sub(rf"(?<![a-z])(?:{table['drop']}|{drop})(?![a-z])", " ", rest)
    row = clauses(mark(rest)) if rest.strip() else [Clause()]
    odd = any(clause.unknown or clause.verb or (kind == "sum" and clause.states) for clause in row)
    if not row or odd or (kind == "chart" and window is None and not drawn):
        return None
    attr = row[0].attr
    flow = kind != "chart" or attr == "energy" or (attr in _FLOWS and not row[0].aims)
    pairs: list[tuple[str, str]] = []
    for clause in row if row[0].aims or not flow else ():
        clause.attr = clause.attr or attr
        found = _metered(clause, thinker) if flow else _charted(clause, thinker)
        if found is None:
            return thinker.teller.missing(thinker.finder.all_of(clause, lambda device: False)) if flow or drawn else None
        pairs += found
    now = thinker.context.now
    start, end = window or (now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp(), now.timestamp())
    kind = {"sum": "bars", "chart": "bars" if flow else "chart"}.get(kind, kind)
    looks = tuple(Past(kind, device, trait, None, start, end) for device, trait in pairs[:_MOST] or [("", "")])
    topic = tuple(device for device, _ in pairs)
    return Plan(order=Order.PAST, past=looks, topic=topic, language=thinker.speech.language)


def _metered(clause: Clause, thinker: Thinker) -> list[tuple[str, str]] | None:
    """What is meant, of what has a meter or is one."""
    house = thinker.index.house
    own = {part.part_of or part.id for part in house if part.device_class in _FLOWS}
    found = thinker.finder.all_of(replace(clause, attr=""), lambda device: device.id in own or device.device_class in _FLOWS)
    owners = dict.fromkeys(thinker.index.devices[key].part_of or key for key in found.devices)
    return [(key, "") for key in owners] or None


def _charted(clause: Clause, thinker: Thinker) -> list[tuple[str, str]] | None:
    """The traits that a picture is of: what is measured there, else how the things are."""
    rule = thinker.teller.readable(clause.attr) if clause.attr else {}

    def trait(device: Device) -> str:
        if rule:
            return next(iter(rule_of(rule, device) or {}), "")
        known = thinker.index.house.state.of(device.id)
        order = ("temperature", "value", _MAIN.get(device.kind, "on"), "on")
        return next((one for one in order if one in device.traits and one in known), "")

    found = thinker.finder.all_of(clause, lambda device: trait(device) != "") if clause.attr or clause.aims else Found()
    devices = [thinker.index.devices[key] for key in found.devices[:_MOST]]
    return [(device.id, trait(device)) for device in devices] or None


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
