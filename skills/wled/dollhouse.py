"""WLED controllers on loopback: `/json`, `/presets.json` and the WebSocket of firmware 0.15.4, with state.

It answers with payloads captured from real ones (`captured.json` says whose). It knows nothing of Dobby.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

LISTENERS = 4  # WebSockets a controller serves at once
STRIPS: Sequence[Mapping[str, Any]] = (
    {"id": "8813bf0455f0", "name": "Bookshelf strip", "segments": ["Bookshelf strip"]},
    {"id": "8813bf0455f1", "name": "Terrace strip", "segments": ["Railing lights", "Stairs lights"]},
)


class Controller:
    """One controller. `trouble[path]` breaks the next request to it once:

    `drop` (link cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no answer).
    `deaf` has no free WebSocket.
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        captured = json.loads(Path(__file__).with_name("captured.json").read_text("utf-8"))
        self.state: dict[str, Any] = captured["state"]
        self.info: dict[str, Any] = captured["info"] | {"name": row["name"], "mac": row["id"]}
        self.presets: dict[str, Any] = captured["presets"]
        self.captured = captured
        self.trouble: dict[str, str] = {}
        self.deaf = False
        self.port = 0
        self.listeners: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None
        pattern, self.state["seg"] = self.state["seg"][0], []
        self.info["leds"]["seglc"] = [1] * len(row["segments"])
        for number, name in enumerate(row["segments"]):
            own = {"id": number, "start": 30 * number, "stop": 30 * (number + 1), "n": name, "sel": not number}
            self.state["seg"].append(deepcopy(pattern) | own)
        self.state |= {"on": False, "bri": 128}

    @property
    def address(self) -> str:
        """Where it is: host:port."""
        return f"127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Boot: at its port, or a free one the first time."""
        app = web.Application()
        app.router.add_get("/ws", self._listen)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """As if the plug were pulled."""
        for socket in list(self.listeners):
            if socket._req and socket._req.transport:
                socket._req.transport.abort()
        self.listeners.clear()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        trouble = self.trouble.pop(request.path, "")
        if trouble == "drop":
            return _hang_up(request)
        answer = await self._answer(request)
        if trouble == "cut":
            return _hang_up(request)
        if trouble == "silence":
            await asyncio.sleep(3600)
        return web.Response(text='{"state": [', content_type="application/json") if trouble == "garbage" else answer

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            try:
                said = json.loads(await request.text())
            except ValueError:
                return web.json_response({"error": 9}, status=400)
            await self.become(said)
            return web.json_response(self.state if said.get("v") else {"success": True})
        both = {"state": self.state, "info": self.info}
        pages = {
            "/json": both | {key: self.captured[key] for key in ("effects", "palettes")},
            "/json/si": both,
            "/json/state": self.state,
            "/json/info": self.info,
            "/presets.json": self.presets,
            **{f"/json/{key}": self.captured[key] for key in ("effects", "palettes", "fxdata", "cfg")},
        }
        if request.path not in pages:
            return web.json_response({"error": 4}, status=501)
        return web.json_response(pages[request.path])

    async def become(self, said: Mapping[str, Any]) -> None:
        """Obey one message of the JSON API (or a hand, or an app), and tell all who listen."""
        if str(said.get("ps", "")) in self.presets:
            self._recall(int(said["ps"]))
        before = deepcopy({key: self.state[key] for key in ("on", "bri", "seg")})
        self._light(said)
        rows = said.get("seg", [])
        for place, row in enumerate(rows if isinstance(rows, list) else [rows]):
            segment = next((each for each in self.state["seg"] if each["id"] == row.get("id", place)), None)
            if segment is not None:
                segment.update({key: value for key, value in row.items() if key in segment and key != "col"})
                for slot, colour in enumerate(row.get("col", [])):
                    segment["col"][slot] = list(colour)
        if before != {key: self.state[key] for key in before} and "ps" not in said:
            self.state |= {"ps": -1, "pl": -1}
        await self.push()

    def _light(self, said: Mapping[str, Any]) -> None:
        if "on" in said:
            self.state["on"] = not self.state["on"] if said["on"] == "t" else bool(said["on"])
        if said.get("bri"):
            self.state["bri"] = min(255, int(said["bri"]))
            self.state["on"] = bool(said.get("on", True))
        elif "bri" in said:
            self.state["on"] = False

    def _recall(self, number: int) -> None:
        saved = self.presets[str(number)]
        playlist = saved.get("playlist")
        self.state |= {"ps": number if playlist is None else playlist["ps"][0], "pl": -1 if playlist is None else number}
        shown = self.presets[str(self.state["ps"])]
        self.state |= {key: shown[key] for key in ("on", "bri") if key in shown}
        for segment in self.state["seg"]:
            for row in shown.get("seg", [])[:1]:
                segment.update({key: value for key, value in row.items() if key != "col"})
                for slot, colour in enumerate(row.get("col", [])):
                    segment["col"][slot] = list(colour)

    async def push(self, text: str = "") -> None:
        """Send the state, or any text at all, to everybody who listens."""
        said = text or json.dumps({"state": self.state, "info": self.info})
        for listener in list(self.listeners):
            with suppress(ConnectionError, RuntimeError):
                await listener.send_str(said)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if self.deaf or len(self.listeners) >= LISTENERS:
            return _hang_up(request)
        line = web.WebSocketResponse()
        await line.prepare(request)
        self.listeners.add(line)
        try:
            await line.send_json({"state": self.state, "info": self.info})
            async for message in line:
                if message.type == WSMsgType.TEXT:
                    with suppress(ValueError, AttributeError):
                        await self.become(json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            self.listeners.discard(line)
        return line


class House:
    """The running controllers. `config` belongs under `[skills.wled]`."""

    name = "wled"

    def __init__(self) -> None:
        self.strips = {row["name"]: Controller(row) for row in STRIPS}

    @property
    def config(self) -> dict[str, Any]:
        """Where they are, so that they are found without multicast."""
        return {"at": [strip.address for strip in self.strips.values()]}

    def strip(self, device: str) -> Controller:
        """A controller, by name or by Dobby's id."""
        mac = device.removeprefix("wled.").partition("-")[0]
        return next(strip for name, strip in self.strips.items() if name == device or strip.info["mac"] == mac)

    def truth(self, device: str) -> dict[str, Any]:
        """What a light really does, in the house's words."""
        strip, number = self.strip(device), device.partition("-")[2]
        segment = strip.state["seg"][int(number or 0)]
        red, green, blue = segment["col"][0][:3]
        on = strip.state["on"] and (segment["on"] or not number)
        loud = segment["bri"] if number else strip.state["bri"]
        effect = strip.captured["effects"][segment["fx"]]
        return {"on": on, "brightness": round(loud / 2.55), "color": f"#{red:02x}{green:02x}{blue:02x}", "effect": effect}

    async def aclose(self) -> None:
        """Pull every plug."""
        for strip in self.strips.values():
            await strip.aclose()


async def start() -> House:
    """Two controllers on free ports of 127.0.0.1, dark: one strip, and one of two segments."""
    house = House()
    try:
        for strip in house.strips.values():
            await strip.open()
    except BaseException:
        await house.aclose()
        raise
    return house


def _hang_up(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
