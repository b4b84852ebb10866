"""The line to one ONVIF camera: who it is, where its streams are, a still, and the events it is asked for.

What it answers is data from outside: addresses it names are taken only where they lead to itself. It does not know the house.
"""

import asyncio
import json
import re
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from dobby import Refused, Streams, Unreachable

PATIENCE = 10.0  # seconds one question may take
PULL = 20.0  # seconds a camera may hold back an answer when nothing happens
HOURS = timedelta(minutes=10)
SMALLEST = 320  # pixels across that are worth looking at
MORE = "Cameras want more: pip install 'dobby[eyes]'"


class Locked(Refused):
    """It wants a user name and a password, or others than these."""


@dataclass(frozen=True, slots=True)
class About:
    """Who it says it is; every word of it is data from outside."""

    serial: str
    name: str
    model: str
    profiles: tuple[tuple[str, int, int], ...]  # token, width, height; largest first


@cache
def topics() -> Mapping[str, Mapping[str, str]]:
    """What an event's topic means: `motion` or `pressed` -> topic -> the item that says so."""
    return tomllib.loads(Path(__file__).with_name("topics.toml").read_text("utf-8"))


def word(value: object, most: int = 80) -> str:
    """A device's own words, one line, cut."""
    return " ".join(re.sub(r"[^\x20-\x7e\xa1-\uffff]", " ", str(value or "")).split())[:most]


class Line:
    """One camera at one address. Every call raises `Locked`, `Unreachable`, or `Refused` where it is no such camera."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self.host, self.port, self.user, self.secret = host, port, user, password
        self._camera: Any = None
        self._about: About | None = None
        self._opening = asyncio.Lock()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever the library throws, in the house's words."""
        try:
            yield
        except (Refused, Unreachable):
            raise
        except Exception as error:  # the one boundary for the library and for what the camera answers
            where = f"The camera at {self.host}:{self.port}"
            if _denied(error):
                raise Locked(f"{where} does not let me in.") from error
            if (
                isinstance(error, (OSError, TimeoutError))
                or "Timeout" in type(error).__name__
                or "Client" in type(error).__name__
            ):
                raise Unreachable(f"{where} does not answer.") from error
            raise Refused(f"{where} answers, but not as an ONVIF camera does.") from error

    async def _open(self) -> Any:
        async with self._opening:
            if self._camera is None:
                try:
                    library = await asyncio.to_thread(import_module, "onvif")
                except ImportError as error:
                    raise Refused(MORE) from error
                made = library.ONVIFCamera(self.host, self.port, self.user, self.secret, adjust_time=True, nat_override=True)
                try:
                    await made.update_xaddrs()
                except BaseException:
                    await made.close()
                    raise
                self._camera = made
            return self._camera

    async def look(self) -> About:
        """Who is there, asked afresh."""
        with self._telling():
            async with asyncio.timeout(PATIENCE):
                camera = await self._open()
                device = await camera.create_devicemgmt_service()
                info = await device.GetDeviceInformation()
                media = await camera.create_media_service()
                profiles = [found for row in await media.GetProfiles() if (found := _profile(row))]
                if not profiles:
                    raise Refused(f"The camera at {self.host} has no stream to watch.")
                profiles.sort(key=lambda row: -row[1] * row[2])
                model = word(f"{info.Manufacturer or ''} {info.Model or ''}")
                self._about = About(word(info.SerialNumber), await _name(device), model, tuple(profiles[:20]))
                return self._about

    async def alive(self) -> None:
        """It answers; needs no password (ONVIF core, 5.12)."""
        with self._telling():
            async with asyncio.timeout(PATIENCE):
                device = await (await self._open()).create_devicemgmt_service()
                await device.authless_GetSystemDateAndTime()

    async def streams(self) -> Streams:
        """The smallest stream that is worth looking at, and the largest."""
        about = self._about or await self.look()
        wide = [row for row in about.profiles if row[1] >= SMALLEST] or list(about.profiles)
        small, large = wide[-1][0], wide[0][0]
        watch = await self._uri(small)
        return Streams(watch, "" if small == large else await self._uri(large))

    async def _uri(self, token: str) -> str:
        with self._telling():
            async with asyncio.timeout(PATIENCE):
                media = await (await self._open()).create_media_service()
                setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
                answer = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": token})
                return own(str(answer.Uri), self.host, self.user, self.secret)

    async def picture(self) -> bytes:
        """A still, as the camera makes one."""
        about = self._about or await self.look()
        with self._telling():
            async with asyncio.timeout(PATIENCE):
                camera, token = await self._open(), about.profiles[0][0]
                try:
                    data = await camera.get_snapshot(token)
                except Exception as error:  # Digest was asked first; some know only Basic
                    if not _denied(error):
                        raise
                    data = await camera.get_snapshot(token, basic_auth=True)
        if not isinstance(data, bytes) or not data.startswith(b"\xff\xd8\xff"):
            raise Refused("The camera gives no still picture.")
        return data

    async def events(self) -> AsyncIterator[tuple[str, bool]]:
        """`motion` or `pressed`, and whether it begins or ends, as the camera says them."""
        with self._telling():
            async with asyncio.timeout(PATIENCE * 2):
                puller = await (await self._open()).create_pullpoint_manager(HOURS, lambda: None)
        try:
            while not puller.closed:
                with self._telling():
                    async with asyncio.timeout(PULL * 2):
                        asked = {"MessageLimit": 100, "Timeout": timedelta(seconds=PULL)}
                        answer = await puller.get_service().PullMessages(asked)
                for message in list(answer.NotificationMessage or ())[:100]:
                    for found in _meant(message):
                        yield found
        finally:
            try:
                async with asyncio.timeout(1):
                    await puller.shutdown()
            except Exception:  # it is gone, or garbage to the end: its subscription ends by itself
                pass

    async def aclose(self) -> None:
        """Let the connections go."""
        camera, self._camera = self._camera, None
        if camera is not None:
            await camera.close()


