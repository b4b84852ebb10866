"""A house on a stage: texts go through the plain mind, its calls through virtual devices, and what changed is seen.

It knows no gate: every call that is planned is carried out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dobby.errors import Refused
from dobby.events import Call, Change, EffectState, Role
from dobby.house.load import Loaded, load
from dobby.house.virtual import Virtual
from dobby.journal.pack import FORGET, REMEMBER
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context, Outcome, Plan

NOW = datetime.fromisoformat("2026-03-02T19:40:00+01:00")
HOUSE = Path(__file__).with_name("house.yaml")


@dataclass
class Seen:
    """What one text came to: the plan, what changed in the house, what was said."""

    plan: Plan
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: str = ""


class Stage:
    """One house and one conversation."""

    def __init__(self, loaded: Loaded | None = None, units: str = "", language: str = "", here: str = "") -> None:
        self.loaded = loaded or load(HOUSE)
        self.house = self.loaded.house
        self.mind = PlainMind(self.house)
        self.units, self.language = units or self.loaded.units, language or self.loaded.language
        self.here = here or self.loaded.here
        self.start()

    def start(self, here: str | None = None) -> None:
        """Everything as the file says, and nothing talked about."""
        self.hands = Virtual(self.loaded.states)
        self.last: tuple[Call, ...] = ()
        self.was: tuple[Mapping[str, Any], ...] = ()
        self.relative = False
        self.talked: tuple[str, ...] = ()
        self.here = self.here if here is None else here
        for device, state in self.loaded.states.items():
            self.house.state.forget(device)
            self.house.state.hear(Change(device, dict(state)))

    def context(self) -> Context:
        return Context(
            "ann", Role.OWNER, NOW, self.here, self.units, self.language, self.talked, self.last, self.was, self.relative
        )

    async def say(self, text: str) -> Seen:
        """One text, planned and carried out."""
        plan = await self.mind.plan(text, self.context())
        before = {device.id: self.house.state.of(device.id) for device in self.house}
        outcomes = [await self._carry_out(call) for call in plan.calls]
        told = self.mind.report(outcomes, plan.language, self.units) if outcomes else ""
        if plan.calls:
            self.last, self.was = plan.calls, tuple(outcome.before for outcome in outcomes)
            self.relative = plan.relative
        self.talked = tuple(dict.fromkeys((*plan.topic, *self.talked)))
        return Seen(plan, self._changes(before), " ".join(filter(None, (told, plan.say))))

    async def _carry_out(self, call: Call) -> Outcome:
        if call.tool in (REMEMBER, FORGET):  # the memory's, not the house's
            return Outcome(call, EffectState.DONE, after={"says": "Noted."})
        device = self.house.get(call.device)
        assert device is not None
        before = self.house.state.of(device.id)
        args = dict(call.args)
        try:
            if call.tool == "set":
                await self.hands.set(device, args)
            else:
                await self.hands.do(device, str(args.pop("verb")), **args)
        except Refused as error:
            return Outcome(call, EffectState.FAILED, device, why=str(error))
        self.house.state.hear(Change(device.id, await self.hands.read(device)))
        return Outcome(call, EffectState.DONE, device, before, self.house.state.of(device.id))

    def _changes(self, before: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        after = {device.id: self.house.state.of(device.id) for device in self.house}
        changed = {d: {t: v for t, v in now.items() if before[d].get(t) != v} for d, now in after.items()}
        return {device: traits for device, traits in changed.items() if traits}
