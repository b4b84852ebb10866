"""Verbs whose object is free text: play …, add …, announce …: where the words end and the place begins.

The place must be one that the house knows. It does not know whether a song exists.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from dobby.events import Call, Value
from dobby.mind.plain.clause import Clause, Item, clauses
from dobby.mind.plain.find import Found, replace_items
from dobby.mind.plain.lexicon import Key, read_yaml
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.think import Draft, Thinker
from dobby.mind.plain.words import fold_all, listed
from dobby.mind.plan import Choice, Plan

_MOST_ITEMS = 6
_LISTS = ("add", "complete", "remove")


@cache
def rules(language: str) -> Mapping[str, Any]:
    """A language's `free.yaml`, its phrases as words, longest first."""
    data = read_yaml(f"{language}/free.yaml")
    for rule in data.values():
        for part in ("head", "split", "generic", "bare_head", "tail") if isinstance(rule, dict) else ():
            phrases = [fold_all(phrase) for phrase in listed(rule.get(part, ""))]
            rule[part] = sorted(dict.fromkeys(phrases), key=len, reverse=True)
    return data


def free_plan(text: str, marks: Sequence[Mark], thinker: Thinker) -> Plan | None:
    """A plan for a text with free words in it; None where no such verb begins a stretch of it."""
    for start in _starts(marks):
        for end in _ends(marks, start):
            for verb, rule in rules(thinker.speech.language).items():
                reading = _Reading(text, marks[start:end], verb, rule, thinker)
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


def _with_rest(before: Sequence[Mark], reading: "_Reading", after: Sequence[Mark], thinker: Thinker, text: str) -> Plan:
    """The free verb together with what stands before and after it, in order."""
    plans: list[Plan] = []
    if any(_loud(mark) for mark in before):
        plans.append(thinker.think(before, ""))
    plans.append((reading.draft() or Draft()).plan(thinker.speech.language))
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


