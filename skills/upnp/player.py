"""One UPnP renderer: what it is, what it plays, and the queue we keep for it (AVTransport:1, RenderingControl:1).

Renderers hold one address at a time, so what comes after it is remembered here. It does not know how it is listened to.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from async_upnp_client.client import UpnpDevice

from dobby import Device, Piece, Refused, Unreachable, Unsure, Value

from . import didl
from .link import Wire, call, clean, describe, service

MOVES = {"PLAYING": "playing", "TRANSITIONING": "playing", "PAUSED_PLAYBACK": "paused"}
SHOWN = 20  # tracks of the queue that are told
ENDED = 3.0  # seconds before its end at which a track that stopped counts as over
SETTLING = 0.25  # seconds a player has after an end to tidy up: gmediarender forgets its address a moment after it says "stopped"


class Player:
    """A renderer at its address; described when first needed, and anew after it was lost."""

    def __init__(self, device: Device, wire: Wire) -> None:
        self.device, self._wire = device, wire
        self._root: UpnpDevice | None = None
        self.queue: tuple[Piece, ...] = ()
        self.number = 0  # in the queue, from 1; 0: what plays is not ours
        self.rest = "idle"  # which word its standing still goes by
        self._since = 0.0  # when the track began, on the loop's clock
        self._turn = asyncio.Lock()  # who looks must not take a track that just began for one that ended or for somebody else's

    async def root(self) -> UpnpDevice:
        """Its description."""
        if self._root is None:
            self._root = await describe(self._wire, self.device.name, self.device.address)
        return self._root

    async def ask(self, of: str, action: str, **args: Any) -> Mapping[str, Any]:
        """Call one of its actions; after a doubt it is described anew, for it may have changed."""
        try:
            return await call(self.device.name, service(await self.root(), of), action, InstanceID=0, **args)
        except (Unreachable, Unsure):
            self._root = None
            raise

    async def look(self) -> dict[str, Value]:
        """All traits, freshly asked; a queue of ours goes on where its track is over."""
        async with self._turn:
            return await self._look()

    async def _moves(self) -> str:
        return str((await self.ask("AVTransport", "GetTransportInfo")).get("CurrentTransportState"))

    async def _look(self) -> dict[str, Value]:
        moves = await self._moves()
        place = await self.ask("AVTransport", "GetPositionInfo")
        uri = str(place.get("TrackURI") or (await self.ask("AVTransport", "GetMediaInfo")).get("CurrentURI") or "")
        if await self._go_on(moves, uri):
            moves = "TRANSITIONING"
        playing = MOVES.get(moves) or self.rest
        if moves in MOVES:
            self.rest = "idle"
        piece = self.queue[self.number - 1] if self.number else None
        title, artist = (piece.title, piece.artist) if piece else didl.named(str(place.get("TrackMetaData") or ""))
        level = int((await self.ask("RenderingControl", "GetVolume", Channel="Master")).get("CurrentVolume", 0))
        muted = (await self.ask("RenderingControl", "GetMute", Channel="Master")).get("CurrentMute")
        return {
            "on": playing != "off",
            "playing": playing,
            "volume": round(level * 100 / await self._loudest()),
            "muted": bool(muted),
            "track": self.number if len(self.queue) > 1 and self.number else None,
            "queue": self.coming(),
            "title": clean(title),
            "artist": clean(artist),
        }

    def coming(self) -> dict[str, Value]:
        """What our queue has from the track that plays on, by number."""
        rows = enumerate(self.queue[self.number - 1 :][:SHOWN] if self.number and len(self.queue) > 1 else (), self.number)
        return {str(n): f"{piece.title} by {piece.artist}" if piece.artist else piece.title for n, piece in rows}

    async def _go_on(self, moves: str, uri: str) -> bool:
        """A track of ours that came to its end is followed by the next (then True); somebody else's music ends our queue."""
        if self.number and uri and uri != self.queue[self.number - 1].uri:
            self.queue, self.number = (), 0
        elif self.number and moves in ("STOPPED", "NO_MEDIA_PRESENT") and self._since and self._over():
            self._since = 0.0
            if self.number < len(self.queue):
                await asyncio.sleep(SETTLING)
                await self._start(self.queue, self.number + 1)
                return True
        return False

    def _over(self) -> bool:
        seconds = self.queue[self.number - 1].seconds
        return 0 < seconds <= asyncio.get_running_loop().time() - self._since + ENDED

    async def _loudest(self) -> int:
        of = service(await self.root(), "RenderingControl")
        top = of.state_variable("Volume").max_value if of and of.has_state_variable("Volume") else None
        return int(top) if top else 100

    # Commands

    async def start(self, queue: Sequence[Piece], number: int = 1) -> None:
        """Play a piece of these, and the others after it."""
        async with self._turn:
            await self._start(queue, number)

    async def _start(self, queue: Sequence[Piece], number: int = 1) -> None:
        piece = queue[number - 1]
        await self._load(piece.uri, didl.written(piece))
        self.queue, self.number, self._since = tuple(queue), number, asyncio.get_running_loop().time()
        await self.ask("AVTransport", "Play", Speed="1")
        self.rest = "idle"

    async def _load(self, uri: str, meta: str) -> None:
        if await self._moves() in MOVES:  # some (gmediarender) hang where one address takes another's place in mid-play
            await self.ask("AVTransport", "Stop")
        await self.ask("AVTransport", "SetAVTransportURI", CurrentURI=uri, CurrentURIMetaData=meta)

    async def jump(self, number: int) -> None:
        """Go to a number of the queue."""
        if not 1 <= number <= len(self.queue):
            raise Refused(f"The queue of {self.device.name} has {len(self.queue)} tracks; there is no number {number}.")
        await self.start(self.queue, number)

    async def move(self, playing: str) -> None:
        """Play on, hold, stop, or be off; a track that was stopped by us is not followed by the next."""
        async with self._turn:
            await self._move(playing)

    async def _move(self, playing: str) -> None:
        now = await self._moves()
        if playing == "playing":
            if now != "PLAYING":
                await self.ask("AVTransport", "Play", Speed="1")
        elif playing == "paused":
            if now not in MOVES and self.rest != "paused":
                raise Refused(f"Nothing is playing on {self.device.name}.")
            if MOVES.get(now) == "playing":
                await self.ask("AVTransport", "Pause")
        elif playing in ("idle", "off"):
            self._since = 0.0
            if now in MOVES:
                await self.ask("AVTransport", "Stop")
            self.rest = playing
        else:
            raise Refused(f"{self.device.name} cannot be “{clean(playing)}”.")

    async def turn(self, volume: float) -> None:
        """Loudness in percent."""
        await self.ask(
            "RenderingControl", "SetVolume", Channel="Master", DesiredVolume=round(volume * await self._loudest() / 100)
        )

    async def mute(self, muted: bool) -> None:
        """Silence it, or not."""
        await self.ask("RenderingControl", "SetMute", Channel="Master", DesiredMute=muted)

    # Announcing

    async def interrupt(self, clip: str) -> tuple[str, str, str, str, tuple[Piece, ...], int]:
        """Play a clip; gives what `resume` needs to bring back what was before."""
        media = await self.ask("AVTransport", "GetMediaInfo")
        moves = await self._moves()
        place = str((await self.ask("AVTransport", "GetPositionInfo")).get("RelTime") or "")
        was = (
            str(media.get("CurrentURI") or ""),
            str(media.get("CurrentURIMetaData") or ""),
            moves,
            place,
            self.queue,
            self.number,
        )
        await self.start((Piece(clip, "Dobby", mime="audio/wav" if clip.endswith(".wav") else ""),))
        return was

    async def sounding(self, clip: str) -> str:
        """A clip's fate: still `on`, `over`, or `taken` over by something else."""
        media = await self.ask("AVTransport", "GetMediaInfo")
        moves = await self._moves()
        if str(media.get("CurrentURI") or clip) != clip:  # some (gmediarender) forget the address of what is over
            return "taken"
        if moves in ("PLAYING", "TRANSITIONING"):
            return "on"
        await asyncio.sleep(SETTLING)
        return "over"

    async def resume(self, was: tuple[str, str, str, str, tuple[Piece, ...], int]) -> None:
        """Play on where it was, if it played; loudness stays as somebody may have turned it meanwhile."""
        async with self._turn:
            await self._resume(was)

    async def _resume(self, was: tuple[str, str, str, str, tuple[Piece, ...], int]) -> None:
        uri, meta, moves, place, queue, number = was
        self.queue, self.number, self._since = queue, number, 0.0
        if not uri:
            return
        await self._load(uri, meta)
        if MOVES.get(moves) == "playing":
            await self.ask("AVTransport", "Play", Speed="1")
            done = didl.seconds(place)
            if done:
                try:
                    await self.ask("AVTransport", "Seek", Unit="REL_TIME", Target=place)
                except Refused:  # a stream, or one that cannot seek: it begins anew
                    done = 0.0
            self._since = asyncio.get_running_loop().time() - done
