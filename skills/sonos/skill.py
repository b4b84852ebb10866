"""Sonos speakers: the driver. Found, read, set, played and heard; `speaker.py` says it in soco's words.

It does not know the house: rooms are named as the household names them. soco blocks, so all of it runs in the pool.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from dobby import (
    Ask,
    Change,
    Device,
    DobbyError,
    Driver,
    Finding,
    Music,
    Pool,
    Refused,
    Sign,
    State,
    Unreachable,
    Value,
    Vault,
    Voice,
)

from . import announcing, ear, playing, speaker

BEAT_SECONDS = 15.0  # how often a speaker is asked whether it is still there
CLIP_SECONDS = 120.0  # the longest announcement
LOOK_SECONDS = 0.25  # how often we look whether an announcement is over
LONGEST_SLEEP = 24 * 60 - 1  # minutes
SETTABLE = frozenset({"on", "playing", "volume", "muted", "group", "track", "sleep_timer"})
MOVES = {"PLAYING": "playing", "TRANSITIONING": "playing", "PAUSED_PLAYBACK": "paused"}
_log = logging.getLogger(__name__)


class Sonos:
    """All Sonos households of the house.

    A Sonos speaker stands still in one way only; which word that goes by ("off", or "paused" for a stream that cannot
    be held) is what it was last asked to be, else "idle".
    """

    looks_for: Sequence[Sign] = (
        Sign("ssdp", "urn:schemas-upnp-org:device:ZonePlayer:1"),
        Sign("tcp", "1400"),
        Sign("config", "sonos"),
    )
    library: Sequence[str] = ("soco", "soco.plugins.sharelink", "soco.snapshot")

    def __init__(self, beat: float = BEAT_SECONDS) -> None:
        self.beat = beat
        self.music, self.voice = Music(), Voice()
        self.settings: Mapping[str, Any] = {}
        self._pool = Pool("sonos")
        self._inputs: speaker.Inputs = {}
        self._beginning = asyncio.Lock()
        self._resting: dict[str, str] = {}  # leader's uid -> the word for its standing still
        self._tasks: set[asyncio.Task[None]] = set()
        self._ears: dict[str, ear.Ear] = {}
        self._clips: dict[str, tuple[asyncio.Task[None], speaker.Step]] = {}

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Every visible zone of the household behind the finding."""
        where = finding.address.removesuffix(":1400")
        for device in await self._pool.run(speaker.asked, f"The Sonos at {where}", speaker.described, where):
            yield device

    async def attach(self, device: Device) -> None:
        """Nothing to keep: every command finds its zone by itself, also after a change of address in the household."""

    async def read(self, device: Device) -> State:
        """All traits, freshly asked; a grouped speaker plays what its leader plays."""
        with self._doubting(device):
            state: State = await self._pool.run(speaker.asked, device.name, self._look, device)
            return state

    def _look(self, device: Device) -> dict[str, Value]:
        zone = speaker.zone_of(device)
        lead, group = speaker.leader(zone), speaker.together(zone)
        moves = speaker.transport(lead)
        if moves == "PLAYING":
            self._resting.pop(lead.uid, None)
        playing = MOVES.get(moves) or self._resting.get(lead.uid, "idle")
        return {
            "on": playing != "off",
            "playing": playing,
            "volume": zone.volume,
            "muted": zone.mute,
            "group": sorted(speaker.clean(each.player_name) for each in group) if len(group) > 1 else [],
            "sleep_timer": speaker.sleepy(lead),
            **speaker.played(lead),
        }

    async def set(self, device: Device, wanted: State) -> None:
        """Group first, then loudness, then what plays, so that nothing sounds too loud or in the wrong room."""
        if wanted.keys() - {"volume", "muted"}:
            self._forget_clip(device)
        await self._carry_out(device, self._setting(device, wanted))

    def _setting(self, device: Device, wanted: State) -> Iterator[speaker.Step]:
        if strange := wanted.keys() - SETTABLE:
            raise Refused(f"{device.name} has no {sorted(strange)[0]} to set.")
        zone = speaker.zone_of(device)
        if "group" in wanted:
            yield from speaker.grouping(zone, wanted["group"], self._inputs)
            zone = speaker.zone_of(device)
        if "volume" in wanted:
            yield partial(setattr, zone, "volume", speaker.whole(wanted["volume"], 0, 100))
        if "muted" in wanted:
            yield partial(setattr, zone, "mute", wanted["muted"] is True)
        if "track" in wanted:
            yield from playing.jumping(zone, speaker.whole(wanted["track"], 1, 100_000))
        if "sleep_timer" in wanted:
            minutes = speaker.whole(wanted["sleep_timer"], 0, LONGEST_SLEEP)
            yield partial(speaker.leader(zone).set_sleep_timer, minutes * 60 or None)
        if "playing" in wanted or "on" in wanted:
            switched = "on" if wanted.get("on") is True else "off"
            yield from self._moving(device, zone, str(wanted.get("playing", switched)))

    def _moving(self, device: Device, zone: speaker.Zone, wanted: str) -> Iterator[speaker.Step]:
        lead = speaker.leader(zone)
        moves = speaker.transport(lead)
        if wanted == "off":
            yield from self._silencing(device, zone)
        elif wanted == "playing":
            yield lead.play
        elif wanted == "paused":
            yield from self._holding(device, lead, moves)
        elif wanted in ("idle", "on"):
            if wanted == "idle" and moves != "STOPPED":
                yield lead.stop
            self._resting.pop(lead.uid, None)
        else:
            raise Refused(f"{device.name} cannot be “{speaker.clean(wanted)}”.")

    def _silencing(self, device: Device, zone: speaker.Zone) -> Iterator[speaker.Step]:
        """Off is for one speaker alone: the others of its group play on."""
        if len(speaker.together(zone)) > 1:
            yield from speaker.parting(zone, self._inputs)
            zone = speaker.zone_of(device)
        if speaker.transport(zone) != "STOPPED":
            yield zone.stop
        self._resting[zone.uid] = "off"

    def _holding(self, device: Device, lead: speaker.Zone, moves: str) -> Iterator[speaker.Step]:
        if moves == "STOPPED" and self._resting.get(lead.uid) != "paused":
            raise Refused(f"Nothing is playing on {device.name}.")
        if moves in ("PLAYING", "TRANSITIONING"):
            held = "Pause" in lead.available_actions
            yield lead.pause if held else lead.stop
            if not held:
                self._resting[lead.uid] = "paused"

    async def do(self, device: Device, verb: str, **args: Value) -> str | None:
        """`play(what)`: a name, an address or a share link; `next`, `previous`; `announce(text, volume)`: or a clip's address."""
        what = str(args.get("what") or args.get("clip") or args.get("text") or "")
        if verb == "announce":
            await self._announce(device, what, args.get("volume", self.settings.get("announce_volume")))
            return None
        told = ""
        if verb == "play" and what:
            steps, told = await self._chosen(device, what)
        elif verb in ("play", "next", "previous"):
            steps = _plainly(device, verb)
        else:
            raise Refused(f"{device.name} does not know how to “{speaker.clean(verb)}”.")
        self._forget_clip(device)
        await self._carry_out(device, steps)
        return told or None

    async def _chosen(self, device: Device, what: str) -> tuple[Iterator[speaker.Step], str]:
        if playing.ADDRESS.fullmatch(what):
            return playing.direct(device, what), ""
        with self._doubting(device):
            own = await self._pool.run(speaker.asked, device.name, playing.favourites, device)
        hit = await self.music.find(what, own)
        return playing.found(device, hit), hit.told

    async def _carry_out(self, device: Device, steps: Iterator[speaker.Step]) -> None:
        with self._doubting(device):
            await self._pool.run(speaker.carry_out, device.name, steps)

    @contextmanager
    def _doubting(self, device: Device) -> Iterator[None]:
        """Who cannot be reached for a moment is listened to anew, so that coming back is told too."""
        try:
            yield
        except Unreachable:
            if one := self._ears.get(device.id):
                one.lost()
                one.wake.set()
            raise

    async def _announce(self, device: Device, clip: str, loud: Value) -> None:
        volume = None if loud is None else speaker.whole(loud, 0, 100)
        if not announcing.CLIP.fullmatch(clip):
            clip = await self.voice.clip(clip, device.address)
        task, *back = self._clips.pop(device.identity, (None,))
        if task:
            task.cancel()  # what was there before the first clip comes back after the last
        try:
            async with self._beginning:  # who leaves a group must see who has left it before
                await self._carry_out(device, announcing.announcing(device, clip, volume, back))
        except BaseException:
            await self._bring_back(device, back)
            raise
        task = asyncio.create_task(self._after(device, clip, back[0]))
        self._clips[device.identity] = (task, back[0])
        self._keep(task)

    async def _after(self, device: Device, clip: str, back: speaker.Step) -> None:
        state = "over"
        with suppress(TimeoutError, DobbyError):
            async with asyncio.timeout(CLIP_SECONDS):
                while True:
                    state = await self._pool.run(speaker.asked, device.name, announcing.sounding, device, clip)
                    if state != "on":
                        break
                    await asyncio.sleep(LOOK_SECONDS)
        del self._clips[device.identity]
        if state != "taken":
            await self._bring_back(device, [back])

    async def _bring_back(self, device: Device, back: Sequence[speaker.Step]) -> None:
        for step in back:
            try:
                await self._pool.run(speaker.asked, device.name, step)
            except DobbyError as error:
                _log.warning("%s: what played before the announcement did not come back: %s", device.id, error)

    def _forget_clip(self, device: Device) -> None:
        """Somebody wants something else now, so what was before a clip stays away."""
        if clip := self._clips.pop(device.identity, None):
            clip[0].cancel()

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Events where a speaker grants a subscription, else a look at every beat; says once when one is gone or back."""
        if not devices:
            return
        news: asyncio.Queue[Change | None] = asyncio.Queue()
        ears = [ear.Ear(device, news) for device in devices]
        self._ears.update((each.device.id, each) for each in ears)
        soco = await self._pool.run(speaker.library)
        events = soco.events_asyncio
        await ear.open_listener(events, soco.SoCo(devices[0].address))
        tasks = [asyncio.create_task(self._follow(each, ears)) for each in ears]
        for task in tasks:
            self._keep(task)
            task.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (change := await news.get()) is not None:
                yield change
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("Listening to a Sonos ended", exc_info=result)
            self._ears = {key: each for key, each in self._ears.items() if each not in ears}
            await asyncio.gather(*(each.release() for each in ears))
            await ear.close_listener(events)

    async def _follow(self, one: ear.Ear, ears: Sequence[ear.Ear]) -> None:
        def heard(event: Any) -> None:
            for each in [one] if event.service.service_type == "RenderingControl" else ears:
                each.wake.set()

        while True:
            try:
                zone = await self._pool.run(speaker.asked, one.device.name, speaker.zone_of, one.device)
                if not one.subscriptions:
                    await one.subscribe(speaker.library().events_asyncio, zone, heard)
                one.tell(await self._pool.run(speaker.asked, one.device.name, self._look, one.device))
                while not await one.woken(self.beat) and await one.renew():
                    pass
            except DobbyError:
                one.lost()
                await one.release()
                await one.woken(self.beat)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Hear no more, bring back at once what an announcement interrupted, let the threads end."""
        backs = [back for _, back in self._clips.values()]
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for back in backs:
            with suppress(DobbyError):
                await self._pool.run(speaker.asked, "The Sonos", back)
        self._pool.close()


def _plainly(device: Device, verb: str) -> Iterator[speaker.Step]:
    yield getattr(speaker.leader(speaker.zone_of(device)), verb)


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Sonos()
