"""Twilio's own published description of the API that Dobby uses, and a mock that is made of nothing else.

It is https://github.com/twilio/twilio-oai's, read from `../shared` where the machine has it; where not, nothing is held against
it. `problems` holds a request and its answer; the stateful fake (`skills/whatsapp/dollhouse.py`) is watched by it, the mock
answers with its examples.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "data" / "twilio" / "twilio_api_v2010.json"
ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"
USED = (
    "/2010-04-01/Accounts/{Sid}.json",
    f"{ACCOUNT}/Messages.json",
    f"{ACCOUNT}/Messages/{{Sid}}.json",
    f"{ACCOUNT}/Messages/{{MessageSid}}/Media.json",
)
FILE = re.compile(r".*/Media/ME\w+")  # a file itself is no resource
Sent = Mapping[str, Sequence[str]]
TYPED: dict[str, Any] = {"integer": int, "number": float, "boolean": {"true": True, "false": False}.__getitem__}


@cache
def api() -> Any:
    """What Dobby uses of it: those paths, and the schemas that they name."""
    whole = json.loads(DESCRIPTION.read_text("utf-8"))
    paths, schemas = {path: whole["paths"][path] for path in USED}, dict[str, Any]()
    todo: list[Any] = [paths]
    while todo:
        for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(todo.pop()))) - schemas.keys():
            schemas[name] = whole["components"]["schemas"][name]
            todo.append(schemas[name])
    return {"paths": paths, "components": {"schemas": schemas}}


@cache
def routes() -> list[tuple[re.Pattern[str], Any]]:
    """Every path as a pattern, with what may be done there."""
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+?", re.escape(path))), what) for path, what in api()["paths"].items()]


def operation(method: str, path: str) -> Any:
    """What the description says of a request; None where there is no such."""
    return next((what.get(method.lower()) for pattern, what in routes() if pattern.fullmatch(path)), None)


def problems(method: str, path: str, sent: Sent, status: int = 0, answer: Any = None) -> Iterator[str]:
    """What does not fit: fields nobody knows, values of another sort, an answer that is not one of those described."""
    if not DESCRIPTION.is_file():
        return
    known = operation(method, path)
    if known is None:
        if not FILE.fullmatch(path):
            yield f"there is no {method} {path}"
        return
    if method == "POST":
        schema = known["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    else:
        asked = [row for row in known["parameters"] if row["in"] == "query"]
        schema = {"type": "object", "properties": {row["name"]: row["schema"] for row in asked}}
    yield from _unfit({name: _typed(schema["properties"].get(name, {}), values) for name, values in sent.items()}, schema)
    if 200 <= status < 300:
        yield from _unfit(answer, known["responses"][str(status)]["content"]["application/json"]["schema"])


def _typed(schema: Any, values: Sequence[str]) -> Any:
    """A form's texts as what they stand for."""
    kind = schema.get("type")
    if kind == "array":
        return list(values)
    return TYPED[kind](values[0]) if kind in TYPED else values[0]


def _unfit(what: Any, schema: Any) -> Iterator[str]:
    whole = _strict({**schema, "components": api()["components"]})
    yield from (f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(what))


def _strict(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema; and nothing is there that is not described."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    row = {name: _strict(value) for name, value in schema.items()}
    if row.get("nullable") and isinstance(row.get("type"), str):
        row["type"] = [row["type"], "null"]
        row |= {"enum": [*row["enum"], None]} if "enum" in row else {}
    if isinstance(row.get("properties"), dict):
        row.setdefault("additionalProperties", False)
    return row


async def sent_of(request: web.Request) -> Sent:
    """The fields of a request, each with all its values."""
    fields = await request.post() if request.method == "POST" else request.query
    return {name: [str(value) for value in fields.getall(name)] for name in fields}


class Mock:
    """A server that knows the description alone: what fits it is answered with the description's own example."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Sent]] = []
        self.problems: list[str] = []
        self.url = ""

    async def __aenter__(self) -> "Mock":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        sent = await sent_of(request)
        self.requests.append((request.method, request.path, sent))
        found = list(problems(request.method, request.path, sent))
        self.problems += found
        if found:
            return web.json_response({"code": 20001, "message": "; ".join(found), "status": 400}, status=400)
        status, described = next(iter(operation(request.method, request.path)["responses"].items()))
        examples = [row["value"] for row in described["content"]["application/json"]["examples"].values()]
        last = [one for one in examples if not one.get("next_page_uri")] if "PageToken" in sent else examples
        return web.json_response(last[0], status=int(status))
