"""The house and its network as rows that a page can draw: rooms by floor with what is on, findings and what became of them.

Only what the house knows and what answered; names are as people and devices gave them. It does not know how it is drawn.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dobby.clock import Clock
from dobby.discovery.look import Look
from dobby.events import Role
from dobby.house.registry import House
from dobby.mind.plain.lexicon import meaning
from dobby.mind.plain.speech import Speech
from dobby.mind.plain.tell import holds, rule_of
from dobby.people import Person

FRESH = 60.0  # seconds one look at the network serves everybody
UNSEEN = {"list", "scene", "script", "button", "weather", "calendar"}  # not things that stand in a room
MOST = 400  # devices


class Drawing:
    """Draws for one person at a time; `look` asks the network, `speech` tells how a person is spoken to."""

    def __init__(
        self, house: House, clock: Clock, look: Callable[[], Awaitable[Look]], speech: Callable[[Person], Speech]
    ) -> None:
        self._house, self._clock, self._look, self._speech = house, clock, look, speech
        self._seen: Look | None = None
        self._looked = -FRESH
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self, person: Person) -> dict[str, Any]:
        """`rooms`, and for adults `network`; `looked` is when the network was looked at (0: it is being)."""
        adult = person.role.rank >= Role.ADULT.rank
        if adult and self._clock.now() - self._looked > FRESH and self._looking is None:
            self._looking = asyncio.create_task(self._ask())
        theirs = person.limits.rooms if person.role is Role.GUEST else ()
        house = self._house.only(theirs) if theirs else self._house
        rooms = self._rooms(house, self._speech(person)) if theirs or person.role.rank > Role.GUEST.rank else []
        return {"rooms": rooms, "network": self._network() if adult else [], "looked": max(0.0, self._looked) if adult else 0.0}

    async def _ask(self) -> None:
        try:
            self._seen = await self._look()
        finally:
            self._looked, self._looking = self._clock.now(), None

    def _rooms(self, house: House, speech: Speech) -> list[dict[str, Any]]:
        shown: dict[str, list[dict[str, Any]]] = {}
        for device in [one for one in house if not one.part_of and one.kind not in UNSEEN][:MOST]:
            state, away = self._house.state.of(device.id), self._house.state.unavailable_since(device.id) is not None
            rule, told = rule_of(meaning()["states"]["active"], device), speech.condition(device, state) if state else ""
            on = bool(rule and holds(rule, state)) and not away
            thing = {"name": device.name, "kind": device.kind, "state": told, "on": on, "away": away}
            shown.setdefault(device.room, []).append(thing)
        rooms = [(room.name, room.floor) for room in house.rooms] + [("", "")]
        return [{"name": name, "floor": floor, "things": shown[name]} for name, floor in rooms if name in shown]

    def _network(self) -> list[dict[str, Any]]:
        """What answered, each with the devices of the house that live there."""
        names: dict[str, list[str]] = {}
        for device in [one for one in self._house if not one.part_of]:
            names.setdefault(device.address.rpartition("://")[2].partition("/")[0].partition(":")[0], []).append(device.name)
        hosts = self._seen.hosts.items() if self._seen else ()
        found = [(address, self._seen.identity(host)) for address, host in hosts if self._seen]
        return [
            {"address": address, "what": one.what, "skills": one.skills, "names": names.get(address, [])[:12]}
            for address, one in found
        ]
