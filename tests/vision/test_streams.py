"""Real streams, good and bad: RTSP, MJPEG, stills, files; what is broken costs its own camera, and no password is told."""

import asyncio
import ctypes
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import pytest

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.vision.stream import Stream, Unreachable, why
from dobby.vision.watcher import Sameness
from dobby.vision.wire import Camera, Sighting, parse_line, redact
from tests.patience import ENOUGH
from tests.vision.films import Seen, eyes, film


@pytest.fixture
async def camera() -> AsyncIterator[Any]:
    """A camera on loopback with a password, showing a delivery."""
    street = await device_side(shipped("skills") / "camera").start(
        prefix="127.91.5", scripts={"Drive": "delivery"}, password="opensesame", port=0, wsd=False
    )
    yield street.cameras["Drive"]
    await street.aclose()


@pytest.fixture(scope="module")
def truck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "truck.mp4", "delivery", 9, 20)


def locked(url: str) -> str:
    return url.replace("://", "://admin:opensesame@")


async def test_rtsp_is_watched_small_and_kept_large(tmp_path: Path, camera: Any) -> None:
    row = {"id": "drive", "watch": locked(camera.stream("sub")), "keep": locked(camera.stream("main"))}
    async with eyes(tmp_path, row) as seen:
        await seen.until(lambda: ("drive", "ok") in seen.states)
        await seen.until(lambda: seen.eyes.figures)
        async with asyncio.timeout(ENOUGH):  # the large stream comes in its own time
            while cv2.imread(str((await seen.eyes.look("drive"))[0])).shape[1] != 1280:
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("path", ["video.mjpeg", "snapshot.jpg"])
async def test_mjpeg_and_still_pictures_are_watched(tmp_path: Path, camera: Any, path: str) -> None:
    async with eyes(tmp_path, {"id": "drive", "watch": f"{locked(camera.url)}/{path}"}) as seen:
        await seen.until(lambda: ("drive", "ok") in seen.states)
        assert (await seen.eyes.look("drive"))[0].stat().st_size > 5000


async def test_a_stream_whose_clock_goes_otherwise_than_ours_is_looked_at_for_ever(tmp_path: Path, camera: Any) -> None:
    """FFmpeg takes any MJPEG for 25 pictures a second; this camera sends ten."""
    async with eyes(tmp_path, {"id": "drive", "watch": f"{locked(camera.url)}/video.mjpeg"}) as seen:

        def looks() -> tuple[int, int]:
            row = seen.eyes.figures.get("", {}).get("cameras", {}).get("drive", {})
            return row.get("frames", 0), row.get("decoded", 0)

        await seen.until(lambda: looks()[1] > 45)  # some five seconds more by our clock than by its own
        before = looks()[0]
        await seen.until(lambda: looks()[0] > before)


async def test_a_press_is_a_sighting_of_its_own_with_a_picture(tmp_path: Path, truck: Path) -> None:
    async with eyes(tmp_path, {"id": "front", "watch": str(truck)}) as seen:
        await seen.until(lambda: ("front", "ok") in seen.states)
        await seen.eyes.wake("front", press=True)
        press = await seen.until(lambda: next((one for one in seen.sightings if one.phase == "press"), None))
        assert Path(press.picture).is_file()


async def test_masks_are_burned_in_before_anything_is_stored(tmp_path: Path, truck: Path) -> None:
    mask = [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]
    async with eyes(tmp_path, {"id": "front", "watch": str(truck), "masks": [mask]}) as seen:
        await seen.until(lambda: ("front", "ok") in seen.states)
        picture = cv2.imread(str((await seen.eyes.look("front"))[0]))
        assert picture is not None
        assert picture[:160].mean() < 3 < picture[200:].mean()


