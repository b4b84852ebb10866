"""Verbs whose object is free text: play …, add …, announce …: where in a text such a stretch begins and ends.

What stands before and after it is thought about as ever. It does not know what the stretch comes to (`reading`, `lists`).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from dobby.mind.plain.lexicon import read_yaml
from dobby.mind.plain.lists import LISTS, ListReading
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.reading import Reading
from dobby.mind.plain.think import Draft, Thinker
from dobby.mind.plain.words import fold_all, listed
from dobby.mind.plan import Choice, Plan


@cache
def rules(language: str) -> Mapping[str, Any]:
    """A language's `free.yaml`, its phrases as words, longest first."""
    data = read_yaml(f"{language}/free.yaml")
    for rule in data.values():
        for part in ("head", "head_tail", "split", "generic", "bare_head", "tail", "aside") if isinstance(rule, dict) else ():
            phrases = [fold_all(phrase) for phrase in listed(rule.get(part, ""))]
            rule[part] = sorted(dict.fromkeys(phrases), key=len, reverse=True)
    return data


def free_plan(text: str, marks: Sequence[Mark], thinker: Thinker) -> Plan | None:
    """A plan for a text with free words in it; None where no such verb begins a stretch of it."""
    for start in _starts(marks):
        for end in _ends(marks, start):
            for verb, rule in rules(thinker.speech.language).items():
                kind = ListReading if verb in LISTS else Reading
                reading = kind(text, marks[start:end], verb, rule, thinker)
                if reading.draft() is None:
                    continue
                if any(mark.sense("not", "if", "time") for mark in (*marks[:start], *marks[end:])):
                    return None
                return _with_rest(marks[:start], reading, marks[end:], thinker, text)
    return None


def _starts(marks: Sequence[Mark]) -> Iterator[int]:
    begins = True
    for at, mark in enumerate(marks):
        if begins:
            yield at
            begins = mark.sense("noise") is not None and mark.sense("verb", "weak") is None
        begins = begins or mark.stop or mark.sense("join") is not None


def _ends(marks: Sequence[Mark], start: int) -> Iterator[int]:
    yield len(marks)
    for at in range(len(marks) - 1, start, -1):
        if marks[at].stop or marks[at].sense("join"):
            yield at


def _with_rest(before: Sequence[Mark], reading: Reading, after: Sequence[Mark], thinker: Thinker, text: str) -> Plan:
    """The free verb together with what stands before and after it, in order."""
    plans: list[Plan] = []
    if any(_loud(mark) for mark in before):
        plans.append(thinker.think(before, ""))
    plans.append((reading.draft() or Draft()).plan(thinker.speech.language))
    thinker.turn_to([call.device for call in plans[-1].calls])
    if any(_loud(mark) for mark in after):
        plans.append(free_plan(text, after, thinker) or thinker.think(after, ""))
    lost = next((plan for plan in plans if not plan.understood), None)
    if lost is not None:
        return lost
    calls = tuple(call for plan in plans for call in plan.calls)
    choices = tuple(Choice(choice.label, (*calls, *choice.calls)) for plan in plans for choice in plan.choices)
    says = " ".join(plan.say for plan in plans if plan.say)
    topic = tuple(device for plan in plans for device in plan.topic)
    return Plan(() if choices else calls, says, choices, topic=topic, language=thinker.speech.language)


def _loud(mark: Mark) -> bool:
    return not (mark.stop or mark.sense("join", "noise"))
