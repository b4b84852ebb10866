"""Marks become clauses, read from left to right; each takes over from its neighbours what it leaves unsaid.

Nothing is looked up here. It does not know the house.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plain.lexicon import meaning
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.share import share
from dobby.mind.plain.words import stem

_QUIET = ("noise", "art", "prep", "to", "join", "floors")
_FLAGS = ("ensure", "mean", "there", "it", "other", "same", "here", "house", "all", "both", "everything", "only")
_BLOCKS = ("not", "if", "time", "or")
_UNCOUNTED = frozenset({"on", "off", "lock", "unlock", "start", "stop", "pause", "resume", "mute", "unmute", "arm", "disarm"})
_TOO = ("too", "zu")
_WARMS = {"heat": 1, "chill": -1}
_TIMES = {"halved": -1, "doubled": 1}
_VALUES = ("color", "ct", "mode", "arm", "level")


class _Builder:
    """Reads the marks of one stretch from left to right."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self.marks = [mark for mark in marks if not mark.stop]
        self.clause = Clause(marks=list(marks))
        self.parts: list[tuple[str, int]] = []
        self.numbers: list[float] = []
        self.sparing = False
        self.prep = False
        self.complains = False

    def build(self) -> Clause:
        for at, mark in enumerate(self.marks):
            self._take(at, mark)
            quiet = mark.sense("art", "noise", "all", "both") is not None and not mark.names
            self.prep = (mark.sense("prep") is not None or self._is_prep(at)) or (self.prep and quiet)
        self._settle_verb()
        self._settle_value()
        if self.clause.asks == "is" and self.complains and not self.marks[0].sense("ask"):
            self.clause.asks = ""
        if "ensure" in self.clause.flags and self.clause.states:
            self.clause.asks = ""
            self.clause.verb = self.clause.verb or meaning()["ensured"].get(self.clause.states[-1], "")
        return self.clause

    def _take(self, at: int, mark: Mark) -> None:
        clause = self.clause
        if mark.unknown:
            clause.unknown.append(mark.text)
        elif len(mark.words) > 1 and mark.names and not mark.sense("except"):
            self._item(mark)
        elif mark.number is not None or mark.sense("number"):
            self._number(at, mark)
        else:
            self._word(at, mark)

    def _word(self, at: int, mark: Mark) -> None:
        clause = self.clause
        if self._half(mark):
            return
        if mark.sense("except"):
            self.sparing = True
            clause.spared += [] if clause.spared and not clause.spared[-1] else [[]]
            return
        for tag in _BLOCKS:
            if mark.sense(tag) and not self._value_of(at, mark):
                clause.blocks.add(tag)
                return
        if self._verb(at, mark) or self._modifier(at, mark):
            return
        if mark.sense("noun", "floor") or mark.names:
            self._item(mark)
        elif (sense := mark.sense(*_FLAGS)) is not None:
            clause.flags.add(sense.tag)
        elif (asked := mark.sense("ask")) is not None:
            clause.asks = clause.asks or asked.value
        elif not mark.sense(*_QUIET):
            clause.unknown.append(mark.text)

    def _verb(self, at: int, mark: Mark) -> bool:
        verb, part = mark.sense("verb"), mark.sense("part")
        if part and self.sparing:
            return True
        if part and not (verb and not self.clause.verb and not self.clause.weak):
            if not self._is_prep(at):
                self.parts.append((part.value, at))
                self.clause.lent = mark.sense("prep") is not None and self._storey(at + 1)
            self._state(mark)
            return True
        if verb and (not (mark.sense("noun") or mark.sense("mode")) or self._leads(at)):
            self._state(mark)
            if not self.clause.verb:
                self.clause.verb = verb.value
            elif self.clause.verb != verb.value:
                self._second(verb.value)
            return True
        again = mark.sense("noun") is not None and (self.clause.weak or self.clause.verb != "")
        if mark.sense("weak") and not mark.names and not again:
            self.clause.weak = True
            return True
        return False

    def _second(self, verb: str) -> None:
        """Two verbs in one breath: only some go together."""
        first = self.clause.verb
        if verb in ("up", "down", "dim") and first in ("set", "dim"):
            self.clause.verb = verb
        elif not (verb == "set" or {first, verb} <= {"start", "play", "playon", "resume"}):
            self.clause.blocks.add("two")

    def _state(self, mark: Mark) -> None:
        if (adj := mark.sense("adj")) is not None:
            self.clause.states.append(adj.value)

    def _leads(self, at: int) -> bool:
        """Nothing but courtesy stands before it, and something it could be done to comes after."""
        before = self.marks[:at]
        clause = self.clause
        if clause.verb or clause.weak or self.parts or clause.items or any(mark.sense("art") for mark in before[-1:]):
            return False
        return any(mark.names or mark.sense("noun", "it", "here", "house", "everything") for mark in self.marks[at + 1 :])

    def _modifier(self, at: int, mark: Mark) -> bool:
        clause = self.clause
        if (more := mark.sense("more")) is not None:
            clause.attr, clause.direction = more.value[:-1], 1 if more.value[-1] == "+" else -1
            self.complains = mark.words[0].text in _TOO
        elif self._value_of(at, mark):
            value = mark.sense(*_VALUES)
            assert value is not None
            clause.values[value.tag] = value.value
            self._state(mark)
        elif (attr := mark.sense("attr")) is not None and not mark.devices and not mark.rooms:
            clause.attr = clause.attr or attr.value
        elif (
            mark.sense("adj")
            and not mark.sense("noun")
            and not self._is_floor(mark)
            and (not mark.names or (mark.partial and clause.verb == "dock"))
        ):
            self._state(mark)
        elif (how := mark.sense("to")) is not None:
            clause.how = how.value
        elif (bit := mark.sense("bit")) is not None:
            clause.amount = clause.amount if bit.value in ("more", "less", "undo") else bit.value
            clause.flags |= {bit.value} & {"more", "less", "undo"}
        elif (unit := mark.sense("unit")) is not None:
            clause.unit = unit.value
            if not self.numbers:
                clause.unknown.append(mark.text)
        else:
            return False
        return True

    def _is_floor(self, mark: Mark) -> bool:
        """`unten` is a place, but in "are the blinds down?" it is how they are."""
        others = any(other.sense("adj") for other in self.marks if other is not mark)
        return mark.sense("floor") is not None and (not self.clause.asks or others)

    def _value_of(self, at: int, mark: Mark) -> bool:
        value = mark.sense(*_VALUES)
        if value is None or mark.devices or mark.rooms:
            return False
        if value.tag == "arm":
            return any(m.sense("noun") and m.sense("noun").value == "alarm" for m in self.marks) or any(  # type: ignore[union-attr]
                s.tag == "verb" and s.value == "arm" for m in self.marks for s in m.senses
            )
        if value.tag == "mode" and mark.sense("noun"):
            return at > 0 and self.marks[at - 1].sense("to") is not None
        if mark.sense("time"):
            return at > 0 and self.marks[at - 1].sense("to") is not None
        return True

    def _makes_light(self) -> bool:
        """`mach Licht in der Küche`."""
        makes = any(sense.value == "makes" for mark in self.marks if (sense := mark.sense("weak")))
        return makes and any("light" in item.nouns and not item.devices for item in self.clause.items)

    def _number(self, at: int, mark: Mark) -> None:
        word = mark.sense("number")
        value = mark.number if mark.number is not None else float(word.value) if word else 0.0
        following = self.marks[at + 1] if at + 1 < len(self.marks) else None
        measured = following is not None and following.sense("unit") is not None
        before = self.marks[at - 1] if at else None
        if mark.names and not measured and before is not None and not before.sense("to"):
            self._item(mark)
            return
        if before is not None and following is not None and _thing(before) and _thing(following) and not measured:
            self.clause.unknown.append(mark.text)  # "bedroom 2 light" where there is no second bedroom
            return
        if self.numbers and self.numbers[-1] >= 20 and value < 10 and word:
            self.numbers[-1] += value
        else:
            self.numbers.append(value)
        self._check_clock(measured, before)

    def _half(self, mark: Mark) -> bool:
        """`nineteen and a half`."""
        if not mark.sense("half") or not self.numbers:
            return False
        self.numbers[-1] += 0.5
        return True

    def _check_clock(self, measured: bool, before: Mark | None) -> None:
        """`at 7` is a time; `at 7 %`, `at 50` and `set it at 7` are not."""
        clause = self.clause
        valued = clause.verb in ("set", *_WARMS) or (clause.weak and not clause.verb and not self.parts)
        at = before is not None and before.text in ("at", "um") and not before.sense("noise")
        if at and not measured and not clause.attr and not valued and self.numbers[-1] <= 24:
            clause.blocks.add("time")

    def _item(self, mark: Mark) -> None:
        noun, floor = [s for s in mark.senses if s.tag == "noun"], mark.sense("floor")
        item = Item(
            stems=tuple(stem(word.text) for word in mark.words),
            text=" ".join(word.raw for word in mark.words),
            nouns=tuple(dict.fromkeys(s.value for s in noun)),
            devices=mark.devices,
            rooms=(*mark.rooms, *mark.floor),
            level=floor.value if floor and not mark.floor and not mark.rooms else "",
            many=(any(s.many for s in noun) or (mark.plural and not self._nouned(mark)))
            and not (mark.devices and len(mark.words) > 1),
            tail=tuple(dict.fromkeys(s.value for s in mark.tail)),
            after_prep=self.prep,
        )
        (self.clause.spared[-1] if self.sparing else self.clause.items).append(item)

    def _nouned(self, mark: Mark) -> bool:
        """A noun comes right after it: in "mias licht" it is hers."""
        after = self.marks[self.marks.index(mark) + 1 :][:1]
        return any(one.sense("noun") for one in after)

    def _is_prep(self, at: int) -> bool:
        """`on` before something is a place, unless `turn` or nothing else needs it."""
        mark = self.marks[at]
        if not (mark.sense("part") and mark.sense("prep")) or at + 1 == len(self.marks):
            return False
        following = self.marks[at + 1]
        if mark.sense("to") and (following.number is not None or following.sense("number", "level")):
            return True  # "zu 50 %", "auf 21"
        if self._ends_in(at + 1):
            return False
        needed = (self.clause.weak or at == 0) and not self.parts and not self.clause.verb
        return self._leads_on(at + 1) and not (needed and not any(self._turns(mark) for mark in self.marks[at + 1 :]))

    def _ends_in(self, at: int) -> bool:
        """`lights on kitchen`: just a thing, on, and a room that nobody stands on."""
        clause, mark = self.clause, self.marks[at]
        bare = clause.items and not (clause.verb or clause.weak or clause.attr or clause.asks)
        valued = any(self._turns(one) or one.number is not None or one.sense(*_VALUES) for one in self.marks[at:])
        return bool(bare and mark.rooms and not mark.devices and not valued)

    def _storey(self, at: int) -> bool:
        """What comes next is a place that is stood on: `the terrace`, `the ground floor`, no `downstairs`."""
        mark = self.marks[at] if at < len(self.marks) else None
        floor = mark.sense("floor") if mark else None
        return mark is not None and (mark.sense("art") is not None or (floor is not None and floor.value not in ("up", "down")))

    def _leads_on(self, at: int) -> bool:
        return self.marks[at].names or self.marks[at].sense("art", "noun", "it", "floor") is not None

    def _turns(self, mark: Mark) -> bool:
        part = mark.sense("part")
        return part is not None and part.value in ("on", "off") and not mark.names

    def _settle_verb(self) -> None:
        clause, parts = self.clause, {part for part, _ in self.parts}
        if len(parts) > 1:
            parts -= {"up", "down"} if parts & {"on", "off"} and clause.weak else set()
        if len(parts) > 1:
            clause.blocks.add("two")
        if not parts:
            return
        part = next(iter(parts))
        if clause.verb in _WARMS and part in ("up", "down"):
            return  # "cool it down to 21"
        said = next((mark.text for mark in self.marks if (verb := mark.sense("verb")) and verb.value == clause.verb), "")
        paired = meaning()["pairs"].get(f"{said} {part}") or meaning()["pairs"].get(f"{clause.verb} {part}")
        if paired and not (said == "shut" and part == "down" and not clause.flags & {"everything", "house"}):
            clause.verb = paired
            return
        if clause.verb in ("", "set") or (clause.verb == "leave" and part in ("on", "off", "open", "close")):
            clause.flags |= {"leave"} if clause.verb == "leave" else set()
            clause.verb = part
        elif clause.verb in ("on", "off", "open", "close") and part != clause.verb and not clause.asks:
            clause.blocks.add("two")

    def _settle_value(self) -> None:
        clause = self.clause
        if len(self.numbers) > 1:
            clause.blocks.add("two")
        if self.numbers:
            clause.number = self.numbers[0]
        if clause.attr and clause.amount in _TIMES and not self.numbers:
            clause.direction = _TIMES[clause.amount]
        if clause.verb in _WARMS:
            clause.attr, clause.direction = "temperature", 0 if self.numbers else _WARMS[clause.verb]
            clause.verb = "set"
        if clause.number is not None:
            clause.values.pop("level", None)
            if clause.verb in _UNCOUNTED and not (clause.unit or clause.how):
                clause.unknown.append(f"{clause.number:g}")
        if not clause.verb and clause.has_value and clause.direction == 0:
            clause.verb = "set"
        if not (clause.acts or clause.attr or clause.asks or clause.flags) and self._makes_light():
            clause.verb = "on"


