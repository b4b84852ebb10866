"""Scenes: phrases that stand for exact calls, made in words, from how a room is now, or from a file; and running one.

What is to be kept is only planned here; it does not judge, ask or keep anything.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from dobby.errors import ConfigError
from dobby.events import Call, EffectState, Role, Value
from dobby.house.model import Device
from dobby.journal.pack import TEACH, call_dict, dump
from dobby.journal.taught import Taught
from dobby.mind.plain.index import Index
from dobby.mind.plain.lexicon import LANGUAGES
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.report import report
from dobby.mind.plain.speech import called
from dobby.mind.plain.taught import HANGING, Reader, folded, is_night, left_open, reserved, table, too_long
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.when import Line
from dobby.mind.plan import Outcome, Plan

_KEYS = {"also", "open", "does"}
_QUOTES = " ,:'\"“”„"
_MOST_WORDS = 5  # of a phrase that nothing parts from what follows


def read_scenes(path: Path) -> dict[str, Taught]:
    """The scenes of a TOML file by the phrases for them; what they do is read against the house when they first run.

    :raises ConfigError: it cannot be read, or says something unknown.
    """
    try:
        rows = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    found: dict[str, Taught] = {}
    for name, row in rows.items():
        does = row.get("does") if isinstance(row, dict) and row.keys() <= _KEYS else None
        if not isinstance(does, list) or not does or not all(_is_part(part) for part in does):
            raise ConfigError(f'{path}: "{name}" must be a table with `does` (texts, or kinds with `set`), `also` and `open`.')
        what = Taught(name, name, file=dump(does), does=tuple(does), open=row.get("open") is True)
        found |= {folded(str(phrase)): what for phrase in (name, *row.get("also", ()))}
    return found


def _is_part(part: object) -> bool:
    kinds = isinstance(part, dict) and isinstance(part.get("kind"), str) and isinstance(part.get("set"), dict)
    return kinds or isinstance(part, str)


@cache
def shipped_scenes() -> Mapping[str, Taught]:
    """Those that Dobby brings along."""
    return read_scenes(Path(__file__).with_name("scenes.toml"))


def scene_plan(text: str, thinker: Thinker, now: Callable[[str], Plan]) -> Plan | None:
    """A text that is just the name of a scene runs it; one that only a file knows is shown first."""
    known, said = dict(thinker.context.scenes), folded(text)
    if not known or not said:
        return None
    patterns = [pattern for language in LANGUAGES for pattern in table(language)["scene_run"]]
    names = [said, *(match["phrase"] for pattern in patterns if (match := re.fullmatch(pattern, said)))]
    scene = next((known[name] for name in names if name in known), None)
    if scene is None:
        return None
    speech, index = thinker.speech, thinker.index
    still = left_open(index) if scene.open or is_night(folded(scene.said)) else []
    say = speech.say("open_before", names=speech.names(called(still))) if still else ""
    if scene.does:
        return _offered(scene, thinker, now, say)
    calls = tuple(call for call in scene.calls if not call.device or call.device in index.devices)
    if len(calls) < len(scene.calls):
        say = f"{speech.say('scene_gone', count=len(scene.calls) - len(calls))} {say}".strip()
    return Plan(calls=calls, say=say, scene=scene.said if calls else "", language=speech.language)


def _offered(scene: Taught, thinker: Thinker, now: Callable[[str], Plan], say: str) -> Plan:
    """A scene of a file against this house: what it would do, to be kept."""
    calls: list[Call] = []
    speech = thinker.speech
    for part in scene.does:
        plan = now(part) if isinstance(part, str) else Plan(calls=tuple(_of_kind(part, thinker.index)))
        if isinstance(part, str) and (not plan.calls or plan.choices):
            return Plan(say=speech.say("teach_unclear", means=part), language=speech.language)
        calls += plan.calls
    if not calls:
        return Plan(say=speech.say("scene_empty", scene=scene.said), language=speech.language)
    return Plan(calls=tuple(calls), say=say, shown=_teach(thinker, scene.said, calls, file=scene.file), language=speech.language)


def _of_kind(part: Mapping[str, Any], index: Index) -> Iterable[Call]:
    """What a table sets on every device of its kind that takes it."""
    for device in (index.devices[key] for key in index.by_kind.get(part["kind"], ())):
        state = index.house.state.of(device.id)
        barred = any(state.get(trait) == value for trait, value in part.get("not", {}).items())
        if device.protected or barred or ("class" in part and device.device_class not in part["class"]):
            continue
        args = _taken(device, part["set"]) or _taken(device, part.get("or", {}))
        if args:
            yield Call("set", device.id, args)


def _taken(device: Device, wanted: Mapping[str, Any]) -> dict[str, Value]:
    """Of what is wanted, what this device can be set to; of several values the first of its options."""
    found: dict[str, Value] = {}
    for trait, value in wanted.items():
        spec = device.traits.get(trait)
        if spec is None or not spec.settable:
            continue
        options = [one for one in value if one in spec.options] if isinstance(value, list) else [value]
        found |= dict.fromkeys([trait] if options else [], next(iter(options), None))
    return found


def _teach(thinker: Thinker, phrase: str, calls: Sequence[Call], *, file: str = "", own: bool = False) -> Call:
    """Keeping a scene, as a call; what it replaces goes along, so that it can be taken back."""
    context, speech, index = thinker.context, thinker.speech, thinker.index
    outcomes = [Outcome(call, EffectState.DONE, index.devices.get(call.device)) for call in calls]
    means = report(outcomes, speech).rstrip(".")
    older = dict(context.scenes).get(folded(phrase))
    mine = own or context.role.rank < Role.ADULT.rank
    args: dict[str, Any] = {"to": "taught", "phrase": phrase, "means": means, "person": context.person if mine else ""}
    args |= {"calls": [call_dict(call) for call in calls], "file": file or (older.file if older else "")}
    if older and older.calls and older.person == args["person"]:
        args["was"] = {
            "means": older.means,
            "calls": [call_dict(call) for call in older.calls],
            "said": f"“{phrase}” = {older.means}",
        }
    return Call(TEACH, "", {**args, "said": f"“{phrase}” = {means}"})


class Scenes:
    """Reads one person's making and changing of scenes in one language; `now` is what a text comes to."""

    def __init__(self, mark: Reader, thinker: Thinker, now: Callable[[str], Plan]) -> None:
        self.mark, self.thinker, self.now = mark, thinker, now
        self.table, self.speech = table(thinker.speech.language), thinker.speech
        self.known = dict(thinker.context.scenes)

    def plan(self, text: str) -> Plan | None:
        """A scene to be shown and kept; None where the text makes none."""
        line = Line(text.strip().rstrip("?!."))
        ways = {"make": self._make, "save": self._save, "when": self._when, "change": self._change}
        ways |= {"add": self._add, "less": self._less}
        for way, make in ways.items():
            for pattern in self.table[f"scene_{way}"]:
                found = re.fullmatch(pattern, line.line)
                if found is not None and (plan := make(line, found)) is not None:
                    return plan
        return None

    def _raw(self, line: Line, found: "re.Match[str]", group: str) -> str:
        return line.raw(*found.span(group)).strip(_QUOTES) if found.groupdict().get(group) else ""

    def _say(self, key: str, **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), language=self.speech.language)

    def _shown(self, phrase: str, calls: Sequence[Call], *, say: str = "", own: bool = False) -> Plan:
        phrase = self.known[folded(phrase)].said if folded(phrase) in self.known else phrase
        if reserved(phrase) or not folded(phrase):
            return self._say("teach_reserved", phrase=phrase)
        if too_long(phrase):
            return self._say("too_long")
        already = self.now(phrase) if folded(phrase) not in self.known else Plan()
        if already.calls or already.choices or already.due or already.order:
            return self._say("teach_known", phrase=phrase)
        return Plan(say=say, shown=_teach(self.thinker, phrase, calls, own=own), language=self.speech.language)

    def _read(self, phrase: str, means: str, *, before: Sequence[Call] = (), own: bool = False) -> Plan:
        plan = self.now(means)
        if plan.choices:
            return replace(plan, say=f"{plan.say} {self.speech.say('say_again')}", choices=(), calls=())
        if not plan.calls or plan.order or plan.due or plan.shown:
            return self._say("teach_unclear", means=means)
        changed = {call.device for call in plan.calls}
        kept = [call for call in before if call.device not in changed]
        return self._shown(phrase, (*kept, *plan.calls), say=plan.say, own=own)

    def _make(self, line: Line, found: "re.Match[str]") -> Plan | None:
        return self._read(self._raw(line, found, "phrase"), self._raw(line, found, "means"))

    def _when(self, line: Line, found: "re.Match[str]") -> Plan | None:
        """ "When I say movie time dim the …": a stop parts them, else the first verb."""
        own = re.fullmatch(self.table["everybody"], found["all"]) is None
        if "phrase" in found.groupdict():
            phrase, means = self._raw(line, found, "phrase"), self._raw(line, found, "means")
            return self._read(phrase, means, own=own) if self.now(means).calls else None
        words = self._raw(line, found, "rest").split()
        for at in range(1, min(_MOST_WORDS, len(words) - 1) + 1):
            means = " ".join(words[at:]).removeprefix("then ")
            parted = words[at - 1].endswith((",", ":")) or words[at] == "then"
            if (parted or self._begins(means)) and self.now(means).calls:
                return self._read(" ".join(words[:at]).strip(_QUOTES), means, own=own)
        return None

    def _begins(self, means: str) -> bool:
        """With a verb, as a command does."""
        first = self.mark(means)[:1]
        return bool(first and first[0].sense("verb", "weak") and not first[0].names)

    def _change(self, line: Line, found: "re.Match[str]") -> Plan | None:
        phrase = self._raw(line, found, "phrase")
        return (
            self._read(phrase, self._raw(line, found, "means"), own=self._own(phrase)) if folded(phrase) in self.known else None
        )

    def _own(self, phrase: str) -> bool:
        return self.known[folded(phrase)].person != ""

    def _add(self, line: Line, found: "re.Match[str]") -> Plan | None:
        phrase = self._raw(line, found, "phrase")
        scene = self.known.get(folded(phrase))
        if scene is None or not scene.calls:
            return None
        return self._read(phrase, self._raw(line, found, "means"), before=scene.calls, own=self._own(phrase))

    def _less(self, line: Line, found: "re.Match[str]") -> Plan | None:
        phrase = self._raw(line, found, "phrase")
        scene = self.known.get(folded(phrase))
        row = clauses(self.mark(self._raw(line, found, "what")))
        if scene is None or not scene.calls or len(row) != 1 or not row[0].items:
            return None
        within = {call.device for call in scene.calls}
        out = set(self.thinker.finder.find(row[0], lambda device: device.id in within).devices)
        left = [call for call in scene.calls if call.device not in out]
        if not left or len(left) == len(scene.calls):
            return self._say("scene_not_in", scene=scene.said)
        return self._shown(phrase, left, own=self._own(phrase))

    def _save(self, line: Line, found: "re.Match[str]") -> Plan | None:
        """How the room is now: its lights, what hangs at its windows, its speakers and screens."""
        words, index = self._raw(line, found, "room"), self.thinker.index
        rooms = {room.casefold() for mark in self.mark(words) for room in mark.rooms} if words else set()
        rooms = rooms or {self.thinker.context.here.casefold()} - {""}
        devices = [device for device in index.devices.values() if device.room.casefold() in rooms]
        calls = [call for device in devices if (call := _as_now(device, index.house.state.of(device.id)))]
        if not rooms:
            return self._say("scene_room", phrase=self._raw(line, found, "phrase"))
        return self._shown(self._raw(line, found, "phrase"), calls) if calls else self._say("scene_nothing")


def _as_now(device: Device, state: Mapping[str, Value]) -> Call | None:
    """The call that brings a thing back to how it is; None for what makes no mood, or is not known."""
    wanted: tuple[str, ...] = ()
    if device.kind == "cover" and device.device_class in HANGING:
        wanted = ("position",)
    elif device.kind == "light":
        wanted = ("on", "brightness", "color_temp" if state.get("color_temp") is not None else "color")
    elif device.kind in ("speaker", "tv"):
        wanted = ("on", "source", "volume") if device.kind == "tv" else ("playing", "volume")
    if "on" in wanted and state.get("on") is False:
        wanted = ("on",)
    if "playing" in wanted and state.get("playing") != "playing":
        return Call("set", device.id, {"playing": "idle"}) if "playing" in device.traits else None
    settable = [trait for trait in wanted if trait in device.traits and device.traits[trait].settable]
    args = {trait: state[trait] for trait in settable if state.get(trait) is not None}
    return Call("set", device.id, args) if args else None
