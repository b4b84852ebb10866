"""The whole daemon under the same knife: `dobby run` on a dollhouse of MQTT devices, killed at writes drawn by lot.

Texts go in at the console's socket and are said again until acknowledged; the devices live in this process and keep count.
It does not know the daemon's insides, only its command, its socket, its rows and what the devices became.

    python -m tests.crash.whole [--points 60]
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dobby.cli.line import Line
from dobby.dollhouse.house import Dollhouse, open_dollhouse
from dobby.errors import DobbyError
from tests.crash.harness import ROOT
from tests.crash.tally import HEAD, Tally
from tests.crash.verdict import ENDED, Verdict

PACE = 10.0  # how much faster than real the devices are
PATIENCE = 40.0  # seconds for a start, or for everything to come to rest
SEED = 20
HOUSES = 2  # side by side
WRITES = {"pwrite64": 220, "fdatasync": 25, "sendto": 60, "write": 12, "ftruncate": 2}  # call -> how far the lot reaches


@dataclass(frozen=True, slots=True)
class Said:
    """One text, the words it has to wait for, and what the device then is."""

    id: str
    text: str
    after: str = ""
    device: str = ""
    becomes: tuple[tuple[str, Any], ...] = ()


TEXTS = (
    Said("t1", "turn on the kitchen ceiling light", "", "mqtt.kitchen_ceiling", (("on", True),)),
    Said("t2", "bedside lamp to 40%", "", "mqtt.bedside_lamp", (("on", True), ("brightness", 40))),
    Said("t3", "close the bedroom blinds", "", "mqtt.bedroom_blinds", (("position", 0),)),
    Said("t4", "unlock the front door"),
    Said("t5", "yes", "Unlock the", "mqtt.front_door", (("locked", False),)),
    Said("t6", "turn on the garage relay"),
    Said("t7", "yes", "arage relay", "mqtt.garage_relay"),
    Said("t8", "turn on the coffee machine", "", "mqtt.coffee_machine", (("on", True),)),
)
AT_FIRST: dict[str, dict[str, Any]] = {
    "mqtt.kitchen_ceiling": {"on": False, "brightness": 60},
    "mqtt.bedside_lamp": {"on": False, "brightness": 30},
    "mqtt.bedroom_blinds": {"position": 100, "moving": False},
    "mqtt.front_door": {"locked": True},
    "mqtt.garage_relay": {"on": False, "door": "closed"},
    "mqtt.coffee_machine": {"on": False},
}


@dataclass(slots=True)
class Place:
    """One dollhouse, a folder per life, and how often the garage's relay was pulsed."""

    house: Dollhouse
    folder: Path
    pulses: int = 0
    lives: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def template(self) -> Path:
        """A state folder in which every device is known."""
        return self.folder / "template"

    @property
    def config(self) -> Path:
        """The config that leads to this dollhouse."""
        return self.folder / "dobby.toml"


@contextlib.asynccontextmanager
async def open_place() -> AsyncIterator[Place]:
    """A dollhouse with Dobby's files furnished for it."""
    with tempfile.TemporaryDirectory(prefix="dobby-whole-") as name:
        house = await open_dollhouse(("mqtt",), pace=PACE)
        place = Place(house, Path(name))
        counting = asyncio.create_task(_count_pulses(place))
        try:
            at = json.dumps(house.skills["mqtt"]["at"])
            discovery = '[discovery]\ninterfaces = ["127.0.0.1"]\n'
            place.config.write_text(f'[web]\non = false\n{discovery}[skills]\noff = ["sonos"]\n[skills.mqtt]\nat = {at}\n')
            daemon = await _start(place, place.template)
            await _until_found(place.template)
            await daemon.stop()
            yield place
        finally:
            counting.cancel()
            await house.aclose()


async def _count_pulses(place: Place) -> None:
    mqtt: Any = place.house.parts["mqtt"]
    async with mqtt.client("witness") as client:
        await client.subscribe("dollhouse/garage_relay/set")
        async for message in client.messages:
            place.pulses += message.payload == b"ON"


