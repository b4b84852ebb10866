"""What open pages hear: after every commit, the lines of their lane that are new or stand differently, and what their person
is asked elsewhere.

A page gets lines as they are in the rows, whole, under their place in the conversation; to hear one twice is harmless.
It does not know how a line came to be.
"""

import asyncio
import logging
import sqlite3
from typing import Any

from aiohttp import WSCloseCode, web

from dobby.events import EffectState, EventState
from dobby.journal import outbox, questions
from dobby.journal.outbox import Line
from dobby.people import People
from dobby.store import Store

log = logging.getLogger(__name__)
LOGGED_OUT = 4401  # our close code: this session has ended
BEAT = 20.0  # seconds after which a quiet channel says that it is alive
REST = 0.03  # seconds between two looks at the rows: a burst of commits is one look
PATIENCE = 10.0  # seconds a page may take to swallow what it is told
RECENT = 60  # lines whose ticks may still move
BATCH = 500  # new lines told at once
MOST_CHANNELS = 16  # open pages of one person


def tick(line: Line) -> str:
    """Where a person's own text stands, its effects included; see the table in `web`."""
    if line.state == EventState.PARKED:
        return "failed"
    if line.state != EventState.DONE:
        return line.state
    for effect, word in ((EffectState.INTENDED, "under_way"), (EffectState.FAILED, "failed"), (EffectState.UNKNOWN, "unknown")):
        if effect in line.effects:
            return word
    return "done"


def line_json(line: Line) -> dict[str, Any]:
    """A line as pages get it. `id` is the page's own for its texts; `options` only while they may be pressed."""
    row: dict[str, Any] = {"seq": line.seq, "mine": line.mine, "key": line.key, "text": line.text, "at": line.at}
    if line.mine:
        return row | {"id": line.key.rpartition(":")[2], "tick": tick(line)}
    picture = f"/api/picture/{line.outbox}" if line.picture else ""
    options = () if line.answered else line.options
    return row | {
        "outbox": line.outbox,
        "state": line.state,
        "options": list(options),
        "picture": picture,
        "film": line.picture.endswith(".mp4"),
    }


class Window:
    """What one page already knows of a lane, and what has changed since."""

    def __init__(self, lane: str, after: int) -> None:
        self._lane = lane
        self._last = after
        self._known: dict[int, Line] = {}
        self._asked: list[dict[str, Any]] | None = None
        self.more = True

    def look(self, db: sqlite3.Connection) -> list[Line]:
        """New lines and lines that stand differently, in order; `more` where not all new ones fitted."""
        new = outbox.conversation(db, self._lane, after=self._last, limit=BATCH) if self._last else ()
        self.more = len(new) == BATCH
        recent = () if self.more else outbox.conversation(db, self._lane, limit=RECENT)
        lines = {line.seq: line for line in (*new, *recent)}
        changed = [line for seq, line in sorted(lines.items()) if self._known.get(seq) != line]
        self._known = lines
        self._last = max((self._last, *lines)) or -1  # -1: after the lane's beginning; 0 would mean its end
        return changed

    def news(self, db: sqlite3.Connection) -> dict[str, Any]:
        """What a page is told: such `lines`, and what its person is `asked` elsewhere, where that is not as it was; empty for
        nothing."""
        lines, was = [line_json(line) for line in self.look(db)], self._asked
        self._asked = questions.elsewhere(db, self._lane.partition("/")[2], self._lane)
        return {"lines": lines} | ({"asked": self._asked} if self._asked != was else {}) if lines or self._asked != was else {}


class Live:
    """The open channels of all pages."""

    def __init__(self, store: Store, people: People) -> None:
        self._store = store
        self._people = people
        self._channels: dict[web.WebSocketResponse, tuple[str, asyncio.Event]] = {}

    def _wake(self) -> None:
        for _, news in self._channels.values():
            news.set()

    async def serve(self, request: web.Request, session: str, lane: str, after: int) -> web.StreamResponse:
        """Tell one page until it leaves, its session ends, or Dobby stops."""
        socket = web.WebSocketResponse(heartbeat=BEAT, timeout=2.0, max_msg_size=1024)
        await self._make_room(lane)
        await socket.prepare(request)
        self._channels[socket] = (lane, asyncio.Event())
        self._store.listen(self._wake)
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(socket, session, Window(lane, after)), name=f"live {lane}")
                async for _ in socket:  # nothing is asked here; reading keeps it alive and sees it close
                    pass
                telling.cancel()
        finally:
            self._channels.pop(socket, None)
            if not self._channels:
                self._store.unlisten(self._wake)
        return socket

    async def _make_room(self, lane: str) -> None:
        """One person's forgotten tabs must not crowd out the house: the oldest of too many is closed."""
        mine = [socket for socket, (theirs, _) in self._channels.items() if theirs == lane]
        for socket in mine[: len(mine) - MOST_CHANNELS + 1]:
            self._channels.pop(socket, None)
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)

    async def _tell(self, socket: web.WebSocketResponse, session: str, window: Window) -> None:
        """Say what is new after every commit; an empty list says that there is nothing, and that Dobby is there."""
        try:
            _, news = self._channels[socket]
            quiet = True
            while await self._may_hear(socket, session):
                news.clear()
                told = await self._store.read(window.news)
                if told or quiet:
                    async with asyncio.timeout(PATIENCE):
                        await socket.send_json(told or {"lines": []})
                quiet = not window.more and await self._rest(news)
        except (ConnectionError, TimeoutError):
            log.debug("A page went away.")
        except Exception:  # the page comes back by itself and is told everything again
            log.exception("A page could not be told the news")
        await socket.close(code=WSCloseCode.GOING_AWAY)

    async def _rest(self, news: asyncio.Event) -> bool:
        """Until the next commit, or one beat; True where nothing happened."""
        await asyncio.sleep(REST)
        try:
            async with asyncio.timeout(BEAT):
                await news.wait()
        except TimeoutError:
            return True
        return False

    async def _may_hear(self, socket: web.WebSocketResponse, session: str) -> bool:
        """The session is looked up before every word: one that has ended hears no more."""
        if await self._people.of_session(session) is not None:
            return True
        await socket.close(code=LOGGED_OUT)
        return False

    async def aclose(self) -> None:
        """Dobby stops: pages are told to come back later."""
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._channels))
