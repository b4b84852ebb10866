"""A Sonos household as it stands: zones, groups, what each group plays and how far it is.

Time is honest: starting takes a moment, positions advance, a track ends and the next begins. It does not know the
network: `dollhouse.py` shows it to the world and is told of every change.
"""

import asyncio
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

START_SECONDS = 0.1
CLIP_SECONDS = 30.0
STREAMS = ("x-sonosapi-stream:", "x-sonosapi-radio:", "x-sonosapi-hls:", "x-rincon-mp3radio:", "aac:", "hls-radio:")
FILES = ("http:", "https:", "x-file-cifs:", "x-sonos-http:", "x-sonos-spotify:")
CONTAINERS = ("x-rincon-cpcontainer:", "file:///jffs/", "x-rincon-playlist:")
LINE_IN, TV = "x-rincon-stream:", "x-sonos-htastream:"
HEARD = ("http:", "https:", "x-rincon-mp3radio:")  # what a loudspeaker of flesh and blood can fetch (`dollhouse_sound.py`)
SERVICES = frozenset({2311})  # music services that are set up: Spotify (Europe)

Changed = Callable[["Zone", str], None]
"""Called with a zone and the name of the service whose variables changed."""


class Fault(Exception):
    """A UPnP fault as a real speaker gives it, e.g. 701 (not now), 711 (no such place), 714 (no such kind of file)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"UPnP error {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Track:
    """Something that sounds; 0 seconds is a live stream."""

    uri: str
    title: str
    artist: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A favourite or a playlist of the household."""

    title: str
    uri: str
    kind: str
    tracks: tuple[Track, ...] = ()


def _keepsakes(table: str) -> tuple[Keepsake, ...]:
    rows = tomllib.loads(Path(__file__).with_name("dollhouse.toml").read_text("utf-8"))[table]
    return tuple(Keepsake(row["title"], row["uri"], row["class"], _tracks(row)) for row in rows)


def _tracks(row: dict[str, object]) -> tuple[Track, ...]:
    tracks = row.get("track", [])
    assert isinstance(tracks, list)
    return tuple(Track(f"x-sonos-http:track-{n}.mp4?of={row['title']}", **each) for n, each in enumerate(tracks, 1))


