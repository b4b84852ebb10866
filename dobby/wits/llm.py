"""The one client of a model: asks an endpoint that speaks the Messages API, and owns patience, back-off and the breaker.

Roles (`mind`, `eyes`, `small`) name models; the SDK's own retries are off, since hidden ones double what they touch. It does
not know what is asked, nor what is done with the answer. Protocol: https://docs.anthropic.com/en/api/messages
"""

import asyncio
import json
import logging
import random
import sqlite3
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from dobby.clock import Clock
from dobby.config import ModelConfig
from dobby.errors import DobbyError

log = logging.getLogger(__name__)
STALL = 20.0  # seconds without a sign in a stream
PAUSE = 0.5  # seconds before the second attempt, doubled for each further one
BREAK = 3  # failures in a row after which nothing is asked for a while
REST = 60.0  # seconds of that while
MOST = 2000  # tokens of an answer
HOME = "https://api.anthropic.com"
SEARCH = 0.01  # dollars for one search of the web; platform.claude.com/docs, pricing, as of November 2026
NO_KEY = "none"  # where the endpoint wants none

Block = dict[str, Any]
"""One content block of a message, in the API's own form."""


def tokens(value: Any) -> int:
    """About how many tokens a text or a block is: a third of its bytes, rounded up. No tokenizer is public; English text has
    about 3.5 characters to a token, so this is more than is paid for rather than less."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return -(-len(text.encode()) // 3)


class NoModel(DobbyError):
    """There is no answer from the model; `why` is a phrase's key: `model_key`, `model_away`, `model_busy`, `model_spent`, …"""

    def __init__(self, why: str, words: str, *, again: bool = False, after: float = 0.0) -> None:
        super().__init__(words)
        self.why, self.again, self.after = why, again, after


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of one answer: `fresh` read at full price, `cached` read from and `written` to the cache, `out` said; `searches` of
    the web by the provider."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    out: int = 0
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """A tool that the model wants to use; `broken` says why its arguments could not be read."""

    id: str
    name: str
    args: Mapping[str, Any]
    broken: str = ""


@dataclass(slots=True)
class Answer:
    """What a model said: its blocks as they are sent back later, why it stopped, what it used."""

    model: str
    blocks: list[Block] = field(default_factory=list)
    stop: str = ""
    used: Used = Used()
    broken: dict[str, str] = field(default_factory=dict)
    bill: "Bill" = lambda db: None

    @property
    def text(self) -> str:
        """Everything it said in words."""
        return "\n".join(block["text"] for block in self.blocks if block["type"] == "text").strip()

    @property
    def uses(self) -> list[Use]:
        """The tools it wants to use, in order."""
        rows = [block for block in self.blocks if block["type"] == "tool_use"]
        return [Use(row["id"], row["name"], row["input"], self.broken.get(row["id"], "")) for row in rows]

    @property
    def sources(self) -> list[str]:
        """The pages it cites."""
        cited = [cite.get("url", "") for block in self.blocks for cite in block.get("citations") or ()]
        return list(dict.fromkeys(filter(None, cited)))


Bill = Callable[[sqlite3.Connection], None]
"""Writes down what an answer cost, within the commit of whoever asked for it."""


