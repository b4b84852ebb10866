"""Waiting for what must come: as long as the slowest machine may take, for only a failure waits that long.

It does not know what it waits for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dobby import Change, Device

ENOUGH = 60.0  # seconds


async def until(so: Callable[[], Any], seconds: float = ENOUGH) -> Any:
    """What `so` gives as soon as it gives anything; it may be a coroutine function. :raises TimeoutError: it never did."""
    async with asyncio.timeout(seconds):
        while True:
            found = so()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


async def confirmed(driver: Any, device: Device, wanted: dict[str, Any]) -> None:
    """Wait until the device reads back what was asked of it, as near as each trait allows."""

    async def there() -> bool:
        state = await driver.read(device)
        return all(device.traits[trait].matches(value, state.get(trait)) for trait, value in wanted.items())

    await until(there)


class Ear:
    """What a driver tells, collected, by device."""

    def __init__(self, changes: AsyncIterator[Change]) -> None:
        self.heard: list[Change] = []
        self.state: dict[str, dict[str, Any]] = {}
        self._task = asyncio.create_task(self._listen(changes))

    async def _listen(self, changes: AsyncIterator[Change]) -> None:
        async for change in changes:
            self.heard.append(change)
            self.state.setdefault(change.device, {}).update(change.state)

    async def comes(self, device: Device | str, **traits: object) -> None:
        """Wait until this device has told all of these."""
        await until(lambda: traits.items() <= self.state.get(_id(device), {}).items())

    def available(self, device: Device | str) -> list[bool]:
        """Gone and back, as often as it was said."""
        return [change.available for change in self.heard if change.device == _id(device) and change.available is not None]

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def hearing(driver: Any, devices: Sequence[Device]) -> AsyncIterator[Ear]:
    """What a driver tells of these, from when each has been told of once."""
    ear = Ear(driver.hear(devices))
    await until(lambda: len(ear.state) == len(devices))
    yield ear
    await ear.aclose()


def _id(device: Device | str) -> str:
    return device if isinstance(device, str) else device.id
