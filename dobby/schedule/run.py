"""One run of an appointment as an event, and the rest until the next.

It does not know what brings a run about: an hour (`wheel`) or the house (`triggers`).
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from dobby.clock import Clock
from dobby.events import Event, EventKind, Origin, Role, Source
from dobby.journal.appointments import DueRow
from dobby.people import People

LOOK_UP = 30.0  # seconds after which the clock on the wall is looked at again, in case somebody has set it


class Hear(Protocol):
    """Takes an event in (`dobby.butler.Butler.hear`)."""

    def __call__(self, event: Event, also: Callable[[sqlite3.Connection, int], None] | None = None) -> Awaitable[Any]: ...


async def rest(clock: Clock, woken: asyncio.Event, until: float | None) -> None:
    """Until that instant, a wake, or the next look at the clock on the wall; where there is none, until a wake."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(woken.wait())]
    if until is not None:
        waits.append(asyncio.ensure_future(clock.sleep(min(max(until - clock.now(), 0.0), LOOK_UP))))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def event_of(people: People, row: DueRow, instant: float) -> Event:
    """A run: in the person's conversation, made by an appointment on their behalf, with what they may do today."""
    bridge, _, chat = row.lane.partition("/")
    person = people.get(row.person)
    behalf = Source(row.person, person.role if person else Role.UNKNOWN, bridge, chat)
    source = replace(behalf, origin=Origin.ROUTINE, behalf=behalf, grant=str(row.grant or ""))
    return Event(f"due:{row.id}:{instant:.3f}", source, EventKind.DUE)
