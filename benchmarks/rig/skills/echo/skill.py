"""Devices behind the benchmarks' hub: one TCP connection, JSON lines, pushes.

It does what any driver of a local hub does, and knows nothing of being measured.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from dobby import Ask, Change, Device, Finding, Refused, Sign, State, Unreachable, Unsure, Value, Vault

PATIENCE = 5.0  # seconds for the hub to answer


class Hub:
    """One connection: requests with a number, answers under it, and news in between."""

    def __init__(self, at: str) -> None:
        self._at = at
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.news: asyncio.Queue[Change] = asyncio.Queue()
        self._opening = asyncio.create_task(self._open())
        self._listening: asyncio.Task[None] | None = None

    async def _open(self) -> asyncio.StreamWriter:
        host, _, port = self._at.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
        self._listening = asyncio.create_task(self._listen(reader))
        writer.write(b'{"listen": true}\n')
        return writer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            said = json.loads(line)
            if "ref" in said:
                waiting = self._asked.pop(said["ref"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(said)
            else:
                self.news.put_nowait(Change(said["device"], said["state"], True))

    async def ask(self, **request: Any) -> Any:
        """One request and its answer."""
        try:
            writer = await asyncio.shield(self._opening)
        except OSError as error:
            raise Unreachable(f"No hub answers at {self._at}.") from error
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        writer.write(json.dumps({"ref": number, **request}).encode() + b"\n")
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError as error:
            raise Unsure("The hub did not answer in time.") from error

    def close(self) -> None:
        """Hang up."""
        for task in (self._opening, self._listening):
            if task is not None:
                task.cancel()


class Echo:
    """Every hub of the house."""

    looks_for: Sequence[Sign] = (Sign("config", "echo"),)

    def __init__(self) -> None:
        self._hubs: dict[str, Hub] = {}

    def _hub(self, device: Device) -> Hub:
        if device.address not in self._hubs:
            self._hubs[device.address] = Hub(device.address)
        return self._hubs[device.address]

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """The devices of a benchmark are adopted already."""
        nothing: tuple[Device, ...] = ()
        for device in nothing:
            yield device

    async def attach(self, device: Device) -> None:
        """Connect in the background."""
        self._hub(device)

    async def read(self, device: Device) -> State:
        """The device's own word."""
        state: State = (await self._hub(device).ask(read=device.id))["state"]
        return state

    async def set(self, device: Device, wanted: State) -> None:
        """Returns when the hub has it; what became of it is pushed."""
        await self._hub(device).ask(device=device.id, set=dict(wanted))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """These devices have no verbs."""
        raise Refused(f"{device.name} cannot do that.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the hubs push."""
        (hub,) = {self._hub(device) for device in devices}
        while True:
            yield await hub.news.get()

    async def aclose(self) -> None:
        """Hang up everywhere."""
        for hub in self._hubs.values():
            hub.close()


driver = Echo
