"""HomeKit accessories over IP: the driver. Found by mDNS, paired with their setup code, read, set and heard.

It does not know what a service means (`accessories.py`, `services.toml`) nor how a session is held (`link.py`, `line.py`).
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dobby import Ask, Change, Device, Finding, Refused, Sign, State, Unreachable, Value, Vault

from .link import BEAT, Address, Link, denial, library
from .values import clean

CODE = re.compile(r"(\d{3})-?(\d{2})-?(\d{3})")
ATTEMPTS = 3  # codes asked for in a row; an accessory locks itself for ever after a hundred
PAIRED = "0"  # mDNS `sf`: no longer to be paired with


class HomeKit:
    """Every accessory that is paired with us. `vault` holds the keys of each; `settings` may hold the `pin` of those in `at`."""

    looks_for: Sequence[Sign] = (Sign("mdns", "_hap._tcp.local."), Sign("config", "homekit"))
    distance = 1
    library: Sequence[str] = ("aiohomekit.controller.ip",)

    def __init__(self, beat: float = BEAT) -> None:
        self.vault: Vault | None = None
        self.settings: Mapping[str, Any] = {}
        self._beat = beat
        self._links: dict[str, Link] = {}
        self._meant: dict[str, tuple[Value, Value]] = {}  # device -> the colour asked for, the colour it comes back as

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Pair, unless that was done before, and say what there is.

        :raises Refused: it is paired elsewhere, or nobody gave its code; :raises Unreachable: nobody answers.
        """
        self.vault = vault
        link = await self._known(finding) or await self._paired(finding, ask)
        await link.ready()
        host, port = link.at[0]
        for part in list(link.parts.values()):
            yield replace(part.device, address=f"{host}:{port}")

    async def _known(self, finding: Finding) -> Link | None:
        """The link to one that was paired before, at its new address if it has one."""
        at = _address(finding.address)
        kept = self.vault.get(f"at {finding.address}") if self.vault is not None else None
        link = self._link(_hub(finding.says.get("id", "")) or kept or "")
        if link is None:
            return None
        if await link.refresh():  # a line that stands is believed more than an announcement
            return link
        link.move(at)
        try:
            await link.ready()
        except Refused:
            if finding.says.get("sf") == PAIRED:
                raise
            return None  # it was reset, or it is another one by now
        return link

    async def _paired(self, finding: Finding, ask: Ask) -> Link:
        """Pair with it, asking for its code."""
        who = _called(finding)
        line = await asyncio.to_thread(library)
        if finding.says.get("sf") == PAIRED:
            raise Refused(line.elsewhere(who))
        pairing = line.Pairing(who, _address(finding.address), finding.says)
        words = f"What is the setup code of {who}? Its eight digits (XXX-XX-XXX) are on the device or its box."
        said: object = self.settings.get("pin") if finding.sign.via == "config" else ""
        for _ in range(ATTEMPTS):
            said = said or await ask(words, ())
            if not said:
                break
            if (code := _code(said)) and (keys := await pairing.pair(code)):
                return await self._keep(finding, {**keys, "name": who})
            words, said = f"{who} does not take that code. What are its eight digits?", ""
        raise Refused(f"{who} needs its setup code.")

    async def _keep(self, finding: Finding, keys: Mapping[str, Any]) -> Link:
        """Keep what pairing gave: without it the accessory is lost to everybody until it is reset."""
        assert self.vault is not None  # adopting brought it
        hub = _hub(str(keys["AccessoryPairingID"]))
        await self.vault.put(hub, json.dumps(dict(keys)))
        await self.vault.put(f"at {finding.address}", hub)
        link = self._links.setdefault(hub, Link(hub, keys, self._beat))
        link.renew(keys)
        link.move(_address(finding.address))
        return link

    def _link(self, hub: str) -> Link | None:
        """The link to what we have keys of."""
        if hub not in self._links:
            keys = self.vault.get(hub) if self.vault is not None else None
            if not keys:
                return None
            self._links[hub] = Link(hub, json.loads(keys), self._beat)
        return self._links[hub]

    def _of(self, device: Device) -> Link:
        link = self._link(device.id.rpartition(".")[0].rpartition(".")[0])
        if link is None:
            raise Refused(f"I have no keys for {device.name}: it has to be paired again.")
        if not link.at:
            link.move(_address(device.address))
        return link

    async def attach(self, device: Device) -> None:
        """Know where it is; it is connected to when it is needed."""
        self._of(device).move(_address(device.address))

    async def read(self, device: Device) -> State:
        """All traits, freshly asked."""
        link = self._of(device)
        await link.ready()
        part = link.part(device)
        wrong = await link.look(part.looked_at.keys())
        if wrong and part.looked_at.keys() <= wrong.keys():
            raise denial(device.name, next(iter(wrong.values())))
        return self._meaning(device.id, part.state(link.raws))

    def _meaning(self, device: str, state: State) -> State:
        """A dark colour comes back bright: how dark is not in hue and saturation."""
        asked, comes_back = self._meant.get(device, (None, None))
        return {**state, "color": asked} if asked is not None and state.get("color") == comes_back else state

    async def set(self, device: Device, wanted: State) -> None:
        """One request for all of it, so that nothing is half done."""
        link = self._of(device)
        await link.ready()
        part = link.part(device)
        if any(row.spelling == "threshold" for row in part.rows):
            await link.look(part.looked_at.keys())  # whether it heats or cools decides which number is meant
        orders = part.orders(wanted, link.raws)
        await link.write(orders, part.timed, device.name)
        if "color" in wanted:
            self._meant[device.id] = (wanted["color"], part.state(orders).get("color"))

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`blink`: it identifies itself; `stop`: a cover stays where it is."""
        link = self._of(device)
        await link.ready()
        part = link.part(device)
        if verb not in part.deeds:
            raise Refused(f"{device.name} cannot do that.")
        deed = part.deeds[verb]
        if deed is not None:
            await link.write({deed.key: deed.spelt(True)}, (), device.name)
        else:
            here = await self.read(device)
            await link.write(part.orders({"position": here.get("position")}, link.raws), part.timed, device.name)

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Events of everything that tells by itself, a look at every beat for the rest; says once when one is gone or back."""
        news: asyncio.Queue[Change | None] = asyncio.Queue()

        def tell(device: str, state: State, there: bool) -> None:
            news.put_nowait(Change(device, self._meaning(device, state), available=there))

        by_link: dict[Link, list[Device]] = {}
        for device in devices:
            try:
                by_link.setdefault(self._of(device), []).append(device)
            except Refused:
                tell(device.id, {}, False)
        tasks = [asyncio.create_task(link.follow(own, tell)) for link, own in by_link.items()]
        for task in tasks:
            task.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (change := await news.get()) is not None:
                yield change
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                raise error

    async def aclose(self) -> None:
        """Hang up everywhere; the keys stay."""
        for link in self._links.values():
            await link.aclose()
        self._links.clear()


def _hub(name: str) -> str:
    """`AA:BB:…`, by which an accessory goes -> what the ids of its devices begin with."""
    return f"homekit.{''.join(re.findall('[0-9a-f]', name.lower()))[:12]}" if name else ""


def _called(finding: Finding) -> str:
    """What to call who is behind a finding, before we know more."""
    return clean(finding.says.get("name"), 60) or f"The HomeKit accessory at {clean(finding.address, 60)}"


def _address(written: str) -> Address:
    host, _, port = written.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Unreachable(f"{clean(written, 60)} is no address of a HomeKit accessory: it wants host:port.")
    return host.strip("[]"), int(port)


def _code(said: object) -> str:
    """A setup code, however it is spaced; "" for anything else."""
    found = CODE.fullmatch(re.sub(r"[\s.]", "", said)) if isinstance(said, str) else None
    return "-".join(found.groups()) if found else ""


driver = HomeKit
