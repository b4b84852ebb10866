"""The daemon's side of the eyes: starts the child that watches, hands on what it sees, and starts it again when it dies.

It loads no video or image library and never looks at a picture. A camera that was active at a crash is started last and alone;
one that does it again gets a process of its own, so that it costs the others nothing.
"""

import asyncio
import logging
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dobby.errors import Refused, Unreachable
from dobby.vision.pace import Pace
from dobby.vision.wire import KINDS, LONGEST, Camera, Sighting, line, parse_line, redact

log = logging.getLogger(__name__)
SILENCE = 20.0  # seconds of its own time without a word until a child counts as hung; it speaks every two
STARTING = 100.0  # seconds more until its first word: a busy disk is slow to load what sees
PATIENCE = 5.0  # seconds an answer to `look` may take
LAST = 3.0  # seconds after which a suspect is tried again
SHOWN, MOST = (*KINDS, "none", "moves", "still"), 20  # what a look may show, and how much of it is told
BACKOFF = (0.1, 0.1, 1.0, 5.0, 20.0, 60.0)  # seconds before a child is started again, by how often it died lately
LATELY = 120.0
CULPRIT = re.compile(rb"Current thread 0x0*([0-9a-f]+)")  # what Python's faulthandler says at a crash

OnSighting = Callable[[Sighting], Awaitable[None]]
OnCamera = Callable[[str, str, str], Awaitable[None]]


