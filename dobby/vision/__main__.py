"""The child: looks through the cameras that the daemon names, and tells it what came. `python -m dobby.vision`.

It ends with the daemon: when its pipe ends, and when its parent dies. It speaks JSON lines (`wire`).
"""

import ctypes
import faulthandler
import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from dobby.errors import DobbyError
from dobby.vision.album import Album
from dobby.vision.detect import seeing
from dobby.vision.pace import Pace
from dobby.vision.watcher import Watcher
from dobby.vision.wire import Camera, Settings, Sighting, line, parse_line

log = logging.getLogger("dobby.vision")
TICK = 0.5  # seconds
AGAIN = 10.0  # seconds until an unacknowledged sighting is said again


class Child:
    """All cameras of this process."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._lock = out, threading.Lock()
        self.watchers: dict[str, Watcher] = {}
        self._settings: Settings | None = None
        self._album: Album
        self._detector: Any
        self._reader: Any = None
        self._troubles: list[str] = []
        self._round: Any = None
        self._owed: dict[str, tuple[float, Sighting]] = {}
        self._clips: list[tuple[float, Watcher, Path, float]] = []
        self._states: dict[str, str] = {}
        self._pace, self._silent = Pace(os.getpid()), dict[str, tuple[float, float]]()

    # What is said

    def say(self, row: dict[str, Any]) -> None:
        """One line to the daemon; without it there is nothing left to do."""
        try:
            with self._lock:
                self._out.write(line(row))
                self._out.flush()
        except OSError:
            os._exit(0)

    def _state(self, camera: str, state: str, why: str) -> None:
        if self._states.get(camera) != state:
            self._states[camera] = state
            self.say({"is": "camera", "camera": camera, "state": state, "why": why})

    def _began(self, camera: str, thread: int) -> None:
        self.say({"is": "thread", "camera": camera, "thread": f"{thread:x}"})

    def _sighted(self, camera: Camera, sighting: Sighting, visit: Any, picture: Any) -> None:
        """A sighting: its picture and itself onto the disk, then to the daemon; of which visit, if another camera told."""
        if sighting.phase == "arrived" and not sighting.candidate:
            with self._lock:
                visit.learn(same_as=self._round.first(camera.room, visit))
            sighting = replace(sighting, same_as=visit.facts.same_as)
        if picture is not None:
            path = self._album.keep(picture, sighting.id, sighting.at)
            sighting = replace(sighting, picture=str(path))
            watcher, seconds = self.watchers.get(camera.id), self._settings.clip if self._settings else 0.0
            if watcher is not None and seconds and not camera.masks and not sighting.candidate:
                sighting = replace(sighting, clip=str(path.with_suffix(".mp4")))
                self._clips.append((sighting.certain + seconds, watcher, path.with_suffix(".mp4"), sighting.certain))
        self._album.owe(sighting)
        self._owed[sighting.id] = (time.monotonic(), sighting)
        self.say({"is": "sighting", **asdict(sighting)})

    # What is asked

    def hear(self, row: dict[str, Any]) -> None:
        """One line of the daemon."""
        do, watcher = row.get("do"), self.watchers.get(str(row.get("camera")))
        if do == "watch":
            self._watch(Settings.parse(row.get("settings") or {}), list(map(Camera.parse, row.get("cameras", ()))))
        elif do == "ack":
            self._owed.pop(str(row.get("sighting")), None)
            self._album.paid(str(row.get("sighting")))
        elif do == "look":
            threading.Thread(target=self._answer, args=(int(row["ask"]), watcher), daemon=True).start()
        elif do == "wake" and watcher is not None:
            watcher.wake()
            if row.get("press"):
                threading.Thread(target=self._press, args=(watcher,), daemon=True).start()
        elif do == "sleep" and watcher is not None:
            watcher.sleep(bool(row.get("on", True)))

    def _watch(self, settings: Settings, cameras: list[Camera]) -> None:
        if settings != self._settings:
            self._furnish(settings)
        kept = {name: watcher for name, watcher in self.watchers.items() if watcher.camera in cameras}
        for name, watcher in self.watchers.items():
            if name not in kept:
                watcher.stop()
        self.watchers = kept
        for camera in cameras:
            if camera.id not in kept:
                tell, say = partial(self._sighted, camera), partial(self._state, camera.id)
                self._states.pop(camera.id, None)
                self.watchers[camera.id] = Watcher(camera, settings, self._detector, self._reader, tell, say)
                self.watchers[camera.id].start(partial(self._began, camera.id))

    def _furnish(self, settings: Settings) -> None:
        for watcher in self.watchers.values():
            watcher.stop()
        self.watchers, self._settings, self._troubles = {}, settings, []
        see = seeing(settings.models)
        self._album, self._round, self._reader = Album(Path(settings.folder)), see.Round(), None
        try:
            self._detector = see.make_detector(settings.detector, settings.weights)
        except (DobbyError, ImportError) as error:
            self._detector = see.make_detector("motion")
            self._troubles.append(f"{error} Until then only motion is seen.")
        try:
            self._reader = see.Reader(settings.couriers)
        except DobbyError as error:
            self._troubles.append(f"{error} Until then no lettering is read.")
        else:
            threading.Thread(target=self._reader.warm, daemon=True).start()
        self._owed = {sighting.id: (0.0, sighting) for sighting in self._album.owed()}

    def _answer(self, ask: int, watcher: Watcher | None) -> None:
        """A picture of now."""
        picture, now, row = watcher.fresh(4.0) if watcher is not None else None, time.time(), {"is": "frame", "ask": ask}
        if watcher is not None and picture is not None:
            row |= {"picture": str(self._album.keep(picture, f"look-{now:.1f}", now)), "sees": watcher.eye.sees(picture, now)}
        self.say(row)

    def _press(self, watcher: Watcher) -> None:
        watcher.eye.press(time.time(), watcher.fresh(1.5))

    # What goes on

    def tick(self) -> None:
        """Twice a second: clips that are over, sightings not yet taken; every two seconds, how it goes."""
        count = 0
        while True:
            time.sleep(TICK)
            count += 1
            due = [row for row in self._clips if row[0] <= time.time()]
            self._clips = [row for row in self._clips if row not in due]
            for _, watcher, path, at in due:
                watcher.clip(path, at)
            for name, (said, sighting) in list(self._owed.items()):
                if time.monotonic() - said > AGAIN and name in self._owed:
                    self._owed[name] = (time.monotonic(), sighting)
                    self.say({"is": "sighting", **asdict(sighting)})
            if count % 4 == 0:
                self._figures()

    def _figures(self) -> None:
        cameras, passed = {}, self._pace.passed()
        for name, watcher in list(self.watchers.items()):
            alive, silent = self._silent.get(name, (0.0, 0.0))
            silent = silent + passed if alive == watcher.alive < time.monotonic() else 0.0
            self._silent[name] = watcher.alive, silent
            if self._settings and silent > self._settings.hangs:
                self.say({"is": "camera", "camera": name, "state": "crashed", "why": "its decoder hangs", "hangs": True})
            cameras[name] = {"frames": watcher.frames, "decoded": watcher.decoded, "active": watcher.eye.active}
        usage, calls = resource.getrusage(resource.RUSAGE_SELF), self._detector.calls if self._settings else 0
        spent = round(usage.ru_utime + usage.ru_stime, 3)
        self.say({"is": "figures", "cpu": spent, "calls": calls, "cameras": cameras, "troubles": self._troubles})


def main() -> None:
    """Live until the pipe ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.environ.get("DOBBY_EYES_PARENT", str(os.getppid())) != str(os.getppid()):
        return  # it died before that
    faulthandler.enable(sys.stderr)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to follow
    os.nice(5)  # a text goes before a picture
    cv2.setNumThreads(1)
    child = Child(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a library prints is no line of ours
    threading.Thread(target=child.tick, daemon=True).start()
    for data in sys.stdin.buffer:
        try:
            child.hear(parse_line(data))
        except Exception:  # one bad line must not close the eyes
            log.exception("A line of the daemon could not be followed")
    os._exit(0)


if __name__ == "__main__":
    main()
