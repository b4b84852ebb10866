"""One request to a UPnP device, once: described, called and judged (UPnP Device Architecture 2.0, sections 2 and 3).

The one place that touches the library's errors. It does not know players or libraries of music.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from async_upnp_client.client import UpnpDevice, UpnpRequester, UpnpService
from async_upnp_client.client_factory import UpnpFactory
from async_upnp_client.const import HttpRequest, HttpResponse
from async_upnp_client.exceptions import UpnpActionError

from dobby import DobbyError, Refused, Unreachable, Unsure

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 6.0
LONGEST = 2_000_000  # bytes of one answer
FAULTS = {
    402: "that value does not fit",
    501: "it failed at that",
    601: "that value is out of range",
    701: "it cannot do that right now (nothing to play, perhaps)",
    705: "it is locked by somebody else",
    711: "there is no such place",
    714: "it cannot play that kind of sound",
    716: "that could not be found",
    718: "it does not know that any more",
}


class Wire(UpnpRequester):
    """Sends each request once, on a connection of its own, so that what is known of it is certain; cuts what never ends."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """The answer; :raises Unreachable: nothing was sent; :raises Unsure: no answer, or one that makes no sense."""
        if self._session is None:
            limits = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=limits, connector=aiohttp.TCPConnector(force_close=True))
        sent = {"headers": http_request.headers, "data": http_request.body, "allow_redirects": False}
        try:
            async with self._session.request(http_request.method, http_request.url, **sent) as answer:  # type: ignore[arg-type]
                body = bytearray()
                async for part in answer.content.iter_chunked(65536):
                    body += part
                    if len(body) > LONGEST:
                        raise Unsure("answered without an end.")
                return HttpResponse(answer.status, answer.headers, body.decode("utf-8", "replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Unreachable("cannot be reached.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unsure("broke off without an answer.") from error

    async def aclose(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()


def judged(who: str, error: Exception) -> DobbyError:
    """What an error means: said no, never sent, or perhaps done."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Unreachable | Unsure):
        return type(error)(f"{who} {error}" if not str(error).startswith(who) else str(error))
    if isinstance(error, UpnpActionError):
        return Refused(f"{who} refused: {FAULTS.get(error.error_code or 0, f'UPnP error {error.error_code}')}.")
    return Unsure(f"{who} answered something that makes no sense.")


async def describe(wire: Wire, who: str, location: str) -> UpnpDevice:
    """The device at this address of a description, with all its services."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await UpnpFactory(wire, non_strict=True).async_create_device(location)
    except Exception as error:  # the library lets many kinds through that a device's words can cause
        raise judged(who, error) from error


def service(root: UpnpDevice, name: str) -> UpnpService | None:
    """The service so called, of whatever version, of the device or one within it."""
    return next((each for each in root.all_services if f":service:{name}:" in each.service_type), None)


async def call(who: str, of: UpnpService | None, action: str, **args: Any) -> Mapping[str, Any]:
    """Call an action once -> what it answered.

    :raises Refused: it has no such action, or says no; :raises Unreachable, Unsure: as the wire says.
    """
    if of is None or not of.has_action(action):
        raise Refused(f"{who} cannot do that.")
    try:
        return await of.action(action).async_call(**args)
    except Exception as error:  # see describe
        raise judged(who, error) from error


def clean(text: object) -> str:
    """What a device says is data: one printable line, not long."""
    return "".join(char if char.isprintable() else " " for char in str(text or ""))[:200].strip()
