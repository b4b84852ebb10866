"""What the plain mind makes of made-up cases: right, short (asked or not understood) or wrong (done what should not be done).

It carries a plan's calls out on virtual devices; it knows no gate, so every call that is planned counts as done.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dobby.events import Call, Change, Role
from dobby.house.load import Loaded, initial, parse
from dobby.house.virtual import Virtual
from dobby.journal.pack import REMEMBER
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context, Plan
from tests.mind.generate import Case
from tests.mind.homes import Home, as_yaml

NOW = datetime.fromisoformat("2026-03-02T19:40:00+01:00")
GO_TOGETHER = ({"on", "brightness"}, {"on", "speed"}, {"on", "playing"}, {"volume", "muted"}, {"on", "mode"}, {"on", "color"})


@dataclass
class Score:
    """How many came out how; `failed` are (sort, text, why, whether it was wrong)."""

    right: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str, str, bool]] = field(default_factory=list)

    @property
    def wrong(self) -> list[tuple[str, str, str, bool]]:
        """Those in which something happened that should not have."""
        return [row for row in self.failed if row[3]]

    def share(self, *but: str) -> float:
        """Right ones of all but these sorts."""
        kept = [kind for kind in self.total if kind not in but]
        return sum(self.right[kind] for kind in kept) / max(1, sum(self.total[kind] for kind in kept))


class Theatre:
    """One home and the mind, for case after case."""

    def __init__(self, made: Home) -> None:
        self.loaded: Loaded = parse(as_yaml(made))
        self.house, self.language = self.loaded.house, self.loaded.language
        self.mind = PlainMind(self.house)
        self.changed: set[str] = set()

    async def score(self, cases: Iterable[Case]) -> Score:
        """Every case, each in a fresh home."""
        score = Score()
        for case in cases:
            why, wrong = await self.play(case)
            score.total[case.kind] += 1
            score.right[case.kind] += not why
            if why:
                score.failed.append((case.kind, f"{case.first} | {case.say}" if case.first else case.say, why, wrong))
        return score

    async def play(self, case: Case) -> tuple[str, bool]:
        """What fell short ("" nothing), and whether anything was done that should not have been."""
        self.stand(case.state)
        talked: tuple[str, ...] = ()
        last: tuple[Call, ...] = ()
        if case.first:
            first = await self.plan(case.first, case)
            await self._do(first.calls)
            talked, last = first.topic, first.calls
            if not first.calls:
                return "the text before it came to nothing", False
        before = {device: self.house.state.of(device) for device in case.expect}
        plan = await self.plan(case.say, case, talked, last)
        return await self._judge(case, plan, before)

    def stand(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """The home as it is at first, but for this state."""
        for key in self.changed:
            self._put(key, self.loaded.states[key])
        self.changed = set(state)
        for key, traits in state.items():
            device = self.house.get(key)
            assert device is not None
            self._put(key, initial(device, traits, self.loaded.states[key]))

    def _put(self, key: str, state: Mapping[str, Any]) -> None:
        self.house.state.forget(key)
        self.house.state.hear(Change(key, dict(state)))

    async def plan(self, text: str, case: Case, talked: tuple[str, ...] = (), last: tuple[Call, ...] = ()) -> Plan:
        """What the mind makes of a text."""
        context = Context("ann", Role.OWNER, NOW, case.here, "metric", self.language, talked, last)
        return await self.mind.plan(text, context)

    async def _do(self, calls: Iterable[Call]) -> None:
        for call in calls:
            device = self.house.get(call.device)
            assert device is not None
            hands, args = Virtual({device.id: self.house.state.of(device.id)}), dict(call.args)
            await (hands.set(device, args) if call.tool == "set" else hands.do(device, str(args.pop("verb")), **args))
            self._put(device.id, await hands.read(device))
            self.changed.add(device.id)

    async def _judge(self, case: Case, plan: Plan, before: Mapping[str, Mapping[str, Any]]) -> tuple[str, bool]:
        calls = tuple(call for call in plan.calls if call.tool != REMEMBER)  # a note moves nothing
        if case.after:
            if calls or len(plan.due) > 1 or any(abs(due.at - NOW.timestamp() - case.after) > 1 for due in plan.due):
                return f"done now or at another time: {plan.calls} {plan.due}", True
            calls = tuple(call for due in plan.due for call in due.calls)
        elif plan.due:
            return f"kept for later: {plan.due}", True
        stray = [call for call in calls if call.device not in case.expect]
        if stray:
            return f"also {stray[0].device} {dict(stray[0].args)} ({len(stray)})", True
        await self._do(calls)
        for device, wanted in case.expect.items():
            if why := self._differs(wanted, before[device], self.house.state.of(device)):
                return f"{device} {why}: {plan.say}", self.house.state.of(device) != before[device]
        if case.asks and not plan.choices:
            return f"did not ask: {plan.say}", False
        if case.reply and not re.search(case.reply, plan.say, re.I):
            return f"said {plan.say!r}", False
        return "", False

    def _differs(self, wanted: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
        for trait, value in wanted.items():
            got = now.get(trait)
            if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(got, int | float):
                if got != value:
                    return f"{trait} is {got!r}, not {value!r}"
            elif abs(got - value) > 1.5:
                return f"{trait} is {got!r}, not {value!r}"
        others = {trait for trait in now if now[trait] != was.get(trait)} - set(wanted)
        strange = [trait for trait in others if not any(trait in pair and pair & set(wanted) for pair in GO_TOGETHER)]
        return f"{strange[0]} changed too" if strange and strange != ["title"] else ""