def clauses(marks: Sequence[Mark]) -> list[Clause]:
    """The clauses of a text, each with what it takes over from its neighbours."""
    out: list[Clause] = []
    for stretch, hard in _stretches(marks):
        clause = _Builder(stretch).build()
        if out and out[-1].spared and not clause.acts and not clause.asks and clause.items:
            out[-1].spared.append(clause.items)
            continue
        if out and clause.spared and not (clause.acts or clause.items or clause.asks or clause.unknown):
            out[-1].spared += clause.spared  # "…, but not the hallway"
            continue
        if out and out[-1].is_no and clause.acts and _declines(out[-1]):
            out.pop()  # "no, turn off the tv": what was asked is answered, this is something new
        empty = not (clause.acts or clause.aims or clause.blocks or clause.unknown or clause.attr or clause.flags or clause.asks)
        if empty and not clause.spared:
            continue
        if hard:
            clause.flags.add("hard")
        out.append(clause)
    share(out)
    return out


def _declines(clause: Clause) -> bool:
    """`no, …` answers what was asked; `not: …` and `never! …` forbid what comes after."""
    return all(sense.value == "no" for mark in clause.marks if (sense := mark.sense("not")))


def _stretches(marks: Sequence[Mark]) -> Iterator[tuple[list[Mark], bool]]:
    stretch: list[Mark] = []
    hard = False
    for at, mark in enumerate(marks):
        if mark.stop or (mark.sense("join") and not _spares(mark, marks[at + 1 :])):
            if stretch:
                yield stretch, hard
                hard = False
            hard = hard or (mark.stop and mark.text not in (",", ":"))
            stretch = []
        elif stretch and (_begins_anew(stretch, mark) or _is_next(stretch, marks[at:])):
            yield stretch, hard
            stretch, hard = [mark], False
        else:
            stretch.append(mark)
    if stretch:
        yield stretch, hard