class Deck:
    """What one group plays: its queue or one stream, where it is in it, and whether it moves."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        self.uri, self.meta, self.state = "", "", "STOPPED"
        self.queue: list[Track] = []
        self.number = 1
        self.play_mode, self.crossfade = "NORMAL", False
        self._single: Track | None = None
        self.real = False  # somebody else says when it sounds and when it is over
        self._offset, self._since = 0.0, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._sleeper: asyncio.TimerHandle | None = None

    @property
    def sounding(self) -> str:
        """The address of what moves now, where it is one that anybody can fetch."""
        moves = self.state in ("PLAYING", "TRANSITIONING")
        return self.track.uri if moves and self.track and self.track.uri.startswith(HEARD) else ""

    @property
    def queued(self) -> bool:
        """Is the queue what is loaded, rather than one stream or file?"""
        return self.uri.startswith("x-rincon-queue:")

    @property
    def track(self) -> Track | None:
        """What is under the needle."""
        if not self.queued:
            return self._single
        return self.queue[self.number - 1] if self.number <= len(self.queue) else None

    @property
    def position(self) -> float:
        """Seconds into the track."""
        moved = asyncio.get_running_loop().time() - self._since if self.state == "PLAYING" else 0.0
        return self._offset + moved

    def load(self, uri: str, meta: str, single: Track | None) -> None:
        """Put something else under the needle; it stands still there until `play`."""
        self._halt("STOPPED", 0.0)
        self.uri, self.meta, self._single, self.number = uri, meta, single, 1
        if uri.startswith(TV):  # a television that is on sounds by itself
            self._start(0.0)
        self.changed()

    def play(self) -> None:
        """Start, or go on from where it stands; sounding takes a moment."""
        if self.track is None:
            raise Fault(701)
        if self.state != "PLAYING":
            self._start(self._offset)

    def pause(self) -> None:
        """Stand still, if something moves that can be held."""
        if self.state == "STOPPED" or (self.track and not self.track.seconds):
            raise Fault(701)
        self._halt("PAUSED_PLAYBACK", self.position)
        self.changed()

    def stop(self) -> None:
        """Stand still at the beginning."""
        self._halt("STOPPED", 0.0)
        self.changed()

    def sleep(self, seconds: float | None) -> None:
        """Stop after so long; None: play on."""
        if self._sleeper:
            self._sleeper.cancel()
        loop = asyncio.get_running_loop()
        self._sleeper = None if seconds is None else loop.call_later(seconds, self._doze)
        self.changed()

    def _doze(self) -> None:
        self._sleeper = None
        self.stop()

    @property
    def sleepy(self) -> float | None:
        """Seconds until it stops by itself."""
        return max(0.0, self._sleeper.when() - asyncio.get_running_loop().time()) if self._sleeper else None

    def go(self, number: int) -> None:
        """Jump to a track of the queue, moving or standing as before."""
        if not self.queued:
            raise Fault(701)
        if not 1 <= number <= len(self.queue):
            raise Fault(711)
        moving = self.state in ("PLAYING", "TRANSITIONING")
        self.number = number
        self._start(0.0) if moving else self._halt(self.state, 0.0)
        self.changed()

    def seek(self, seconds: float) -> None:
        """Jump within the track."""
        if self.track is None or not self.track.seconds:
            raise Fault(701)
        if seconds > self.track.seconds:
            raise Fault(711)
        self._start(seconds) if self.state == "PLAYING" else self._halt(self.state, seconds)

    def _start(self, offset: float) -> None:
        self._halt("TRANSITIONING", offset)
        if not (self.real and self.sounding):
            self._timer = asyncio.get_running_loop().call_later(START_SECONDS, self.sound)
        self.changed()

    def sound(self) -> None:
        """It is heard from now on."""
        loop = asyncio.get_running_loop()
        self.state, self._since = "PLAYING", loop.time()
        if self.track and self.track.seconds and not (self.real and self.sounding):
            self._timer = loop.call_later(self.track.seconds - self._offset, self.over)
        self.changed()

    def over(self) -> None:
        """The track has come to its end."""
        if self.queued and self.number < len(self.queue):
            self.go(self.number + 1)
        else:
            self.number = 1
            self.stop()

    def _halt(self, state: str, offset: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self.state, self._offset = None, state, offset


@dataclass(eq=False)
class Zone:
    """One room's speaker: its own knobs, and the deck of its group."""

    uid: str
    name: str
    address: str
    deck: Deck
    volume: int = 20
    muted: bool = False
    bass: int = 0
    treble: int = 0
    loudness: bool = True
    boots: int = 1
    plugged: bool = True
    tv: bool = False  # a soundbar at a television
    real: bool = False  # it sounds on a loudspeaker somewhere (`dollhouse_sound.py`)
    leader: "Zone" = field(init=False)

    def __post_init__(self) -> None:
        self.leader = self

    @property
    def track(self) -> Track | None:
        """What its group has under the needle."""
        return self.leader.deck.track

    @property
    def playing(self) -> str:
        """The state of its group's transport, in UPnP's words."""
        return self.leader.deck.state