async def _name(device: Any) -> str:
    """What somebody called it, from its scopes; "" where it has no such thing."""
    try:
        scopes = " ".join(str(row.ScopeItem) for row in await device.GetScopes())
    except Exception:  # not every camera can be asked for them, and none must
        return ""
    found = re.search(r"onvif://www\.onvif\.org/name/(\S+)", scopes)
    return word(unquote(found[1]), 40) if found else ""


def own(url: str, host: str, user: str, password: str) -> str:
    """A stream's URL as the camera gives it, led to the camera itself whatever it says, with its password.

    :raises Refused: it is no stream.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("rtsp", "rtsps", "http", "https"):
        raise Refused("The camera names a stream that is none.")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    port = f":{parts.port}" if parts.port else ""
    at = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{login}{at}{port}", parts.path, parts.query, ""))


def _profile(row: Any) -> tuple[str, int, int] | None:
    encoder = row.VideoEncoderConfiguration
    if encoder is None or str(encoder.Encoding).upper() == "JPEG":
        return None
    return str(row.token)[:64], int(encoder.Resolution.Width), int(encoder.Resolution.Height)


def _meant(message: Any) -> Iterator[tuple[str, bool]]:
    try:
        topic = re.sub(r"\b\w+:", "", str(message.Topic._value_1)).strip()
        items = {str(item.Name): str(item.Value).casefold() in ("true", "1") for item in message.Message._value_1.Data.SimpleItem}
    except (AttributeError, TypeError):
        return
    for kind, known in topics().items():
        item = known.get(topic)
        if item is not None:
            yield kind, any(items.values()) if not item else items.get(item, False)


def _denied(error: BaseException) -> bool:
    """Do its words mean that user or password are not the right ones; cameras have many ways to say so."""
    said = f"{type(error).__name__} {error} {getattr(error, 'subcodes', '')} {getattr(error, 'status_code', '')}".casefold()
    return any(each in said for each in ("notauthorized", "not authorized", "unauthorized", "autherror", "401", "failed to auth"))


def login(kept: str | None) -> tuple[str, str]:
    """User and password as the vault has them."""
    try:
        row = json.loads(kept or "{}")
        return str(row.get("user", "")), str(row.get("password", ""))
    except (ValueError, AttributeError):
        return "", ""
