"""What soco is asked and told, in Dobby's types: the one place that touches the untyped library's zones.

Everything here blocks, so the driver (`skill.py`) runs it in its pool. It does not know events or announcements.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, TypeAlias

from dobby import Device, DobbyError, Refused, Unreachable, Unsure, Value, specs, verbs

Zone: TypeAlias = Any
"""One of soco's `SoCo`: a zone of the household."""
Inputs: TypeAlias = dict[str, tuple[str, str, bool]]
"""A zone's uid -> what it played by a cable (`input_of`) before it joined a group."""
Step: TypeAlias = Callable[[], object]
"""One command to a speaker; commands come as iterators of steps, so that we know whether anything was sent."""

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
SOURCES = {"LINE_IN": "line-in", "TV": "tv", "AIRPLAY": "airplay", "SPOTIFY_CONNECT": "spotify", "WEB_FILE": "web"}
SHOWN = 20  # tracks of the queue that are looked at
INPUTS = ("LINE_IN", "TV")  # what sounds by a cable, and is no music of a queue or a station
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


def whole(value: Value, low: int, high: int) -> int:
    """A number that is asked for. :raises Refused: it is none of these."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(f"{clean(value)} is not a number from {low} to {high}.")
    return round(value)


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
    number = int(track["playlist_position"]) if queued else None
    return {
        "title": clean(track["title"]) or ("" if queued else channel),
        "artist": clean(track["artist"]),
        "source": "queue" if queued else SOURCES.get(kind, channel if kind == "RADIO" else ""),
        "track": number,
        "queue": _queue(lead, number) if number else {},
    }


def _queue(lead: Zone, number: int) -> dict[str, Value]:
    """What the queue has from this number on, by number: title and artist."""
    rows = lead.get_queue(number - 1, SHOWN)
    return {str(n): _titled(each) for n, each in enumerate(rows, number)}


def _titled(item: Any) -> str:
    title, artist = clean(item.title), clean(getattr(item, "creator", ""))
    return f"{title} by {artist}" if artist else title


def sleepy(lead: Zone) -> int:
    """Minutes until it stops by itself, begun ones included; 0: it does not."""
    return -(-(lead.get_sleep_timer() or 0) // 60)


def input_of(zone: Zone) -> tuple[str, str, bool] | None:
    """The television or line-in that a zone plays for its group: address, description, and whether it sounds."""
    media = zone.get_current_media_info()
    if zone.music_source_from_uri(media["uri"]) not in INPUTS:
        return None
    return media["uri"], "", transport(zone) in ("PLAYING", "TRANSITIONING")


# Commands, as steps


def grouping(zone: Zone, names: Value, inputs: Inputs) -> Iterator[Step]:
    """Exactly these play together with the zone; its own music goes on.

    `inputs` keeps what a zone that joins had by a cable, and brings it back when the zone leaves.
    """
    known = {name.casefold(): each for each in zone.visible_zones for name in _names(each)}
    asked_for = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    if missing := [name for name in asked_for if name.casefold() not in known]:
        there = ", ".join(sorted(clean(each.player_name) for each in zone.visible_zones))
        raise Refused(f"There is no Sonos speaker called {clean(missing[0])}; there are: {there}.")
    wanted = {known[name.casefold()] for name in asked_for} | {zone}
    lead, now = leader(zone), together(zone)
    if lead not in wanted:
        yield from parting(zone, inputs)
        lead, now = zone, {zone}
    for each in now - wanted:
        yield from parting(each, inputs)
    for each in wanted - now:
        if leader(each) is each and (by_cable := input_of(each)):
            inputs[each.uid] = by_cable
        yield partial(each.join, lead)


def parting(zone: Zone, inputs: Inputs) -> Iterator[Step]:
    """Leave the group; what came by a cable before comes again. Who plays by its own cable stays, and the others leave."""
    if leader(zone) is zone and (own := input_of(zone)) and zone.uid in own[0]:
        for each in together(zone) - {zone}:
            yield from parting(each, inputs)
        return
    yield zone.unjoin
    if kept := inputs.pop(zone.uid, None):
        uri, meta, sounds = kept
        yield partial(zone.play_uri, uri, meta, start=False)
        if sounds:
            yield zone.play


def _names(zone: Zone) -> tuple[str, ...]:
    device = _device(zone)
    return (device.room, device.name, *device.aliases, device.id, device.identity)
