"""ESPHome nodes over their native API: the driver. `link.py` holds a line to each, `parts.py` translates.

It does not know the house. The library is imported when the first node is met.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from dobby import Ask, Change, Device, DobbyError, Driver, Finding, Following, Refused, Sign, State, Unreachable, Value, Vault

from . import parts

if TYPE_CHECKING:
    from .link import Link

LONGEST_PAUSE = 30.0  # seconds between tries to reach one that is gone
ATTEMPTS = 3  # at a key
log = logging.getLogger("dobby.skill.esphome")
News = asyncio.Queue[Change | None]


class ESPHome:
    """All ESPHome nodes of the house, one line each. `vault` holds their keys, by MAC."""

    looks_for: Sequence[Sign] = (Sign("mdns", "_esphomelib._tcp.local."), Sign("tcp", "6053"), Sign("config", "esphome"))
    library: Sequence[str] = ("aioesphomeapi",)

    def __init__(self, pause: float = 1.0) -> None:
        self.vault: Vault | None = None
        self.pause = pause
        self._links: dict[str, Link] = {}
        self._following = Following()

    def _link(self, address: str, mac: str = "") -> "Link":
        try:
            from .link import Link
        except ImportError as error:
            raise Refused("ESPHome needs one more library: pip install 'dobby[esphome]'") from error
        known = self._links.get(mac)
        if known is None or known.address != address:
            if known is not None:
                self._following.start(known.aclose())
            known = Link(address, mac, (self.vault and mac and self.vault.get(mac)) or "")
            if mac:
                self._links[mac] = known
        return known

    def _of(self, device: Device) -> "Link":
        return self._link(device.address, parts.names(device)["mac"])

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """What the node is made of; asks for its key where it encrypts."""
        self.vault = vault
        link = self._link(finding.address)
        from .link import mac_of

        told = mac_of(finding.says.get("mac"))
        link.key = (told and vault.get(told)) or vault.get(finding.address) or ""
        try:
            await self._enter(link, parts.clean(finding.says.get("friendly_name") or finding.says.get("name")), ask)
            mac = mac_of(link.node.mac_address)
            if not mac:
                raise Refused(f"What answers at {finding.address} is no ESPHome node.")
            if link.key and link.key != vault.get(mac):
                await vault.put(mac, link.key)
            if mac in self._links:
                self._links[mac].key = link.key
            for device, _ in parts.devices(link.node, link.entities, mac, finding.address):
                yield device
        finally:
            await link.aclose()

    async def _enter(self, link: "Link", name: str, ask: Ask) -> None:
        from .link import Locked

        for attempt in range(ATTEMPTS + 1):
            try:
                await link.open()
                break
            except Locked:
                words = f"The ESPHome node {name} at {link.address} is encrypted. What is its key (api: encryption: key)?"
                answer = await ask(words, ()) if attempt < ATTEMPTS else ""
                if not answer:
                    raise
                link.key = answer.strip()

    async def attach(self, device: Device) -> None:
        """Know where it is; nobody is waited for."""
        self._of(device)

    def _inside(self, link: "Link", device: Device) -> tuple[tuple[int, int], object]:
        """Where an entity is in its node, and its description; raises `Unreachable` where it is no longer inside."""
        for made, info in parts.devices(link.node, link.entities, link.mac, link.address):
            if made.id == device.id:
                return (info.device_id, info.key), info
        raise Unreachable(f"{device.name} is no longer there: its node was set up differently.")

    async def read(self, device: Device) -> State:
        """All traits, as of the node's answer to a question asked now."""
        link = self._of(device)
        await link.look()
        entity, _ = self._inside(link, device)
        said = None if device.kind == "button" else await link.said(entity)
        return {} if said is None else parts.state(device, said)

    async def set(self, device: Device, wanted: State) -> None:
        """One command for all traits; returns when the node has taken it in."""
        link = self._of(device)
        await link.open()
        entity, info = self._inside(link, device)
        await link.send(*parts.command(device, wanted, info), entity)

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`stop` a cover or valve, `press` a button; `blink` a light: twice the other way round, then as it was."""
        link = self._of(device)
        await link.open()
        entity, _ = self._inside(link, device)
        if verb == "stop" and verb in device.verbs:
            await link.send(f"{device.kind}_command", {"stop": True}, entity)
        elif verb == "press" and device.kind == "button":
            await link.send("button_command", {}, entity)
        elif verb == "blink" and device.kind == "light":
            was = (await self.read(device)).get("on") is True
            for on in (not was, was, not was, was):
                await self.set(device, {"on": on})
                await asyncio.sleep(0.4)
        else:
            raise Refused(f"{device.name} cannot do that.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What they push, and whether they are there, said once."""
        news: News = asyncio.Queue()
        links: dict[str, tuple[Link, list[Device]]] = {}
        for device in devices:
            link = self._of(device)
            links.setdefault(link.mac, (link, []))[1].append(device)
        follow = (self._follow(link, own, news) for link, own in links.values())
        async with aclosing(self._following.hear(news, follow)) as changes:
            async for change in changes:
                yield change

    async def _follow(self, link: "Link", devices: Sequence[Device], news: News) -> None:
        """One node, for as long as anybody listens: here, gone, here again."""
        there: bool | None = None
        pause = self.pause
        try:
            while True:
                try:
                    await link.open()
                    inside = {info: device for device in devices if (info := self._where(link, device))}
                    link.heard = lambda entity, inside=inside: self._tell(link, entity, inside, news)  # type: ignore[misc]
                    if there is not True:
                        here = {device.id for device in inside.values()}
                        for device in devices:
                            news.put_nowait(Change(device.id, available=device.id in here))
                    there, pause = True, self.pause
                    for entity in list(link.states):
                        link.heard(entity)
                    await link.lost.wait()
                    await link.open()  # a line that merely broke is no news
                except DobbyError as error:
                    log.debug("%s: %s", link.address, error)
                    if there is not False:
                        for device in devices:
                            news.put_nowait(Change(device.id, available=False))
                    there = False
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            link.heard = lambda entity: None

    def _where(self, link: "Link", device: Device) -> tuple[int, int] | None:
        try:
            return self._inside(link, device)[0]
        except Unreachable:
            return None

    def _tell(self, link: "Link", entity: tuple[int, int], inside: dict[tuple[int, int], Device], news: News) -> None:
        device = inside.get(entity)
        if device is not None and (state := parts.state(device, link.states[entity])):
            news.put_nowait(Change(device.id, state))

    async def aclose(self) -> None:
        """Hear no more, let the lines go."""
        await self._following.aclose()
        await asyncio.gather(*(link.aclose() for link in self._links.values()))


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return ESPHome()
