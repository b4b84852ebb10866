"""What people say of the house itself: two things that are one, one that is two, a room that is new; as corrections to keep.

The patterns are data (`plain/LANGUAGE/taught.yaml`). It keeps nothing and does not know how things are recognised (`same`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dobby.events import Call
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.house.same import kin_of
from dobby.journal.pack import TEACH, change_call
from dobby.mind.plain.speech import Speech
from dobby.mind.plain.when import Line
from dobby.mind.plan import Choice, Plan


def _filled(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """Patterns with the parts they share."""
    for pattern in table[name]:
        yield re.sub(r"\{([a-z]+)\}", lambda part: str(table["parts"][part[1]]), pattern)


class Oneness:
    """Reads one person's words in one language; `one` is the device that words describe, `talked` what was talked about last."""

    def __init__(
        self, house: House, speech: Speech, table: Mapping[str, Any], one: Callable[[str], str], talked: Sequence[str]
    ) -> None:
        self.house, self.speech, self.table, self.one, self.talked = house, speech, table, one, talked

    def plan(self, line: Line) -> Plan | None:
        """What a text corrects; None where it does not."""
        for name, meant in (("two", self._two), ("one", self._one), ("new", self._new)):
            for pattern in _filled(self.table, name):
                plan = meant(found, line) if (found := re.fullmatch(pattern, line.line)) else None
                if plan is not None:
                    return plan
        return None

    def _say(self, key: str, **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), language=self.speech.language)

    def _kept(self, *calls: Call) -> Plan:
        return Plan(calls=calls, topic=tuple(filter(None, (str(call.args.get("device", "")) for call in calls))))

    def _meant(self, found: "re.Match[str]", count: int) -> list[Device]:
        """The things that are named; where none is, those talked about last."""
        words = [found.groupdict().get(name) for name in ("what", "other")]
        keys = [self.one(each) for each in words if each] if words[0] else self.talked[:count]
        return [device for key in dict.fromkeys(keys) if (device := self.house.get(key))]

    def _two(self, found: "re.Match[str]", line: Line) -> Plan | None:
        """One thing is two after all: another way to it becomes a thing of its own."""
        thing = next(iter(self._meant(found, 1)), None)
        if thing is None:
            return None
        ways = [way for way in self.house.every() if way.same_as == thing.id]
        if not ways:
            return self._say("same_already_two", name=thing.name)
        rows = [Choice(f"{way.name} ({way.driver})", self._apart(way, thing)) for way in ways]
        if len(rows) == 1:
            return self._kept(*rows[0].calls)
        names = ", ".join(row.label for row in rows)
        return Plan(say=self.speech.say("same_which", name=thing.name, names=names), choices=tuple(rows))

    def _apart(self, way: Device, thing: Device) -> tuple[Call, ...]:
        """It gets a name of its own where it had the thing's."""
        calls = [self._changed(way, "same_as", "", thing.name)]
        if way.name.casefold() == thing.name.casefold():
            calls.append(self._changed(way, "name", f"{way.name} 2", way.name))
        return tuple(calls)

    def _changed(self, way: Device, trait: str, value: str, whole: str) -> Call:
        if trait != "same_as":
            said, unsaid = (
                self.speech.say(f"change_{trait}", name=way.name, value=each) for each in (value, getattr(way, trait))
            )
        else:
            told = [self.speech.say(key, name=f"{way.name} ({way.driver})", other=whole) for key in ("same_one", "same_two")]
            said, unsaid = told if value else reversed(told)
        return change_call(way, trait, value, said, unsaid)

    def _one(self, found: "re.Match[str]", line: Line) -> Plan | None:
        """Two things are one: the guarded one, else that of the nearer family, keeps its name; the other is a way to it."""
        both = self._meant(found, 2)
        if len(both) != 2:
            return None
        if not kin_of(*both):
            return self._say("same_unlike", name=both[0].name, other=both[1].name)
        far = self.house.distance
        head, tail = sorted(both, key=lambda one: (not one.risk, not one.protected, far.get(one.driver, 0)))
        ways = [way for way in self.house.every() if tail.id in (way.id, way.same_as)]
        return self._kept(*(self._changed(way, "same_as", head.id, head.name) for way in ways))

    def _new(self, found: "re.Match[str]", line: Line) -> Plan | None:
        """A room, and its floor where that is said."""
        name, floor = (line.raw(*found.span(part)).strip(" \"'“”„‘’«»,.") if found[part] else "" for part in ("name", "floor"))
        known = self.house.room(name)
        if known is not None or not name:
            return self._say("room_known", name=known.name) if known else None
        said = f"{name} ({floor})" if floor else name
        return self._kept(Call(TEACH, "", {"to": "room", "room": name[:40], "floor": floor[:40], "said": said}))

    def unknown_room(self, device: Device, said: str) -> Plan | None:
        """Something that stands nowhere is in a room that nobody knows: is there a new one?"""
        name = re.sub(rf"^(?:{self.table['articles']})\s+", "", said, flags=re.IGNORECASE)[:40]
        if device.room or len(name.split()) > 3 or not name.replace(" ", "").isalpha():
            return None
        call = self._changed(device, "room", name, "")
        rows = (Choice(self.speech.say("yes_word"), (call,)), Choice(self.speech.say("no_word"), ()))
        return Plan(say=self.speech.say("room_unknown", name=name), choices=rows, language=self.speech.language)
