"""Hears what announces itself by mDNS and DNS-SD (RFC 6762, RFC 6763): one ear for the whole daemon, through zeroconf.

It does not know what a service is good for. Names and TXT are somebody else's words: cut, cleaned, and few.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from zeroconf import BadTypeInNameException, InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from dobby.discovery.ssdp import clean, is_near
from dobby.skill.driver import Finding, Sign

META = "_services._dns-sd."  # a type whose instances are types (RFC 6763, section 9)
RESOLVING = 3000  # milliseconds a name has to tell where it is
MOST = 500  # services, and service types, heard at once
KEYS = 40  # TXT keys kept of one service
Heard = Callable[[Finding], None]
log = logging.getLogger(__name__)


class Mdns:
    """The ear on port 5353 of these interfaces (addresses of this machine; none given: all); it opens at the first watch."""

    def __init__(self, interfaces: Sequence[str] = ()) -> None:
        self._interfaces = list(interfaces) or InterfaceChoice.All
        self._ear: AsyncZeroconf | None = None

    def watch(self, types: Iterable[str], heard: Heard) -> "Watch":
        """Tell of every service of these types, now and later, and again when one has moved or changed its words.

        :raises OSError: there is no network to listen to.
        """
        if self._ear is None:
            self._ear = AsyncZeroconf(interfaces=self._interfaces)
        return Watch(self._ear.zeroconf, types, heard)

    async def refresh(self) -> None:
        """Follow interfaces that have come or gone."""
        if self._ear is not None:
            await self._ear.async_update_interfaces()

    async def aclose(self) -> None:
        """Hear no more."""
        if self._ear is not None:
            await self._ear.async_close()


class Watch:
    """Hears some service types until it is closed; of the type of types it goes on to each type that is named."""

    def __init__(self, zeroconf: Zeroconf, types: Iterable[str], heard: Heard) -> None:
        self._zeroconf, self._heard = zeroconf, heard
        self._told: dict[str, Finding] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._browsers: dict[str, AsyncServiceBrowser] = {}
        for service_type in types:
            self._browse(service_type)

    def _browse(self, service_type: str) -> None:
        if service_type in self._browsers or len(self._browsers) >= MOST:
            return
        try:
            self._browsers[service_type] = AsyncServiceBrowser(self._zeroconf, service_type, handlers=[self._changed])
        except BadTypeInNameException:
            log.info("A service type on the network is none: %s", clean(service_type))

    def _changed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if service_type.startswith(META):
            self._browse(name)
        elif state_change is ServiceStateChange.Removed:
            self._told.pop(name, None)
        elif name not in self._tasks and len(self._tasks) < MOST and (name in self._told or len(self._told) < MOST):
            self._tasks[name] = asyncio.create_task(self._resolve(service_type, name), name=f"resolve {clean(name)}")

    async def _resolve(self, service_type: str, name: str) -> None:
        try:
            info = AsyncServiceInfo(service_type, name)
            if info.load_from_cache(self._zeroconf) or await info.async_request(self._zeroconf, RESOLVING):
                self._tell(name, _finding(info))
        except BadTypeInNameException:
            log.info("A service name on the network is none: %s", clean(name))
        finally:
            self._tasks.pop(name, None)

    def _tell(self, name: str, found: Finding | None) -> None:
        if found is not None and self._told.get(name) != found:
            self._told[name] = found
            self._heard(found)

    async def aclose(self) -> None:
        """Hear no more of these."""
        for browser in self._browsers.values():
            await browser.async_cancel()
        for task in list(self._tasks.values()):
            task.cancel()


def _finding(info: AsyncServiceInfo) -> Finding | None:
    """A resolved service as a finding; one without a port, or with an address outside the house, is nothing."""
    addresses = [*info.ip_addresses_by_version(IPVersion.V4Only), *info.ip_addresses_by_version(IPVersion.V6Only)]
    near = [address for address in addresses if is_near(str(address))]
    if not near or not info.port:
        return None
    host = str(near[0]) if near[0].version == 4 else f"[{near[0]}]"
    says = {clean(key).lower(): clean(value or "") for key, value in list(info.decoded_properties.items())[:KEYS]}
    says |= {"name": clean(info.name.removesuffix(f".{info.type}")), "host": clean((info.server or "").rstrip("."))}
    return Finding(Sign("mdns", info.type), f"{host}:{info.port}", says)
