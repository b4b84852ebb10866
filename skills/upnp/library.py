"""A media server on the network, searched for music (ContentDirectory:1, Search).

It does not know who plays what it finds, nor which of it is meant.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from async_upnp_client.client import UpnpDevice

from dobby import Hit, Refused

from . import didl
from .link import call, clean, service

MOST = 300  # items looked at per field
FIELDS = ("upnp:genre", "upnp:artist", "dc:creator", "upnp:album", "dc:title")


class Library:
    """One media server."""

    def __init__(self, root: UpnpDevice) -> None:
        self.name = clean(root.name)
        self._directory = service(root, "ContentDirectory")

    async def look_up(self, what: str) -> list[Hit]:
        """Genres, artists, albums and tracks that have the longest of these words in their name.

        One word in one plain comparison at a time: minidlna refuses more (UPnP 708); whoever asks compares the rest.
        """
        word = max(re.findall(r"\w+", what), key=len, default="")
        fields = await self._fields() if word else ()
        return hits([item for field in fields for item in await self._search(f'{field} contains "{word}"')])

    async def names(self) -> list[str]:
        """What some of it is called."""
        found = hits(await self._search(f'upnp:class derivedfrom "{didl.AUDIO}"'))
        return [hit.name for hit in found]

    async def _fields(self) -> list[str]:
        answer = await call(self.name, self._directory, "GetSearchCapabilities")
        able = {each.strip() for each in str(answer.get("SearchCaps", "")).split(",")}
        fields = [field for field in FIELDS if field in able or "*" in able]
        return [field for field in fields if field != "dc:creator" or "upnp:artist" not in fields]

    async def _search(self, criteria: str) -> list[didl.Item]:
        args = {"ContainerID": "0", "SearchCriteria": criteria, "Filter": "*", "SortCriteria": ""}
        try:
            answer = await call(self.name, self._directory, "Search", StartingIndex=0, RequestedCount=MOST, **args)
        except Refused:  # it does not search by that
            return []
        return list(didl.items(str(answer.get("Result", ""))))


def hits(items: Iterable[didl.Item]) -> list[Hit]:
    """Items by their genre, artist, album and title, each in the order of its albums."""
    shelves: dict[tuple[str, str, str], list[didl.Item]] = defaultdict(list)
    for item in sorted({item.piece.uri: item for item in items}.values(), key=lambda row: (row.piece.album, row.number)):
        piece = item.piece
        for kind, name, more in (
            ("genre", item.genre, ""),
            ("artist", piece.artist, ""),
            ("album", piece.album, piece.artist),
            ("track", piece.title, piece.artist),
        ):
            if name:
                shelves[kind, name, more].append(item)
    return [Hit(name, kind, tuple(row.piece for row in rows), more) for (kind, name, more), rows in shelves.items()]
