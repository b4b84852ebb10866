"""A Dobby whom nobody has told anything, on a home network of devices that nobody here wrote, each at an address of its own.

Mosquitto with sandcastle-sim, lamps of lifx-emulator, an accessory bridge of HAP-python; found by broadcast and
multicast, run by `dobby chat`. What is true of a device is asked of the device.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from dobby.cli.line import Line
from dobby.errors import DobbyError
from dobby.house.model import Device
from dobby.journal import household
from tests.lan.network import HUB, ROOT, Lan, Thing, hindrance, lan

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or ""
SIMULATED = 23  # devices of sandcastle-sim
READING, GLOBE = "d073d5000101", "d073d5000201"
pytestmark = pytest.mark.lan


def _missing() -> str:
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
        soon(lambda: self.count("mqtt") == SIMULATED and self.count("lifx") == 2, "all are found")

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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    if why := _missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("lan")
    with lan(folder) as net:
        made = Home(net, folder)
        try:
            made.furnish()
            made.start()
            yield made
        finally:
            print(made.words())  # shown where a test fails


def test_all_are_found_by_themselves(home: Home) -> None:
    lamp = home.device(f"lifx.{READING}")
    assert lamp is not None
    assert (lamp.name, lamp.address) == ("Reading lamp", "10.77.0.12:56700")
    soon(lambda: "needs its setup code" in home.families()["homekit"]["trouble"], "the bridge is found")
    assert home.ask("bridge") == {"paired": False, "connections": 0}
    seen = home.say("what's on my network?")
    assert "10.77.0.0/24" in seen
    assert "MQTT broker" in seen
    assert "HomeKit" in seen


@pytest.mark.parametrize(
    ("text", "answer", "topic", "truth"),
    [
        ("turn on the kitchen counter light", "Kitchen Counter on", "light/sim_kitchen_counter", {"state": "ON"}),
        ("set the thermostat to 23 degrees", "23", "climate/sim_home_thermostat", {"target_temperature": 23.0}),
        ("open the bedroom blind", "Bedroom Blind", "cover/sim_bedroom_blind", {"position": 100}),
        ("turn on the coffee machine", "Coffee Machine on", "switch/sim_coffee_machine", "ON"),
    ],
)
def test_a_home_on_mqtt_is_run_by_chat(home: Home, text: str, answer: str, topic: str, truth: Any) -> None:
    assert answer in home.say(text)
    soon(lambda: is_so(truth, home.ask("broker", f"homeassistant/{topic}/state")), f"{topic} is {truth}")


def is_so(truth: Any, said: str | None) -> bool:
    """Is what stands in a topic this, or does its JSON say so?"""
    if said is None or isinstance(truth, str):
        return bool(said == truth)
    return bool(truth.items() <= json.loads(said).items())


def test_a_door_is_unlocked_only_when_an_owner_says_yes(home: Home) -> None:
    topic = "homeassistant/lock/sim_front_door/state"
    assert "?" in home.say("unlock the front door")
    assert home.ask("broker", topic) == "LOCKED"
    assert "Front Door" in home.say("yes")
    soon(lambda: home.ask("broker", topic) == "UNLOCKED", "it is unlocked")


def test_lamps_are_run_by_chat(home: Home) -> None:
    assert "Reading lamp on" in home.say("turn on the reading lamp")
    assert home.ask("reading")["on"] is True
    assert "30" in home.say("set the globe lamp to 30 percent")
    soon(lambda: home.ask("globe")["brightness"] == 30, "the lamp has faded")


def test_a_lamp_at_a_new_address_is_followed(home: Home) -> None:
    home.net.move("reading", 42)
    moved = time.monotonic()
    soon(lambda: (home.device(f"lifx.{READING}") or home).address == "10.77.0.42:56700", "it is followed")
    print(f"followed after {time.monotonic() - moved:.1f} s")
    assert home.count("lifx") == 2
    assert "Reading lamp off" in home.say("turn off the reading lamp")
    assert home.ask("reading")["on"] is False


def test_a_cut_cable_makes_a_lamp_unavailable_and_no_more(home: Home) -> None:
    home.net.cut("globe")
    said = home.say("turn off the globe lamp")
    assert "Globe lamp" in said
    assert "off." not in said
    soon(lambda: home.count("lifx", "away") == 1, "it is missed")
    assert home.count("lifx") == 2
    assert "Reading lamp on" in home.say("turn on the reading lamp"), "the others go on"
    home.net.cut("globe", mended=True)
    soon(lambda: home.count("lifx", "away") == 0, "it is back")
    assert "Globe lamp off" in home.say("turn off the globe lamp")
    assert home.ask("globe")["on"] is False
