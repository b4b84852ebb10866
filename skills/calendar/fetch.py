"""Fetches a calendar's text from a link or a file that the owner named: seldom, for news only, and from nowhere else.

A link leads where its owner says, even into the house; where it sends us, only to the public internet. It knows no calendars.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dobby import DobbyError, Refused, Unreachable, Unsure, __version__

PATIENCE = 20.0  # seconds for one request
EVERY = 1800.0  # seconds between looks at a link
PAUSE, LONGEST_PAUSE = 300.0, 3600.0  # seconds before the next try after a failure, doubled each time
LARGEST = 5_000_000  # bytes
HOPS = 3
AWAY = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Text:
    """A calendar as last read, when that was still so, and what to ask for news with."""

    body: bytes
    at: float
    tag: str = ""
    modified: str = ""


class _Public(AbstractResolver):
    """Names lead anywhere if the owner named them, else only to public addresses."""

    def __init__(self) -> None:
        self.named: set[str] = set()
        self._dns = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._dns.resolve(host, port, family)
        if host not in self.named and not all(_public(row["host"]) for row in found):
            raise OSError(None, "not a public address")
        return found

    async def close(self) -> None:
        await self._dns.close()


def _public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return True  # a name; the resolver looks where it leads


class Reader:
    """Reads links and files, each no more often than needed. `now` gives seconds since 1970."""

    def __init__(self, now: Callable[[], float], patience: float = PATIENCE) -> None:
        self._now = now
        self._known: dict[str, Text] = {}
        self._rest: dict[str, tuple[float, float, DobbyError]] = {}
        self._names = _Public()
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": f"Dobby/{__version__} github.com/dobby-home/dobby"},
            timeout=aiohttp.ClientTimeout(total=patience),
            connector=aiohttp.TCPConnector(resolver=self._names, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def known(self, link: str) -> Text | None:
        """What was last read, however old."""
        return self._known.get(link)

    async def look(self, link: str) -> Text:
        """The text behind a link or a path.

        :raises Unreachable, Unsure, Refused: no news; a link is tried again after a pause, until then the same is raised.
        """
        if "://" not in link:
            text = self._known[link] = Text(await asyncio.to_thread(_file, link), self._now())
            return text
        known, now = self._known.get(link), self._now()
        until, pause, trouble = self._rest.get(link, (0.0, PAUSE / 2, None))
        if trouble is not None and now < until:
            raise trouble
        if known is not None and now < known.at + EVERY:
            return known
        try:
            text = self._known[link] = await self._get(link, known)
        except (Unreachable, Unsure, Refused) as error:
            pause = min(pause * 2, LONGEST_PAUSE)
            self._rest[link] = (now + pause, pause, error)
            raise
        self._rest.pop(link, None)
        return text

    async def _get(self, link: str, known: Text | None) -> Text:
        asked = {"If-None-Match": known.tag, "If-Modified-Since": known.modified} if known else {}
        headers = {name: value for name, value in asked.items() if value}
        try:
            url = URL(link.replace("webcal://", "https://", 1))
            self._names.named.add(url.host or "")
            for _ in range(HOPS):
                async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                    if answer.status in AWAY:
                        url = _onward(url, answer.headers.get("Location", ""), self._names.named)
                        continue
                    if answer.status == 304 and known is not None:
                        return replace(known, at=self._now())
                    return await self._taken(answer)
        except TimeoutError as error:
            raise Unreachable("The calendar's server does not answer.") from error
        except aiohttp.InvalidURL as error:
            raise Refused("A calendar's link in dobby.toml is none.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable("The calendar's server cannot be reached.") from error
        except ValueError as error:
            raise Refused("A calendar's link in dobby.toml is none.") from error
        raise Refused("The calendar's server sends us round in circles.")

    async def _taken(self, answer: aiohttp.ClientResponse) -> Text:
        if answer.status in (429, 500, 502, 503, 504):
            raise Unreachable("The calendar's server is busy.")
        if answer.status != 200:
            raise Refused(f"The calendar's server turns us away ({answer.status}): is the link still right?")
        body = b""
        async for piece in answer.content.iter_chunked(65536):
            body += piece
            if len(body) > LARGEST:
                raise Unsure("The calendar is far too large.")
        return Text(body, self._now(), answer.headers.get("ETag", "")[:200], answer.headers.get("Last-Modified", "")[:60])

    async def aclose(self) -> None:
        """End every connection."""
        await self._session.close()


def _onward(url: URL, location: str, named: set[str]) -> URL:
    """Where a server sends us; never from https to http, nor to an address inside that the owner did not name."""
    onward = url.join(URL(location))
    safe = onward.scheme == "https" or onward.scheme == url.scheme == "http"
    if not safe or not onward.host or (onward.host not in named and not _public(onward.host)):
        raise Refused("The calendar's server sends us where we will not go.")
    return onward


def _file(path: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            body = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise Unreachable("The calendar's file cannot be read.") from error
    if len(body) > LARGEST:
        raise Unsure("The calendar is far too large.")
    return body
