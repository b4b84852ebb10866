"""Runs skills' functions for an errand, and is the narrow home they see: what they change goes through the gate as rows.

It does not know how a skill is loaded.
"""

import asyncio
import inspect
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.butler.judging import judge
from dobby.butler.looking import CURRENT
from dobby.clock import machine_zone
from dobby.errors import Refused, Unsure
from dobby.events import Call, EffectState, Origin, Source, State, Value
from dobby.gate import Verdict
from dobby.house.model import Device, Room
from dobby.journal import ledger
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.skill.driver import Vault
from dobby.skill.home import Manner
from dobby.skill.load import Skill
from dobby.skill.tool import Picture, Tool

TOOL_SECONDS = 60.0  # a function has to answer


class Toolbox:
    """Every skill's functions by name; reloading a skill changes it in place."""

    def __init__(
        self,
        skills: Mapping[str, Skill],
        settings: Mapping[str, Mapping[str, Any]],
        vault: Callable[[str], Vault],
        seconds: float = TOOL_SECONDS,
    ) -> None:
        self.skills = skills
        self.desk: Desk | None = None
        self._settings = settings
        self._vault = vault
        self._seconds = seconds

    def tool(self, name: str) -> Tool | None:
        """A function by its full name, `skill.function`."""
        skill = self.skills.get(name.partition(".")[0])
        return skill.tools.get(name) if skill else None

    def tools(self) -> list[Tool]:
        """Every skill's functions as they are now."""
        return [tool for skill in self.skills.values() for tool in skill.tools.values()]

    async def run(self, call: Call) -> State:
        """Call a skill's function with what it is handed; its answer: `says`, and `picture`, the path of one.

        :raises Refused: there is no such function, or the arguments do not fit; :raises Unsure: it did not answer.
        """
        tool = self.tool(call.tool)
        if tool is None:
            raise Refused(f"There is no {call.tool}.")
        skill = self.skills[call.tool.partition(".")[0]]
        args = tool.check(call.args)
        try:
            async with asyncio.timeout(self._seconds), AsyncExitStack() as stack:
                for name in tool.given:
                    args[name] = (
                        self._home(skill, tool) if name == "home" else await stack.enter_async_context(self._open(skill, name))
                    )
                said = await tool.function(**args)
        except TimeoutError as error:
            raise Unsure(f"{tool.name} did not answer in time.") from error
        if isinstance(said, Picture) and self.desk is not None:
            return {"says": said.says, "picture": await self.desk.album.keep(said.data)}
        return {"says": "" if said is None else str(said)}

    def _open(self, skill: Skill, name: str) -> AbstractAsyncContextManager[Any]:
        """What an opener yields, its parameters taken from the skill's own table in `dobby.toml`."""
        opener, table = skill.openers[name], self._settings.get(skill.name, {})
        wanted = inspect.signature(opener).parameters
        missing = [key for key, row in wanted.items() if row.default is row.empty and key not in table]
        if missing:
            raise Refused(f"{skill.name} needs {', '.join(missing)} in [skills.{skill.name}] of dobby.toml.")
        return asynccontextmanager(opener)(**{key: table[key] for key in wanted if key in table})

    def _home(self, skill: Skill, tool: Tool) -> "NarrowHome":
        assert self.desk is not None
        return NarrowHome(self.desk, skill, self._vault(skill.name), looks=tool.level == "read")


