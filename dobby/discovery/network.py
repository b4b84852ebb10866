"""The network as all families share it: one ear for mDNS, and ways to ask by SSDP, WS-Discovery and a family's own broadcast.

It does not know what a finding is good for.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dobby.discovery.ssdp import search
from dobby.discovery.sweep import network as named
from dobby.skill.driver import Driver, Finding

if TYPE_CHECKING:
    from dobby.discovery.mdns import Heard, Mdns, Watch

EVERY = "_services._dns-sd._udp.local."  # as a type: every type there is (RFC 6763, section 9)
log = logging.getLogger(__name__)


class Network:
    """What is heard and asked on these interfaces (addresses of this machine; none given: all); nothing unless `on`.

    `subnets` are those that the owner named in `dobby.toml`, to be looked into whenever somebody asks what is there.
    """

    def __init__(self, interfaces: Sequence[str] = (), *, on: bool = True, subnets: Sequence[str] = ()) -> None:
        self.interfaces, self.on, self.subnets = tuple(interfaces), on, [named(each) for each in subnets]
        self._mdns: Mdns | None = None

    def watch(self, types: Sequence[str], heard: "Heard") -> "Watch | None":
        """Hear what announces itself as one of these service types, for as long as the watch is open."""
        if not types or not self.on:
            return None
        from dobby.discovery.mdns import Mdns  # only where it is needed: zeroconf is heavy

        self._mdns = self._mdns or Mdns(self.interfaces)
        try:
            return self._mdns.watch(types, heard)
        except OSError as error:
            log.warning("Nothing can be heard by mDNS: %s", error)
            return None

    async def ask(self, driver: Driver) -> AsyncIterator[Finding]:
        """Ask once, in every way this driver names; what answers is told as soon as it does, within a few seconds."""
        signs = [sign for sign in driver.looks_for if self.on or sign.via == "named"]
        if self.on and self._mdns is not None:
            with suppress(OSError):
                await self._mdns.refresh()
        if targets := [sign.what for sign in signs if sign.via == "ssdp"]:
            async for each in search(targets, interfaces=self.interfaces):
                yield each
        if types := [sign.what for sign in signs if sign.via == "wsd"]:
            from dobby.discovery.wsd import probe

            async for each in probe(types, interfaces=self.interfaces):
                yield each
        if signs and (seek := getattr(driver, "seek", None)):
            async for each in seek(self.interfaces):
                yield each

    async def aclose(self) -> None:
        """Hear no more."""
        if self._mdns is not None:
            await self._mdns.aclose()
