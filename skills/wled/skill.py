"""WLED: the driver of LED controllers. Found, read, set and heard over their WebSocket; `strip.py` speaks, `words.py` translates.

It does not know the house. The library is imported when the first controller is met.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from dobby import Ask, Change, Device, DobbyError, Driver, Finding, Following, Refused, Sign, State, Unreachable, Value, Vault

if TYPE_CHECKING:
    from .strip import Strip

BEAT_SECONDS = 10.0  # between looks where there is no push
LONGEST_PAUSE = 30.0  # seconds between tries to reach one that is gone
BLINK_SECONDS = 0.4
log = logging.getLogger("dobby.skill.wled")


class Wled:
    """All WLED controllers of the house, one connection each."""

    looks_for: Sequence[Sign] = (Sign("mdns", "_wled._tcp.local."), Sign("http", "/json/info leds"), Sign("config", "wled"))
    library: Sequence[str] = ("aiohttp", "wled")

    def __init__(self, beat: float = BEAT_SECONDS) -> None:
        self.beat = beat
        self._net: Any = None
        self._strips: dict[str, Strip] = {}
        self._following = Following()

    def _strip(self, address: str, mac: str = "") -> "Strip":
        from .strip import Net, Strip

        if self._net is None:
            self._net = Net()
        known = self._strips.get(mac)
        if known is None or known.address != address:
            known = Strip(self._net, address, mac)
            if mac:
                self._strips[mac] = known
        return known

    def _of(self, device: Device) -> "Strip":
        return self._strip(device.address, device.id.removeprefix("wled.").partition("-")[0])

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """The light behind the finding, and its segments as parts."""
        from . import words
        from .strip import telling

        address = finding.address.removesuffix(":80")
        live = await self._strip(address).look()
        if not words.MAC.fullmatch(live.info.mac_address.lower()):
            raise Refused(f"What answers at {address} is no WLED controller.")
        with telling(address):
            found = list(words.devices(live, address))
        for device in found:
            yield device

    async def attach(self, device: Device) -> None:
        """Know where it is; nobody is waited for."""
        self._of(device)

    async def read(self, device: Device) -> State:
        """All traits, asked afresh."""
        strip = self._of(device)
        await strip.look()
        state = strip.state(device)
        if state is None:
            raise Unreachable(f"{device.name} is no longer a segment of its strip.")
        return state

    async def set(self, device: Device, wanted: State) -> None:
        """One message for all traits; returns when the controller took it."""
        from . import words

        strip = self._of(device)
        live = strip.live if strip.heard and strip.live else await strip.look()
        await strip.tell(words.change(device, wanted, live))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`blink`: twice the other way round, then as it was."""
        if verb != "blink":
            raise Refused(f"{device.name} cannot do that.")
        was = (await self.read(device)).get("on") is True
        for on in (not was, was, not was, was):
            await self.set(device, {"on": on})
            await asyncio.sleep(BLINK_SECONDS)

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the controllers push, and whether they are there, said once; looked at where they cannot push."""
        news: asyncio.Queue[Change | None] = asyncio.Queue()
        strips: dict[str, tuple[Strip, list[Device]]] = {}
        for device in devices:
            strip = self._of(device)
            strips.setdefault(strip.mac, (strip, []))[1].append(device)
        follow = (self._follow(strip, own, news) for strip, own in strips.values())
        async with aclosing(self._following.hear(news, follow)) as changes:
            async for change in changes:
                yield change

    async def _follow(self, strip: "Strip", devices: Sequence[Device], news: "asyncio.Queue[Change | None]") -> None:
        """One controller, for as long as anybody listens: here, gone, here again."""
        said: dict[str, tuple[State, bool]] = {}
        pause = self.beat / 10
        while True:
            try:
                await strip.look()
                _tell(strip, devices, said, news)
                pause = self.beat / 10
                if strip.pushes:
                    await strip.listen(lambda: _tell(strip, devices, said, news))
                else:
                    await asyncio.sleep(self.beat)
            except DobbyError as error:
                log.debug("%s: %s", strip.address, error)
                if not await _still_there(strip):
                    strip.forget()
                    _tell(strip, devices, said, news)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def aclose(self) -> None:
        """Hear no more, let the connections go."""
        await self._following.aclose()
        if self._net is not None:
            await self._net.aclose()


async def _still_there(strip: "Strip") -> bool:
    """It closed the line or refused one more listener, but answers."""
    with suppress(DobbyError):
        await strip.look()
        return True
    return False


def _tell(
    strip: "Strip", devices: Sequence[Device], said: dict[str, tuple[State, bool]], news: "asyncio.Queue[Change | None]"
) -> None:
    """What is new about each device, and whether it is there, each once."""
    for device in devices:
        state = strip.state(device)
        was, there = said.get(device.id, ({}, None))
        now = state if state is not None else {}
        fresh = {trait: value for trait, value in now.items() if trait not in was or was[trait] != value}
        turned = None if there is (state is not None) else state is not None
        if fresh or turned is not None:
            said[device.id] = (now, state is not None)
            news.put_nowait(Change(device.id, fresh, turned))


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Wled()
