"""Two calendars on loopback, as their servers send them: a family's and the bins', around today.

It answers over HTTP with ETags. It knows nothing of Dobby.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

Rows = list[dict[str, str]]


class Server:
    """The server. `trouble` breaks every answer: `drop`, `silence`, `huge`, or a status; `onward` sends elsewhere.

    `calendars` are the events by file name, each a table of properties as they stand in the file.
    """

    name = "calendar"

    def __init__(self, now: Callable[[], float]) -> None:
        today = datetime.fromtimestamp(now(), UTC)
        self.calendars: dict[str, Rows] = {
            "family": [
                _day("Half-term holidays", today + timedelta(days=20), 7),
                {
                    "SUMMARY": "Dentist",
                    "DTSTART": _at(today + timedelta(days=1), 14),
                    "DTEND": _at(today + timedelta(days=1), 15),
                },
            ],
            "bins": [_day("Bins: recycling", today + timedelta(days=2), 1) | {"RRULE": "FREQ=WEEKLY;INTERVAL=2"}],
        }
        self.raw: bytes = b""  # sent instead, where it is set
        self.trouble: str | int = ""
        self.onward = ""
        self.asked: list[dict[str, str]] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What belongs under `[skills.calendar]`."""
        return {"links": {name.capitalize(): self.link(name) for name in self.calendars}}

    def link(self, name: str) -> str:
        """A calendar's address, with the secret that such links have."""
        return f"http://127.0.0.1:{self.port}/private-9f3b/{name}.ics"

    def truth(self, device: str) -> dict[str, Any]:
        """Nothing that a hand could change."""
        return {}

    async def open(self) -> None:
        """Open the door: at its port, or a free one the first time."""
        app = web.Application()
        app.router.add_get("/private-9f3b/{name}.ics", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """As if the internet were gone."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        if self.onward:
            return web.Response(status=302, headers={"Location": self.onward})
        if isinstance(self.trouble, int):
            return web.Response(status=self.trouble)
        if self.trouble == "silence":
            await asyncio.sleep(3600)
        if self.trouble == "drop" and request.transport:
            request.transport.abort()
        if self.trouble == "huge":
            return web.Response(body=b"BEGIN:VCALENDAR\r\n" * 400_000)
        rows = self.calendars.get(request.match_info["name"])
        if rows is None:
            return web.Response(status=404)
        body = self.raw or text(rows)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=body, content_type="text/calendar", headers={"ETag": tag})


def text(rows: Rows) -> bytes:
    """A calendar file."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Dollhouse//Calendar//EN"]
    for number, row in enumerate(rows):
        lines += ["BEGIN:VEVENT", f"UID:{row.get('UID', f'{number}@dollhouse')}", "DTSTAMP:20260101T000000Z"]
        lines += [f"{name}{'' if value.startswith((';', ':')) else ':'}{value}" for name, value in row.items() if name != "UID"]
        lines.append("END:VEVENT")
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def _day(title: str, first: datetime, days: int) -> dict[str, str]:
    last = first + timedelta(days=days)
    return {"SUMMARY": title, "DTSTART": f";VALUE=DATE:{first:%Y%m%d}", "DTEND": f";VALUE=DATE:{last:%Y%m%d}"}


def _at(day: datetime, hour: int) -> str:
    return f":{day:%Y%m%d}T{hour:02}0000Z"


async def start(now: Callable[[], float] = time.time) -> Server:
    """The server on a free port of 127.0.0.1."""
    server = Server(now)
    await server.open()
    return server
