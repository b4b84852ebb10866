"""The web chat: one conversation per person over all their tabs and devices, as rows show it.

Lane `web/<person>`. A text is acknowledged when its row is on the disk, and a page shows rows only: after every commit the
open pages of that lane hear which of their lines are new or stand differently. It does not know who may come in (`door`)
nor what a text means.

What a person's own line shows (`tick`), from the event's row and from the effects in the ledger:

| shown | tick | means |
|---|---|---|
| clock | none: only the page has it | not yet at Dobby; the page keeps it and tries again under the same id |
| ✓ | `received` `working` | on his disk |
| ✓ | `waiting` | he has asked back, or asked an owner |
| ✓ | `under_way` | answered; a device is still on its way |
| ✓✓ | `done` | dealt with; where he did something, it was read back |
| ? | `unknown` | it may have happened, nobody can tell |
| ⊘ | `refused` | not done: he may not, or nobody said yes |
| ! | `failed` | not done: it went wrong, and the reply says how |
"""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from dobby.bridge.door import COOKIE, Door, add_headers, fields_of, refuse
from dobby.bridge.live import Live, line_json
from dobby.bridge.say import Say
from dobby.clock import Clock
from dobby.errors import DiskFull, StoreError
from dobby.events import Event, EventKind, OutboxState, Source
from dobby.journal import outbox
from dobby.journal.outbox import OutboxRow
from dobby.people import People, Person
from dobby.post import Words
from dobby.store import Store

if TYPE_CHECKING:  # a neighbour
    from dobby.vision.page import Views

log = logging.getLogger(__name__)
LARGEST = 16 * 1024  # bytes of a request
LONGEST_KEY = 200
MOST_LINES = 200
MOST_SEEN = 500
ENDING = 2.0  # seconds open requests have when the page closes
MEDIA = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "json": "application/json"}
PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4"}
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Heard(Protocol):
    """An event is on the disk: its number, and whether it is new."""

    @property
    def id(self) -> int: ...

    @property
    def new(self) -> bool: ...


Draw = Callable[[Person], Awaitable[dict[str, Any]]]
Hear = Callable[[Event], Awaitable[Heard]]
Moved = Callable[[int, OutboxState], Awaitable[bool]]


async def _not_yet(event: Event) -> Heard:
    raise StoreError("Dobby is just starting.")


async def _nothing(person: Person) -> dict[str, Any]:
    return {"rooms": [], "network": [], "looked": 0}


async def _nobody(row: int, state: OutboxState) -> bool:
    return False


