"""The order of a life: the ground floor, the families, then whoever answers people; and the end of it all.

One TaskGroup owns every task. It does not know how anything is put together.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from dobby.alive import Dobby
from dobby.config import Config
from dobby.ground import lay, made_families, start_family

log = logging.getLogger(__name__)


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
    """The likeliest family has its library first, then come mind and page, then the other families as they need theirs."""
    families = made_families(dobby)
    for family in families[:1]:
        start_family(dobby, family)
        await asyncio.sleep(0)
    rest = dobby.group.create_task(dobby.libraries.bring(("dobby.daemon",)), name="bring in the rest")
    await asyncio.sleep(0)
    for family in families[1:]:
        start_family(dobby, family)
    await rest
