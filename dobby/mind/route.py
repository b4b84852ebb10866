"""Which mind answers: skills' own sentences first, then the plain mind; a model, where there is one, for what is left.

It does not understand anything itself.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from dobby.events import Call
from dobby.mind.plan import Context, Mind, Order, Outcome, Plan
from dobby.skill.tool import Tool

LIMITS = ("no_history", "time_trigger", "time_unclear", "no_if", "unclear", "time_later")  # phrases by their keys
PARTS = re.compile(r"\s*(?:[;.!]|,)?\s+(?:and then|and|then|und dann|und|dann)\s+|\s*[;.!]\s+", re.IGNORECASE)


class Routed:
    """A mind made of several. `tools` gives the skills' functions as they are now; `thinks` says whether a model may be asked."""

    def __init__(self, plain: Mind, tools: Callable[[], Iterable[Tool]], thinks: Callable[[], bool] = lambda: False) -> None:
        self._plain = plain
        self._tools, self._thinks = tools, thinks
        self._known: tuple[str, ...] = ()
        self._sentences: Any = None

    async def plan(self, text: str, context: Context) -> Plan:
        """A skill's own sentence is that skill's; everything else is the plain mind's. A model knows the whole house: it does not
        think for whom that is not for."""
        call = self._own(text)
        if call is not None:
            return Plan(calls=(call,), language=context.language, mind="skill")
        plan = await self._plain.plan(text, context)
        if context.rooms or not self._thinks() or (plan.understood and not plan.rest and not self._is_limit(plan)):
            return plan
        return replace(await self._split(text, context), recall=plan.recall)  # what the memory can answer needs no model

    def _is_limit(self, plan: Plan) -> bool:
        """It was understood, and answered with what plain words cannot do."""
        told = {self.phrase(key, plan.language) for key in LIMITS}
        return plan.say in told and not (plan.calls or plan.choices or plan.due or plan.order)

    async def _split(self, text: str, context: Context) -> Plan:
        """For the model, without the clear commands that it begins with: those need none."""
        calls: list[Call] = []
        rest = text.strip()
        while (found := PARTS.search(rest)) is not None:
            part = await self._plain.plan(rest[: found.start()], context)
            if (
                not part.understood
                or not part.calls
                or part.choices
                or part.due
                or part.rest
                or part.say
                or part.order
                or part.scene
            ):
                break
            calls += part.calls
            rest = rest[found.end() :]
            context = replace(context, talked=(*part.topic, *context.talked), last=part.calls)
        return Plan(tuple(calls), order=Order.THINK, about=rest, language=context.language, mind="model")

    def _own(self, text: str) -> Call | None:
        tools = [tool for tool in self._tools() if tool.says]
        if not tools:
            return None
        from hassil import Intents, recognize_best

        known = tuple(f"{tool.name}: {sentence}" for tool in tools for sentence in tool.says)
        if known != self._known:
            intents = {tool.name: {"data": [{"sentences": list(tool.says)}]} for tool in tools}
            lists = {name: {"wildcard": True} for tool in tools for name in tool.schema.get("properties", {})}
            self._sentences = Intents.from_dict({"language": "en", "intents": intents, "lists": lists})
            self._known = known
        found = recognize_best(text.strip().rstrip(".!?"), self._sentences)
        if found is None:
            return None
        return Call(found.intent.name, "", {name: str(slot.value).strip() for name, slot in found.entities.items()})

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        """Outcomes in words; a skill's function speaks for itself."""
        said = [str(one.after["says"]) for one in outcomes if one.after.get("says")]
        rest = [one for one in outcomes if not one.after.get("says")]
        return " ".join([*said, *([self._plain.report(rest, language, units)] if rest else [])])

    def phrase(self, key: str, language: str, **facts: object) -> str:
        """One of Dobby's fixed sentences."""
        return self._plain.phrase(key, language, **facts)
