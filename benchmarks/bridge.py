"""What a webhook costs and what a kill loses: a real Dobby behind Twilio's fake, flooded, forged at, and killed in the middle.

Dobby is a process of his own; Twilio and the phones live here. It does not know how he works inside.
"""

import asyncio
import json
import random
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.sheet import QUICK, Row, at_most, disk_beside, disk_folder, disk_row, fsync_times, machine_row, run, share, spread
from dobby.dollhouse.house import device_side
from dobby.events import Role
from dobby.journal import open_journal, read_journal
from dobby.paths import shipped
from dobby.people import People, Person

fake = device_side(shipped("skills") / "whatsapp")
PUBLIC = "https://dobby.test"
RATE, SENDERS = 100, 50  # messages a second, from so many phones
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

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What is on the disk."""
        with read_journal(self.folder) as db:
            return db.execute(sql).fetchall()


class _Now:
    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def phone(number: int) -> str:
    """A person's address."""
    return f"whatsapp:+49151{number:08d}"


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[Dobby]:
    folder.mkdir(parents=True)
    async with fake.Twilio() as twilio:
        dobby = Dobby(folder, twilio)
        await dobby.furnish()
        await dobby.start()
        try:
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


async def flood(dobby: Dobby, seconds: float, *, kill_at: float = 0.0) -> tuple[list[float], int, int]:
    """`RATE` messages a second; milliseconds to each 200, how many were lost, and how many stand out of order."""
    spent: list[float] = []
    queues = {number: asyncio.Queue[Any]() for number in range(SENDERS)}

    async def one_phone(number: int) -> None:
        while (message := await queues[number].get()) is not None:
            await deliver(dobby, message, spent)

    phones = [asyncio.create_task(one_phone(number)) for number in queues]
    begun, total, killed = time.perf_counter(), int(RATE * seconds), False
    for count in range(total):
        await asyncio.sleep(max(0.0, begun + count / RATE - time.perf_counter()))
        queues[count % SENDERS].put_nowait(dobby.twilio.keep(phone(count % SENDERS), f"hello {count}"))
        if kill_at and count / RATE >= kill_at and not killed:
            killed = True
            await dobby.kill()
            await dobby.start()
    for queue in queues.values():
        queue.put_nowait(None)
    await asyncio.gather(*phones)
    rows = dobby.rows("SELECT lane, text FROM event WHERE lane LIKE 'whatsapp/%' ORDER BY id")
    numbers: dict[str, list[int]] = {}
    for lane, text in rows:
        numbers.setdefault(lane, []).append(int(text.split()[1]))
    disorder = sum(mine != sorted(set(mine)) for mine in numbers.values())
    return spent, total - sum(len(set(mine)) for mine in numbers.values()), disorder


async def forge(dobby: Dobby, count: int) -> tuple[int, int]:
    """Requests that Twilio did not sign, replays of one it did, and rubbish: how many were taken, how many crashes."""
    chance, url = random.Random(11), f"{dobby.twilio.webhook}/twilio/message"
    true = {"MessageSid": "SM" + "f" * 32, "AccountSid": fake.ACCOUNT, "From": phone(1), "To": fake.SENDER, "Body": "true 1"}
    signature = fake.sign(f"{PUBLIC}/twilio/message", true)
    await dobby.twilio.post(url, true)
    before = dobby.rows("SELECT count(*) FROM event")[0][0]

    async def one(number: int) -> None:
        form = true | {"MessageSid": f"SM{number:032x}", "Body": f"forged {chance.random()}"}
        kinds = (signature, "".join(chance.choices("abcXYZ019+/=", k=28)), fake.sign(url, form), fake.sign(PUBLIC, form, "token"))
        if number % 5 == 4:
            await dobby.twilio.post(url, true, signature=signature)  # a replay: taken for what it is, the same message
        else:
            big = {"Body": "x" * 70_000} if number % 50 == 0 else {}
            await dobby.twilio.post(url, form | big, signature=kinds[number % 4])

    for begin in range(0, count, 50):
        await asyncio.gather(*(one(number) for number in range(begin, begin + 50)))
    crashed = int(dobby.process is None or dobby.process.returncode is not None)
    return dobby.rows("SELECT count(*) FROM event")[0][0] - before, crashed


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
    beside = disk_beside(syncs)
    async with house(folder / "flood") as dobby:
        spent, lost, disorder = await flood(dobby, seconds)
        taken, crashes = await forge(dobby, 1000 if quick else 10_000)
    async with house(folder / "killed") as dobby:
        _, lost_killed, disorder_killed = await flood(dobby, seconds, kill_at=seconds / 2)
    async with house(folder / "sweep") as dobby:
        swept = await sweep(dobby, 4 if quick else 120)
    about = f"{RATE} a second for {seconds:g} s from {SENDERS} phones. {note}"
    kills = f"{swept['kills']} kills between receiving and delivered, against lost answers, 429, 500 and cuts. {note}"
    return [
        at_most("webhook to durable 200, p95", share(spent, 0.95), "ms", 20, {**spread(spent, "ms"), **beside}, about),
        at_most("messages lost", lost, "", 0, note=about),
        at_most("phones whose order is not kept", disorder, "", 0, note=about),
        at_most("messages lost, killed in the middle", lost_killed, "", 0, note=about),
        at_most("phones whose order is not kept, killed in the middle", disorder_killed, "", 0, note=about),
        at_most("forged or fuzzed requests that were taken", taken, "", 0, note=note),
        at_most("crashes by them", crashes, "", 0, note=note),
        at_most("kill -9 sweep: texts without an answer", swept["lost"], "", 0, note=kills),
        at_most("kill -9 sweep: texts answered twice", swept["twice"], "", 0, note=kills),
        Row("kill -9 sweep: nobody can tell", swept["undecided"], "", note=f"Twilio's list decides. {kills}"),
    ]


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
