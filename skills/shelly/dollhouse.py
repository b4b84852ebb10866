"""Shellys on loopback: `/shelly` and JSON-RPC over `/rpc`, with state, passwords, motors that take time, and notifications.

They answer with payloads captured from real ones (`captured.json` says whose). It knows nothing of Dobby.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from . import dollhouse_gen1 as old
from .dollhouse_web import Served

RELAYS = {"switch:0": "Workshop bench", "switch:1": "Workshop saw"}
SHELLYS: Sequence[Mapping[str, Any]] = (
    {"like": "relays", "mac": "AABBCCDDEE01", "name": "Workshop", "names": RELAYS},
    {"like": "shutter", "mac": "AABBCCDDEE02", "name": "Studio shutter", "names": {}},
    {"like": "bulb", "mac": "AABBCCDDEE03", "name": "Reading lamp", "names": {"cct:0": "Reading lamp"}},
    {"like": "plug", "mac": "C049EF8C480C", "name": "Desk plug", "names": {}},
)
WATTS = 40.0  # what anything draws that is on
STEP = 0.05  # seconds between a motor's steps
HA2 = hashlib.sha256(b"dummy_method:dummy_uri").hexdigest()


class Thing(Served):
    """One Shelly. `trouble[method]` breaks the next such call once.

    `drop` (link cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no answer).
    """

    def __init__(self, row: Mapping[str, Any], pace: float, password: str) -> None:
        super().__init__()
        captured = json.loads(Path(__file__).with_name("captured.json").read_text("utf-8"))[row["like"]]
        self.shelly, self.config, self.status = (deepcopy(captured[key]) for key in ("shelly", "config", "status"))
        self.id = f"{self.shelly['id'].partition('-')[0]}-{row['mac'].lower()}"
        self.shelly |= {"id": self.id, "mac": row["mac"], "name": row["name"], "auth_en": bool(password)}
        self.config["sys"]["device"] |= {"mac": row["mac"], "name": row["name"]}
        for key, name in row["names"].items():
            self.config[key]["name"] = name
        self.trouble: dict[str, str] = {}
        self.calls: list[str] = []
        self.pace, self.password = pace, password
        self.lines: set[web.WebSocketResponse] = set()
        self._nonce = secrets.randbits(30)
        self._motors: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Boot: at its port, or a free one the first time."""
        await self.serve([web.get("/shelly", self._describe), web.get("/rpc", self._line)])

    async def aclose(self) -> None:
        """As if the plug were pulled."""
        for task in self._motors.values():
            task.cancel()
        self.cut()
        await self.end()

    def cut(self) -> None:
        """Cut every line."""
        for line in list(self.lines):
            if line._req and line._req.transport:
                line._req.transport.abort()
        self.lines.clear()

    async def _describe(self, request: web.Request) -> web.Response:
        return web.json_response(self.shelly)

    async def _line(self, request: web.Request) -> web.StreamResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        self.lines.add(line)
        try:
            async for message in line:
                if message.type == WSMsgType.TEXT:
                    await self._hear(line, json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            self.lines.discard(line)
        return line

    async def _hear(self, line: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        method = str(frame.get("method"))
        self.calls.append(method)
        trouble = self.trouble.pop(method, "")
        if trouble == "drop":
            self.cut()
            return
        answer = {"id": frame.get("id"), "src": self.id, "dst": frame.get("src")} | await self._answer(method, frame)
        if trouble == "cut":
            self.cut()
        elif trouble == "garbage":
            await line.send_str('{"id": [')
        elif trouble != "silence":
            await line.send_json(answer)

    async def _answer(self, method: str, frame: dict[str, Any]) -> dict[str, Any]:
        if self.password and method != "Shelly.GetDeviceInfo" and not self._knows(frame.get("auth")):
            self._nonce += 1
            told = {"auth_type": "digest", "nonce": self._nonce, "nc": 1, "realm": self.id, "algorithm": "SHA-256"}
            return {"error": {"code": 401, "message": json.dumps(told)}}
        pages: dict[str, dict[str, Any]] = {
            "Shelly.GetDeviceInfo": self.shelly,
            "Shelly.GetConfig": self.config,
            "Shelly.GetStatus": self.status,
            "Shelly.GetComponents": {"components": [], "cfg_rev": 1, "offset": 0, "total": 0},
        }
        if method in pages:
            return {"result": pages[method]}
        params = frame.get("params") or {}
        component, _, verb = method.partition(".")
        key = f"{component.lower()}:{params.get('id')}"
        if key not in self.status:
            return {"error": {"code": -105, "message": f"Argument 'id', value {params.get('id')} not found!"}}
        work = {"Set": self._set, "Open": self._go, "Close": self._go, "GoToPosition": self._go, "Stop": self._stop}.get(verb)
        if work is None:
            return {"error": {"code": 404, "message": f"No handler for {method}"}}
        await work(key, {"Open": 100, "Close": 0}.get(verb), params)
        return {"result": {}}

    def _knows(self, auth: Any) -> bool:
        if not isinstance(auth, dict) or auth.get("nonce") != self._nonce:
            return False
        ha1 = hashlib.sha256(f"admin:{self.id}:{self.password}".encode()).hexdigest()
        said = f"{ha1}:{auth['nonce']}:{auth.get('nc')}:{auth.get('cnonce')}:auth:{HA2}"
        return bool(auth.get("response") == hashlib.sha256(said.encode()).hexdigest())

    async def _set(self, key: str, _: int | None, params: Mapping[str, Any]) -> None:
        told = {"output" if name == "on" else name: value for name, value in params.items() if name != "id"}
        await self.become(key, **told)

    async def become(self, key: str, **told: Any) -> None:
        """Change a component (a call, or a hand), and tell all who listen."""
        row = self.status[key]
        row.update(told)
        if "output" in told and "apower" in row:
            told["apower"] = row["apower"] = WATTS if row["output"] else 0.0
        await self.push(json.dumps({"src": self.id, "dst": "all", "method": "NotifyStatus", "params": {"ts": 1.0, key: told}}))

    async def push(self, text: str) -> None:
        """Send any text at all to everybody who listens."""
        for line in list(self.lines):
            with suppress(ConnectionError, RuntimeError):
                await line.send_str(text)

    async def _stop(self, key: str, _: int | None, params: Mapping[str, Any]) -> None:
        if task := self._motors.pop(key, None):
            task.cancel()
        where = self.status[key]["current_pos"]
        await self.become(key, state="open" if where == 100 else "closed" if where == 0 else "stopped", apower=0.0)

    async def _go(self, key: str, to: int | None, params: Mapping[str, Any]) -> None:
        if task := self._motors.pop(key, None):
            task.cancel()
        goal = int(params["pos"]) if to is None else to
        self._motors[key] = asyncio.create_task(self._move(key, goal))

    async def _move(self, key: str, goal: int) -> None:
        row = self.status[key]
        if row["current_pos"] != goal:
            await self.become(key, state="opening" if goal > row["current_pos"] else "closing", apower=120.0)
        while row["current_pos"] != goal:
            await asyncio.sleep(STEP)
            left = goal - row["current_pos"]
            row["current_pos"] += max(-2 * self.pace, min(2 * self.pace, left))
        row["current_pos"] = int(goal)
        state = "open" if goal == 100 else "closed" if goal == 0 else "stopped"
        await self.become(key, state=state, current_pos=goal, apower=0.0)


class House:
    """The running Shellys. `config` belongs under `[skills.shelly]`."""

    name = "shelly"

    def __init__(self, pace: float, password: str) -> None:
        self.things: dict[str, Thing | old.Thing] = {row["name"]: Thing(row, pace, password) for row in SHELLYS}
        self.things |= {row["name"]: old.Thing(row, pace, password) for row in old.SHELLYS}

    @property
    def config(self) -> dict[str, Any]:
        """Where they are, so that they are found without multicast."""
        return {"at": [thing.address for thing in self.things.values()]}

    def thing(self, device: str) -> Any:
        """A Shelly, by name or by Dobby's id."""
        mac = device.removeprefix("shelly.").partition("-")[0].upper()
        return next(thing for name, thing in self.things.items() if name == device or thing.shelly["mac"] == mac)

    def truth(self, device: str) -> dict[str, Any]:
        """What a component really is, in the house's words."""
        inside, thing = device.partition("-")[2].partition("-")[0], self.thing(device)
        if isinstance(thing, old.Thing):
            return thing.truth(inside)
        row = thing.status[f"{inside[:-1]}:{inside[-1]}"]
        words = {"output": "on", "state": "state", "current_pos": "position", "brightness": "brightness", "ct": "color_temp"}
        return {word: row[key] for key, word in words.items() if key in row}

    async def aclose(self) -> None:
        """Pull every plug."""
        for thing in self.things.values():
            await thing.aclose()


async def start(*, pace: float = 1.0, password: str = "") -> House:
    """Shellys on free ports of 127.0.0.1: two relays in one, a shutter, a bulb, a plug, and four of the first generation.

    `pace` makes motors faster.
    """
    house = House(pace, password)
    try:
        for thing in house.things.values():
            await thing.open()
    except BaseException:
        await house.aclose()
        raise
    return house
