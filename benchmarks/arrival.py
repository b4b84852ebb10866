"""From an arrival to its photo in the hand of a page: real cameras (ONVIF, RTSP) in a process of their own, the eyes in theirs.

Dobby lives here, with a page open that fetches each photo as it is told; what is written on things is read before. It does not
know what they look like.

Weights come from `$DOBBY_VISION` (else `../shared/data/vision`); without them motion and lettering tell.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.rig.vans import EVERY, FIRST, VANS
from benchmarks.sheet import QUICK, Row, at_most, disk_folder, machine_row, run, share, spread
from dobby.vision.wire import Sighting
from tests.bridge.visitor import Visitor
from tests.running import SHIPPED, at_home

WEIGHTS = Path(os.environ.get("DOBBY_VISION", Path(__file__).resolve().parents[2] / "shared" / "data" / "vision")) / "weights"
APART = 1000.0  # seconds by which what was told is made older, so that the next of its kind is no more of the same
LATEST = 60.0  # seconds to wait for one photo before it counts as never told


@dataclass
class Seen:
    """What happened when, on the wall's clock: the eyes were certain, the page had the photo's bytes."""

    certain: list[float] = field(default_factory=list)
    handed: list[float] = field(default_factory=list)
    named: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    count, note = (1, QUICK) if quick else (len(VANS), "")
    return [machine_row(), *asyncio.run(_arrivals(count, note))]


async def _arrivals(count: int, note: str) -> list[Row]:
    seen = Seen()
    detector = str(WEIGHTS / "yolox_nano.onnx") if (WEIGHTS / "yolox_nano.onnx").is_file() else "motion"
    tables = {"web": {"on": True, "port": 0}, "eyes": {"detector": detector}}
    with tempfile.TemporaryDirectory(dir=disk_folder(), ignore_cleanup_errors=True) as folder:
        async with _cameras(count) as at:
            skills = {"off": [name for name in SHIPPED if name != "camera"], "camera": {"at": at}}
            jar = aiohttp.CookieJar(unsafe=True)  # the page is at an address, not at a name
            async with at_home(Path(folder), skills=skills, **tables) as dobby, aiohttp.ClientSession(cookie_jar=jar) as http:
                _listen(dobby, seen)
                async with asyncio.TaskGroup() as group:
                    page = group.create_task(_page(dobby, http, seen))
                    for number in range(count):
                        await _next(seen, number)
                        await dobby.store.write(lambda db: db.execute("UPDATE sighting SET at = at - ?", (APART,)))
                    page.cancel()
    return _rows(seen, count, detector, note)


def _rows(seen: Seen, count: int, detector: str, note: str) -> list[Row]:
    times = [handed - certain for certain, handed in zip(seen.certain, seen.handed, strict=False)]
    beside = {**spread(times, "s"), "arrivals": count, "named by what they are marked": seen.named} if times else {}
    missed = f"{count - len(times)} never told. " if len(times) < count else ""
    if not times:
        return [Row("an arrival is certain to its photo at a page, p95", None, "s", "≤ 2", False, note=missed + note)]
    with_what = f"{missed}lettering read before; detector {Path(detector).name}. {note}"
    row = at_most("an arrival is certain to its photo at a page, p95", share(times, 0.95), "s", 2.0, beside, with_what)
    return [row, at_most("arrivals never told, or told twice", abs(count - len(seen.handed)), "", 0)]


async def _next(seen: Seen, number: int) -> None:
    """Wait for one more photo; a visit that is never told is left behind."""
    try:
        async with asyncio.timeout(FIRST + EVERY + LATEST if number == 0 else EVERY + LATEST):
            while len(seen.handed) <= number:
                seen.news.clear()
                await seen.news.wait()
    except TimeoutError:
        return


def _listen(dobby: Any, seen: Seen) -> None:
    """Hear when the eyes were certain, before Dobby hears it."""
    eyes = dobby.desk.hands.peek.__self__.eyes
    take = eyes.on_sighting

    async def heard(sighting: Sighting) -> None:
        if sighting.phase == "arrived" and not sighting.candidate:
            seen.certain.append(sighting.certain)
        await take(sighting)

    eyes.on_sighting = heard


async def _page(dobby: Any, http: aiohttp.ClientSession, seen: Seen) -> None:
    """An open page: hears of a message at once, and fetches its photo."""
    visitor = Visitor(http, dobby.web.url)
    assert await visitor.log_in(await dobby.people.make_code("owner")) == 200
    known = set()
    async with http.ws_connect(f"{visitor.base}/api/live?after=0", headers={"Origin": visitor.base}) as socket:
        async for message in socket:
            for line in message.json().get("lines", ()):
                if line.get("picture") and line["key"].startswith("sight:") and line["seq"] not in known:
                    known.add(line["seq"])
                    async with http.get(visitor.base + line["picture"]) as answer:
                        assert (await answer.read()).startswith(b"\xff\xd8")
                    seen.handed.append(time.time())
                    seen.named += any(name in line["text"] for name, _, _ in VANS)
                    seen.news.set()


# The cameras, a process of their own


@asynccontextmanager
async def _cameras(count: int) -> AsyncIterator[list[str]]:
    """Where they are, `host:port`; they end with their input."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.rig.vans", str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    run(measure)
