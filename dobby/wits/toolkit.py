"""The tools of a model in the house's words: what it asks for becomes calls for the gate, or a look that leaves no row.

A device is meant by its name, room and name, or id; what fits no device comes back as words, and nothing is done. It does not
know what a model is, nor what becomes of a call.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from dobby.butler import appointed
from dobby.butler.desk import Desk
from dobby.errors import DobbyError, Refused
from dobby.events import Call, Event, Source, Value
from dobby.gate import Provenance, is_said, tainted
from dobby.house.fit import fit, span_of
from dobby.house.model import Device
from dobby.journal.pack import due_call, dump
from dobby.mind.plan import Mind, Plan
from dobby.skill.tool import Tool
from dobby.wits.prompt import is_inert, shown

MOST_ROWS = 60  # devices in one answer
MOST_TEXT = 6000  # characters of one answer
OTHERS_WORDS = ("title", "artist", "entries")  # traits whose texts are written by somebody outside


@dataclass(frozen=True, slots=True)
class Found:
    """What a look came to: for the model, with the words in it that nobody of the house said, the devices it was about
    and the pages it is from."""

    text: str
    outside: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    fault: bool = False
    sources: tuple[str, ...] = ()


Look = Callable[[Source, Mapping[str, Any], Event, Provenance], Awaitable[Found]]
"""A tool of another part of the house: `recall`, `remember`, `search`, `fetch`, `look`."""


@dataclass(slots=True)
class Toolkit:
    """What a model may use. `plain` understands when something is to be; `skills` gives the skills' functions as they are now,
    `looks` tools of other parts by name."""

    desk: Desk
    plain: Mind
    skills: Callable[[], Iterable[Tool]]
    looks: dict[str, Look] = field(default_factory=dict)

    # Acts

    async def calls(self, name: str, args: Mapping[str, Any], source: Source, provenance: Provenance) -> list[Call] | None:
        """The calls that a use of a tool asks for, with what of them was said by nobody; None where it only looks.

        :raises Refused: it fits nothing here; says what would.
        """
        if name == "set":
            wanted = _table(args, "wanted", needed=True)
            made = [Call("set", device.id, fit(device, wanted)) for device in self._devices(args)]
        elif name == "do":
            made = [self._deed(device, _text(args, "verb"), _table(args, "args")) for device in self._devices(args)]
        elif name == "schedule":
            return await self._later(_text(args, "say"), source, provenance)
        elif name == "use" and self.desk.levels.get(_text(args, "tool")) != "read":
            made = [Call(self._tool(_text(args, "tool")).name, "", _table(args, "args"))]
        else:
            return None
        return [self._marked(call, provenance) for call in made]

    def _marked(self, call: Call, provenance: Provenance) -> Call:
        return replace(call, tainted=tainted(call, self.desk.house.get(call.device), provenance))

    def _deed(self, device: Device, verb: str, args: Mapping[str, Value]) -> Call:
        if verb not in device.verbs:
            raise Refused(f"{device.name} knows {', '.join(device.verbs) or 'no verbs'}; what is set is set with `set`.")
        return Call("do", device.id, {"verb": verb, **args})

    async def _later(self, say: str, source: Source, provenance: Provenance) -> list[Call] | None:
        """An appointment to keep, move, pause or end; None where it is only asked about, or not understood."""
        plan = await self._appointed(say, source)
        about = {"about": plan.about.strip("*")} if plan.calls else {}
        kept = (replace(due, calls=tuple(self._marked(call, provenance) for call in due.calls)) for due in plan.due)
        made = plan.calls or map(due_call, kept)
        return [replace(call, tainted=_doubted({**call.args, **about}, provenance)) for call in made] or None

    async def _appointed(self, say: str, source: Source) -> Plan:
        plan = await self.plain.plan(say, self.desk.context(source))
        if plan.order in appointed.ABOUT:
            return await appointed.meant_by(self.desk, source, plan)
        one = "One plain sentence with its time, please, and one device or reminder in it."
        return Plan(say=f"Nothing was kept. {plan.say} {one}", due=() if plan.choices else plan.due)

    def _tool(self, name: str) -> Tool:
        found = next((tool for tool in self.skills() if tool.name == name), None)
        if found is None:
            raise Refused(f"There is no tool {name}; `more` finds them.")
        return found

    # Looks

    async def look(self, name: str, args: Mapping[str, Any], event: Event, provenance: Provenance) -> Found:
        """What a tool that only looks has to say; what cannot be had is said too."""
        try:
            if name == "find":
                return self._find(args)
            if name == "read":
                return self._read(args)
            if name == "schedule":
                return Found((await self._appointed(_text(args, "say"), event.source)).say)
            if name == "more":
                return Found(_cut({"tools": [_tool_row(tool) for tool in self._matching(_text(args, "words"))]}))
            if name == "use":
                return await self._use(self._tool(_text(args, "tool")), _table(args, "args"), provenance)
            if name in self.looks:
                return await self.looks[name](event.source, args, event, provenance)
            return Found(f"There is no tool {name} here.", fault=True)
        except DobbyError as error:
            return Found(str(error), fault=True)

    def _find(self, args: Mapping[str, Any]) -> Found:
        words = str(args.get("words", "")).casefold().split()
        rows = [one for one in self._those(args) if all(word.rstrip("s") in _known_as(one) for word in words)]
        told = [_row(device) for device in rows[:MOST_ROWS]]
        more = {"more": len(rows) - MOST_ROWS} if len(rows) > MOST_ROWS else {}
        return Found(_cut({"devices": told, **more}), tuple(one.name for one in rows if not is_inert(one.name)))

    def _read(self, args: Mapping[str, Any]) -> Found:
        rows = self._devices(args) if args.get("devices") else list(self._those(args))
        told, outside = [], list[str]()
        for device in rows[:MOST_ROWS]:
            state = self.desk.house.state.of(device.id)
            others = {trait: value for trait, value in state.items() if _is_others(trait, value)}
            outside += [str(value) for value in others.values()]
            own = {trait: value for trait, value in state.items() if trait not in others}
            units = {trait: spec.unit for trait, spec in device.traits.items() if spec.unit and trait in own}
            row = {"name": shown(device), "room": device.room, "state": own or "unknown"}
            told.append(row | _if({"units": units, "outside": others}))
        return Found(_cut({"devices": told}), tuple(outside), tuple(device.id for device in rows))

    async def _use(self, tool: Tool, args: Mapping[str, Any], provenance: Provenance) -> Found:
        """A skill's function that only looks; what it says came from outside. It takes nothing there that was not said here."""
        if provenance.outside and not is_said(dict(args), provenance.said):
            raise Refused("The person did not say these words, and you have read words from outside; ask the person.")
        ending = await self.desk.hands.run_tool(Call(tool.name, "", args))
        said = str(ending.after.get("says") or ending.why)
        return Found(_cut({"outside": said}), (said,))

    def _matching(self, words: str) -> list[Tool]:
        wanted = {word.rstrip("s") for word in words.casefold().split() if len(word) > 2}
        scored = [(sum(word in f"{tool.name} {tool.description}".casefold() for word in wanted), tool) for tool in self.skills()]
        return [tool for score, tool in sorted(scored, key=lambda row: (-row[0], row[1].name)) if score][:5]

    # Devices

    def _those(self, args: Mapping[str, Any]) -> Iterable[Device]:
        room, kind = (str(args.get(key, "")).casefold() for key in ("room", "kind"))
        for device in self.desk.house:
            kinds = (device.kind, device.device_class)
            if (not room or device.room.casefold() == room) and (not kind or kind in kinds or kind.removesuffix("s") in kinds):
                yield device

    def _devices(self, args: Mapping[str, Any]) -> list[Device]:
        names = args.get("devices")
        names = [names] if isinstance(names, str) else names
        if not names or not isinstance(names, list):
            raise Refused("Which devices? Give their names.")
        return list({device.id: device for device in map(self._device, map(str, names))}.values())

    def _device(self, name: str) -> Device:
        said = name.casefold().strip()
        keys = {device.id: _keys(device) for device in self.desk.house}
        found = [key for key, row in keys.items() if said in row[:1]] or [key for key, row in keys.items() if said in row]
        if len(found) > 1:
            raise Refused(f"Several are called {name}: {', '.join(found)}. Ask which, or use the id.")
        if not found:
            near = get_close_matches(said, [row for rows in keys.values() for row in rows], 3, 0.5)
            hint = f"There is {', '.join(near)}." if near else "`find` knows what there is."
            raise Refused(f"There is no {name} here. {hint}")
        device = self.desk.house.get(found[0])
        assert device is not None
        return device


