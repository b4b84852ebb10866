"""What a webhook costs and what a kill loses: a real Dobby behind Twilio's fake, flooded, forged at, and killed in the middle.

Dobby is a process of his own, the phones that flood him another; Twilio lives here. It does not know how he works inside.
"""

import asyncio
import json
import resource
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.rig import hostile
from benchmarks.rig.phones import PUBLIC, fake, phone
from benchmarks.sheet import (
    QUICK,
    Cell,
    Row,
    at_most,
    cpu_seconds,
    disk_beside,
    disk_folder,
    disk_row,
    fsync_times,
    machine_row,
    rounded,
    run,
    share,
    spread,
)
from dobby.events import Role
from dobby.journal import open_journal, read_journal
from dobby.people import People, Person

RATE, SENDERS = 100, 50  # messages a second, from so many phones
RATES = (10, 50, RATE, 200)
TRIES = 120.0  # seconds in which a message is delivered again, as Twilio does with `rp=all`


class Dobby:
    """The daemon as a child; `kill` is kill -9."""

    def __init__(self, folder: Path, twilio: Any) -> None:
        self.folder, self.twilio = folder, twilio
        self.process: asyncio.subprocess.Process | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        table = {"account": fake.ACCOUNT, "number": "+14155238886", "public_url": PUBLIC, "api": twilio.url}
        lines = [f'{name} = "{value}"' for name, value in table.items()] + [f"port = {self.port}"]
        config = "[web]\non = false\n[discovery]\non = false\n[whatsapp]\n" + "\n".join(lines) + "\n"
        (folder / "dobby.toml").write_text(config)
        (folder / "vault.json").write_text(json.dumps({"twilio": {"token": fake.TOKEN, "picture_key": "benchmark"}}))
        (folder / "vault.json").chmod(0o600)
        twilio.webhook, twilio.public = f"http://127.0.0.1:{self.port}", PUBLIC

    async def furnish(self) -> None:
        """Everybody who will write is somebody."""
        store = open_journal(self.folder)
        people = People(store, _Now())
        for number in range(SENDERS):
            await people.keep(Person(f"p{number}", f"P{number}", Role.OWNER if number == 0 else Role.ADULT))
            await people.reach(f"p{number}", "whatsapp", phone(number).removeprefix("whatsapp:"))
        await store.aclose()

    async def start(self) -> None:
        """Until the webhook listens."""
        command = [sys.executable, "-m", "dobby", "run", "--config", str(self.folder / "dobby.toml"), "--state", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def kill(self, how: int = signal.SIGKILL) -> None:
        """End it."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await self.process.wait()

    async def until(self, sql: str, seconds: float = 60.0) -> None:
        """Wait until a look at the disk says so."""
        async with asyncio.timeout(seconds):
            while not self.rows(sql)[0][0]:
                await asyncio.sleep(0.05)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What is on the disk."""
        with read_journal(self.folder) as db:
            return db.execute(sql).fetchall()


class _Now:
    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Flood:
    """Milliseconds to each 200, how many were lost, how many phones' texts are out of order, how busy others kept the machine."""

    spent: list[float]
    lost: int
    disorder: int
    others: float


class Machine:
    """How much of this machine somebody else uses, from here to `others`."""

    def __init__(self) -> None:
        self._busy, self._ours, self._since = *_processor(), time.monotonic()

    def others(self) -> float:
        """Percent of all cores, Dobby's, the phones' and Twilio's own part aside."""
        busy, ours = _processor()
        spent = (time.monotonic() - self._since) * (psutil.cpu_count() or 1)
        return max(0.0, 100 * (busy - self._busy - ours + self._ours) / spent)


def _processor() -> tuple[float, float]:
    """Seconds that all cores were busy, and those of them that were ours."""
    times, ended = psutil.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = cpu_seconds(psutil.Process()) + ended.ru_utime + ended.ru_stime
    return sum(times) - times.idle - getattr(times, "iowait", 0.0), ours


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[Dobby]:
    """A Dobby who has answered everybody once."""
    folder.mkdir(parents=True)
    async with fake.Twilio() as twilio:
        dobby = Dobby(folder, twilio)
        await dobby.furnish()
        await dobby.start()
        try:
            for number in range(SENDERS):
                await deliver(dobby, twilio.keep(phone(number), "good morning"), [])
            await dobby.until("SELECT count(*) >= 50 FROM outbox WHERE state = 'read'")
            yield dobby
        finally:
            await dobby.kill(signal.SIGTERM)


async def deliver(dobby: Dobby, message: Any, spent: list[float]) -> None:
    """Once, and again until it is taken, as Twilio does."""
    async with asyncio.timeout(TRIES):
        while True:
            begun = time.perf_counter()
            if await dobby.twilio.deliver(message):
                spent.append((time.perf_counter() - begun) * 1000)
                return
            await asyncio.sleep(0.2)


async def flood(dobby: Dobby, rate: int, seconds: float, *, kill: bool = False) -> Flood:
    """So many messages a second, from phones in a process of their own; killed in the middle where that is asked for."""
    machine = Machine()
    process = await _phones(dobby.port, "/twilio/message", rate, seconds)
    if kill:
        await asyncio.sleep(seconds / 2)
        await dobby.kill()
        await dobby.start()
    spent = await _heard(process)
    rows = dobby.rows("SELECT lane, text FROM event WHERE text LIKE 'hello %' AND lane LIKE 'whatsapp/%' ORDER BY id")
    numbers: dict[str, list[int]] = {}
    for lane, text in rows:
        numbers.setdefault(lane, []).append(int(text.split()[1]))
    disorder = sum(mine != sorted(set(mine)) for mine in numbers.values())
    return Flood(spent, int(rate * seconds) - sum(len(set(mine)) for mine in numbers.values()), disorder, machine.others())


async def bare(folder: Path, rate: int, seconds: float) -> list[float]:
    """The same flood at a listener that only appends and syncs."""
    command = [sys.executable, "-m", "benchmarks.rig.bare", str(folder / "bare")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        return await _heard(await _phones(int(await process.stdout.readline()), "/twilio/message", rate, seconds))
    finally:
        process.kill()
        await process.wait()


async def _phones(port: int, path: str, rate: int, seconds: float) -> asyncio.subprocess.Process:
    options = [str(port), path, str(rate), str(seconds), str(SENDERS)]
    command = [sys.executable, "-m", "benchmarks.rig.phones", *options]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def _heard(phones: asyncio.subprocess.Process) -> list[float]:
    said, _ = await phones.communicate()
    found: list[float] = json.loads(said)["ms"]
    return found


async def forge(dobby: Dobby, count: int) -> tuple[int, int]:
    """Requests that Twilio did not sign, replays of one it did, and rubbish: how many were taken, how many broke something."""
    path, headers, body = hostile.signed(hostile.true(), fake.sign(f"{PUBLIC}{hostile.PATH}", hostile.true()))
    broken = 0
    async with aiohttp.ClientSession(f"http://127.0.0.1:{dobby.port}", timeout=aiohttp.ClientTimeout(total=60)) as http:

        async def post(path: str, headers: dict[str, str], body: bytes) -> int:
            async with http.post(path, headers=headers, data=body) as response:
                return response.status

        await post(path, headers, body)
        before = dobby.rows("SELECT count(*) FROM event")[0][0]
        for begin in range(1, count + 1, 50):
            some = range(begin, min(begin + 50, count + 1))
            statuses = await asyncio.gather(*(post(*hostile.hostile(number)) for number in some), return_exceptions=True)
            broken += sum(not isinstance(status, int) or status >= 500 for status in statuses)
    broken += dobby.process is None or dobby.process.returncode is not None
    return dobby.rows("SELECT count(*) FROM event")[0][0] - before, broken


async def sweep(dobby: Dobby, points: int) -> Counter[str]:
    """One text each, killed a little later each time, against a Twilio that misbehaves; what came of it."""
    found: Counter[str] = Counter()
    wrongs = ("", "lost", "500", "", "429", "cut")
    for point in range(points):
        number, text = point % SENDERS, f"hello {point}"
        before = len(dobby.twilio.shown(phone(number)))
        if wrongs[point % len(wrongs)]:
            dobby.twilio.wrongs.append(wrongs[point % len(wrongs)])
        sending = asyncio.create_task(deliver(dobby, dobby.twilio.keep(phone(number), text), []))
        await asyncio.sleep(0.6 * point / points)
        await dobby.kill()
        await dobby.start()
        await sending
        try:
            async with asyncio.timeout(60):
                while dobby.rows("SELECT 1 FROM outbox WHERE state IN ('owed', 'sending')") or not dobby.rows(
                    f"SELECT 1 FROM event WHERE text = '{text}' AND state = 'done'"
                ):
                    await asyncio.sleep(0.05)
        except (TimeoutError, sqlite3.Error):
            found["unfinished"] += 1
        shown = len(dobby.twilio.shown(phone(number))) - before
        found["lost"] += shown == 0
        found["twice"] += shown > 1
        found["kills"] += 1
        dobby.twilio.wrongs.clear()
    found["undecided"] = dobby.rows("SELECT count(*) FROM outbox WHERE state = 'unknown'")[0][0]
    return found


async def _measure(folder: Path, quick: bool, syncs: list[float]) -> list[Row]:
    note, seconds = QUICK if quick else "", 6.0 if quick else 60.0
    beside, forged = disk_beside(syncs), 1000 if quick else 10_000
    limits = {rate: await bare(folder, rate, 2.0 if quick else 10.0) for rate in RATES}
    async with house(folder / "flood") as dobby:
        flooded = await flood(dobby, RATE, seconds)
        taken, crashes = await forge(dobby, forged)
    growth = {}
    for rate in RATES:
        async with house(folder / f"rate{rate}") as dobby:
            growth[rate] = await flood(dobby, rate, 2.0 if quick else 15.0)
    async with house(folder / "killed") as dobby:
        killed = await flood(dobby, RATE, seconds, kill=True)
    async with house(folder / "sweep") as dobby:
        swept = await sweep(dobby, 4 if quick else 120)
    about = f"{RATE} a second for {seconds:g} s from {SENDERS} phones, from when each was due. {note}"
    about_them = f"{forged:,} requests of nine kinds (benchmarks/rig/hostile.py). {note}"
    kills = f"{swept['kills']} kills between receiving and delivered, against lost answers, 429, 500 and cuts. {note}"
    return [
        at_most(
            "webhook to durable 200, p95", share(flooded.spent, 0.95), "ms", 20, _beside(flooded, limits[RATE], beside), about
        ),
        *(_growing(rate, growth[rate], limits[rate], note) for rate in RATES),
        at_most("messages lost", flooded.lost, "", 0, note=about),
        at_most("phones whose order is not kept", flooded.disorder, "", 0, note=about),
        at_most("messages lost, killed in the middle", killed.lost, "", 0, note=about),
        at_most("phones whose order is not kept, killed in the middle", killed.disorder, "", 0, note=about),
        at_most("forged or fuzzed requests that were taken", taken, "", 0, note=about_them),
        at_most("crashes and errors by them", crashes, "", 0, note=about_them),
        at_most("kill -9 sweep: texts without an answer", swept["lost"], "", 0, note=kills),
        at_most("kill -9 sweep: texts answered twice", swept["twice"], "", 0, note=kills),
        Row("kill -9 sweep: nobody can tell", swept["undecided"], "", note=f"Twilio's list decides. {kills}"),
    ]


def _beside(flooded: Flood, limit: list[float], more: dict[str, Cell]) -> dict[str, Cell]:
    floor = {f"only appended and synced, {name}": value for name, value in spread(limit, "ms").items()}
    return {**spread(flooded.spent, "ms"), **floor, "others on this machine, %": rounded(flooded.others), **more}


def _growing(rate: int, flooded: Flood, limit: list[float], note: str) -> Row:
    """How the cost grows with the rate."""
    value = rounded(share(flooded.spent, 0.95))
    return Row(f"webhook to durable 200 at {rate} a second, p95", value, "ms", beside=_beside(flooded, limit, {}), note=note)


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    folder, machine = disk_folder(), machine_row()
    try:
        syncs = fsync_times(folder)
        rows = asyncio.run(_measure(folder, quick, syncs))
        return [machine, disk_row(syncs, folder), *rows]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run(measure)
