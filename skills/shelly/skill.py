"""Shelly: the driver. `link.py` speaks JSON-RPC over a WebSocket, `gen1.py` to the first generation, `parts.py` translates.

It does not know the house. The library is imported when the first Shelly is met.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from dobby import Ask, Change, Device, DobbyError, Driver, Finding, Following, Refused, Sign, State, Unreachable, Value, Vault

from . import parts

if TYPE_CHECKING:
    from .link import Link

BEAT = 3.0  # seconds between looks at one of the first generation, which pushes nothing that could be heard here
LONGEST_PAUSE = 30.0  # seconds between tries to reach one that is gone
ATTEMPTS = 3  # at a password
log = logging.getLogger("dobby.skill.shelly")


class Shelly:
    """All Shellys of the house, one line each. `vault` holds their passwords, by MAC."""

    looks_for: Sequence[Sign] = (
        Sign("mdns", "_shelly._tcp.local."),
        Sign("mdns", "_http._tcp.local."),
        Sign("http", "/shelly mac"),
        Sign("config", "shelly"),
    )
    library: Sequence[str] = ("aiohttp", "aioshelly.rpc_device")

    def __init__(self, pause: float = 1.0, beat: float = BEAT) -> None:
        self.vault: Vault | None = None
        self.pause, self.beat = pause, beat
        self._session: Any = None
        self._links: dict[str, Link] = {}
        self._following = Following()

    def _link(self, address: str, mac: str = "") -> "Link":
        try:
            from aiohttp import ClientSession

            from .link import Link
        except ImportError as error:
            raise Refused("Shelly needs one more library: pip install 'dobby[shelly]'") from error
        if self._session is None:
            self._session = ClientSession()
        known = self._links.get(mac)
        if known is None or known.address != address:
            if known is not None:
                self._following.start(known.aclose())
            known = Link(self._session, address, mac, (self.vault and self.vault.get(mac)) or "", self.beat)
            if mac:
                self._links[mac] = known
        return known

    def _of(self, device: Device) -> "Link":
        return self._link(device.address, device.id.removeprefix("shelly.").partition("-")[0])

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """What it switches, its meters and inputs; asks for its password where it has one."""
        self.vault = vault
        if finding.sign.what == "_http._tcp.local." and not finding.says.get("name", "").casefold().startswith("shelly"):
            return  # some other web page
        address = finding.address.removesuffix(":80")
        info = await self._link(address).info()
        mac = str(info.get("mac", "")).lower() if isinstance(info, dict) else ""
        if not parts.MAC.fullmatch(mac) or not (parts.is_old(info) or isinstance(info.get("gen"), int)):
            raise Refused(f"What answers at {address} is no Shelly.")
        link = self._link(address, mac)
        link.password = vault.get(mac) or link.password
        await self._enter(link, parts.clean(info.get("name") or info.get("id")), ask, vault)
        for device in parts.devices(link.shelly, link.config, link.status, address):
            yield device

    async def _enter(self, link: "Link", name: str, ask: Ask, vault: Vault) -> None:
        from .link import Locked

        for attempt in range(ATTEMPTS + 1):
            try:
                await link.open()
                break
            except Locked:
                words = f"The Shelly {name} at {link.address} wants its password. Which one?"
                answer = await ask(words, ()) if attempt < ATTEMPTS else ""
                if not answer:
                    raise
                link.password = answer
        if link.password and link.password != vault.get(link.mac):
            await vault.put(link.mac, link.password)

    async def attach(self, device: Device) -> None:
        """Know where it is; nobody is waited for."""
        self._of(device)

    async def read(self, device: Device) -> State:
        """All traits, asked afresh."""
        state = parts.state(device, await self._of(device).look())
        if state is None:
            raise Unreachable(f"{device.name} is no longer there: its Shelly was set up differently.")
        return state

    async def set(self, device: Device, wanted: State) -> None:
        """One call for all traits; returns when the Shelly took it."""
        link = self._of(device)
        await link.open()
        await link.call(*parts.call(device, wanted, link.status))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`stop` a cover; `blink` a light: twice the other way round, then as it was."""
        _, component, number, _ = parts.place(device)
        if verb == "stop" and component == "cover":
            await self._of(device).call("Cover.Stop", {"id": number})
        elif verb == "blink" and device.kind == "light":
            was = (await self.read(device)).get("on") is True
            for on in (not was, was, not was, was):
                await self.set(device, {"on": on})
                await asyncio.sleep(0.4)
        else:
            raise Refused(f"{device.name} cannot do that.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What they push, and whether they are there, said once."""
        news: asyncio.Queue[Change | None] = asyncio.Queue()
        links: dict[str, tuple[Link, list[Device]]] = {}
        for device in devices:
            link = self._of(device)
            links.setdefault(link.mac, (link, []))[1].append(device)
        follow = (self._follow(link, own, news) for link, own in links.values())
        async with aclosing(self._following.hear(news, follow)) as changes:
            async for change in changes:
                yield change

    async def _follow(self, link: "Link", devices: Sequence[Device], news: "asyncio.Queue[Change | None]") -> None:
        """One Shelly, for as long as anybody listens: here, gone, here again."""
        said: dict[str, tuple[State, bool]] = {}
        pause = self.pause

        def tell() -> None:
            for device in devices:
                _tell(device, parts.state(device, link.status) if link.up else None, said, news)

        try:
            while True:
                try:
                    await link.open()
                    link.heard = tell
                    tell()
                    pause = self.pause
                    await link.lost.wait()
                    await link.open()  # a line that merely broke is no news
                except DobbyError as error:
                    log.debug("%s: %s", link.address, error)
                    tell()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            link.heard = lambda: None

    async def aclose(self) -> None:
        """Hear no more, let the lines go."""
        await self._following.aclose()
        await asyncio.gather(*(link.aclose() for link in self._links.values()))
        if self._session is not None:
            await self._session.close()


def _tell(device: Device, state: State | None, said: dict[str, tuple[State, bool]], news: "asyncio.Queue[Change | None]") -> None:
    """What is new about a device, and whether it is there, each once."""
    was, there = said.get(device.id, ({}, None))
    now = state if state is not None else {}
    fresh = {trait: value for trait, value in now.items() if trait not in was or was[trait] != value}
    turned = None if there is (state is not None) else state is not None
    if fresh or turned is not None:
        said[device.id] = (now, state is not None)
        news.put_nowait(Change(device.id, fresh, turned))


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Shelly()
