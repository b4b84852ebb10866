"""One errand of a model's as it stands: what was said in it so far, what is shown again, and where a call's values may come from.

It does not know how a step is made (`thinking`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dobby.butler.errand import Steer
from dobby.events import EventKind
from dobby.gate import Provenance
from dobby.journal.inbox import EventRow
from dobby.journal.steps import Step
from dobby.wits import prompt
from dobby.wits.llm import tokens

TALK = 3600.0  # seconds for which what was said before is shown again; words from outside in it can mislead for as long
MOST_TALK = 6000  # tokens of that, at most; then the older half is left out


@dataclass(slots=True)
class Errand:
    """One errand: its event, its plan as kept, how it can be stopped, and what a newer text adds (`more`)."""

    row: EventRow
    kept: dict[str, Any]
    steer: Steer
    told: list[Step] = field(default_factory=list)
    before: list[Step] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    stop: str = ""
    seen: set[str] = field(default_factory=set)
    sources: list[str] = field(default_factory=list)
    uses: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    begun: float = 0.0
    corrected: bool = False
    slow: bool = False

    @property
    def text(self) -> str:
        """What the model is to think about."""
        return str(self.kept["think"])

    def provenance(self, strict: bool) -> Provenance:
        """Where the values of this errand's calls may have come from, by all that the model is shown."""
        event = self.row.event
        said = event.refers if event.kind is EventKind.ERRAND else "" if event.tainted else event.text
        outside = any(step.outside for step in (*self.before, *self.told))
        return Provenance(" ".join((said, *self.said)), frozenset(self.kept["named"]), outside, strict)


def pending(errand: Errand) -> list[int]:
    last = errand.told[-1]
    return [one for numbers in last.effects.values() for one in numbers] if last.role == "assistant" else []


def lately(told: list[Step]) -> list[Step]:
    """What of earlier errands is shown again: all of it, and of too much the newer half, by whole errands."""
    kept: list[Step] = []
    for step in told:
        kept.append(step)
        if sum(tokens(one.content) for one in kept) > MOST_TALK:
            while kept and sum(tokens(one.content) for one in kept) > MOST_TALK / 2:
                kept = [one for one in kept if one.event != kept[0].event]
    return kept


def messages_of(told: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps as messages, every use of a tool with a result, and the last one as far as the cache reaches."""
    messages: list[dict[str, Any]] = []
    for at, step in enumerate(told):
        messages.append({"role": step.role, "content": [dict(block) for block in step.content]})
        uses = [block["id"] for block in step.content if block["type"] == "tool_use"]
        if uses and (at + 1 == len(told) or told[at + 1].role != "user" or "tool_use_id" not in told[at + 1].content[0]):
            results = [{"type": "tool_result", "tool_use_id": use, "content": "Not done."} for use in uses]
            messages.append({"role": "user", "content": results})
    messages[-1]["content"][-1]["cache_control"] = prompt.CACHE
    return messages
