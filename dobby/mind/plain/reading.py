"""One stretch of a text read as one verb with free words: where the words end and the place begins.

The place must be one that the house knows. It does not know whether a song exists, nor lists (`lists`).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from dobby.events import Call, Value
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.find import Found
from dobby.mind.plain.lexicon import Key
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.think import Draft, Thinker
from dobby.mind.plan import Choice

_SOON = ("tomorrow", "tonight", "later")


class Reading:
    """One stretch read as one free verb."""

    def __init__(self, text: str, marks: Sequence[Mark], verb: str, rule: Mapping[str, Any], thinker: Thinker) -> None:
        self.text, self.verb, self.rule, self.thinker = text, verb, rule, thinker
        self.marks, self.aside = list(marks), ""
        bare = self.marks[:-1] if marks and marks[-1].stop else self.marks
        if len(bare) > 3 and tuple(word.text for word in bare[-1].words) in rule.get("aside", ()):
            *self.marks, on, service = bare  # where from stands after the place too: "… in the kitchen on spotify"
            self.aside = " " + text[on.words[0].start : service.words[-1].end]
        self.words = [word for mark in self.marks for word in mark.words]
        self.texts = tuple(word.text for word in self.words)

    def draft(self) -> Draft | None:
        """What it comes to; None where it does not fit."""
        head = self.head(self.rule["head"])
        if head is None:
            return None
        for at, length in self.splits(head):
            place = self.place(at + length)
            if place is not None and at > head and not self._generic(head, at):
                return self._done(head, self._begins(head, at, place), place)
        return self._bare(head)

    def head(self, heads: Sequence[Key]) -> int | None:
        """How many words of it are the verb; None where it does not begin so."""
        found = next((len(head) for head in heads if self.texts[: len(head)] == head and len(self.texts) > len(head)), None)
        whole = not self.marks or self.marks[0].devices or (len(self.marks) == 1 and self.marks[0].sense("verb"))
        longer = found is not None and len(self.marks[0].words) > found
        return None if longer and whole else found  # "Play Corner" is a lamp here, "play the last song again" one verb

    def _generic(self, start: int, end: int) -> bool:
        return self.texts[start:end] in self.rule["generic"]

    def splits(self, head: int) -> Iterator[tuple[int, int]]:
        """Where a place may begin, from the right, and how many words lead to it."""
        at = 0
        for mark in self.marks:
            if at > head and mark.sense("here", "there", "house"):
                yield at, 0
            at += len(mark.words)
        for at in range(len(self.texts) - 1, head, -1):
            for split in self.rule["split"]:
                if self.texts[at : at + len(split)] == split:
                    yield at, len(split)

    def _begins(self, head: int, at: int, place: Found) -> int:
        """Where the words of a place begin: "on the tv in the kitchen" are two that name one thing."""
        for earlier, length in self.splits(head):
            row = self.clauses(earlier + length)
            thing = len(row) == 1 and any(not item.is_place for item in row[0].items)
            found = self.place(earlier + length) if thing and head < earlier < at and self.verb == "play" else None
            at = earlier if found and found.devices and found.devices == place.devices else at
        return at

    def place(self, start: int) -> Found | None:
        """The devices that the words from there on name; None where they name none."""
        row = self.clauses(start)
        several = [self._at(clause) for clause in row]
        if len(several) < 2 or "list" in self.rule["kinds"]:
            return several[0] if len(several) == 1 else None
        if not all(found is not None and found.devices for found in several):
            return None
        return Found(devices=tuple(dict.fromkeys(key for found in several if found for key in found.devices)))

    def _at(self, clause: Clause) -> Found | None:
        if clause.unknown or clause.acts or clause.blocks or clause.asks:
            return None
        if not (clause.items or clause.flags & {"here", "there", "house", "everything", "all", "it"}):
            return None
        found = self.find(clause)
        return found if found.devices or found.rivals else None

    def clause(self, start: int) -> Clause | None:
        """The words from there on, where they are one clause."""
        row = self.clauses(start)
        return row[0] if len(row) == 1 else None

    def clauses(self, start: int) -> list[Clause]:
        """The words from there on as clauses."""
        marks: list[Mark] = []
        at = 0
        for mark in self.marks:
            if at >= start:
                marks.append(mark)
            elif at + len(mark.words) > start:
                return []
            at += len(mark.words)
        return clauses(marks) if marks else []

    def find(self, clause: Clause) -> Found:
        """Of the kinds that the verb is for, the first that the clause can mean."""
        for kind in self.rule["kinds"].split(", "):
            found = self.thinker.finder.find(clause, lambda device, kind=kind: device.kind == kind)  # type: ignore[misc]
            if found.devices or found.rivals:
                return found
        return found

    def _bare(self, head: int) -> Draft | None:
        """Without a place: the only one, the one just talked about, or here."""
        if self._generic(head, len(self.texts)) or self.place(head) is not None or self.commands():
            return None
        strange = self._strange_place(head)
        if strange:
            near = self.thinker.teller.near(strange)
            if self.thinker.index.house.room(strange):
                return Draft(says=[self.thinker.speech.say("nothing_named", places=strange)])
            return Draft(says=[self.thinker.speech.say("unknown_place", word=strange, near=near)])
        found = self.find(Clause(flags={"all"} if self.rule.get("everywhere") else set()))
        if found.devices and self.verb == "play" and any(True for _ in self.splits(head)):
            found = Found(rivals=found.devices, reason="which")  # a title with "in the …", or a place that is not here: ask
        return self._done(head, len(self.texts), found) if found.devices or found.rivals else None

    def commands(self) -> bool:
        """What follows a conjunction is a command of its own: no part of a title."""
        joined = pairwise(self.marks)
        return any(
            (mark.stop or mark.sense("join")) and after.sense("verb", "weak") and not after.names for mark, after in joined
        )

    def _strange_place(self, head: int) -> str:
        """A place that this house does not have: `in the bathroom`."""
        for at, length in self.splits(head):
            tail = self.words[at + length :]
            known = (
                any((mark.sense("place") or mark.rooms) and mark.words[-1] == tail[-1] for mark in self.marks) if tail else False
            )
            if known and len(tail) <= 3 and self.verb == "play":
                return " ".join(word.text for word in tail)
        return ""

    def tailed(self, words: Sequence[Any]) -> Sequence[Any]:
        """Without what belongs to the verb: `… hinzu`."""
        tails = [tail for tail in self.rule["tail"] if tuple(w.text for w in words[-len(tail) :]) == tail]
        return words[: -len(tails[0])] if tails else words

    def _done(self, head: int, end: int, found: Found) -> Draft:
        draft = Draft()
        words = self.tailed(self.words[head:end])
        timed = any(mark.sense("time") and mark.words[0] in words for mark in self.marks)
        if timed and self.verb == "play" and self._timed(words):
            draft.says.append(self.thinker.speech.say("time_later"))
        elif found.devices:
            draft.calls = [call for key in found.devices for call in self.calls(key, words)]
        else:
            self.ask(found.rivals, words, draft)
        return draft

    def ask(self, rivals: Sequence[str], words: Sequence[Any], draft: Draft) -> None:
        """Which of several is meant."""
        devices = self.thinker.index.devices
        draft.choices = [Choice(devices[key].name, tuple(self.calls(key, words))) for key in rivals[:8]]
        names = self.thinker.speech.names((devices[key].name for key in rivals[:8]), 8, "or")
        draft.question = self.thinker.speech.say("which", names=names)

    def _timed(self, words: Sequence[Any]) -> bool:
        return any(word.number is not None or ":" in word.text for word in words) or words[-1].text in _SOON

    def calls(self, device: str, words: Sequence[Any]) -> list[Call]:
        """What it comes to for one device."""
        args: dict[str, Value] = {"verb": self.verb, "what" if self.verb == "play" else "text": self.raw(words) + self.aside}
        return [Call("do", device, args)]

    def raw(self, words: Sequence[Any]) -> str:
        """These words as they were written."""
        return self.text[words[0].start : words[-1].end] if words else ""
