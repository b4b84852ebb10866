"""Facts to JSON and back, and the hash by which a call is recognised.

It does not know which table a text goes into.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dobby.events import Attachment, Call, Due, DueKind, Event, EventKind, Location, Origin, Role, Source, Watch
from dobby.house.model import Device, Spec

LIST = "list"  # the tool that begins a list of our own: `{"name": words, "items": texts}`; with `drop` it ends one
PERSON = "person"  # the tool that keeps, pairs or removes somebody: `{"to": …, "person": all of them, "said": words}`
REMEMBER = "remember"  # the tool that keeps a note and what follows from it: `{"text", "facts", "private"}`
FORGET = "forget"  # the tool that lets notes go: `{"notes": numbers}`
TEACH = "teach"  # the tool that keeps or forgets what a phrase or a name stands for


def change_call(device: Device, trait: str, value: Any, said: str, unsaid: str) -> Call:
    """What is said of a device (name, room, risk …) put right, as a call that can be taken back (`unsaid` tells that)."""
    was = getattr(device, trait)
    row = {"device": device.id, "to": "changed", "trait": trait, "value": value, "was": was, "said": said, "unsaid": unsaid}
    return Call(TEACH, "", row)


def dump(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, people's letters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_calls(calls: Iterable[Call]) -> str:
    """What a yes is bound to: SHA-256 over the exact calls, their order included."""
    text = dump([[call.tool, call.device, dict(call.args)] for call in calls])
    return hashlib.sha256(text.encode()).hexdigest()


def source_json(source: Source) -> str:
    """The whole chain of who is behind something."""
    return dump(_source_dict(source))


def _source_dict(source: Source) -> dict[str, Any]:
    names = ("person", "role", "bridge", "chat", "origin", "grant", "room")
    row: dict[str, Any] = {name: getattr(source, name) for name in names if getattr(source, name)}
    return row if source.behalf is None else {**row, "behalf": _source_dict(source.behalf)}


def load_source(text: str) -> Source:
    """The chain as it was kept."""
    return _load_source(json.loads(text))


def _load_source(row: dict[str, Any]) -> Source:
    return Source(
        person=row.get("person", ""),
        role=Role(row.get("role", Role.UNKNOWN)),
        bridge=row.get("bridge", ""),
        chat=row.get("chat", ""),
        origin=Origin(row.get("origin", Origin.PERSON)),
        grant=row.get("grant", ""),
        room=row.get("room", ""),
        behalf=_load_source(row["behalf"]) if "behalf" in row else None,
    )


def body_json(event: Event) -> str:
    """What of an event has no column of its own; empty fields are left out."""
    row = asdict(event)
    kept = ("attachments", "location", "refers", "reaction", "tainted", "sent")
    return dump({name: row[name] for name in kept if row[name]})


def load_event(key: str, kind: str, source: str, text: str, body: str, received: float) -> Event:
    """An event from its columns."""
    rest = json.loads(body)
    place = rest.get("location")
    return Event(
        key=key,
        source=load_source(source),
        kind=EventKind(kind),
        text=text,
        attachments=tuple(Attachment(**row) for row in rest.get("attachments", ())),
        location=Location(**place) if place else None,
        refers=rest.get("refers", ""),
        reaction=rest.get("reaction", ""),
        tainted=tuple(rest.get("tainted", ())),
        sent=rest.get("sent", 0.0),
        received=received,
    )


def call_dict(call: Call) -> dict[str, Any]:
    """A call inside a larger JSON text."""
    return {"tool": call.tool, "device": call.device, "args": dict(call.args), "tainted": list(call.tainted)}


def load_call(row: dict[str, Any]) -> Call:
    """A call as it was kept."""
    return Call(row["tool"], row["device"], row["args"], tuple(row.get("tainted", ())))


SCHEDULE = "schedule"  # the tool that keeps an appointment: its args are the whole of it


def due_call(due: Due, *, instead: int = 0) -> Call:
    """Keeping an appointment as a call, so that it is judged, written down and taken back like any other.

    `instead` is the number of the one whose place it takes.
    """
    row = {name: value for name, value in asdict(due).items() if value}
    calls: list[Any] = [call_dict(call) for call in due.calls]
    return Call(SCHEDULE, "", {**row, "kind": str(due.kind), "calls": calls, **({"instead": instead} if instead else {})})


def load_due(args: Mapping[str, Any]) -> Due:
    """The appointment of such a call."""
    known = {name: args[name] for name in Due.__dataclass_fields__ if name in args}
    watch = known.get("watch")
    known["watch"] = Watch(**{**watch, "tests": tuple(map(tuple, watch["tests"]))}) if watch else None
    return Due(**{**known, "kind": DueKind(args["kind"]), "calls": tuple(load_call(row) for row in args["calls"])})


def device_json(device: Device) -> str:
    """A device whole, its Specs included."""
    return dump({**asdict(device), "traits": {name: asdict(spec) for name, spec in device.traits.items()}})


def load_device(text: str) -> Device:
    """A device as it was kept; fields that this Dobby does not know are left out."""
    row = json.loads(text)
    traits = {name: Spec(**{**spec, "options": tuple(spec["options"])}) for name, spec in row.pop("traits").items()}
    known = {name: row[name] for name in Device.__dataclass_fields__ if name in row}
    return Device(**{**known, "aliases": tuple(row.get("aliases", ())), "traits": traits})
