"""Sounds for players to fetch: a small web server on the interface that leads to the player, each at a path nobody can guess.

It does not know what is said in them.
"""

import asyncio
import secrets
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from dobby import Refused

KEPT = 600.0  # seconds a clip can be fetched
MOST = 50  # clips kept
WAV = "audio/wav"


@dataclass(slots=True)
class Clip:
    """One sound; `path` is its name in an address, `file` where it lies."""

    path: str
    file: Path
    sound: bytes
    made: float = field(default_factory=time.monotonic)


class Clips:
    """All sounds of the last ten minutes."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._folder = tempfile.TemporaryDirectory(prefix="dobby-clips-")
        self._clips: dict[str, Clip] = {}
        self._runner: web.AppRunner | None = None
        self._sites: dict[str, int] = {}  # host -> port
        self._opening = asyncio.Lock()

    @property
    def sites(self) -> Mapping[str, int]:
        """Where it listens: host and port."""
        return self._sites

    def known(self, name: str) -> bytes | None:
        """A sound that is still kept under this name."""
        self._tidy()
        clip = self._clips.get(name)
        return clip.sound if clip else None

    async def address(self, name: str, sound: bytes, near: str) -> str:
        """Keep a sound under a name -> where a device at the host `near` can fetch it.

        :raises Refused: nothing can listen there.
        """
        host = await asyncio.to_thread(_facing, near)
        async with self._opening:
            if name not in self._clips:
                path = f"{secrets.token_urlsafe(18)}.wav"
                file = Path(self._folder.name) / path
                await asyncio.to_thread(file.write_bytes, sound)
                self._clips[name] = Clip(path, file, sound)
            if host not in self._sites:
                self._sites[host] = await self._open(host)
        clip = self._clips[name]
        clip.made = time.monotonic()
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self._sites[host]}/{clip.path}"

    async def _open(self, host: str) -> int:
        if self._runner is None:
            app = web.Application()
            app.router.add_get("/{path}", self._fetched)
            self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await self._runner.setup()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, self._port), family=family)
        except OSError as error:
            raise Refused(f"Players cannot be given a sound: nothing can listen at {host}, port {self._port}.") from error
        await web.SockSite(self._runner, listening).start()
        return int(listening.getsockname()[1])

    async def _fetched(self, request: web.Request) -> web.StreamResponse:
        self._tidy()
        wanted = request.match_info["path"]
        clip = next((each for each in self._clips.values() if secrets.compare_digest(each.path.encode(), wanted.encode())), None)
        if clip is None:
            raise web.HTTPNotFound
        return web.FileResponse(clip.file, headers={"Content-Type": WAV, "Cache-Control": "no-store"})

    def _tidy(self) -> None:
        now = time.monotonic()
        old = [name for name, clip in self._clips.items() if now - clip.made > KEPT]
        for name in (*old, *list(self._clips)[: max(0, len(self._clips) - len(old) - MOST)]):
            if clip := self._clips.pop(name, None):
                clip.file.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Hang up, and forget all sounds."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._clips.clear()
        await asyncio.to_thread(self._folder.cleanup)


def _facing(near: str) -> str:
    """The address of ours on the interface that leads to a host; nothing is sent."""
    try:
        family, kind, number, _, at = socket.getaddrinfo(near, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.connect(at)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise Refused(f"There is no way from here to {near[:60]}.") from error
