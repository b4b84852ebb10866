"""Gets packets and frames out of a camera: RTSP, MJPEG, still pictures, files and webcams, through PyAV.

It decodes only what is asked for. It does not know what is looked for in a frame. Errors never carry a URL's password.
"""

import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

from dobby.errors import Refused, Unreachable
from dobby.vision.wire import redact

PATIENCE = (8.0, 10.0)  # seconds to open, to read
LARGEST = 4096 * 3072  # pixels of a frame; what claims more is not decoded
RING = 48 << 20  # bytes of packets, whatever their seconds
PLANAR = {f"yuv{j}{chroma}p" for j in ("", "j") for chroma in ("420", "422", "440", "444", "411")} | {"nv12", "nv21", "gray"}
NETWORK = "rtsp,rtsps,rtp,srtp,tcp,udp,tls,http,https,httpproxy,crypto"  # what a camera may lead on to: never a file
BROKEN = (av.FFmpegError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet and when it came, in seconds since 1970."""

    at: float
    packet: "Packet[Any]"
    key: bool


class Ring:
    """The packets of the last seconds, for several threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pieces: deque[Piece] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, piece: Piece) -> None:
        """One more; what is too old is let go."""
        with self._lock:
            self._pieces.append(piece)
            self._bytes += piece.packet.size
            while piece.at - self._pieces[0].at > self.seconds or self._bytes > RING:
                self._bytes -= self._pieces.popleft().packet.size

    def clear(self) -> None:
        """Forget all of it: what comes next is of another connection."""
        with self._lock:
            self._pieces.clear()
            self._bytes = 0

    def since_key(self, at: float, until: float = 0.0) -> list[Piece]:
        """From the last keyframe not after `at` (else the first there is) to `until`, or to `at` itself."""
        with self._lock:
            rows = [piece for piece in self._pieces if piece.at <= (until or at)]
        keys = [index for index, piece in enumerate(rows) if piece.key]
        start = max((index for index in keys if rows[index].at <= at), default=keys[0] if keys else len(rows))
        return rows[start:]


class Stream:
    """One open stream. `pieces()` gives its packets as they come; `decode(piece)` their frames.

    :raises Unreachable: it cannot be opened, or has no picture.
    :raises Refused: its picture is too large, or its address of no known kind.
    """

    def __init__(self, url: str) -> None:
        form, options = _options(url)
        self.live, self.only_keys = "protocol_whitelist" not in options or options["protocol_whitelist"] != "file", False
        try:
            self._container = av.open(url, "r", format=form, options=options, timeout=PATIENCE)
            if self._container.format.name == "image2":  # a camera's picture is a stream of one, not a row of numbered files
                self._container.close()
                self._container = av.open(url, "r", format="jpeg_pipe", options=options, timeout=PATIENCE)
        except BROKEN as error:
            raise Unreachable(why(error)) from error
        found = self._container.streams.video
        self.still = self._container.format.name.endswith("_pipe")
        size = (found[0].codec_context.width, found[0].codec_context.height) if found else (0, 0)
        self.pixels = size[0] * size[1]
        if not 0 < self.pixels <= LARGEST:
            self.close()
            raise Refused(f"its picture of {size[0]} x {size[1]} cannot be looked at" if found else "it has no picture")
        self.video = found[0]
        self.video.codec_context.thread_count = 1
        self.video.codec_context.options = {"max_pixels": str(LARGEST)}

    def pieces(self, pace: bool = True) -> Iterator[Piece]:
        """Packets as they come; a file is played at its own pace, or as fast as it can be read.

        :raises Unreachable: it ended or broke.
        """
        begun, base = time.time(), float(self.video.time_base or 0.001)
        first: float | None = None
        try:
            for packet in self._container.demux(self.video):
                at = time.time()
                if not self.live and packet.pts is not None:
                    first = packet.pts * base if first is None else first
                    at = begun + packet.pts * base - first
                    time.sleep(min(5.0, max(0.0, at - time.time())) if pace else 0)
                if packet.size:
                    yield Piece(at, packet, packet.is_keyframe)
        except BROKEN as error:
            raise Unreachable(why(error)) from error
        raise Unreachable("the stream has ended")

    def decode(self, piece: Piece) -> list[VideoFrame]:
        """The frames of a packet; none of a broken one, or while only keyframes are asked for."""
        context = self.video.codec_context
        context.skip_frame = "NONKEY" if self.only_keys else "DEFAULT"
        try:
            return [frame for frame in context.decode(piece.packet) if frame.width * frame.height <= LARGEST]
        except BROKEN:
            return []

    def picture(self, pieces: list[Piece]) -> Any:
        """The last picture of some packets that begin with a keyframe, by a decoder of its own; None where there is none."""
        mine = self.video.codec_context
        context: Any = av.CodecContext.create(mine.name, "r")
        context.extradata, context.options = mine.extradata, {"max_pixels": str(LARGEST)}
        last: Any = None
        try:
            for packet in [*(piece.packet for piece in pieces), None]:
                last = [last, *context.decode(packet)][-1]
        except BROKEN:
            pass  # what was decoded until here is still a picture
        return None if last is None or last.width * last.height > LARGEST else bgr_of(last)

    def write(self, path: str, pieces: list[Piece]) -> bool:
        """Packets that begin with a keyframe into an MP4, as they are; False where they cannot be put into one."""
        try:
            with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as out:
                target = out.add_stream_from_template(self.video)
                start = pieces[0].packet.dts or 0
                for packet in (piece.packet for piece in pieces if piece.packet.dts is not None and piece.packet.pts is not None):
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base = packet.pts - start, packet.dts - start, packet.time_base  # type: ignore[operator]
                    copy.is_keyframe, copy.stream = packet.is_keyframe, target
                    out.mux(copy)
        except (*BROKEN, IndexError):
            return False
        return True

    def close(self) -> None:
        self._container.close()


def _options(url: str) -> tuple[str | None, dict[str, str]]:
    """The format, where it must be said, and FFmpeg's options for an address."""
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    if url.startswith("/dev/video"):
        return "v4l2", {}
    if scheme == "file":
        return None, {"protocol_whitelist": "file"}
    if scheme in ("rtsp", "rtsps", "http", "https"):
        return None, {"protocol_whitelist": NETWORK, "rtsp_transport": "tcp"}
    raise Refused(f"a camera's address cannot begin with {scheme}://")


def why(error: BaseException) -> str:
    """What went wrong, without passwords."""
    return redact(getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]


def luma_of(frame: VideoFrame) -> Any:
    """A frame's grey plane, without a copy where the decoder has one."""
    if frame.format.name not in PLANAR:
        return frame.to_ndarray(format="gray")
    rows = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)  # type: ignore[call-overload]
    return rows[: frame.height, : frame.width]


def bgr_of(frame: VideoFrame) -> Any:
    """A frame in colour."""
    return frame.to_ndarray(format="bgr24")


def number_of(luma: Any) -> int:
    """A number of a picture that is the same only where all of it is."""
    return zlib.crc32(cv2.resize(luma, (160, 90), interpolation=cv2.INTER_AREA).tobytes())
