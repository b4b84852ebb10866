"""What lies ahead or outside: weather and calendars where such a device is, and who is at the door.

It says what these devices say and no more. It does not know the sky.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from dobby.events import Value
from dobby.house.model import Device
from dobby.mind.plain.agenda import Agenda, entries
from dobby.mind.plain.lexicon import read_yaml
from dobby.mind.plain.sky import Sky
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.when import has
from dobby.mind.plain.words import cut
from dobby.mind.plan import Plan

_LONGEST = 300
_AHEAD = ("forecast", "entries", "events")


@cache
def _table(language: str) -> Mapping[str, Any]:
    return read_yaml(f"{language}/outlook.yaml")


def outlook_plan(text: str, thinker: Thinker) -> Plan | None:
    """An answer about weather, calendar or the door; None where the text asks for none of them."""
    table = _table(thinker.speech.language)
    line = _line(text)
    for kind in ("weather", "calendar", "door"):
        found = next((match for pattern in table[kind] if (match := re.fullmatch(pattern, line))), None)
        if found is not None:
            return _door(thinker, found["what"]) if kind == "door" else _told(kind, line, table, thinker)
    return None


def _line(text: str) -> str:
    return " ".join(word.text for word in cut(text) if not word.is_stop)


def dated_plan(text: str, thinker: Thinker) -> Plan | None:
    """What is about a calendar only where one has something of the sort ("when are the bins out?", "what's on tomorrow?")."""
    table = _table(thinker.speech.language)
    line = _line(text)
    devices = [key for key in thinker.index.by_kind.get("calendar", ()) if isinstance(_entries(key, thinker), list)]
    if not devices:
        return None
    day = _day(line, table)
    if day and re.fullmatch(table["on"], line):
        return _told("calendar", line, table, thinker)
    asked = next((match for pattern in table["when"] if (match := re.fullmatch(pattern, line))), None)
    told = _agenda(devices, table, thinker).when(asked["what"]) if asked else ""
    return Plan(say=told, topic=tuple(devices[:3]), language=thinker.speech.language) if told else None


def _entries(key: str, thinker: Thinker) -> Value:
    return thinker.index.house.state.of(key).get("entries")


def _agenda(devices: Iterable[str], table: Mapping[str, Any], thinker: Thinker) -> Agenda:
    """All calendars as one."""
    now = thinker.context.now
    rows = [entry for key in devices for entry in entries(_entries(key, thinker), now.tzinfo)]
    return Agenda(rows, now, thinker.speech, table)


def _day(line: str, table: Mapping[str, Any]) -> str:
    return next((name for name, pattern in table["day"].items() if has(pattern, line)), "")


def _told(kind: str, line: str, table: Mapping[str, Any], thinker: Thinker) -> Plan | None:
    index, say = thinker.index, thinker.speech.say
    devices = [index.devices[key] for key in index.by_kind.get(kind, ())]
    if not devices:
        return Plan(say=say(f"no_{kind}"), language=thinker.speech.language)
    day = _day(line, table)
    told = [
        words
        for device in devices[:3]
        if (words := _ahead(device, day, line, table, thinker) or _one(device, day, kind, thinker))
    ]
    known = [device.id for device in devices if kind == "calendar" and isinstance(_entries(device.id, thinker), list)]
    if known:
        told = [_agenda(known, table, thinker).day(day)]
    return Plan(say=" ".join(told), topic=tuple(device.id for device in devices[:3]), language=thinker.speech.language)


def _ahead(device: Device, day: str, line: str, table: Mapping[str, Any], thinker: Thinker) -> str:
    """What a forecast says, where it is a table of days; "" where it is none."""
    state = thinker.index.house.state.of(device.id)
    forecast = state.get("forecast")
    if device.kind != "weather" or not isinstance(forecast, dict):
        return ""
    return Sky(forecast, thinker.context.now, thinker.speech, table).tell(str(state.get("value", "")), line, day)


def _one(device: Device, day: str, kind: str, thinker: Thinker) -> str:
    """As it is, and what it says of the day that was asked for, if it says anything."""
    state, say = thinker.index.house.state.of(device.id), thinker.speech.say
    ahead = next((_text(state[trait], day) for trait in _AHEAD if state.get(trait)), "")
    value = _text(state.get("value"), "")
    if device.kind == "weather":
        value = str(_table(thinker.speech.language)["condition"].get(value, value))
    known = "; ".join(part for part in (value, ahead) if part)
    if not known:
        return say("unknown_value", name=device.name)
    missing = kind == "weather" and day == "tomorrow" and not ahead
    return f"{device.name}: {known}." + (f" {say('no_forecast')}" if missing else "")


def _text(value: Value, day: str) -> str:
    """Whatever it says, as words: of a table only the day that is asked for, if it has such a row."""
    if isinstance(value, dict):
        rows = {day: value[day]} if day in value else value
        told = ", ".join(f"{key} {_text(row, '')}" for key, row in rows.items())
    elif isinstance(value, list):
        told = "; ".join(_text(row, "") for row in value)
    else:
        told = "" if value is None else str(value)
    return told[:_LONGEST]


def _door(thinker: Thinker, place: str) -> Plan:
    """Nobody looks through a camera yet: what the cameras and bells there say is all there is."""
    index, speech = thinker.index, thinker.speech
    seen = [
        f"{device.name}: {speech.state(device, trait, value)}"
        for key in (*index.by_kind.get("camera", ()), *index.by_kind.get("sensor", ()))
        if (device := index.devices[key]) and (trait := "motion" if device.kind == "camera" else "on")
        if device.kind == "camera" or device.device_class in ("motion", "occupancy", "presence")
        if (value := index.house.state.of(key).get(trait)) is True
    ]
    return Plan(say=" ".join([speech.say("no_eyes", place=place), *(f"{row}." for row in seen[:3])]), language=speech.language)
