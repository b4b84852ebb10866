"""Spotify's Web API as far as it needs no listener's account: a token for an app's key (client credentials), and the search.

Source: developer.spotify.com/documentation/web-api (tutorials/client-credentials-flow, reference/search, concepts/rate-limits,
and the limits of Development Mode as of July 2026). Asked with aiohttp, which Dobby has anyway: spotifyaio gets no tokens, cannot
be led elsewhere for tests, knows neither market nor Retry-After, and wants Python 3.13. What is asked is in no error and no log.
It does not know what an answer means (`found`).
"""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from dobby import Refused, Unreachable, Unsure, __version__

from .key import Key

ACCOUNTS, API = "https://accounts.spotify.com", "https://api.spotify.com"
KINDS = "artist,album,track,playlist"
MOST = 10  # of each kind: more is refused in Development Mode
LARGEST = 4_000_000  # bytes
LONGEST = 100  # characters of a name that are sent
PATIENCE = 3.5  # seconds for one question, a new token included; who looks for music waits 4
BRIEF = 1.5  # seconds that are waited at once where Spotify says so; for longer it is left alone
DAY = 86_400.0
EARLY = 60.0  # seconds before its end that a token is no longer used


class WrongKey(Refused):
    """Spotify does not take this key."""


class Service:
    """Who asks Spotify. `now` gives seconds that only pass; `market` is a country (ISO 3166-1, "DE") or ""."""

    def __init__(
        self, accounts: str, api: str, market: str, patience: float = PATIENCE, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounts, self._api, self._market, self._now = accounts.rstrip("/"), api.rstrip("/"), market, now
        self._patience = patience
        self._token: tuple[Key, str, float] | None = None
        self._rest = 0.0  # when Spotify may be asked again
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": f"Dobby/{__version__}"}, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
        )

    async def enter(self, key: Key) -> None:
        """See whether Spotify takes a key, by a token of its own.

        :raises WrongKey: it does not; :raises Refused, Unreachable, Unsure: as `search`.
        """
        await self._within(self._fresh(key))

    async def search(self, key: Key, what: str, most: int = MOST) -> Mapping[str, Any]:
        """What Spotify has by these words: pages of `artists`, `albums`, `tracks` and `playlists`, each with `items`.

        :raises WrongKey: the key is no longer taken; :raises Refused: Spotify says no;
        :raises Unreachable: it does not answer, or wants to be left alone for a while; :raises Unsure: it answered nonsense.
        """
        query = {"q": what[:LONGEST], "type": KINDS, "limit": str(most)} | ({"market": self._market} if self._market else {})
        found: Mapping[str, Any] = await self._within(self._search(key, query))
        return found

    async def aclose(self) -> None:
        """End every connection."""
        await self._session.close()

    async def _within(self, work: Any) -> Any:
        try:
            async with asyncio.timeout(self._patience):
                return await work
        except TimeoutError as error:
            raise Unreachable("Spotify does not answer.") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Refused("The address of Spotify in dobby.toml is none.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable("Spotify cannot be reached.") from error

    async def _search(self, key: Key, query: Mapping[str, str]) -> Mapping[str, Any]:
        known = self._token
        token = known[1] if known and known[0] == key and self._now() < known[2] else await self._fresh(key)
        url = f"{self._api}/v1/search"
        status, said = await self._ask("GET", url, params=query, headers={"Authorization": f"Bearer {token}"})
        if status == 401:  # it ended before its time: once anew
            token = await self._fresh(key)
            status, said = await self._ask("GET", url, params=query, headers={"Authorization": f"Bearer {token}"})
        if status != 200:
            raise _no(status, said)
        return _object(said)

    async def _fresh(self, key: Key) -> str:
        self._token = None
        login = {"Authorization": f"Basic {b64encode(f'{key.id}:{key.secret}'.encode()).decode()}"}  # RFC 7617
        form = {"grant_type": "client_credentials"}
        status, said = await self._ask("POST", f"{self._accounts}/api/token", data=form, headers=login)
        if status in (400, 401) and b"invalid_client" in said:
            raise WrongKey("Spotify does not take that key.")
        if status != 200:
            raise _no(status, said)
        answer = _object(said)
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not 0 < len(token) < 4000 or not token.isascii() or not token.isprintable():
            raise Unsure("Spotify answered something that makes no sense.")
        lasts = seconds if isinstance(seconds, int | float) and 0 < seconds < DAY else 0.0
        self._token = (key, token, self._now() + lasts - EARLY)
        return token

    async def _ask(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        """One question -> status and body; a short rest that Spotify wants is kept at once, in a longer one nothing is asked."""
        for last in (False, True):
            if self._now() < self._rest:
                raise Unreachable("Spotify wants to be asked less often; I leave it alone for a while.")
            async with self._session.request(method, url, allow_redirects=False, **more) as answer:
                if answer.status != 429:
                    return answer.status, await _body(answer)
                wait = _seconds(answer.headers.get("Retry-After", ""))
            if last or wait > BRIEF:
                self._rest = self._now() + wait
            else:
                await asyncio.sleep(wait)
        raise Unreachable("Spotify wants to be asked less often; I leave it alone for a while.")


def _seconds(text: str) -> float:
    """A Retry-After, within reason."""
    return min(float(text), DAY) if text.isascii() and text.isdecimal() and len(text) < 9 else 5.0


def _no(status: int, said: bytes) -> Refused | Unreachable:
    """What an answer other than 200 means."""
    if status >= 500:
        return Unreachable("Spotify is busy.")
    if status == 403 and b"premium" in said.lower():
        return Refused("Spotify lets nobody search whose account has no Premium; after a change that takes a few hours.")
    if status == 400 and b"market" in said.lower():
        return Refused("Spotify does not know that market: in dobby.toml it is a country like “DE”.")
    return Refused(f"Spotify turns us away ({status}).")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The answer, if it is no larger than a search can be."""
    body = bytearray()
    async for piece in answer.content.iter_chunked(65536):
        body += piece
        if len(body) > LARGEST:
            raise Unsure("Spotify answered far too much.")
    return bytes(body)


def _object(said: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise Unsure("Spotify answered something that makes no sense.") from error
    if not isinstance(answer, dict):
        raise Unsure("Spotify answered something that makes no sense.")
    return answer
