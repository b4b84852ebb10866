"""A real Dobby in a process of his own: a state folder with a house in it, started, asked, logged in to, ended.

It does not know what is measured. He is reached only as people reach him: his notify socket, the console, the page.
"""

import asyncio
import itertools
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.rig.children import ROOT, STARTING, end
from benchmarks.rig.house import devices
from benchmarks.sheet import Load, cpu_seconds
from dobby.clock import SystemClock
from dobby.events import Role
from dobby.journal import household, open_journal, outbox
from dobby.people import People, Person

UNUSUAL = ("DOBBY_", "WATCHDOG_", "PYTHONDONTWRITEBYTECODE")  # of the environment: an installed Dobby is compiled

CONFIG = """
[web]
port = 0
[discovery]
on = false
[skills]
folders = ["{own}"]
off = {off}
"""


def furnish(folder: Path, size: int, address: str, people: Sequence[str] = ()) -> None:
    """Rows as after adoption: a house of `size` behind a hub, and people beside the owner."""

    async def write() -> None:
        store = open_journal(folder)

        def keep(db: sqlite3.Connection) -> None:
            for device in devices(size, address):
                household.keep_device(db, device)

        await store.write(keep)
        known = People(store, SystemClock())
        for person in people:
            await known.keep(Person(person, person.title(), Role.ADULT))
        await store.aclose()

    asyncio.run(write())


def config(off: Sequence[str] = (), more: str = "") -> str:
    """A `dobby.toml`: the benchmarks' own skill beside the shipped ones, without those that are `off`."""
    return CONFIG.format(own=Path(__file__).parent / "skills", off=json.dumps(list(off))) + more


class Running:
    """Dobby from spawn to end. `ready` is how many seconds he took to say so, `worked` how many of them on a processor."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dobby.toml").write_text(toml, "utf-8")
        self.begun = self.ready = self.worked = 0.0

    def __enter__(self) -> "Running":
        notify = self.folder / "notify"
        notify.unlink(missing_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(UNUSUAL)}
        command = [sys.executable, "-m", "dobby", "run", "--config", str(self.folder / "dobby.toml"), "--state", str(self.folder)]
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(notify))
        with (self.folder / "log").open("ab") as log:
            self.begun = time.monotonic()
            self._child = subprocess.Popen(command, cwd=ROOT, env=kept | {"NOTIFY_SOCKET": str(notify)}, stdout=log, stderr=log)
        self.ready = self._wait() - self.begun
        self.process = psutil.Process(self._child.pid)
        self.worked = cpu_seconds(self.process)
        return self

    def _wait(self) -> float:
        self._line.settimeout(0.5)
        while time.monotonic() < self.begun + STARTING:
            try:
                if self._line.recv(1000).startswith(b"READY=1"):
                    return time.monotonic()
            except TimeoutError:
                if self._child.poll() is not None:
                    break
        self._end()
        raise RuntimeError("Dobby did not start:\n" + (self.folder / "log").read_text("utf-8", "replace")[-2000:])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        end(self._child)
        self._line.close()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One request over the console's socket."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.folder / "dobby.sock"))
            line.sendall(json.dumps({"op": op, "ref": 1, **fields}).encode() + b"\n")
            for text in line.makefile(encoding="utf-8"):
                answer: dict[str, Any] = json.loads(text)
                if answer.get("ref") == 1:
                    return answer
        raise RuntimeError("Dobby hung up.")

    def rest(self, seconds: float = 30.0) -> None:
        """Until he has nothing to do any more: languages learned, devices looked for."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            load = Load(self.process)
            time.sleep(1.0)
            if load.percent() < 5:
                return

    def until_adopted(self, seconds: float = 30.0, **families: int) -> None:
        """Until each family has at least so many devices."""
        until = time.monotonic() + seconds
        while True:
            found = self.ask("status")["families"]
            if all(found.get(name, {}).get("devices", 0) >= number for name, number in families.items()):
                return
            if time.monotonic() > until:
                raise RuntimeError(f"Not adopted in time: {families}; he has {found}")
            time.sleep(0.1)

    def reader(self) -> sqlite3.Connection:
        """His rows, for looking only."""
        return sqlite3.connect(f"file:{self.folder / 'journal.db'}?mode=ro", uri=True, isolation_level=None)


class Visitor:
    """One person at the chat page, logged in; speaks HTTP over one connection as a browser would."""

    _numbers = itertools.count(1)

    def __init__(self, dobby: Running, person: str = "owner") -> None:
        answer = dobby.ask("code", person=person)
        self.url: str = answer["url"]
        where = urlsplit(self.url)
        self.headers = {"Origin": self.url, "Content-Type": "application/json"}
        self._http = HTTPConnection(where.hostname or "", where.port, timeout=30)
        self._post("/login", {"code": answer["code"]})
        self.person = person

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        self._http.request("POST", path, json.dumps(body).encode(), self.headers)
        response = self._http.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer}")
        if cookie := response.headers.get("Set-Cookie"):
            self.headers["Cookie"] = cookie.partition(";")[0]
        return answer

    def say(self, text: str) -> int:
        """Returns the event's number once Dobby has it on his disk."""
        number: int = self._post("/api/say", {"id": f"bench-{next(self._numbers):08}", "text": text})["id"]
        return number

    def close(self) -> None:
        """Leave."""
        self._http.close()


def until_stored(db: sqlite3.Connection, event: int, seconds: float = 30.0) -> tuple[float, str]:
    """Wait until the reply to an event is a row; when that was seen (CLOCK_MONOTONIC, to about 0.3 ms) and what it says."""
    key, until = f"event:{event}", time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        found = db.execute("SELECT text FROM outbox WHERE key = ?", (key,)).fetchone()
        if found:
            return now, found[0]
        time.sleep(0.0002)
    raise RuntimeError(f"Event {event} was not answered within {seconds:g} s.")


def replies(db: sqlite3.Connection, lane: str) -> list[outbox.Line]:
    """A whole conversation, in order."""
    return list(outbox.conversation(db, lane, after=-1, limit=10**6))
