"""Philips Hue: the driver. Bridges found and paired, lamps and sensors adopted, read, set and heard through them.

It does not know the bridge's API (`bridge.py`, on aiohue) nor what its resources are to a house (`things.py`).
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dobby import Ask, Change, Device, DobbyError, Driver, Finding, Refused, Sign, State, Unreachable, Unsure, Value, Vault

from . import color, things as house

if TYPE_CHECKING:
    from .bridge import Bridge as Bridge
else:
    Bridge: TypeAlias = Any

BEAT_SECONDS = 60.0  # the longest silence until a bridge is asked whether it is still there
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds until a lost bridge is tried again
TRIES, TRY_SECONDS = 5, 1.0  # how often and how far apart a pressed button is looked for
BASIC = "urn:schemas-upnp-org:device:basic:1"
NO = frozenset({"no", "nein", "cancel", "later", "stop"})
_log = logging.getLogger(__name__)


class Hue:
    """All Hue Bridges of the house. The vault keeps, for each: where it is, its key, its certificate's fingerprint."""

    looks_for: Sequence[Sign] = (
        Sign("mdns", "_hue._tcp.local."),
        Sign("ssdp", BASIC),
        Sign("https", "/api/0/config bridgeid"),
        Sign("config", "hue"),
    )
    library: Sequence[str] = ("aiohttp", "aiohue")

    def __init__(self, beat: float = BEAT_SECONDS, pause: float = FIRST_PAUSE) -> None:
        self.beat, self.pause = beat, pause
        self.vault: Vault | None = None
        self._bridges: dict[str, Bridge] = {}
        self._asked: dict[str, tuple[str, color.Point]] = {}  # device -> the colour it was asked for, and what it became

    # Adopting

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Everything behind the bridge at the finding; who does not know us yet has its button asked for, once.

        :raises Refused: not paired, or not the bridge it was. :raises Unreachable: nobody there.
        """
        if finding.sign.via == "ssdp" and "hue-bridgeid" not in finding.says:
            return  # any UPnP device may be a "basic" one
        self.vault = vault
        at = _place(finding.address, finding.sign.via)
        id, pin = await _who(at)
        known = _kept(vault).get(id)
        words = ""
        if known is not None and known["pin"] != pin:
            words, known = "shows another certificate than when it was paired", None
        if known is not None:
            try:
                await self._open(id, at, known["key"], pin)
            except Refused as error:
                _log.info("%s", error)
                words, known = "no longer knows Dobby", None
        if known is None:
            await self._open(id, at, await self._pair(finding, at, pin, words, ask), pin)
        for thing in house.things(self._bridges[id].resources, at).values():
            yield thing.device

    async def _pair(self, finding: Finding, at: str, pin: str, words: str, ask: Ask) -> str:
        """A key. A bridge that the owner named in the config needs only its button; any other is asked about first."""
        from . import bridge

        which = at + (f" (it {words})" if words else "")
        with bridge.doubting(f"The Hue at {at}", Unreachable):
            try:
                if finding.sign.via == "config":
                    return await bridge.pair(at, pin)
            except bridge.NotPressed:
                pass
            answer = await ask(f"Press the round button on the Hue bridge at {which}, then say ok.", ("ok",))
            if not answer or answer.strip().casefold() in NO:
                raise Refused(f"The round button on the Hue bridge at {which} has to be pressed once.")
            for _ in range(TRIES):
                try:
                    return await bridge.pair(at, pin)
                except bridge.NotPressed:
                    await asyncio.sleep(TRY_SECONDS)
        raise Refused(f"The round button on the Hue bridge at {which} was not pressed.")

    async def _open(self, id: str, at: str, key: str, pin: str) -> None:
        """Talk to a bridge from now on, and keep what is needed for that. Raises `Refused` where the key is not taken."""
        from . import bridge

        opened = bridge.Bridge(id, at, key, pin)
        try:
            with bridge.doubting(f"The Hue at {at}", Unreachable):
                await opened.fetch()
        except BaseException:
            await opened.aclose()
            raise
        old = self._bridges.get(id)
        if old is not None and (old.at, old.key, old.pin) == (at, key, pin):
            await opened.aclose()
            old.resources = opened.resources
            return
        self._bridges[id] = opened
        if old is not None:
            await old.aclose()
        if self.vault is not None:
            kept = {**_kept(self.vault), id: {"at": at, "key": key, "pin": pin}}
            await self.vault.put("bridges", json.dumps(kept))

    # Reading and setting

    async def attach(self, device: Device) -> None:
        """Know the bridge again that was paired at the device's address."""
        from . import bridge

        for id, row in _kept(self.vault).items():
            if row["at"] == device.address and id not in self._bridges:
                self._bridges[id] = bridge.Bridge(id, row["at"], row["key"], row["pin"])

    async def _find(self, device: Device) -> tuple[Bridge, house.Thing]:
        from . import bridge

        found = next((one for one in self._bridges.values() if one.at == device.address), None)
        if found is None:
            raise Unreachable(f"{device.name}: its Hue bridge is not paired.")
        if not found.resources:
            with bridge.doubting(device.name, Unreachable):
                await found.fetch()
        thing = house.things(found.resources, found.at).get(device.id)
        if thing is None:
            raise Unreachable(f"{device.name} is no longer on its Hue bridge.")
        return found, thing

    async def read(self, device: Device) -> State:
        """All traits, freshly asked of the bridge; a lamp that the bridge does not reach is out of reach."""
        from . import bridge

        at, thing = await self._find(device)
        with bridge.doubting(device.name, Unreachable):
            await at.look(thing)
        self._reach(at, thing)
        return house.state(at.resources, thing, self._asked.get(device.id))

    def _reach(self, at: Bridge, thing: house.Thing) -> None:
        if not house.in_reach(at.resources, thing):
            raise Unreachable(f"{thing.device.name} does not answer the Hue bridge; is it switched off at the wall?")

    async def set(self, device: Device, wanted: State) -> None:
        """One command with all of it; a lamp without power is sent nothing."""
        from aiohue.v2.models.feature import EffectStatus

        at, thing = await self._find(device)
        if thing.type != "light":
            raise Refused(f"{device.name} has nothing to set.")
        said = house.orders(device, wanted, at.resources.get(thing.rid, {}))
        self._reach(at, thing)
        if "color_xy" in said:
            self._asked[device.id] = (str(wanted["color"]), said["color_xy"])
        if "effect" in said:
            said["effect"] = EffectStatus(said["effect"])
        await self._command(device, at.api.lights.set_state(thing.rid, **said))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`blink` a light (it breathes once), `run` a scene."""
        at, thing = await self._find(device)
        if verb == "blink" and thing.type == "light":
            self._reach(at, thing)
            await self._command(device, at.api.devices.set_identify(thing.owner))
        elif verb == "run" and thing.type == "scene":
            await self._command(device, at.api.scenes.scene.recall(thing.rid))
        else:
            raise Refused(f"{device.name} does not know how to “{house.clean(verb)}”.")

    async def _command(self, device: Device, command: Any) -> None:
        from . import bridge

        with bridge.doubting(device.name, Unsure):
            async with asyncio.timeout(bridge.ANSWER):
                await command

    # Hearing

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the bridges say by themselves; each is followed by itself, so that a lost one silences no other."""
        news: asyncio.Queue[Change] = asyncio.Queue()
        at = {device.address for device in devices}
        bridges = [one for one in self._bridges.values() if one.at in at]
        for device in devices:
            if device.address not in {one.at for one in bridges}:
                news.put_nowait(Change(device.id, available=False))
        tasks = [asyncio.create_task(self._follow(one, [d for d in devices if d.address == one.at], news)) for one in bridges]
        try:
            while True:
                yield await news.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, one: Bridge, devices: Sequence[Device], news: "asyncio.Queue[Change]") -> None:
        from . import bridge

        told: dict[str, dict[str, Value] | None] = {}
        pause = self.pause
        while True:
            try:
                with bridge.doubting(f"The Hue at {one.at}", Unreachable):
                    async for _ in one.listen(self.beat):
                        pause = self.pause
                        self._tell(one, devices, told, news)
            except DobbyError as error:
                _log.info("%s", error)
            for device in devices:
                _lost(device, told, news)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _tell(
        self,
        one: Bridge,
        devices: Sequence[Device],
        told: dict[str, dict[str, Value] | None],
        news: "asyncio.Queue[Change]",
    ) -> None:
        known = house.things(one.resources, one.at)
        for device in devices:
            thing = known.get(device.id)
            if thing is None or not house.in_reach(one.resources, thing):
                _lost(device, told, news)
                continue
            now, before = house.state(one.resources, thing, self._asked.get(device.id)), told.get(device.id)
            fresh = {trait: value for trait, value in now.items() if before is None or before.get(trait) != value}
            if fresh or before is None:
                news.put_nowait(Change(device.id, fresh, True if before is None else None))
            told[device.id] = now

    async def aclose(self) -> None:
        """Close every connection."""
        bridges, self._bridges = list(self._bridges.values()), {}
        await asyncio.gather(*(one.aclose() for one in bridges), return_exceptions=True)


