"""Questions about the house, answered from what is known right now. Nothing here can change anything.

It does not know what was (`past`) nor the schedule.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dobby.events import State
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plain.find import Finder, Found
from dobby.mind.plain.lexicon import meaning
from dobby.mind.plain.report import plural
from dobby.mind.plain.speech import Speech, called, upper
from dobby.mind.plan import Plan, passes

_MOST = 6
_JUST = 60.0  # seconds in which nobody needs to hear since when it is so
_OLD = 3600.0  # seconds after which a value is told with its time


class Teller:
    """Answers one person's questions; `finder` looks, `speech` talks."""

    def __init__(self, finder: Finder, speech: Speech) -> None:
        self.finder, self.speech = finder, speech
        self.house = finder.index.house

    def answer(self, clause: Clause) -> Plan | None:
        """What is true about what was asked; None where the question makes no sense to us."""
        if clause.asks in ("who", "when", "why") and "home" not in clause.states and clause.attr != "title":
            return self._plan("no_history")
        if clause.unknown:
            return None
        if clause.asks == "anyone" or (clause.states == ["home"] and not (clause.items or self._people())):
            return self._anyone(clause)
        if clause.attr == "title" or (clause.states == ["playing"] and clause.asks in ("what", "which")):
            return self._playing(clause)
        states = [state for state in clause.states if state != "still"]
        states = states or ["on"] * (clause.asks == "is" and bool(clause.states) and not clause.attr)  # "brennt das Licht noch?"
        if states:
            last = states[-1]  # "closed on the second floor": there `on` is no state
            return self._states(clause, states[0] if last == "on" else last)
        if clause.attr:
            return self._reading(clause)
        return self._devices(clause)

    def _plan(self, key: str, topic: Sequence[str] = (), **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), topic=tuple(topic), language=self.speech.language)

    def _match(self, clause: Clause, rule: Mapping[str, Any]) -> list[Device] | Plan:
        """All devices that are asked about, of those a rule applies to; a plan where that is none."""
        found = self.finder.all_of(clause, lambda device: rule_of(rule, device) is not None)
        return (
            [self.finder.index.devices[key] for key in found.devices]
            if found.devices
            else self.missing(found, clause.attr if not clause.items else "")
        )

    def missing(self, found: Found, what: str = "") -> Plan:
        """Why nothing fits, with the nearest names."""
        if found.reason == "unfit" and what:
            return self._plan("no_reading", what=what)
        if found.reason == "unfit":
            return self._described(found.unfit)
        if found.reason in ("where", "what"):
            return self._plan("which_room_none" if found.reason == "where" else "what")
        if found.places:
            return self._plan("nothing_named", places=self.speech.names(found.places))
        return self._plan("unknown_word", word=found.word, near=self.near(found.word))

    def near(self, word: str) -> str:
        """ " Did you mean …?" with the nearest names, or nothing."""
        names = self.finder.near(word)
        return self.speech.say("near", names=self.speech.names(names)) if names else ""

    def _anyone(self, clause: Clause) -> Plan:
        """Whether somebody is there: at home where that is asked, in a room where something there feels motion."""
        if "home" in clause.states:
            return self._states(clause, "home") if self._people() else self._plan("no_eyes")
        motion = Item(("motion",), "motion", ("motion",), many=True)
        return self._states(replace(clause, asks="any", items=[*clause.items, motion]), "triggered")

    def _people(self) -> bool:
        return bool(self.finder.index.by_kind.get("person"))

    def _states(self, clause: Clause, state: str) -> Plan:
        rules = meaning()["states"]
        rule = rules.get(state, {})
        if state == "on" and "it" not in clause.flags and all(item.is_place for item in clause.items):
            rule = {kind: test for kind, test in rules["active"].items() if kind in meaning()["everything"]}
        devices = self._match(clause, rule)
        if isinstance(devices, Plan):
            return devices
        truth = {device.id: holds(rule_of(rule, device) or {}, self.house.state.of(device.id)) for device in devices}
        yes = [device for device in devices if truth[device.id]]
        if clause.asks == "count":
            return self._listed(yes, count=True)
        if clause.asks in ("what", "which", "where", "who") and (clause.many or len(devices) > 1):
            return self._listed(yes)
        return self._yes_no(clause, devices, truth, state, rule)

    def _listed(self, yes: Sequence[Device], count: bool = False) -> Plan:
        names = self.speech.names(called(yes), 12)
        topic = [device.id for device in yes]
        if not yes:
            return self._plan("count_none" if count else "none")
        return self._plan("count" if count else "list", topic, names=names, count=len(yes))

    def _yes_no(
        self, clause: Clause, devices: Sequence[Device], truth: Mapping[str, bool | None], state: str, rule: Mapping[str, Any]
    ) -> Plan:
        yes = [device for device in devices if truth[device.id]]
        no = [device for device in devices if truth[device.id] is False]
        if len(devices) == 1 and not yes and not no:
            return self._plan("unknown_state", [devices[0].id], name=devices[0].name, state=state)
        every = bool(clause.flags & {"all", "both", "everything"})
        if yes and no and not every and clause.asks != "any":
            what = upper(self._each(devices, rule))
            return Plan(say=f"{what}.", topic=tuple(d.id for d in devices), language=self.speech.language)
        told, good = ((yes, not no) if not no else (no, False)) if every else (yes or no, bool(yes))
        what = self._each(told, rule)
        return self._plan("yes" if good else "no", [device.id for device in told], what=what or self.speech.say("none"))

    def _each(self, devices: Sequence[Device], rule: Mapping[str, Any]) -> str:
        """`a and b are off`, for devices in the same condition; else each with its own."""
        groups: dict[str, list[str]] = {}
        for device, name in zip(devices, called(devices), strict=True):
            trait = next(iter(rule_of(rule, device) or {}), "")
            condition = self.speech.state(device, trait, self.house.state.of(device.id).get(trait)) + self._since(device, trait)
            groups.setdefault(condition, []).append(name)
        report = self.speech.table["report"]
        told = []
        for condition, names in groups.items():
            be = report["one" if len(names) == 1 and not (plural(devices[0]) and names[0] == devices[0].name) else "many"]
            told.append(f"{self.speech.names(names)} {be} {condition}")
        return "; ".join(told)

    def _playing(self, clause: Clause) -> Plan:
        devices = self._match(clause, meaning()["states"]["playing"])
        if isinstance(devices, Plan):
            return devices
        playing = [device for device in devices if self.house.state.of(device.id).get("playing") == "playing"]
        if not playing:
            names = self.speech.names(called(devices)) if len(devices) < _MOST else ""
            return self._plan("not_playing", where=self.speech.say("on_them", names=names) if names else "")
        told = [self._song(device) for device in playing[:_MOST]]
        return Plan(say=" ".join(told), topic=tuple(d.id for d in playing), language=self.speech.language)

    def _song(self, device: Device) -> str:
        state = self.house.state.of(device.id)
        song = " – ".join(str(state[trait]) for trait in ("artist", "title") if state.get(trait))
        return f"{device.name}: {song or state.get('source') or self.speech.state(device, 'playing', 'playing')}."

    def _reading(self, clause: Clause) -> Plan:
        table = self.readable(clause.attr)
        devices = self._match(clause, table)
        if isinstance(devices, Plan):
            return devices
        told = {device.id: self._told(table, device) for device in devices}
        known = [device for device in devices if told[device.id]]
        if not known:
            return self._plan("unknown_value", [d.id for d in devices], name=self.speech.names(d.name for d in devices[:_MOST]))
        chosen = self._placed(known, clause)
        names = called(chosen[:_MOST])
        each = [f"{name}: {told[device.id]}" for name, device in zip(names, chosen, strict=False)]
        return Plan(say="; ".join(each) + ".", topic=tuple(d.id for d in chosen), language=self.speech.language)

    def readable(self, attr: str) -> dict[str, Any]:
        """Where an attribute can be read, by kind: `{kind: {trait: None}}`."""
        rules = meaning()
        traits = {**rules["attrs"].get(attr, {}), **rules["reads"].get(attr, {})}
        table: dict[str, Any] = {kind: {trait: None} for kind, trait in traits.items()}
        return table | {f"sensor/{name}": {"value": None} for name in rules["measures"].get(attr, [attr])}

    def _told(self, table: Mapping[str, Any], device: Device) -> str:
        trait = next(iter(rule_of(table, device) or {}), "")
        value = self.house.state.of(device.id).get(trait)
        return "" if value is None else self.speech.value(device, trait, value) + self._age(device, trait)

    def _clock(self, at: float) -> str:
        return self.speech.moment(datetime.fromtimestamp(at, self.finder.context.now.tzinfo), self.finder.context.now)

    def _since(self, device: Device, trait: str) -> str:
        """Since when it is so, where it has turned since we know it, and not just now."""
        reading = self.house.state.reading(device.id, trait)
        if reading is None or not reading.turned or self.house.clock.now() - reading.since < _JUST:
            return self._age(device, trait)
        return self.speech.say("since", time=self._clock(reading.since))

    def _age(self, device: Device, trait: str) -> str:
        """A word of doubt where a value may no longer be so: the device is silent, or water stands still."""
        state, heard = self.house.state.of(device.id), self.house.state.heard(device.id)
        measured = trait in ("temperature", "value", "humidity")
        if heard is not None and self._is_old(device, heard, measured):
            return self.speech.say("as_of", time=self._clock(heard))
        still = device.kind == "pool" and trait == "temperature" and not state.get("pump", state.get("on", True))
        return self.speech.say("pump_off") if still else ""

    def _is_old(self, device: Device, heard: float, measured: bool) -> bool:
        """Out of reach, or a measurement of long ago; what is switched stays as it is however long nobody speaks of it."""
        old = measured and self.house.clock.now() - heard > _OLD
        return old or self.house.state.unavailable_since(device.id) is not None

    def _placed(self, devices: list[Device], clause: Clause) -> list[Device]:
        """Where no place was said: those of the speaker's room, if there are any."""
        here = [device for device in devices if self.finder.context.here and device.room == self.finder.context.here]
        return here if here and not clause.items and not clause.flags & {"house", "all"} else devices

    def _devices(self, clause: Clause) -> Plan | None:
        if not clause.aims:
            return None
        found = self.finder.all_of(clause, lambda device: True)
        if not found.devices:
            return self.missing(found)
        if clause.asks == "count":
            return self._listed([self.finder.index.devices[key] for key in found.devices], count=True)
        if "everything" in clause.flags and not clause.items:
            return self._counted(found.devices)
        return self._described(found.devices)

    def _counted(self, keys: Sequence[str]) -> Plan:
        """How many there are of each kind."""
        kinds = Counter(self.finder.index.devices[key].kind for key in keys).most_common()
        names = ", ".join(f"{self.speech.table['kinds'].get(kind, kind)} ({count})" for kind, count in kinds)
        return self._plan("count", names=names, count=len(keys))

    def _described(self, keys: Sequence[str]) -> Plan:
        told = []
        for key in keys[:_MOST]:
            device = self.finder.index.devices[key]
            condition = self.speech.condition(device, self.house.state.of(key))
            told.append(
                f"{device.name}: {condition}" if condition else self.speech.say("unknown_value", name=device.name).rstrip(".")
            )
        told += [self.speech.say("sight_more", count=len(keys) - _MOST).rstrip(".")] if len(keys) > _MOST else []
        return Plan(say="; ".join(told) + ".", topic=tuple(keys[:_MOST]), language=self.speech.language)


def rule_of(rules: Mapping[str, Any], device: Device) -> Mapping[str, Any] | None:
    """The rule for a device: by kind and class, else by kind."""
    found = rules.get(f"{device.kind}/{device.device_class}") or rules.get(device.kind)
    return found if isinstance(found, Mapping) and all(trait in device.traits for trait in found) else None


def holds(test: Mapping[str, Any], state: State) -> bool | None:
    """Whether a state passes a test such as `{position: ">0"}`; None where the device never said."""
    return next((passes(wanted, state.get(trait)) for trait, wanted in test.items()), None)
