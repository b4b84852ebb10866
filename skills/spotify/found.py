"""From what Spotify's search has to music by name: all of it is data of strangers, cut, cleaned, never followed.

An address is made of the kind and an id that is one, never taken over. It does not know which is meant (`dobby.Music` does).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dobby import Hit, Piece

ID = re.compile(r"[0-9A-Za-z]{22}")
LONGEST = 80  # characters of a name: a title, not a message
FEATURED = re.compile(r"\s*[(\[](?:feat|ft|with)\b[^)\]]*[)\]]", re.IGNORECASE)
EDITION = r"(?:remaster(?:ed)?|deluxe|expanded|anniversary|legacy edition|mono|stereo|bonus tracks?|album version|single version)"
EDITED = re.compile(rf"\s*[(\[](?![^)\]]*\blive\b)[^)\]]*\b{EDITION}\b[^)\]]*[)\]]", re.IGNORECASE)
DASHED = re.compile(rf"\s+[-–]\s+(?!.*\blive\b)[^-–]*\b{EDITION}\b[^-–]*$", re.IGNORECASE)
GENRES = frozenset(  # a name that is one of these means a mix of that, no song or band that is called so
    re.split(
        ", ?",
        "acoustic, ambient, blues, bossa nova, chill, christmas, classical, country, dance, disco, dub, electronic, folk, funk, "
        "gospel, hip hop, house, indie, jazz, latin, lofi, metal, opera, piano, pop, punk, rap, reggae, rock, salsa, ska, soul, "
        "swing, techno, trance, kinderlieder, klassik, klavier, oper, schlager, volksmusik, weihnachten, weihnachtslieder",
    )
)
BESIDE = frozenset({"some", "a", "bit", "of", "music", "songs", "etwas", "ein", "bisschen", "musik"})


class Row(NamedTuple):
    """One thing that was found: `name` as Spotify has it, `by` its artists, `album` what it is on and whose that is."""

    kind: str
    id: str
    name: str
    by: tuple[tuple[str, str], ...] = ()
    album: tuple[str, str] = ("", "")

    @property
    def plain(self) -> str:
        """Its name without which edition it is and who else is on it: a remaster is what was asked for, a live one is not."""
        return DASHED.sub("", EDITED.sub("", FEATURED.sub("", self.name))).strip() or self.name

    @property
    def link(self) -> str:
        """Where it can be shared."""
        return f"https://open.spotify.com/{self.kind}/{self.id}"


def clean(text: object) -> str:
    """One printable line, not long."""
    words = text[: 4 * LONGEST] if isinstance(text, str) else ""
    return " ".join("".join(char if char.isprintable() else " " for char in words).split())[:LONGEST].strip()


def hits(answer: Mapping[str, Any], what: str) -> list[Hit]:
    """What goes by names that can be played: artists by their tracks, albums, tracks, and strangers' playlists as mixes.

    Of what has the same name, what comes first at Spotify stays, and what is by somebody named in `what`.
    """
    tracks, albums = list(_rows(answer, "track")), list(_rows(answer, "album"))
    mixes = [Hit(row.name, "mix", (_piece(row),), told=f"{row.name} (Spotify playlist)") for row in _rows(answer, "playlist")]
    genre = " ".join(word for word in _fold(what).split() if word not in BESIDE)
    if genre in GENRES and any(set(genre.split()) <= set(_fold(mix.name).split()) for mix in mixes):
        return _first(mixes)
    first: dict[str, str] = {}
    for row in tracks:
        first.setdefault(_fold(row.plain), _by(row, what))
        first.setdefault(_fold(Row("album", "", row.album[0]).plain), row.album[1])
    for row in albums:
        first.setdefault(_fold(row.plain), _by(row, what))
    asked = set(_fold(what).split())
    music = [
        Hit(row.plain, row.kind, (_piece(row),), by, told=f"{by} – {row.name} (Spotify)" if by else f"{row.name} (Spotify)")
        for row in (*albums, *tracks)
        for by in [_by(row, what)]
        if first[_fold(row.plain)] == by or (by and set(_fold(by).split()) <= asked)
    ]
    return _first([*_artists(answer, tracks), *music, *mixes])


def _artists(answer: Mapping[str, Any], tracks: Sequence[Row]) -> Iterator[Hit]:
    """Those of whom something was found: an artist alone cannot be played from a link."""
    for row in _rows(answer, "artist"):
        if pieces := tuple(_piece(track) for track in tracks if row.id in dict(track.by)):
            yield Hit(row.name, "artist", pieces, told=f"{row.name} (Spotify)")


def _first(found: Sequence[Hit]) -> list[Hit]:
    """Of several that are called the same, the first."""
    return list({(hit.kind, hit.called.casefold()): hit for hit in reversed(found)}.values())[::-1]


def _piece(row: Row) -> Piece:
    return Piece(row.link, row.name, row.by[0][1] if row.by else "", row.album[0])


def _by(row: Row, what: str) -> str:
    """Whose it is: of several, who is named in what was asked, else the first."""
    asked = set(_fold(what).split())
    names = [name for _, name in row.by]
    return next((name for name in names if set(_fold(name).split()) <= asked), names[0] if names else "")


def _rows(answer: Mapping[str, Any], kind: str) -> Iterator[Row]:
    """What of one kind makes sense: Spotify has holes in its pages, and things that are not to be had in this country."""
    for item in _items(answer.get(f"{kind}s")):
        id_, name = item.get("id"), clean(item.get("name"))
        if not (isinstance(id_, str) and ID.fullmatch(id_) and name) or item.get("is_playable") is False:
            continue
        found = item.get("album")
        album: Mapping[str, Any] = found if isinstance(found, dict) else {}
        owners = _artists_of(album)
        yield Row(kind, id_, name, _artists_of(item), (clean(album.get("name")), owners[0][1] if owners else ""))


def _items(page: Any) -> list[Mapping[str, Any]]:
    items = page.get("items") if isinstance(page, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _artists_of(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = item.get("artists")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return tuple((str(row.get("id"))[:22], clean(row.get("name"))) for row in rows[:20] if clean(row.get("name")))


def _fold(text: str) -> str:
    """Lower case, no accents, no punctuation."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", re.sub(r"['’]", "", bare)))
