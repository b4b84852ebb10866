"""A scripted model behind a real Messages API: answers over HTTP from a script of lines, streamed or not, and checks requests.

For tests, the demo and for replaying a conversation. It does not think: a request that no line answers is an error, said loudly.
Usage is computed from what was really sent, the cached part by the prefixes that were really sent before.
"""

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from dobby.errors import ConfigError
from dobby.house.load import PlainYaml
from dobby.wits.llm import tokens

log = logging.getLogger(__name__)
SMALLEST = 1024  # tokens of a prefix that is worth a place in the cache
KEPT = 300.0  # seconds a prefix stays there after its last use
BREAKPOINTS = 4
STATUS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
KEYS = {
    "said",
    "after",
    "system",
    "tools",
    "text",
    "use",
    "search",
    "stop",
    "status",
    "retry_after",
    "stall",
    "cut",
    "raw",
    "times",
}

Request = Mapping[str, Any]
Blocks = list[dict[str, Any]]


@dataclass(slots=True)
class Line:
    """One line of a script.

    It answers a request whose last words match `said` (a pattern), whose last tool results match `after`, whose system text
    matches `system`, and that brings `tools` or not; what is left out matches all. It says `text`, uses tools (`use`: `{name:
    arguments}`, or a list of those), finds pages (`search`: `[{url, title}]`) and stops by itself or as `stop` says; or it
    fails: `status` (401, 429, 500, 529, with `retry_after`), `stall` seconds of silence or `cut` in the middle
    (`clean`: as if that were all), `raw` as a
    tool's arguments as they are. It counts `times` (once; 0 is always).
    """

    said: str = ""
    after: str = ""
    system: str = ""
    tools: bool | None = None
    text: str = ""
    use: Any = ()
    search: Sequence[Mapping[str, str]] = ()
    stop: str = ""
    status: int = 0
    retry_after: float = 0
    stall: float = 0
    cut: bool | str = False
    raw: str | None = None
    times: int = 1
    used: int = 0

    def fits(self, request: Request) -> bool:
        """Does it answer this request."""
        if self.times and self.used >= self.times:
            return False
        texts = {self.said: said(request), self.after: results(request), self.system: json.dumps(request.get("system", ""))}
        wants = self.tools is None or self.tools is bool(request.get("tools"))
        return wants and all(re.search(pattern, text, re.I | re.S) for pattern, text in texts.items() if pattern)

    def blocks(self, number: int) -> Blocks:
        """What it says, as content blocks."""
        uses = self.use if isinstance(self.use, list | tuple) else [self.use]
        rows = [(name, args) for use in uses for name, args in use.items()]
        made: Blocks = [
            {"type": "tool_use", "id": f"toolu_{number}_{at}", "name": n, "input": a or {}} for at, (n, a) in enumerate(rows)
        ]
        return [*_found(self.search, number), *([_words(self.text, self.search)] if self.text else []), *made]


