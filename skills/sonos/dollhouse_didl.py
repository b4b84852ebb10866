"""What a Sonos speaker says of titles: DIDL-Lite, times and last changes, as text. It knows no service and no zone."""

from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .dollhouse_zones import Keepsake, Track

DIDL = (
    '<DIDL-Lite xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:upnp="urn:schemas-upnp-org:metadata-1-0/upnp/" '
    'xmlns:r="urn:schemas-rinconnetworks-com:metadata-1-0/" xmlns="urn:schemas-upnp-org:metadata-1-0/DIDL-Lite/">'
)


def track(track: Track) -> str:
    """A track's metadata as the speaker tells it."""
    kind = "object.item.audioItem.musicTrack" if track.seconds else "object.item.audioItem.audioBroadcast"
    return f"{DIDL}{item('-1', '-1', track, kind)}</DIDL-Lite>"


def item(number: str, parent: str, track: Track, kind: str) -> str:
    """One title of a shelf or a queue."""
    creator = f"<dc:creator>{escape(track.artist)}</dc:creator>" if track.artist else ""
    return (
        f'<item id="{number}" parentID="{parent}" restricted="true"><res protocolInfo="sonos.com-http:*:audio/mp4:*" '
        f'duration="{clock(track.seconds)}">{escape(track.uri)}</res><dc:title>{escape(track.title)}</dc:title>'
        f"{creator}<upnp:class>{kind}</upnp:class></item>"
    )


def row(shelf: str, number: int, each: Keepsake | Track) -> str:
    """A favourite, a playlist or a title as a row of the shelf that it lies on."""
    if isinstance(each, Track):
        return item(f"{shelf}/{number}", shelf, each, "object.item.audioItem.musicTrack")
    title, uri = escape(each.title), escape(each.uri)
    named = f"<dc:title>{title}</dc:title><upnp:class>{each.kind}</upnp:class>"
    if shelf == "SQ:":
        res = f'<res protocolInfo="file:*:audio/mpegurl:*">{uri}</res>'
        return f'<container id="SQ:{number}" parentID="SQ:" restricted="true">{res}{named}</container>'
    inner = f'{DIDL}<item id="{number}" parentID="0" restricted="true">{named}</item></DIDL-Lite>'
    return (
        f'<item id="FV:2/{number}" parentID="FV:2" restricted="false"><dc:title>{title}</dc:title>'
        "<upnp:class>object.itemobject.item.sonos-favorite</upnp:class><r:ordinal>0</r:ordinal>"
        f'<res protocolInfo="x-rincon-playlist:*:*:*">{uri}</res><r:type>instantPlay</r:type>'
        f"<r:description>{title}</r:description><r:resMD>{escape(inner)}</r:resMD></item>"
    )


def title(meta: str, what: str = "title") -> str:
    """What a metadata text calls its title (or another Dublin Core element); empty where it is no XML."""
    try:
        return ElementTree.fromstring(meta).findtext(f".//{{http://purl.org/dc/elements/1.1/}}{what}") or ""
    except ElementTree.ParseError:
        return ""


def seconds(text: str) -> int:
    """`1:02:03` in seconds."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def clock(seconds: float) -> str:
    """Seconds as `1:02:03`."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def last_change(space: str, rows: str) -> str:
    """What subscribers of a rendering service are told."""
    return f'<Event xmlns="urn:schemas-upnp-org:metadata-1-0/{space}/"><InstanceID val="0">{rows}</InstanceID></Event>'