def _begins_anew(before: Sequence[Mark], mark: Mark) -> bool:
    """`no make it red`: a no, and then what is wanted instead."""
    declined = all((sense := one.sense("not")) is not None and sense.value == "no" for one in before)
    return declined and mark.sense("verb", "weak") is not None and not (mark.names or mark.sense("adj", "part", "noun"))


def _is_next(before: Sequence[Mark], after: Sequence[Mark]) -> bool:
    """`tv off blinds down`: a thing and what becomes of it, and then another such pair without a word between."""
    row = [mark for mark in before if not mark.sense("art", "noise") or mark.names]
    told = any(mark.sense("verb", "weak", "ask", "not", "if", "time") and not mark.names for mark in row)
    if told or len(row) < 2 or not _part(row[-1]) or not _thing(after[0]) or not any(map(_thing, row[:-1])):
        return False
    rest = takewhile(lambda mark: not mark.stop and not mark.sense("join"), after[1:])
    return any(_part(mark) or mark.number is not None for mark in rest)


def _part(mark: Mark) -> bool:
    return mark.sense("part") is not None and not mark.names


def _thing(mark: Mark) -> bool:
    return mark.names or mark.sense("noun") is not None


def _spares(mark: Mark, after: Sequence[Mark]) -> bool:
    """`everything but the hallway` takes out, `the lamp off but the fan on` goes on with something else."""
    rest = takewhile(lambda mark: not mark.stop and not mark.sense("join"), after)
    return mark.sense("except") is not None and not any(one.sense("verb", "weak", "part") for one in rest)
