"""Listening to players: a doorbell they ring (GENA, UPnP Device Architecture 2.0, section 4), and a look whenever it rings.

What an event says is not read: it only wakes us. It does not know how a player is looked at.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from datetime import timedelta

from aiohttp import web
from async_upnp_client.event_handler import UpnpEventHandler, UpnpNotifyServer
from async_upnp_client.utils import async_get_local_ip

from dobby import Change, DobbyError, Value

from .link import Wire, service
from .player import Player

LEASE = timedelta(seconds=300)
BURST_SECONDS = 0.05  # events come in bursts; one look answers all of them
BUSY_SECONDS = 1.0  # between looks while a queue of ours plays that nobody tells us about
GOODBYE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class _Path(UpnpNotifyServer):
    """Where one player rings."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def callback_url(self) -> str:
        return self._url


class Doorbell:
    """One listener on a free port; every player has a path nobody can guess."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._runners: dict[str, tuple[web.ServerRunner, int]] = {}
        self._bells: dict[str, asyncio.Event] = {}

    async def hang(self, target: str, bell: asyncio.Event) -> UpnpEventHandler:
        """A bell for the player at this address, on the interface that leads there."""
        _, host = await async_get_local_ip(target)
        if host not in self._runners:
            runner = web.ServerRunner(web.Server(self._rung, access_log=None), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, host, 0)
            await site.start()
            self._runners[host] = (runner, runner.addresses[0][1])
        path = f"/{secrets.token_urlsafe(16)}"
        self._bells[path] = bell
        return UpnpEventHandler(_Path(f"http://{host}:{self._runners[host][1]}{path}"), self.wire)

    async def _rung(self, request: web.BaseRequest) -> web.Response:
        bell = self._bells.get(request.path)
        if bell is None or request.method != "NOTIFY":
            return web.Response(status=412)
        bell.set()
        return web.Response()

    async def aclose(self) -> None:
        """Take it down."""
        for runner, _ in self._runners.values():
            await runner.cleanup()


class _Line:
    """The subscriptions to one player."""

    def __init__(self) -> None:
        self._handler: UpnpEventHandler | None = None
        self._kept: list[str] = []
        self._services: list[object] = []

    async def open(self, player: Player, doorbell: Doorbell, bell: asyncio.Event) -> None:
        """Subscribe; where that cannot be had there is none, and the beat looks instead."""
        try:
            root = await player.root()
            self._handler = await doorbell.hang(player.device.address, bell)
            for name in ("AVTransport", "RenderingControl"):
                if (each := service(root, name)) is not None:
                    sid, _ = await self._handler.async_subscribe(each, LEASE)
                    self._kept.append(sid)
                    self._services.append(each)  # the library only holds it weakly
        except Exception as error:  # whatever a device makes of it
            _log.debug("%s grants no subscription: %r", player.device.id, error)
            await self.close()

    async def renew(self) -> bool:
        """Is it still there and does it still know us?"""
        if not self._handler or not self._kept:
            return False
        try:
            self._kept.append((await self._handler.async_resubscribe(self._kept.pop(0), LEASE))[0])
        except Exception as error:
            _log.debug("A player does not renew: %r", error)
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Give the subscriptions back, as far as the player is there to take them."""
        kept, self._kept, self._services = self._kept, [], []
        for sid in kept if self._handler else ():
            with suppress(Exception):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._handler.async_unsubscribe(sid)  # type: ignore[union-attr]


async def follow(player: Player, doorbell: Doorbell, news: "asyncio.Queue[Change]", beat: float) -> None:
    """Tell what is new of a player for as long as it is listened to; all of it after an absence."""
    bell, line, told, gone = asyncio.Event(), _Line(), dict[str, Value](), False
    try:
        while True:
            try:
                state = await player.look()
                if fresh := {key: value for key, value in state.items() if key not in told or told[key] != value}:
                    news.put_nowait(Change(player.device.id, fresh, None if told else True))
                told, gone = dict(state), False
                if not await line.renew():
                    await line.open(player, doorbell, bell)
            except DobbyError:
                if not gone:
                    news.put_nowait(Change(player.device.id, available=False))
                told, gone = {}, True
                await line.close()
            busy = bool(player.number) and told.get("playing") == "playing"
            with suppress(TimeoutError):
                async with asyncio.timeout(min(beat, BUSY_SECONDS) if busy else beat):
                    await bell.wait()
                await asyncio.sleep(BURST_SECONDS)
            bell.clear()
    finally:
        await line.close()
