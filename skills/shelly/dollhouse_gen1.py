"""Shellys of the first generation on loopback: `/shelly`, `/settings`, `/status`, pages that switch, motors that take time.

Their pages have the form of shelly-api-docs.shelly.cloud/gen1 (firmware 1.14). It knows nothing of Dobby.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from .dollhouse_web import Served

SHELLYS: Sequence[Mapping[str, Any]] = (
    {"type": "SHPLG-S", "mac": "C45BBE5F0001", "name": "Aquarium plug", "host": "shellyplug-s-5F0001"},
    {"type": "SHSW-25", "mac": "C45BBE5F0002", "name": "Attic shutter", "host": "shellyswitch25-5F0002", "mode": "roller"},
    {"type": "SHDM-2", "mac": "C45BBE5F0003", "name": "Stairs dimmer", "host": "shellydimmer2-5F0003"},
    {"type": "SHCB-1", "mac": "C45BBE5F0004", "name": "Party bulb", "host": "shellycolorbulb-5F0004"},
)
STEP = 0.05  # seconds between a motor's steps
WATTS = 40.0
HIDDEN = {"switch": "relays", "cover": "rollers", "light": "lights", "cct": "lights", "rgb": "lights"}
LAMP: dict[str, Any] = {"ison": False, "has_timer": False, "source": "http", "mode": "white", "brightness": 50, "transition": 0}
COLOUR: dict[str, Any] = {"red": 255, "green": 0, "blue": 0, "white": 0, "gain": 100, "temp": 4000, "effect": 0}


class Thing(Served):
    """One Shelly. `trouble[page]` breaks the next call of `relay`, `roller`, `light`, `status` or `settings` once.

    `drop` (link cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no answer).
    """

    def __init__(self, row: Mapping[str, Any], pace: float, password: str) -> None:
        super().__init__()
        self.shelly = {"type": row["type"], "mac": row["mac"], "auth": bool(password), "fw": "20230913-114336/v1.14.0-gcb84623"}
        self.settings: dict[str, Any] = {"device": {"type": row["type"], "mac": row["mac"], "hostname": row["host"]}}
        self.settings |= {"name": row["name"], "mode": row.get("mode", "relay"), "fw": self.shelly["fw"]}
        self.status: dict[str, Any] = {
            "mac": row["mac"],
            "uptime": 7,
            "meters": [{"power": 0.0, "is_valid": True, "total": 1200}],
        }
        if row["type"] in ("SHDM-2", "SHCB-1"):
            self.status["lights"] = [LAMP | (COLOUR if row["type"] == "SHCB-1" else {})]
            self.settings["lights"] = [{"name": None}]
        else:
            self.status["relays"] = [{"ison": False, "has_timer": False, "overpower": False, "source": "http"}]
            self.settings["relays"] = [{"name": None, "appliance_type": "General", "auto_on": 0.0, "auto_off": 0.0}]
        if row.get("mode") == "roller":
            self.status["rollers"] = [
                {"state": "stop", "power": 0.0, "current_pos": 100, "positioning": True, "last_direction": "open"}
            ]
            self.settings["rollers"] = [{"positioning": True}]
        self.trouble: dict[str, str] = {}
        self.calls: list[str] = []
        self.pace, self.password = pace, password
        self._motor: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Boot: at its port, or a free one the first time."""
        await self.serve([web.get("/{page}", self._serve), web.route("*", "/{page}/{number}", self._serve)])

    async def aclose(self) -> None:
        """As if the plug were pulled."""
        if self._motor:
            self._motor.cancel()
        await self.end()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        page, number = request.match_info["page"], request.match_info.get("number", "")
        self.calls.append(f"{page}/{number}?{request.query_string}" if number else page)
        if page == "shelly":
            return web.json_response(self.shelly)
        login = base64.b64encode(f"admin:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != f"Basic {login}":
            return web.Response(status=401, text="401 Unauthorized")
        trouble = self.trouble.pop(page, "")
        if trouble == "drop":
            return self._cut(request)
        if number and not self._do(page, int(number), request.query):
            return web.Response(status=400, text="Bad turn!")
        if trouble == "cut":
            return self._cut(request)
        if trouble == "silence":
            await asyncio.sleep(60)
        pages = {"settings": self.settings, "status": self.status}
        return web.Response(text='{"ison": [') if trouble == "garbage" else web.json_response(pages.get(page, {"ok": True}))

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _do(self, page: str, number: int, asked: Mapping[str, str]) -> bool:
        if page == "roller":
            goal = {"open": 100, "close": 0, "stop": -1}.get(asked.get("go", ""), int(asked.get("roller_pos", -2)))
            return self._go(goal)
        rows = self.status.get({"relay": "relays", "light": "lights"}.get(page, ""), [])
        if number >= len(rows) or asked.get("turn", "on") not in ("on", "off"):
            return False
        row = rows[number]
        row |= {key: int(value) for key, value in asked.items() if key in row and key not in ("mode", "turn")}
        row |= {"mode": asked["mode"]} if "mode" in asked else {}
        self.become(asked.get("turn", "on" if row["ison"] else "off") == "on", row)
        return True

    def become(self, on: bool, row: dict[str, Any] | None = None) -> None:
        """Switch it (a page, or a hand)."""
        row = row if row is not None else (self.status.get("lights") or self.status["relays"])[0]
        row["ison"] = on
        self.status["meters"][0]["power"] = WATTS if on else 0.0

    def _go(self, goal: int) -> bool:
        if self._motor:
            self._motor.cancel()
        self._motor = asyncio.create_task(self._move(goal)) if goal >= 0 else None
        self.status["rollers"][0]["state"] = "stop"
        return goal > -2

    async def _move(self, goal: int) -> None:
        row = self.status["rollers"][0]
        row["state"] = row["last_direction"] = "open" if goal > row["current_pos"] else "close"
        while (left := goal - row["current_pos"]) != 0:
            await asyncio.sleep(STEP)
            row["current_pos"] += round(max(-2 * self.pace, min(2 * self.pace, left)))
        row["state"] = "stop"

    def truth(self, inside: str) -> dict[str, Any]:
        """What a component (`switch0`) really is, in the house's words."""
        row = self.status[HIDDEN[inside[:-1]]][int(inside[-1])]
        words = {"ison": "on", "current_pos": "position", "brightness": "brightness", "temp": "color_temp"}
        return {word: row[key] for key, word in words.items() if key in row}
