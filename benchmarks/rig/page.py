"""An open chat page: hears over the live channel what Dobby says, and notes when.

It runs in a thread of its own beside whoever writes. It does not know what was asked.
"""

import asyncio
import threading
import time

import aiohttp

from benchmarks.rig.running import Visitor


class Page(threading.Thread):
    """`shown` is when each reply was first heard (CLOCK_MONOTONIC), by its key `event:NUMBER`."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(name="page", daemon=True)
        self.shown: dict[str, float] = {}
        self._visitor = visitor
        self._open = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> "Page":
        self.start()
        if not self._open.wait(10):
            raise RuntimeError("The page's live channel did not open.")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leave)
        self.join(10)

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def run(self) -> None:
        """The thread."""
        self._task = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        headers = {name: value for name, value in self._visitor.headers.items() if name != "Content-Type"}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self._visitor.url}/api/live", headers=headers) as line,
        ):
            async for message in line:
                now = time.monotonic()
                self._open.set()
                for row in message.json()["lines"]:
                    if not row["mine"]:
                        self.shown.setdefault(row["key"], now)
