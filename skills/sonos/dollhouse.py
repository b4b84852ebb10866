"""A Sonos household on loopback: real SSDP, SOAP and GENA on port 1400 of 127.x.y.11 and up, enough for soco unpatched.

For tests, the demo and anybody else's controller. It does not know what a household does (`dollhouse_zones.py`) or
what its services answer (`dollhouse_services.py`), nor anything of Dobby.
"""

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from . import dollhouse_services as services, dollhouse_soap as soap, dollhouse_sound as sound, dollhouse_zones as zones

PORT = 1400
SSDP = ("239.255.255.250", 1900)


@dataclass(eq=False)
class Subscription:
    """Somebody who wants to hear of one service."""

    sid: str
    service: str
    callback: str
    until: float
    number: int = 0
    due: bool = False


class Speaker:
    """One zone as the network sees it. `trouble[action]` breaks the next such action once:

    `drop` (link cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no
    answer). `deaf` refuses subscriptions.
    """

    def __init__(self, house: zones.House, zone: zones.Zone, session: ClientSession) -> None:
        self.house, self.zone, self.session = house, zone, session
        self.trouble: dict[str, str] = {}
        self.deaf = False
        self.subscriptions: dict[str, Subscription] = {}
        self._news: asyncio.Queue[Subscription] = asyncio.Queue()
        self._runner: web.AppRunner | None = None
        self._herald: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Answer on port 1400 and tell subscribers what changes."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.zone.address, PORT, reuse_address=True).start()
        self._herald = asyncio.create_task(self._tell())

    async def aclose(self) -> None:
        """As if the plug were pulled: links cut, subscriptions forgotten."""
        self.subscriptions.clear()
        if self._herald:
            self._herald.cancel()
            await asyncio.gather(self._herald, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()
        self._herald = self._runner = None

    def changed(self, service: str) -> None:
        """Everybody who subscribed to the service is owed an event."""
        for subscription in self.subscriptions.values():
            if subscription.service == service:
                self._owe(subscription)

    def _owe(self, subscription: Subscription) -> None:
        if not subscription.due:
            subscription.due = True
            self._news.put_nowait(subscription)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        *_, service, last = ["", *request.path.split("/")]
        if request.path == "/xml/device_description.xml":
            return soap.xml(soap.description(self.zone))
        if request.path.startswith("/xml/") and (name := last.removesuffix("1.xml")) in services.SERVICES:
            return soap.xml(soap.scpd(services.SERVICES[name](self.house, self.zone)))
        if service not in services.SERVICES or last not in ("Control", "Event"):
            raise web.HTTPNotFound
        return await self._control(request, service) if last == "Control" else self._subscribe(request, service)

    async def _control(self, request: web.Request, service: str) -> web.StreamResponse:
        try:
            body = ElementTree.fromstring(await request.text()).find("{*}Body")
            assert body is not None
            action, args = body[0].tag.rpartition("}")[2], {each.tag: each.text or "" for each in body[0]}
        except (ElementTree.ParseError, AssertionError, IndexError):
            raise web.HTTPBadRequest from None
        trouble = self.trouble.pop(action, "")
        if trouble == "drop":
            return _hang_up(request)
        answer = self._answer(service, action, args)
        if trouble == "cut":
            return _hang_up(request)
        if trouble == "silence":
            await asyncio.sleep(3600)
        return soap.xml("<oops>\x00") if trouble == "garbage" else answer

    def _answer(self, service: str, action: str, args: dict[str, str]) -> web.Response:
        kind = services.SERVICES[service]
        work = getattr(kind(self.house, self.zone), action, None) if action[:1].isupper() else None
        try:
            if work is None:
                raise zones.Fault(401)
            if service == "AVTransport" and self.zone.leader is not self.zone and action in LEADERS_ONLY:
                raise zones.Fault(800)
            result = work(**args)
        except zones.Fault as fault:
            return soap.xml(soap.fault(fault.code), 500)
        except (TypeError, ValueError):
            return soap.xml(soap.fault(402), 500)
        rows = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in result.items())
        space = f"urn:schemas-upnp-org:service:{service}:1"
        return soap.xml(soap.envelope(f'<u:{action}Response xmlns:u="{space}">{rows}</u:{action}Response>'))

    def _subscribe(self, request: web.Request, service: str) -> web.Response:
        sid, loop = request.headers.get("SID", ""), asyncio.get_running_loop()
        known = self.subscriptions.get(sid)
        if request.method == "UNSUBSCRIBE":
            self.subscriptions.pop(sid, None)
            return web.Response(status=200 if known else 412)
        asked = re.fullmatch(r"Second-(\d+)", request.headers.get("TIMEOUT", ""))
        seconds = int(asked[1]) if asked else 1800
        if sid and (known is None or known.until < loop.time()):
            return web.Response(status=412)
        if self.deaf:
            return web.Response(status=503)
        if known is None:
            callback = request.headers["CALLBACK"].strip("<>")
            known = Subscription(f"uuid:{self.zone.uid}_sub{uuid4().hex[:10]}", service, callback, 0.0)
            self.subscriptions[known.sid] = known
            loop.call_later(0.01, self._owe, known)
        known.until = loop.time() + seconds
        return web.Response(headers={"SID": known.sid, "TIMEOUT": f"Second-{seconds}", "Server": soap.FIRMWARE})

    async def _tell(self) -> None:
        while True:
            subscription = await self._news.get()
            subscription.due = False
            if self.subscriptions.get(subscription.sid) is not subscription:
                continue
            if subscription.until < asyncio.get_running_loop().time() or not await self._notify(subscription):
                self.subscriptions.pop(subscription.sid, None)

    async def _notify(self, subscription: Subscription) -> bool:
        values = services.SERVICES[subscription.service](self.house, self.zone).variables()
        rows = "".join(f"<e:property><{k}>{escape(str(v))}</{k}></e:property>" for k, v in values.items())
        body = f'<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0">{rows}</e:propertyset>'
        head = {"NT": "upnp:event", "NTS": "upnp:propchange", "SID": subscription.sid, "SEQ": str(subscription.number)}
        subscription.number += 1
        try:
            async with self.session.request("NOTIFY", subscription.callback, data=body, headers=head):
                return True
        except (ClientError, TimeoutError, OSError):
            return False


