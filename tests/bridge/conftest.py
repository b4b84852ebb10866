"""A small Dobby on loopback, and clients that knock at his page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from small_dobby import Dobby


@dataclass
class Visitor:
    """Somebody at the page: a client with cookies of its own, from the page's own origin unless told otherwise."""

    http: aiohttp.ClientSession
    base: str

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(self.base + path, headers=headers) as answer:
            return answer.status, await _body(answer)

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        async with self.http.post(self.base + path, json=body, headers={"Origin": self.base, **headers}) as answer:
            return answer.status, await _body(answer)

    async def log_in(self, code: str) -> int:
        return (await self.post("/login", {"code": code}))[0]

    async def say(self, id_: str, text: str, **more: str) -> tuple[int, Any]:
        return await self.post("/api/say", {"id": id_.ljust(8, "-"), "text": text, **more})

    async def lines(self, query: str = "") -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await self.get(f"/api/lines{query}"))[1]["lines"]
        return lines

    def live(self, after: int = 0, **headers: str) -> Any:
        return self.http.ws_connect(f"{self.base}/api/live?after={after}", headers={"Origin": self.base, **headers})


async def _body(answer: aiohttp.ClientResponse) -> Any:
    return await (answer.json() if answer.content_type == "application/json" else answer.text())


@pytest.fixture
async def dobby(tmp_path: Path) -> AsyncIterator[Dobby]:
    async with Dobby(tmp_path) as running:
        yield running


@pytest.fixture
async def stranger(dobby: Dobby) -> AsyncIterator[Visitor]:
    """Somebody who has not logged in."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of plain addresses too
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Visitor(http, f"http://127.0.0.1:{dobby.web.port}")


@pytest.fixture
async def anna(dobby: Dobby, stranger: Visitor) -> AsyncIterator[Visitor]:
    """The owner, logged in."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        visitor = Visitor(http, stranger.base)
        assert await visitor.log_in(await dobby.people.make_code("anna")) == 200
        yield visitor


@pytest.fixture
async def ben(dobby: Dobby, stranger: Visitor) -> AsyncIterator[Visitor]:
    """An adult of the household, logged in."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        visitor = Visitor(http, stranger.base)
        assert await visitor.log_in(await dobby.people.make_code("ben")) == 200
        yield visitor
