"""Hearing what never speaks by itself: read again every so often, and told where something is different.

It does not know what is read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from dobby.errors import Refused, Unreachable, Unsure
from dobby.events import Change, State
from dobby.house.model import Device


async def polled(read: Callable[[Device], Awaitable[State]], devices: Sequence[Device], beat: float) -> AsyncIterator[Change]:
    """What is new about these devices, looked at every `beat` seconds; that one cannot be read is said once."""
    said: dict[str, tuple[State, bool]] = {}
    while True:
        for device in devices:
            try:
                state: State = await read(device)
                there = True
            except (Unreachable, Unsure, Refused):
                state, there = {}, False
            was, before = said.get(device.id, ({}, None))
            fresh = {trait: value for trait, value in state.items() if was.get(trait) != value}
            if fresh or there is not before:
                said[device.id] = (state, there)
                yield Change(device.id, fresh, None if there is before else there)
        await asyncio.sleep(beat)