class _Reading:
    """One stretch read as one free verb."""

    def __init__(self, text: str, marks: Sequence[Mark], verb: str, rule: Mapping[str, Any], thinker: Thinker) -> None:
        self.text, self.verb, self.rule, self.thinker = text, verb, rule, thinker
        self.marks = list(marks)
        self.words = [word for mark in marks for word in mark.words]
        self.texts = tuple(word.text for word in self.words)

    def draft(self) -> Draft | None:
        """What it comes to; None where it does not fit."""
        head = self._head(self.rule["head"])
        if head is not None:
            for at, length in self._splits(head):
                place = self._place(at + length)
                if place is not None and at > head and not self._generic(head, at):
                    return self._done(head, at, place)
            if self.verb not in _LISTS:
                return self._bare(head)
            if self._no_list():
                return Draft(says=[self.thinker.speech.say("no_list")])
        bare = self._head(self.rule["bare_head"])
        few = bare is not None and len(self.texts) - bare <= _MOST_ITEMS and self.texts[bare] != "to"
        few = few and (self.verb != "add" or not any(mark.sense("prep") for mark in self.marks[1:]))
        return self._bare(bare) if bare is not None and few else None

    def _head(self, heads: Sequence[Key]) -> int | None:
        return next((len(head) for head in heads if self.texts[: len(head)] == head and len(self.texts) > len(head)), None)

    def _generic(self, start: int, end: int) -> bool:
        return self.texts[start:end] in self.rule["generic"]

    def _splits(self, head: int) -> Iterator[tuple[int, int]]:
        """Where a place may begin, from the right."""
        at = 0
        for mark in self.marks:
            if at > head and mark.sense("here", "there", "house"):
                yield at, 0
            at += len(mark.words)
        for at in range(len(self.texts) - 1, head, -1):
            for split in self.rule["split"]:
                if self.texts[at : at + len(split)] == split:
                    yield at, len(split)

    def _place(self, start: int) -> Found | None:
        clause = self._clause(start)
        if clause is None or clause.unknown or clause.acts or clause.blocks or clause.asks:
            return None
        if not (clause.items or clause.flags & {"here", "there", "house", "everything", "all", "it"}):
            return None
        found = self._find(clause)
        generic = any("list" in item.nouns for item in clause.items)
        if found.rivals and self.verb == "add" and generic:
            usual = self._find(replace_items(clause, [*clause.items, Item(("shopping",), "", ("shopping",))]))
            found = usual if usual.devices else found
        return found if found.devices or found.rivals else None

    def _clause(self, start: int) -> Clause | None:
        marks: list[Mark] = []
        at = 0
        for mark in self.marks:
            if at >= start:
                marks.append(mark)
            elif at + len(mark.words) > start:
                return None
            at += len(mark.words)
        row = clauses(marks) if marks else []
        return row[0] if len(row) == 1 else None

    def _find(self, clause: Clause) -> Found:
        for kind in self.rule["kinds"].split(", "):
            found = self.thinker.finder.find(clause, lambda device, kind=kind: device.kind == kind)  # type: ignore[misc]
            if found.devices or found.rivals:
                return found
        return found

    def _bare(self, head: int) -> Draft | None:
        """Without a place: the only one, the one just talked about, or here."""
        if self._generic(head, len(self.texts)) or self._is_place(head) or self._commands(head):
            return None
        strange = self._strange_place(head)
        if strange:
            near = self.thinker.teller.near(strange)
            if self.thinker.index.house.room(strange):
                return Draft(says=[self.thinker.speech.say("nothing_named", places=strange)])
            return Draft(says=[self.thinker.speech.say("unknown_place", word=strange, near=near)])
        items = [Item(("shopping",), "", ("shopping",))] if self.verb in _LISTS else []
        found = self._find(Clause(items=items, flags={"all"} if self.rule.get("everywhere") else set()))
        if found.devices and self.verb == "play" and any(True for _ in self._splits(head)):
            found = Found(rivals=found.devices, reason="which")  # a title with "in the …", or a place that is not here: ask
        if not found.devices and not found.rivals:
            return Draft(says=[self.thinker.speech.say("no_list")]) if self.verb in _LISTS else None
        return self._done(head, len(self.texts), found)

    def _no_list(self) -> bool:
        """A list is meant, and this house has none."""
        lists = any(sense.value in ("list", "shopping") for mark in self.marks for sense in mark.senses if sense.tag == "noun")
        return lists and not self.thinker.index.by_kind.get("list")

    def _is_place(self, start: int) -> bool:
        return self._place(start) is not None

    def _commands(self, start: int) -> bool:
        """What follows a conjunction is a command of its own: no part of a title."""
        joined = pairwise(self.marks)
        return any(
            (mark.stop or mark.sense("join")) and after.sense("verb", "weak") and not after.names for mark, after in joined
        )

    def _strange_place(self, head: int) -> str:
        """A place that this house does not have: `in the bathroom`."""
        for at, length in self._splits(head):
            tail = self.words[at + length :]
            known = (
                any((mark.sense("place") or mark.rooms) and mark.words[-1] == tail[-1] for mark in self.marks) if tail else False
            )
            if known and len(tail) <= 3 and self.verb == "play":
                return " ".join(word.text for word in tail)
        return ""

    def _done(self, head: int, end: int, found: Found) -> Draft:
        draft = Draft()
        words = self.words[head:end]
        tails = [tail for tail in self.rule["tail"] if tuple(w.text for w in words[-len(tail) :]) == tail]
        words = words[: -len(tails[0])] if tails else words
        devices = self.thinker.index.devices
        if (
            any(mark.sense("time") and mark.words[0] in words for mark in self.marks)
            and self.verb == "play"
            and self._timed(words)
        ):
            draft.says.append(self.thinker.speech.say("time_later"))
        elif found.devices:
            draft.calls = [call for key in found.devices for call in self._calls(key, words)]
            draft.says = [] if draft.calls else [self.thinker.speech.say("what_to_add")]
        else:
            draft.choices = [Choice(devices[key].name, tuple(self._calls(key, words))) for key in found.rivals[:8]]
            names = self.thinker.speech.names((devices[key].name for key in found.rivals[:8]), 8, "or")
            draft.question = self.thinker.speech.say("which", names=names)
        return draft

    def _timed(self, words: Sequence[Any]) -> bool:
        return any(word.number is not None or ":" in word.text for word in words) or words[-1].text in (
            "tomorrow",
            "tonight",
            "later",
        )

    def _calls(self, device: str, words: Sequence[Any]) -> list[Call]:
        if self.verb in _LISTS:
            return [Call("do", device, {"verb": self.verb, "item": item}) for item in self._items(words)]
        args: dict[str, Value] = {"verb": self.verb, "what" if self.verb == "play" else "text": self._raw(words)}
        return [Call("do", device, args)]

    def _raw(self, words: Sequence[Any]) -> str:
        return self.text[words[0].start : words[-1].end] if words else ""

    def _items(self, words: Sequence[Any]) -> list[str]:
        joins = {word for mark in self.marks if mark.stop or mark.sense("join") for word in mark.words}
        groups: list[list[Any]] = [[]]
        for word in words:
            if word in joins:
                groups.append([])
            else:
                groups[-1].append(word)
        return [self._raw(group) for group in groups if group]