def _lost(device: Device, told: dict[str, dict[str, Value] | None], news: "asyncio.Queue[Change]") -> None:
    """Say once that it is out of reach."""
    if told.get(device.id, {}) is not None:
        news.put_nowait(Change(device.id, available=False))
    told[device.id] = None


async def _who(at: str) -> tuple[str, str]:
    """The id and the certificate's fingerprint of the bridge at an address."""
    from . import bridge

    with bridge.doubting(f"The Hue at {at}", Unreachable):
        pin = await bridge.fingerprint(at)
        about = await bridge.asked("GET", at, "api/0/config", pin)
        id = str(about["bridgeid"]).lower()
        if len(id) != 16 or not all(letter in "0123456789abcdef" for letter in id):
            raise ValueError("no bridge id")
    return id, pin


def _kept(vault: Vault | None) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = json.loads((vault.get("bridges") if vault else None) or "{}")
    return rows


def _place(address: str, via: str) -> str:
    """`host[:port]` as host:port; SSDP and people leave out the port.

    :raises Refused: it is neither.
    """
    host, _, port = address.rpartition(":") if address.count(":") == 1 else (address, "", "443")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Refused(f"“{house.clean(address)}” is no address of a Hue bridge; write host or host:port.")
    return f"{host}:{port}"


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Hue()
