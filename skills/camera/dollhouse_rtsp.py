"""Serves a film as RTSP over TCP (RFC 2326, interleaved): FFmpeg encodes and cuts it into packets, here they are handed out.

One encoder per stream, and only while somebody plays it. It does not know what is in the pictures.
"""

import asyncio
import base64
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

BEHIND = 2_000_000  # bytes somebody may lag before frames are dropped for them
SDP = (
    "v=0\r\no=- 0 0 IN IP4 {host}\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=framerate:{fps}\r\na=control:track0\r\n"
)


class _Packets:
    """Where FFmpeg's RTP muxer writes: each write is one packet."""

    def __init__(self) -> None:
        self.out: list[bytes] = []

    def write(self, data: Any) -> int:
        """One RTP or RTCP packet."""
        self.out.append(bytes(data))
        return len(self.out[-1])


class Encoder:
    """Pictures in, RTP packets out."""

    def __init__(self, size: tuple[int, int], fps: int, gop: float) -> None:
        import av

        self._sink = _Packets()
        self._out = av.open(
            self._sink, "w", format="rtp", buffer_size=65536, options={"packetsize": "1400", "payload_type": "96", "ssrc": "77"}
        )
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "25", "threads": "1"}
        self._stream: Any = self._out.add_stream("libx264", rate=fps, options={**options, "g": str(round(fps * gop))})
        self._stream.width, self._stream.height, self._stream.pix_fmt = *size, "yuv420p"
        self._fps, self._number = fps, -1

    def packets(self, picture: Any, at: float, fresh: bool) -> list[bytes]:
        """The packets of one more picture, of `at` (seconds since the first); `fresh` begins anew, for one who has just come."""
        import av
        from av.video.frame import PictureType

        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = self._number = max(self._number + 1, round(at * self._fps))
        if fresh:
            frame.pict_type = PictureType.I
        for packet in self._stream.encode(frame):
            self._out.mux(packet)
        out, self._sink.out = self._sink.out, []
        return out


