"""One speaker that is listened to: what wakes us, the subscriptions that do, and what was last told.

UPnP eventing (UPnP Device Architecture 1.1, section 4) is soco's `events_asyncio`. It does not know how a speaker is read.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dobby import Change, Device, State, Value

LEASE_SECONDS = 300  # how long a subscription lives unrenewed
BURST_SECONDS = 0.05  # events come in bursts; one look answers all of them
GOODBYE_SECONDS = 2.0  # what a speaker gets to take a subscription back
_log = logging.getLogger(__name__)


async def open_listener(events: Any, near: Any) -> None:
    """Have soco's one listener for events running, and keep it while speakers come and go (it counts us as one)."""
    events.subscriptions_map.subscribing()
    if not events.event_listener.is_running:
        events.event_listener.requested_port_number = _free_port(events.get_listen_ip(near.ip_address) or "")
        await events.event_listener.async_start(near)


async def close_listener(events: Any) -> None:
    """We need it no more; the last one closes it."""
    events.subscriptions_map.finished_subscribing()
    if not events.subscriptions_map.count:
        await events.event_listener.async_stop()


def _free_port(address: str) -> int:
    """From 1400 on, as firewalls for Sonos expect. soco looks by itself too, but leaks a socket for each one taken."""
    for port in range(1400, 1500):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((address, port))
            return port
    return 1400


class Ear:
    """One speaker that is listened to: what wakes us, what was last told."""

    def __init__(self, device: Device, news: asyncio.Queue[Change | None]) -> None:
        self.device, self._news = device, news
        self.wake = asyncio.Event()
        self.subscriptions: list[Any] = []
        self._told: dict[str, Value] | None = None
        self._gone = False

    def tell(self, state: State) -> None:
        """Pass on what is new; all of it after an absence."""
        told, self._told = self._told, dict(state)
        fresh = state if told is None else {k: v for k, v in state.items() if k not in told or told[k] != v}
        if fresh:
            self._news.put_nowait(Change(self.device.id, dict(fresh), True if told is None else None))
        self._gone = False

    def lost(self) -> None:
        """Say once that it is out of reach."""
        if not self._gone:
            self._news.put_nowait(Change(self.device.id, available=False))
        self._told, self._gone = None, True

    async def woken(self, seconds: float) -> bool:
        """Wait for an event, at most so long; False when none came."""
        try:
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(BURST_SECONDS)
        self.wake.clear()
        return True

    async def subscribe(self, events: Any, zone: Any, callback: Callable[[Any], None]) -> None:
        """Be told of playing, volume and grouping. Where that cannot be had there is none, and the beat looks instead."""
        try:
            for service in (zone.avTransport, zone.renderingControl, zone.zoneGroupTopology):
                await self._subscribe(events.Subscription(service, callback))
        except Exception as error:
            _log.debug("%s grants no subscription: %r", self.device.id, error)
            await self.release()

    async def _subscribe(self, subscription: Any) -> None:
        subscription.auto_renew_fail = lambda error: None  # we hear of it ourselves
        self.subscriptions.append(subscription)
        made = subscription.subscribe(requested_timeout=LEASE_SECONDS)
        try:
            await asyncio.shield(made)
        except asyncio.CancelledError:
            await asyncio.wait({made}, timeout=GOODBYE_SECONDS)
            raise

    async def renew(self) -> bool:
        """Renew the oldest subscription, which also tells whether the speaker is there and still knows us."""
        if not self.subscriptions:
            return False
        self.subscriptions.append(self.subscriptions.pop(0))
        try:
            await self.subscriptions[-1].renew()
        except Exception as error:
            _log.debug("%s does not renew: %r", self.device.id, error)
            await self.release()
            return False
        return True

    async def release(self) -> None:
        """Give the subscriptions back, as far as the speaker is there to take them."""
        subscriptions, self.subscriptions = self.subscriptions, []
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await asyncio.gather(*(each.unsubscribe() for each in subscriptions), return_exceptions=True)
