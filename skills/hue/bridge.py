"""One Hue Bridge: pinned HTTPS through aiohue, what it holds, and its event stream (CLIP API v2).

The API is https://developers.meethue.com/develop/hue-api-v2/. It does not know what its resources are to a house (`things.py`).
"""

import asyncio
import hashlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import aiohttp

from dobby import DobbyError, Refused, Unreachable, Unsure

from .things import Thing, clean

ANSWER = 8.0  # seconds the bridge has for one answer, its own "try again" included
LONGEST = 4_000_000  # bytes of one line of the event stream
_log = logging.getLogger(__name__)


class Stranger(Refused):
    """The bridge does not know our key."""


class NotPressed(Refused):
    """Nobody pressed its button."""


@contextmanager
def doubting(who: str, doubt: type[DobbyError]) -> Iterator[None]:
    """Tell aiohue's and aiohttp's errors in the house's words; `doubt` where nothing is known about what was sent."""
    from aiohue.errors import AiohueException, Unauthorized

    try:
        yield
    except Unauthorized as error:
        raise Stranger(f"{who}: the Hue bridge no longer knows Dobby; its button has to be pressed again.") from error
    except AiohueException as error:
        raise _said(who, clean(error)) from error
    except aiohttp.ServerFingerprintMismatch as error:
        raise Refused(f"{who}: another machine answers where the Hue bridge was; Dobby's key was not sent to it.") from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise Unreachable(f"{who}: the Hue bridge cannot be reached.") from error
    except (aiohttp.ContentTypeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise doubt(f"{who}: the Hue bridge answered something that makes no sense.") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise doubt(f"{who}: the Hue bridge broke off without an answer.") from error


def _said(who: str, words: str) -> DobbyError:
    if "communication" in words:  # the bridge tried; the lamp may have heard
        return Unsure(f"{who} does not answer the Hue bridge.")
    return Refused(f"{who}: the Hue bridge says: {words}")


# Before it knows us


async def fingerprint(at: str) -> str:
    """SHA-256 of the certificate shown at `host:port`, as hex. Raises OSError where nobody speaks TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its own; we pin it instead
    host, _, port = at.rpartition(":")
    async with asyncio.timeout(ANSWER):
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        return hashlib.sha256(writer.get_extra_info("ssl_object").getpeercert(True)).hexdigest()
    finally:
        writer.close()


async def asked(method: str, at: str, path: str, pin: str, body: Any = None) -> Any:
    """One question of the old API, which needs no key."""
    pinned = aiohttp.Fingerprint(bytes.fromhex(pin))
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER)) as session,
        session.request(method, f"https://{at}/{path}", json=body, ssl=pinned) as answer,
    ):
        answer.raise_for_status()
        return await answer.json()


async def pair(at: str, pin: str) -> str:
    """A key of our own -> the key. Raises `NotPressed`: the button was not pressed within the last half minute."""
    [answer] = await asked("POST", at, "api", pin, {"devicetype": "dobby#butler", "generateclientkey": True})
    if "success" in answer:
        return str(answer["success"]["username"])
    if answer["error"]["type"] == 101:
        raise NotPressed("The button on the Hue bridge was not pressed.")
    raise Refused(f"The Hue bridge says: {clean(answer['error']['description'])}")


@cache
def _pinned() -> Any:
    from aiohue.v2 import HueBridgeV2

    class Pinned(HueBridgeV2):  # type: ignore[misc] # aiohue is not typed
        """aiohue's bridge, which trusts one certificate instead of any."""

        def __init__(self, at: str, key: str, pin: str) -> None:
            super().__init__(at, key)
            self._websession: aiohttp.ClientSession | None = None
            self._pin = aiohttp.Fingerprint(bytes.fromhex(pin))

        @asynccontextmanager
        async def create_request(self, method: str, path: str, **given: Any) -> AsyncIterator[aiohttp.ClientResponse]:
            """As aiohue's; at most three at once beside the event stream, as the bridge wants it."""
            if self._websession is None:
                self._websession = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit_per_host=4))
            headers = {**given.pop("headers", {}), "hue-application-key": self._app_key}
            url = f"https://{self._host}/{path}"
            async with self._websession.request(method, url, ssl=self._pin, headers=headers, **given) as answer:
                yield answer

    return Pinned


class Bridge:
    """A bridge that knows us. `at` is host:port; `resources` what it holds, by id, as it was last told."""

    def __init__(self, id: str, at: str, key: str, pin: str) -> None:
        self.id, self.at, self.key, self.pin = id, at, key, pin
        self.api = _pinned()(at, key, pin)
        self.resources: dict[str, dict[str, Any]] = {}

    async def ask(self, path: str) -> list[dict[str, Any]]:
        """Resources of a path, in good form only. Raises what `doubting` translates."""
        async with asyncio.timeout(ANSWER):
            rows = await self.api.request("get", f"clip/v2/resource{path}")
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def fetch(self) -> None:
        """All it holds, anew."""
        self.resources = {row["id"]: row for row in await self.ask("")}

    async def look(self, thing: Thing) -> None:
        """One resource and whether its device is in reach, anew."""
        paths = [f"/{thing.type}/{thing.rid}", *([f"/zigbee_connectivity/{thing.link}"] if thing.link else [])]
        for rows in await asyncio.gather(*(self.ask(path) for path in paths)):
            self.resources |= {row["id"]: row for row in rows}

    async def listen(self, beat: float) -> AsyncIterator[None]:
        """Yield whenever what it holds may have changed; at least one question every `beat` seconds tells whether it is there.

        Raises what `doubting` translates as soon as it is not. What cannot be understood is made good by asking for everything.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER)
        headers = {"Accept": "text/event-stream"}
        async with self.api.create_request("get", "eventstream/clip/v2", timeout=timeout, headers=headers) as stream:
            if stream.status == 200:
                await self.fetch()  # after the stream is open, so that nothing falls between
            else:
                await self.fetch()
                stream.raise_for_status()
            yield
            rest = b""
            while True:
                try:
                    async with asyncio.timeout(beat):
                        chunk = await stream.content.readany()
                except TimeoutError:
                    self.resources |= {row["id"]: row for row in await self.ask("/zigbee_connectivity")}
                    yield
                    continue
                if not chunk or len(rest) > LONGEST:
                    raise ConnectionResetError("the event stream ended")
                *lines, rest = (rest + chunk).split(b"\n")
                if not all([self._take(line) for line in lines]):
                    await self.fetch()
                yield

    def _take(self, line: bytes) -> bool:
        """Take in one line of the stream; False where it was to be understood and could not."""
        field, _, value = line.partition(b":")
        if field.strip() != b"data":
            return True
        try:
            for event in json.loads(value):
                for part in event["data"]:
                    self._change(event["type"], part)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _log.info("The Hue bridge at %s sent an event that makes no sense: %r", self.at, error)
            return False
        return True

    def _change(self, kind: str, part: dict[str, Any]) -> None:
        if kind == "delete":
            self.resources.pop(part["id"], None)
        elif kind == "add" or part["id"] in self.resources:
            self.resources[part["id"]] = _merged(self.resources.get(part["id"], {}), part)

    async def aclose(self) -> None:
        """Let go of its sockets."""
        await self.api.close()


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
