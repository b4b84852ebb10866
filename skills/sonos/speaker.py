"""What soco is asked and told, in Dobby's types: the one place that touches the untyped library's zones.

Everything here blocks, so the driver (`skill.py`) runs it in its pool. It does not know events or announcements.
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, TypeAlias
from urllib.parse import unquote

from dobby import Device, DobbyError, Refused, Unreachable, Unsure, Value, specs, verbs

Zone: TypeAlias = Any
"""One of soco's `SoCo`: a zone of the household."""
Step: TypeAlias = Callable[[], object]
"""One command to a speaker; commands come as iterators of steps, so that we know whether anything was sent."""

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
SOURCES = {"LINE_IN": "line-in", "TV": "tv", "AIRPLAY": "airplay", "SPOTIFY_CONNECT": "spotify", "WEB_FILE": "web"}
ADDRESS = re.compile(r"(https?|x-[\w-]+|aac|hls-radio):\S+", re.IGNORECASE)
FILE = re.compile(r"\.(mp3|m4a|mp4|aac|flac|wav|ogg|wma|aiff?)($|\?)", re.IGNORECASE)
CLIP = re.compile(r"https?://\S+", re.IGNORECASE)
FAULTS = {
    "402": "that value does not fit",
    "601": "that value is out of range",
    "701": "it cannot do that right now (nothing to play, or a live stream)",
    "711": "there is no such track",
    "714": "it cannot play that kind of sound",
    "716": "that could not be found",
    "800": "it cannot play that (is the music service set up in the Sonos app?)",
    "804": "that playlist has to be a favourite first",
}


@cache
def library() -> Any:
    """soco, imported when first needed (0.3 s, 11 MB) and set up; it has no types."""
    import soco
    import soco.events_asyncio
    import soco.plugins.sharelink
    import soco.snapshot

    soco.config.REQUEST_TIMEOUT = (CONNECT_SECONDS, ANSWER_SECONDS)
    return soco


def clean(text: object) -> str:
    """What a device calls something is data: one printable line, not long."""
    return "".join(char if char.isprintable() else " " for char in str(text or ""))[:120].strip()


def judged(who: str, error: Exception, begun: bool) -> DobbyError:
    """What an error of the library's means: said no, never sent, or perhaps done."""
    soco = library()
    if isinstance(error, DobbyError):
        return error
    if isinstance(error, soco.exceptions.SoCoUPnPException):
        return Refused(f"{who} refused: {FAULTS.get(error.error_code, f'UPnP error {error.error_code}')}.")
    if isinstance(error, soco.exceptions.NotSupportedException | soco.exceptions.SoCoSlaveException):
        return Refused(f"{who} cannot do that.")
    http = soco.services.requests.exceptions
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, http.ConnectTimeout | socket.gaierror) or type(reason).__name__ == "NewConnectionError":
        return (Unsure if begun else Unreachable)(f"{who} cannot be reached.")
    if isinstance(error, OSError) and not isinstance(error, http.HTTPError):
        return Unsure(f"{who} broke off without an answer.")
    return Unsure(f"{who} answered something that makes no sense.")


def asked(who: str, work: Callable[..., Any], *args: object) -> Any:
    """Look something up; blocking."""
    try:
        return work(*args)
    except Exception as error:
        raise judged(who, error, False) from error


def carry_out(who: str, steps: Iterator[Step]) -> None:
    """Do step after step; blocking. Once one arrived, a lost link leaves a doubt."""
    begun = False
    try:
        for step in steps:
            step()
            begun = True
    except Exception as error:
        raise judged(who, error, begun) from error


# Looking


def household(address: str) -> list[Zone]:
    """All zones of the household, as the one at this address sees it now; soco alone would trust its memory."""
    zone = library().SoCo(socket.gethostbyname(address))
    known = zone.zone_group_state
    if known.has_subscriptions:
        with suppress(library().exceptions.SoCoUPnPException):  # more than about 20 zones: events are all there is
            payload = zone.zoneGroupTopology.GetZoneGroupState()["ZoneGroupState"]
            known.process_payload(payload=payload, source="poll", source_ip=zone.ip_address)
    else:
        known.clear_cache()
    return sorted(zone.all_zones, key=lambda each: str(each.uid))


