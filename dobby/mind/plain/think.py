"""From clauses to a plan: find what is meant, make the calls, and where anything is unsure ask, refuse or answer.

It does not act, and what a plan's calls may do is judged elsewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dobby.events import Call
from dobby.house.model import Device
from dobby.mind.plain import options
from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plain.deed import Deed, Deeds, possible
from dobby.mind.plain.due import waits
from dobby.mind.plain.find import Finder, Found, in_bare_place, replace_items
from dobby.mind.plain.follow import follow
from dobby.mind.plain.groups import grouped
from dobby.mind.plain.index import Index
from dobby.mind.plain.lexicon import meaning
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.question import question
from dobby.mind.plain.speech import Speech, called
from dobby.mind.plain.tell import Teller
from dobby.mind.plan import Choice, Context, Order, Plan

_MOST_CHOICES = 8
_MOST_STRANGE = 3
_HALTS = frozenset({"pause", "stop", "resume", "next", "previous"})
_PLAYS = frozenset({"pause", "next", "previous", "stop", "mute", "unmute", "up", "down", "set"})


@dataclass(slots=True)
class Draft:
    """A plan in the making: calls, remarks, and at most one question."""

    calls: list[Call] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    question: str = ""
    topic: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    understood: bool = True
    order: Order = Order.NONE
    relative: bool = False

    @property
    def contradicts(self) -> bool:
        """One thing is to be two ways at once."""
        wanted: dict[tuple[str, str], object] = {}
        sets = [call for call in self.calls if call.tool == "set"]
        return any(wanted.setdefault((c.device, trait), value) != value for c in sets for trait, value in c.args.items())

    def plan(self, language: str) -> Plan:
        """The finished plan; an open question holds back everything else."""
        says = " ".join(dict.fromkeys(says for says in (*self.says, self.question) if says))
        topic = tuple(dict.fromkeys((*(call.device for call in self.calls if call.device), *self.topic)))
        if self.choices:
            every = tuple(Choice(choice.label, (*self.calls, *choice.calls)) for choice in self.choices)
            return Plan(say=says, choices=every, topic=topic, language=language)
        return Plan(tuple(self.calls), says, (), self.order, topic, language, understood=self.understood, relative=self.relative)


class Thinker:
    """Thinks about one text of one person."""

    def __init__(self, index: Index, context: Context, speech: Speech) -> None:
        self.index, self.context, self.speech = index, context, speech
        self.talked: list[str] = list(context.talked)
        self.finder = Finder(index, context, self.talked)
        self.teller = Teller(self.finder, speech)
        self.deeds = Deeds(context.units)
        self.idle = False  # something was named, with nothing to do

    def think(self, marks: Sequence[Mark], text: str) -> Plan:
        """What this text comes to."""
        row = clauses(marks)
        if not row:
            return self.lost("")
        asked = question(row, text, self)
        if asked is not None:
            return asked
        if waits(row):
            return self.say("time_later")
        if any("if" in clause.blocks for clause in row):
            return self.say("no_if")
        together = grouped(row, self)
        if together is not None:
            return together
        following = follow(row, self)
        if following is not None:
            return following
        if any("not" in clause.blocks for clause in row):
            return self.say("negated") if not any(clause.unknown for clause in row) else self.lost("")
        if any(clause.blocks for clause in row):
            return self.say("unclear")
        return self.act(row, text)

    def say(self, key: str, **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), language=self.speech.language)

    def lost(self, word: str) -> Plan:
        near = self.teller.near(word) if word and len(word.split()) < _MOST_STRANGE else ""
        say = self.speech.say("unknown_word", word=word, near=near) if word else self.speech.say("not_understood")
        return Plan(say=say, language=self.speech.language, understood=False)

    def act(self, row: list[Clause], text: str) -> Plan:
        draft = Draft()
        unknown: list[str] = []
        for clause in row:
            if self._option(clause, text, draft):
                continue
            unknown += clause.unknown
            if not clause.unknown:
                self._clause(clause, draft)
        if (draft.problems and not unknown) or draft.contradicts:
            return self.say(draft.problems[0] if draft.problems else "unclear")
        if not unknown:
            return draft.plan(self.speech.language)
        before = self._before_chatter(row[-1]) if len(row) == 1 else None
        if before is not None and not draft.calls:
            self._clause(before, draft)
        if draft.calls and not draft.choices and len(unknown) <= _MOST_STRANGE:
            return self._offer(draft, " ".join(unknown))
        return self.lost(" ".join(unknown))

    def _option(self, clause: Clause, text: str, draft: Draft) -> bool:
        """A value that is one device's own word."""
        if not (clause.unknown or clause.attr in options.TRAITS) or not text or clause.blocks:
            return False
        parts = options.split(clause, text)
        found = self.finder.find(parts[0], options.may_have) if parts else Found()
        call = options.chosen(parts[0], [self.index.devices[key] for key in found.devices], parts[1]) if parts else None
        if call is not None:
            draft.calls.append(call)
            draft.topic.append(call.device)
            self.turn_to([call.device])
        return call is not None

    def _offer(self, draft: Draft, word: str) -> Plan:
        """Some of it is clear and some is not: nothing is done before a yes."""
        names = self.speech.names(called(self.index.devices[call.device] for call in draft.calls))
        say = self.speech.say("understood_rest", word=word, names=names)
        choices = (Choice(self.speech.say("do_rest"), tuple(draft.calls)), Choice(self.speech.say("leave_it"), ()))
        return Plan(say=say, choices=choices, topic=tuple(draft.topic), language=self.speech.language, rest=word)

    def _before_chatter(self, clause: Clause) -> Clause | None:
        """The clause up to the first unknown word, where that is a whole command: `open garage hands full`."""
        at = next((at for at, mark in enumerate(clause.marks) if mark.unknown), 0)
        before = clause.marks[:at]
        if not before or before[-1].sense("prep", "art", "to", "all", "part", "weak", "verb"):
            return None
        row = clauses(before)
        whole = len(row) == 1 and row[0].verb and row[0].items and not row[0].many and not row[0].blocks
        return row[0] if whole else None

    def _clause(self, clause: Clause, draft: Draft) -> None:
        if not clause.acts:
            self._idle(clause, draft)
            return
        if clause.verb == "leave":
            draft.says.append(self.speech.say("negated"))
            return
        aimed = self._aimed(clause)
        if aimed is None:
            draft.problems.append("what" if len(clause.marks) < 4 else "unclear")
            return
        clause = aimed
        found = self._find(clause)
        if found.devices:
            self.do(clause, found.devices, draft)
            if "everything" in clause.flags:
                draft.says.append(self._left(found))
        elif found.rivals:
            self._ask(clause, found, draft)
        else:
            self._refuse(clause, found, draft)

    def _aimed(self, clause: Clause) -> Clause | None:
        """What is meant where nothing is named: everything, the heating, what was just talked about; else None."""
        flags = clause.flags
        if clause.verb in ("arm", "disarm") and not clause.items:
            return replace(clause, flags=flags - {"it", "house"})
        if clause.verb in meaning()["whole"]:
            if not clause.items and (flags & {"everything", "house", "all"} or not flags):
                clause = replace(
                    clause, items=[Item((clause.verb,), "", (clause.verb,), many=True)], flags=flags - {"everything"}
                )
            return replace(clause, flags=clause.flags | {"all"}) if any(item.many for item in clause.items) else clause
        if "it" in flags and clause.attr and ("here" in flags or (clause.direction and not self.talked)):
            return replace(clause, flags=flags - {"it"})
        if not clause.items and flags & {"house", "all"} and "everything" not in flags and not clause.attr:
            return replace(clause, flags=flags | {"everything"})
        if clause.aims or clause.attr or clause.direction or clause.verb in meaning()["aimless"]:
            return clause
        if clause.unit in ("deg", "C", "F"):
            return replace(clause, attr="temperature")
        return replace(clause, flags=flags | {"it"}) if self.talked else None

    def _find(self, clause: Clause) -> Found:
        found = self.finder.find(clause, self._allowed(clause), self._preferred(clause))
        if found.devices or found.rivals or clause.verb not in ("clean", "start", "mow"):
            return found
        robots = replace_items(clause, [item for item in clause.items if not item.is_place])
        robots.flags = clause.flags - {"here", "there"}
        kinds = ("mower",) if clause.verb == "mow" else ("vacuum",)
        other = self.finder.find(robots, lambda device: device.kind in kinds)
        return other if other.devices or other.rivals else found

    def _idle(self, clause: Clause, draft: Draft) -> None:
        """Something is named, but not what to do with it: run a scene, of anything else tell how it is."""
        self.idle = not clause.asks
        exact = {key for item in clause.items for key in item.devices}
        scenes = [key for key in exact if self.index.devices[key].kind in ("scene", "script")]
        if len(clause.items) == len(scenes) == 1:
            self.do(replace(clause, verb="activate"), scenes, draft)
            return
        plan = self.teller.answer(clause) if clause.items or clause.attr else None
        if plan is None:
            draft.understood = False
            draft.says.append(self.speech.say("not_understood"))
            return
        draft.says.append(plan.say)
        draft.topic += plan.topic

    def _allowed(self, clause: Clause) -> Callable[[Device], bool]:
        rules = meaning()
        bare, everything = clause.is_bare, "everything" in clause.flags
        unnamed = rules["unnamed"].get(clause.attr) if bare or not clause.aims else None
        degrees = bare and self._degrees(clause)

        def allowed(device: Device) -> bool:
            if everything and device.kind not in rules["everything"]:
                return False
            if bare and not everything and not clause.has_value and not clause.attr and not in_bare_place(clause, device):
                return False
            if bare and device.kind == "cover" and device.device_class in ("garage", "gate", "door"):
                return False
            if bare and clause.has_value and not clause.attr and device.kind not in self._bare_kinds(clause, degrees):
                return False
            if unnamed is not None and device.kind not in unnamed:
                return False
            return possible(clause, device)

        return allowed

    def _bare_kinds(self, clause: Clause, degrees: bool) -> list[str]:
        plain = clause.number is not None and clause.unit in ("", "%")
        return ["climate"] if degrees else ["light"] if plain else meaning()["bare_value"]

    def _degrees(self, clause: Clause) -> bool:
        """A bare number for a bare place is a temperature where it could be one: "living room to 21"."""
        low, high = (50, 90) if self.context.units == "us" else (10, 30)
        plain = clause.number is not None and not clause.unit and clause.verb in ("set", "up", "down", "on")
        return plain and low <= (clause.number or 0) <= high

    def _preferred(self, clause: Clause) -> Callable[[Device], bool] | None:
        """Where several fit, those that the verb makes sense for as they are now."""
        state = self.index.house.state

        def sensible(device: Device) -> bool:
            now = state.of(device.id)
            if device.kind in ("speaker", "tv"):
                wanted = ("paused",) if clause.verb == "resume" else ("playing",)
                return now.get("playing") in wanted
            if device.kind == "light" and (clause.relative or lit):
                return now.get("on") is True
            if device.kind in ("vacuum", "mower") and clause.verb in ("stop", "pause", "dock"):
                return now.get("state") in ("cleaning", "mowing", "returning")
            return bool(device.kind == "cover" and clause.verb == "stop" and now.get("moving"))

        off = clause.verb == "off"
        music = off and any("speaker" in item.nouns and item.many for item in clause.items)
        lit = off and not clause.many and any(item.rooms for item in clause.items)  # "the light in the kitchen off"
        chooses = clause.verb in _PLAYS | {"resume", "dim", "brighten", "dock"} or clause.direction or music or lit
        return sensible if chooses else None

    def do(self, clause: Clause, devices: Sequence[str], draft: Draft) -> None:
        """Calls for these devices, and remarks about those that cannot."""
        devices = self._sensible(clause, devices)
        draft.relative = draft.relative or clause.relative
        problems: dict[str, list[tuple[Device, Deed]]] = {}
        for key in devices:
            device = self.index.devices[key]
            deed = self._deed(clause, device)
            if deed.call:
                draft.calls.append(deed.call)
            else:
                problems.setdefault(deed.problem, []).append((device, deed))
        for problem, rows in problems.items():
            self._problem(problem, rows, clause, draft)
        self.turn_to(devices)
        draft.topic += devices

    def turn_to(self, devices: Sequence[str]) -> None:
        """These are talked about from now on."""
        self.talked[:0] = [key for key in devices if key not in self.talked]
        self.finder.fresh[:0] = devices

    def _sensible(self, clause: Clause, devices: Sequence[str]) -> Sequence[str]:
        """`dimmer` concerns the lamps that are on, `stop` what plays, if any does."""
        prefer = self._preferred(clause)
        if len(devices) < 2 or prefer is None or not (clause.relative or clause.verb in _HALTS):
            return devices
        return [key for key in devices if prefer(self.index.devices[key])] or devices

    def _deed(self, clause: Clause, device: Device) -> Deed:
        rooms = [room for item in clause.items for room in item.rooms if item.is_place]
        rooms = rooms or ([self.context.here] if "here" in clause.flags and self.context.here else [])
        if (
            device.kind == "vacuum"
            and clause.verb in ("clean", "start")
            and rooms
            and ("clean" in device.verbs or device.room not in rooms)
        ):
            return Deed(Call("do", device.id, {"verb": "clean", "room": rooms[0]}))
        return self.deeds.deed(clause, device, self.index.house.state.of(device.id))

    def _problem(self, problem: str, rows: Sequence[tuple[Device, Deed]], clause: Clause, draft: Draft) -> None:
        device, deed = rows[0]
        names = self.speech.names(called(device for device, _ in rows))
        facts = dict(deed.facts)
        if problem == "arm_how" and len(rows) == 1:
            self._ask_arm(device, draft)
            return
        if "trait" in facts:
            trait = str(facts["trait"])
            facts |= {part: self.speech.value(device, trait, facts[part]) for part in ("value", "low", "high") if part in facts}
        if problem == "no_option":
            facts["options"] = ", ".join(str(option) for option in facts["options"])
        draft.says.append(self.speech.say(self._cannot(clause) if problem == "cannot" else problem, **(facts | {"name": names})))

    def _ask_arm(self, device: Device, draft: Draft) -> None:
        draft.question = self.speech.say("arm_how", name=device.name)
        options = [option for option in device.traits["armed"].options if option != "disarmed"]
        for option in options:
            call = Call("set", device.id, {"armed": option})
            draft.choices.append(Choice(self.speech.state(device, "armed", option), (call,)))

    def _left(self, found: Found) -> str:
        """What "everything" did not reach, if there is any such thing."""
        kinds = {"outlet", "switch", "climate", "valve", "pool", "water_heater"}
        rest = any(device.kind in kinds for device in self.index.devices.values())
        return self.speech.say("left_alone") if rest else ""

    def _ask(self, clause: Clause, found: Found, draft: Draft) -> None:
        rivals = [self.index.devices[key] for key in found.rivals]
        if found.reason == "where":
            groups: dict[str, list[str]] = {}
            for device in rivals:
                groups.setdefault(device.room or device.name, []).append(device.id)
        else:
            groups = {name: [device.id] for name, device in zip(called(rivals), rivals, strict=True)}
        options: list[Choice] = []
        says: list[str] = []
        for label, keys in list(groups.items())[:_MOST_CHOICES]:
            part = Draft()
            self.do(clause, keys, part)
            says = says or part.says
            if part.calls:
                options.append(Choice(label, tuple(part.calls)))
        if draft.choices or not options:
            draft.says += says if not options else [self.speech.say("unclear")]
            return
        draft.choices = options
        draft.question = self.speech.say(found.reason, names=self.speech.names(groups, _MOST_CHOICES, "or"))

    def _refuse(self, clause: Clause, found: Found, draft: Draft) -> None:
        say = self.speech.say
        if not clause.items and found.reason == "unfit" and not clause.flags & {"it", "other"}:
            draft.says.append(say("what"))
        elif found.reason == "unfit":
            names = self.speech.names(called(self.index.devices[key] for key in found.unfit[:9]), 3)
            draft.says.append(say(self._cannot(clause), name=names))
            if found.places and all(item.is_place for item in clause.items):
                draft.says[-1] = say("nothing_named", places=self.speech.names(found.places))
        elif found.reason == "none_in" or (found.reason == "unknown" and found.places):
            word = " ".join(item.text for item in clause.items if not item.is_place) or found.word
            draft.says.append(say("none_in", word=word, places=self.speech.names(found.places) or found.word))
        elif found.reason in ("where", "what"):
            draft.says.append(say("which_room_none" if found.reason == "where" else "what"))
        elif found.word:
            draft.says.append(say("unknown_word", word=found.word, near=self.teller.near(found.word)))
        else:
            draft.says.append(say("all_spared"))

    def _cannot(self, clause: Clause) -> str:
        verbs = {
            "on": "switch",
            "off": "switch",
            "up": "set",
            "down": "set",
            "close": "open",
            "unlock": "lock",
            "brighten": "dim",
        }
        verbs |= {"pause": "play", "resume": "play", "next": "play", "previous": "play"}
        key = f"cannot_{verbs.get(clause.verb, clause.verb)}"
        return key if key in self.speech.table["say"] else "cannot"
