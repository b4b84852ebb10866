"""Which mind answers: skills' own sentences first, then the plain mind; later a model for what is left.

It does not understand anything itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dobby.events import Call
from dobby.mind.plan import Context, Mind, Outcome, Plan
from dobby.skill.tool import Tool


class Routed:
    """A mind made of several. `tools` gives the skills' functions as they are now."""

    def __init__(self, plain: Mind, tools: Callable[[], Iterable[Tool]]) -> None:
        self._plain = plain
        self._tools = tools
        self._known: tuple[str, ...] = ()
        self._sentences: Any = None

    async def plan(self, text: str, context: Context) -> Plan:
        """A skill's own sentence is that skill's; everything else is the plain mind's."""
        call = self._own(text)
        if call is not None:
            return Plan(calls=(call,), language=context.language, mind="skill")
        return await self._plain.plan(text, context)

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
