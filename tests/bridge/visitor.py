"""Somebody at the page, by requests instead of a browser."""

from dataclasses import dataclass
from typing import Any

import aiohttp


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
