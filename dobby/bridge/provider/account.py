"""One Twilio account over its REST API v2010: messages made, listed and fetched, errors as what is known about an attempt.

Nothing is ever sent twice from here: the API has no idempotency key, so only a row decides about a second try.
It does not know rows, people or webhooks.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from dobby.bridge.provider.attachments import collect
from dobby.errors import Refused, Unreachable, Unsure

quiet = logging.getLogger(__name__)
quiet.setLevel(logging.WARNING)  # the SDK tells every request at length, with people's numbers
API, MESSAGING, CONTENT = "https://api.twilio.com", "https://messaging.twilio.com", "https://content.twilio.com"
SECONDS = 15.0  # one request; Twilio's own limit for ours
HOPS = 3  # redirects from a file's address to where it lies
FILES = (".twilio.com", ".twiliocdn.com", ".amazonaws.com")  # where Twilio's redirects may lead, without credentials


@cache
def codes() -> Mapping[str, Any]:
    """`twilio.toml` as it stands."""
    return tomllib.loads(Path(__file__).with_name("twilio.toml").read_text("utf-8"))


def says(code: str | int | None) -> str:
    """An error code in words."""
    row = codes().get(str(code), {})
    return f"{row.get('says', 'Twilio could not deliver it.')} (Twilio {code})"


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as Twilio lists it; instants in seconds since 1970, 0 where Twilio does not say."""

    sid: str
    sender: str
    to: str
    body: str
    created: float
    sent: float
    inbound: bool
    media: int
    status: str


class Secrets(Protocol):
    """A part of the vault."""

    def get(self, name: str) -> str | None: ...

    async def put(self, name: str, secret: str) -> None: ...


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]
    """The SDK's client, led to another server where the config says so; without retries, as they send again."""

    def __init__(self, api: str) -> None:
        super().__init__(timeout=SECONDS, logger=quiet)
        self._api = api

    async def request(self, method: str, url: str, *args: Any, **more: Any) -> Any:
        if more.get("auth"):
            more["headers"] = {**(more.get("headers") or {}), "Authorization": _basic(*more.pop("auth"))}
        led = url if self._api == API else re.sub(r"^https://[a-z]+\.twilio\.com", self._api, url)
        return await super().request(method, led, *args, **more)


