"""What a turn with a model costs in tokens, by the size of the house, over the requests that were really sent; beside nanobot's.

A whole Dobby with every shipped skill, a scripted model over HTTP on loopback. Tokens are a third of the bytes, rounded up: no
tokenizer is public, and this is more than is paid for rather than less. It does not know how well a model answers.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.sheet import QUICK, Cell, Row, at_most, disk_beside, fsync_times, rounded, run, share, spread
from dobby.alive import Dobby
from dobby.cli.line import Line as Wire
from dobby.config import parse_config
from dobby.dollhouse.scripted import Line, Scripted
from dobby.house.kinds import specs, verbs
from dobby.house.model import Device
from dobby.journal import household
from dobby.live import live
from dobby.wits.llm import tokens

SIZES = (10, 100, 1000)  # devices
KINDS = ("light", "light", "light", "outlet", "sensor", "climate", "cover", "speaker", "lock", "switch")
PEER = "DOBBY_NANOBOT"  # where nanobot's command is, if it is not on the path
SECONDS = 90.0


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    return asyncio.run(_measure(4 if quick else 10, QUICK if quick else ""))


async def _measure(turns: int, note: str) -> list[Row]:
    found = {size: await _house(size, turns) for size in SIZES}
    disk = disk_beside(await asyncio.to_thread(fsync_times, Path("/var/tmp")))
    peer = await _nanobot(min(turns, 3))
    beside: dict[str, Cell] = {f"{size} devices": found[size]["fixed"] for size in SIZES} | {
        "nanobot": peer.get("fixed", "not installed")
    }
    about = f"tools, persona and the map of 100 devices, all shipped skills; {turns} turns of plain talk. {note}".strip()
    rows = [at_most("fixed prompt", found[100]["fixed"], "tokens", 3000, beside, about)]
    shares: dict[str, Cell] = {f"{size} devices": found[size]["cached"] for size in SIZES} | {
        "nanobot": peer.get("cached", "not installed")
    }
    least = min(float(found[size]["cached"]) for size in SIZES)
    rows.append(
        Row(
            "read from the cache, from the second turn",
            rounded(least),
            "%",
            "≥ 90",
            least >= 90,
            shares,
            "the least of all turns",
        )
    )
    tails: dict[str, Cell] = {f"{size} devices": found[size]["tail"] for size in SIZES}
    rows.append(
        Row("what a turn adds", found[100]["tail"], "tokens", beside=tails, note="clock, speaker, text and the answer before")
    )
    told = (
        "from the last byte of the model's answer to the next request to it: the answer, its cost and its intents in one commit,"
        " the gate, the look, the prompt; CPU is the loop's"
    )
    rows.append(
        at_most("a tool's overhead beside the model's time", found[100]["tool"], "ms", 5, found[100]["spread"] | disk, told)
    )
    return rows


async def _house(size: int, turns: int) -> dict[str, Any]:
    """One house: a talk, then acts."""
    script = [Line("story", text="Once there was a lamp, and it stayed on.", times=0)]
    script += [Line("mood", use={"read": {"devices": ["Thing 1"]}}, times=0), Line(after="Thing 1", text="So it is.", times=0)]
    async with _dobby(size, script) as (dobby, server, folder):
        await _say(folder, [f"tell me a story about the sea, number {number}" for number in range(turns)])
        first, used = server.requests[0], list(server.usage)
        times = _between(dobby)
        await _say(folder, [f"what is the mood in there, number {number}" for number in range(turns)])
        whole = [_input(row) for row in used]
        cached = [100 * row["cache_read_input_tokens"] / _input(row) for row in used[1:]]
        fixed = sum(map(tokens, (*first["tools"], *first["system"])))
        tail = rounded((whole[-1] - whole[0]) / max(len(whole) - 1, 1))
        return {
            "fixed": fixed,
            "cached": rounded(min(cached)),
            "tail": tail,
            "tool": rounded(share([wall for wall, _ in times], 0.5)),
            "spread": spread([wall for wall, _ in times])
            | {"CPU, p50": rounded(share([cpu for _, cpu in times], 0.5))}
            | {"one commit here, p50": rounded(share(await _commits(dobby), 0.5))},
        }


def _between(dobby: Dobby) -> list[tuple[float, float]]:
    """Milliseconds of wall and of the loop's CPU from an answer of the model's to the next request to it, as they come."""
    thinking: Any = dobby.desk.thinking
    insist, times, last = thinking.model._insist, list[tuple[float, float]](), [0.0, 0.0]

    async def timed(params: Any, *more: Any) -> Any:
        if params["messages"][-1]["content"][0]["type"] == "tool_result":
            times.append(((time.perf_counter() - last[0]) * 1000, (time.thread_time() - last[1]) * 1000))
        answer = await insist(params, *more)
        last[:] = time.perf_counter(), time.thread_time()
        return answer

    thinking.model._insist = timed
    return times


async def _commits(dobby: Dobby, times: int = 60) -> list[float]:
    """Milliseconds that a commit of one row takes here, from the loop and back: what nothing durable can go below."""
    spent = []
    for number in range(times):
        begun = time.perf_counter()
        await dobby.store.write(lambda db, number=number: household.set_setting(db, "bench", str(number)))  # type: ignore[misc]
        spent.append((time.perf_counter() - begun) * 1000)
    return spent


def _input(row: dict[str, int]) -> int:
    return row["input_tokens"] + row["cache_read_input_tokens"] + row["cache_creation_input_tokens"]


@asynccontextmanager
async def _dobby(size: int, script: list[Line]) -> AsyncIterator[tuple[Dobby, Scripted, Path]]:
    server, folder = Scripted(script), Path(tempfile.mkdtemp(prefix="dobby-bench-", dir="/var/tmp"))
    model = {"mind": "scripted", "base_url": await server.open(), "seconds": SECONDS}
    config = parse_config({"web": {"on": False}, "discovery": {"on": False}, "model": model})
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    life = asyncio.create_task(live(config, folder, stop, ready=ready.set_result))
    try:
        dobby: Dobby = await ready
        for number in range(size):
            kind = KINDS[number % len(KINDS)]
            name = f"Thing {number}"
            dobby.house.add(
                Device(f"x.{number}", "x", kind, name, room=f"Room {number // 12}", traits=specs(kind), verbs=verbs(kind))
            )
        yield dobby, server, folder
    finally:
        stop.set()
        await life
        await server.aclose()
        shutil.rmtree(folder, ignore_errors=True)


async def _say(folder: Path, texts: list[str]) -> None:
    async with Wire(folder) as wire, asyncio.timeout(SECONDS):
        for text in texts:
            event = (await wire.ask("say", id=uuid.uuid4().hex, text=text))["event"]
            async for said in wire.said():
                if said["event"] == event:
                    break


async def _nanobot(turns: int) -> dict[str, Cell]:
    """nanobot (PyPI nanobot-ai) as it comes, on the same scripted server: its fixed prompt, and what it reads from the cache."""
    command = os.environ.get(PEER) or shutil.which("nanobot")
    if not command:
        return {}
    server, home = (
        Scripted([Line(text="Once there was a lamp.", times=0)], strict=False),
        Path(tempfile.mkdtemp(prefix="nanobot-")),
    )
    (home / ".nanobot").mkdir()
    provider = {"anthropic": {"apiKey": "k", "apiBase": await server.open()}}
    defaults = {"defaults": {"model": "anthropic/claude-sonnet-4-5", "provider": "anthropic"}}
    (home / ".nanobot/config.json").write_text(json.dumps({"providers": provider, "agents": defaults}))
    try:
        for number in range(turns):
            text = f"tell me a story about the sea, number {number}"
            child = await asyncio.create_subprocess_exec(
                command, "agent", "-m", text, env={**os.environ, "HOME": str(home)}, stdout=-1, stderr=-1
            )
            await asyncio.wait_for(child.communicate(), SECONDS)
        if len(server.requests) < 2:
            return {"fixed": "did not ask", "cached": "did not ask"}
        first = server.requests[0]
        fixed = sum(map(tokens, first.get("tools", ()))) + tokens(first.get("system", ""))
        cached = [100 * row["cache_read_input_tokens"] / _input(row) for row in server.usage[1:]]
        return {"fixed": fixed, "cached": rounded(min(cached))}
    finally:
        await server.aclose()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    run(measure)
