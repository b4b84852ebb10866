"""Looking things up on real sockets: a search endpoint, pages, and what must not be read."""

import asyncio
import resource
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anthropic
import pytest
from aiohttp import web

from dobby.clock import FixedClock
from dobby.config import ModelConfig
from dobby.dollhouse.scripted import Line, Scripted
from dobby.errors import DobbyError, Refused, Unreachable
from dobby.wits.llm import Model
from dobby.wits.web import LARGEST, TURNS, Web, is_public

SDK = anthropic.__version__  # loaded here: it takes seconds
PAGE = "<html><head><title>Pool</title></head><body><nav>Menu</nav><article><p>{text}</p></article></body></html>"


@asynccontextmanager
async def internet(
    script: list[Line], *, search: str = "", private: bool = True, seconds: float = 20.0
) -> AsyncIterator[tuple[Web, str, Scripted]]:
    """A site on loopback, a model, and Dobby's way to both."""

    async def find(asked: web.Request) -> web.Response:
        hits = [{"title": "Pool", "url": f"http://{asked.host}/page", "content": f"about {asked.query['q']}"}]
        return web.json_response({"results": hits})

    async def page(asked: web.Request) -> web.Response:
        return web.Response(text=PAGE.format(text="A pool is kept at 28 degrees. " * 30), content_type="text/html")

    async def big(asked: web.Request) -> web.Response:
        return web.Response(text="x" * (LARGEST + 10), content_type="text/plain")

    async def bomb(asked: web.Request) -> web.Response:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        data = b"".join(packer.compress(b"0" * 2**20) for _ in range(300)) + packer.flush()
        return web.Response(body=data, headers={"content-encoding": "gzip"}, content_type="text/plain")

    async def trickle(asked: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/plain"})
        await response.prepare(asked)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.05)
        return response

    async def maze(asked: web.Request) -> web.Response:
        return web.Response(text="<article>" + "<p>a <b>b</b> text and more words here</p>" * 45_000, content_type="text/html")

    async def loop(asked: web.Request) -> web.Response:
        raise web.HTTPFound("/loop")

    async def hop(asked: web.Request) -> web.Response:
        raise web.HTTPFound(asked.query["to"])

    app = web.Application()
    app.add_routes(
        [*(web.get(f"/{one.__name__}", one) for one in (page, big, hop, loop, bomb, trickle, maze)), web.get("/search", find)]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sockets: Any = site._server
    address = f"http://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
    server = Scripted(script)
    config = ModelConfig(mind="m", base_url=await server.open(), search=search.replace("SITE", address))
    model = Model(config, lambda: "k", FixedClock(1e9))
    try:
        yield Web(config, model, private=private, seconds=seconds), address, server
    finally:
        await model.aclose()
        await server.aclose()
        await runner.cleanup()


async def test_a_search_endpoint_is_asked_and_what_it_finds_is_known() -> None:
    async with internet([], search="SITE") as (looking, address, _):
        found = await looking.search("pool temperature")
        assert "about pool temperature" in found.text
        assert found.sources == (f"{address}/page",)
        assert looking.knows(f"{address}/page")
        assert not looking.knows("http://evil.example/?code=1234")


async def test_the_provider_searches_in_a_request_without_tools_of_the_house() -> None:
    line = Line("Search", text="28 degrees.", search=[{"url": "https://a.example/pool", "title": "Pool"}])
    async with internet([line], search="server") as (looking, _, server):
        found = await looking.search("pool temperature")
        assert (found.text, found.sources) == ("28 degrees.", ("https://a.example/pool",))
        assert [tool["name"] for tool in server.requests[0]["tools"]] == ["web_search"]


async def test_a_search_that_pauses_is_gone_on_with() -> None:
    """`pause_turn`: what there is so far goes back as it is, and the answer is all of it."""
    first = Line("Search", text="Pools are kept", search=[{"url": "https://a.example/pool", "title": "Pool"}], stop="pause_turn")
    rest = Line("", text="at 28 degrees.", search=[{"url": "https://b.example/pool", "title": "Pool"}])
    async with internet([first, rest], search="server") as (looking, _, server):
        found = await looking.search("pool temperature")
        assert found.text.split() == ["Pools", "are", "kept", "at", "28", "degrees."]
        assert found.sources == ("https://a.example/pool", "https://b.example/pool")
        sent = server.requests[1]["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant"]
        assert [block["type"] for block in sent[1]["content"]] == ["server_tool_use", "web_search_tool_result", "text"]
        assert server.lost == []


async def test_a_search_that_never_ends_is_ended() -> None:
    line = Line("", text="And", search=[{"url": "https://a.example/", "title": "A"}], stop="pause_turn", times=0)
    async with internet([line], search="server") as (looking, _, server):
        await looking.search("pool temperature")
        assert len(server.requests) == TURNS


async def test_without_a_search_it_is_said_how_to_have_one() -> None:
    async with internet([]) as (looking, _, _):
        with pytest.raises(Refused, match=r"dobby\.toml"):
            await looking.search("pool")


async def test_a_page_is_read_by_a_model_without_tools() -> None:
    async with internet([Line("How warm", text="28 degrees.")]) as (looking, address, server):
        read = await looking.read(f"{address}/page", "How warm?")
        assert (read.text, read.sources) == ("28 degrees.", (f"{address}/page",))
        asked = server.requests[0]
        assert "tools" not in asked
        assert "Menu" not in str(asked["messages"])
        assert "kept at 28" in str(asked["messages"])


async def test_a_page_of_any_size_is_read_only_so_far() -> None:
    async with internet([Line("", text="Many x.")]) as (looking, address, server):
        await looking.read(f"{address}/big", "What?")
        assert len(str(server.requests[0])) < 20_000


async def test_a_page_that_is_packed_small_is_unpacked_no_further_than_it_is_read() -> None:
    """Three hundred megabytes of nothing in one."""
    async with internet([Line("", text="Zeros.")]) as (looking, address, server):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await looking.read(f"{address}/bomb", "What?")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 150, f"{grown:.0f} MB"
        assert len(str(server.requests[0])) < 20_000


@pytest.mark.parametrize("path", ["/trickle", "/maze"])
async def test_a_page_that_takes_for_ever_is_given_up(path: str) -> None:
    """One byte now and then; and two megabytes over which a reader of pages sits for minutes."""
    async with internet([], seconds=3.0) as (looking, address, server):
        with pytest.raises(Unreachable, match="does not answer"):
            await looking.read(f"{address}{path}", "What?")
        assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://192.168.1.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://localhost/",
        "file:///etc/passwd",
        "http://a:b@example.org/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0/",
        "http://:secret@127.0.0.1/",
    ],
)
async def test_nothing_in_the_house_is_read(url: str) -> None:
    async with internet([], private=False) as (looking, _, server):
        with pytest.raises(DobbyError):
            await looking.read(url, "What?")
        assert server.requests == []


async def test_a_redirect_into_the_house_is_not_followed() -> None:
    async with internet([]) as (looking, address, _):
        with pytest.raises(Refused, match="plain web addresses"):
            await looking.read(f"{address}/hop?to=file:///etc/passwd", "What?")
        with pytest.raises(Refused, match="circles"):
            await looking.read(f"{address}/loop", "What?")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("::ffff:192.168.0.1", False),
        ("fe80::1%eth0", False),
        ("2a00:1450::1", True),
        ("224.0.0.1", False),
        ("64:ff9b::c0a8:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("fec0::1", False),
        ("2002:c0a8:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public
