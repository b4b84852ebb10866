"""The page's cameras, for owners: a frame of now, and the zones, lines and masks drawn over it.

It does not know the eyes, nor what a zone is good for; a mask is burned in before anything is stored.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from aiohttp import web

from dobby.config import ModelConfig
from dobby.errors import DobbyError
from dobby.events import Role, State
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal import household, sightings
from dobby.people import Person
from dobby.store import Store

MOST, CORNERS, NAME = 20, 40, 40  # shapes of one camera, corners of one shape, letters of its name
LARGEST = 64_000  # bytes of a drawing


class Views:
    """`peek` gives a `picture` of now as a path; `cloud` is where a vision model is that may be sent frames, "" for nowhere."""

    def __init__(self, store: Store, house: House, peek: Callable[[Device], Awaitable[State]], cloud: str = "") -> None:
        self._store, self._house, self._peek, self._cloud = store, house, peek, cloud
        self.person: Callable[[web.Request], Awaitable[Person]] | None = None

    def routes(self, person: Callable[[web.Request], Awaitable[Person]]) -> list[web.RouteDef]:
        """What the page may ask; `person` is who is logged in."""
        self.person = person
        where = "/api/camera/{camera}"
        return [web.get("/api/cameras", self._list), web.get(where, self._frame), web.put(where, self._draw)]

    def shown(self, person: Person) -> bool:
        """Whether somebody has cameras to see here."""
        return person.role is Role.OWNER and any(one.kind == "camera" for one in self._house)

    async def _owner(self, request: web.Request) -> Device | None:
        assert self.person is not None
        if (await self.person(request)).role is not Role.OWNER:
            _refuse(web.HTTPForbidden, "Only an owner sees the cameras here.")
        device = self._house.get(request.match_info.get("camera", ""))
        return device if device and device.kind == "camera" else None

    async def _list(self, request: web.Request) -> web.Response:
        await self._owner(request)
        drawn = await self._store.read(sightings.views)
        cameras = [one for one in self._house if one.kind == "camera"]
        asleep = {one.id for one in cameras if self._house.state.of(one.id).get("on") is False}
        rows = [{"id": one.id, "name": one.name, "asleep": one.id in asleep, **_plain(drawn.get(one.id, {}))} for one in cameras]
        return web.json_response({"cameras": rows, "cloud": self._cloud})

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        device = await self._owner(request)
        if device is None:
            _refuse(web.HTTPNotFound, "There is no such camera.")
        try:
            path = Path(str((await self._peek(device))["picture"]))
        except DobbyError as error:
            _refuse(web.HTTPServiceUnavailable, str(error))
        if not await asyncio.to_thread(path.is_file):
            _refuse(web.HTTPServiceUnavailable, "It shows nothing just now.")
        return web.FileResponse(path, headers={"Content-Type": "image/jpeg"})

    async def _draw(self, request: web.Request) -> web.Response:
        """Zones, lines and masks of one camera, instead of those before."""
        device = await self._owner(request)
        if device is None:
            _refuse(web.HTTPNotFound, "There is no such camera.")
        try:
            view = parse_view(json.loads(await request.content.read(LARGEST)))
        except (ValueError, RecursionError) as error:
            _refuse(web.HTTPUnprocessableEntity, f"That is no drawing: {error}")
        key = device.id

        def keep(db: sqlite3.Connection) -> None:
            household.set_setting(db, "views", json.dumps({**sightings.views(db), key: view}))

        await self._store.write(keep)
        return web.json_response(view)


def sent_to(config: ModelConfig) -> str:
    """Where frames would go: the host of a vision model that is not on the home's own network; "" for nowhere."""
    host = urlsplit(config.base_url or "https://api.anthropic.com").hostname or ""
    if not (config.eyes or config.mind) or host == "localhost" or host.endswith(".local") or "." not in host:
        return ""
    try:
        return "" if ip_address(host).is_private else host
    except ValueError:
        return host


def _refuse(why: type[web.HTTPException], words: str) -> NoReturn:
    raise why(text=json.dumps({"error": words}), content_type="application/json")


def _plain(view: Any) -> dict[str, Any]:
    return {"zones": view.get("zones", []), "masks": view.get("masks", [])}


def parse_view(row: Any) -> dict[str, Any]:
    """Zones (`name`, `points`, `ignore`; two points are a line) and masks (points) of one picture, checked.

    Points are shares of width and height.

    :raises ValueError: it is none; says why.
    """
    if not isinstance(row, dict) or set(row) != {"zones", "masks"} or not all(isinstance(each, list) for each in row.values()):
        raise ValueError("zones and masks are two lists")
    if len(row["zones"]) + len(row["masks"]) > MOST:
        raise ValueError(f"there are more than {MOST} shapes")
    zones = []
    for zone in row["zones"]:
        name = " ".join(str(zone.get("name", "")).split()) if isinstance(zone, dict) else ""
        if not name or len(name) > NAME or not name.isprintable():
            raise ValueError("each zone has a name")
        zones.append({"name": name, "points": _points(zone.get("points"), 2), "ignore": zone.get("ignore") is True})
    return {"zones": zones, "masks": [_points(mask) for mask in row["masks"]]}


def _points(rows: Any, least: int = 3) -> list[list[float]]:
    if not isinstance(rows, list) or not least <= len(rows) <= CORNERS:
        raise ValueError(f"a shape has {least} to {CORNERS} corners")
    numbers = [row for row in rows if isinstance(row, list) and len(row) == 2 and all(type(each) in (int, float) for each in row)]
    if len(numbers) != len(rows) or not all(0 <= each <= 1 for row in numbers for each in row):
        raise ValueError("corners are shares of width and height")
    return [[round(float(each), 4) for each in row] for row in numbers]