LEADERS_ONLY = frozenset(
    {
        "Play",
        "Pause",
        "Stop",
        "Next",
        "Previous",
        "Seek",
        "AddURIToQueue",
        "AddMultipleURIsToQueue",
        "RemoveAllTracksFromQueue",
        "ConfigureSleepTimer",
        "GetRemainingSleepTimerDuration",
    }
)


class Beacon(asyncio.DatagramProtocol):
    """Answers who looks for a ZonePlayer by SSDP, from every zone's own address."""

    def __init__(self, household: "Household") -> None:
        self.household = household

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        """UPnP Device Architecture 1.1, section 1.3: search and answer."""
        text = data.decode("utf-8", "replace")
        target = re.search(r"^ST:\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
        if text.startswith("M-SEARCH") and target and target[1] in ("ssdp:all", "upnp:rootdevice", soap.PLAYER):
            for zone in self.household.state.zones:
                if zone.plugged and (transport := self.household.beacons.get(zone.uid)):
                    transport.sendto(self._answer(zone), sender)

    def _answer(self, zone: zones.Zone) -> bytes:
        head = ("HTTP/1.1 200 OK", "EXT:", f"ST: {soap.PLAYER}")
        return "\r\n".join((*head, *_headers(self.household.state, zone), "", "")).encode()


def _headers(house: zones.House, zone: zones.Zone) -> tuple[str, ...]:
    """What a zone says of itself in every SSDP message."""
    return (
        "CACHE-CONTROL: max-age = 1800",
        f"LOCATION: http://{zone.address}:{PORT}/xml/device_description.xml",
        f"SERVER: {soap.FIRMWARE}",
        f"USN: uuid:{zone.uid}::{soap.PLAYER}",
        f"X-RINCON-BOOTSEQ: {zone.boots}",
        f"X-RINCON-HOUSEHOLD: {house.id}",
    )


class Household:
    """A running household: `state` is what the zones are, `config` what to tell Dobby, and it can be broken on purpose."""

    name = "sonos"

    def __init__(self, prefix: str, names: Sequence[str]) -> None:
        self.state = zones.House(prefix, names, self._changed)
        self.session = ClientSession(timeout=ClientTimeout(total=2))
        self.speakers = {zone.uid: Speaker(self.state, zone, self.session) for zone in self.state.zones}
        self.beacons: dict[str, asyncio.DatagramTransport] = {}
        self.sounds: dict[str, sound.Sound] = {}

    def plug_in(self, name: str, renderer: str) -> sound.Sound:
        """Let a zone really sound, on the UPnP renderer whose description is at this address."""
        self.sounds[name] = made = sound.Sound(self.state.zone(name), renderer)
        return made

    @property
    def config(self) -> dict[str, object]:
        """What to put under `[skills.sonos]`, so that it is found without multicast."""
        return {"at": [self.state.zones[0].address]}

    def truth(self, device: str) -> dict[str, object]:
        """What a speaker really does, by `sonos.ZONE` or Dobby's id for it, in the house's words."""
        wanted = device.removeprefix("sonos.")
        zone = next(each for each in self.state.zones if wanted in (each.uid, each.name))
        playing = {"PLAYING": "playing", "PAUSED_PLAYBACK": "paused"}.get(zone.playing, "idle")
        return {"playing": playing, "volume": zone.volume, "muted": zone.muted}

    def zone(self, name: str) -> zones.Zone:
        """A zone's state, by name."""
        return self.state.zone(name)

    def speaker(self, name: str) -> Speaker:
        """A zone's network side, by name: where troubles are made."""
        return self.speakers[self.state.zone(name).uid]

    async def open(self, ssdp: bool) -> None:
        """Plug everybody in, and the beacon."""
        for speaker in self.speakers.values():
            await speaker.open()
        if ssdp:
            for zone in self.state.zones:
                self.beacons[zone.uid] = await self._listen(zone.address)
                self._advertise(zone, "alive")
            self.beacons[""] = await self._listen(SSDP[0])

    def _advertise(self, zone: zones.Zone, news: str) -> None:
        """UPnP Device Architecture 1.1, section 1.2: say unasked that one has come (`alive`) or gone (`byebye`)."""
        if transport := self.beacons.get(zone.uid):
            head = ("NOTIFY * HTTP/1.1", f"HOST: {SSDP[0]}:{SSDP[1]}", f"NT: {soap.PLAYER}", f"NTS: ssdp:{news}")
            transport.sendto("\r\n".join((*head, *_headers(self.state, zone), "", "")).encode(), SSDP)

    async def _listen(self, address: str) -> asyncio.DatagramTransport:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.bind((address, SSDP[1]))
        if address == SSDP[0]:
            group = socket.inet_aton(SSDP[0]) + socket.inet_aton("127.0.0.1")
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Beacon(self), sock=sock)
        return transport

    async def unplug(self, name: str) -> None:
        """Take a zone's current away: links cut, gone from the topology, its music handed on."""
        zone = self.state.zone(name)
        self.state.plug(zone, False)
        self._advertise(zone, "byebye")
        await self.speakers[zone.uid].aclose()

    async def plug(self, name: str) -> None:
        """Give it back: it boots anew, alone and silent; its volume is as before."""
        zone = self.state.zone(name)
        await self.speakers[zone.uid].open()
        self.state.plug(zone, True)
        self._advertise(zone, "alive")

    async def move(self, name: str, address: str) -> None:
        """A zone that the router gives another address: gone here, back there."""
        await self.unplug(name)
        self.state.zone(name).address = address
        await self.plug(name)

    async def aclose(self) -> None:
        """End everything; no socket, task or timer is left."""
        for each in self.sounds.values():
            await each.aclose()
        for transport in self.beacons.values():
            transport.close()
        for zone in self.state.zones:
            zone.deck.changed = lambda: None
            zone.deck.stop()
            zone.deck.sleep(None)
        await asyncio.gather(*(speaker.aclose() for speaker in self.speakers.values()))
        await self.session.close()

    def _changed(self, zone: zones.Zone, service: str) -> None:
        self.speakers[zone.uid].changed(service)


ZONES = ("Kitchen", "Living Room", "Bedroom")


async def start(
    *, prefix: str = "127.77.0", zones: Sequence[str] = ZONES, ssdp: bool = True, rows: Mapping[str, Any] | None = None
) -> Household:
    """A household of these rooms at `prefix`.11 and up (each prefix is a household of its own); `rows` may name them: `zones`."""
    household = Household(prefix, [str(zone) for zone in rows["zones"]] if rows else zones)
    try:
        await household.open(ssdp)
    except BaseException:
        await household.aclose()
        raise
    return household


def _hang_up(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
