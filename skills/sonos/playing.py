"""What a Sonos plays: addresses, share links, favourites, and what other shelves of music have, as steps.

It does not know which of several things by a name is meant (`dobby.Music` does). Everything here blocks.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from dobby import Device, Hit, Piece, Refused

from .speaker import Step, Zone, clean, leader, library, zone_of

ADDRESS = re.compile(r"(https?|x-[\w-]+|aac|hls-radio|spotify):\S+", re.IGNORECASE)
FILE = re.compile(r"\.(mp3|m4a|mp4|aac|flac|wav|ogg|wma|aiff?)($|\?)", re.IGNORECASE)
MOST = 200  # tracks put into the queue at once
LINK = "https://open.spotify.com/"


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


def queueing(lead: Zone, add: Step, *more: Step) -> Iterator[Step]:
    """Play what `add` puts into the queue, and have nothing else in it but what `more` adds while it plays. What was there
    goes last, should `add` fail."""
    size = lead.queue_size or 0
    yield add
    if size:
        yield partial(lead.remove_range_from_queue, 0, size)
    yield partial(lead.play_uri, f"x-rincon-queue:{lead.uid}#0", start=False)
    yield lead.play
    yield from more


def favourites(device: Device) -> Sequence[Hit]:
    """The household's favourites and Sonos playlists."""
    library_of = zone_of(device).music_library.get_music_library_information
    kinds = {"favourite": "sonos_favorites", "playlist": "sonos_playlists"}
    return [
        Hit(clean(each.title), kind, own=each)
        for kind, shelf in kinds.items()
        for each in library_of(shelf, complete_result=True)
    ]


def direct(device: Device, what: str) -> Iterator[Step]:
    """Play an address, or what a share link leads to by Sonos' own account there."""
    lead = leader(zone_of(device))
    links = library().plugins.sharelink.ShareLinkPlugin(lead)
    if links.is_share_link(what):
        yield from queueing(lead, partial(links.add_share_link_to_queue, what))
        return
    if what.lower().startswith("spotify:"):
        raise Refused("That is no link to a track, album, playlist or show of Spotify.")
    yield from _address(lead, what, clean(unquote(what.rsplit("/", 1)[-1])))


def _address(lead: Zone, uri: str, title: str) -> Iterator[Step]:
    radio = uri.lower().startswith("http") and not FILE.search(uri)  # a plain http stream is refused by newer speakers
    yield from streaming(lead, uri, title=title, force_radio=radio)


def found(device: Device, hit: Hit) -> Iterator[Step]:
    """Play what a name has turned out to mean."""
    lead = leader(zone_of(device))
    if hit.own is not None:
        yield from _kept(lead, hit.own)
    elif hit.pieces and hit.pieces[0].uri.startswith(LINK):
        add = library().plugins.sharelink.ShareLinkPlugin(lead).add_share_link_to_queue
        yield from queueing(lead, *(partial(add, piece.uri, dc_title=escape(piece.title)) for piece in hit.pieces))
    elif hit.kind == "station" and len(hit.pieces) == 1:
        yield from _address(lead, hit.pieces[0].uri, hit.name)
    else:
        tracks = [_track(piece) for piece in hit.pieces[:MOST]]
        yield from queueing(lead, partial(lead.add_multiple_to_queue, tracks))


def _kept(lead: Zone, kept: Any) -> Iterator[Step]:
    if not kept.resources:
        raise Refused(f"“{clean(kept.title)}” can only be opened in the Sonos app.")
    meta = getattr(kept, "resource_meta_data", None)
    uri = kept.resources[0].uri
    if lead.music_source_from_uri(uri) in ("RADIO", "LINE_IN", "TV"):
        yield from streaming(lead, uri, meta=meta or "")
    else:
        yield from queueing(lead, partial(lead.add_to_queue, kept.reference if meta else kept))


def _track(piece: Piece) -> Any:
    """A piece of somebody else's shelf in Sonos' words. A space would end its address."""
    words = library().data_structures
    res = words.DidlResource(piece.uri.replace(" ", "%20"), f"http-get:*:{piece.mime or 'audio/mpeg'}:*")
    more = {"creator": piece.artist, "album": piece.album}
    named = {key: value for key, value in more.items() if value}
    return words.DidlMusicTrack(piece.title or "?", "-1", "-1", resources=[res], **named)