def _keys(device: Device) -> Sequence[str]:
    return _names(device.id, device.name, tuple(device.aliases), device.room, shown(device, device.room))


@lru_cache(1 << 14)
def _names(id_: str, name: str, aliases: Sequence[str], room: str, short: str) -> Sequence[str]:
    names = (name, *aliases, short)
    return [one.casefold() for one in (id_, *names, *(f"{room} {name}" for name in names))]


def _known_as(device: Device) -> str:
    return " ".join((*_keys(device), device.kind, device.device_class)).casefold()


def _row(device: Device) -> dict[str, Any]:
    able = {trait: span_of(spec) for trait, spec in device.traits.items() if spec.settable}
    reads = [trait for trait, spec in device.traits.items() if not spec.settable]
    row = {"name": shown(device), "room": device.room, "id": device.id, "kind": device.device_class or device.kind}
    return row | _if({"set": able, "reads": reads, "verbs": list(device.verbs)})


def _if(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value}


def _is_others(trait: str, value: Value) -> bool:
    """Words that were written by nobody in the house."""
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) and value else []
    return bool(texts) and (trait in OTHERS_WORDS or not all(is_inert(str(one)) for one in texts))


def _tool_row(tool: Tool) -> dict[str, Any]:
    return {"tool": tool.name, "does": tool.description[:300], "args": tool.schema.get("properties", {})}


def _doubted(args: Mapping[str, Any], provenance: Provenance) -> tuple[str, ...]:
    """Which words of an appointment whoever speaks did not say, where words from outside were read."""
    words = [key for key in ("remind", "name", "about") if args.get(key)] if provenance.outside else []
    return tuple(key for key in words if provenance.strict or not is_said(args[key], provenance.said))


def _cut(value: Any) -> str:
    text = dump(value)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… (cut)"


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"`{name}` has to be a text.")
    return value.strip()


def _table(args: Mapping[str, Any], name: str, needed: bool = False) -> Mapping[str, Any]:
    value = args.get(name) or {}
    if isinstance(value, str):  # small models write tables as texts
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, dict) or (needed and not value):
        raise Refused(f"`{name}` has to be a table.")
    return value
