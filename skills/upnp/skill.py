"""UPnP: renderers (speakers, TVs) that play what they are given, and media servers whose music any player may play.

It does not know the house. A Sonos player is a renderer too; it is left to the Sonos skill.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dobby import (
    Ask,
    Change,
    Device,
    DobbyError,
    Driver,
    Finding,
    Hit,
    Music,
    Piece,
    Refused,
    Sign,
    State,
    Value,
    Vault,
    Voice,
    specs,
    verbs,
)

if TYPE_CHECKING:
    from .library import Library
    from .link import Wire
    from .player import Player

BEAT_SECONDS = 15.0  # how often a player is asked whether it is still there
CLIP_SECONDS, LOOK_SECONDS = 120.0, 0.25  # the longest announcement; how often we look whether it is over
SETTABLE = frozenset({"on", "playing", "volume", "muted", "track"})
TRAITS = ("on", "playing", "volume", "muted", "track", "queue", "title", "artist")
TV = re.compile(r"\b(tv|television|bravia|viera|webos|aquos|roku|philips tv)\b", re.IGNORECASE)
ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
SHARED = re.compile(
    r"https?://(open\.spotify|music\.apple|tidal|listen\.tidal|www\.deezer|deezer)\.\S+|spotify:\S+", re.IGNORECASE
)
_log = logging.getLogger(__name__)


class Upnp:
    """All renderers and media servers of the house."""

    looks_for: Sequence[Sign] = (
        Sign("ssdp", "urn:schemas-upnp-org:device:MediaRenderer:1"),
        Sign("ssdp", "urn:schemas-upnp-org:device:MediaServer:1"),
        Sign("config", "upnp"),
    )
    distance = 1
    library: Sequence[str] = ("aiohttp", "async_upnp_client.client_factory")

    def __init__(self, beat: float = BEAT_SECONDS) -> None:
        self.beat = beat
        self.music, self.voice = Music(), Voice()
        self._players: dict[str, Player] = {}
        self._libraries: dict[str, Library] = {}
        self._clips: dict[str, tuple[asyncio.Task[None], Any]] = {}
        self._line: Wire | None = None

    @property
    def _wire(self) -> "Wire":
        from .link import Wire

        if self._line is None:
            self._line = Wire()
        return self._line

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """The renderer behind the finding, if there is one; a media server is remembered for its music."""
        from . import library, link

        location = finding.says.get("location") or finding.address
        root = await link.describe(self._wire, f"The UPnP device at {link.clean(finding.address)}", location)
        if "sonos" in f"{root.manufacturer} {root.device_type}".casefold() or "ZonePlayer" in root.device_type:
            return
        if link.service(root, "ContentDirectory"):
            self._libraries[root.udn] = library.Library(root)
        if link.service(root, "AVTransport") and link.service(root, "RenderingControl"):
            uuid = link.clean(root.udn).removeprefix("uuid:").casefold()
            kind = "tv" if TV.search(f"{root.name} {root.model_name} {root.model_description}") else "speaker"
            name = link.clean(root.name) or "UPnP player"
            yield Device(
                id=f"upnp.{uuid}",
                driver="upnp",
                kind=kind,
                name=name,
                identity=f"uuid:{uuid}",
                address=location,
                traits=specs(kind, TRAITS),
                verbs=verbs(kind),
            )

    async def attach(self, device: Device) -> None:
        """Know it at this address from now on; what it plays of ours is kept."""
        from .player import Player

        known = self._players.get(device.id)
        if known is None or known.device != device:
            self._players[device.id] = fresh = Player(device, self._wire)
            if known is not None:
                fresh.queue, fresh.number = known.queue, known.number

    async def _player(self, device: Device) -> "Player":
        await self.attach(device)
        return self._players[device.id]

    # A shelf of music

    async def look_up(self, what: str) -> Sequence[Hit]:
        """What every media server has by these words; one that does not answer has nothing, unless it is the only one."""
        answers = await asyncio.gather(*(each.look_up(what) for each in self._libraries.values()), return_exceptions=True)
        return _together(answers)

    async def names(self) -> Sequence[str]:
        """What some of their music is called."""
        answers = await asyncio.gather(*(each.names() for each in self._libraries.values()), return_exceptions=True)
        return _together(answers)

    # Looking and doing

    async def read(self, device: Device) -> State:
        """All traits, freshly asked."""
        return await (await self._player(device)).look()

    async def set(self, device: Device, wanted: State) -> None:
        """Loudness first, then what plays."""
        if strange := wanted.keys() - SETTABLE:
            raise Refused(f"{device.name} has no {sorted(strange)[0]} to set.")
        player = await self._player(device)
        if wanted.keys() - {"volume", "muted"}:
            self._forget_clip(device)
        volume, number = _number(wanted.get("volume", 0), 0, 100), _number(wanted.get("track") or 1, 1, 100_000)
        if "volume" in wanted:
            await player.turn(volume)
        if "muted" in wanted:
            await player.mute(wanted["muted"] is True)
        if wanted.get("track") is not None:
            await player.jump(int(number))
        playing = wanted.get("playing", "off" if wanted.get("on") is False else None)
        if playing is not None:
            await player.move(str(playing))
        elif wanted.get("on") is True and player.rest == "off":
            player.rest = "idle"

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`play(what)`: an address or a name; `next`, `previous` in its queue; `announce(text)`: or a clip's address."""
        player, what = await self._player(device), str(args.get("what") or args.get("clip") or args.get("text") or "")
        if verb == "announce":
            await self._announce(player, what)
            return
        if verb == "play":
            pieces = await self._pieces(device, what) if what else ()
            self._forget_clip(device)
            await (player.start(pieces) if pieces else player.move("playing"))
        elif verb in ("next", "previous"):
            self._forget_clip(device)
            await player.jump(player.number + (1 if verb == "next" else -1))
        else:
            raise Refused(f"{device.name} does not know how to “{verb[:40]}”.")

    async def _pieces(self, device: Device, what: str) -> Sequence[Piece]:
        if SHARED.fullmatch(what):
            raise Refused(f"{device.name} cannot play links of music services; a Sonos can.")
        if ADDRESS.fullmatch(what):
            return (Piece(what, unquote(what.split("?")[0].rstrip("/").rsplit("/", 1)[-1])),)
        hit = await self.music.find(what)
        if any(SHARED.fullmatch(piece.uri) for piece in hit.pieces):
            raise Refused(f"{hit.told} is only there as a link of a music service. {device.name} cannot play those; a Sonos can.")
        return hit.pieces

    # Announcing

    async def _announce(self, player: "Player", clip: str) -> None:
        if not ADDRESS.fullmatch(clip):
            clip = await self.voice.clip(clip, urlsplit(player.device.address).hostname or "")
        before = self._clips.pop(player.device.id, None)
        if before:
            before[0].cancel()  # what was there before the first clip comes back after the last
        was = await player.interrupt(clip)
        was = before[1] if before else was
        self._clips[player.device.id] = (asyncio.create_task(self._after(player, clip, was)), was)

    async def _after(self, player: "Player", clip: str, was: Any) -> None:
        state = "over"
        try:
            async with asyncio.timeout(CLIP_SECONDS):
                while (state := await player.sounding(clip)) == "on":
                    await asyncio.sleep(LOOK_SECONDS)
        except (TimeoutError, DobbyError):
            pass
        self._clips.pop(player.device.id, None)
        if state != "taken":
            await _bring_back(player, was)

    def _forget_clip(self, device: Device) -> None:
        """Somebody wants something else now, so what was before a clip stays away."""
        if clip := self._clips.pop(device.id, None):
            clip[0].cancel()

    # Hearing

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Events (GENA) where a player grants a subscription, else a look at every beat; says once when one is gone or back."""
        if not devices:
            return
        from .ear import Doorbell, follow

        news: asyncio.Queue[Change] = asyncio.Queue()
        bell = Doorbell(self._wire)
        try:
            async with asyncio.TaskGroup() as group:
                for device in devices:
                    group.create_task(follow(await self._player(device), bell, news, self.beat))
                while True:
                    yield await news.get()
        finally:
            await bell.aclose()

    async def aclose(self) -> None:
        """Bring back at once what an announcement interrupted, and hang up."""
        clips, self._clips = self._clips, {}
        for name, (task, was) in clips.items():
            task.cancel()
            await _bring_back(self._players[name], was)
        if self._line is not None:
            await self._line.aclose()


async def _bring_back(player: "Player", was: Any) -> None:
    try:
        await player.resume(was)
    except DobbyError as error:
        _log.warning("%s: what played before the announcement did not come back: %s", player.device.id, error)


def _together(answers: Sequence[Any]) -> list[Any]:
    """All answers; the first fault where there are only faults."""
    faults = [each for each in answers if isinstance(each, BaseException)]
    if faults and len(faults) == len(answers):
        raise faults[0]
    return [row for each in answers if not isinstance(each, BaseException) for row in each]


def _number(value: Value, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(f"{str(value)[:40]} is not a number from {low} to {high}.")
    return value


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Upnp()
