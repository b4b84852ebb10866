"""What people teach in words: a phrase that stands for others, a nickname for a thing; and what a phrase was taught to mean.

A phrase is read as its meaning and judged like it. It may not stand for, or in the way of, yes, no, stop or a command.
It does not keep anything.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from dobby.events import Call
from dobby.house.model import Device
from dobby.journal.pack import TEACH, call_dict, change_call
from dobby.mind.answer import chosen, is_amendment, is_no, is_stop, is_yes
from dobby.mind.oneness import Oneness
from dobby.mind.plain.index import Index, stems
from dobby.mind.plain.lexicon import LANGUAGES, meaning, read_yaml
from dobby.mind.plain.mark import OPERATIVE, Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.speech import Speech, called
from dobby.mind.plain.tell import holds, rule_of
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.when import Line
from dobby.mind.plain.words import cut, fold_all
from dobby.mind.plan import Context, Order, Plan

_LONGEST_PHRASE, _LONGEST_MEANING, _MOST_WORDS = 60, 300, 4
_LABELS = ("first choice", "second choice", "third choice", "fourth choice")
_QUOTED = re.compile(r"[\"“„‘'«]([^\"”“’'»]{1,60})[\"”“’'»]\s*[.!]?\s*$")
HANGING = ("blind", "shade", "curtain", "shutter", "awning")  # open or not, nobody comes in by them
_TRAVELLERS = {"speaker": "moves", "tv": "moves", "vacuum": "trait", "mower": "trait"}  # "move it to …" is the music, or a way
_COURTESY = {"please", "pls", "bitte", "dobby", "hey", "ok"}

Reader = Callable[[str], Sequence[Mark]]


@cache
def table(language: str) -> Mapping[str, Any]:
    """The patterns of one language."""
    return read_yaml(f"{language}/taught.yaml")


def folded(text: str) -> str:
    """A phrase as it is recognised: folded words, courtesy left out where something else is said."""
    words = fold_all(text)
    return " ".join([word for word in words if word not in _COURTESY] or words)


def expanded(text: str, context: Context) -> str:
    """What a whole text was taught to mean, once; else the text."""
    return dict(context.taught).get(folded(text), text)


def is_night(said: str) -> bool:
    """Folded words that wish a good night."""
    return any(re.fullmatch(table(language)["night"], said) for language in LANGUAGES)


def reserved(phrase: str) -> bool:
    """It answers questions, or stops things, and means nothing else."""
    return is_yes(phrase) or is_no(phrase) or is_stop(phrase) or is_amendment(phrase) or bool(chosen(phrase, _LABELS))


def too_long(phrase: str) -> bool:
    """It is longer than a phrase may be."""
    return len(phrase) > _LONGEST_PHRASE


def night_plan(text: str, index: Index, speech: Speech) -> Plan | None:
    """ "Good night" where a scene or a routine is called so: run it. So does any text that is just such a name."""
    said = folded(text)
    scenes = "|".join(table(language)["scene"] for language in LANGUAGES)
    wanted = "night" if is_night(said) else said
    found = []
    for key in (*index.by_kind.get("scene", ()), *index.by_kind.get("script", ())):
        name = re.sub(rf" (?:{scenes})$", "", " ".join(fold_all(index.devices[key].name)))
        if wanted in (name, "night" if is_night(name) else name):
            found.append(key)
    if len(found) != 1 or not said:
        return None
    call, left = Call("do", found[0], {"verb": "run"}), left_open(index) if wanted == "night" else []
    say = speech.say("open_before", names=speech.names(called(left))) if left else ""
    return Plan(calls=(call,), say=say, topic=(found[0],), language=speech.language)


def left_open(index: Index) -> list[Device]:
    """Doors, windows and locks that are open before the night."""
    open_, unlocked, state = meaning()["states"]["open"], meaning()["states"]["unlocked"], index.house.state
    entries = (device for device in index.devices.values() if device.device_class not in HANGING and device.kind != "valve")
    return [
        device
        for device in entries
        if any(holds(rule, state.of(device.id)) for rules in (open_, unlocked) if (rule := rule_of(rules, device)))
    ]


class Teaching:
    """Reads one person's teaching in one language; `now` is what a text comes to."""

    def __init__(self, mark: Reader, thinker: Thinker, now: Callable[[str], Plan]) -> None:
        self.mark, self.thinker, self.now = mark, thinker, now
        self.table, self.speech = table(thinker.speech.language), thinker.speech
        self.house = Oneness(thinker.index.house, self.speech, self.table, self._one, thinker.context.talked)

    def plan(self, text: str) -> Plan | None:
        """What a text teaches, lets be forgotten or asks about it; None where it does none of these."""
        line = Line(text.strip().rstrip("?!."))
        bare = " ".join(word.text for word in line.words if not word.is_stop)
        for order, name in ((Order.TAUGHT, "taught"), (Order.LOST, "lost")):
            if any(re.fullmatch(pattern, bare) for pattern in self.table[name]):
                return Plan(order=order, language=self.speech.language)
        for pattern in self.table["teach"]:
            found = re.fullmatch(pattern.replace(" ", "(?: ,)? "), line.line)
            if found:
                return self._teach(line, found)
        return self.house.plan(line) or self._forget(bare) or self._name(text, bare) or self._change(text, line)

    def _say(self, key: str, **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), language=self.speech.language)

    def _kept(self, to: str, said: str, **args: Any) -> Plan:
        return Plan(calls=(Call(TEACH, "", {**args, "to": to, "said": said}),), language=self.speech.language)

    def _teach(self, line: Line, found: "re.Match[str]") -> Plan:
        phrase, means = (line.raw(*found.span(name)).strip(" ,'\"") for name in ("phrase", "means"))
        if reserved(phrase) or is_yes(means) or is_no(means) or is_stop(means) or not folded(phrase):
            return self._say("teach_reserved", phrase=phrase)
        if too_long(phrase) or len(means) > _LONGEST_MEANING:
            return self._say("too_long")
        already, plan = self.now(phrase), self.now(means)
        if (already.calls or already.choices or already.due or already.order) and already.calls != plan.calls:
            return self._say("teach_known", phrase=phrase)
        if not plan.understood:
            return self._say("teach_unclear", means=means)
        everybody = re.fullmatch(self.table["everybody"], found["all"]) is not None
        person = "" if everybody else self.thinker.context.person
        return self._kept("taught", f"“{phrase}” = “{means}”", phrase=phrase, means=means, person=person)

    def _forget(self, bare: str) -> Plan | None:
        found = next((match for pattern in self.table["forget"] if (match := re.fullmatch(pattern, bare))), None)
        scene = dict(self.thinker.context.scenes).get(folded(found["phrase"])) if found else None
        if scene and scene.calls:
            args = {"phrase": scene.said, "means": scene.means, "person": scene.person, "file": scene.file}
            return self._kept("forgotten", f"“{scene.said}”", calls=[call_dict(call) for call in scene.calls], **args)
        means = dict(self.thinker.context.taught).get(folded(found["phrase"])) if found else None
        if found is None or means is None:
            return None
        return self._kept("forgotten", f"“{found['phrase']}” = “{means}”", phrase=found["phrase"], means=means)

    def _name(self, text: str, bare: str) -> Plan | None:
        """ "Call the sonos in the kitchen 'boombox'": the longest beginning that is one thing, and the rest is its name."""
        found = next((match for pattern in self.table["name"] if (match := re.fullmatch(pattern, bare))), None)
        if found is None:
            return None
        quoted = _QUOTED.search(text)
        words = re.sub(rf"(?<![a-z])(?:{self.table['between']})(?![a-z])", "|", found["what"]).split()
        for at in range(len(words) - 1, 0, -1):
            device = self._one(" ".join(word for word in words[:at] if word != "|"))
            name = [word for word in words[at:] if word != "|"]
            if device and 0 < len(name) <= _MOST_WORDS:
                raw = " ".join(word.raw for word in cut(text) if not word.is_stop).split()[-len(name) :]
                said = quoted[1].strip() if quoted and fold_all(quoted[1]) == tuple(name) else " ".join(raw)
                return self._called(device, said)
        return None

    def _change(self, text: str, line: Line) -> Plan | None:
        """ "Rename the floor lamp to Reader", "it is in the kitchen", "the freezer is not protected": corrections."""
        for row in () if text.strip().endswith("?") else self.table["change"]:
            found = re.fullmatch(row["pattern"], line.line)
            device = self._one(found["what"]) if found else ""
            kind = self.thinker.index.devices[device].kind if device else ""
            if found and device and not (row["trait"] == "room" and row.get(_TRAVELLERS.get(kind, ""))):
                value = row["value"] if "value" in row else line.raw(*found.span("value")).strip(" \"'“”„‘’«»")
                plan = self._changed(self.thinker.index.devices[device], row["trait"], value)
                if plan is not None:
                    return plan
        return None

    def _changed(self, device: Device, trait: str, value: str | bool) -> Plan | None:
        """The plan for one correction; None where the text must have meant something else."""
        if trait == "room":
            value = self._room(said := str(value))
            if not value:
                return self.house.unknown_room(device, said)
        elif trait == "name" and not self._free(device.id, str(value)):
            return self._say("teach_reserved", phrase=value)
        was = getattr(device, trait)
        said, unsaid = (self.speech.say(f"change_{trait}", name=device.name, value=self._shown(one)) for one in (value, was))
        return Plan(calls=(change_call(device, trait, value, said, unsaid),), topic=(device.id,), language=self.speech.language)

    def _shown(self, value: str | bool) -> str:
        """A value in words: rooms and names are their own."""
        key = str(value or "none").casefold()
        return self.speech.say(f"changed_{key}") if key in ("true", "false", "none", "entry", "comfort") else str(value)

    def _room(self, said: str) -> str:
        """A room of the house, or one that is said to be new; "" for any other words."""
        new = re.fullmatch(rf"(?:{self.table['new_room']})\s+(.{{1,40}})", said, re.IGNORECASE)
        if new:
            return new[1].strip(" \"'“”„")
        bare = re.sub(rf"^(?:{self.table['articles']})\s+", "", said, flags=re.IGNORECASE)
        rooms = self.thinker.index.rooms.get(stems(bare), [])
        return rooms[0].name if len(rooms) == 1 else ""

    def _it(self) -> str:
        """The one thing that was talked about last; "" where it was several."""
        context = self.thinker.context
        acted = {call.device for call in context.last}
        return context.talked[0] if context.talked and (len(acted) < 2 or context.talked[0] not in acted) else ""

    def _one(self, words: str) -> str:
        """The one device that words describe; "" for none or several."""
        if re.fullmatch(self.table["it"], words):
            return self._it()
        row = clauses(self.mark(words))
        if len(row) != 1 or row[0].unknown or row[0].acts or row[0].asks or row[0].blocks or not row[0].items:
            return ""
        found = self.thinker.finder.find(replace(row[0]), lambda device: True)
        return found.devices[0] if len(found.devices) == 1 else ""

    def _free(self, device: str, name: str) -> bool:
        """Whether a thing may be called so: nothing else is, and it is no word that means something."""
        index = self.thinker.index
        taken = index.names.get(stems(name), set()) - {device} or index.rooms.get(stems(name))
        operative = any(sense.tag in OPERATIVE for mark in self.mark(name) for sense in mark.senses)
        meant = operative or is_yes(name) or is_no(name) or is_stop(name)
        return not (taken or meant or not stems(name) or len(name) > _LONGEST_PHRASE)

    def _called(self, device: str, name: str) -> Plan:
        if not self._free(device, name):
            return self._say("teach_reserved", phrase=name)
        said = f"{self.thinker.index.devices[device].name} = “{name}”"
        return self._kept("named", said, device=device, name=name)
