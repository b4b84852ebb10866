"""The order of a life: the ground floor, the families, then whoever answers people; and the end of it all.

One TaskGroup owns every task. It does not know how anything is put together.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from dobby.alive import Dobby
from dobby.config import Config
from dobby.discovery.keep import Family
from dobby.ground import lay, likely, made_families, read_skills, start_family

log = logging.getLogger(__name__)
AHEAD, LOOKING = 0.15, 0.25  # seconds that the first family, then those that look, have before the rest unless one is met


class _Stopped(Exception):
    """Ends the TaskGroup once everything has been put away."""


async def live(config: Config, folder: Path, stop: asyncio.Event, *, ready: Callable[[Dobby], None] = lambda dobby: None) -> None:
    """Run Dobby on a state folder until `stop` is set; `ready` is called once rows are classified and bridges open."""
    async with AsyncExitStack() as stack:
        dobby = await lay(config, folder, stack)
        try:
            async with asyncio.TaskGroup() as dobby.group:
                await _begin(dobby)
                from dobby.daemon import compose, serve  # light by now

                await compose(dobby, stack)
                await serve(dobby, stop, ready)
                raise _Stopped
        except* _Stopped:
            log.info("Stopped")


async def _begin(dobby: Dobby) -> None:
    """The likeliest family goes ahead; then come mind and page, but after those who look first in a house that was empty."""
    read_skills(dobby, likely(dobby))
    first = made_families(dobby)[:1]
    known = any(family.devices for family in first)
    for family in first:
        start_family(dobby, family)
        await dobby.libraries.bring(family.library)
        await _one_of(family.met, family.looked, seconds=AHEAD)
    read_skills(dobby)
    families = made_families(dobby)
    before = [] if known or not dobby.network.on else families
    rest = dobby.group.create_task(_bring_in_the_rest(dobby, before), name="bring in the rest")
    await asyncio.sleep(0)
    for family in families:
        start_family(dobby, family)
    await rest


async def _bring_in_the_rest(dobby: Dobby, before: Sequence[Family]) -> None:
    await _one_of(*(family.met for family in before), seconds=LOOKING)
    await dobby.libraries.bring(("dobby.daemon",))


async def _one_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait for the first of these, not for long."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    if waiting:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
