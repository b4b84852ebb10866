"""`POST /say`: the way in for things without a page: a phone's shortcut, a tablet on the wall, a voice satellite.

A token says for whom such a thing speaks and where it stands; a text is a line of that person's page like any other, so its
answer, and what Dobby asks back, is there too. It does not know what a text means.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import web

from dobby.bridge.door import Knocks, fields_of, refuse
from dobby.clock import Clock
from dobby.events import Event, Source
from dobby.journal import inbox, outbox
from dobby.journal.outbox import OutboxRow
from dobby.mind.plain.aloud import aloud
from dobby.people import People, Thing
from dobby.store import Store

MOST, WINDOW = 30, 60.0  # texts of one thing in so many seconds
WAIT, LONGEST = 20.0, 50.0  # seconds an answer is waited for, where nothing else is said, and at most
VEIL = "•••"  # what is kept of a text that was a secret
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Heard(Protocol):
    """An event is on the disk: its number."""

    @property
    def id(self) -> int: ...


class Say:
    """`take` commits an event or refuses the request in words; `got` hears the number of a message that has gone out here.
    `language` is the house's, `rooms` are its rooms' names."""

    def __init__(
        self,
        store: Store,
        people: People,
        clock: Clock,
        take: Callable[[Event], Awaitable[Heard]],
        got: Callable[[int], Awaitable[object]],
    ) -> None:
        self._store, self._people, self._clock, self._take, self._got = store, people, clock, take, got
        self._knocks = Knocks()
        self._said: dict[str, deque[float]] = {}
        self.language = "en"
        self.rooms: Callable[[], Iterable[str]] = tuple

    async def say(self, request: web.Request) -> web.Response:
        """200 with the answer, 202 where it is not there yet; the same `id` again is the same text."""
        thing = await self._thing(request)
        fields = await fields_of(request, need={"text": str}, may={"id": str, "room": str, "wait": int | float})
        event = await self._event(thing, fields)
        wait = fields.get("wait", WAIT)
        if isinstance(wait, bool) or not 0 <= wait <= LONGEST:
            refuse(web.HTTPUnprocessableEntity, f'"wait" is seconds, from 0 (do not wait) to {LONGEST:.0f}.')
        state, row = await self._heard((await self._take(event)).id, float(wait))
        answer: dict[str, Any] = {"id": event.key.rpartition(":")[2], "state": state}
        if row is None and state not in inbox.ENDED:
            more = 'He is at it. The answer will be on the page; the same text with the same "id" again gets it here.'
            return web.json_response(answer | {"more": more}, status=202)
        text, options = (row.reply.text, row.reply.options) if row else ("", ())
        if row is not None:
            await self._got(row.id)
        speech = aloud(text, thing.person.language or self.language)
        return web.json_response(answer | {"text": text, "speech": speech, "options": list(options)})

    async def _event(self, thing: Thing, fields: Mapping[str, Any]) -> Event:
        text, id_, person = fields["text"], fields.get("id", "") or secrets.token_hex(8), thing.person
        if not text.strip() or "\0" in text:
            refuse(web.HTTPUnprocessableEntity, 'There is nothing to do: put some words into "text".')
        if not ID.fullmatch(id_):
            refuse(web.HTTPUnprocessableEntity, 'An "id" has 1 to 64 letters, digits, dots and dashes. Without one, one is made.')
        key = f"say:{thing.name}:{id_}"
        known = await self._store.read(lambda db: inbox.text_of(db, key))
        if known not in (None, text, VEIL):
            refuse(web.HTTPConflict, 'This "id" was of another text. Each text has one of its own.')
        if known is None:
            self._pace(thing)
        room = self._room(fields.get("room", "") or thing.room)
        source = Source(person.id, person.role, "web", person.id, room=room)
        return Event(key, source, text=text, sent=self._clock.now())

    async def _thing(self, request: web.Request) -> Thing:
        """Whose token this is, looked up now; wrong ones are answered slower and slower."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        found = await self._people.of_token(token.strip()) if scheme.casefold() == "bearer" else None
        if found is None:
            pause = self._knocks.wait(request.remote or "", self._clock.now())
            if pause > 0:
                after = {"Retry-After": str(int(pause) + 1)}
                refuse(web.HTTPTooManyRequests, "Too many wrong tokens. Please wait a little.", **after)
            words = 'No such token. `dobby token NAME` makes one; send it as the header "Authorization: Bearer …".'
            refuse(web.HTTPUnauthorized, words, **{"WWW-Authenticate": 'Bearer realm="Dobby"'})
        return found

    def _pace(self, thing: Thing) -> None:
        """A thing that went mad costs nobody anything."""
        said, now = self._said.setdefault(thing.name, deque(maxlen=MOST)), self._clock.now()
        if len(said) == MOST and now < said[0] + WINDOW:
            after = {"Retry-After": str(int(said[0] + WINDOW - now) + 1)}
            refuse(web.HTTPTooManyRequests, f"More than {MOST} texts in a minute from {thing.name}. Try again later.", **after)
        said.append(now)

    def _room(self, said: str) -> str:
        rooms = {name.casefold(): name for name in self.rooms()}
        if said and said.casefold() not in rooms:
            known = ", ".join(rooms.values()) or "none yet"
            refuse(web.HTTPUnprocessableEntity, f'There is no room "{said[:60]}". The rooms are: {known}.')
        return rooms.get(said.casefold(), "")

    async def _heard(self, event: int, seconds: float) -> tuple[str, OutboxRow | None]:
        """Where the event stands and its answer, as soon as there is one, else after so many seconds."""
        news = asyncio.Event()
        self._store.listen(news.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds or None):
                    while True:
                        news.clear()
                        state, row = await self._look(event)
                        if row is not None or state in inbox.ENDED or not seconds:
                            return state, row
                        await news.wait()
            return await self._look(event)
        finally:
            self._store.unlisten(news.set)

    async def _look(self, event: int) -> tuple[str, OutboxRow | None]:
        return await self._store.read(lambda db: (inbox.get(db, event).state.value, outbox.by_key(db, f"event:{event}")))
