"""What every bridge owes, whatever the provider: nothing lost, nothing doubled, order kept, refusals said.

A new bridge adds a rig to `RIGS`: how its provider delivers a text, and what the person's side shows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
import rigs
from small_dobby import Dobby
from visitor import Visitor

from dobby.events import OutboxState, Reply
from dobby.journal import outbox
from dobby.post import Bridge, Words, pieces
from tests.patience import ENOUGH


class Rig(Protocol):
    """The provider's side of one bridge, with one known person (`anna`) behind it."""

    dobby: Dobby
    bridge: Bridge
    lane: str

    async def text(self, id_: str, text: str) -> bool:
        """Deliver a text as the provider does; was it accepted?"""
        ...

    async def shown(self) -> list[str]:
        """What Dobby has said, as the person sees it."""
        ...


class WebRig:
    """A browser's requests."""

    lane = "web/anna"

    def __init__(self, dobby: Dobby, http: aiohttp.ClientSession) -> None:
        self.dobby, self.bridge = dobby, dobby.web
        self.visitor = Visitor(http, f"http://127.0.0.1:{dobby.web.port}")

    async def text(self, id_: str, text: str) -> bool:
        if not len(self.visitor.http.cookie_jar):
            await self.visitor.log_in(await self.dobby.people.make_code("anna"))
        return (await self.visitor.say(id_, text))[0] == 200

    async def shown(self) -> list[str]:
        return [line["text"] for line in await self.visitor.lines() if not line["mine"]]


@asynccontextmanager
async def web(dobby: Dobby) -> AsyncIterator[Rig]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield WebRig(dobby, http)


RIGS: dict[str, Callable[[Dobby], AbstractAsyncContextManager[Rig]]] = {
    "web": web,
    "telegram": rigs.telegram,
    "whatsapp": rigs.whatsapp,
}


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, dobby: Dobby) -> AsyncIterator[Rig]:
    async with RIGS[request.param](dobby) as found:
        yield found


async def settled(rig: Rig, count: int) -> list[str]:
    """What was said, once it is so many things and nothing more is under way."""
    async with asyncio.timeout(ENOUGH):
        while len(said := await rig.shown()) < count or not rig.dobby.butler.idle:
            await asyncio.sleep(0.01)
    return said


async def texts(rig: Rig) -> list[str]:
    rows = await rig.dobby.store.read(
        lambda db: db.execute("SELECT text FROM event WHERE lane = ? ORDER BY id", (rig.lane,)).fetchall()
    )
    return [row[0] for row in rows]


def test_it_keeps_the_protocol(rig: Rig) -> None:
    assert rig.bridge.name == rig.lane.partition("/")[0]
    assert isinstance(rig.bridge.repeats, bool)
    assert rig.bridge.longest >= 0


async def test_the_same_text_twice_is_one_row_and_one_answer(rig: Rig) -> None:
    assert all(await asyncio.gather(*(rig.text("same", "hello") for _ in range(4))))
    assert await rig.text("same", "hello")
    assert await settled(rig, 1) == ["You said: hello"]
    assert await texts(rig) == ["hello"]


async def test_a_conversation_keeps_its_order(rig: Rig) -> None:
    wanted = [f"text {number}" for number in range(15)]
    for text in wanted:
        assert await rig.text(text.replace(" ", "-"), text)
    said = await settled(rig, len(wanted))
    assert await texts(rig) == wanted
    assert [line for line in said if line.startswith("You said")] == [f"You said: {text}" for text in wanted]


async def test_a_full_disk_is_said_and_nothing_is_half_written(rig: Rig) -> None:
    store = rig.dobby.store
    assert await rig.text("before", "hello")
    await settled(rig, 1)
    await store.write(lambda db: db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}"))
    refused = await rig.text("full", "x" * 12_000)
    await store.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    assert not refused
    assert await texts(rig) == ["hello"]
    assert await rig.text("full", "hello again")
    assert await settled(rig, 2) == ["You said: hello", "You said: hello again"]


