"""One Shelly: its line (JSON-RPC over a WebSocket; `gen1` for the first generation), its status, its password.

It does not know what is inside (`parts`). aioshelly speaks; its errors become ours here.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
from aioshelly.common import ConnectionOptions, get_info
from aioshelly.exceptions import InvalidAuthError, MacAddressMismatchError, RpcCallError, ShellyError
from aioshelly.rpc_device import RpcDevice, RpcUpdateType

from dobby import Refused, Unreachable, Unsure

from .gen1 import Old
from .parts import clean, is_old

PATIENCE = 4.0  # seconds for a call
USER = "admin"  # the only one there is
log = logging.getLogger("dobby.skill.shelly")
for noisy in ("aioshelly.rpc_device.wsrpc", "aioshelly.rpc_device.device"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)  # they log payloads, and we report


class Locked(Refused):
    """It wants a password, or another one."""


class Link:
    """A Shelly at one address. `mac` is whose it should be ("" for anybody's); `beat` is seconds between looks at an old one."""

    def __init__(self, session: aiohttp.ClientSession, address: str, mac: str, password: str, beat: float) -> None:
        self.address, self.mac, self.password, self.beat = address, mac, password, beat
        self.heard: Callable[[], None] = lambda: None
        self.lost = asyncio.Event()
        self._session = session
        self._host, self._port = split(address)
        self._device: RpcDevice | Old | None = None
        self._opening = asyncio.Lock()

    @property
    def up(self) -> bool:
        """The line holds."""
        return self._device is not None and self._device.connected and self._device.initialized

    @property
    def status(self) -> dict[str, Any]:
        """All of it, as last heard."""
        return self._device.status if self._device is not None and self._device.initialized else {}

    @property
    def config(self) -> dict[str, Any]:
        """How it is set up."""
        return self._device.config if self._device is not None and self._device.initialized else {}

    @property
    def shelly(self) -> dict[str, Any]:
        """What it is."""
        return self._device.shelly if self._device is not None and self._device.initialized else {}

    async def info(self) -> dict[str, Any]:
        """What it says of itself without a password; raises `Unreachable`, `Unsure`."""
        with looking(self.address):
            async with asyncio.timeout(PATIENCE):
                return await get_info(self._session, self._host, port=self._port)

    async def open(self) -> None:
        """Hold the line; raises `Unreachable`, `Unsure`, `Locked`."""
        async with self._opening:
            if self.up:
                if isinstance(self._device, Old):
                    with looking(self.address):
                        await self._device.ask_who()
                return
            await self.aclose()
            self.lost.clear()
            with looking(self.address):
                async with asyncio.timeout(2 * PATIENCE):
                    self._device = await self._made()
                    self._device.subscribe_updates(self._news)
                    await self._device.initialize()
                mac = str(self._device.shelly["mac"]).lower()
            if self.mac and mac != self.mac:
                await self.aclose()
                raise Unreachable(f"Another device answers at {self.address} now.")

    async def _made(self) -> RpcDevice | Old:
        """Whoever answers, once it is clear that it is the right one."""
        mac = self.mac.upper() or None
        login = (USER, self.password) if self.password else None
        said = await get_info(self._session, self._host, mac, self._port)
        if is_old(said):
            return Old(self._session, (self._host, self._port), said, login, self.beat)
        user, password = login or (None, None)
        options = ConnectionOptions(self._host, user, password, device_mac=mac, port=self._port)
        return await RpcDevice.create(self._session, None, options)

    def _news(self, device: RpcDevice | Old, what: RpcUpdateType) -> None:
        if what is RpcUpdateType.DISCONNECTED:
            self.lost.set()
        elif what is not RpcUpdateType.EVENT:
            self.heard()

    async def look(self) -> dict[str, Any]:
        """Its status, asked afresh; once more where the line broke just then, for looking changes nothing."""
        try:
            return await self._look()
        except Unreachable:
            if self.up:
                raise
            return await self._look()

    async def _look(self) -> dict[str, Any]:
        await self.open()
        assert self._device is not None
        with looking(self.address):
            async with asyncio.timeout(PATIENCE):
                await self._device.update_status()
            return self._device.status

    async def call(self, method: str, told: dict[str, Any]) -> None:
        """One call, sent once. Raises `Unreachable` (never sent), `Unsure`, or `Refused` with what it answered."""
        await self.open()
        assert self._device is not None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._device.call_rpc(method, told)
        except InvalidAuthError as error:
            raise Locked(f"The Shelly at {self.address} does not accept its password any more.") from error
        except RpcCallError as error:
            raise Refused(f"The Shelly at {self.address} answers: {clean(error.message, 120) or error.code}.") from error
        except (ShellyError, OSError, TimeoutError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise Unsure(f"The Shelly at {self.address} broke off without an answer.") from error

    async def aclose(self) -> None:
        """Let go of the line."""
        if self._device is not None:
            with suppress(Exception):
                await self._device.shutdown()
            self._device = None


def split(address: str) -> tuple[str, int]:
    """`host` or `host:port`; raises `Refused` for anything else."""
    host, _, port = address.strip().partition(":")
    if not host or not all(letter.isalnum() or letter in "-._" for letter in host) or not (port or "80").isdecimal():
        raise Refused("That is not the address of a Shelly.")
    return host, int(port or 80)


@contextmanager
def looking(address: str) -> Iterator[None]:
    """The library's errors in ours, where nothing was to be changed."""
    try:
        yield
    except InvalidAuthError as error:
        raise Locked(f"The Shelly at {address} wants its password.") from error
    except MacAddressMismatchError as error:
        raise Unreachable(f"Another device answers at {address} now.") from error
    except (ShellyError, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unreachable(f"The Shelly at {address} cannot be reached.") from error
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        log.debug("%s: %r", address, error)
        raise Unsure(f"The Shelly at {address} answered something that makes no sense.") from error