async def test_broken_streams_cost_their_own_camera_only(tmp_path: Path, truck: Path) -> None:
    film_bytes = truck.read_bytes()
    broken = {
        "empty": b"",
        "noise": os.urandom(50_000),
        "cut": film_bytes[: len(film_bytes) // 3],
        "scratched": film_bytes[:40_000] + os.urandom(60_000) + film_bytes[100_000:],
        "page": b"<html>please log in</html>",
        "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "jpeg": b"\xff\xd8\xff\xe0" + os.urandom(5000),
    }
    rows = [{"id": "good", "watch": str(truck)}]
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        rows.append({"id": name, "watch": str(tmp_path / name)})
    rows += [{"id": "nobody", "watch": "rtsp://127.0.0.1:1/x"}, {"id": "scheme", "watch": "concat:/etc/passwd"}]
    async with eyes(tmp_path / "out", *rows) as seen:
        await seen.until(lambda: any(one.camera == "good" for one in seen.sightings), 50)
        await seen.until(
            lambda: {"empty", "noise", "page", "nobody", "scheme"} <= {name for name, state in seen.states if state != "ok"}
        )


def thread_of(seen: Seen, camera: str) -> tuple[int, int]:
    """The process and the thread that look through a camera."""
    for child in seen.eyes.children.values():
        tasks = Path(f"/proc/{child.process.pid}/task") if child.process else Path("/nonexistent")
        for task in tasks.glob("*"):
            with suppress(OSError):  # a thread may end while one looks
                if (task / "comm").read_text().strip() == f"eye {camera}":
                    return int(tasks.parts[2]), int(task.name)
    return 0, 0


async def test_a_camera_whose_decoder_crashes_is_named_and_comes_back_alone(tmp_path: Path, truck: Path) -> None:
    rows = [{"id": name, "watch": str(truck)} for name in ("one", "two", "bad")]
    async with eyes(tmp_path, *rows) as seen:
        for strike in (1, 2):
            process, thread = await seen.until(lambda: next((found for found in [thread_of(seen, "bad")] if found[1]), None))
            await seen.until(lambda: all(seen.eyes.states.get(name) == "ok" for name in ("one", "two", "bad")))
            ctypes.CDLL(None).syscall(234, process, thread, signal.SIGSEGV)  # tgkill(2)
            await seen.until(lambda strike=strike: seen.eyes.strikes.get("bad") == strike)
            assert ("bad", "crashed") in seen.states
        await seen.until(lambda: set(seen.eyes.children) == {"", "bad"})
        assert {name for name, state in seen.states if state == "crashed"} == {"bad"}


def test_a_picture_that_stands_still_and_a_stream_that_repeats_are_noticed() -> None:
    still, loop, life = Sameness(), Sameness(), Sameness()
    assert [still.state(7, at) for at in (0.0, 20.0, 31.0)] == ["ok", "ok", "stalled"]
    assert [loop.state(number % 9 + 1, number) for number in range(40)][-1] == "looping"
    assert {life.state(number + 1, number) for number in range(100)} == {"ok"}


def test_no_error_and_no_log_line_carries_a_password() -> None:
    said = "rtsp://admin:opensesame@10.0.0.2/live?user=admin&password=opensesame failed"
    assert "opensesame" not in redact(said)
    assert "10.0.0.2" in redact(said)
    with pytest.raises(Unreachable) as caught:
        Stream("rtsp://admin:opensesame@127.0.0.1:1/x")
    assert "opensesame" not in str(caught.value) + why(OSError(said))


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"[1]", b'{"is":', b"[" * 100_000, b'"x"'])
def test_a_line_of_garbage_says_nothing(data: bytes) -> None:
    assert parse_line(data) == {}


@pytest.mark.parametrize(
    "row", [{}, {"id": "x"}, {"id": "x", "watch": "u", "decode": "no"}, {"id": "x", "watch": "u", "masks": [[[0, 0]]]}]
)
def test_a_camera_that_cannot_be_understood_is_an_error(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"camera|corners"):
        Camera.parse(row)


def test_a_sighting_survives_the_wire_and_garbage_is_none() -> None:
    sighting = Sighting("a-arrived", "front", "person", "arrived", 5.0, lettering=("UPS",), box=(0.1, 0.2, 0.3, 0.4))
    sent = json.loads(json.dumps({name: getattr(sighting, name) for name in Sighting.__slots__}))
    assert Sighting.parse(sent) == sighting
    for row in ({}, {**sent, "kind": "ghost"}, {**sent, "at": "soon"}):
        with pytest.raises(ValueError, match="cannot be read"):
            Sighting.parse(row)
