"""One ESPHome node: its line (the native API, with or without encryption), what it said last, its key.

It does not know what is inside (`parts`). aioesphomeapi speaks; its errors become ours here.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import (
    APIConnectionError,
    EncryptionPlaintextAPIError,
    InvalidAuthAPIError,
    InvalidEncryptionKeyAPIError,
    RequiresEncryptionAPIError,
)

from dobby import Refused, Unreachable, Unsure

PATIENCE = 5.0  # seconds for an answer
PORT = 6053
KEEPALIVE = 10.0  # seconds between pings; four and a half of them without an answer, and the line is lost
for noisy in ("aioesphomeapi", "aioesphomeapi.connection"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)  # it logs what devices say, and we report


class Locked(Refused):
    """It wants a key, or another one."""


class Link:
    """A node at one address. `mac` is whose it should be; "" takes whoever answers. `key`: 32 bytes in base64, "" for none."""

    def __init__(self, address: str, mac: str = "", key: str = "") -> None:
        self.address, self.mac, self.key = address, mac, key
        self.heard: Callable[[tuple[int, int]], None] = lambda entity: None
        self.lost = asyncio.Event()
        self.node: Any = None
        self.entities: list[Any] = []
        self.states: dict[tuple[int, int], Any] = {}  # by (part of the node, key)
        self._host, self._port = split(address)
        self._client: APIClient | None = None
        self._opening = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def up(self) -> bool:
        """The line holds."""
        return self._client is not None and not self.lost.is_set()

    async def open(self) -> None:
        """Hold the line; raises `Unreachable`, `Unsure`, `Locked`."""
        async with self._opening:
            if self.up:
                return
            await self._let_go()
            self.lost.clear()
            client = APIClient(self._host, self._port, None, client_info="Dobby", keepalive=KEEPALIVE, noise_psk=self.key or None)
            try:
                with looking(self.address):
                    async with asyncio.timeout(2 * PATIENCE):
                        await client.connect(on_stop=partial(self._stopped, client), log_errors=False)
                        self.node, self.entities, _ = await client.device_info_and_list_entities()
                mac = mac_of(self.node.mac_address)
                if self.mac and mac != self.mac:
                    raise Unreachable(f"Another device answers at {self.address} now.")
                self.states.clear()
                client.subscribe_states(self._said)
            except BaseException:
                client.force_disconnect()
                raise
            self._client = client

    async def _stopped(self, client: APIClient, expected: bool) -> None:
        if client is self._client:
            self.lost.set()

    def _said(self, state: Any) -> None:
        entity = (state.device_id, state.key)
        self.states[entity] = state
        self._news.set()
        self.heard(entity)

    async def look(self) -> None:
        """What it said is as it is: whatever came before its answer to us is here. Once more where the line broke just then."""
        for last in (False, True):
            await self.open()
            try:
                await self._answered(Unreachable)
                return
            except Unreachable:
                if last or self.up:
                    raise

    async def said(self, entity: tuple[int, int]) -> Any:
        """What an entity said last; a node just met tells of all of them soon. None where it tells nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while entity not in self.states:
                    self._news.clear()
                    await self._news.wait()
        return self.states.get(entity)

    async def _answered(self, doubt: type[Unreachable] | type[Unsure]) -> None:
        client = self._client
        try:
            async with asyncio.timeout(PATIENCE):
                if client is None:
                    raise APIConnectionError("closed")
                await client.device_info()
        except (APIConnectionError, OSError, TimeoutError) as error:
            self._drop(client)
            silent = "cannot be reached." if doubt is Unreachable else "broke off without an answer."
            raise doubt(f"The ESPHome node at {self.address} {silent}") from error

    def _drop(self, client: APIClient | None) -> None:
        self.lost.set()
        if client is not None:
            client.force_disconnect()

    async def send(self, method: str, told: dict[str, Any], entity: tuple[int, int]) -> None:
        """One command, sent once; a node answers in order, so its next answer tells that it took it.

        Raises `Unreachable` (never sent), `Unsure`, or `Refused`.
        """
        await self.open()
        assert self._client is not None
        part, key = entity
        try:
            getattr(self._client, method)(key=key, device_id=part, **told)
        except APIConnectionError as error:
            raise Unreachable(f"The ESPHome node at {self.address} cannot be reached.") from error
        except (ValueError, TypeError) as error:  # a value that does not fit its packet
            raise Refused(f"The ESPHome node at {self.address} cannot be told that.") from error
        await self._answered(Unsure)

    async def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.force_disconnect()

    async def aclose(self) -> None:
        """Let go of the line."""
        self.lost.set()
        await self._let_go()


def mac_of(said: object) -> str:
    """A MAC as it stands in ids: twelve hex digits; "" where it is none."""
    found = str(said or "").replace(":", "").replace("-", "").lower()
    return found if len(found) == 12 and all(sign in "0123456789abcdef" for sign in found) else ""


def split(address: str) -> tuple[str, int]:
    """`host` or `host:port`; raises `Refused` for anything else."""
    host, _, port = address.strip().partition(":")
    if not host or not all(letter.isalnum() or letter in "-._" for letter in host) or not (port or "1").isdecimal():
        raise Refused("That is not the address of an ESPHome node.")
    return host, int(port or PORT)


@contextmanager
def looking(address: str) -> Iterator[None]:
    """The library's errors in ours, where nothing was to be changed."""
    try:
        yield
    except EncryptionPlaintextAPIError as error:
        raise Refused(f"The ESPHome node at {address} does not encrypt any more; if that is meant, remove and add it.") from error
    except (RequiresEncryptionAPIError, InvalidEncryptionKeyAPIError) as error:
        raise Locked(f"The ESPHome node at {address} wants its encryption key.") from error
    except InvalidAuthAPIError as error:
        raise Refused(f"The ESPHome node at {address} wants a password, which is long out of use: give it a key.") from error
    except (APIConnectionError, OSError, TimeoutError) as error:
        raise Unreachable(f"The ESPHome node at {address} cannot be reached.") from error
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
        raise Unsure(f"The ESPHome node at {address} answered something that makes no sense.") from error