def _words(text: str, pages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    cited = [{"type": "web_search_result_location", "encrypted_index": "", "cited_text": "", **page} for page in pages]
    return {"type": "text", "text": text, **({"citations": cited} if cited else {})}


def _found(pages: Sequence[Mapping[str, str]], number: int) -> Blocks:
    """A search of the server's own and what it found."""
    if not pages:
        return []
    hits = [{"type": "web_search_result", "encrypted_content": "", **page} for page in pages]
    asked = {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {"query": ""}}
    return [asked, {"type": "web_search_tool_result", "tool_use_id": asked["id"], "content": hits}]


def said(request: Request) -> str:
    """The last words of the person in a request, without what a `<now>` tells before them; "" where it ends in tool results."""
    text = "\n".join(block["text"] for block in _last(request) if block["type"] == "text")
    return re.sub(r"<now>.*?</now>\s*", "", text, flags=re.S)


def results(request: Request) -> str:
    """The last results of tools in a request."""
    return "\n".join(
        json.dumps(block.get("content"), ensure_ascii=False) for block in _last(request) if block["type"] == "tool_result"
    )


def _last(request: Request) -> Blocks:
    content = request["messages"][-1]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def read_script(path: Path) -> list[Line]:
    """A script from a YAML file: a list of lines, or `turns:` with one; `on` is a word there, not a yes.

    :raises ConfigError: it cannot be read, or a line has a key that lines have not.
    """
    try:
        rows = yaml.load(path.read_text("utf-8"), PlainYaml)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return lines(rows.get("turns") if isinstance(rows, dict) else rows, str(path))


def lines(rows: Any, where: str) -> list[Line]:
    """Lines from parsed YAML.

    :raises ConfigError: a line has a key that lines have not.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{where}: a script is a list of lines, each with keys out of {', '.join(sorted(KEYS))}.")
    for number, row in enumerate(rows, 1):
        if unknown := set(row) - KEYS:
            raise ConfigError(
                f"{where}: line {number} has {', '.join(unknown)}; a line has keys out of {', '.join(sorted(KEYS))}."
            )
    texts = ("said", "after", "system", "text")
    fixed: list[dict[str, Any]] = [{k: str(v) if k in texts else v for k, v in row.items()} for row in rows]
    return [Line(**row) for row in fixed]


class Scripted:
    """The server. `script` is lines, or a function that answers a request with blocks; `requests` are those that came, `usage`
    what each answer used, `lost` what no line answered. `key`, where there is one, must be sent; without
    `strict` anything is taken."""

    def __init__(
        self,
        script: Sequence[Line] | Callable[[Request], Blocks | Awaitable[Blocks]],
        *,
        key: str = "",
        now: Callable[[], float] = time.time,
        strict: bool = True,
    ) -> None:
        self._strict = strict
        self.script = script if callable(script) else [replace(line) for line in script]  # a line counts its own uses
        self.key, self._now = key, now
        self.requests: list[Request] = []
        self.usage: list[dict[str, int]] = []
        self.lost: list[str] = []
        self._cache: dict[str, tuple[int, float]] = {}
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def open(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Listen; the address to give as `base_url`."""
        app = web.Application(client_max_size=2**25)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)  # one that stalls on purpose is not waited for
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: Any = site._server
        self.address = f"http://{host}:{bound.sockets[0].getsockname()[1]}"
        return self.address

    async def aclose(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _count(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json()
        return web.json_response({"input_tokens": sum(tokens(part) for part in _parts(body))})

    async def _messages(self, asked: web.Request) -> web.StreamResponse:
        body = json.loads(await asked.text())
        sent = (asked.headers.get("x-api-key"), asked.headers.get("authorization", "").removeprefix("Bearer "))
        if self.key and self.key not in sent:
            return _error(401, "invalid x-api-key")
        if fault := check(body) if self._strict else "":
            self.lost.append(fault)
            return _error(400, fault)
        self.requests.append(body)
        line, blocks = await self._answer(body)
        if line is None:
            self.lost.append(said(body) or results(body))
            log.error("No line of the script answers: %s", self.lost[-1][:500])
            return _error(400, f"no line of the script answers this: {self.lost[-1][:500]}")
        if line.status:
            return _error(line.status, f"as the script says ({line.status})", line.retry_after)
        stop = line.stop or ("tool_use" if blocks and blocks[-1]["type"] == "tool_use" else "end_turn")
        message = self._message(body, blocks, stop)
        if not body.get("stream"):
            await asyncio.sleep(line.stall)
            return web.json_response(message)
        try:
            return await _stream(asked, message, line)
        except ConnectionError:  # who asked has gone
            return web.Response()

    async def _answer(self, body: Request) -> tuple[Line | None, Blocks]:
        if callable(self.script):
            found = self.script(body)
            return Line(), found if isinstance(found, list) else await found
        line = next((line for line in self.script if line.fits(body)), None)
        if line is None:
            return None, []
        line.used += 1
        return line, line.blocks(len(self.requests))

    def _message(self, body: Request, blocks: Blocks, stop: str) -> dict[str, Any]:
        usage = self._use(body) | {"output_tokens": sum(map(tokens, blocks))}
        self.usage.append(usage)
        head = {"id": f"msg_{len(self.requests)}", "type": "message", "role": "assistant", "model": body["model"]}
        return head | {"content": blocks, "stop_reason": stop, "stop_sequence": None, "usage": usage}

    def _use(self, body: Request) -> dict[str, int]:
        """What of the request was read from the cache and what is written to it: prefixes that end at a breakpoint."""
        total = cached = marked = 0
        chain, now = hashlib.sha256(body["model"].encode()), self._now()
        ends: list[tuple[str, int]] = []
        for part in _parts(body):
            chain.update(_bare(part).encode())
            total += tokens(_bare(part))
            digest = chain.hexdigest()
            if total >= SMALLEST and self._cache.get(digest, (0, 0.0))[1] > now:
                cached = total
            if isinstance(part, dict) and part.get("cache_control"):
                ends, marked = [*ends, (digest, total)], total
        for digest, size in ends:
            if size >= SMALLEST:
                self._cache[digest] = (size, now + KEPT)
        written = max(marked - cached, 0) if marked >= SMALLEST else 0
        return {
            "input_tokens": total - cached - written,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written,
        }


def _parts(body: Request) -> Iterator[Any]:
    """A request block by block, in the order in which the endpoint reads it: tools, system, messages."""
    yield from body.get("tools", ())
    system = body.get("system", ())
    yield from [system] if isinstance(system, str) else system
    for message in body["messages"]:
        content = message["content"]
        yield message["role"]
        yield from [content] if isinstance(content, str) else content


def _bare(part: Any) -> str:
    return json.dumps(
        {k: v for k, v in part.items() if k != "cache_control"} if isinstance(part, dict) else part, ensure_ascii=False
    )


@cache
def _forms() -> tuple[Any, Any]:
    from anthropic.types import message_create_params as forms
    from pydantic import TypeAdapter

    return TypeAdapter(forms.MessageCreateParamsNonStreaming), TypeAdapter(forms.MessageCreateParamsStreaming)


def _walk(value: Any) -> None:
    """What pydantic checks only while it is read (every `Iterable` of the SDK's types) is read to its ends."""
    if not isinstance(value, str | bytes):
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, Iterable) else ():
            _walk(part)


def check(body: Any) -> str:
    """What is wrong with a request, "" for nothing: its form by the SDK's own types, and what the endpoint wants beside it."""
    from pydantic import ValidationError

    try:
        _walk(_forms()[bool(isinstance(body, dict) and body.get("stream"))].validate_python(body))
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, row['loc'][:6]))}: {row['msg']}" for row in error.errors()[:3])
    if any(name in body for name in ("temperature", "top_p", "top_k")):
        return "sampling parameters are not taken any more"
    roles = [message["role"] for message in body["messages"]]
    paused = any(block["type"] == "server_tool_use" for block in body["messages"][-1]["content"] if isinstance(block, dict))
    if not roles or roles[0] != "user" or not (roles[-1] == "user" or paused) or set(roles) - {"user", "assistant"}:
        return "messages begin and end with the user's, but for one of a search that paused"
    names = [tool.get("name", "") for tool in body.get("tools", ())]
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names):
        return f"tools need names of their own: {names}"
    if sum(isinstance(part, dict) and bool(part.get("cache_control")) for part in _parts(body)) > BREAKPOINTS:
        return f"at most {BREAKPOINTS} cache breakpoints"
    return _unanswered(body["messages"])


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> str:
    """Every use of a tool has its result in the next message, and no result stands alone."""
    open_: set[str] = set()
    for message in messages:
        blocks = [] if isinstance(message["content"], str) else message["content"]
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "text content blocks must be non-empty"
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered != open_:
            return f"tool_use without tool_result or the reverse: {sorted(answered ^ open_)}"
        open_ = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return ""


