"""What drivers hear, on its way to whoever listens: pushed by several at once, or read again every so often.

It does not know what is heard, nor from whom.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence

from dobby.errors import Refused, Unreachable, Unsure
from dobby.events import Change, State
from dobby.house.model import Device

MOST_WAITING = 20_000  # changes nobody took


class Ear:
    """Somebody who listens: changes wait here in order; whether a device is there is said only when it turns."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=MOST_WAITING)
        self._shown: dict[str, bool] = {}
        self._any = asyncio.Event()

    def tell(self, device: str, state: State, available: bool | None) -> None:
        """News about a device."""
        turned = available if available is not None and self._shown.get(device) is not available else None
        if turned is not None:
            self._shown[device] = turned
        if state or turned is not None:
            self._changes.append(Change(device, state, turned))
            self._any.set()

    async def next(self) -> Change:
        """The oldest news, waiting for some."""
        while not self._changes:
            self._any.clear()
            await self._any.wait()
        return self._changes.popleft()


class Following:
    """Who follows devices, each link by itself, so that a lost one silences no other."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Something that is to have ended when this is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def hear(
        self, news: "asyncio.Queue[Change | None]", follow: Iterable[Coroutine[None, None, None]]
    ) -> AsyncGenerator[Change, None]:
        """What these put into `news`, until one of them ends; all end with whoever listens."""
        tasks = [self.start(one) for one in follow]
        for task in tasks:
            task.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while tasks and (change := await news.get()) is not None:
                yield change
        finally:
            await _end(tasks)

    async def aclose(self) -> None:
        """Hear no more."""
        await _end(list(self._tasks))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
