"""Texts about any home by the thousand, each with what must come of it known by how it was made.

It puts together what `said.yaml` says; it knows nothing of Dobby's grammar, and nothing here looks at what he makes of a text.

`python -m tests.mind.generate FOLDER` writes homes and cases in the form that `dobby try --stdin` reads.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from rapidfuzz.distance import OSA

from tests.mind.homes import Home, as_yaml, home, where

KEYS = {a: b for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for a, b in zip(row, row[1:] + row[-2], strict=True)}


@cache
def said() -> Mapping[str, Any]:
    """`said.yaml`."""
    found: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("said.yaml").read_text("utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """One text and what must come of it.

    `expect`: {device: {trait: value}}, empty where nothing may change; `state` is how the home is before; `first` is said
    before it in the same conversation; `asks`: a question back; `after` seconds where it is for later; `reply` a pattern.
    """

    kind: str
    say: str
    expect: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    here: str = ""
    first: str = ""
    asks: bool = False
    after: float = 0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that can be said, and which devices it means."""

    text: str
    devices: tuple[str, ...]
    kind: str  # with its class: cover/blind


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do with a thing: its words, and what comes of it."""

    text: str
    thing: Thing
    name: str
    want: Mapping[str, Any]
    was: Mapping[str, Any]

    @property
    def expect(self) -> dict[str, Mapping[str, Any]]:
        """What must come of it."""
        return {device: self.want for device in self.thing.devices}

    @property
    def state(self) -> dict[str, Mapping[str, Any]]:
        """How the things must be before, so that it shows."""
        return {device: self.was for device in self.thing.devices}


class Writer:
    """Writes cases about one home; the same home and seed give the same cases."""

    def __init__(self, made: Home, seed: int = 1) -> None:
        self.home, self.language = made, made["language"]
        self.dice = random.Random(f"{seed} {len(made['devices'])} {self.language}")
        self.words: Mapping[str, Any] = said()[self.language]
        self.devices = {device["id"]: device for device in made["devices"]}
        self.kinds = {key: "/".join(filter(None, (d["kind"], d.get("device_class")))) for key, d in self.devices.items()}
        self.names = Counter(device["name"].casefold() for device in made["devices"])
        self.rooms = [room["name"] for room in made["rooms"]]
        self.sorts = [kind for kind in said()["deeds"] if kind in self.kinds.values()]
        names = [device["name"] for device in made["devices"]] + self.rooms
        self.own = {word.casefold() for text in names for word in text.split()}  # the words of its names
        self._verbs = {text.split()[0] for texts in self.words["do"].values() for text in texts} - {"{x}"}
        self.vocabulary = self.own | {word.casefold() for text in _texts(self.words) for word in text.split()}

    def cases(self, number: int) -> Iterator[Case]:
        """As many cases, of all sorts in turn; what this home has no use for is left out."""
        makers: list[Callable[[], Case | None]] = [
            *(self.plain, self.plain, self.plain, self.plain, self.typo, self.typo, self.talked, self.here, self.same),
            *(self.several, self.several, self.several, self.shared, self.spared, self.all_but, self.all_off, self.later),
            *(self.unknown_room, self.unknown_room, self.unknown_thing, self.unknown_thing, self.no_such, self.never),
            *(self.told, self.about, self.condition, self.impossible, self.unsure, self.asked, self.half_unknown, self.never),
        ]
        for at in range(number):
            case = next(filter(None, (makers[at % len(makers)]() for _ in range(20))), None)
            if case is not None:
                yield case

    # What is meant

    def device(self, kind: str) -> Thing | None:
        """One device by its name, with its room where the name is no name of its own."""
        key = self.dice.choice(self._of("", kind))
        found = self.devices[key]
        name, room = found["name"], found["room"]
        if self.names[name.casefold()] == 1:
            text = self.words["the"] + self._case(name) if self.dice.random() < 0.7 else self._case(name)
            return Thing(text, (key,), kind) if not self._group_name(found, kind) else None
        twins = [d for d in self.devices.values() if d["name"] == name and d["room"] == room]
        if len(twins) > 1 or room.casefold() in name.casefold():
            return None
        text = self.words["one_of"][0].format(x=self.words["the"] + self._case(name), r=self._case(room), **self._in(room))
        return Thing(text, (key,), kind)

    def _sort(self, *kinds: str) -> str:
        """One of these kinds that this home has."""
        return self.dice.choice([kind for kind in kinds or self.sorts if kind in self.sorts])

    def _case(self, text: str) -> str:
        return text.lower() if self.dice.random() < 0.6 else text

    def _in(self, room: str) -> dict[str, str]:
        place = where(self.language).get(room, f"im {room}" if self.language == "de" else f"in {room}")
        return {"in": place}

    def _group_name(self, device: Mapping[str, Any], kind: str) -> bool:
        """`Kitchen Lights` may be one device or all the lights of the kitchen: nobody can tell."""
        nouns = [noun.casefold() for noun in self.words["nouns"].get(kind, ())]
        group = device["name"].casefold() in {f"{device['room']} {noun}".casefold() for noun in nouns[1:]}
        return group and len(self._of(device["room"], kind)) > 1

    def _of(self, room: str, kind: str) -> list[str]:
        """The devices of a kind in a room ("" everywhere)."""
        return [key for key, k in self.kinds.items() if k == kind and (not room or self.devices[key]["room"] == room)]

    def _fits(self, room: str, kind: str, stray: Sequence[str] = ()) -> bool:
        """A noun means just this kind there: nothing else is called so, nor like the room."""
        things = self.words["things"].get(kind.partition("/")[0], [])
        base = kind.partition("/")[0]
        for key, device in self.devices.items():
            name, same = device["name"].casefold(), self.kinds[key] == kind
            near = device["kind"] == base or (base, device["kind"]) in (("speaker", "tv"), ("climate", "switch"))
            called = near or any(word in name for word in things)
            inside = device["room"] == room
            if (called and not same and (inside or not room)) or (room and not inside and called and room.casefold() in name):
                return False
        return key not in stray

    def group(self, kind: str) -> Thing | None:
        """All of a kind in a room."""
        room = self.dice.choice(self.rooms)
        found = self._of(room, kind)
        if len(found) < 2 or kind not in self.words["nouns"] or not self._fits(room, kind):
            return None
        nouns = self.words["nouns"][kind]
        written = {self.devices[key]["name"].casefold() for key in found}
        if f"{room} {nouns[1]}".casefold() in written:
            return None
        text = self.dice.choice(self.words["many_of"]).format(r=self._case(room), n=nouns[1], **self._in(room))
        return Thing(text, tuple(found), kind)

    def one(self, kind: str) -> Thing | None:
        """The only one of its kind in a room, or in the home."""
        if kind not in self.words["nouns"]:
            return None
        noun, article = self.words["nouns"][kind][0], self.words.get("of", {}).get(kind, "")
        every = self._of("", kind)
        if len(every) == 1 and self._fits("", kind):
            return Thing(self.dice.choice(self.words["only"]).format(n=noun, a=article), tuple(every), kind)
        room = self.dice.choice(self.rooms)
        found = self._of(room, kind)
        if len(found) != 1 or not self._fits(room, kind):
            return None
        text = self.dice.choice(self.words["one_in"]).format(r=self._case(room), n=noun, a=article, **self._in(room))
        return Thing(text, tuple(found), kind)

    def every(self, kind: str) -> Thing | None:
        """All of a kind in the home, or on a floor."""
        found = self._of("", kind)
        if len(found) < 2 or kind not in self.words["nouns"] or not self._fits("", kind):
            return None
        nouns = self.words["nouns"][kind]
        floor = self.dice.choice([name for name, word in self.words["floors"].items() if word])
        there = [key for key in found if self._floor(self.devices[key]["room"]) == floor]
        if there and self.dice.random() < 0.4:
            text = self.dice.choice(self.words["floor"]).format(n=nouns[1], f=self.words["floors"][floor])
            return Thing(text, tuple(there), kind)
        return Thing(self.dice.choice(self.words["every"]).format("", nouns[0], n=nouns[1]), tuple(found), kind)

    def _floor(self, room: str) -> str:
        return next((row.get("floor", "") for row in self.home["rooms"] if row["name"] == room), "")

    def thing(self, kind: str = "") -> Thing | None:
        """Anything, said in any way."""
        kind = kind or self._sort()
        how = self.dice.choice((self.device, self.device, self.device, self.group, self.one, self.one, self.every))
        return how(kind)

    # What is done

    def deed(self, thing: Thing | None, name: str = "") -> Deed | None:
        """One of the things that can be done with it, in words."""
        if thing is None:
            return None
        deeds = said()["deeds"][thing.kind]
        if name and name not in deeds:
            return None
        name = name or self.dice.choice(list(deeds))
        templates = self._templates(thing.kind, name)
        if not templates:
            return None
        value = self.dice.choice(deeds[name].get("values", [0]))
        word = self.words["values"].get(value, value)
        text = self.dice.choice(templates).format(x=thing.text, v=word)
        want = {trait: value if to == "{v}" else to for trait, to in deeds[name]["want"].items()}
        return Deed(text, thing, name, want, deeds[name]["was"])

    def _templates(self, kind: str, name: str) -> list[str]:
        do, base = self.words["do"], kind.partition("/")[0]
        found = do.get(f"{kind}.{name}") or do.get(f"{base}.{name}") or do.get(name) or []
        return list(found)

    def _any(self, *kinds: str) -> Deed | None:
        return next(filter(None, (self.deed(self.thing(self._sort(*kinds))) for _ in range(30))), None)

    def _framed(self, text: str) -> str:
        frames = self.words["frames"]
        if text.split()[0] not in self._verbs:  # nobody says "could you the lights off"
            frames = [frame for frame in frames if frame.startswith("{}")]
        framed = self.dice.choice(frames).format(text)
        return framed[0].upper() + framed[1:] if self.dice.random() < 0.3 else framed

    # Cases in which something must happen

    def plain(self) -> Case | None:
        """One deed."""
        deed = self._any()
        return deed and Case("plain", self._framed(deed.text), deed.expect, deed.state)

    def typo(self) -> Case | None:
        """One deed with a slip of the thumb in a word of its thing."""
        deed = self._any()
        slipped = deed and self._slip(deed)
        return Case("typo", slipped, deed.expect, deed.state) if deed and slipped else None

    def _slip(self, deed: Deed) -> str | None:
        words = [word for word in deed.thing.text.split() if len(word) >= 5 and word.isalpha()]
        if not words:
            return None
        word = self.dice.choice(words)
        at = self.dice.randrange(1, len(word) - 1)
        slips = (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + KEYS.get(word[at].lower(), word[at]) + word[at + 1 :],
        )
        slip = self.dice.choice(slips)
        near = [w for w in self.vocabulary if w != word.casefold() and OSA.distance(slip.casefold(), w, score_cutoff=2) <= 2]
        return None if near or slip == word else deed.text.replace(word, slip, 1)

    def talked(self) -> Case | None:
        """It, which was just talked about."""
        kind = self._sort("light", "fan", "switch")
        first = self.deed(self.device(kind), self.dice.choice(("on", "off")))
        if first is None:
            return None
        back = "off" if first.name == "on" else "on"
        want = {device: {"on": back == "on"} for device in first.thing.devices}
        return Case("talked about", self.dice.choice(self.words["again"][back]), want, first.state, first=first.text)

    def same(self) -> Case | None:
        """The same with something else."""
        first, other = self.deed(self.device("light"), self.dice.choice(("on", "off"))), self.device("light")
        if first is None or other is None or other.devices == first.thing.devices:
            return None
        text = self.dice.choice(self.words["same"]).format(x=other.text)
        want = {other.devices[0]: {"on": first.name == "on"}}
        state = {**first.state, other.devices[0]: dict(first.was)}
        return Case("the same", text, want, state, first=first.text)

    def here(self) -> Case | None:
        """A noun in the speaker's room."""
        kind = self._sort("light", "fan", "cover/blind", "speaker", "tv")
        room = self.dice.choice(self.rooms)
        found = self._of(room, kind)
        if not found or not self._fits(room, kind) or (kind != "light" and len(found) > 1):
            return None
        nouns, article = self.words["nouns"][kind], self.words.get("of", {}).get(kind, "")
        noun = nouns[1] if len(found) > 1 else nouns[0]
        article = "die" if len(found) > 1 else article
        text = self.dice.choice(self.words["here"]).format(n=noun, a=article)
        deed = self.deed(Thing(text, tuple(found), kind))
        return deed and Case("here", self._framed(deed.text), deed.expect, deed.state, room)

    def several(self) -> Case | None:
        """Two or three deeds in one breath, each whole."""
        deeds = [deed for _ in range(3 if self.dice.random() < 0.3 else 2) if (deed := self._any())]
        if len(deeds) < 2 or self._overlap(deeds):
            return None
        texts = dict(zip("abc", (deed.text for deed in deeds), strict=False))
        text = self.dice.choice(self.words["both" if len(deeds) == 2 else "lots"]).format(**texts)
        return Case("several", self._framed(text), _joined(d.expect for d in deeds), _joined(d.state for d in deeds))

    def shared(self) -> Case | None:
        """One verb for two things."""
        first = self._any("light", "switch", "fan", "outlet")
        other = first and self.thing(first.thing.kind)
        if first is None or other is None or first.name not in ("on", "off"):
            return None
        both = Thing(
            self.dice.choice(self.words["two"]).format(a=first.thing.text, b=other.text),
            (*first.thing.devices, *other.devices),
            "",
        )
        if set(first.thing.devices) & set(other.devices) or " all" in both.text or "every" in both.text:
            return None
        text = self.dice.choice(self._templates(first.thing.kind, first.name)).format(x=both.text)
        want = {device: first.want for device in both.devices}
        return Case("shared", self._framed(text), want, {device: first.was for device in both.devices})

    def _overlap(self, deeds: Sequence[Deed]) -> bool:
        every = [device for deed in deeds for device in deed.thing.devices]
        return len(every) != len(set(every))

    def spared(self) -> Case | None:
        """All but one of a room."""
        thing = self.group("light")
        deed = thing and self.deed(thing, "off")
        if thing is None or deed is None:
            return None
        kept = self.devices[self.dice.choice(thing.devices)]
        if self.names[kept["name"].casefold()] > 1:
            return None
        return self._but(deed, self.words["the"] + self._case(kept["name"]), {kept["id"]})

    def all_but(self) -> Case | None:
        """All of a kind but those of a room."""
        deed, room = self.deed(self.every("light"), "off"), self.dice.choice(self.rooms)
        kept = set(self._of(room, "light"))
        if deed is None or not kept & set(deed.thing.devices) or kept >= set(deed.thing.devices):
            return None
        return self._but(deed, self.words["the"] + self._case(room), kept)

    def _but(self, deed: Deed, text: str, kept: set[str]) -> Case:
        say = self.dice.choice(self.words["except"]).format(d=deed.text, x=text)
        want = {device: traits for device, traits in deed.expect.items() if device not in kept}
        return Case("exception", say, want, deed.state)

    def all_off(self) -> Case | None:
        """Everything but one: lights, media and fans."""
        kept, reach = self.device("light"), [k for k, d in self.devices.items() if d["kind"] in ("light", "speaker", "tv", "fan")]
        if kept is None:
            return None
        want = {key: {"on": False} for key in reach if key not in kept.devices}
        state = {key: {"on": True, **({"playing": "playing"} if self.kinds[key] in ("speaker", "tv") else {})} for key in reach}
        return Case("everything", self.dice.choice(self.words["everything"]).format(x=kept.text), want, state)

    def later(self) -> Case | None:
        """One deed after a while: nothing now, and just that then."""
        deed, (text, seconds) = self._any("light", "fan", "cover/blind"), self.dice.choice(self.words["later"])
        return deed and Case("later", text.format(d=deed.text), deed.expect, deed.state, after=seconds)

    def asked(self) -> Case | None:
        """A question with yes or no for an answer."""
        kind = self.dice.choice([kind for kind in self.sorts if kind.partition("/")[0] in self.words["ask"]])
        thing = self.device(kind)
        if thing is None:
            return None
        ((trait, texts),) = self.words["ask"][kind.partition("/")[0]].items()
        value = self.dice.choice((0, 100) if trait == "position" else (False, True))
        state = {device: {trait: value} for device in thing.devices}
        text = self.dice.choice(texts).format(x=thing.text)
        return Case("question", text, {}, state, reply=self.words["yes" if value else "no"])

    # Cases in which nothing may happen

    def unknown_room(self) -> Case | None:
        """A room that this home has not, with a kind that it has."""
        kind = self._sort("light", "fan", "cover/blind", "speaker")
        nouns, article = self.words["nouns"][kind], self.words.get("of", {}).get(kind, "")
        room = self.dice.choice(self._strange("rooms"))
        text = self.dice.choice(self.words["unknown_room"]).format(n=self.dice.choice(nouns), ns=nouns[1], a=article, u=room)
        return Case("unknown room", self._framed(text), here=self.dice.choice(("", *self.rooms[:3])))

    def _strange(self, what: str) -> list[str]:
        """What shares no word with the names of this home."""
        return [text for text in self.words[what] if not set(text.casefold().split()) & self.own]

    def unknown_thing(self) -> Case | None:
        """A device that this home has not."""
        room = self.dice.choice(self.rooms)
        thing = self.dice.choice(self._strange("devices"))
        text = self.dice.choice(self.words["unknown_thing"]).format(u=thing, r=self._case(room), **self._in(room))
        return Case("unknown thing", self._framed(text), here=self.dice.choice(("", room)))

    def half_unknown(self) -> Case | None:
        """One deed that is clear and one with something unknown: nothing is done before a yes."""
        deed = self._any("light", "fan", "switch")
        other = deed and self.unknown_thing()
        return deed and other and Case("half unknown", self.dice.choice(self.words["both"]).format(a=deed.text, b=other.say))

    def no_such(self) -> Case | None:
        """A room that has nothing of that kind, in a home that has."""
        kind = self._sort("fan", "cover/blind", "tv", "speaker", "humidifier")
        room = self.dice.choice(self.rooms)
        base = kind.partition("/")[0]
        near = [d for d in self.devices.values() if d["room"] == room and d["kind"] in (base, "tv", "speaker", "cover")]
        named = any(room.casefold() in d["name"].casefold() for d in self.devices.values() if d["kind"] == base)
        things = [
            word
            for d in self.devices.values()
            if d["room"] == room
            for word in self.words["things"][base]
            if word in d["name"].lower()
        ]
        if near or named or things:
            return None
        noun, article = self.words["nouns"][kind][0], self.words.get("of", {}).get(kind, "")
        text = self.dice.choice(self.words["no_such"]).format(n=noun, r=self._case(room), a=article, **self._in(room))
        return Case("not in that room", text, here=self.dice.choice(("", *self.rooms[:2])))

    def _said_of(self, what: str, kind: str) -> Case | None:
        deed = self._any()
        return deed and Case(kind, self.dice.choice(self.words[what]).format(d=deed.text), state=deed.state)

    def never(self) -> Case | None:
        """A no."""
        return self._said_of("never", "negation")

    def told(self) -> Case | None:
        """Told of others, of the past, of dreams."""
        return self._said_of("told", "reported")

    def about(self) -> Case | None:
        """Questions about doing it."""
        return self._said_of("ask_about", "asked about")

    def condition(self) -> Case | None:
        """Not now, and not at a time."""
        return self._said_of("if", "condition")

    def impossible(self) -> Case | None:
        """What such a device cannot do, or not so far."""
        kinds = [kind for kind in (*self.sorts, "sensor/motion", "sensor/battery") if kind in self.kinds.values()]
        kind = self.dice.choice([kind for kind in kinds if kind.partition("/")[0] in self.words["impossible"]])
        thing = self.device(kind)
        texts = self.words["impossible"][kind.partition("/")[0]]
        return thing and Case("impossible", self._framed(self.dice.choice(texts).format(x=thing.text)))

    def unsure(self) -> Case | None:
        """One of a kind, in a room that has several."""
        kind = self._sort("light", "cover/blind", "fan")
        room = self.dice.choice(self.rooms)
        nouns, article = self.words["nouns"][kind], self.words.get("of", {}).get(kind, "")
        found = self._of(room, kind)
        if len(found) < 2 or nouns[0] == nouns[1] or self.language == "de" or not self._fits(room, kind):
            return None
        if any(
            d["name"].casefold() in (f"{room} {nouns[0]}".casefold(), f"{room} {nouns[1]}".casefold())
            for d in self.devices.values()
        ):
            return None
        thing = Thing(
            self.words["one_in"][0].format(r=self._case(room), n=nouns[0], a=article, **self._in(room)), tuple(found), kind
        )
        deed = self.deed(thing)
        if deed is None or deed.name == "color":  # "light blue" is a colour too
            return None
        return Case("which one", deed.text, state=deed.state, asks=True)


def _joined(parts: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _texts(words: Any) -> Iterator[str]:
    if isinstance(words, str):
        yield words
    elif isinstance(words, Mapping | list):
        for part in words.values() if isinstance(words, Mapping) else words:
            yield from _texts(part)


def rows(cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """Cases as lines of a suite, for `dobby try --stdin` and for whoever scores it."""
    for case in cases:
        common: dict[str, Any] = {"category": case.kind, "state": case.state, **({"here": case.here} if case.here else {})}
        if case.first:
            yield {"say": case.first, **common}
            common = {"category": case.kind, "keep": True}
        held: dict[str, Any] = (
            {"expect": case.expect, "yes": True} if case.expect and not case.after else {"refuse": not case.after}
        )
        yield {"say": case.say, **common, **({"asked": True} if case.asks else held)}


def main(folder: Path) -> None:
    """Homes and cases as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for size, language in ((30, "en"), (30, "de"), (300, "en"), (453, "de")):
        made, path = home(size, language), folder / f"{language}-{size}.house.yaml"
        path.write_text(as_yaml(made), "utf-8")
        lines = [json.dumps(row, ensure_ascii=False) for row in rows(list(Writer(made).cases(500)))]
        path.with_name(f"{language}-{size}.cases.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
