"""One look around: asks in every way there is at once, gathers what answers by address, and says what could not be seen.

It takes nothing in and keeps nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from aiohttp import ClientSession

from dobby.discovery.describe import describe
from dobby.discovery.identify import Host, Identity, identify
from dobby.discovery.neighbours import neighbours, vendor
from dobby.discovery.network import EVERY, Network
from dobby.discovery.ssdp import ALL, search
from dobby.discovery.sweep import own_networks, sweep
from dobby.discovery.wsd import probe
from dobby.errors import DobbyError
from dobby.skill.driver import Driver, Finding, Sign

SECONDS = 3.0
MOST = 2000  # addresses kept of one look
Told = Callable[[Host, Identity], None]


@dataclass(slots=True)
class Look:
    """What was seen, by address; `networks` are those looked at, `unseen` those where nobody answered."""

    drivers: Mapping[str, Driver]
    told: Told = lambda host, identity: None
    hosts: dict[str, Host] = field(default_factory=dict)
    networks: list[IPv4Network] = field(default_factory=list)
    unseen: list[IPv4Network] = field(default_factory=list)

    @property
    def wanted(self) -> dict[Sign, str]:
        """Which skill looks for a sign."""
        return {sign: name for name, driver in self.drivers.items() for sign in driver.looks_for}

    def identity(self, host: Host) -> Identity:
        """What a host is, by what is known of it now."""
        return identify(host, self.wanted)

    def heard(self, finding: Finding) -> None:
        """Something answered."""
        host = self.host_at(_where(finding))
        if host is not None and not any((one.sign, one.address) == (finding.sign, finding.address) for one in host.findings):
            host.findings.append(finding)
            self.told(host, self.identity(host))

    def opened(self, address: str, port: int) -> None:
        """A door is open, perhaps one that a skill looks for."""
        if host := self.host_at(address):
            host.ports.add(port)
            sign = Sign("tcp", str(port))
            host.findings += [Finding(sign, f"{address}:{port}", {"name": address})] if sign in self.wanted else []
            self.told(host, self.identity(host))

    def host_at(self, address: str) -> Host | None:
        """What is known of an address, from now on; None where there are too many already."""
        if address not in self.hosts and len(self.hosts) >= MOST:
            return None
        return self.hosts.setdefault(address, Host(address))


def _where(finding: Finding) -> str:
    host, _, port = finding.address.rpartition(":")
    return host.strip("[]") if port.isdigit() and host else finding.address


async def look_around(
    network: Network,
    drivers: Mapping[str, Driver],
    *,
    told: Told = lambda host, identity: None,
    sweeping: Sequence[IPv4Network] = (),
    seconds: float = SECONDS,
) -> Look:
    """Ask everybody; sweep only these networks. `told` hears of each host as soon as something new is known of it."""
    look = Look(drivers, told, networks=own_networks(network.interfaces))
    watch = network.watch([EVERY], look.heard)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(seconds))
            if network.on:
                for work in _questions(look, network, seconds):
                    group.create_task(work)
            for where in sweeping:
                group.create_task(_sweep(look, where))
    finally:
        if watch is not None:
            await watch.aclose()
    await _finish(look)
    return look


def _questions(look: Look, network: Network, seconds: float) -> list[Any]:
    async def each(found: AsyncIterator[Finding]) -> None:
        with suppress(OSError):
            async for finding in found:
                look.heard(finding)

    async def own(seek: Any) -> None:
        with suppress(DobbyError, OSError, TimeoutError):
            async with asyncio.timeout(seconds * 2):
                async for finding in seek(network.interfaces):
                    look.heard(finding)

    ssdp = [ALL, *(sign.what for sign in look.wanted if sign.via == "ssdp")]
    types = ["", *(sign.what for sign in look.wanted if sign.via == "wsd")]
    broadcast = [driver for driver in look.drivers.values() if any(sign.via == "own" for sign in driver.looks_for)]
    seeks = [own(getattr(driver, "seek", None)) for driver in broadcast]
    asked = (
        search(ssdp, seconds=seconds, interfaces=network.interfaces),
        probe(types, seconds=seconds, interfaces=network.interfaces),
    )
    return [*map(each, asked), *seeks]


async def _sweep(look: Look, where: IPv4Network) -> None:
    into = look.networks if await sweep(where, look.opened) else look.unseen
    into += [where] if where not in look.networks else []


async def _finish(look: Look) -> None:
    """Who is spoken to, who made it, what it says of itself."""
    macs = neighbours()
    for address in macs:
        look.host_at(address)
    async with ClientSession(trust_env=False) as session:
        await asyncio.gather(*(describe(host, session, look.wanted) for host in look.hosts.values()))
    for address, host in look.hosts.items():
        host.mac = macs.get(address, "")
        host.vendor = await vendor(host.mac) if host.mac else ""
        look.told(host, look.identity(host))