class House:
    """All zones of one household, who plays with whom, and what there is to play."""

    def __init__(self, prefix: str, names: Sequence[str], changed: Changed) -> None:
        self.changed = changed
        self.id = "Sonos_Doll" + "".join(f"{int(part):03}" for part in prefix.split("."))
        self.favourites, self.playlists = _keepsakes("favourite"), _keepsakes("playlist")
        self.services = set(SERVICES)
        self.seconds: dict[str, float] = {}  # how long a web address plays, where it is not CLIP_SECONDS
        number = "".join(f"{int(part):02X}" for part in prefix.split(".")[1:])
        self.zones = [self._zone(f"RINCON_5CAAFD{number}{n:02X}01400", name, f"{prefix}.{n}") for n, name in enumerate(names, 11)]

    def _zone(self, uid: str, name: str, address: str) -> Zone:
        zone = Zone(uid, name, address, Deck(lambda: None))
        self._fresh(zone)
        return zone

    def zone(self, name: str) -> Zone:
        """A zone by its name or uid."""
        return next(zone for zone in self.zones if name in (zone.name, zone.uid))

    def members(self, zone: Zone) -> list[Zone]:
        """Everybody in a zone's group, the leader included."""
        return [each for each in self.zones if each.plugged and each.leader is zone.leader]

    def join(self, zone: Zone, uid: str) -> None:
        """Play along with another zone; whoever followed this one goes on with what it played."""
        leader = next((each for each in self.zones if each.uid == uid and each.plugged), None)
        if leader is None:
            raise Fault(701)
        if leader.leader is not zone.leader:
            self.part(zone)
        if zone is not leader.leader:
            zone.deck.stop()
            zone.leader = leader.leader
        self._regrouped(zone)

    def part(self, zone: Zone) -> None:
        """Stand alone and silent; if it led, the next one leads on without a gap."""
        others = [each for each in self.members(zone) if each is not zone]
        if others and zone.leader is zone:
            self._delegate(zone, others)
        elif not others and zone.leader is zone:
            return
        zone.leader = zone
        self._regrouped(zone)

    def _delegate(self, zone: Zone, others: list[Zone]) -> None:
        heir = others[0]
        heir.deck.stop()
        if zone.deck.uri.startswith(TV):  # it is on nobody else's cable
            zone.deck.load("", "", None)
        heir.deck = zone.deck
        heir.deck.real = heir.real
        if heir.deck.queued:
            heir.deck.uri = heir.deck.uri.replace(zone.uid, heir.uid)
        heir.deck.changed = lambda: self._moved(heir)
        for each in others:
            each.leader = heir
        self._fresh(zone)

    def _fresh(self, zone: Zone) -> None:
        zone.deck = Deck(lambda: self._moved(zone))
        zone.deck.real = zone.real

    def _moved(self, leader: Zone) -> None:
        for zone in self.members(leader):
            self.changed(zone, "AVTransport")

    def _regrouped(self, zone: Zone) -> None:
        for each in self.zones:
            self.changed(each, "ZoneGroupTopology")
        self.changed(zone, "AVTransport")

    def plug(self, zone: Zone, plugged: bool) -> None:
        """A speaker without current leaves its group; with current again it starts anew and alone."""
        self.part(zone)
        zone.deck.stop()
        zone.plugged = plugged
        zone.boots += plugged
        self._fresh(zone)
        self._regrouped(zone)

    def shelf(self, name: str, zone: Zone) -> Sequence[Keepsake | Track]:
        """What lies on a shelf of the music library: `FV:2` favourites, `SQ:` playlists, `Q:0` the zone's queue."""
        shelves: dict[str, Sequence[Keepsake | Track]] = {
            "FV:2": self.favourites,
            "SQ:": self.playlists,
            "Q:0": zone.deck.queue,
        }
        if name not in shelves:
            raise Fault(701)
        return shelves[name]

    def resolve(self, uri: str, title: str) -> tuple[Track, ...]:
        """What an address stands for: one track or stream, or all tracks of a container."""
        source = re.fullmatch(f"(?:{LINE_IN}|{TV})(\\w+)(?::spdif)?", uri)
        if source and any(each.uid == source[1] and each.plugged and (each.tv or uri.startswith(LINE_IN)) for each in self.zones):
            return (Track(uri, "" if uri.startswith(TV) else "Line-In"),)
        for kept in (*self.favourites, *self.playlists):
            if kept.uri == uri:
                return kept.tracks or (Track(uri, kept.title),)
        if uri.startswith(STREAMS):
            return (Track(uri, title or uri),)
        name = title or unquote(urlsplit(uri).path).rsplit("/", 1)[-1]
        if uri.startswith(CONTAINERS):
            return tuple(Track(f"x-sonos-http:{n}-of-{uri}", f"{name} {n}", "Somebody", 180.0) for n in (1, 2, 3))
        if uri.startswith(FILES) or ":" not in uri or uri.startswith("spotify%3a"):
            return (Track(uri, name, "", self.seconds.get(uri, CLIP_SECONDS)),)
        raise Fault(714)
