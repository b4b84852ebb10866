"""Cameras and doorbells: the driver. ONVIF ones are found and asked (`line.py`); any other stream is named in `dobby.toml`.

A camera's `on` is whether Dobby watches it. It does not know what is to be seen: the eyes look (`dobby/vision`), in a process
of their own.
"""

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dobby import Ask, Change, Device, DobbyError, Finding, Refused, Sign, State, Streams, Unreachable, Value, Vault, specs, verbs

if TYPE_CHECKING:
    from .line import Line

PORT = 80
LONGEST_PAUSE = 60.0  # seconds between tries to reach one that is gone
ATTEMPTS = 3  # passwords asked for in a row; many cameras lock themselves after five
STILL = 30.0  # seconds after which motion ends, where a camera says only that it begins
BELLS = re.compile(r"bell|klingel|visitor|intercom", re.I)
log = logging.getLogger("dobby.skill.camera")


class Cameras:
    """All cameras of the house. `vault` keeps their passwords and which of them sleep; `settings` the streams of the config."""

    looks_for: Sequence[Sign] = (
        Sign("wsd", "NetworkVideoTransmitter"),
        Sign("config", "camera"),
        Sign("named", "camera"),
    )

    def __init__(self, beat: float = 30.0) -> None:
        self.beat = beat
        self.vault: Vault | None = None
        self.settings: Mapping[str, Any] = {}
        self._lines: dict[str, Line] = {}
        self._state: dict[str, dict[str, Value]] = {}
        self._news: asyncio.Queue[Change | None] = asyncio.Queue()

    # Finding

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """The streams of `[skills.camera.streams]`; nobody is asked anything."""
        for name in self._streams():
            yield Finding(Sign("named", "camera"), name)

    def _streams(self) -> dict[str, Mapping[str, Any]]:
        """Name -> its table; a URL alone is what is watched."""
        named = self.settings.get("streams", {})
        rows = {name: {"watch": row} if isinstance(row, str) else row for name, row in named.items()}
        if not all(
            isinstance(row, Mapping) and isinstance(row.get("watch"), str) and row["watch"].strip() for row in rows.values()
        ):
            raise Refused(
                '[skills.camera.streams] is a table of names, each with a URL: Gate = "rtsp://…", or watch = and keep =.'
            )
        return rows

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """A camera, once it lets us in; it may ask for a user name and a password."""
        self.vault = vault
        if finding.sign.via == "named":
            row = self._streams().get(finding.address)
            if row is None:
                raise Refused("There is no stream of that name in [skills.camera.streams].")
            yield _device(_named(finding.address), finding.address[:60], room=str(row.get("room", "")))
            return
        host, port = _place(finding)
        line = await self._let_in(host, port, ask, vault)
        about = await line.look()
        serial = (
            re.sub(r"[^a-z0-9]", "", about.serial.casefold())[:40] or hashlib.sha256(f"{host}:{port}".encode()).hexdigest()[:12]
        )
        key = f"camera.{serial}"
        if line is not self._lines.get(key):
            await self._forget(key)
            self._lines[key] = line
        name = about.name or about.model
        yield _device(key, name or "Camera", f"{host}:{port}", about.model, f"serial:{serial}")

    async def _let_in(self, host: str, port: int, ask: Ask, vault: Vault) -> "Line":
        from .line import Line, Locked, login

        where = f"{host}:{port}"
        user, password = login(vault.get(f"login {where}"))
        user, password = user or str(self.settings.get("user", "")), password or str(self.settings.get("password", ""))
        for attempt in range(ATTEMPTS + 1):
            line = self._standing(host, port, user, password) or Line(host, port, user, password)
            try:
                await line.look()
            except Locked:
                await line.aclose()
                words = f"The camera at {where} is locked. It wants a user name. Which one?"
                if attempt:
                    words = f"The camera at {where} does not take that. It wants a user name. Which one?"
                user = await ask(words, ()) if attempt < ATTEMPTS else ""
                password = await ask("And its password?", ()) if user else ""
                if not user:
                    raise
            except DobbyError:
                await line.aclose()
                raise
            else:
                if attempt:
                    await vault.put(f"login {where}", json.dumps({"user": user, "password": password}))
                return line
        raise Refused(f"The camera at {where} does not let me in.")

    def _standing(self, *at: object) -> "Line | None":
        return next((line for line in self._lines.values() if (line.host, line.port, line.user, line.secret) == at), None)

    async def attach(self, device: Device) -> None:
        """Know where it is, and whether it sleeps; nobody is waited for."""
        asleep = self.vault is not None and self.vault.get(f"asleep {device.id}") == "yes"
        self._state.setdefault(device.id, {})["on"] = not asleep

    async def _line(self, device: Device) -> "Line":
        from .line import Line, login

        host, port = _split(device.address)
        known = self._lines.get(device.id)
        if known is None or (known.host, known.port) != (host, port):
            await self._forget(device.id)
            user, password = login(self.vault.get(f"login {device.address}") if self.vault else None)
            user, password = user or str(self.settings.get("user", "")), password or str(self.settings.get("password", ""))
            known = self._lines[device.id] = Line(host, port, user, password)
        return known

    async def _forget(self, key: str) -> None:
        line = self._lines.pop(key, None)
        if line is not None:
            await line.aclose()

    # Looking

    async def streams(self, device: Device) -> Streams:
        """Where to watch it."""
        if device.address:
            return await (await self._line(device)).streams()
        row = next((row for name, row in self._streams().items() if _named(name) == device.id), None)
        if row is None:
            raise Unreachable(f"{device.name} is no longer in dobby.toml.")
        return Streams(row["watch"].strip(), str(row.get("keep", "")), str(row.get("decode", "auto")))

    async def picture(self, device: Device) -> bytes:
        """A still, where the camera makes one."""
        if not device.address:
            raise Refused(f"{device.name} is only a stream.")
        return await (await self._line(device)).picture()

    async def read(self, device: Device) -> State:
        """Watching or not, and what it said last; an ONVIF camera is asked whether it is there."""
        if device.address:
            await (await self._line(device)).alive()
        return {"motion": False, **self._state.get(device.id, {"on": True})}

    async def set(self, device: Device, wanted: State) -> None:
        """To sleep, or to watch again; kept over restarts."""
        on = wanted.get("on")
        if not isinstance(on, bool) or set(wanted) != {"on"}:
            raise Refused(f"{device.name} can only watch or sleep.")
        if self.vault is not None:
            await self.vault.put(f"asleep {device.id}", "" if on else "yes")
        self._state.setdefault(device.id, {})["on"] = on
        self._news.put_nowait(Change(device.id, {"on": on}))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`snapshot`: look whether it gives one; the eyes take those that are shown."""
        if verb != "snapshot":
            raise Refused(f"{device.name} cannot do that.")
        if self._state.get(device.id, {}).get("on") is False:
            raise Refused(f"{device.name} is asleep.")
        await self.picture(device)

    # Hearing

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the cameras say: motion, a press, and whether they are there, said once."""
        news = self._news = asyncio.Queue[Change | None]()
        for device in devices:
            yield Change(device.id, {"motion": False, **self._state.get(device.id, {"on": True})})
        tasks = [asyncio.create_task(self._follow(device)) for device in devices if device.address]
        for task in tasks:
            task.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (change := await news.get()) is not None:
                self._state.setdefault(change.device, {}).update(change.state)
                yield change
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, device: Device) -> None:
        """One camera, for as long as anybody listens: here, gone, here again."""
        there: bool | None = None
        pause = self.beat / 30
        while True:
            try:
                line = await self._line(device)
                await line.alive()
                there, pause = self._say(device, there, True), self.beat / 30
                await self._listen(device, line)
            except DobbyError as error:
                log.debug("%s: %s", device.id, error)
                there = self._say(device, there, False) if isinstance(error, Unreachable) else there
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self, device: Device, line: "Line") -> None:
        """Its events, for as long as it has some; else look from time to time whether it is there."""
        still: asyncio.TimerHandle | None = None
        try:
            async for kind, begins in line.events():
                if kind == "pressed":
                    if begins:  # the first value that is heard of anything is no change yet
                        known = {"pressed": 0.0, **self._state.get(device.id, {})}
                        self._news.put_nowait(Change(device.id, {"pressed": known["pressed"]}))
                        self._news.put_nowait(Change(device.id, {"pressed": round(time.time(), 3)}))
                    continue
                self._news.put_nowait(Change(device.id, {"motion": begins}))
                if still is not None:
                    still.cancel()
                if begins:
                    over = Change(device.id, {"motion": False})
                    still = asyncio.get_running_loop().call_later(STILL, self._news.put_nowait, over)
        except Refused as error:
            log.debug("%s has no events: %s", device.id, error)
            while True:
                await asyncio.sleep(self.beat)
                await line.alive()

    def _say(self, device: Device, before: bool | None, there: bool) -> bool:
        if there is not before:
            self._news.put_nowait(Change(device.id, available=there))
        return there

    async def aclose(self) -> None:
        """Hear no more, let the connections go."""
        for key in list(self._lines):
            await self._forget(key)


def _named(name: str) -> str:
    return f"camera.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _device(key: str, name: str, address: str = "", model: str = "", identity: str = "", room: str = "") -> Device:
    class_ = "doorbell" if BELLS.search(f"{model} {name}") else ""
    traits = specs("camera", ["on", "motion", "pressed"] if class_ else ["on", "motion"])
    return Device(key, "camera", "camera", name, identity, address, class_, room, traits=traits, verbs=verbs("camera"))


def _place(finding: Finding) -> tuple[str, int]:
    """Where its services are: the first address it names that is its own, else what the config says."""
    for url in finding.says.get("xaddrs", "").split():
        parts = urlsplit(url)
        if parts.hostname == finding.address:
            return finding.address, parts.port or PORT
    return _split(finding.address)


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    try:
        return (host, int(port)) if colon else (port, PORT)
    except ValueError:
        raise Refused(f"{address[:60]} is no address of a camera; streams go into [skills.camera.streams].") from None


driver = Cameras
