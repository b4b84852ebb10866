"""Spotify's token endpoint and search on loopback, as an app in Development Mode meets them: shapes, limits, errors, bad days.

The form is that of developer.spotify.com/documentation/web-api (Development Mode as of July 2026). It knows nothing of Dobby.
"""

import asyncio
import base64
import hashlib
import itertools
import re
import secrets
import string
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

BY_NAME_ONLY = True  # the demo shows what is found without an account anywhere
DIGITS = string.digits + string.ascii_letters
TYPES = ("album", "artist", "playlist", "track", "show", "episode", "audiobook")
LASTS = 3600  # seconds that a token is good
MOST, USUAL = 10, 5  # items of a page
PREMIUM = (
    "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few "
    "hours before requests are allowed again."
)


@dataclass(frozen=True, slots=True)
class Song:
    """A track of the catalogue; `only` are the countries in which it is to be had (none: all)."""

    name: str
    artists: tuple[str, ...]
    album: str
    by: str = ""  # whose album it is, where that is not the first artist
    only: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return self.by or self.artists[0]


CATALOGUE = (
    Song("So What (feat. John Coltrane, Cannonball Adderley & Bill Evans)", ("Miles Davis", "John Coltrane"), "Kind Of Blue"),
    Song("Blue in Green", ("Miles Davis", "Bill Evans"), "Kind Of Blue"),
    Song("Freddie Freeloader", ("Miles Davis",), "Kind Of Blue"),
    Song("Kind of Blue", ("Lounge Trio",), "Kind of Blue"),
    Song("Bohemian Rhapsody - Remastered 2011", ("Queen",), "A Night At The Opera (Deluxe Remastered Version)"),
    Song("Bohemian Rhapsody", ("String Tribute Players",), "Bohemian Rhapsody"),
    Song("Bohemian Rhapsody - Live Aid", ("Queen",), "Live Aid"),
    Song("Mustapha", ("Queen",), "Jazz (2011 Remaster)"),
    Song("Hallelujah", ("Jeff Buckley",), "Grace"),
    Song("Hallelujah", ("Leonard Cohen",), "Various Positions"),
    Song("Für Elise", ("Ludwig van Beethoven", "Lang Lang"), "Piano Book", by="Lang Lang"),
    Song("Atemlos durch die Nacht", ("Helene Fischer",), "Farbenspiel", only=("DE", "AT", "CH")),
)
MIXES = ("Jazz", "Jazz in the Background", "Kind of Blue", "Sunday Kitchen")


def id_of(kind: str, name: str) -> str:
    """The base-62 id of something, 22 letters and digits as Spotify's are."""
    number, made = int.from_bytes(hashlib.sha256(f"{kind} {name}".encode()).digest()[:16]), ""
    for _ in range(22):
        number, rest = divmod(number, 62)
        made += DIGITS[rest]
    return made


