"""A home on a network of its own: devices that nobody here wrote, each at its address, and a Dobby who was told nothing.

Mosquitto with sandcastle-sim, lamps of lifx-emulator, an accessory bridge of HAP-python, gmediarender, minidlna.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
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

MOSQUITTO, RENDERER, SERVER, READER = (
    shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or ""
    for name in ("mosquitto", "gmediarender", "minidlnad", "espeak-ng")
)
POST = """
import sys
from urllib.request import ProxyHandler, Request, build_opener
where, body, action = sys.argv[1:]
asked = Request(where, body.encode(), {"SOAPACTION": action, "Content-Type": "text/xml"})
print(build_opener(ProxyHandler({})).open(asked, timeout=5).read().decode())
"""
PLAYER = "11111111-1111-1111-1111-111111111177"
SIMULATED = 23  # devices of sandcastle-sim
READING, GLOBE = "d073d5000101", "d073d5000201"


def missing() -> str:
    """What keeps these tests from running here."""
    wanted: dict[str, object] = {"mosquitto": MOSQUITTO, "gmediarender": RENDERER, "minidlna": SERVER, "espeak-ng": READER}
    wanted |= {"sandcastle-sim": importlib.util.find_spec("sandcastle_sim")}
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
        self._put_up_music()
        soon(lambda: sum(topic.endswith("/config") for topic in self.ask("broker")) == SIMULATED, "the simulator is there")

    def _put_up_music(self) -> None:
        """A speaker and a media server with one song."""
        self.net.plug("speaker", 15)
        self.start_speaker()
        self.net.plug("nas", 16)
        for name in ("music", "db", "log"):
            (self.folder / name).mkdir()
        (self.folder / "music" / "Blue Train.mp3").write_bytes(song("Blue Train", "John Coltrane"))
        rows = {name + "_dir": str(self.folder / name) for name in ("db", "log")} | {"media_dir": f"A,{self.folder}/music"}
        rows |= {"friendly_name": "Attic NAS", "network_interface": "eth0", "inotify": "no"}
        conf = self._written("minidlna.conf", "".join(f"{key}={value}\n" for key, value in rows.items()))
        self.net.run("nas", [SERVER, "-d", "-f", str(conf), "-P", str(self.folder / "nas.pid")])

    def start_speaker(self) -> None:
        """Give the speaker its power (again)."""
        play = [RENDERER, "-f", "Kitchen Player", "-u", PLAYER, "-I", "eth0", "--gstout-audiopipe=fakesink sync=true"]
        self.things["speaker"] = self.net.run("speaker", play, HOME=str(self.folder))

    def speaker_aborted(self) -> bool:
        """Has the speaker died by its own hand? gmediarender 0.1 does now and then (see tests/skills/test_upnp.py)."""
        with suppress(subprocess.TimeoutExpired):
            self.things["speaker"].process.wait(1.0)
        return self.things["speaker"].process.returncode == -signal.SIGABRT

    def _written(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def _thing(self, place: str, *arguments: str) -> None:
        self.things[place] = self.net.run(place, [sys.executable, "-m", "tests.lan.thing", *arguments])

    def put_up_pool(self) -> None:
        """A pool's gateway, which is there when this returns."""
        self._thing("pool", "pool", self.net.plug("pool", 17))
        out = self.things["pool"].process.stdout
        assert out is not None
        assert out.readline() == '"here"\n'

    def start(self) -> Thing:
        """Dobby, with nothing in his config and nothing in his folder."""
        assert not self.state.exists()
        config = self._written("dobby.toml", "")
        command = [sys.executable, "-m", "dobby", "run", "--config", str(config), "--state", str(self.state)]
        return self.net.run(HUB, command)

    def ask(self, place: str, question: str = "") -> Any:
        """What a thing says of itself."""
        return self.things[place].ask(question)

    def say(self, text: str) -> str:
        """One text by `dobby chat`, and its answer."""
        command = [sys.executable, "-m", "dobby", "chat", "--state", str(self.state), text]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=True).stdout

    def talk(self, *turns: tuple[str, str]) -> str:
        """A conversation by `dobby chat`: each text is said, and then these words are waited for -> all that was said."""
        command = [sys.executable, "-m", "dobby", "chat", "--state", str(self.state)]
        said = self.folder / "talk"
        with said.open("w") as out:
            chat = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=out, text=True)
        try:
            assert chat.stdin is not None
            for text, answer in turns:
                told = said.stat().st_size
                chat.stdin.write(text + "\n")
                chat.stdin.flush()
                soon(lambda: answer in said.read_bytes()[told:].decode("utf-8", "replace"), f"“{answer}” after “{text}”")  # noqa: B023
        finally:
            chat.kill()
            chat.wait()
        return said.read_text("utf-8")

    def families(self) -> dict[str, Any]:
        """How Dobby's families are, by `dobby doctor`'s own question."""

        async def status() -> Any:
            async with Line(self.state) as line:
                return (await line.ask("status"))["families"]

        with suppress(DobbyError):
            families: dict[str, Any] = asyncio.run(status())
            return families
        return {}

    def renderer(self, service: str, action: str) -> str:
        """What the speaker itself answers to a question of UPnP's (asked at its own place)."""
        kind = f"urn:schemas-upnp-org:service:{service}:1"
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<u:{action} xmlns:u="{kind}"><InstanceID>0</InstanceID><Channel>Master</Channel></u:{action}></s:Body></s:Envelope>'
        )
        device = self.device(f"upnp.{PLAYER}")
        part = "control" if service == "RenderingControl" else "transport"
        where = f"{device.address.rpartition('/')[0]}/upnp/control/render{part}1"
        words = [sys.executable, "-c", POST, where, body, f'"{kind}#{action}"']
        command = ["ip", "netns", "exec", self.net.namespace("speaker"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout

    def count(self, family: str, what: str = "devices") -> int:
        """How many devices a family has, or how many of them are `away`."""
        return int(self.families().get(family, {}).get(what, -1))

    def devices(self) -> list[Device]:
        """All rows of devices."""
        with closing(sqlite3.connect(f"file:{self.state / 'journal.db'}?mode=ro", uri=True)) as db:
            return list(household.devices(db))

    def device(self, name: str) -> Device:
        """A device's row, by its id or its name."""
        return next(device for device in self.devices() if name in (device.id, device.name))

    def words(self) -> str:
        """What everybody wrote into their logs."""
        return "\n".join(f"{path.name}: {path.read_text('utf-8', 'replace')[-2000:]}" for path in self.folder.glob("*.log"))


def song(title: str, artist: str) -> bytes:
    """An MP3 of a minute's silent frames (MPEG-1 layer III, 32 kbit/s, 44.1 kHz, mono) with ID3v2.3 tags."""
    tags = {"TIT2": title, "TPE1": artist}
    rows = b"".join(
        key.encode() + (len(value) + 1).to_bytes(4, "big") + b"\0\0\x03" + value.encode() for key, value in tags.items()
    )
    size = bytes(len(rows) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + rows + (b"\xff\xfb\x10\xc4" + bytes(100)) * round(60 * 44100 / 1152)


def soon(so: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait for something to become so."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.05)
