"""From a text to the house and back: how long a plain command takes, what a burst does, what a storm of changes costs.

A real Dobby, his devices and whoever writes are three processes; nothing of Dobby is left out or replaced. It does not know
how he works inside.
"""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from benchmarks.rig.children import Wire, broker, child, dollhouse, hub
from benchmarks.rig.house import Wish, states, wishes
from benchmarks.rig.page import Page
from benchmarks.rig.running import Running, Visitor, config, furnish, replies, until_stored
from benchmarks.sheet import (
    QUICK,
    Cell,
    Load,
    Row,
    at_most,
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
from dobby.clock import SystemClock
from dobby.events import Change
from dobby.house.history import History
from dobby.house.state import States

SIZES = (30, 300, 3000)  # devices
SHIPPED = ("sonos", "mqtt")
PAUSE = 0.05  # seconds between a reply and the next text: nobody types faster
CONVERSATIONS = 10
RATE = 1000  # device changes a second
WAITING = 30  # conversations that wait for a device while the changes come


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    folder, machine = disk_folder(), machine_row()
    note = QUICK if quick else ""
    try:
        syncs = fsync_times(folder)
        timed = {size: commands(folder / f"house-{size}", size, 40 if quick else 400) for size in SIZES}
        mqtt = through_mqtt(folder / "lamp", 20 if quick else 200, disk_beside(syncs), note)
        burst = hold_burst(folder / "burst", 200 if quick else 1000)
        storms = [storm(folder, quick), mqtt_storm(folder, quick), asyncio.run(inner_storm(folder, quick))]
        syncs += fsync_times(folder)
    finally:
        shutil.rmtree(folder)
    disk = disk_beside(syncs)
    rows = [row for size, times in timed.items() for row in times.rows(size, disk, note)]
    return [machine, disk_row(syncs, folder.parent), *rows, growth(timed, disk), mqtt, *burst.rows(syncs, note), *storms]


# A plain command


@dataclass(slots=True)
class Timed:
    """Milliseconds from the POST to each point, text by text; `wrong` counts what the house was not told."""

    recorded: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    wrong: int = 0

    def rows(self, size: int, disk: dict[str, Cell], quick: str) -> list[Row]:
        """The table of one size of house."""
        house, note = f"text, {size:,} devices", self._note(quick)
        stored = spread(self.stored) | disk | {"on an open page, p50": rounded(share(self.shown, 0.5)) if self.shown else None}
        rows = [
            Row(f"{house}: recorded, p50", rounded(share(self.recorded, 0.5)), "ms", beside=spread(self.recorded) | disk),
            Row(f"{house}: device written, p50", rounded(share(self.written, 0.5)), "ms", beside=spread(self.written) | disk),
        ]
        if size == SIZES[0]:
            rows.append(at_most(f"{house}: reply stored, p50", share(self.stored, 0.5), "ms", 20, stored, note))
            rows.append(at_most(f"{house}: reply stored, p95", share(self.stored, 0.95), "ms", 50, stored, note))
        else:
            rows.append(Row(f"{house}: reply stored, p50", rounded(share(self.stored, 0.5)), "ms", beside=stored, note=note))
        rows.append(at_most(f"{house}: not done as said", self.wrong, "texts", 0))
        return rows

    def _note(self, quick: str) -> str:
        return "; ".join(filter(None, (f"{len(self.stored)} texts one after another, three durable commits each", quick)))


def commands(folder: Path, size: int, times: int) -> Timed:
    """One person at the page texts about device after device, and waits for each reply."""
    timed = Timed()
    with hub(size) as devices:
        furnish(folder, size, devices.address)
        with Running(folder, config(SHIPPED)) as dobby:
            visitor = Visitor(dobby)
            with Page(visitor) as page:
                first, *rest = islice(wishes(size), times + 1)
                one(dobby, visitor, page, devices, first, Timed())
                dobby.rest()  # the mind has to be warm; `start` measures how long that takes
                for wish in rest:
                    one(dobby, visitor, page, devices, wish, timed)
            visitor.close()
    return timed


def one(dobby: Running, visitor: Visitor, page: Page, devices: Wire, wish: Wish, timed: Timed) -> None:
    """One text, its points in time, and whether the right device was told the right thing, once."""
    reader = dobby.reader()
    begun = time.monotonic()
    event = visitor.say(wish.text)
    recorded = time.monotonic()
    stored, _ = until_stored(reader, event)
    reader.close()
    time.sleep(PAUSE)
    told = devices.log()
    if len(told) == 1 and _is_told(told[0], wish):
        timed.written.append((told[0][2] - begun) * 1000)
    else:
        timed.wrong += 1
    timed.recorded.append((recorded - begun) * 1000)
    timed.stored.append((stored - begun) * 1000)
    if shown := page.shown.get(f"event:{event}"):
        timed.shown.append((shown - begun) * 1000)


def through_mqtt(folder: Path, times: int, disk: dict[str, Cell], quick: str) -> Row:
    """The same over a real protocol: the shipped MQTT skill, a broker and a lamp of the dollhouse that reports back."""
    stored = []
    with dollhouse("mqtt") as skills, Running(folder, config(["sonos"], skills)) as dobby:
        dobby.until_adopted(mqtt=1)
        visitor, reader = Visitor(dobby), dobby.reader()
        until_stored(reader, visitor.say("turn on the kitchen ceiling light"))
        dobby.rest()
        for number in range(times):
            begun = time.monotonic()
            event = visitor.say(f"turn {'on' if number % 2 else 'off'} the kitchen ceiling light")
            stored.append((until_stored(reader, event)[0] - begun) * 1000)
            time.sleep(PAUSE)
        (done,) = reader.execute("SELECT count(*) FROM effect WHERE state = 'done' AND NOT echoed").fetchone()
        reader.close()
    note = "; ".join(filter(None, (f"the dollhouse's lamp, confirmed by its own report in {done - 1} of {times} texts", quick)))
    return Row("text, over MQTT: reply stored, p50", rounded(share(stored, 0.5)), "ms", beside=spread(stored) | disk, note=note)


def _is_told(entry: tuple[str, dict[str, object], float], wish: Wish) -> bool:
    device, wanted, _ = entry
    return device == wish.device and wish.wanted.items() <= wanted.items()


def growth(timed: dict[int, Timed], disk: dict[str, Cell]) -> Row:
    """What a house a hundred times as big costs."""
    p50 = {size: share(times.stored, 0.5) for size, times in timed.items()}
    least, most = min(p50), max(p50)
    beside = {f"{size:,} devices, ms": rounded(value) for size, value in p50.items()}
    return at_most(f"text: reply stored, {most:,} against {least:,} devices", p50[most] / p50[least], "×", 3, beside | disk)


# A burst


@dataclass(slots=True)
class Burst:
    """What became of many texts at once; times are CLOCK_MONOTONIC."""

    texts: int = 0
    lost: int = 0
    disordered: int = 0
    doubled: int = 0
    begun: float = 0.0
    recorded: float = 0.0
    answered: float = 0.0

    def rows(self, syncs: Sequence[float], quick: str) -> list[Row]:
        """None lost, none twice, in order; and how fast."""
        name = f"burst of {self.texts:,} texts, {CONVERSATIONS} conversations"
        beside: dict[str, Cell] = {"fsyncs a second here, one after another": rounded(1000 / share(syncs, 0.5))}
        seconds = {"recorded": self.recorded - self.begun, "answered": self.answered - self.begun}
        rates = [
            Row(f"{name}: {what}", rounded(self.texts / spent), "a second", beside=beside, note=quick)
            for what, spent in seconds.items()
        ]
        counts = {"lost": self.lost, "devices told out of order or wrong": self.disordered, "done twice": self.doubled}
        return [*(at_most(f"{name}: {what}", number, "texts", 0) for what, number in counts.items()), *rates]


def hold_burst(folder: Path, texts: int) -> Burst:
    """Ten people text as fast as the page takes it, each in order on a conversation of their own."""
    people = [f"person{number}" for number in range(CONVERSATIONS)]
    said = [list(islice(wishes(300), number, texts, CONVERSATIONS)) for number in range(CONVERSATIONS)]
    with hub(300) as devices:
        furnish(folder, 300, devices.address, people)
        with Running(folder, config(SHIPPED)) as dobby:
            visitors = [Visitor(dobby, person) for person in people]
            until_stored(dobby.reader(), visitors[0].say("hello"))
            burst = Burst(texts, begun=time.monotonic())
            events = _say_all(visitors, said)
            burst.recorded = time.monotonic()
            _await_all(dobby, events, burst)
            _check(dobby, devices, people, said, events, burst)
    return burst


def _say_all(visitors: Sequence[Visitor], said: Sequence[Sequence[Wish]]) -> list[list[int]]:
    events: list[list[int]] = [[] for _ in visitors]

    def say(number: int) -> None:
        for wish in said[number]:
            events[number].append(visitors[number].say(wish.text))

    threads = [threading.Thread(target=say, args=(number,)) for number in range(len(visitors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return events


def _await_all(dobby: Running, events: list[list[int]], burst: Burst) -> None:
    """Until every text is answered; what is not within two minutes counts as lost."""
    reader, wanted = dobby.reader(), {f"event:{event}" for row in events for event in row}
    until = time.monotonic() + 120
    while time.monotonic() < until and wanted:
        burst.answered = time.monotonic()
        wanted -= {key for (key,) in reader.execute("SELECT key FROM outbox")}
        time.sleep(0.02)
    burst.lost = len(wanted) + burst.texts - sum(map(len, events))
    reader.close()


def _check(
    dobby: Running,
    devices: Wire,
    people: Sequence[str],
    said: Sequence[Sequence[Wish]],
    events: Sequence[Sequence[int]],
    burst: Burst,
) -> None:
    """Every conversation by itself: replies in the order of the texts, and its devices told in that order, once."""
    told, reader = devices.log(), dobby.reader()
    burst.doubled = max(0, len(told) - burst.texts)
    for person, row, numbers in zip(people, said, events, strict=True):
        keys = [line.key for line in replies(reader, f"web/{person}") if line.key.startswith("event:")]
        in_order = [key for key in keys if key != "event:1"] == [f"event:{number}" for number in numbers if number != 1]
        own = {wish.device for wish in row}
        heard = [entry for entry in told if entry[0] in own]
        wrong = sum(not _is_told(entry, wish) for entry, wish in zip(heard, row, strict=False))
        burst.disordered += wrong + (not in_order)
    reader.close()


# A storm of changes


def storm(folder: Path, quick: bool) -> Row:
    """Through a skill and its connection into the living house."""
    seconds = 3 if quick else 20
    with hub(300) as devices:
        furnish(folder / "storm", 300, devices.address)
        with Running(folder / "storm", config(SHIPPED)) as dobby:
            visitor, wish = Visitor(dobby), next(wishes(300))
            until_stored(dobby.reader(), visitor.say(wish.text))
            load = Load(dobby.process)
            sent = devices.ask(storm=RATE, seconds=seconds)["sent"]
            used, begun = load.percent(), time.monotonic()
            stored, _ = until_stored(dobby.reader(), visitor.say(wish.text))
    beside = {"sent": sent, "a text right after is answered in ms": rounded((stored - begun) * 1000)}
    note = f"{seconds} s, 300 devices, JSON lines over TCP, history kept; {QUICK if quick else 'the whole process'}"
    return at_most(f"{RATE:,} changes a second through a hub", used, "% core", 20, beside, note)


def mqtt_storm(folder: Path, quick: bool) -> Row:
    """Through the shipped MQTT skill and a real broker."""
    seconds, size = (3 if quick else 20), 100
    with broker() as (name, port), _mqtt_house(port, size) as things:
        toml = config(["sonos"], f'mqtt = {{ at = ["127.0.0.1:{port}"] }}\n')
        with Running(folder / "mqtt", toml) as dobby:
            dobby.until_adopted(mqtt=size)
            dobby.rest()
            load = Load(dobby.process)
            sent = _ask_line(things, f"{RATE} {seconds}")
            used = load.percent()
    note = f"{seconds} s, {size} devices, JSON and plain payloads, QoS 0; {QUICK if quick else 'the whole process'}"
    return at_most(f"{RATE:,} changes a second through MQTT", used, "% core", 20, {"broker": name, "sent": int(sent)}, note)


@contextmanager
def _mqtt_house(port: int, size: int) -> "Iterator[subprocess.Popen[str]]":
    with child([sys.executable, "-m", "benchmarks.rig.mqtt_house", str(port), str(size)]) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "announced":
            raise RuntimeError("The MQTT devices could not announce themselves.")
        yield process


def _ask_line(process: "subprocess.Popen[str]", line: str) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()


async def inner_storm(folder: Path, quick: bool) -> Row:
    """The house's own share: states, history, and conversations that wait for a device."""
    seconds = 3.0 if quick else 10.0
    known = States(SystemClock())
    history = History(folder / "history.db", known, SystemClock())
    names = list(states(300))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_wait_for(known, name)) for name in names[:WAITING]] + [group.create_task(history.run())]
        used = time.process_time()
        sent = await _rain(known, names, seconds)
        used = time.process_time() - used
        for task in tasks:
            task.cancel()
    await history.aclose()
    note = f"{seconds:g} s in this process, {WAITING} waiting; {QUICK if quick else 'states and history only'}"
    return at_most(f"{RATE:,} changes a second in the house itself", 100 * used / seconds, "% core", 20, {"sent": sent}, note)


async def _wait_for(known: States, name: str) -> None:
    while True:
        await known.changed(name, 60)


async def _rain(known: States, names: Sequence[str], seconds: float) -> int:
    begun, sent = time.monotonic(), 0
    while (spent := time.monotonic() - begun) < seconds:
        while sent < RATE * spent:
            known.hear(Change(names[sent % len(names)], {"value": sent * 0.1, "on": bool(sent // len(names) % 2)}, True))
            sent += 1
        await asyncio.sleep(0.01)
    return sent


if __name__ == "__main__":
    run(measure)
