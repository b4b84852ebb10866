"""A small Dobby on loopback, and clients that knock at his page."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from small_dobby import Dobby
from visitor import Visitor


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
