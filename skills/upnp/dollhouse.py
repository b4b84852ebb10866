"""A speaker and a media server that nobody here wrote, on a network interface of their own: gmediarender and minidlna (Debian).

For tests, any controller, and the demo where it is asked for by name. Neither runs on loopback, so an interface has to be
made: that takes root. What the speaker plays is fetched and decoded by GStreamer and heard by nobody. It knows nothing of Dobby.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

BY_NAME_ONLY = True  # it wants packages and root
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
WANTED = {"gmediarender": "gmediarender", "minidlnad": "minidlna", "ip": "iproute2"}  # program -> Debian's package
PLAYER = "11111111-1111-1111-1111-111111111111"
STEP = 10.0  # seconds a program has to answer
SONGS = (
    ("Blue Train", "John Coltrane", "Blue Train", "Jazz", "1"),
    ("So What", "Miles Davis", "Kind of Blue", "Jazz", "1"),
    ("Freddie Freeloader", "Miles Davis", "Kind of Blue", "Jazz", "2"),
    ("Le Freak", "Chic", "C'est Chic", "Disco", "1"),
)
MOVES = {"PLAYING": "playing", "TRANSITIONING": "playing", "PAUSED_PLAYBACK": "paused"}


def missing() -> str:
    """What keeps it from running here; "" where nothing does."""
    gone = [package for program, package in WANTED.items() if shutil.which(program, path=PATH) is None]
    if gone:
        return f"the UPnP dollhouse wants {' and '.join(gone)} (apt install {' '.join(gone)})"
    return "" if os.geteuid() == 0 else "the UPnP dollhouse makes a network interface of its own, which only root can"


def silence(seconds: float, tags: Mapping[str, str]) -> bytes:
    """An MP3 of silent frames (MPEG-1 layer III, 32 kbit/s, 44.1 kHz, mono) with ID3v2.3 tags."""
    rows = b"".join(
        key.encode() + (len(value.encode()) + 1).to_bytes(4, "big") + b"\0\0\x03" + value.encode() for key, value in tags.items()
    )
    size = bytes(len(rows) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + rows + (b"\xff\xfb\x10\xc4" + bytes(100)) * round(seconds * 44100 / 1152)


class Wire:
    """A network interface at an address of its own: nothing on it reaches the real network."""

    def __init__(self) -> None:
        number = os.getpid()
        for attempt in range(250):
            self.name, self.host = f"dby{number % 100000}", f"10.77.{number % 250}.1"
            try:
                self._ip("link", "add", self.name, "type", "veth", "peer", "name", f"{self.name}p")
                break
            except OSError:
                if attempt == 249:
                    raise
                number += 1
        try:
            self._ip("addr", "add", f"{self.host}/24", "dev", self.name)
            self._ip("link", "set", self.name, "up")
            self._ip("link", "set", f"{self.name}p", "up")
        except OSError:
            self.close()
            raise

    def _ip(self, *words: str) -> None:
        done = subprocess.run(
            [shutil.which("ip", path=PATH) or "ip", *words], capture_output=True, text=True, timeout=STEP, check=False
        )
        if done.returncode:
            raise OSError(f"no network interface can be made: {done.stderr.strip()}")

    def close(self) -> None:
        """Take it away."""
        with suppress(OSError):
            self._ip("link", "del", self.name)


class Program:
    """Somebody else's program that describes itself at an address; it can die and be started again."""

    def __init__(self, location: str, command: Sequence[str], **env: str) -> None:
        self.location, self.command, self.env = location, list(command), env
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it is ready: its port is open before. Once more if it aborts."""
        for _ in range(2):
            path = shutil.which(self.command[0], path=PATH) or self.command[0]
            self.process = await asyncio.to_thread(self._spawn, path)
            async with asyncio.timeout(STEP):
                while self.process.poll() is None:
                    if await asyncio.to_thread(self.is_ready):
                        return
                    await asyncio.sleep(0.05)
        raise OSError(f"{self.command[0]} ended by itself ({self.process and self.process.returncode})")

    def is_ready(self) -> bool:
        """Does it give out its description?"""
        return _fetched(self.location)

    def _spawn(self, path: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [path, *self.command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.env},
        )

    async def aborted(self) -> bool:
        """Has it died by its own hand? Its connections break a moment before its end is known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self.process and self.process.poll() is None:
                    await asyncio.sleep(0.02)
        return self.process is not None and self.process.returncode == -signal.SIGABRT

    def stop(self) -> None:
        """Pull its plug."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


class Renderer(Program):
    """A gmediarender; started anew it may be at another port."""

    def __init__(self, wire: Wire, name: str = "Kitchen Player", uuid: str = PLAYER) -> None:
        self.wire, self.name, self.uuid = wire, name, uuid
        super().__init__("", ())
        self._log = Path(tempfile.gettempdir()) / f"dobby-renderer-{os.getpid()}-{id(self):x}.log"
        self.move()

    def move(self) -> None:
        """At a port of its own from the next start on."""
        port = free_port(self.wire.host)
        self.location = f"http://{self.wire.host}:{port}/description.xml"
        self.command = ["gmediarender", "-f", self.name, "-u", self.uuid, "-I", self.wire.name, "-p", str(port)]
        self.command += ["--gstout-audiopipe=fakesink sync=true", "--logfile", str(self._log)]

    def is_ready(self) -> bool:
        """Its sound is ready a tenth of a second after its description, and takes back what it was told meanwhile."""
        return super().is_ready() and b"Ready for rendering" in self._log.read_bytes()

    def _spawn(self, path: str) -> "subprocess.Popen[bytes]":
        self._log.write_bytes(b"")  # what was ready before is not ready now
        return super()._spawn(path)

    def stop(self) -> None:
        """Pull its plug; its log goes with it."""
        super().stop()
        self._log.unlink(missing_ok=True)

    def ask(self, service: str, action: str, **args: object) -> dict[str, str]:
        """What it answers itself, asked in plain SOAP."""
        place = "control" if service == "RenderingControl" else "transport"
        kind = f"urn:schemas-upnp-org:service:{service}:1"
        rows = "".join(f"<{key}>{value}</{key}>" for key, value in {"InstanceID": 0, **args}.items())
        body = f'<u:{action} xmlns:u="{kind}">{rows}</u:{action}>'
        text = f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'
        head = {"SOAPACTION": f'"{kind}#{action}"', "Content-Type": "text/xml"}
        where = self.location.rpartition("/")[0] + f"/upnp/control/render{place}1"
        with closing(build_opener(ProxyHandler({})).open(Request(where, text.encode(), head), timeout=STEP)) as answer:
            return dict(re.findall(r"<(\w+)>([^<]*)</\1>", answer.read().decode("utf-8", "replace")))

    def truth(self) -> dict[str, object]:
        """What it does."""
        moves = self.ask("AVTransport", "GetTransportInfo").get("CurrentTransportState", "")
        return {
            "playing": MOVES.get(moves, "idle"),
            "volume": int(self.ask("RenderingControl", "GetVolume", Channel="Master")["CurrentVolume"]),
            "muted": self.ask("RenderingControl", "GetMute", Channel="Master")["CurrentMute"] == "1",
        }


class Server(Program):
    """A minidlna with music of its own."""

    def __init__(self, wire: Wire, folder: Path, songs: Iterable[Sequence[str]] = SONGS, seconds: float = 60.0) -> None:
        for part in ("music", "db", "log"):
            (folder / part).mkdir(parents=True)
        for title, artist, album, genre, number in songs:
            tags = {"TIT2": title, "TPE1": artist, "TALB": album, "TCON": genre, "TRCK": number}
            (folder / "music" / f"{title}.mp3").write_bytes(silence(seconds, tags))
        port = free_port("0.0.0.0")
        rows = {"media_dir": f"A,{folder}/music", "db_dir": f"{folder}/db", "log_dir": f"{folder}/log", "port": port}
        rows |= {"inotify": "no", "friendly_name": "Attic NAS", "network_interface": wire.name}
        (folder / "conf").write_text("".join(f"{key}={value}\n" for key, value in rows.items()), "utf-8")
        command = ["minidlnad", "-d", "-f", str(folder / "conf"), "-P", str(folder / "pid")]
        super().__init__(f"http://{wire.host}:{port}/rootDesc.xml", command)


class Cable:
    """The way to a device, to be broken on purpose: it stands at an address of its own and hands each request on.

    `trouble[action]` breaks the next such action once: `drop` (cut before the device hears it), `cut` (after it has done it),
    `garbage` (done, answered with nonsense), `short` (done, the answer ends in the middle).
    """

    def __init__(self, location: str) -> None:
        found = re.fullmatch(r"http://([\d.]+):(\d+)(/.*)", location)
        assert found
        self._to, self._path = (found[1], int(found[2])), found[3]
        self.trouble: dict[str, str] = {}
        self._server: asyncio.Server | None = None

    @property
    def location(self) -> str:
        """The description's address by this way."""
        assert self._server
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}{self._path}"

    async def open(self) -> None:
        """Plug it in."""
        self._server = await asyncio.start_server(self._serve, self._to[0], 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"(?i)^content-length:\s*(\d+)", head, re.MULTILINE)
            body = await reader.readexactly(int(size[1])) if size else b""
            action = re.search(rb'(?i)^soapaction:.*#(\w+)"', head, re.MULTILINE)
            trouble = self.trouble.pop(action[1].decode(), "") if action else ""
            writer.write(b"" if trouble == "drop" else _spoilt(await self._handed_on(head + body), trouble))
            await writer.drain()
            if trouble in ("drop", "cut"):
                writer.transport.abort()
        writer.close()

    async def _handed_on(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._to)
        writer.write(request)
        try:
            async with asyncio.timeout(STEP):
                return await reader.read()
        finally:
            writer.close()

    async def aclose(self) -> None:
        """Unplug it."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()


def _spoilt(answer: bytes, trouble: str) -> bytes:
    if trouble == "garbage":
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 8\r\n\r\n<oops>\0\0"
    return {"cut": b"", "short": answer[: len(answer) * 2 // 3]}.get(trouble, answer)


class House:
    """The speaker and the media server. `config` belongs under `[skills.upnp]`."""

    name = "upnp"

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dobby-dollhouse-upnp-")
        self.wire = Wire()
        self.renderer = Renderer(self.wire)
        self.server = Server(self.wire, Path(self._folder.name) / "nas")

    @property
    def config(self) -> dict[str, Any]:
        """Where they are."""
        return {"at": [self.renderer.location, self.server.location]}

    def truth(self, device: str) -> dict[str, object]:
        """What the speaker does, whatever it is called."""
        return self.renderer.truth()

    async def aclose(self) -> None:
        """Pull every plug."""
        self.renderer.stop()
        self.server.stop()
        self.wire.close()
        await asyncio.to_thread(self._folder.cleanup)


async def start() -> House:
    """Start both.

    :raises OSError: they cannot run here; it says why.
    """
    if why := missing():
        raise OSError(why)
    house = House()
    try:
        await asyncio.gather(house.renderer.start(), house.server.start())
    except BaseException:
        await house.aclose()
        raise
    return house


def free_port(host: str) -> int:
    """A port that nobody has, of those that gmediarender takes."""
    while True:
        port = random.randint(49160, 65000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port


def _fetched(location: str) -> bool:
    try:
        with closing(build_opener(ProxyHandler({})).open(location, timeout=STEP)) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
