"""Home Assistant's own English test sentences (OHF-Voice/intents, tests/en, CC-BY-4.0) through Dobby's whole pipeline.

It knows no grammar: it builds the home each file speaks of, says the sentence to a `Trial` and looks at the rows and the
devices. The data is not part of the project: it is read from `../shared/data/intents-en`, beside the checkout (`data`).

The home is that of `_fixtures.yaml`; a file that writes down entities with states asks about those alone. A named thing
stands in the room the sentence puts it, and what a sentence needs and no home has ("the kitchen fans") is put there.
Thermostats go from 0 to 100 °C, since these tests know no unit. The speaker is in the test's own room where it gives
one and needs none for its slots, else in the living room; where Dobby asks leave for just what was said, it is given.
Names of a home are unique per test; a kitchen timer is one called so, for Dobby's timers have names and no rooms.

Right is, by intent, and never if anything else changed, was done or was kept:
  TurnOn, TurnOff, LightSet, FanSetSpeed, SetPosition, SetVolume, ClimateSetTemperature, Media(Un)Pause, MediaPlayer(Un)Mute:
      exactly the devices meant end with the value meant; they start with another one. "Light" colours and kelvins are exact
      (1.5 % for percents); scenes and scripts were run.
  SetVolumeRelative: up or down by the step, where none was said by any.
  MediaNext, MediaPrevious: the verb, on the one device.
  MediaSearchAndPlay: `play` on the device, what is looked for being the query, with or without its class.
  Vacuum…, LawnMower…: the state meant (docking or docked); a room to clean is in the call.
  ListAddItem, …Complete, …Remove, ShoppingList…: the list gains or loses the item (an item off the list is one that is gone).
  Broadcast: the message is announced, in these words, on every speaker.
  StartTimer: one timer of that length and name; with a command, that command's calls then.
  IncreaseTimer, DecreaseTimer, CancelTimer, CancelAllTimers, PauseTimer, UnpauseTimer: among several timers the one meant
      is moved by just that (never before now), ended, paused or going again, and no other.
  TimerStatus: what is left of the timer meant. GetCurrentTime, GetCurrentDate: the time, the date.
  GetState: Yes or No as the test has it, every name of its answer and none of the others', the count.
  ClimateGetTemperature, GetWeather: the value of the thing meant.
  Nevermind, Respond: nothing done, and not "I didn't follow that".
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dobby.events import Call
from dobby.house.load import parse
from dobby.journal import appointments, ledger
from dobby.journal.appointments import DueRow
from dobby.trial import Case, Trial, open_trial

NOW = "2026-03-02T19:40:00+01:00"
KIND = {"media_player": "speaker", "todo": "list", "lawn_mower": "mower", "binary_sensor": "sensor"}
NEW = {"light": "Sconce", "fan": "Extractor Fan", "tv": "Screen", "speaker": "Speaker", "vacuum": "Vacuum", "climate": "Heater"}
COLORS = {"red": "#ff0000"}
UNITS = {"hours": 3600, "minutes": 60, "seconds": 1}
GO_TOGETHER = {
    "on": {"brightness", "speed", "playing", "color", "color_temp"},
    "brightness": {"on"},
    "speed": {"on"},
    "color": {"on", "color_temp"},
}
GO_TOGETHER |= {
    "color_temp": {"on", "color"},
    "playing": {"on", "muted"},
    "volume": {"muted"},
    "muted": {"volume"},
    "position": {"moving"},
}
GO_TOGETHER |= {"track": {"playing", "on"}, "title": {"playing", "on", "muted", "artist"}, "items": {"count"}, "target": {"mode"}}


def data() -> Path:
    """Where the sentences are, where the machine has them."""
    return Path(__file__).resolve().parents[3] / "shared" / "data" / "intents-en"


@dataclass
class Score:
    """How many came out how, by intent; `failed` are (intent, text, why, whether something wrong was done)."""

    total: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str, str, bool]] = field(default_factory=list)

    @property
    def wrong(self) -> list[tuple[str, str, str, bool]]:
        """Those in which something was done that should not have been."""
        return [row for row in self.failed if row[3]]


@dataclass(frozen=True)
class Test:
    """One block of a file: sentences that mean the same, and the file's own words about the home."""

    intent: str
    sentences: tuple[str, ...]
    slots: Mapping[str, Any]
    response: str
    file: Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What came of one sentence."""

    say: str
    reply: str
    changes: Mapping[tuple[str, str], Any]
    before: Mapping[str, Mapping[str, Any]]
    calls: tuple[Call, ...]
    had: tuple[DueRow, ...]
    have: tuple[DueRow, ...]


def tests(folder: Path) -> Iterator[Test]:
    """Every block of every file."""
    for path in sorted(folder.glob("*/*.yaml")):
        file = yaml.safe_load(path.read_text("utf-8"))
        for row in file["tests"]:
            yield Test(path.parent.name, tuple(row["sentences"]), row.get("slots") or {}, str(row.get("response") or ""), file)


# The home


class Home:
    """The home of one block, as rows of a house file."""

    def __init__(self, test: Test, fixtures: Mapping[str, Any]) -> None:
        self.test, slots, file = test, test.slots, test.file
        own = [row for row in file.get("entities") or [] if "state" in row]
        self.alone = bool(own)
        base: Mapping[str, Any] = {} if self.alone else fixtures
        floors = {row["id"]: row["name"] for row in base.get("floors", [])}
        areas = {row["id"]: row["name"] for row in base.get("areas", [])}
        self.rooms = {row["name"]: floors.get(row.get("floor"), "") for row in base.get("areas", [])}
        for row in file.get("areas") or []:
            self.rooms.setdefault(row["name"], row.get("floor", ""))
        self.devices: list[dict[str, Any]] = []
        for row in [*base.get("entities", []), *(file.get("entities") or [])]:
            self._add(row, areas)
        self.here = self._here()
        self.meant = self._meant()
        if "name" in slots and not test.intent.endswith("Timer") and "Timer" not in test.intent:
            self._move()

    def _add(self, row: Mapping[str, Any], areas: Mapping[str, str]) -> None:
        domain, name = row.get("domain") or row["id"].split(".")[0], row["name"].replace("[']", "'").replace("Joe's", "Joes")
        state, traits = row.get("state", ""), row.get("attributes") or {}
        written = state.get("out") if isinstance(state, dict) else state
        kind = "tv" if name == "TV" else KIND.get(domain, domain)
        device: dict[str, Any] = {"id": f"{kind}.{name.casefold().replace(' ', '_')}", "name": name, "kind": kind}
        device |= {"room": areas.get(row.get("area", ""), row.get("area", "")), "device_class": traits.get("device_class", "")}
        if kind == "cover" and not device["device_class"]:
            device["device_class"] = next((c for c in ("garage", "door", "window") if c in name.casefold()), "")
        if domain == "binary_sensor" and not device["device_class"]:
            words = {"door": "door", "skylight": "window", "office": "occupancy", "motion": "occupancy"}
            device["device_class"] = next((c for word, c in words.items() if word in name.casefold()), "")
        device["unit"] = traits.get("unit_of_measurement", "")
        device["state"] = _state(kind, domain, written, traits)
        if kind == "climate":
            device["limits"] = {"target": [0, 100]}
        self.devices = [one for one in self.devices if one["name"].casefold() != name.casefold()]
        self.devices.append(device)

    def _here(self) -> str:
        given = [row["name"] for row in self.test.file.get("areas") or []]
        if given and "area" not in self.test.slots and "floor" not in self.test.slots and not self.alone:
            return str(given[0])
        if self.alone:
            device = self.devices[0]
            if self.test.intent == "HassClimateGetTemperature" and "area" not in self.test.slots and not device["room"]:
                self.rooms["Office"] = ""
                device["room"] = "Office"
                return "Office"
            return ""
        return "Living Room"

    def _move(self) -> None:
        """The named thing stands where the sentence says."""
        device, slots = self.meant[0], self.test.slots
        if "area" in slots:
            device["room"] = slots["area"]
        elif "floor" in slots:
            device["room"] = next(room for room, floor in self.rooms.items() if floor == slots["floor"])

    def _meant(self) -> list[dict[str, Any]]:
        """The devices that the slots are about."""
        slots, intent = self.test.slots, self.test.intent
        if "Timer" in intent or intent in ("HassNevermind", "HassRespond", "HassGetCurrentTime", "HassGetCurrentDate"):
            return []
        if "name" in slots:
            return [one for one in self.devices if one["name"].casefold() == slots["name"].casefold()]
        kinds, class_ = self._kinds(), slots.get("device_class", "")
        rooms = self._scope()
        found = [one for one in self.devices if one["kind"] in kinds and (not rooms or one["room"] in rooms)]
        found = [one for one in found if not class_ or one["device_class"] == class_]
        if intent.startswith("HassShoppingList"):
            return [self._new("list", "Shopping List", "", "shopping")]
        if intent == "HassBroadcast":
            return [self._new("speaker", "Kitchen Speaker", "Kitchen")]
        if not found and not self.alone:
            room = rooms[0] if rooms else "Garage"
            made = {"garage": "Garage Door", "": f"{room} {NEW.get(kinds[0], kinds[0])}"}.get(class_, f"{room} {class_}".title())
            found = [self._new(kinds[0], made, room, class_)]
        return found

    def _new(self, kind: str, name: str, room: str, class_: str = "") -> dict[str, Any]:
        key = f"{kind}.{name.casefold().replace(' ', '_')}"
        limits = {"limits": {"target": [0, 100]}} if kind == "climate" else {}
        device = {"id": key, "name": name, "kind": kind, "room": room, "device_class": class_, "unit": ""}
        self.devices.append(device | {"state": _state(kind, kind, "", {})} | limits)
        return self.devices[-1]

    def _kinds(self) -> tuple[str, ...]:
        intent = self.test.intent
        if "domain" in self.test.slots:
            return (self.test.slots["domain"],)
        table = {"Light": "light", "Fan": "fan", "Climate": "climate", "Vacuum": "vacuum", "Lawn": "mower", "Weather": "weather"}
        return next(((kind,) for word, kind in table.items() if word in intent), ("speaker", "tv"))

    def _scope(self) -> list[str]:
        slots, intent = self.test.slots, self.test.intent
        if "Vacuum" in intent or "Lawn" in intent or intent == "HassBroadcast":
            return []
        if "area" in slots:
            return [slots["area"]]
        if "floor" in slots:
            return [room for room, floor in self.rooms.items() if floor == slots["floor"]]
        everywhere = "every" in self.test.sentences[-1] or slots.get("device_class") == "garage"
        return [self.here] if self.here and not everywhere else []

    def text(self) -> str:
        """The house file."""
        rooms = [{"name": name, "floor": floor} for name, floor in self.rooms.items()]
        return json.dumps({"now": NOW, "here": self.here, "rooms": rooms, "devices": self.devices})


def _state(kind: str, domain: str, state: Any, traits: Mapping[str, Any]) -> dict[str, Any]:
    place = traits.get("position", {"open": 100, "closed": 0}.get(str(state), 100))
    return {
        "cover": {"position": int(place)},
        "valve": {"position": int(place)},
        "lock": {"locked": state != "unlocked"},
        "climate": {"mode": "heat", "target": 21, "temperature": traits.get("current_temperature", 20)},
        "tv": {"playing": "playing", "volume": 50, "muted": False, "track": 3, "title": "Something"},
        "speaker": {"playing": "playing", "volume": 50, "muted": False, "track": 3, "title": "Something"},
        "vacuum": {"state": "docked"},
        "mower": {"state": "docked"},
        "list": {"items": [], "count": 0},
        "person": {"home": {"home": "home", "not_home": "away"}.get(str(state), "away")},
        "weather": {"value": f"{state}, {traits.get('temperature')}"},
        "sensor": {"on": state == "on"} if domain == "binary_sensor" else {"value": state},
        "scene": {},
        "script": {},
    }.get(kind, {"on": state == "on"})


# What is meant


def wanted(test: Test, kind: str) -> dict[str, Any]:
    """What each device meant should be afterwards: values, or a pair (least, most)."""
    slots, intent = test.slots, test.intent.removeprefix("Hass")
    step = slots.get("volume_step")
    on: dict[str, dict[str, Any]] = {"lock": {"locked": True}, "cover": {"position": 100}, "valve": {"position": 100}}
    off: dict[str, dict[str, Any]] = {"lock": {"locked": False}, "cover": {"position": 0}, "valve": {"position": 0}}
    light = {
        "brightness": slots.get("brightness"),
        "color": COLORS.get(slots.get("color", "")),
        "color_temp": slots.get("temperature"),
    }
    relative = {"up": (51, 100), "down": (0, 49)}.get(step, (50 + step, 50 + step) if isinstance(step, int) else (0, 0))
    made: dict[str, dict[str, Any]] = {
        "TurnOn": {} if kind in ("scene", "script") else on.get(kind, {"on": True}),
        "TurnOff": off.get(kind, {"on": False}),
        "LightSet": {trait: value for trait, value in light.items() if value is not None},
        "FanSetSpeed": {"speed": slots.get("percentage")},
        "SetPosition": {"position": slots.get("position")},
        "SetVolume": {"volume": slots.get("volume_level")},
        "SetVolumeRelative": {"volume": relative},
        "ClimateSetTemperature": {"target": slots.get("temperature")},
        "MediaPause": {"playing": ("paused", "idle")},
        "MediaUnpause": {"playing": "playing"},
        "MediaPlayerMute": {"muted": True},
        "MediaPlayerUnmute": {"muted": False},
        "VacuumStart": {"state": "cleaning"},
        "VacuumCleanArea": {"state": "cleaning"},
        "VacuumReturnToBase": {"state": ("returning", "docked")},
        "LawnMowerStartMowing": {"state": "mowing"},
        "LawnMowerDock": {"state": ("returning", "docked")},
        "ListAddItem": {"items": [slots.get("item")]},
        "ShoppingListAddItem": {"items": [slots.get("item")]},
        "ListCompleteItem": {"items": []},
        "ShoppingListCompleteItem": {"items": []},
        "ListRemoveItem": {"items": []},
    }
    return made.get(intent, {})


def verb(test: Test, kind: str) -> str:
    """The verb that each device meant is to be told, "" none."""
    verbs = {"MediaNext": "next", "MediaPrevious": "previous", "MediaSearchAndPlay": "play", "Broadcast": "announce"}
    return "run" if kind in ("scene", "script") else verbs.get(test.intent.removeprefix("Hass"), "")


def at_first(test: Test, device: Mapping[str, Any]) -> dict[str, Any]:
    """Another state than the one that is meant."""
    out: dict[str, Any] = {}
    for trait, value in wanted(test, device["kind"]).items():
        if trait == "items":
            out |= {"items": [] if value else [test.slots["item"]], "count": 0 if value else 1}
        elif trait == "state":
            out[trait] = {"cleaning": "docked", "mowing": "docked"}.get(
                value, "mowing" if device["kind"] == "mower" else "cleaning"
            )
        elif trait == "playing":
            out |= {"playing": "paused" if value == "playing" else "playing"}
        elif isinstance(value, bool):
            out[trait] = not value
        elif trait == "position":
            out[trait] = 0 if value == 100 else 100
        elif trait in ("brightness", "color", "color_temp"):
            out |= {"on": True, "brightness": 30}
        elif trait == "speed":
            out |= {"on": True, "speed": 20}
    return out


# One sentence


async def play(trial: Trial, home: Home, text: str) -> Seen:
    """Say it in a home as it was at first, with the timers that it is about."""
    start = {one["id"]: at_first(home.test, one) for one in home.meant}
    state = {key: row for key, row in start.items() if row}
    first = True
    for said in timers(home.test):
        await trial.say(Case(said, state=state if first else None, keep=not first))
        first = False
    had = await trial.store.read(appointments.open_ones)
    newest = await trial.store.read(lambda db: ledger.latest(db, 1))
    out = await trial.say(Case(text, state=state if first else None, yes=True, keep=not first))
    have = await trial.store.read(appointments.open_ones)
    since = newest[0].id if newest and not first else 0
    done = [
        row
        for row in await trial.store.read(ledger.latest)
        if row.id > since and str(row.state) in ("done", "intended", "unknown")
    ]
    states = {one["id"]: {**one["state"], **start.get(one["id"], {})} for one in home.devices}
    changes = {(row["device"], row["trait"]): row["to"] for row in out["changes"]}
    return Seen(text, out["reply"], changes, states, tuple(row.call for row in done), tuple(had), tuple(have))


def timers(test: Test) -> tuple[str, ...]:
    """What is said beforehand."""
    intent, slots = test.intent, test.slots
    if "Timer" not in intent or intent == "HassStartTimer":
        return ()
    said = []
    if not set(slots) & {"area", "name", "start_hours", "start_minutes", "start_seconds"}:
        said = ["set a 20 minute timer", "set a 2 hour timer"][: 2 if intent == "HassCancelAllTimers" else 1]
    else:
        said = ["set a 1 hour timer", "set a 25 minute timer called pizza", "set a 5 minute timer called kitchen"]
        said += ["set a 30 second timer", "set a 45 second timer"] if "start_seconds" in slots else []
    return (*said, "pause all timers") if intent == "HassUnpauseTimer" else tuple(said)


def judge(home: Home, seen: Seen) -> tuple[str, bool]:
    """What fell short ("" nothing), and whether anything was done that should not have been."""
    test = home.test
    if "Timer" in test.intent:
        return _timer(home, seen)
    if seen.have:
        return f"kept {seen.have[0].due.said}", True
    if why := _strays(home, seen):
        return why, True
    for device in home.meant:
        if why := _falls_short(test, device, seen):
            return f"{device['name']} {why}: {seen.reply}", any(key[0] == device["id"] for key in seen.changes)
    return _answer(home, seen), False


def _strays(home: Home, seen: Seen) -> str:
    meant = {one["id"]: one for one in home.meant}
    question = home.test.intent.startswith(("HassGet", "HassClimateGet")) or not meant
    for (device, trait), to in seen.changes.items():
        traits = set(wanted(home.test, meant[device]["kind"])) if device in meant else set()
        traits |= (
            {"next": {"track"}, "previous": {"track"}, "play": {"title"}}.get(verb(home.test, meant[device]["kind"]), set())
            if device in meant
            else set()
        )
        if question or device not in meant or not (trait in traits or any(trait in GO_TOGETHER.get(one, ()) for one in traits)):
            return f"changed {device}.{trait} to {to!r}: {seen.reply}"
    for call in seen.calls:
        if call.device not in meant or question:
            return f"did {call.device} {dict(call.args)}"
    return ""


def _falls_short(test: Test, device: Mapping[str, Any], seen: Seen) -> str:
    key, kind = device["id"], device["kind"]
    for trait, value in wanted(test, kind).items():
        got = seen.changes.get((key, trait), seen.before[key].get(trait))
        if not _same(got, value):
            return f"{trait} is {got!r}, not {value!r}"
    calls = [call for call in seen.calls if call.device == key]
    if (told := verb(test, kind)) and (len(calls) != 1 or calls[0].args.get("verb") != told):
        return f"was not told to {told}"
    if told == "play" and not _query(str(calls[0].args.get("what", "")), test.slots):
        return f"plays {calls[0].args.get('what')!r}"
    if told == "announce" and str(calls[0].args.get("text", "")).strip(" .").casefold() != test.slots["message"]:
        return f"announces {calls[0].args}"
    if test.intent == "HassVacuumCleanArea" and home_room(test) not in (str(calls[0].args.get("room", "")) if calls else ""):
        return f"cleans {[dict(call.args) for call in calls]}"
    return ""


def home_room(test: Test) -> str:
    """The room to be cleaned."""
    return str(test.slots.get("area") or (test.file.get("areas") or [{"name": ""}])[0]["name"])


def _same(got: Any, value: Any) -> bool:
    if isinstance(value, tuple):
        return value[0] <= got <= value[1] if isinstance(value[0], int) else got in value
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(got, int | float):
        return bool(got == value)
    return abs(got - value) <= (1.5 if value > 1 else 0.5)


def _query(what: str, slots: Mapping[str, Any]) -> bool:
    class_ = {"track": "track|song", "tv_show": "tv show|show"}.get(slots.get("media_class", ""), slots.get("media_class", "-"))
    bare = re.sub(rf"^(?:the )?(?:{class_}) | (?:{class_})$", "", what.casefold())
    query = str(slots["search_query"]).casefold()
    return bare.removeprefix("the ") == query.removeprefix("the ")


def _answer(home: Home, seen: Seen) -> str:
    """What a reply lacks."""
    test, reply = home.test, seen.reply
    if "didn't follow" in reply or "don't know" in reply or not reply:
        return f"not understood: {reply}"
    needed, barred = [], []
    if test.intent == "HassGetState":
        names = [one["name"] for one in home.devices]
        needed = re.findall(r"^(?:yes|no)\b|^\d+$", test.response, re.I) + [name for name in names if name in test.response]
        if "more" not in test.response and re.match("which|who", seen.say):
            barred = [name for name in names if name not in test.response]
        if "42" in test.response:
            needed = ["42|5.6"]  # °F, or the same in °C
    elif test.intent == "HassClimateGetTemperature":
        needed = [str(home.meant[0]["state"]["temperature"])]
    elif test.intent == "HassGetWeather":
        needed, barred = [home.meant[0]["state"]["value"].split(",")[0]], ["sunny"] if "London" in str(test.slots) else []
    elif test.intent in ("HassGetCurrentTime", "HassGetCurrentDate"):
        needed = ["19:40"] if test.intent == "HassGetCurrentTime" else ["March|2.3|2026-03-02"]
    lacks = [need for need in needed if not re.search(rf"(?<!\w)(?:{_worded(need)})(?!\w)", reply, re.I)]
    strange = [name for name in barred if name.casefold() in reply.casefold()]
    return f"says {reply!r}, lacks {lacks}, has {strange}" if lacks or strange else ""


def _worded(need: str) -> str:
    return {"1": "1|one", "2": "2|two|both", "5": "5|five"}.get(need, need)


def _span(slots: Mapping[str, Any], prefix: str = "") -> int:
    return sum(int(slots.get(f"{prefix}{unit}") or 0) * size for unit, size in UNITS.items())


def _timer(home: Home, seen: Seen) -> tuple[str, bool]:
    slots, intent = home.test.slots, home.test.intent
    if seen.changes:
        return f"changed {list(seen.changes)}", True
    had, have = {row.id: row for row in seen.had}, {row.id: row for row in seen.have}
    if intent == "HassStartTimer":
        return _started(home, seen)
    name = {"area": "kitchen", "name": "pizza"}.get(next((slot for slot in ("area", "name") if slot in slots), ""))
    span = _span(slots, "start_")
    meant = [row for row in seen.had if (row.due.name.casefold() == name if name else row.due.after == span if span else True)]
    left = [row for row in seen.have if row.id not in {one.id for one in meant}]
    kept = [(row.due.name, row.due.after, row.state) for row in seen.had if row not in meant]
    if intent in ("HassDecreaseTimer", "HassIncreaseTimer"):
        return _moved(seen, meant[0], _span(slots) * (1 if intent == "HassIncreaseTimer" else -1))
    if [(row.due.name, row.due.after, row.state) for row in left] != kept or set(have) - set(had):
        return f"other timers were touched: {seen.reply}", True
    states = {"HassPauseTimer": "paused", "HassUnpauseTimer": "waiting", "HassTimerStatus": "waiting"}
    want = states.get(intent, "ended")
    if any((have[row.id].state if row.id in have else "ended") != want for row in meant):
        return f"not {want}: {seen.reply}", False
    if intent == "HassTimerStatus":
        told = {1200: "20 minutes", 3600: "1 hour", 1500: "25 minutes", 300: "5 minutes", 45: "45 seconds", 30: "30 seconds"}
        others = [row for row in seen.had if row not in meant and _tells(seen, told[round(row.due.after)])]
        if not _tells(seen, told[round(meant[0].due.after)]) or others:
            return f"says {seen.reply!r}", False
    return "", False


def _tells(seen: Seen, span: str) -> bool:
    return re.search(rf"(?<!\d){span}", seen.reply) is not None


def _moved(seen: Seen, meant: DueRow, by: int) -> tuple[str, bool]:
    """One and only one went away, and one of its name is there at the other time."""
    rest = sorted((row.due.name, row.at) for row in seen.had if row.id != meant.id)
    now = max(meant.at - meant.due.after, meant.at + by)
    want = sorted([*rest, (meant.due.name, now)])
    got = sorted((row.due.name, row.at) for row in seen.have)
    if got == sorted([*rest, (meant.due.name, meant.at)]):
        return f"not moved: {seen.reply}", False
    if len(got) != len(want) or any(a[0] != b[0] or abs(a[1] - b[1]) > 1 for a, b in zip(got, want, strict=True)):
        return f"wrongly moved: {seen.reply}", True
    return "", False


def _started(home: Home, seen: Seen) -> tuple[str, bool]:
    slots = home.test.slots
    if len(seen.have) != 1:
        return f"{len(seen.have)} kept: {seen.reply}", len(seen.have) > 1
    due = seen.have[0].due
    if abs(due.after - _span(slots)) > 1 or due.name.casefold() != slots.get("name", ""):
        return f"kept {due.said}", True
    lights = {one["id"] for one in home.devices if one["kind"] == "light" and one["room"] == home.here}
    right = {call.device for call in due.calls} == lights and all(dict(call.args) == {"on": False} for call in due.calls)
    if "conversation_command" in slots and not right:
        return f"will do {[(call.device, dict(call.args)) for call in due.calls]}", True
    if "conversation_command" not in slots and due.calls:
        return f"will do {due.calls}", True
    return "", False


async def score(folder: Path, only: Iterable[str] = ()) -> Score:
    """All of it, or some intents."""
    fixtures, out = yaml.safe_load((folder / "_fixtures.yaml").read_text("utf-8")), Score()
    for test in tests(folder):
        if only and test.intent not in only:
            continue
        home = Home(test, fixtures)
        async with open_trial(parse(home.text())) as trial:
            for text in test.sentences:
                why, wrong = judge(home, await play(trial, home, text))
                out.total[test.intent] += 1
                out.right[test.intent] += not why
                if why:
                    out.failed.append((test.intent, text, why, wrong))
    return out


if __name__ == "__main__":
    import sys

    found = asyncio.run(score(Path(sys.argv[1]) if sys.argv[1:] else data(), sys.argv[2:]))
    for intent, text, why, wrong in found.failed:
        print("WRONG" if wrong else "     ", intent.removeprefix("Hass"), "|", text, "|", why[:150])
    for intent in found.total:
        print(f"{found.right[intent]:4}/{found.total[intent]:4} {intent}")
    print(
        sum(found.right.values()),
        sum(found.total.values()),
        f"{100 * sum(found.right.values()) / sum(found.total.values()):.1f}%",
        len(found.wrong),
    )