def _error(status: int, words: str, retry_after: float = 0) -> web.Response:
    kind = STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")
    headers = {"retry-after": f"{retry_after:g}"} if retry_after else {}
    return web.json_response({"type": "error", "error": {"type": kind, "message": words}}, status=status, headers=headers)


async def _stream(asked: web.Request, message: Mapping[str, Any], line: Line) -> web.StreamResponse:
    """The message as server-sent events, as the API sends them; it stalls or is cut in the middle where the script says so."""
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(asked)

    async def send(kind: str, **more: Any) -> None:
        await response.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n".encode())

    await send(
        "message_start",
        message={**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}},
    )
    await send("ping")
    for index, block in enumerate(message["content"]):
        await _send_block(send, index, block, line.raw)
        await asyncio.sleep(line.stall)
        if line.cut and asked.transport is not None:
            if line.cut != "clean":
                asked.transport.abort()
            return response
    await send("message_delta", delta={"stop_reason": message["stop_reason"], "stop_sequence": None}, usage=message["usage"])
    await send("message_stop")
    await response.write_eof()
    return response


async def _send_block(send: Callable[..., Awaitable[None]], index: int, block: Mapping[str, Any], raw: str | None) -> None:
    kind = block["type"]
    empty = {"text": {**block, "text": "", "citations": None}, "tool_use": {**block, "input": {}}}.get(kind, block)
    await send("content_block_start", index=index, content_block=empty)
    whole = block.get("text", "") if kind == "text" else json.dumps(block["input"]) if kind == "tool_use" else ""
    whole = raw if raw is not None and kind == "tool_use" else whole
    for at in range(0, len(whole), 40):
        part = whole[at : at + 40]
        delta = {"type": "text_delta", "text": part} if kind == "text" else {"type": "input_json_delta", "partial_json": part}
        await send("content_block_delta", index=index, delta=delta)
    for cite in block.get("citations") or ():
        await send("content_block_delta", index=index, delta={"type": "citations_delta", "citation": cite})
    await send("content_block_stop", index=index)
