"""The world that does not die with Dobby: devices, providers, and everything that ever reached them.

Lives in the process of the harness, behind a Unix socket; a kill of Dobby's process leaves it untouched. Every command
and every message that arrived is kept in an append-only list. It does not know Dobby's rows.
"""

import asyncio
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.scenario import AT_FIRST, PAGE, PAGER

TRAVEL = 0.12  # seconds a blind takes from one end to the other


@dataclass(slots=True)
class World:
    """One house's outside: what its devices are, what they were told, what people saw."""

    states: dict[str, dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(AT_FIRST))
    told: list[dict[str, Any]] = field(default_factory=list)
    visible: list[dict[str, Any]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # messages that were looked up once
    moves: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # device: (from, to, since)

    def saw(self, lane: str, words: str) -> bool:
        """Has anybody in this conversation seen these words, or has this been put on the list?"""
        told = any(row["lane"] == lane and words in row["text"] for row in self.visible)
        return told or any(row.get("item") == words for row in self.told)

    # Devices

    def read(self, device: str) -> dict[str, Any]:
        """The device as it is now."""
        if device in self.moves:
            start, end, since = self.moves[device]
            part = min(1.0, (time.monotonic() - since) / TRAVEL)
            self.states[device]["position"] = round(start + (end - start) * part)
        return copy.deepcopy(self.states[device])

    def set(self, device: str, wanted: dict[str, Any]) -> None:
        """An absolute command: repeating it is harmless. A blind takes its time."""
        self.told.append({"device": device, **wanted})
        if "position" in wanted:
            self.moves[device] = (self.read(device)["position"], wanted["position"], time.monotonic())
        else:
            self.states[device].update(wanted)

    def do(self, device: str, args: dict[str, Any]) -> None:
        """A verb: one more item on the list, one more ring of the bell."""
        self.told.append({"device": device, **args})
        if args["verb"] == "add":
            row = self.states[device]
            row["items"].append(args["item"])
            row["count"] += 1

    # Providers

    def send(self, message: dict[str, Any]) -> str:
        """One visible message more; a page shows the same one once."""
        bridge = message["lane"].partition("/")[0]
        if bridge != PAGE or not self.sent(message["key"]):
            self.visible.append(message)
        return f"P{len(self.visible)}"

    def sent(self, key: str) -> bool:
        """Is this message in the provider's list?"""
        return any(row["key"] == key for row in self.visible)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request from Dobby's process."""
        if "read" in asked:
            return {"state": self.read(asked["read"])}
        if "set" in asked:
            self.set(asked["set"], asked["wanted"])
            return {"ok": True}
        if "do" in asked:
            self.do(asked["do"], asked["args"])
            return {"ok": True}
        if "send" in asked:
            return {"id": self.send(asked["send"])}
        lane, key = asked["look_up"]
        if key not in self.asked:  # after a power cut the line may come back later than Dobby
            self.asked.add(key)
            return {"down": True}
        return {"went": None if lane.startswith(PAGER) else self.sent(key)}


Birth = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], None]
"""Called when a process under test says that it lives: its id and its line."""


class Outside:
    """The socket on which all worlds are reached, and on which processes under test say that they live."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "outside"
        self.worlds: dict[str, World] = {}
        self.births: dict[str, Birth] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path, backlog=64)

    async def aclose(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline() or b"{}")
            if "lives" in asked:
                self.births[asked["lives"]](asked["pid"], reader, writer)
                return
            if asked:
                reply = self.worlds[asked["at"]].answer(asked)
                writer.write(json.dumps(reply).encode() + b"\n")
            writer.close()
        except (OSError, json.JSONDecodeError):  # its asker was killed in the middle of a line: nothing arrived
            writer.close()