class Web(Words):
    """The bridge `web`. Set `hear` (the butler's) and `moved` (the post's) before texts come; `hints` say what to try,
    `draw` what the page draws of the house."""

    name = "web"
    repeats = True

    def __init__(
        self,
        store: Store,
        people: People,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: Sequence[str] = (),
        hints: Sequence[str] = (),
    ) -> None:
        """`hosts` are further names or addresses the page is asked for by; `port` 0 takes a free one."""
        self.host = host
        self.port = port
        self.hints = hints
        self.hear: Hear = _not_yet
        self.moved: Moved = _nobody
        self.draw: Draw = _nothing
        self._store = store
        self._people = people
        self._clock = clock
        self._hosts = (host, *hosts)
        self._live = Live(store, people)
        self.things = Say(store, people, clock, self._take, lambda row: self.moved(row, OutboxState.DELIVERED))
        self._runner: web.AppRunner | None = None
        self.views: Views | None = None

    # What the post asks

    @property
    def url(self) -> str:
        """Where the page is, once it is open: where it listens everywhere, by the first name it may be called."""
        everywhere = self.host in ("0.0.0.0", "::", "")
        name = self._hosts[1] if everywhere and len(self._hosts) > 1 else "127.0.0.1" if everywhere else self.host
        return f"http://{name}:{self.port}"

    async def send(self, row: OutboxRow) -> str:
        """The row itself is what pages show: it is there as soon as it is committed."""
        return ""

    async def look_up(self, row: OutboxRow) -> bool | None:
        """It is on the page."""
        return True

    async def edit(self, row: OutboxRow) -> bool:
        """The row itself is what pages show."""
        return True

    # Opening and closing

    async def open(self) -> None:
        """Listen. With port 0, `port` says afterwards which one it became."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=ENDING)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Close the pages' channels, then the door."""
        await self._live.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        self._door = door = Door(self._people, self._clock, self._hosts)
        app = web.Application(middlewares=[door.watch], client_max_size=LARGEST)
        app.on_response_prepare.append(add_headers)
        app.add_routes(
            [
                *(web.get(path, _asset(*asset)) for path, asset in _assets().items()),
                web.get("/health", self._health),
                web.post("/login", self._login),
                web.post("/logout", door.let_out),
                web.get("/api/me", self._me),
                web.get("/api/lines", self._lines),
                web.get("/api/house", self._house),
                web.get("/api/live", self._open_live),
                web.get("/api/picture/{outbox:[0-9]{1,15}}", self._picture),
                web.get("/api/clip/{outbox:[0-9]{1,15}}", self._picture),
                web.post("/api/react", self._react),
                web.post("/api/say", self._say),
                web.post("/say", self.things.say),
                web.post("/api/seen", self._seen),
                *(self.views.routes(door.person) if self.views else ()),
            ]
        )
        return app

    # Coming in

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "ready": self.hear is not _not_yet})

    async def _login(self, request: web.Request) -> web.Response:
        fields = await fields_of(request, need={"code": str})
        return await self._door.let_in(request, fields["code"][:64])

    async def _me(self, request: web.Request) -> web.Response:
        person = await self._door.person(request)
        who = {"id": person.id, "name": person.name, "language": person.language}
        more = {"cameras": True} if self.views is not None and self.views.shown(person) else {}
        return web.json_response({"person": who, "hints": list(self.hints), **more})

    # Saying

    async def _say(self, request: web.Request) -> web.Response:
        """200 only when the row is on the disk; the same id again is the same text."""
        person = await self._door.person(request)
        fields = await fields_of(request, need={"id": str, "text": str}, may={"refers": str})
        text, refers = fields["text"], fields.get("refers", "")
        if not ID.fullmatch(fields["id"]) or not text.strip() or "\0" in text or len(refers) > LONGEST_KEY:
            refuse(web.HTTPUnprocessableEntity, "A text needs an id of its own and some words.")
        source = Source(person.id, person.role, self.name, person.id)
        event = Event(f"web:{person.id}:{fields['id']}", source, text=text, refers=refers, sent=self._clock.now())
        heard = await self._take(event)
        return web.json_response({"id": heard.id, "new": heard.new})

    async def _take(self, event: Event) -> Heard:
        """On the disk when this returns; else the request is refused in words."""
        try:
            return await self.hear(event)
        except DiskFull as error:
            refuse(web.HTTPInsufficientStorage, str(error))
        except StoreError as error:
            refuse(web.HTTPServiceUnavailable, str(error))

    # Showing

    async def _lines(self, request: web.Request) -> web.Response:
        person = await self._door.person(request)
        after, before, limit = (_number(request, name) for name in ("after", "before", "limit"))
        most = min(limit or MOST_LINES, MOST_LINES)
        lane = _lane(person)
        lines = await self._store.read(lambda db: outbox.conversation(db, lane, after=after, before=before, limit=most))
        return web.json_response({"lines": [line_json(line) for line in lines]})

    async def _house(self, request: web.Request) -> web.Response:
        """What the page draws, as it is now."""
        return web.json_response(await self.draw(await self._door.person(request)))

    async def _open_live(self, request: web.Request) -> web.StreamResponse:
        person = await self._door.person(request)
        if "Upgrade" not in request.headers:
            refuse(web.HTTPUpgradeRequired, "This is a web socket.", Upgrade="websocket")
        session = request.cookies.get(COOKIE, "")
        return await self._live.serve(request, session, _lane(person), _number(request, "after"))

    async def _seen(self, request: web.Request) -> web.Response:
        """A page has got (`delivered`) or shown (`read`) messages of its own lane."""
        person = await self._door.person(request)
        fields = await fields_of(request, may={"delivered": list, "read": list})
        wanted = [
            (number, state)
            for state in (OutboxState.DELIVERED, OutboxState.READ)
            for number in fields.get(state.value, ())[:MOST_SEEN]
            if type(number) is int and 0 < number < 2**53
        ]
        lane = _lane(person)

        def mine(db: sqlite3.Connection) -> list[tuple[int, OutboxState]]:
            return [row for row in wanted if (found := outbox.get(db, row[0])) and found.reply.lane == lane]

        moves = [self.moved(number, state) for number, state in await self._store.read(mine)]
        try:
            count = sum(await asyncio.gather(*moves))
        except StoreError as error:
            refuse(web.HTTPServiceUnavailable, str(error))
        return web.json_response({"moved": count})

    async def _react(self, request: web.Request) -> web.Response:
        """A thumb at a message of this person's own lane."""
        person = await self._door.person(request)
        fields = await fields_of(request, need={"outbox": int, "reaction": str})
        lane, number = _lane(person), fields["outbox"]
        row = await self._store.read(lambda db: outbox.get(db, number)) if 0 < number < 2**53 else None
        if row is None or row.reply.lane != lane:
            refuse(web.HTTPNotFound, "There is no such message.")
        source, key = self._people.source("web", person.id), f"{lane}:{number}:reaction:{self._clock.now():.3f}"
        await self.hear(Event(key, source, EventKind.REACTION, reaction=fields["reaction"][:8], refers=f"outbox:{number}"))
        return web.json_response({})

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        """The picture of a message in this person's own lane, or the clip beside it."""
        person = await self._door.person(request)
        number = int(request.match_info["outbox"])
        row = await self._store.read(lambda db: outbox.get(db, number))
        path = Path(row.reply.picture) if row and row.reply.lane == _lane(person) and row.reply.picture else None
        if path and request.path.startswith("/api/clip/"):
            path = path.with_suffix(".mp4")
        media = PICTURES.get(path.suffix.lower()) if path else None
        if path is None or media is None or not await asyncio.to_thread(path.is_file):
            refuse(web.HTTPNotFound, "There is no such picture.")
        return web.FileResponse(path, headers={"Content-Type": media, "Cache-Control": "private, max-age=86400"})


def _lane(person: Person) -> str:
    return f"web/{person.id}"


def _number(request: web.Request, name: str) -> int:
    value = request.query.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,15}", value):
        refuse(web.HTTPUnprocessableEntity, f"{name} is a number.")
    return int(value)


# The page itself: read once, the same for everybody, without anything of the house in it


def _assets() -> dict[str, tuple[bytes, str]]:
    found = {}
    for file in files("dobby").joinpath("web").iterdir():
        media = MEDIA.get(file.name.rpartition(".")[2])
        if media:
            found["/" if file.name == "index.html" else f"/{file.name}"] = (file.read_bytes(), media)
    return found


def _asset(body: bytes, media: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        charset = None if media == "image/svg+xml" else "utf-8"
        return web.Response(body=body, content_type=media, charset=charset, headers={"Cache-Control": "no-cache"})

    return serve