class Model:
    """The models of one endpoint. `key` is asked at each request, so that a new one counts at once; `pause` and `stall` are in
    seconds; `purse` makes the bill of an answer, and `pay` writes it down."""

    def __init__(
        self,
        config: ModelConfig,
        key: Callable[[], str],
        clock: Clock,
        *,
        pause: float = PAUSE,
        stall: float = STALL,
        purse: Any = None,
        pay: Callable[[Bill], Awaitable[None]] | None = None,
    ) -> None:
        self.config, self.purse, self.pay, self.home = config, purse, pay, config.base_url or HOME
        self._key, self._clock, self._pause, self._stall = key, clock, pause, stall
        self._failed, self._rests_until, self._why = 0, 0.0, NoModel("model_away", "")
        self._client: Any = None
        self._sdk: Any = None

    def name(self, role: str) -> str:
        """The model of a role, "" for none."""
        return str(getattr(self.config, role)) or self.config.mind

    async def ask(
        self,
        role: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        system: Sequence[Block] = (),
        tools: Sequence[Block] = (),
        schema: Mapping[str, Any] | None = None,
        most: int = MOST,
        paid: bool = True,
    ) -> Answer:
        """One answer; `schema` makes its text JSON of that form. If not `paid`, whoever asks writes down its `bill`.

        :raises NoModel: none within the time, after several attempts where those may help; or none may be asked for.
        """
        params: dict[str, Any] = {"model": self.name(role), "messages": list(messages), "max_tokens": most}
        params |= {"system": list(system)} if system else {}
        params |= {"tools": list(tools)} if tools else {}
        params |= {"output_config": {"format": {"type": "json_schema", "schema": dict(schema)}}} if schema else {}
        if self._clock.now() < self._rests_until:
            raise self._why
        if self.purse is not None:
            await self.purse.may()
        try:
            self._sdk = self._sdk or await _libraries()  # the first time takes seconds, which are not the endpoint's
            answer = await self._insist(params, *self._sdk)
        except NoModel as error:
            self._count(error)
            raise
        self._failed = 0
        if self.purse is not None:
            answer.bill = self.purse.meter(role, answer)
        if paid and self.pay is not None:
            await self.pay(answer.bill)
        return answer

    async def read(self, text: str, schema: Mapping[str, Any] | None = None, most: int = 1000) -> str:
        """What the small model says to a text, in a request of its own without tools. :raises NoModel: as `ask`."""
        asked = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        return (await self.ask("small", asked, schema=schema, most=most)).text

    def _count(self, error: NoModel) -> None:
        """After several failures in a row, or where only a person can help, nothing is asked for a while."""
        self._failed += 1
        if self._failed >= BREAK or not error.again:
            self._rests_until, self._why = self._clock.now() + max(REST if error.again else 0.0, error.after), error

    async def _insist(self, params: dict[str, Any], anthropic: Any, httpx2: Any) -> Answer:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.config.seconds, self._pause
        while True:
            try:
                async with asyncio.timeout_at(until):
                    return await self._once(params, anthropic, httpx2)
            except TimeoutError:
                raise NoModel("model_slow", "The model did not answer in time.", again=True) from None
            except NoModel as error:
                wait = max(pause * random.uniform(0.75, 1.25), error.after)
                if not error.again or loop.time() + wait >= until:
                    raise
                log.info("The model is asked again in %.1f s: %s", wait, error.why)
                if error.why == "model_busy" and params["model"] == self.config.mind and self.config.small:
                    params = {**params, "model": self.config.small}  # a smaller one is better than none
                await asyncio.sleep(wait)
                pause *= 2

    async def _once(self, params: dict[str, Any], anthropic: Any, httpx2: Any) -> Answer:
        key = self._key()
        if not key and not self.config.base_url:
            raise NoModel("model_key", "There is no key for it: it stands in $ANTHROPIC_API_KEY or in the key_file of [model].")
        try:
            stream = await self._open(anthropic, key).messages.create(**params, stream=True)
            async with stream:
                return await _gather(params["model"], _lively(stream, self._stall))
        except anthropic.APIStatusError as error:
            raise _status(error) from error
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            raise NoModel("model_away", f"{self.home} cannot be reached ({type(error).__name__}).", again=True) from error
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            raise NoModel("model_odd", f"The model's answer cannot be read ({type(error).__name__}).", again=True) from error

    def _open(self, anthropic: Any, key: str) -> Any:
        key, seconds = key or NO_KEY, self.config.seconds
        if self._client is None or self._client.api_key != key:
            self._client = anthropic.AsyncAnthropic(api_key=key, base_url=self.home, max_retries=0, timeout=seconds)
        return self._client

    async def aclose(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close()


async def _libraries() -> tuple[Any, Any]:
    """The SDK and its HTTP client, loaded in a thread, as that takes a while."""
    try:
        return await asyncio.to_thread(import_module, "anthropic"), await asyncio.to_thread(import_module, "httpx2")
    except ImportError as error:
        raise NoModel("model_extra", "The model needs more: pip install 'dobby[llm]'") from error


async def _lively(stream: Any, stall: float) -> AsyncIterator[Any]:
    """The stream's events; a silence of `stall` seconds ends it."""
    events = aiter(stream)
    while True:
        try:
            async with asyncio.timeout(stall):
                event = await anext(events)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise NoModel("model_away", "The model fell silent in the middle of its answer.", again=True) from None
        yield event


async def _gather(model: str, events: AsyncIterator[Any]) -> Answer:
    """A streamed message as a whole; arguments of a tool that are no JSON are kept as a fault of that use alone."""
    answer, raw, ended = Answer(model), dict[int, str](), False
    async for event in events:
        match event.type:
            case "message_start":
                answer.used = _used(event.message.usage, answer.used)
            case "content_block_start":
                answer.blocks.append(event.content_block.to_dict())
            case "content_block_delta":
                _add(answer.blocks[event.index], event.delta, raw, event.index)
            case "content_block_stop" if event.index in raw:
                _read_args(answer, answer.blocks[event.index], raw[event.index])
            case "message_delta":
                answer.stop = event.delta.stop_reason or ""
                answer.used = _used(event.usage, answer.used)
            case "message_stop":
                ended = True
    if not ended:
        raise NoModel("model_away", "The model's answer was cut off.", again=True)
    rows = [{key: value for key, value in block.items() if value is not None} for block in answer.blocks]
    answer.blocks = [row for row in rows if row.get("text", "…")]  # an empty text may not be sent back
    return answer


def _add(block: Block, delta: Any, raw: dict[int, str], index: int) -> None:
    match delta.type:
        case "text_delta":
            block["text"] += delta.text
        case "input_json_delta":
            raw[index] = raw.get(index, "") + delta.partial_json
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta.citation.to_dict()]
        case "thinking_delta":
            block["thinking"] += delta.thinking
        case "signature_delta":
            block["signature"] = delta.signature


