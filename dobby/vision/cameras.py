"""Keeps the eyes on the house's cameras: which of them, their zones and masks, who sleeps; and lets old pictures go.

What they see is handed on (`take`). It does not look itself, nor know what is worth telling.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dobby.config import EyesConfig
from dobby.errors import DeviceError, Refused
from dobby.events import Change, State, Value
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.house.state import Turn
from dobby.journal import sightings as rows
from dobby.journal.sightings import Seen
from dobby.skill.driver import Driver
from dobby.skill.lens import Lens, Streams
from dobby.store import Store
from dobby.vision.host import Eyes
from dobby.vision.wire import Camera, Sighting

log = logging.getLogger(__name__)
BEAT = 2.0  # seconds between looks whether the cameras are still these
SWEEP = 3600.0  # seconds between looks for what is too old
ASKING = 15.0  # seconds a camera may take to say where its streams are
MISSING = "I have cameras, but to watch them I need more: pip install 'dobby[eyes]'"


class Watching:
    """The eyes of one house. `take` is handed each sighting, `keep` a picture's bytes for its path; `complain` tells the owners
    once what is missing; `work` does something beside the loop, by a name."""

    take: Callable[[Seen], Awaitable[None]]
    keep: Callable[[bytes], Awaitable[str]]
    complain: Callable[[str, str], Awaitable[None]]
    work: Callable[[Coroutine[Any, Any, None], str], object]

    def __init__(self, house: House, drivers: Mapping[str, Driver], store: Store, config: EyesConfig, folder: Path) -> None:
        self._house, self._drivers, self._store, self._config = house, drivers, store, config
        self._clock, self._folder = house.clock, folder / "sightings"
        settings = {"detector": config.detector, "weights": config.weights, "couriers": config.couriers}
        self.eyes = Eyes(self._folder, {name: value for name, value in settings.items() if value}, self._seen, self._stands)
        self._streams: dict[str, tuple[str, Streams]] = {}
        self._watched: list[Camera] = []
        self._told: set[str] = set()  # what is wrong with the eyes

    async def run(self) -> None:
        """Watch until cancelled."""
        self._house.state.listen(self._turned)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_now_and_then(), name="sweep pictures")
            if self._config.on:
                group.create_task(self._open(), name="open the eyes")

    async def _open(self) -> None:
        """With the first camera; without what it takes to look, an owner hears what to install."""
        while not self._cameras():
            await self._clock.sleep(BEAT)
        if not all(map(find_spec, ("av", "cv2"))):
            await self.complain("eyes", MISSING)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.eyes.run(), name="eyes")
            group.create_task(self._keep_up(), name="cameras")

    def _cameras(self) -> list[Device]:
        return [one for one in self._house if one.kind == "camera" and self._lens(one) is not None]

    def _lens(self, device: Device) -> Lens | None:
        driver: object = self._drivers.get(device.driver)
        return driver if isinstance(driver, Lens) else None

    async def _keep_up(self) -> None:
        while True:
            views = await self._store.read(rows.views)
            awake = [one for one in self._cameras() if self._house.state.of(one.id).get("on") is not False]
            found = [row for one in awake if (row := await self._camera(one, views.get(one.id, {}))) is not None]
            if found != self._watched:
                self._watched = found
                await self.eyes.watch(found)
            said = {str(words)[:300] for row in self.eyes.figures.values() for words in row.get("troubles", ())}
            for words in said - self._told:
                await self.complain("eyes", words)
            self._told |= said
            await self._clock.sleep(BEAT)

    async def _camera(self, device: Device, view: dict[str, Any]) -> Camera | None:
        """A camera as the eyes need it; None while it does not say where its stream is."""
        lens, known = self._lens(device), self._streams.get(device.id)
        if known is None or known[0] != device.address:
            if lens is None:
                return None
            try:
                async with asyncio.timeout(ASKING):
                    known = self._streams[device.id] = (device.address, await lens.streams(device))
            except (DeviceError, TimeoutError) as error:
                log.info("%s does not say where its stream is: %r", device.id, error)
                return None
        streams = known[1]
        row = {"watch": streams.watch, "keep": streams.keep, "decode": streams.decode}
        with suppress(ValueError):
            return Camera.parse({"id": device.id, "name": device.name, "room": device.room, **row, **view})
        return Camera.parse({"id": device.id, "name": device.name, "room": device.room, **row})

    # What the eyes say

    async def _seen(self, sighting: Sighting) -> None:
        known = {name.name: getattr(sighting, name.name) for name in fields(Seen) if hasattr(sighting, name.name)}
        inside = {name: self._inside(known[name]) for name in ("picture", "clip")}
        await self.take(Seen(**{**known, **inside}))

    def _inside(self, path: str) -> str:
        """A picture of ours; whatever else a broken child may name is none."""
        found = Path(path).resolve() if path else None
        return str(found) if found and found.is_relative_to(self._folder.resolve()) else ""

    async def _stands(self, camera: str, state: str, why: str) -> None:
        """A stream that stands still, or is gone, is a camera that cannot be reached; where it is may have changed."""
        log.info("%s is %s: %s", camera, state, why)
        if state == "unreachable":
            self._streams.pop(camera, None)
        if self._house.get(camera) is not None:
            self._house.state.hear(Change(camera, available=state == "ok"))

    # What the house says

    def _turned(self, turn: Turn) -> None:
        device = self._house.get(turn.device)
        if device is None or device.kind != "camera" or not turn.now or turn.trait not in ("motion", "pressed"):
            return
        press = turn.trait == "pressed"
        self.work(self._wake(device, press), f"wake {device.id}")

    async def _wake(self, device: Device, press: bool) -> None:
        """The camera says that something moves, or that its bell was pressed; where nobody looks, that is told as it is."""
        if self.eyes.states.get(device.id) == "ok":
            with suppress(DeviceError):
                await self.eyes.wake(device.id, press)
                return
        if press:
            now, picture = self._clock.now(), ""
            with suppress(DeviceError, TimeoutError):
                async with asyncio.timeout(ASKING / 10):
                    picture = str((await self.look(device))["picture"])
            seen = Seen(f"press-{device.id}-{now:.0f}", device.id, "person", "press", now, picture=picture)
            await self.take(seen)

    async def look(self, device: Device) -> State:
        """A `picture` of this moment, as a path, and what it `sees` where that is known.

        :raises Refused: it sleeps, or has none; :raises Unreachable: not now.
        """
        if self._house.state.of(device.id).get("on") is False:
            raise Refused("asleep")
        try:
            path, sees = await self.eyes.look(device.id)
            return {"picture": self._inside(str(path)), "sees": list[Value](sees)}
        except DeviceError:
            masks = (await self._store.read(rows.views)).get(device.id, {}).get("masks")
            lens = self._lens(device)
            if masks or lens is None:
                raise
            return {"picture": await self.keep(await lens.picture(device))}

    # Erasing

    async def _sweep_now_and_then(self) -> None:
        while True:
            config, now = self._config, self._clock.now()
            files = await asyncio.to_thread(_files, self._folder)
            before = max(now - config.days * 86400, _too_much(files, config.megabytes * 2**20))
            old = [path for path, at, _ in files if at < before]
            gone = await self._store.write(partial(rows.erase, before=before, files=[str(path.resolve()) for path in old]))
            await asyncio.to_thread(_remove, [Path(name) for name in gone if self._inside(name)])
            await self._clock.sleep(SWEEP)


def _files(folder: Path) -> list[tuple[Path, float, int]]:
    """Every file, its time and size, latest first."""
    found = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return sorted(((path, stat.st_mtime, stat.st_size) for path, stat in found), key=lambda one: -one[1])


def _too_much(files: Iterable[tuple[Path, float, int]], most: int) -> float:
    """The time before which files no longer fit into so many bytes; 0 where all do."""
    for _, at, size in files:
        most -= size
        if most < 0:
            return at + 0.001
    return 0.0


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # a day that is empty