@dataclass
class Market:
    """Spotify. `trouble` breaks every answer of the search: `drop`, `garbage`, `cut`, `huge`, `silence`, or a status.

    `asked` are the searches, `requests` everything, as method and path; `mixes` has holes as the real one's playlists.
    """

    port: int = 0
    name: str = "spotify"
    client: str = "0123456789abcdef0123456789abcdef"
    secret: str = "fedcba9876543210fedcba9876543210"
    songs: tuple[Song, ...] = CATALOGUE
    mixes: tuple[str | None, ...] = (None, *MIXES, None)
    premium: bool = True
    trouble: str | int = ""
    limited: tuple[int, ...] = ()  # the Retry-After of each next search, in seconds
    document: Any = None  # sent instead, where it is set
    asked: list[Mapping[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)  # and until when each is good
    now: Callable[[], float] = time.monotonic
    _runner: web.AppRunner | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What belongs under `[skills.spotify]`."""
        return {"accounts": f"http://127.0.0.1:{self.port}", "api": f"http://127.0.0.1:{self.port}"}

    def truth(self, device: str) -> dict[str, Any]:
        """There is no device here."""
        return {}

    def forget_tokens(self) -> None:
        """Every token ends before its time."""
        self.tokens.clear()

    async def open(self) -> None:
        """Open the door: at its port, or a free one the first time."""
        app = web.Application()
        app.router.add_post("/api/token", self._token)
        app.router.add_get("/v1/search", self._search)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """As if the internet were gone."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _token(self, request: web.Request) -> web.Response:
        """RFC 6749, section 4.4, as accounts.spotify.com has it."""
        self.requests.append("POST /api/token")
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            words = {"error": "unsupported_grant_type", "error_description": "grant_type parameter is missing"}
            return web.json_response(words, status=400)
        if self._login(request) != (self.client, self.secret):
            return web.json_response({"error": "invalid_client", "error_description": "Invalid client secret"}, status=400)
        token = "BQ" + secrets.token_urlsafe(60)
        self.tokens[token] = self.now() + LASTS
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": LASTS})

    def _login(self, request: web.Request) -> tuple[str, str]:
        scheme, _, packed = request.headers.get("Authorization", "").partition(" ")
        try:
            id_, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return (id_, secret) if scheme == "Basic" else ("", "")

    async def _search(self, request: web.Request) -> web.StreamResponse:
        self.requests.append("GET /v1/search")
        self.asked.append(dict(request.query))
        if (refused := self._refused(request)) is not None:
            return refused
        if isinstance(self.trouble, int):
            return _error(self.trouble, "Server error.") if self.trouble >= 500 else web.Response(status=self.trouble)
        if self.trouble == "silence":
            await asyncio.sleep(3600)
        if self.trouble == "drop" and request.transport:
            request.transport.abort()
        if self.trouble == "huge":
            return web.Response(text='{"tracks": [' * 500_000, content_type="application/json")
        if self.trouble == "garbage":
            return web.Response(body=base64.b64decode("AP/+e30="), content_type="application/json")
        document = self._found(request) if self.document is None else self.document
        if self.trouble == "cut":
            whole = web.json_response(document).body
            assert isinstance(whole, bytes)
            return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
        return web.json_response(document)

    def _refused(self, request: web.Request) -> web.Response | None:
        """In the order in which Spotify looks."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        query = request.query
        if not scheme:
            return _error(401, "No token provided")
        if scheme != "Bearer":
            return _error(400, "Only valid bearer authentication supported")
        if token not in self.tokens:
            return _error(401, "Invalid access token")
        if self.tokens[token] <= self.now():
            return _error(401, "The access token expired")
        if not self.premium:
            return web.Response(status=403, text=PREMIUM)
        if self.limited:
            wait, *rest = self.limited
            self.limited = tuple(rest)
            return _error(429, "API rate limit exceeded", {"Retry-After": str(wait)})
        if not query.get("q"):
            return _error(400, "No search query")
        if not query.get("type"):
            return _error(400, "Missing parameter type")
        if strange := [each for each in query["type"].split(",") if each not in TYPES]:
            return _error(400, f"Bad search type field {strange[0]}")
        if not re.fullmatch(r"\d{1,3}", query.get("limit", str(USUAL))) or not 1 <= int(query.get("limit", USUAL)) <= MOST:
            return _error(400, "Invalid limit")
        if "market" in query and not re.fullmatch(r"[A-Z]{2}", query["market"]):
            return _error(400, "Invalid market code")
        return None

    # What there is

    def _found(self, request: web.Request) -> dict[str, Any]:
        query, market = request.query, request.query.get("market", "")
        words, limit = _words(query["q"]), int(query.get("limit", USUAL))
        songs = [song for song in self.songs if words & _words(f"{song.name} {' '.join(song.artists)} {song.album}")]
        songs.sort(key=lambda song: -len(words & _words(f"{song.name} {' '.join(song.artists)} {song.album}")))
        pages: dict[str, Iterator[Any]] = {
            "tracks": (self._track(song, market) for song in songs),
            "artists": (_artist(name, whole=True) for name in _once(name for song in songs for name in song.artists)),
            "albums": (_album(name, owner, market) for name, owner in _once((song.album, song.owner) for song in songs)),
            "playlists": (None if name is None else _playlist(name) for name in self.mixes if not name or words & _words(name)),
        }
        return {
            f"{kind}s": _page(list(itertools.islice(pages[f"{kind}s"], limit)), str(request.url), limit)
            for kind in query["type"].split(",")
            if f"{kind}s" in pages
        }

    def _track(self, song: Song, market: str) -> dict[str, Any]:
        id_ = id_of("track", f"{song.name} {song.artists[0]}")
        there = {"is_playable": not song.only or market in song.only} if market else {}
        return {
            "album": _album(song.album, song.owner, market),
            "artists": [_artist(name) for name in song.artists],
            "disc_number": 1,
            "duration_ms": 545_000,
            "explicit": False,
            **_about("track", id_),
            "is_local": False,
            **there,
            "name": song.name,
            "preview_url": None,
            "track_number": 1,
        }


def _about(kind: str, id_: str) -> dict[str, Any]:
    return {
        "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{id_}"},
        "href": f"https://api.spotify.com/v1/{kind}s/{id_}",
        "id": id_,
        "type": kind,
        "uri": f"spotify:{kind}:{id_}",
    }


def _artist(name: str, whole: bool = False) -> dict[str, Any]:
    more: dict[str, Any] = {"genres": [], "images": [_image(640)]} if whole else {}
    return {**_about("artist", id_of("artist", name)), "name": name, **more}


def _album(name: str, owner: str, market: str) -> dict[str, Any]:
    return {
        "album_type": "album",
        "artists": [_artist(owner)],
        **_about("album", id_of("album", f"{name} {owner}")),
        "images": [_image(640), _image(300), _image(64)],
        **({"is_playable": True} if market else {}),
        "name": name,
        "release_date": "1959-08-17",
        "release_date_precision": "day",
        "total_tracks": 5,
    }


def _playlist(name: str) -> dict[str, Any]:
    owner = {"display_name": "somebody", **_about("user", "somebody")}
    id_ = id_of("playlist", name)
    return {
        "collaborative": False,
        "description": "",
        **_about("playlist", id_),
        "images": [_image(None)],
        "name": name,
        "owner": owner,
        "primary_color": None,
        "public": True,
        "snapshot_id": "AAAAAQ==",
        "items": {"href": f"https://api.spotify.com/v1/playlists/{id_}/items", "total": 50},
    }


def _image(size: int | None) -> dict[str, Any]:
    return {"height": size, "url": "https://i.scdn.co/image/ab67616d0000b273", "width": size}


def _page(items: list[Any], href: str, limit: int) -> dict[str, Any]:
    return {"href": href, "limit": limit, "next": None, "offset": 0, "previous": None, "total": len(items), "items": items}


def _error(status: int, words: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"status": status, "message": words}}, status=status, headers=headers)


def _words(text: str) -> set[str]:
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return set(re.findall(r"\w+", bare))


def _once(rows: Iterator[Any]) -> Iterator[Any]:
    return iter(dict.fromkeys(rows))


async def start() -> Market:
    """The service on a free port of 127.0.0.1."""
    market = Market()
    await market.open()
    return market
