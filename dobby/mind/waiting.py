"""What is to be done or told when the house becomes so: "when the front door opens, turn on the hallway light".

The condition is read like one that is asked now (`plain.condition`), once a turn is put as a state. It keeps nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from dobby.events import NEVER, Due, DueKind, Value, Watch
from dobby.mind.plain.condition import Condition
from dobby.mind.plain.due import Later
from dobby.mind.plain.lexicon import read_yaml
from dobby.mind.plain.speech import upper
from dobby.mind.plain.when import Clockmaker, Line, has
from dobby.mind.plan import Plan

IDLE, IDLE_FOR = 5.0, 180.0  # W that a machine draws when it is done, and seconds: a washing machine pauses between its turns


@cache
def table(language: str) -> Mapping[str, Any]:
    """The patterns of one language."""
    return read_yaml(f"{language}/waiting.yaml")


class Waiting:
    """Reads one person's texts in one language; `whole` is what a text comes to with all its times."""

    def __init__(self, condition: Condition, later: Later, whole: Callable[[str], Plan]) -> None:
        self.condition, self.later, self.whole, self.table = condition, later, whole, table(later.language)

    def plan(self, text: str) -> Plan | None:
        """What a text comes to that waits for the house; None where it does not, or for what nobody can tell."""
        line = Line(text)
        found = None if text.rstrip().endswith("?") else re.search(self._word("always", "when", "if"), line.line)
        if found is None:
            return None
        for said, act in self.condition.parts(line, found):
            plan = self._waits(found.group(), said, act) if act.strip(" ,.!") else None
            if plan is not None:
                return plan
        return None

    def _word(self, *names: str) -> str:
        return rf"(?<![a-z])(?:{'|'.join(self.table[name] for name in names)})(?![a-z])"

    def _waits(self, word: str, said: str, act: str) -> Plan | None:
        what, always = said.strip(" ,.!"), has(self.table["always"], word)
        line = re.sub(self.table["hold"], "", Line(what).line)
        sun = next((words for pattern, words in self.table["sun"].items() if re.fullmatch(pattern, line)), "")
        perhaps = re.fullmatch(self.table["if"], word) is not None  # of a state it is looked at now, of a turn it waits
        if sun and not (perhaps and has(self.condition.table["is"], line)):  # an hour, if one that moves
            return self.whole(f"{self.table['daily'] if always else ''} {sun} {act}")
        told, line = re.fullmatch(self.table["tell"], Line(act.strip(" ,.!")).line), self._put("order", line)
        state, hold = self._put("becomes", line), self._hold(said)
        if perhaps and state == line and not (told or hold):
            return None
        tests, whole = self.condition.tests(state, act) or ((), False)
        drawn = tuple(filter(None, map(self._drawn, tests))) if has(self.table["done"], line) else tests
        tests, hold = drawn, hold or (IDLE_FOR if drawn != tests else 0.0)
        nothing = Plan(language=self.later.language)
        plan = nothing if told else self.condition.acts(act, [device for device, *_ in tests]) if tests else None
        if not tests or plan is None or plan.scene:
            return None
        if plan.choices:
            return replace(plan, say=f"{plan.say} {self.later.speech.say('say_again')}", choices=())
        again = always or not (told or has(self.table["once"], f"{word} {Line(act).line}"))
        deeds = ", ".join(dict.fromkeys(self.later.told(call) for call in plan.calls))
        remind = (self._own(act, told) or self.later.speech.say("watch_told", what=what)) if told else ""
        shown = self.later.speech.say(f"watch_{'tell' if told else 'do'}_{'always' if again else 'once'}", what=what, deeds=deeds)
        if any(self.condition.thinker.index.devices[device].kind == "weather" for device, *_ in tests):
            shown += self.later.speech.say("watch_sky")
        kind = DueKind.ROUTINE if again else DueKind.REMINDER if told else DueKind.ONCE
        watch = Watch(tests, whole, hold, again)
        return replace(plan, calls=(), due=(Due(kind, NEVER, plan.calls, remind=remind, said=shown, watch=watch),), say="")

    def _drawn(self, test: tuple[str, str, Value]) -> tuple[str, str, Value] | None:
        """A machine is done when its plug draws nothing any more; the plug itself stays on: None where it has no meter."""
        devices = self.condition.thinker.index.devices
        meter = next((part.id for part in devices.values() if part.part_of == test[0] and part.device_class == "power"), "")
        if meter and test[1] == "on":
            return meter, "value", f"<{IDLE:g}"
        return None if devices[test[0]].kind == "outlet" else test

    def _own(self, act: str, told: "re.Match[str]") -> str:
        """What is to be told in the person's own words: "remind me to call mum"."""
        own = told.groupdict().get("what")
        line = Line(act.strip(" ,.!"))
        return f"{upper(line.raw(len(line.line) - len(own), len(line.line)))}." if own else ""

    def _hold(self, said: str) -> float:
        found = re.search(self.table["hold"], Line(said).line)
        return Clockmaker(self.later.language, self.later.context).seconds(found["span"]) if found else 0.0

    def _put(self, how: str, line: str) -> str:
        """The words in the order of a condition, or a turn as the state that it ends in: "opens" is "is open" from then on."""
        people = self.condition.thinker.index.by_kind.get("person", ())
        names = (self.condition.thinker.index.devices[key].name for key in people)
        me = next((name for name in names if name.casefold() == self.later.context.person.casefold()), "")
        for pattern, words in self.table[how].items():
            line = re.sub(pattern, words.replace("{me}", me), line)
        return line