class Eyes:
    """The eyes of a house: `run()` lives until cancelled, everything else may be called before, meanwhile and after.

    :param folder: where pictures go, by day (`<state>/sightings`).
    :param settings: how to look (`wire.Settings`), as a table.
    :param on_sighting: gets each sighting; it is acknowledged when this returns, and sent again when it raises.
    :param on_camera: at each change gets a camera's id, its state (`ok`, `stalled`, `looping`, `unreachable`, `crashed`) and why.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], on_sighting: OnSighting, on_camera: OnCamera) -> None:
        self.settings = {**settings, "folder": str(folder)}
        self.on_sighting, self.on_camera = on_sighting, on_camera
        self.cameras: dict[str, Camera] = {}
        self.states: dict[str, str] = {}
        self.figures: dict[str, dict[str, Any]] = {}  # of each child, as it last said them
        self.strikes: dict[str, int] = {}
        self.children: dict[str, _Child] = {}  # "" is everybody's, others are one camera's own
        self.asks: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._asked = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled; the children end with it."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                wanted = {name for name in ("", *self.cameras) if self.mine(name)}
                for name in wanted - set(self.children):
                    self.children[name] = _Child(self, name)
                    group.create_task(self.children[name].run(), name=f"eyes {name}")
                for child in self.children.values():
                    child.watch()
                await self._changed.wait()

    async def watch(self, cameras: Sequence[Camera | Mapping[str, Any]]) -> None:
        """These cameras from now on, instead of those before.

        :raises Refused: one of them cannot be understood.
        """
        try:
            rows = [row if isinstance(row, Camera) else Camera.parse(row) for row in cameras]
        except ValueError as error:
            raise Refused(str(error)) from error
        self.cameras = {camera.id: camera for camera in rows}
        self._changed.set()

    def mine(self, child: str) -> list[Camera]:
        """The cameras that a child looks through: those that struck twice have one of their own."""
        alone = {name for name, count in self.strikes.items() if count > 1}
        return [camera for camera in self.cameras.values() if (camera.id if camera.id in alone else "") == child]

    async def look(self, camera: str) -> tuple[Path, list[str]]:
        """A fresh picture of a camera, on the disk, and what it shows: kinds, `none`, or `moves` or `still` without a detector.

        :raises Refused: there is no such camera.
        :raises Unreachable: no picture came in time.
        """
        self._asked += 1
        ask, answer = self._asked, asyncio.get_running_loop().create_future()
        self.asks[ask] = answer
        try:
            self._of(camera).say({"do": "look", "camera": camera, "ask": ask})
            async with asyncio.timeout(PATIENCE):
                row = await answer
        except TimeoutError:
            row = {}
        finally:
            del self.asks[ask]
        if not row.get("picture"):
            raise Unreachable("The camera shows nothing just now.")
        return Path(str(row["picture"])), [kind for kind in row.get("sees", ()) if kind in SHOWN][:MOST]

    async def wake(self, camera: str, press: bool = False) -> None:
        """The camera itself says that something moves, or (`press`) that its bell was rung: look closely now."""
        self._of(camera).say({"do": "wake", "camera": camera, "press": press})

    async def sleep(self, camera: str, on: bool = True) -> None:
        """Do not look through this camera; `on=False` looks again."""
        self._of(camera).say({"do": "sleep", "camera": camera, "on": on})

    def _of(self, camera: str) -> "_Child":
        if camera not in self.cameras:
            raise Refused("There is no such camera.")
        child = self.children.get(camera) or self.children.get("")
        if child is None:
            raise Unreachable("The eyes are not open.")
        return child

    async def hear(self, row: Mapping[str, Any], child: "_Child") -> None:
        """One line of a child; what is not understood is left out."""
        kind, camera, ask = row.get("is"), str(row.get("camera", "")), row.get("ask")
        if kind == "sighting":
            await self._sighted(row, child)
        elif kind == "frame" and isinstance(ask, int) and ask in self.asks and not self.asks[ask].done():
            self.asks[ask].set_result(row)
        elif kind == "camera":
            await self.state(camera, str(row.get("state", ""))[:20], redact(str(row.get("why", "")))[:200])
        elif kind == "figures":
            self.figures[child.name] = dict(row)

    async def state(self, camera: str, state: str, why: str) -> None:
        """A camera is now so; told on where that is news."""
        if camera in self.cameras and self.states.get(camera) != state:
            self.states[camera] = state
            await self.on_camera(camera, state, why)

    async def _sighted(self, row: Mapping[str, Any], child: "_Child") -> None:
        try:
            sighting = Sighting.parse(row)
            await self.on_sighting(sighting)
            child.say({"do": "ack", "sighting": sighting.id})
        except Exception:  # whatever went wrong with it, it is sent again
            log.exception("A sighting could not be taken")

    async def died(self, child: "_Child", suspect: str, how: str) -> None:
        """A child ended by itself; who is to blame is told."""
        log.warning("The eyes have died (%s)%s", how, f" while looking through {suspect}" if suspect else "")
        if suspect in self.cameras:
            self.strikes[suspect] = self.strikes.get(suspect, 0) + 1
            await self.state(suspect, "crashed", how)
            self._changed.set()


class _Child:
    """One process of the eyes; started again for as long as there are cameras for it."""

    def __init__(self, eyes: Eyes, name: str) -> None:
        self.eyes, self.name = eyes, name
        self.process: asyncio.subprocess.Process | None = None
        self._threads: dict[str, str] = {}  # of the process, to cameras
        self._held = self._suspect = ""
        self._silent = 0.0  # seconds of its own time

    async def run(self) -> None:
        deaths: deque[float] = deque(maxlen=len(BACKOFF))
        try:
            while self.eyes.mine(self.name):
                self._threads, self._held, self._suspect = {}, self._suspect, ""
                how = await self._live()
                deaths.append(time.monotonic())
                await self.eyes.died(self, self._suspect, how)
                await asyncio.sleep(BACKOFF[sum(deaths[-1] - at < LATELY for at in deaths) - 1])
        finally:
            del self.eyes.children[self.name]

    async def _live(self) -> str:
        """One process, from start to end; returns how it ended."""
        pipe, environment = asyncio.subprocess.PIPE, {**os.environ, "DOBBY_EYES_PARENT": str(os.getpid())}
        process = self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dobby.vision", stdin=pipe, stdout=pipe, stderr=pipe, limit=LONGEST, env=environment
        )
        self._silent = -STARTING
        self.watch()
        assert process.stdout is not None and process.stderr is not None
        errors = asyncio.create_task(self._read(process.stderr, self._warned))
        guard = asyncio.create_task(self._guard(process))
        try:
            await self._read(process.stdout, self._said)
            await asyncio.wait({errors}, timeout=1)
        finally:
            errors.cancel()
            guard.cancel()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        code = process.returncode or 0
        return signal.Signals(-code).name if code < 0 else f"status {code}"

    async def _guard(self, process: asyncio.subprocess.Process) -> None:
        """A suspect comes last and alone; a process that says nothing any more is ended, and so is one that has to go without."""
        await asyncio.sleep(LAST)
        self._held, pace = "", Pace(process.pid)
        self.watch()
        while self._silent < SILENCE and self.eyes.mine(self.name):
            await asyncio.sleep(1.0)
            self._silent += pace.passed()
        process.kill()

    def watch(self) -> None:
        """Tell the process which cameras are its own now."""
        rows = [asdict(camera) for camera in self.eyes.mine(self.name) if camera.id != self._held]
        self.say({"do": "watch", "cameras": rows, "settings": self.eyes.settings})

    def say(self, row: Mapping[str, Any]) -> None:
        """A line to the process; lost where there is none: what matters is said anew when it starts."""
        if self.process is not None and self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(line(row))

    async def _read(self, stream: asyncio.StreamReader, heard: Callable[[bytes], Awaitable[None]]) -> None:
        data = b"\n"
        while data:
            try:
                data = await stream.readline()
            except ValueError:  # longer than any line of ours
                continue
            await heard(data)

    async def _said(self, data: bytes) -> None:
        row = parse_line(data)
        self._silent = 0.0 if row else self._silent
        if "thread" in row:
            self._threads[str(row["thread"])] = str(row.get("camera"))
        if row.get("hangs") and self.process is not None:  # a thread cannot be ended, its process can
            self._suspect = str(row.get("camera"))
            self.process.kill()
        await self.eyes.hear(row, self)

    async def _warned(self, data: bytes) -> None:
        """What libraries say; and, at a crash, which thread it was."""
        found = CULPRIT.match(data)
        if found:
            self._suspect = self._threads.get(found[1].decode(), self._suspect)
        if data:
            log.debug("eyes: %s", redact(data.decode("utf-8", "replace").rstrip())[:300])
