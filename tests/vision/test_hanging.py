"""What hangs is ended and named, and costs the others nothing; what is slow because the machine is busy is not taken for it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from dobby.vision.pace import Pace
from tests.patience import ENOUGH, until
from tests.vision.films import eyes, film, scene

BUSY = "while True: pass"
IDLE = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def truck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "truck.mp4", "delivery", 9, 14)


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film that can be looked at from its beginning, without its end."""
    path = tmp_path_factory.mktemp("films") / "truck.ts"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"tune": "zerolatency", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index in range(30):
            picture = scene.frame(scene.load("quiet"), index / 10, (640, 360))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())
    return path.read_bytes()


async def test_a_camera_that_hangs_is_ended_and_named_and_the_others_come_back(
    tmp_path: Path, truck: Path, broadcast: bytes
) -> None:
    """A pipe whose writer stops in the middle holds its reader for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    writing = asyncio.create_task(asyncio.to_thread(os.write, writer, broadcast))
    rows = [{"id": "good", "watch": str(truck)}, {"id": "bad", "watch": str(pipe)}]
    async with eyes(tmp_path / "out", *rows, hangs=2.0) as seen:
        await seen.until(lambda: ("bad", "crashed") in seen.states)
        await writing
        assert ("good", "crashed") not in seen.states
        seen.eyes.figures.clear()
        await seen.until(lambda: any(row["cameras"].get("good", {}).get("frames") for row in seen.eyes.figures.values()))
    os.close(writer)


# A process's own time


@contextmanager
def processes(code: str, count: int) -> Iterator[list[int]]:
    """So many processes that share one processor."""
    one = min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{one}}})\n{code}"]
    running = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


async def _passed(process: int, enough: float) -> tuple[float, float]:
    """Its own seconds, and the wall's, once these are enough."""
    pace, begun, own = Pace(process), time.monotonic(), []

    def over() -> bool:
        own.append(pace.passed())
        return time.monotonic() - begun > enough

    await until(over, ENOUGH)
    return sum(own), time.monotonic() - begun


async def test_the_time_of_a_process_that_waits_for_the_processor_passes_slower() -> None:
    with processes(BUSY, 4) as busy:
        own, wall = await _passed(busy[0], 3.0)
        assert own < 0.7 * wall


async def test_the_time_of_a_process_that_does_nothing_is_the_walls() -> None:
    with processes(IDLE, 1) as [idle]:
        await asyncio.to_thread(Path(f"/proc/{idle}/stat").read_text)
        await _passed(idle, 2.0)  # it has started
        own, wall = await _passed(idle, 2.0)
        assert own > 0.7 * wall


def test_a_process_that_is_gone_has_the_walls_time() -> None:
    with processes(IDLE, 1) as [gone]:
        pace = Pace(gone)
    assert pace.passed() >= 0.0