def zone_of(device: Device) -> Zone:
    """The device's zone, wherever in the household it is now."""
    for zone in household(device.address):
        if zone.uid == device.identity:
            _ = zone.household_id  # known from here on; soco would ask for it inside the loop when subscribing
            return zone
    raise Unreachable(f"{device.name} is no longer part of the Sonos household at {device.address}.")


def leader(zone: Zone) -> Zone:
    """Who takes the transport orders of a zone's group."""
    return (zone.group and zone.group.coordinator) or zone


def together(zone: Zone) -> set[Zone]:
    """Everybody who plays the same, without the hidden halves of pairs."""
    return {each for each in (zone.group.members if zone.group else ()) if each.is_visible} | {zone}


def transport(zone: Zone) -> str:
    """UPnP's word for whether it moves."""
    return str(zone.get_current_transport_info()["current_transport_state"])


def described(address: str) -> list[Device]:
    """The visible zones of a household as devices."""
    return [_device(zone) for zone in household(address) if zone.is_visible]


def _device(zone: Zone) -> Device:
    room = clean(zone.player_name)
    return Device(
        id=f"sonos.{clean(zone.uid)}",
        driver="sonos",
        kind="speaker",
        name=f"{room} Sonos",
        identity=clean(zone.uid),
        address=zone.ip_address,
        room=room,
        aliases=(f"{room} speaker",),
        traits=specs("speaker", source={"settable": False}),
        verbs=verbs("speaker"),
    )


def played(lead: Zone) -> dict[str, Value]:
    """What a group's leader has under the needle: title, artist, source, number in the queue."""
    track, media = lead.get_current_track_info(), lead.get_current_media_info()
    queued, channel = media["uri"].startswith("x-rincon-queue:"), clean(media["channel"])
    kind = lead.music_source_from_uri(media["uri"])
    return {
        "title": clean(track["title"]) or ("" if queued else channel),
        "artist": clean(track["artist"]),
        "source": "queue" if queued else SOURCES.get(kind, channel if kind == "RADIO" else ""),
        "track": int(track["playlist_position"]) if queued else None,
    }


# Commands, as steps


def grouping(zone: Zone, names: Value) -> Iterator[Step]:
    """Exactly these play together with the zone; its own music goes on."""
    known = {name.casefold(): each for each in zone.visible_zones for name in _names(each)}
    asked_for = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    if missing := [name for name in asked_for if name.casefold() not in known]:
        there = ", ".join(sorted(clean(each.player_name) for each in zone.visible_zones))
        raise Refused(f"There is no Sonos speaker called {clean(missing[0])}; there are: {there}.")
    wanted = {known[name.casefold()] for name in asked_for} | {zone}
    lead, now = leader(zone), together(zone)
    if lead not in wanted:
        yield zone.unjoin
        lead, now = zone, {zone}
    for each in now - wanted:
        yield each.unjoin
    for each in wanted - now:
        yield partial(each.join, lead)


def _names(zone: Zone) -> tuple[str, ...]:
    device = _device(zone)
    return (device.room, device.name, *device.aliases, device.id, device.identity)


def jumping(zone: Zone, number: int) -> Iterator[Step]:
    """Go to a track of the queue, playing or not as before."""
    lead = leader(zone)
    size = lead.queue_size or 0
    if not 1 <= number <= size:
        raise Refused(f"The queue has {size} tracks; there is no number {number}.")
    if not lead.get_current_media_info()["uri"].startswith("x-rincon-queue:"):
        yield partial(lead.play_uri, f"x-rincon-queue:{lead.uid}#0", start=False)
    yield partial(lead.seek, track=number - 1)


def streaming(lead: Zone, uri: str, **more: Any) -> Iterator[Step]:
    """Play one address."""
    yield partial(lead.play_uri, uri, start=False, **more)
    yield lead.play


