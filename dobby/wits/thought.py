"""One errand of a model's as it stands: what was said in it so far, what is shown again, and where a call's values may come from.

It does not know how a step is made (`thinking`).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dobby.butler.errand import Steer
from dobby.events import EventKind
from dobby.gate import Provenance
from dobby.journal.inbox import EventRow
from dobby.journal.pack import dump
from dobby.journal.steps import Step
from dobby.wits import prompt
from dobby.wits.llm import Block, tokens

TALK = 3600.0  # seconds for which what was said before is shown again; words from outside in it can mislead for as long
HOUSE = "<house>"  # how what the house tells the model begins
STOPPED = "stopped"  # why an errand came to its end where somebody said so
MOST_TALK = 6000  # tokens of that, at most; then the older half is left out


@dataclass(slots=True)
class Errand:
    """One errand: its event, its plan as kept, and how it can be stopped. What a restart must find again stands in the plan or in
    the steps `told`; a part of the plan is replaced, never changed in its place, as the writer's thread reads it meanwhile."""

    row: EventRow
    kept: dict[str, Any]
    steer: Steer
    told: list[Step] = field(default_factory=list)
    before: list[Step] = field(default_factory=list)
    begun: float = 0.0
    spent: float = 0.0
    prefix: list[Block] = field(default_factory=list)
    keeping: "asyncio.Future[None] | None" = None
    slow: bool = False
    over: bool = False
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.kept = {"amended": {}, "seen": [], "sources": [], "stop": "", "broken": {}, **self.kept}
        if self.kept["stop"] == STOPPED:
            self.steer.stopped.set()

    @property
    def text(self) -> str:
        """What the model is to think about."""
        return str(self.kept["think"])

    def provenance(self, strict: bool) -> Provenance:
        """Where the values of this errand's calls may have come from, by all that the model is shown."""
        event = self.row.event
        said = event.refers if event.kind is EventKind.ERRAND else "" if event.tainted else event.text
        outside = any(step.outside for step in (*self.before, *self.told))
        return Provenance(" ".join((said, *self.kept["amended"].values())), frozenset(self.kept["named"]), outside, strict)

    @property
    def unsaid(self) -> list[str]:
        """What newer texts added that the model has not been told yet."""
        texts = [block["text"] for step in self.told[1:] if step.role == "user" for block in step.content if "text" in block]
        return list(self.kept["amended"].values())[sum(not text.startswith(HOUSE) for text in texts) :]

    @property
    def corrected(self) -> bool:
        """Was the model told that no row knows what it claims."""
        return any(str(block.get("text", "")).startswith(HOUSE) for step in self.told[1:] for block in step.content)

    @property
    def rounds(self) -> int:
        """Answers of the model so far."""
        return sum(step.role == "assistant" for step in self.told)

    @property
    def uses(self) -> Counter[str]:
        """How often exactly the same was asked for."""
        blocks = (block for step in self.told for block in step.content if block["type"] == "tool_use")
        return Counter(dump([block["name"], block["input"]]) for block in blocks)


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