class NarrowHome:
    """The home as one skill sees it (`dobby.Home`)."""

    def __init__(self, desk: Desk, skill: Skill, vault: Vault, *, looks: bool = False) -> None:
        """`looks`: for a function that only reads; a question never changes anything."""
        self._desk = desk
        self._skill = skill
        self._looks = looks
        self.vault = vault
        row = CURRENT.get()
        asker = row.event.source if row else Source()
        person, zone, now = desk.people.get(asker.person), desk.zone or machine_zone(), desk.clock.now()
        rooms = desk.people.hears_of(asker.person)
        self._house = desk.house.only(rooms) if rooms else desk.house  # a guest's rooms are all of it to them
        self.manner = Manner(desk.language_of(asker), desk.units_of(asker), zone, now, person.name if person else "")

    @property
    def language(self) -> str:
        """The language of whoever asked, else the house's."""
        return self.manner.language

    def find(self, name: str = "", *, kind: str = "", room: str = "") -> Sequence[Device]:
        """Devices by name, kind or room, as far as named."""
        want = name.casefold()
        return [
            device
            for device in self._house
            if (not want or want in {device.id, *(alias.casefold() for alias in (device.name, *device.aliases))})
            and (not kind or device.kind == kind)
            and (not room or device.room.casefold() == room.casefold())
        ]

    def state(self, device: Device | str) -> State:
        """What a device is now."""
        return self._house.state.of(_id(device)) if self._house.get(_id(device)) else {}

    @property
    def rooms(self) -> Sequence[Room]:
        """The rooms that somebody described."""
        return self._house.rooms

    def mean(self, device: Device | str) -> None:
        """This is what whoever asked calls "it" from now on."""
        if row := CURRENT.get():
            talk = self._desk.talk(row.event.source.person)
            talk.talked = tuple(dict.fromkeys((_id(device), *talk.talked)))

    async def past(self, device: Device | str, trait: str, since: float, until: float) -> Sequence[tuple[float, Value]]:
        """What a trait was, oldest first."""
        history = self._desk.history
        turns = await history.between(_id(device), trait, since, until) if history else ()
        return [(turn.at, turn.value) for turn in turns]

    async def gaps(self, device: Device | str, since: float, until: float) -> Sequence[tuple[float, float]]:
        """When nothing can be known of a device."""
        history = self._desk.history
        return await history.gaps(_id(device), since, until) if history else ()

    async def set(self, device: Device | str, **wanted: Value) -> str:
        """Make traits so, through the gate."""
        return await self._act(Call("set", _id(device), wanted))

    async def do(self, device: Device | str, verb: str, **args: Value) -> str:
        """Carry out a verb, through the gate."""
        return await self._act(Call("do", _id(device), {"verb": verb, **args}))

    async def _act(self, call: Call) -> str:
        desk, row = self._desk, CURRENT.get()
        if row is None or self._looks:
            raise Refused(f"{self._skill.name} was only asked to look, so it changes nothing.")
        source = replace(row.event.source, origin=Origin.SKILL, behalf=row.event.source)
        device = desk.house.get(call.device)
        decision = judge(desk, call, source)
        allowed = decision.verdict is Verdict.ALLOW and not desk.modes.rehearse
        state = EffectState.INTENDED if allowed else EffectState.REFUSED
        before, class_ = desk.hands.before(call), desk.hands.effect_class(call)
        draft = EffectRow(0, row.id, call, class_, decision.risk, state, before, why=decision.why, at=desk.clock.now())
        effect = replace(draft, id=await desk.store.write(lambda db: ledger.write_down(db, draft)))
        if not allowed:
            name = device.name if device else call.device
            raise Refused(f"{self._skill.name} may not do that to {name} by itself; ask for it directly.")
        return await self._perform(effect, row)

    async def _perform(self, effect: EffectRow, row: EventRow) -> str:
        desk = self._desk
        ending: Ending = await desk.hands.perform(effect)

        def close(db: sqlite3.Connection) -> EffectRow:
            if ending.state is not EffectState.INTENDED:
                now = desk.clock.now()
                ledger.close(db, effect.id, ending.state, after=ending.after, echoed=ending.echoed, why=ending.why, at=now)
            return ledger.by_id(db, [effect.id])[0]

        closed = await desk.store.write(close)
        desk.follow([closed], row)
        source = row.event.source
        return desk.mind.report([desk.outcome(closed)], desk.language_of(source), desk.units_of(source))


def _id(device: Device | str) -> str:
    return device if isinstance(device, str) else device.id
