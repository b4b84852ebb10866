"""The device side of a benchmark's house, in a process of its own: it obeys at once, says so, and notes when it was told.

`python -m benchmarks.rig.hub SIZE` prints its port. It does not know Dobby. Times are of CLOCK_MONOTONIC, which all
processes of a machine share (clock_gettime(2)).
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

from benchmarks.rig.house import states

TICK = 0.01  # seconds between two handfuls of a storm


class Hub:
    """All devices of one house. `log` keeps (device, what was wanted, when)."""

    def __init__(self, size: int) -> None:
        self.states = states(size)
        self.log: list[tuple[str, dict[str, Any], float]] = []
        self._ears: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: Dobby's, or the benchmark's own."""
        try:
            while line := await reader.readline():
                now = time.monotonic()
                request = json.loads(line)
                await self._answer(request, writer, now)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._ears.discard(writer)
            writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter, now: float) -> None:
        answer: dict[str, Any] = {"ref": request.get("ref", 0)}
        if "set" in request:
            self._obey(request["device"], request["set"], now)
        elif "read" in request:
            answer["state"] = self.states[request["read"]]
        elif "log" in request:
            answer["log"] = self.log[request["log"] :]
        elif "storm" in request:
            answer["sent"] = await self._storm(request["storm"], request["seconds"])
        elif "listen" in request:
            self._ears.add(writer)
            for device in self.states:
                _tell(writer, {"device": device, "state": self.states[device]})
            return
        _tell(writer, answer)
        if "set" in request:
            self._push(request["device"])

    def _obey(self, device: str, wanted: dict[str, Any], now: float) -> None:
        self.log.append((device, wanted, now))
        self.states[device].update(wanted)

    def _push(self, device: str) -> None:
        for ear in self._ears:
            _tell(ear, {"device": device, "state": self.states[device]})

    async def _storm(self, rate: int, seconds: float) -> int:
        """Let so many devices a second report something new; returns how many did."""
        dice, names = random.Random(1), list(self.states)
        begun, sent = time.monotonic(), 0
        while (spent := time.monotonic() - begun) < seconds:
            while sent < rate * spent:
                self._change(dice.choice(names), dice)
                sent += 1
            await asyncio.sleep(TICK)
        return sent

    def _change(self, device: str, dice: random.Random) -> None:
        """One trait turns into another value, as in a lively house: measured numbers mostly, some switches."""
        state = self.states[device]
        trait = dice.choice(list(state))
        value = state[trait]
        if isinstance(value, str):
            state[trait] = "off" if value == "heat" else "heat"
        else:
            state[trait] = not value if isinstance(value, bool) else round(dice.uniform(18, 99), 1)
        self._push(device)


def _tell(writer: asyncio.StreamWriter, words: dict[str, Any]) -> None:
    writer.write(json.dumps(words).encode() + b"\n")


async def main(size: int) -> None:
    """Serve until the end of standard input: the hub never outlives whoever started it."""
    hub = Hub(size)
    server = await asyncio.start_server(hub.serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
