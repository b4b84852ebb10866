"""A home on a network of its own: devices that nobody here wrote, each at its address, and a Dobby who was told nothing.

Mosquitto with sandcastle-sim, lamps of lifx-emulator, an accessory bridge of HAP-python. It tests nothing.
"""

import asyncio
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from dobby.cli.line import Line
from dobby.errors import DobbyError
from dobby.house.model import Device
from dobby.journal import household
from tests.lan.network import HUB, ROOT, Lan, Thing, hindrance

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or ""
SIMULATED = 23  # devices of sandcastle-sim
READING, GLOBE = "d073d5000101", "d073d5000201"


def missing() -> str:
    """What keeps these tests from running here."""
    wanted = {"mosquitto": MOSQUITTO, "sandcastle-sim": importlib.util.find_spec("sandcastle_sim")}
    gone = [name for name, there in wanted.items() if not there]
    return f"not installed: {', '.join(gone)}" if gone else hindrance()


class Home:
    """The network, what stands on it, and Dobby in the middle."""

    def __init__(self, net: Lan, folder: Path) -> None:
        self.net, self.folder, self.state = net, folder, folder / "state"
        self.things: dict[str, Thing] = {}

    def furnish(self) -> None:
        """Plug everything in, and wait until it is there."""
        broker = self.net.plug("broker", 11)
        self.net.run("broker", [MOSQUITTO, "-c", str(self._written("mosquitto.conf", "listener 1883\nallow_anonymous true\n"))])
        simulator = [sys.executable, "-m", "sandcastle_sim.simulator.main"]
        self.net.run("broker", simulator, MQTT_HOST="127.0.0.1", MQTT_PORT="1883", LOG_LEVEL="ERROR")
        self._thing("broker", "broker", broker)
        self._thing("reading", "lifx", self.net.plug("reading", 12), "Reading lamp", READING)
        self._thing("globe", "lifx", self.net.plug("globe", 13), "Globe lamp", GLOBE)
        self._thing("bridge", "homekit", self.net.plug("bridge", 14))
        for thing in self.things.values():
            assert thing.process.stdout is not None
            assert thing.process.stdout.readline() == '"here"\n'
        soon(lambda: sum(topic.endswith("/config") for topic in self.ask("broker")) == SIMULATED, "the simulator is there")

    def _written(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def _thing(self, place: str, *arguments: str) -> None:
        self.things[place] = self.net.run(place, [sys.executable, "-m", "tests.lan.thing", *arguments])

    def start(self) -> None:
        """Dobby, with nothing in his config and nothing in his folder."""
        assert not self.state.exists()
        config = self._written("dobby.toml", "")
        command = [sys.executable, "-m", "dobby", "run", "--config", str(config), "--state", str(self.state)]
        self.net.run(HUB, command)

    def ask(self, place: str, question: str = "") -> Any:
        """What a thing says of itself."""
        return self.things[place].ask(question)

    def say(self, text: str) -> str:
        """One text by `dobby chat`, and its answer."""
        command = [sys.executable, "-m", "dobby", "chat", "--state", str(self.state), text]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=True).stdout

    def families(self) -> dict[str, Any]:
        """How Dobby's families are, by `dobby doctor`'s own question."""

        async def status() -> Any:
            async with Line(self.state) as line:
                return (await line.ask("status"))["families"]

        with suppress(DobbyError):
            families: dict[str, Any] = asyncio.run(status())
            return families
        return {}

    def count(self, family: str, what: str = "devices") -> int:
        """How many devices a family has, or how many of them are `away`."""
        return int(self.families().get(family, {}).get(what, -1))

    def device(self, name: str) -> Device | None:
        """A device's row."""
        with closing(sqlite3.connect(f"file:{self.state / 'journal.db'}?mode=ro", uri=True)) as db:
            return {device.id: device for device in household.devices(db)}.get(name)

    def words(self) -> str:
        """What everybody wrote into their logs."""
        return "\n".join(f"{path.name}: {path.read_text('utf-8', 'replace')[-2000:]}" for path in self.folder.glob("*.log"))


def soon(so: Callable[[], object], what: str, seconds: float = 25.0) -> None:
    """Wait for something to become so."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.05)
