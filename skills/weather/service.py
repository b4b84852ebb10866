"""MET Norway's forecast as its terms ask for it: with a name, not again before it expires, and then only if it changed.

Source: developer.yr.no/doc/TermsOfService and /doc/locationforecast/HowTO (compact). Only a place rounded to two decimals is
sent (about a kilometre). What a forecast means is `words`.
"""

import json
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

import aiohttp

from dobby import Refused, Unreachable, Unsure, __version__

from .words import Point, points

URL = "https://api.met.no/weatherapi/locationforecast/2.0/compact"
AGENT = f"Dobby/{__version__} github.com/dobby-home/dobby"
PATIENCE = 15.0  # seconds for one request
LEAST, MOST = 600.0, 3 * 3600.0  # seconds a forecast is kept, whatever its header says
SPREAD = 120.0  # seconds: not everybody at the same moment
PAUSE, LONGEST_PAUSE = 300.0, 3600.0  # seconds before the next try after a failure, doubled each time
LARGEST = 2_000_000  # bytes
log = logging.getLogger("dobby.skill.weather")


@dataclass(frozen=True, slots=True)
class Told:
    """A forecast as last told: its moments, its Last-Modified, when it was good, and until when nobody need ask again."""

    points: Sequence[Point]
    modified: str
    at: float
    until: float


class Service:
    """All places' forecasts, each kept until it expires. `now` gives seconds since 1970."""

    def __init__(self, url: str, now: Callable[[], float], patience: float = PATIENCE) -> None:
        self._url, self._now, self._patience = url, now, patience
        self._told: dict[str, Told] = {}
        self._rest: dict[str, tuple[float, float]] = {}  # not before; the pause that led there
        self._trouble: dict[str, Unreachable | Unsure | Refused] = {}
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": AGENT}, timeout=aiohttp.ClientTimeout(total=patience), cookie_jar=aiohttp.DummyCookieJar()
        )

    def known(self, place: str) -> Told | None:
        """What was last told of a place, however old."""
        return self._told.get(place)

    async def look(self, place: str) -> Told:
        """A place's forecast, asked for only where the last one has expired.

        :param place: `52.52,13.40`, degrees north and east.
        :raises Unreachable, Unsure, Refused: there is no news; it is asked again after a pause, until then the same is raised.
        """
        told, now = self._told.get(place), self._now()
        if told is not None and now < told.until:
            return told
        rest, pause = self._rest.get(place, (0.0, PAUSE / 2))
        if now < rest:
            raise self._trouble[place]
        try:
            told = self._told[place] = await self._ask(place, told)
        except (Unreachable, Unsure, Refused) as error:
            pause = min(pause * 2, LONGEST_PAUSE)
            self._rest[place], self._trouble[place] = (now + pause, pause), error
            log.info("%s (asking again in %d s)", error, pause)
            raise
        self._rest.pop(place, None)
        return told

    async def _ask(self, place: str, told: Told | None) -> Told:
        north, _, east = place.partition(",")
        headers = {"If-Modified-Since": told.modified} if told and told.modified else {}
        try:
            query = self._session.get(self._url, params={"lat": north, "lon": east}, headers=headers, allow_redirects=False)
            async with query as answer:
                until = self._until(answer.headers.get("Expires", ""))
                if answer.status == 304 and told is not None:
                    return replace(told, at=self._now(), until=until)
                _check(answer.status)
                body = await _body(answer)
                modified = answer.headers.get("Last-Modified", "")[:60]
        except TimeoutError as error:
            raise Unreachable("The weather service does not answer.") from error
        except aiohttp.ClientError as error:
            raise Unreachable("The weather service cannot be reached.") from error
        except ValueError as error:
            raise Refused("The address of the weather service in dobby.toml is none.") from error
        return Told(_parsed(body), modified, self._now(), until)

    def _until(self, expires: str) -> float:
        """When to ask again: as the header says, within reason, and a little later than everybody."""
        try:
            wanted = parsedate_to_datetime(expires).timestamp() - self._now()
        except (ValueError, TypeError, OverflowError):
            wanted = LEAST
        return self._now() + min(max(wanted, LEAST), MOST) + random.uniform(0, SPREAD)

    async def aclose(self) -> None:
        """End every connection."""
        await self._session.close()


def _check(status: int) -> None:
    if status in (429, 500, 502, 503, 504):
        raise Unreachable("The weather service is busy.")
    if status == 203:
        log.warning("The weather service will soon end this form of its forecast; Dobby needs an update.")
    elif status != 200:
        raise Refused(f"The weather service turns us away ({status}).")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The answer, if it is no larger than a forecast can be."""
    body = b""
    async for piece in answer.content.iter_chunked(65536):
        body += piece
        if len(body) > LARGEST:
            raise Unsure("The weather service answered far too much.")
    return body


def _parsed(body: bytes) -> Sequence[Point]:
    try:
        return points(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise Unsure("The weather service answered something that makes no sense.") from error
