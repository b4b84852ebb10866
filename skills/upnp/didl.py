"""DIDL-Lite, the XML in which UPnP speaks of music (ContentDirectory:1, annex B): read into pieces, written for a player.

It does not know where the XML comes from; anything else than DIDL-Lite is nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from dobby import Piece

from .link import clean

AUDIO = "object.item.audioItem"


class Item(NamedTuple):
    """A piece, what genre it is of, and where in its album it stands."""

    piece: Piece
    genre: str
    number: int


def items(text: str) -> Iterator[Item]:
    """All audio items with an address; an answer that is no XML has none."""
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError):
        return
    for row in root.iterfind(".//{*}item"):
        found = [each for each in row.iterfind("{*}res") if (each.text or "").strip().startswith("http")]
        if found and _text(row, "class").startswith(AUDIO):
            yield Item(_piece(row, found[0]), _text(row, "genre"), _number(_text(row, "originalTrackNumber")))


def named(text: str) -> tuple[str, str]:
    """Title and artist of the first thing described, "" where it does not say."""
    try:
        row = next(iter(fromstring(text)), None) if text and text != "NOT_IMPLEMENTED" else None
    except (ParseError, DefusedXmlException, ValueError):
        return "", ""
    return ("", "") if row is None else (_text(row, "title"), _text(row, "artist") or _text(row, "creator"))


def written(piece: Piece) -> str:
    """A piece's description for a player."""
    kind = f"{AUDIO}.musicTrack" if piece.seconds else f"{AUDIO}.audioBroadcast"
    rows = f"<dc:title>{escape(piece.title)}</dc:title>"
    if piece.artist:
        rows += f"<dc:creator>{escape(piece.artist)}</dc:creator><upnp:artist>{escape(piece.artist)}</upnp:artist>"
    if piece.album:
        rows += f"<upnp:album>{escape(piece.album)}</upnp:album>"
    protocol = quoteattr(f"http-get:*:{piece.mime or 'audio/mpeg'}:*")
    return (
        '<DIDL-Lite xmlns="urn:schemas-upnp-org:metadata-1-0/DIDL-Lite/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:upnp="urn:schemas-upnp-org:metadata-1-0/upnp/"><item id="0" parentID="-1" restricted="1">{rows}'
        f"<upnp:class>{kind}</upnp:class><res protocolInfo={protocol}>{escape(piece.uri)}</res></item></DIDL-Lite>"
    )


def _piece(row: Element, res: Element) -> Piece:
    parts = res.get("protocolInfo", "").split(":")
    return Piece(
        uri=(res.text or "").strip(),
        title=_text(row, "title"),
        artist=_text(row, "artist") or _text(row, "creator"),
        album=_text(row, "album"),
        mime=clean(parts[2]) if len(parts) > 2 else "",
        seconds=seconds(res.get("duration", "")),
    )


def seconds(text: str) -> float:
    """`H:MM:SS.F` in seconds; 0 where it is anything else."""
    try:
        hours, minutes, rest = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)
    except ValueError:
        return 0.0


def _text(row: Element, tag: str) -> str:
    return clean(row.findtext(f"{{*}}{tag}"))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