class Account:
    """What the bridges need of an account. `secrets` are looked up at each use, so that a new token counts at once:
    `token`, and `picture_key`, which signs the addresses of pictures and nothing else."""

    def __init__(self, sid: str, secrets: Secrets, api: str = API) -> None:
        self.sid, self._secrets, self.api = sid, secrets, api.rstrip("/")
        self._http: _Http | None = None
        self._made: Any = None

    @property
    def token(self) -> str:
        """The auth token as it is now."""
        return self._secrets.get("token") or ""

    def sign(self, number: int, until: int) -> str:
        """128 bits over a message's number and an end (seconds since 1970)."""
        key = (self._secrets.get("picture_key") or secrets.token_hex()).encode()
        return hmac.new(key, f"{number}.{until}".encode(), hashlib.sha256).hexdigest()[:32]

    async def make_key(self) -> None:
        """A key for pictures, the first time."""
        if not self._secrets.get("picture_key"):
            await self._secrets.put("picture_key", secrets.token_hex())

    @property
    def _client(self) -> Any:
        if self._http is None:
            self._http = _Http(self.api)
        if self._made is None or self._made.password != self.token:
            self._made = Client(self.sid, self.token, http_client=self._http)
        return self._made

    async def aclose(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.close()

    async def warm(self) -> None:
        """Bring in what the SDK brings in late: a second that the first message would wait, and the house with it."""
        await asyncio.to_thread(getattr, self._client, "messages")

    async def create(self, **fields: Any) -> str:
        """Send one message; its SID.

        :raises Refused: it will never go; :raises Unreachable: not now; :raises Unsure: nobody knows.
        """
        with told():
            made = await self._client.messages.create_async(**fields)
        return str(made.sid)

    async def typing(self, sid: str) -> None:
        """Under the message with this SID: somebody is typing, for 25 seconds or until the answer; it counts as read, too
        (https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource, a public beta)."""
        data = {"messageId": sid, "channel": "whatsapp"}
        with told():
            await self._client.request_async("POST", f"{MESSAGING}/v2/Indicators/Typing.json", data=data)

    async def outbound(self, sender: str, to: str, limit: int = 60) -> list[Listed]:
        """What went to somebody lately, newest first; what is still queued has no date of sending, so none is asked for."""
        with told():
            rows = await self._client.messages.list_async(from_=sender, to=to, limit=limit)
        return [_listed(row) for row in rows if str(row.direction).startswith("outbound")]

    async def inbound(self, to: str, since: float, limit: int = 500) -> list[Listed]:
        """What came in since the day of an instant, oldest first."""
        after = datetime.fromtimestamp(since, UTC)
        with told():
            rows = await self._client.messages.list_async(to=to, date_sent_after=after, limit=limit)
        return sorted((_listed(row) for row in rows if row.direction == "inbound"), key=lambda row: (row.sent, row.created))

    async def status(self, sid: str) -> tuple[str, str]:
        """How far a message has come, and the code of what went wrong ("" for nothing)."""
        with told():
            row = await self._client.messages(sid).fetch_async()
        return str(row.status), str(row.error_code or "")

    async def media_of(self, sid: str) -> list[str]:
        """Where the files of a message lie."""
        with told():
            rows = await self._client.messages(sid).media.list_async(limit=10)
        return [f"{self.api}{str(row.uri).removesuffix('.json')}" for row in rows]

    async def name(self) -> str:
        """What the account is called: whether the credentials are right."""
        with told():
            row = await self._client.api.accounts(self.sid).fetch_async()
        return str(row.friendly_name)

    async def approval(self, template: str) -> str:
        """What WhatsApp says of a template: `approved`, `pending`, `rejected` …; "" where this account has none such
        (https://www.twilio.com/docs/content/content-api-resources)."""
        with told():
            answer = await self._client.request_async("GET", f"{CONTENT}/v1/Content/{template}/ApprovalRequests")
        if answer.status_code in (401, 403):
            raise Refused(says(20003))
        row = json.loads(answer.text) if answer.status_code == 200 else {}
        return str((row.get("whatsapp") or {}).get("status", ""))

    async def fetch(self, url: str) -> bytes:
        """A file that came in: with the credentials from the API's own host, without them from where that redirects to.

        :raises Refused: it lies elsewhere, is too large, or is gone; :raises Unreachable: not now.
        """
        headers = {"Authorization": _basic(self.sid, self.token)}
        if not url.startswith(f"{self.api}/"):
            raise Refused("A file does not lie at Twilio, so it was not fetched.")
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as http:
                for _ in range(HOPS):
                    async with http.get(url, headers=headers, allow_redirects=False) as response:
                        if response.status in (301, 302, 303, 307, 308):
                            url, headers = self._next(url, response.headers.get("Location", "")), {}
                            continue
                        if response.status != 200:
                            raise Refused(f"A file could not be fetched ({response.status}).")
                        return await collect(response.content.iter_chunked(65536))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable("A file could not be fetched.") from error
        raise Refused("A file is passed on too often.")

    def _next(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        parts = urlsplit(target)
        ours = target.startswith(f"{self.api}/")
        if not ours and not (parts.scheme == "https" and (parts.hostname or "").endswith(FILES)):
            raise Refused("A file does not lie at Twilio, so it was not fetched.")
        return target


@contextmanager
def told() -> Iterator[None]:
    """The SDK's errors as what is known about an attempt."""
    try:
        yield
    except TwilioRestException as error:
        then = codes().get(str(error.code), {}).get("then", "")
        if error.status == 429 or (then == "again" and error.status < 500):
            raise Unreachable(says(error.code)) from error
        if error.status < 500:
            raise Refused(says(error.code)) from error
        raise Unsure("Twilio had an error of its own.") from error
    except aiohttp.ClientConnectorError as error:
        raise Unreachable("Twilio cannot be reached.") from error
    except (TimeoutError, aiohttp.ClientError, TwilioException, OSError) as error:
        raise Unsure("Twilio did not answer.") from error


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _listed(row: Any) -> Listed:
    created, sent = (at.timestamp() if at else 0.0 for at in (row.date_created, row.date_sent))
    inbound, media = row.direction == "inbound", int(row.num_media or 0)
    return Listed(row.sid, row.from_ or "", row.to or "", row.body or "", created, sent, inbound, media, str(row.status))