class Daemon:
    """`dobby run` as a process, maybe under a tracer."""

    def __init__(self, process: Process, state: Path, *, traced: bool) -> None:
        self._process, self._traced = process, traced
        self._writing = asyncio.create_task(self._keep_log(state.with_suffix(".log")))
        self._tracer: Process | None = None

    async def _keep_log(self, path: Path) -> None:
        assert self._process.stderr is not None
        with path.open("ab") as log:
            while line := await self._process.stderr.readline():
                log.write(line)

    async def arm(self, inject: Sequence[str]) -> None:
        """From here on the tracer counts."""
        command = ("strace", *inject, "-p", str(self._process.pid))
        self._tracer = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
        assert self._tracer.stderr is not None
        await self._tracer.stderr.readline()

    async def stop(self) -> None:
        """SIGTERM, as systemd does; under a tracer the daemon is the tracer's child."""
        pid = self._process.pid
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, IndexError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if self._traced else [str(pid)]
            os.kill(int(children[0]), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await self._process.wait()
            await self._writing
            if self._tracer is not None:
                await self._tracer.wait()


async def _start(place: Place, state: Path, tracer: Sequence[str] = ()) -> Daemon:
    """The daemon, up to its ready line or its death; a tracer may stand before it."""
    command = (*tracer, sys.executable, "-m", "dobby", "run", "--config", str(place.config), "--state", str(state))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while (line := await process.stderr.readline()) and b"is ready" not in line:
            pass
    return Daemon(process, state, traced=bool(tracer))


async def _until_found(state: Path) -> None:
    async with asyncio.timeout(PATIENCE), Line(state) as line:
        while (found := (await line.ask("status"))["families"].get("mqtt", {})).get("devices", 0) < 20 or found["away"]:
            await asyncio.sleep(0.1)


async def converse(state: Path, acked: set[str]) -> None:
    """Say what was not acknowledged, in turn, until all have come to an end.

    :raises DobbyError: the daemon is gone.
    """
    async with Line(state) as line, asyncio.timeout(PATIENCE):
        for said in TEXTS:
            while said.after and said.id not in acked and not await _heard(line, said.after):
                await asyncio.sleep(0.05)
            if said.id not in acked:
                await line.ask("say", id=said.id, text=said.text)
                acked.add(said.id)
        while not await _at_rest(line):
            await asyncio.sleep(0.05)


async def _heard(line: Line, words: str) -> bool:
    rows = (await line.ask("lines", limit=500))["lines"]
    return any(words in row["text"] for row in rows if not row["mine"])


async def _at_rest(line: Line) -> bool:
    rows = (await line.ask("lines", limit=500))["lines"]
    ended = all(row["state"] in ENDED for row in rows if row["mine"])
    under_way = any("intended" in row["effects"] for row in rows)
    return ended and not under_way and not any(row["state"] in ("owed", "sending") for row in rows if not row["mine"])


async def put_through(place: Place, tally: Tally, call: str, when: int, *, from_start: bool) -> None:
    """One life: killed at the `when`-th call of a name, counted from the start or from ready; then brought to its end."""
    state = place.folder / f"life{next(place.lives)}"
    shutil.copytree(place.template, state)
    mqtt: Any = place.house.parts["mqtt"]
    for device, traits in AT_FIRST.items():
        await mqtt.by_hand(device, **traits)
    place.pulses = 0
    verdict, acked, deaths = Verdict(), set[str](), 0
    inject = ("-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}")
    for armed in (True, False):
        daemon = await _start(place, state, ("strace", *inject) if armed and from_start else ())
        try:
            if armed and not from_start:
                await daemon.arm(inject)
            await converse(state, acked)
            break
        except (DobbyError, ConnectionError) as error:
            deaths += 1
            if not armed:
                verdict.wrong.append(f"it died by itself: {error}")
        except TimeoutError:
            verdict.wrong.append("stuck")
            break
        finally:
            await daemon.stop()
    judge(place, state, acked, verdict)
    tally.points += 1
    tally.kills += deaths
    tally.beyond += not deaths
    tally.count(f"{call} {when}" + (" from the start" if from_start else ""), verdict)


def judge(place: Place, state: Path, acked: set[str], verdict: Verdict) -> None:
    """The rows against the devices."""
    db = sqlite3.connect(state / "journal.db")
    db.row_factory = sqlite3.Row
    with contextlib.closing(db):
        verdict.corrupt += [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        events = {row["key"].rpartition(":")[2]: row for row in db.execute("SELECT * FROM event")}
        answered = {row[0] for row in db.execute("SELECT event FROM outbox WHERE key = 'event:' || event AND state <> 'owed'")}
        effects = {row["device"]: row["state"] for row in db.execute("SELECT device, state FROM effect ORDER BY id")}
        many = db.execute("SELECT device, count(*) FROM effect GROUP BY device HAVING count(*) > 1").fetchall()
    verdict.lost += [f"{said.id} has no row" for said in TEXTS if said.id in acked and said.id not in events]
    verdict.lost += [f"{key} has no answer" for key, row in events.items() if row["id"] not in answered]
    verdict.wrong += [f"{key} is {row['state']}" for key, row in events.items() if row["state"] not in ("done", "refused")]
    verdict.doubled += [f"{row[0]} has {row[1]} effects" for row in many]
    for said in TEXTS:
        _judge_device(place, said, effects.get(said.device, ""), verdict)


def _judge_device(place: Place, said: Said, state: str, verdict: Verdict) -> None:
    if said.device == "mqtt.garage_relay":
        verdict.unknown += state == "unknown"
        if place.pulses > 1:
            verdict.doubled.append(f"the garage was pulsed {place.pulses} times")
        if state == "done" and not place.pulses:
            verdict.lost.append("the garage is told as pulsed and was not")
        if state not in ("done", "unknown"):
            verdict.wrong.append(f"the garage's effect is {state or 'missing'}")
    elif said.device:
        truth = place.house.truth(said.device)
        verdict.lost += [
            f"{said.device} {trait} is {truth[trait]} ({state})" for trait, value in said.becomes if truth[trait] != value
        ]


async def sweep_whole(points: int, seed: int = SEED) -> Tally:
    """So many kills drawn by lot, half of them from the very start of the process."""
    dice, tally, began = random.Random(seed), Tally("whole daemon (sample)"), time.monotonic()
    queue = []
    for number in range(points):
        call = dice.choice(list(WRITES))
        queue.append((call, dice.randint(1, WRITES[call]), number % 2 == 0))

    async def work() -> None:
        async with open_place() as place:
            while queue:
                call, when, from_start = queue.pop()
                await put_through(place, tally, call, when, from_start=from_start)

    await asyncio.gather(*(work() for _ in range(HOUSES)))
    tally.seconds = time.monotonic() - began
    return tally


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=60)
    tally = asyncio.run(sweep_whole(parser.parse_args().points))
    print(HEAD, tally, *(f"  {words}" for words in tally.words), sep="\n")
    sys.exit(bool(tally.words))


if __name__ == "__main__":
    main()
