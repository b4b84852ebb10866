"""Films of the drawn driveway for the eyes to look at, and what to wait for."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.vision.host import Eyes
from dobby.vision.wire import Sighting
from tests.patience import until

device_side(shipped("skills") / "camera")
scene: Any = importlib.import_module("dobby_dollhouse_camera.scene")


def film(
    path: Path,
    script: str,
    begin: float,
    end: float,
    *,
    size: tuple[int, int] = (640, 360),
    fps: int = 10,
    gop: int = 20,
    view: Callable[[Any], Any] = lambda picture: picture,
) -> Path:
    """Some seconds of a script as H.264, as a camera would encode it; `view` is how this one sees what is drawn."""
    told = scene.load(script)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "g": str(gop)})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(round(begin * fps), round(end * fps)):
            picture = av.VideoFrame.from_ndarray(view(scene.frame(told, index / fps, size)), format="bgr24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def mirrored(picture: Any) -> Any:
    """From the other side; nothing can be read."""
    return np.ascontiguousarray(picture[:, ::-1])


def near(picture: Any) -> Any:
    """From nearer."""
    high, wide = picture.shape[:2]
    return np.ascontiguousarray(cv2.resize(picture[high // 4 :, wide // 6 : wide * 11 // 12], (wide, high)))


def dusky(picture: Any) -> Any:
    """By another sensor, darker and bluer."""
    return np.clip(picture.astype(np.float32) * (0.8, 0.62, 0.58) + 4, 0, 255).astype(np.uint8)


class Seen:
    """Open eyes, what they said, and waiting for it."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.sightings: list[Sighting] = []
        self.states: list[tuple[str, str]] = []
        self.deaf = False  # take no sighting, as a butler whose disk is full
        self.eyes = Eyes(folder, {"detector": "motion", "clip": 0.5, "quiet": 2.0, **settings}, self._sighted, self._state)

    async def _sighted(self, sighting: Sighting) -> None:
        if self.deaf:
            raise OSError("no room")
        self.sightings.append(sighting)

    async def _state(self, camera: str, state: str, why: str) -> None:
        self.states.append((camera, state))

    async def until(self, what: Callable[[], Any], seconds: float = 100.0) -> Any:
        """Wait for it to be so; a deadline that never comes ends the test."""
        return await until(what, seconds)


@asynccontextmanager
async def eyes(folder: Path, *cameras: Mapping[str, Any], **settings: Any) -> AsyncIterator[Seen]:
    """Eyes that look through these cameras."""
    seen = Seen(folder, settings)
    await seen.eyes.watch(list(cameras))
    task = asyncio.create_task(seen.eyes.run())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5)