def _read_args(answer: Answer, block: Block, text: str) -> None:
    try:
        args = json.loads(text or "{}")
    except ValueError:
        args = None
    block["input"] = args if isinstance(args, dict) else {}
    if not isinstance(args, dict):
        answer.broken[block.get("id", "")] = f"The arguments are no JSON object: {text[:200]}"


def _used(usage: Any, before: Used) -> Used:
    """The counts so far; those a message leaves out stay as they were."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    was = (before.fresh, before.cached, before.written, before.out, before.searches)
    now = [getattr(usage, name, None) for name in names]
    now.append(getattr(getattr(usage, "server_tool_use", None), "web_search_requests", None))
    return Used(*(old if new is None else new for old, new in zip(was, now, strict=True)))


SPENT = ("billing_error", "spend_limit", "credit")


def _status(error: Any) -> NoModel:
    """What an error of the endpoint means for whoever asked: whose key, whose money, whose turn to wait."""
    status, kind = error.status_code, f"{error.type} {error.error_code}"
    after = error.response.headers.get("retry-after", "")
    wait = float(after) if after.replace(".", "", 1).isdigit() else 0.0
    if status in (401, 403):
        return NoModel("model_key", f"Its key is not accepted ({status}).")
    if status == 404:
        return NoModel("model_name", "There is no model of that name, or no Messages API (404).")
    if status == 402 or any(word in kind for word in SPENT):
        return NoModel("model_spent", "The model's account has nothing left.", after=REST * 10)
    if status in (408, 409, 429) or status >= 500 or "overloaded" in kind or status == 200:
        return NoModel("model_busy", f"The model has no time ({status}).", again=True, after=wait)
    return NoModel("model_odd", f"The model cannot make anything of what it was asked ({status}: {error.api_message or ''}).")


@cache
def _prices() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("prices.toml").read_text("utf-8"))


def rate(config: ModelConfig, model: str) -> Sequence[float] | None:
    """Dollars for a million tokens in and out, by `[model.prices]`, else `prices.toml`; None where neither knows the model."""
    for table in (config.prices, _prices()):
        if known := [name for name in table if model.startswith(name)]:
            return cast("Sequence[float]", table[max(known, key=len)])
    return None


def price(config: ModelConfig, model: str, used: Used) -> float:
    """What an answer cost in dollars; of a model that nobody knows as of the dearest, behind an address of one's own nothing."""
    come, go = rate(config, model) or ((0.0, 0.0) if config.base_url else max(_prices().values()))
    return float((used.fresh + 1.25 * used.written + 0.1 * used.cached) * come + used.out * go) / 1e6 + SEARCH * used.searches