@dataclass(eq=False)
class Film:
    """One stream: `draw` gives the picture of this moment, or None for none. `trouble`: `freeze` repeats the last picture,
    `stall` sends nothing, `garbage` sends noise instead of packets."""

    path: str
    size: tuple[int, int]
    fps: int
    draw: Callable[[tuple[int, int]], Any]
    gop: float = 2.0
    trouble: str = ""
    viewers: "set[Viewer]" = field(default_factory=set)
    _task: "asyncio.Task[None] | None" = None

    def join(self, viewer: "Viewer") -> None:
        """Somebody plays it from now on."""
        self.viewers.add(viewer)
        viewer.fresh = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """The end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop, encoder, last = asyncio.get_running_loop(), await asyncio.to_thread(Encoder, self.size, self.fps, self.gop), None
        due = begun = loop.time()
        while self.viewers:
            due = max(due + 1 / self.fps, loop.time() - 1)
            await asyncio.sleep(due - loop.time())
            if self.trouble == "stall":
                continue
            fresh = any(viewer.fresh for viewer in self.viewers)
            if last is None or self.trouble != "freeze":
                last = await asyncio.to_thread(self.draw, self.size)
            packets = await asyncio.to_thread(encoder.packets, last, loop.time() - begun, fresh)
            if self.trouble == "garbage":
                packets = [packet[:12] + bytes(len(packet) - 12) for packet in packets]
            for viewer in list(self.viewers):
                viewer.send(packets, fresh)


class Viewer:
    """One RTSP connection: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN."""

    def __init__(self, server: "Rtsp", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self._reader, self._writer = server, reader, writer
        self.film: Film | None = None
        self.fresh = False

    async def serve(self) -> None:
        """Answer until the other side goes."""
        try:
            while request := await self._request():
                await self._answer(*request)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            if self.film is not None:
                self.film.viewers.discard(self)
            self._writer.close()

    async def _request(self) -> tuple[str, str, dict[str, str]] | None:
        line = await self._reader.readline()
        while line[:1] == b"$":  # the player's own RTCP reports, between requests
            missing = int.from_bytes(line[2:4]) + 4 - len(line)
            await self._reader.readexactly(max(0, missing))
            line = await self._reader.readline()
        verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
        heads: dict[str, str] = {}
        while (head := (await self._reader.readline()).decode("utf-8", "replace").strip()) and len(heads) < 50:
            name, _, value = head.partition(":")
            heads[name.casefold()] = value.strip()
        await self._reader.readexactly(int(heads.get("content-length", 0)))
        return (verb, rest.partition(" ")[0], heads) if verb else None

    async def _answer(self, verb: str, url: str, heads: dict[str, str]) -> None:
        film = self.server.film(url)
        if not self.server.lets_in(heads.get("authorization", "")):
            self._say(heads, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
        elif verb == "OPTIONS":
            self._say(heads, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN")
        elif film is None:
            self._say(heads, "404 Not Found")
        elif verb == "DESCRIBE":
            body = SDP.format(host=self.server.host, name=film.path, fps=film.fps)
            self._say(heads, "200 OK", f"Content-Base: {url}/", "Content-Type: application/sdp", body=body)
        elif verb == "SETUP" and "interleaved" not in heads.get("transport", ""):
            self._say(heads, "461 Unsupported Transport")
        elif verb == "SETUP":
            self._say(heads, "200 OK", "Session: 12345678;timeout=60", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        else:
            self._say(heads, "200 OK", "Session: 12345678")
        await self._writer.drain()
        if verb == "PLAY" and film is not None and self.film is None:
            self.film = film
            self.server.played()
            film.join(self)
        elif verb == "TEARDOWN":
            raise ValueError

    def _say(self, heads: dict[str, str], status: str, *lines: str, body: str = "") -> None:
        size = [f"Content-Length: {len(body)}"] if body else []
        text = "\r\n".join([f"RTSP/1.0 {status}", f"CSeq: {heads.get('cseq', '0')}", *lines, *size, "", body])
        self._writer.write(text.encode())

    def send(self, packets: list[bytes], fresh: bool) -> None:
        """Hand these over; who lags waits for the next beginning."""
        if self._writer.transport.get_write_buffer_size() > BEHIND:
            self.fresh = True
            return
        if self._writer.is_closing() or (self.fresh and not fresh):
            return
        self.fresh = False
        with contextlib.suppress(OSError):
            self._writer.write(b"".join(map(_framed, packets)))

    def cut(self) -> None:
        """As if the cable were pulled."""
        self._writer.transport.abort()


def _framed(packet: bytes) -> bytes:
    """Interleaved in the connection of the requests (RFC 2326, 10.12); RTCP goes by its packet type (RFC 5761)."""
    return b"$" + bytes([192 <= packet[1] <= 223]) + len(packet).to_bytes(2) + packet


class Rtsp:
    """The server of one camera's films; `user` and `password` are asked for by Basic (RFC 7617) where there is one."""

    def __init__(self, host: str, films: list[Film], *, user: str = "", password: str = "", played: Callable[[], None]) -> None:
        self.host, self.films, self.played = host, {film.path: film for film in films}, played
        self._secret = base64.b64encode(f"{user}:{password}".encode()).decode() if password else ""
        self._server: asyncio.Server | None = None
        self._viewers: set[Viewer] = set()

    async def open(self, port: int) -> int:
        """Listen; the port, which for 0 is a free one."""
        self._server = await asyncio.start_server(self._met, self.host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        viewer = Viewer(self, reader, writer)
        self._viewers.add(viewer)
        try:
            await viewer.serve()
        finally:
            self._viewers.discard(viewer)

    def film(self, url: str) -> Film | None:
        """The film of a URL, whose track may be named."""
        path = re.sub(r"/track\d+$", "", urlsplit(url).path.rstrip("/")).strip("/")
        return self.films.get(path)

    def lets_in(self, authorization: str) -> bool:
        """Is this the password."""
        return not self._secret or authorization == f"Basic {self._secret}"

    def cut(self) -> None:
        """Every connection ends at once."""
        for viewer in list(self._viewers):
            viewer.cut()

    async def aclose(self) -> None:
        """Let everybody go."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*(film.aclose() for film in self.films.values()))
