"""One WLED controller: how it is reached, looked at, told and listened to, in the words of its JSON API.

Source: kno.wled.ge/interfaces/json-api and the library `wled`. It does not know what the house calls things (`words`).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import aiohttp
import wled
from aiohttp.abc import AbstractResolver, ResolveResult

from dobby import Device, Refused, State, Unreachable, Unsure

from . import words

PATIENCE = 4.0  # seconds for one request
log = logging.getLogger("dobby.skill.wled")

NONSENSE = (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)  # what wrong types become


class _Doors(AbstractResolver):
    """The library knows port 80 only; a controller behind another one is given a name that leads there."""

    def __init__(self) -> None:
        self.doors: dict[str, tuple[str, int]] = {}
        self._dns = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Where a name leads, with the port that belongs to it."""
        name, other = self.doors.get(host, (host, port))
        return await self._dns.resolve(name, other, family)

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._dns.close()


class Net:
    """The connections of all controllers together."""

    def __init__(self) -> None:
        self._doors = _Doors()
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=self._doors, use_dns_cache=False))

    def host(self, address: str) -> str:
        """The name to use for `host` or `host:port`; raises `Refused` for anything else."""
        host, _, port = address.strip().partition(":")
        if not host or not all(letter.isalnum() or letter in "-._" for letter in host) or not (port or "80").isdecimal():
            raise Refused("That is not the address of a WLED controller.")
        if port in ("", "80"):
            return host
        name = f"{host}-{port}.wled.invalid"
        self._doors.doors[name] = (host, int(port))
        return name

    async def aclose(self) -> None:
        """End every connection."""
        await self.session.close()


class _Once(wled.WLED):
    """The library repeats a request by itself; here the journal decides what is repeated."""

    async def request(self, uri: str = "", method: str = "GET", data: dict[str, Any] | None = None, **more: Any) -> Any:
        """One try."""
        return await cast(Any, wled.WLED.request).__wrapped__(self, uri, method, data, **more)


class Strip:
    """A controller at one address. `mac` is whose it should be; "" takes whoever answers."""

    def __init__(self, net: Net, address: str, mac: str = "") -> None:
        self.address, self.mac = address, mac
        self._net = net
        self._host = net.host(address)
        self._wled = self._fresh()
        self.live: wled.Device | None = None

    def _fresh(self) -> wled.WLED:
        return _Once(self._host, PATIENCE, self._net.session)

    @property
    def heard(self) -> bool:
        """It tells us every change, so that what we know is what is."""
        return self.live is not None and self._wled.connected

    async def look(self) -> wled.Device:
        """Ask it afresh. Raises `Unreachable`, `Unsure` for nonsense, `Refused` for a firmware too old."""
        with telling(self.address):
            found = await self._wled.update()
        return self._known(found)

    def _known(self, found: wled.Device) -> wled.Device:
        mac = found.info.mac_address.lower()
        if self.mac and mac != self.mac:
            self.live = None
            raise Unreachable(f"Another device answers at {self.address} now.")
        self.live = found
        return found

    async def tell(self, said: dict[str, Any]) -> None:
        """Send one change.

        Raises `Unreachable` when it never left, `Unsure` when it may have happened, `Refused` when it was turned down.
        """
        try:
            await self._wled.request("/json/state", "POST", said)
        except wled.WLEDStatusError as error:
            if error.status == 503:
                raise Unreachable(f"The WLED at {self.address} is busy.") from error
            raise Refused(f"The WLED at {self.address} does not take that.") from error
        except wled.WLEDConnectionError as error:
            if isinstance(error.__cause__, aiohttp.ClientConnectorError):
                raise Unreachable(f"The WLED at {self.address} cannot be reached.") from error
            raise Unsure(f"The WLED at {self.address} broke off without an answer.") from error
        except (wled.WLEDError, *NONSENSE) as error:
            raise Unsure(f"The WLED at {self.address} answered something that makes no sense.") from error

    def state(self, device: Device) -> State | None:
        """A device's traits as last heard; None where it is gone. Raises `Unsure` for nonsense."""
        with telling(self.address):
            return words.state(device, self.live) if self.live else None

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` at every change for as long as the connection holds; raises `Unreachable` or `Unsure` when it ends."""

        def news(found: wled.Device) -> None:
            self._known(found)
            heard()

        with telling(self.address):
            await self._wled.connect()
            try:
                await self._wled.listen(news)
            finally:
                with suppress(Exception):
                    await self._wled.disconnect()

    @property
    def pushes(self) -> bool:
        """Its firmware has a WebSocket."""
        return self.live is not None and self.live.info.websocket is not None

    def forget(self) -> None:
        """What was known may be wrong: begin anew."""
        self._wled, self.live = self._fresh(), None


@contextmanager
def telling(address: str) -> Iterator[None]:
    """The library's errors in ours."""
    try:
        yield
    except wled.WLEDUnsupportedVersionError as error:
        raise Refused(f"The WLED at {address} has a firmware older than 0.14: please update it.") from error
    except wled.WLEDConnectionError as error:
        raise Unreachable(f"The WLED at {address} cannot be reached.") from error
    except wled.WLEDError as error:
        raise Unsure(f"The WLED at {address} answered something that makes no sense.") from error
    except NONSENSE as error:
        log.debug("%s: %r", address, error)
        raise Unsure(f"The WLED at {address} answered something that makes no sense.") from error
