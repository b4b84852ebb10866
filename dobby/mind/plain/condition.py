"""Conditions that are asked once: looked at now, against the house as it is, and said.

What cannot be told now, or means whenever it comes about, is not done. It does not wait for anything.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from dobby.events import Value
from dobby.house import units
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.lexicon import meaning, read_yaml
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.speech import upper
from dobby.mind.plain.tell import holds, rule_of
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.when import Line, has
from dobby.mind.plan import Choice, Context, Plan

Reader = Callable[[str], Sequence[Mark]]
Now = Callable[[str, Context], Plan]


@dataclass(frozen=True, slots=True)
class _Truth:
    """Whether a condition holds, what was seen, and on which devices; `holds` None where nobody can tell."""

    holds: bool | None
    seen: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whether these devices are as `rule` says: each, or any of them, or that it is not so."""

    devices: Sequence[Device]
    rule: Mapping[str, Any]
    negative: bool
    every: bool
    any: bool


@cache
def _table(language: str) -> Mapping[str, Any]:
    return read_yaml(f"{language}/condition.yaml")


class Condition:
    """Reads one person's conditions in one language; `now` is what a text comes to without any."""

    def __init__(self, mark: Reader, thinker: Thinker, now: Now) -> None:
        self.mark, self.thinker, self.now = mark, thinker, now
        self.table, self.speech = _table(thinker.speech.language), thinker.speech

    def plan(self, text: str) -> Plan | None:
        """What a text with one condition comes to; None where it has none in this language."""
        line = Line(text)
        word = "|".join((self.table["if"], self.table["unless"], self.table["perhaps"]))
        found = re.search(rf"(?<![a-z])(?:{word})(?![a-z])", line.line)
        if found is None or line.line.rstrip().endswith("?"):
            return None
        if any(mark.sense("ask") and mark.words[1:] and mark.words[-1].text == found.group() for mark in self.mark(text)):
            return None  # "check if the garage is closed" is a question
        refused = Plan(say=self.speech.say("no_if"), language=self.speech.language)
        timed = any(mark.sense("time") for mark in self.mark(text))
        again = re.search(rf"(?<![a-z])(?:{word})(?![a-z])", line.line[found.end() :])
        if timed or again or has(self.table["never"], line.line):
            return refused
        for said, act in self.parts(line, found):
            truth = self._look(said, act)
            plan = self.acts(act, truth.devices)
            if plan is not None:
                return self._judged(found.group(), truth, plan, said)
        return refused

    def parts(self, line: Line, found: "re.Match[str]") -> Iterator[tuple[str, str]]:
        """Condition and act, as written: `act if condition`, or `if condition, act` with or without a comma."""
        courtesy = re.sub(r"[ ,.!]|please|pls|bitte|dobby|hey", "", line.line[: found.start()])
        if courtesy:
            yield line.raw(found.end(), len(line.line)), line.raw(0, found.start())
            return
        for gap in re.finditer(r" ", line.line[found.end() :]):
            at = found.end() + gap.start()
            said, act = line.line[found.end() : at], line.line[at:]
            skip = re.match(rf"(?: |{self.table['then']}(?= ))*", act)
            if said.strip(" ,"):
                yield line.raw(found.end(), at), line.raw(at + (skip.end() if skip else 0), len(line.line))

    def acts(self, act: str, about: Sequence[str]) -> Plan | None:
        """What is to be done where these devices are talked about; None where these words are no act by themselves."""
        context = self.thinker.context
        plan = self.now(act, replace(context, talked=(*about, *context.talked)))
        starts = [mark for mark in self.mark(act) if not mark.stop and not (mark.sense("noise") and not mark.sense("verb"))]
        begins = bool(starts) and (
            starts[0].sense("verb", "weak", "more") is not None or starts[0].names or starts[0].sense("noun")
        )
        return plan if begins and (plan.calls or plan.choices) and not plan.order else None

    def _judged(self, word: str, truth: _Truth, plan: Plan, said: str) -> Plan:
        say, language = self.speech.say, self.speech.language
        wanted = not has(self.table["unless"], word)
        if truth.holds is None:
            return Plan(say=truth.seen or say("if_unknown", what=said.strip(" ,.")), language=language)
        if truth.holds is not wanted:
            return Plan(say=say("if_false", what=upper(truth.seen)), topic=truth.devices, language=language)
        if has(self.table["perhaps"], word) and not plan.choices:
            choices = (Choice(say("yes_word"), plan.calls), Choice(say("no_word"), ()))
            return replace(plan, calls=(), choices=choices, say=say("if_perhaps", what=upper(truth.seen)))
        return replace(plan, say=" ".join(filter(None, (plan.say, say("if_true", what=upper(truth.seen))))))

    # Looking

    def tests(self, said: str, act: str) -> tuple[tuple[tuple[str, str, Value], ...], bool] | None:
        """What must be so, as (device, trait, wanted), and whether all of it must; None where nobody can tell."""
        line, compared, nobody, row = self._read(said)
        if compared:
            more = ">" if re.fullmatch(self.table["above"], compared["cmp"]) else "<"
            rows = self._readings(line, compared, act)
            rows = [row for row in rows if row[0].kind == "sensor"] or rows
            return tuple((d.id, trait, f"{more}{self._limit(compared, d, trait, line):g}") for d, trait in rows), True
        asked = self._asked(row[0], line, act) if len(row) == 1 else None
        if asked is None or (len(asked.devices) > 1 and not (asked.any or asked.every)):
            return None
        negative = asked.negative is not nobody
        told = [(device.id, *next(iter((rule_of(asked.rule, device) or {}).items()))) for device in asked.devices]
        tests = tuple((device, trait, _opposite(wanted) if negative else wanted) for device, trait, wanted in told)
        return tests, (asked.every or not asked.any) is not negative

    def _read(self, said: str) -> tuple[str, "re.Match[str] | None", bool, list[Clause]]:
        """The line, its comparison, whether it says nobody, and its clauses."""
        line = " ".join(Line(said).line.replace(",", " ").split())
        for sky, words in self.table["sky"].items():
            line = re.sub(sky, words, line)
        compared = re.search(rf"(?<![a-z])(?P<cmp>{self.table['above']}|{self.table['below']}) (?P<n>\d+(?:[.,]\d+)?)", line)
        if compared or not has(self.table["is"], line):
            return line, compared, False, []
        nobody = has(self.table["nobody"], line)
        line = re.sub(rf"(?<![a-z])(?:{self.table['it_is']})(?![a-z])", str(self.table["is_it"]), line)
        line = re.sub(rf"(?<![a-z])(?:{self.table['nobody']})(?![a-z])", str(self.table["somebody"]), line)
        return line, None, nobody, clauses(self.mark(re.sub(rf"(?<![a-z])(?:{self.table['still']})(?![a-z])", " ", line)))

    def _look(self, said: str, act: str) -> _Truth:
        line, compared, nobody, row = self._read(said)
        if compared:
            return self._compared(line, compared, act)
        truths = [self._state(clause, line, act) for clause in row]
        if not truths or any(truth.holds is None for truth in truths):
            return next((truth for truth in truths if truth.holds is None), _Truth(None))
        true = all(truth.holds for truth in truths)
        seen = self.speech.names(truth.seen for truth in truths)
        return _Truth(true is not nobody, seen, tuple(device for truth in truths for device in truth.devices))

    def _asked(self, clause: Clause, line: str, act: str) -> _Asked | None:
        """Which devices a clause is about, and as what; None where it is about something else."""
        negative, rule = "not" in clause.blocks, self._rule(clause)
        clause.blocks.discard("not")
        if not rule or clause.unknown or clause.blocks or clause.verb not in ("", *clause.states, "close"):
            return None
        devices = self._meant(clause, lambda device: rule_of(rule, device) is not None, act)
        every = bool(clause.flags & {"all", "everything", "both"})
        return _Asked(devices, rule, negative, every, clause.many or has(self.table["any"], line)) if devices else None

    def _state(self, clause: Clause, line: str, act: str) -> _Truth:
        asked = self._asked(clause, line, act)
        if asked is None:
            return _Truth(None)
        state, rule = self.thinker.index.house.state, asked.rule
        told = [holds(rule_of(rule, device) or {}, state.of(device.id)) for device in asked.devices]
        if None in told or (len(set(told)) > 1 and not (asked.any or asked.every)):
            return _Truth(None)
        true = all(told) if asked.every or not asked.any else any(told)
        shown = [device for device, so in zip(asked.devices, told, strict=True) if so is true][:4]
        seen = self.speech.names(self._seen(device, next(iter(rule_of(rule, device) or {}))) for device in shown)
        return _Truth(bool(true) is not asked.negative, seen, tuple(device.id for device in shown))

    def _rule(self, clause: Clause) -> Mapping[str, Any]:
        states = [state for state in clause.states if state != "still"]
        rule: Mapping[str, Any] = meaning()["states"].get(states[0], {}) if len(states) == 1 else {}
        return rule

    def _seen(self, device: Device, trait: str) -> str:
        value = self.thinker.index.house.state.of(device.id).get(trait)
        report = self.speech.table["report"]
        return f"{device.name} {report['one']} {self.speech.state(device, trait, value)}"

    def _meant(self, clause: Clause, allowed: Callable[[Device], bool], act: str) -> list[Device]:
        """What is asked about: what is named, else what the act is about, else what stands in its room."""
        devices = self.thinker.index.devices
        if clause.items or clause.flags & {"here", "there", "house", "everything"}:
            return [devices[key] for key in self.thinker.finder.all_of(clause, allowed).devices]
        plan = self.now(act, self.thinker.context)
        meant = [devices[key] for key in dict.fromkeys(call.device for call in plan.calls) if key in devices]
        own = [device for device in meant if allowed(device)]
        rooms = {device.room.casefold() for device in meant if device.room}
        return own or [device for device in devices.values() if device.room.casefold() in rooms and allowed(device)]

    def _compared(self, line: str, found: "re.Match[str]", act: str) -> _Truth:
        """`it is above 23`, `warmer than 25 in the bedroom`: every reading that is meant must say the same."""
        told = []
        for device, trait in self._readings(line, found, act):
            value = self.thinker.index.house.state.of(device.id).get(trait)
            if isinstance(value, int | float) and not isinstance(value, bool):
                told.append((device, trait, float(value)))
        truths = {self._beyond(found, value, self._limit(found, device, trait, line)) for device, trait, value in told}
        if len(truths) != 1:
            return _Truth(None, self.speech.say("if_differs") if truths else "")
        seen = self.speech.names(f"{device.name}: {self.speech.value(device, trait, value)}" for device, trait, value in told[:3])
        return _Truth(truths.pop(), seen, tuple(device.id for device, _, _ in told[:3]))

    def _readings(self, line: str, found: "re.Match[str]", act: str) -> list[tuple[Device, str]]:
        """What is compared: devices, and the trait of each."""
        rest = re.sub(rf"^ ?(?:{self.table['unit']})(?![a-z])", " ", line[found.end() :])
        row = clauses(self.mark(f"{line[: found.start()]} {rest}")) or [Clause()]
        clause = row[0]
        if len(row) > 1 or clause.unknown or clause.blocks or clause.states:
            return []
        table = self.thinker.teller.readable(clause.attr or "temperature")
        clause.attr = ""
        meant = replace(clause, flags=clause.flags - {"it"})
        devices = self._meant(meant, lambda device: rule_of(table, device) is not None, act)
        return [(device, next(iter(rule_of(table, device) or {}))) for device in devices]

    def _beyond(self, found: "re.Match[str]", value: float, limit: float) -> bool:
        if has(self.table["least"], found["cmp"]) and value == limit:
            return True
        return value > limit if re.fullmatch(self.table["above"], found["cmp"]) else value < limit

    def _limit(self, found: "re.Match[str]", device: Device, trait: str, line: str) -> float:
        """The number in the house's own unit."""
        limit = float(found["n"].replace(",", "."))
        if device.traits[trait].unit != "°C":
            return limit
        scale = re.match(r" ?(?:degrees? |° )?(c|f|celsius|fahrenheit)(?![a-z])", line[found.end() :])
        us = self.thinker.context.units == "us"
        return units.celsius(limit, scale[1][0].upper() if scale else "F" if us else "C")


def _opposite(wanted: Value) -> Value:
    """What is anything but that."""
    if isinstance(wanted, str):
        return 0 if wanted[0] == ">" else wanted[1:] if wanted[0] == "!" else f"!{wanted}"
    return not wanted if isinstance(wanted, bool) else ">0"