async def test_what_is_owed_arrives_once_however_often_it_is_sent(rig: Rig) -> None:
    await rig.text("first", "hello")
    await settled(rig, 1)
    store, lane = rig.dobby.store, rig.lane
    row = await store.write(lambda db: outbox.owe(db, Reply("told", lane, "The post has come."), None, 0.0))
    again = await store.write(lambda db: outbox.owe(db, Reply("told", lane, "The post has come."), None, 0.0))
    assert row is not None
    assert again is None
    rig.dobby.post.hand_over([row])
    if rig.bridge.repeats:
        rig.dobby.post.hand_over([row])
    said = await settled(rig, 2)
    assert said == ["You said: hello", "The post has come."]
    async with asyncio.timeout(ENOUGH):
        while (now := await store.read(lambda db: outbox.get(db, row.id))) and now.state is OutboxState.OWED:
            await asyncio.sleep(0.01)
    assert await rig.bridge.look_up(row) is not False


async def test_a_change_shows_in_place_or_not_at_all(rig: Rig) -> None:
    await rig.text("first", "hello")
    await settled(rig, 1)
    store, lane = rig.dobby.store, rig.lane
    row = await store.write(lambda db: outbox.owe(db, Reply("van", lane, "A van has come."), None, 0.0))
    assert row is not None
    rig.dobby.post.hand_over([row])
    await settled(rig, 2)
    await rig.dobby.post.flushed()
    newer = await store.write(lambda db: outbox.revise(db, "van", "A van has come and gone.", 1.0))
    assert newer is not None
    assert await store.write(lambda db: outbox.revise(db, "van", "A van has come and gone.", 1.0)) is None
    rig.dobby.post.hand_over([newer])
    async with asyncio.timeout(ENOUGH):
        while (now := await store.read(lambda db: outbox.get(db, row.id))) and now.shown < now.edits:
            await asyncio.sleep(0.01)
    words = "A van has come and gone." if await rig.bridge.edit(newer) else "A van has come."
    assert await settled(rig, 2) == ["You said: hello", words]


async def test_a_long_message_comes_whole_and_in_order(rig: Rig) -> None:
    await rig.text("first", "hello")
    await settled(rig, 1)
    text = " ".join(f"This is sentence number {number} of a long story." for number in range(150))
    row = await rig.dobby.store.write(lambda db: outbox.owe(db, Reply("story", rig.lane, text, ("Yes", "No")), None, 0.0))
    rig.dobby.post.hand_over([row])
    count = len(pieces(text, rig.bridge.longest)) if rig.bridge.longest else 1
    said = (await settled(rig, 1 + count))[1:]
    assert " ".join(said).removesuffix(" (Yes / No)") == text
    assert all(line.endswith((".", ")")) for line in said)


async def test_what_was_owed_when_dobby_died_arrives_after_he_is_back(rig: Rig, tmp_path: Path) -> None:
    await rig.text("first", "hello")
    await settled(rig, 1)
    lane = rig.lane
    await rig.dobby.store.write(lambda db: outbox.owe(db, Reply("told", lane, "The post has come."), None, 0.0))
    sent: list[str] = []
    async with Dobby(tmp_path, bridge=Recorder(rig.bridge, sent)):
        async with asyncio.timeout(ENOUGH):
            while not sent:
                await asyncio.sleep(0.01)
    assert sent == ["The post has come."]


class Recorder(Words):
    """A bridge that also notes what it was given."""

    def __init__(self, inner: Bridge, sent: list[str]) -> None:
        self.name, self.repeats, self.longest, self._inner, self._sent = inner.name, inner.repeats, inner.longest, inner, sent

    async def send(self, row: outbox.OutboxRow) -> str:
        self._sent.append(row.reply.text)
        return await self._inner.send(row)

    async def look_up(self, row: outbox.OutboxRow) -> bool | None:
        return await self._inner.look_up(row)
