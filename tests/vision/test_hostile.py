"""Cameras that send what they should not, over HTTP and RTSP: each costs itself at most, and nothing else is opened for it."""

import asyncio
import os
import random
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import pytest

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from tests.vision.films import eyes, film, scene

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
JPEG = bytes(cv2.imencode(".jpg", scene.frame(scene.load("quiet"), 1.0, (640, 360)))[1])
PART = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
MJPEG = OK + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
STILL = OK + b"Content-Type: image/jpeg\r\n\r\n"
assert JPEG.count(struct.pack(">HH", 360, 640)) == 1
VAST = JPEG.replace(struct.pack(">HH", 360, 640), struct.pack(">HH", 65500, 65500), 1)  # its size is claimed, not sent


def _png(width: int, height: int) -> bytes:
    """A picture that unpacks to far more than it weighs."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1 << 22))) + chunk(b"IEND", b"")


HTTP: dict[str, bytes] = {
    "still-empty": STILL,
    "still-cut": STILL + JPEG[: len(JPEG) // 2],
    "still-noise": STILL + b"\xff\xd8\xff\xe0" + os.urandom(20_000),
    "still-vast": STILL + VAST,
    "still-bomb": OK + b"Content-Type: image/png\r\n\r\n" + _png(30_000, 30_000),
    "page": OK + b"Content-Type: text/html\r\n\r\n<html>please log in</html>",
    "to-a-file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "playlist": OK + b"Content-Type: application/vnd.apple.mpegurl\r\n\r\n#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "no-http": os.urandom(3000),
    "mjpeg-empty": MJPEG + PART % (0, b"") * 5,
    "mjpeg-cut": MJPEG + PART % (len(JPEG), JPEG[: len(JPEG) // 2]),
    "mjpeg-noise": MJPEG + b"".join(PART % (5000, os.urandom(5000)) for _ in range(20)),
    "mjpeg-lies": MJPEG + PART % (1 << 31, JPEG),
    "mjpeg-vast": MJPEG + PART % (len(VAST), VAST) * 3,
}
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track0\r\n"
RTSP: dict[str, bytes] = {
    "rtsp-noise": os.urandom(3000),
    "rtsp-cut": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Le",
    "rtsp-endless": b"RTSP/1.0 200 OK\r\nX: " + b"y" * 200_000,
    "rtsp-no-stream": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 99999\r\n\r\n" + SDP,
}


@pytest.fixture
async def hostile() -> AsyncIterator[int]:
    """A server that answers each path with what stands under its name, and ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, IndexError):
            name = (await reader.readline()).split()[1].rpartition(b"/")[2].decode()
            writer.write((HTTP | RTSP)[name])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def street() -> AsyncIterator[Any]:
    """A camera whose stream turns to noise."""
    opened = await device_side(shipped("skills") / "camera").start(
        prefix="127.91.6", scripts={"Drive": "quiet"}, port=0, wsd=False
    )
    yield opened.cameras["Drive"]
    await opened.aclose()


def _rows(port: int) -> Iterator[dict[str, str]]:
    for name in HTTP:
        yield {"id": name, "watch": f"http://127.0.0.1:{port}/{name}"}
    for name in RTSP:
        yield {"id": name, "watch": f"rtsp://127.0.0.1:{port}/{name}"}


def _scratched(data: bytes, number: int) -> bytes:
    """A film with some hundred bytes changed."""
    chance, changed = random.Random(number), bytearray(data)
    for _ in range(300):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.timeout(240)
async def test_whatever_a_camera_sends_costs_itself_at_most(tmp_path: Path, hostile: int, street: Any) -> None:
    truck = film(tmp_path / "truck.mp4", "delivery", 9, 20)
    street.films[0].trouble = "garbage"
    rows = [{"id": "good", "watch": str(truck)}, {"id": "rtp-noise", "watch": street.stream("sub")}, *_rows(hostile)]
    for number in range(4):
        path = tmp_path / f"scratched-{number}.mp4"
        path.write_bytes(_scratched(truck.read_bytes(), number))
        rows.append({"id": path.stem, "watch": str(path)})
    async with eyes(tmp_path / "out", *rows) as seen:
        await seen.until(lambda: any(one.camera == "good" for one in seen.sightings))
        bad = (HTTP | RTSP).keys() - {"still-cut", "mjpeg-cut", "mjpeg-lies"}  # half a picture is one
        await seen.until(lambda: bad <= {name for name, state in seen.states if state != "ok"})
        assert seen.eyes.strikes == {}
        assert not {one.camera for one in seen.sightings} & (bad | {"rtp-noise"})
        assert not {name for name, state in seen.states if state == "ok"} & (bad - {"mjpeg-noise"})