def queueing(lead: Zone, add: Step) -> Iterator[Step]:
    """Play what `add` puts into the queue, and have nothing else in it. What was there goes last, should `add` fail."""
    size = lead.queue_size or 0
    yield add
    if size:
        yield partial(lead.remove_range_from_queue, 0, size)
    yield partial(lead.play_uri, f"x-rincon-queue:{lead.uid}#0", start=False)
    yield lead.play


def favourite(lead: Zone, name: str) -> Any:
    """The one favourite or Sonos playlist so called: its whole title, or else all words of only one title."""
    library_of = lead.music_library.get_music_library_information
    kept = [each for kind in ("sonos_favorites", "sonos_playlists") for each in library_of(kind, complete_result=True)]
    words = set(re.findall(r"\w+", name.casefold()))
    exact = [each for each in kept if each.title.casefold() == name.casefold()]
    near = [each for each in kept if words and words <= set(re.findall(r"\w+", each.title.casefold()))]
    if exact or len(near) == 1:
        return (exact or near)[0]
    some = ", ".join(clean(each.title) for each in (near or kept)[:5])
    if near:
        raise Refused(f"Several favourites go by “{clean(name)}”: {some}.")
    raise Refused(f"There is no favourite called “{clean(name)}”." + (f" There are: {some}." if some else ""))


def playing(device: Device, what: str) -> Iterator[Step]:
    """Play a share link, an address or a favourite, whatever `what` is."""
    lead = leader(zone_of(device))
    links = library().plugins.sharelink.ShareLinkPlugin(lead)
    if links.is_share_link(what):
        yield from queueing(lead, partial(links.add_share_link_to_queue, what))
    elif ADDRESS.fullmatch(what):
        radio = what.lower().startswith("http") and not FILE.search(what)  # a plain http stream is refused by newer speakers
        yield from streaming(lead, what, title=clean(unquote(what.rsplit("/", 1)[-1])), force_radio=radio)
    else:
        yield from _kept(lead, favourite(lead, what))


def _kept(lead: Zone, kept: Any) -> Iterator[Step]:
    if not kept.resources:
        raise Refused(f"“{clean(kept.title)}” can only be opened in the Sonos app.")
    meta = getattr(kept, "resource_meta_data", None)
    uri = kept.resources[0].uri
    if lead.music_source_from_uri(uri) in ("RADIO", "LINE_IN", "TV"):
        yield from streaming(lead, uri, meta=meta or "")
    else:
        yield from queueing(lead, partial(lead.add_to_queue, kept.reference if meta else kept))


# Announcing


def announcing(device: Device, clip: str, back: list[Step]) -> Iterator[Step]:
    """Play a clip in this room only. `back` takes the step that brings back what was before, unless it holds one."""
    zone = zone_of(device)
    if not back and (others := together(zone) - {zone}):
        back.append(partial(rejoined, device, min(each.uid for each in others)))
        yield zone.unjoin
        zone = zone_of(device)
    elif not back:
        before = library().snapshot.Snapshot(zone)
        before.snapshot()
        if before.transport_state == "TRANSITIONING":  # about to play; soco would bring it back standing still
            before.transport_state = "PLAYING"
        back.append(partial(restored, zone, before))
    yield from streaming(zone, clip, title="Dobby")


def sounding(device: Device, clip: str) -> str:
    """A clip's fate: still `on`, `over`, or `taken` over by something else."""
    zone = zone_of(device)
    if leader(zone) is not zone or zone.get_current_media_info()["uri"] != clip:
        return "taken"
    return "on" if transport(zone) in ("PLAYING", "TRANSITIONING") else "over"


def rejoined(device: Device, uid: str) -> None:
    """Play along again with the group that the zone left for a clip."""
    zone = zone_of(device)
    for each in zone.all_zones:
        if each.uid == uid:
            zone.join(leader(each))


def restored(zone: Zone, before: Any) -> None:
    """Play on where it was; loudness stays as it is now, for somebody may have turned it meanwhile."""
    before.volume, before.mute = zone.volume, zone.mute
    before.restore()
