"""MET Norway's locationforecast on loopback: forecasts that follow the clock, caching, manners, and its bad days.

The form is that of developer.yr.no/doc/ForecastJSON (compact). It knows nothing of Dobby.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

PATH = "/weatherapi/locationforecast/2.0/compact"
UNITS = {
    "air_pressure_at_sea_level": "hPa",
    "air_temperature": "celsius",
    "cloud_area_fraction": "%",
    "precipitation_amount": "mm",
    "relative_humidity": "%",
    "wind_from_direction": "degrees",
    "wind_speed": "m/s",
}
FRESH = timedelta(minutes=30)  # how long a forecast is good


class Office:
    """The service. `sky` says symbol and mm of the hours from an offset (hours from the first forecast) on.

    `trouble` breaks every answer: `drop`, `garbage`, `silence`, `huge`, or a status. `asked` are the headers of every request.
    """

    name = "weather"

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.begun = datetime.fromtimestamp(now(), UTC).replace(minute=0, second=0, microsecond=0)
        self.issued = self.begun
        self.sky: dict[int, tuple[str, float]] = {0: ("partlycloudy", 0.0), 5: ("rain", 0.7), 8: ("cloudy", 0.0)}
        self.warmth = 9.0
        self.trouble: str | int = ""
        self.document: Any = None  # sent instead, where it is set
        self.asked: list[Mapping[str, str]] = []
        self.places: list[tuple[str, str]] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What belongs under `[skills.weather]`."""
        return {"at": ["52.52,13.40"], "url": f"http://127.0.0.1:{self.port}{PATH}"}

    def truth(self, device: str) -> dict[str, Any]:
        """Symbol and degrees at this hour."""
        now = datetime.fromtimestamp(self.now(), UTC)
        return {"symbol": self._at(now)[0], "temperature": self._degrees(now)}

    def issue(self, **sky: Any) -> None:
        """A new forecast comes out."""
        self.issued = datetime.fromtimestamp(self.now(), UTC).replace(microsecond=0)
        for name, value in sky.items():
            setattr(self, name, value)

    async def open(self) -> None:
        """Open the door: at its port, or a free one the first time."""
        app = web.Application()
        app.router.add_get(PATH, self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """As if the internet were gone."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        place = (request.query.get("lat", ""), request.query.get("lon", ""))
        self.places.append(place)
        if isinstance(self.trouble, int):
            return web.Response(status=self.trouble, text="<html>no</html>")
        if self.trouble == "silence":
            await asyncio.sleep(3600)
        if self.trouble == "drop" and request.transport:
            request.transport.abort()
        if self.trouble in ("garbage", "huge"):
            return web.Response(text='{"properties": [' * (1 if self.trouble == "garbage" else 200_000))
        return self._answer(request, place)

    def _answer(self, request: web.Request, place: tuple[str, str]) -> web.Response:
        agent = request.headers.get("User-Agent", "")
        if not agent or agent.startswith(("Python", "python")) or any(len(each.partition(".")[2]) > 4 for each in place):
            return web.Response(status=403, text="Forbidden: see the terms of service")
        now = datetime.fromtimestamp(self.now(), UTC)
        modified = format_datetime(self.issued, usegmt=True)
        headers = {"Expires": format_datetime(now + FRESH, usegmt=True), "Last-Modified": modified}
        if request.headers.get("If-Modified-Since") == modified:
            return web.Response(status=304, headers=headers)
        document = self._forecast(place, now) if self.document is None else self.document
        return web.json_response(document, headers=headers)

    def _forecast(self, place: tuple[str, str], now: datetime) -> dict[str, Any]:
        first = now.replace(minute=0, second=0, microsecond=0)
        hours = [*range(57), *range(60, 216, 6)]
        meta = {"updated_at": self.issued.strftime("%Y-%m-%dT%H:%M:%SZ"), "units": UNITS}
        series = [self._moment(first + timedelta(hours=n), n < 57) for n in hours]
        point = {"type": "Point", "coordinates": [float(place[1]), float(place[0]), 37]}
        return {"type": "Feature", "geometry": point, "properties": {"meta": meta, "timeseries": series}}

    def _moment(self, at: datetime, hourly: bool) -> dict[str, Any]:
        symbol, rain = self._at(at)
        code = f"{symbol}_{'day' if 7 <= at.hour < 19 else 'night'}" if symbol in ("clearsky", "fair", "partlycloudy") else symbol
        now = {"air_pressure_at_sea_level": 1016.2, "air_temperature": self._degrees(at), "cloud_area_fraction": 71.1}
        now |= {"relative_humidity": 66.4, "wind_from_direction": 231.2, "wind_speed": 4.1}
        data: dict[str, Any] = {"instant": {"details": now}, "next_12_hours": {"summary": {"symbol_code": code}, "details": {}}}
        for key, length in (("next_1_hours", 1), ("next_6_hours", 6)):
            if hourly or length == 6:
                data[key] = {"summary": {"symbol_code": code}, "details": {"precipitation_amount": round(rain * length, 1)}}
        return {"time": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": data}

    def _at(self, at: datetime) -> tuple[str, float]:
        passed = (at - self.begun) / timedelta(hours=1)
        return self.sky[max(start for start in self.sky if start <= passed)]

    def _degrees(self, at: datetime) -> float:
        return round(self.warmth - 4 * math.cos((at.hour - 3) / 12 * math.pi), 1)


async def start(now: Callable[[], float] = time.time) -> Office:
    """The service on a free port of 127.0.0.1; it rains five hours from now."""
    office = Office(now)
    await office.open()
    return office
