"""Ears for a household: what a zone plays from the web really sounds, on a UPnP renderer that nobody here wrote (gmediarender).

The zone is the front: it takes Sonos' commands, the renderer fetches and decodes, and the zone is `PLAYING`, or at its end,
when the renderer says so. It does not know Sonos' protocol.
"""

import asyncio
import re
from contextlib import suppress
from xml.sax.saxutils import escape

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from .dollhouse_zones import Zone

LOOK_SECONDS = 0.05
PATIENCE = 4.0  # seconds the renderer has to fetch something
KIND = "urn:schemas-upnp-org:service:{}:1"


class Sound:
    """One zone's loudspeaker. `heard` are the addresses that sounded, in order."""

    def __init__(self, zone: Zone, location: str) -> None:
        self.zone, self._base = zone, location.rpartition("/")[0]
        self.heard: list[str] = []
        self._session = ClientSession(timeout=ClientTimeout(total=5), connector=TCPConnector(force_close=True))
        self._loaded, self._since, self._volume = "", 0.0, -1
        self._began = ""  # where it says it is before it has begun
        zone.real = zone.deck.real = True
        self._task = asyncio.create_task(self._live())

    async def ask(self, service: str, action: str, **args: object) -> dict[str, str]:
        """One action of the renderer; nothing where it refuses."""
        kind, place = KIND.format(service), "transport" if service == "AVTransport" else "control"
        rows = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in {"InstanceID": 0, **args}.items())
        body = f'<u:{action} xmlns:u="{kind}">{rows}</u:{action}>'
        text = f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'
        head = {"SOAPACTION": f'"{kind}#{action}"', "Content-Type": "text/xml"}
        with suppress(ClientError, TimeoutError):
            async with self._session.post(f"{self._base}/upnp/control/render{place}1", data=text, headers=head) as answer:
                return dict(re.findall(r"<(\w+)>([^<]*)</\1>", await answer.text()))
        return {}

    async def _live(self) -> None:
        while True:
            await self._follow()
            await asyncio.sleep(LOOK_SECONDS)

    async def _follow(self) -> None:
        """Bring the renderer to what the zone's group wants to sound, and the group to what the renderer does."""
        deck = self.zone.leader.deck
        wanted = re.sub("^x-rincon-mp3radio:", "http:", deck.sounding)
        if (level := 0 if self.zone.muted else self.zone.volume) != self._volume:
            await self.ask("RenderingControl", "SetVolume", Channel="Master", DesiredVolume=level)
            self._volume = level
        if wanted != self._loaded:
            await self.ask("AVTransport", "Stop")
            self._loaded, self._since = wanted, asyncio.get_running_loop().time()
            if wanted:
                await self.ask("AVTransport", "SetAVTransportURI", CurrentURI=wanted, CurrentURIMetaData="")
                self._began = await self._place()
                await self.ask("AVTransport", "Play", Speed=1)
        if not wanted:
            return
        moves = (await self.ask("AVTransport", "GetTransportInfo")).get("CurrentTransportState")
        if re.sub("^x-rincon-mp3radio:", "http:", deck.sounding) != wanted or self.zone.leader is not self.zone:
            return
        if moves in ("STOPPED", "NO_MEDIA_PRESENT"):  # it comes to an end only of what it could play
            if deck.state == "TRANSITIONING":
                self.heard.append(wanted)
            self._loaded = ""
            deck.over()
        elif deck.state == "TRANSITIONING" and await self._place() not in ("", self._began):
            self.heard.append(wanted)
            deck.sound()
        elif deck.state == "TRANSITIONING" and asyncio.get_running_loop().time() > self._since + PATIENCE:
            self._loaded = ""
            await self.ask("AVTransport", "Stop")
            deck.over()

    async def _place(self) -> str:
        """How far it is. It says that it plays before it has fetched anything; only what has been decoded moves on."""
        place = (await self.ask("AVTransport", "GetPositionInfo")).get("RelTime", "")
        return place if re.search("[1-9]", place) else ""

    async def aclose(self) -> None:
        """Take the plug out; the renderer stays."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._session.close()
