"""Runs inside a network of its own: a name server, a page at a public address, one in the house, and Dobby's reader between them.

Prints what became of each reading. DNS: RFC 1035 §4, RFC 3596.
"""

import asyncio
import ipaddress
import json
import struct
from collections import Counter
from typing import Any

from aiohttp import web

from dobby.clock import FixedClock
from dobby.config import ModelConfig
from dobby.errors import DobbyError
from dobby.wits.llm import Model
from dobby.wits.web import Web

PUBLIC, PUBLIC6 = "93.184.216.34", "2606:2800:220:1::1"
A, AAAA = 1, 28
ZONE: dict[str, list[list[str]]] = {  # what a name is, each time it is asked; the last counts from then on
    "honest.test": [[PUBLIC]],
    "six.test": [[PUBLIC6]],
    "rebind.test": [[PUBLIC], ["127.0.0.1"]],
    "again.test": [[PUBLIC], ["127.0.0.1"]],
    "house.test": [["127.0.0.1"]],
    "mixed.test": [[PUBLIC, "127.0.0.1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "nat64.test": [["64:ff9b::7f00:1"]],
    "ula.test": [["fd00::1"]],
    "six-to-four.test": [["2002:7f00:1::"]],
}
TARGETS = ("http://127.0.0.1/", "http://[::1]/", "http://house.test/", "http://[::ffff:127.0.0.1]/", "http://0/")


class Names(asyncio.DatagramProtocol):
    """A name server whose every answer is stale at once."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        name, at = [], 12
        while data[at]:
            name.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        question, (kind, _) = data[12 : at + 5], struct.unpack("!HH", data[at + 1 : at + 5])
        known = ".".join(name).lower()
        rows = ZONE.get(known, [[]])
        found = [ipaddress.ip_address(one) for one in rows[min(self.asked[known], len(rows) - 1)]]
        self.asked[known] += kind == A
        mine = [one.packed for one in found if one.version == (4 if kind == A else 6)]
        answers = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in mine)
        self._transport.sendto(data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(mine), 0, 0) + question + answers, addr)


async def serve(hosts: list[str], text: str, hits: list[str]) -> None:
    async def page(asked: web.Request) -> web.Response:
        hits.append(str(asked.url))
        told = web.Response(text=text, content_type="text/plain")
        if "to" in asked.query:
            told = web.Response(status=302, headers={"location": asked.query["to"]})
        told.force_close()  # each address is looked up anew
        return told

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    for host in hosts:
        await web.TCPSite(runner, host, 80).start()


async def main() -> None:
    inside: list[str] = []
    _, names = await asyncio.get_running_loop().create_datagram_endpoint(Names, ("127.0.0.1", 53))
    await serve([PUBLIC, PUBLIC6], "public", [])
    await serve(["127.0.0.1", "::1"], "secret", inside)
    config = ModelConfig(mind="m")
    looking = Web(config, Model(config, lambda: "", FixedClock(1e9)))

    async def read(url: str) -> str:
        try:
            return await looking._text(url)  # the page alone: no model is asked here
        except DobbyError as error:
            return str(error)

    told: dict[str, Any] = {name: await read(f"http://{name}/") for name in ZONE if name != "again.test"}
    told["again.test"] = await read("http://again.test/?to=http://again.test/secret")
    told |= {f"to {where}": await read(f"http://{PUBLIC}/?to={where}") for where in TARGETS}
    print(json.dumps({**told, "inside": len(inside), "asked": names.asked}))


if __name__ == "__main__":
    asyncio.run(main())
