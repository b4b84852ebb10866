"""A house that finds itself: how soon its devices are found and taken in, how soon each family obeys, what it costs at rest.

A real Dobby, and the dollhouse of every shipped family in a second process; where there is root, also a network of namespaces
with devices that nobody here wrote. It does not know any protocol.
"""

import json
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from psutil import Process

from benchmarks.rig.children import ENDING, child
from benchmarks.rig.running import Running, Visitor, config, until_stored
from benchmarks.sheet import (
    QUICK,
    Cell,
    Load,
    Row,
    at_most,
    cpu_seconds,
    disk_folder,
    machine_row,
    memory_mb,
    rounded,
    run,
    share,
    spread,
)
from dobby.events import Value
from dobby.house.model import Device
from dobby.journal import household
from dobby.paths import shipped
from tests.lan.home import Home, missing
from tests.lan.network import lan

FINDING, QUIET = 60.0, 2.0  # seconds devices have to be found, and after which no more are expected
LOOK = 0.05  # seconds between two looks at the rows
DEVICES = 20  # what the goal speaks of
PAUSE = 0.1  # seconds between two commands
SWITCHED = ("light", "outlet", "switch", "fan", "speaker")  # kinds that are told "on" and "off", the likeliest first


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    folder, machine = disk_folder(), machine_row()
    note = QUICK if quick else ""
    try:
        rows = in_namespaces(folder, 1 if quick else 5, note)
        with doll() as house:
            toml = config(more=house.config)
            starts = [start(folder / f"start-{number}", toml) for number in range(0 if quick else 4)]
            with Running(folder / "house", toml) as dobby:
                found = finding(dobby.folder, dobby.begun, dobby.process)
                told = "each family led to its dollhouse by the config"
                rows += found_rows("on loopback", [*starts, found], "; ".join(filter(None, (told, note))))
                dobby.rest()
                rows += [obeying(dobby, house, family, 6 if quick else 40, note) for family in sorted(found.families)]
                dobby.rest()
                rows += resting(dobby, sum(found.families.values()), bare(folder / "bare"), 4 if quick else 60, note)
    finally:
        shutil.rmtree(folder)
    return [machine, *rows]


# Finding


@dataclass(slots=True)
class Found:
    """When each device was a row, in seconds from the spawn of Dobby."""

    at: list[float] = field(default_factory=list)
    worked: float = 0.0  # seconds on a processor when the first was seen
    families: Counter[str] = field(default_factory=Counter)


def found_rows(where: str, starts: Sequence[Found], note: str) -> list[Row]:
    """The first, and all, over some starts on empty folders."""
    found = min(starts, key=lambda each: len(each.at))
    if not found.at:
        return [Row(f"found {where}", 0, "devices", "> 0", False, note=note)]
    first, last = ([each.at[end] for each in starts] for end in (0, -1))
    busy: dict[str, Cell] = {"of it on a processor, at least": rounded(min(each.worked for each in starts))}
    beside: dict[str, Cell] = {"devices": len(found.at), "protocols": len(found.families), **found.families}
    holds = len(found.at) >= DEVICES and share(last, 0.5) <= 10
    note = f"{len(starts)} from an empty folder; {note}"
    return [
        at_most(f"{where}: the first device, from spawn, p50", share(first, 0.5), "s", 1.0, spread(first) | busy, note),
        Row(
            f"{where}: all devices, from spawn, p50",
            rounded(share(last, 0.5)),
            "s",
            f"≤ 10, {DEVICES}+",
            holds,
            spread(last) | beside,
            note,
        ),
    ]


def start(folder: Path, toml: str) -> Found:
    """One start on an empty folder."""
    with Running(folder, toml) as dobby:
        return finding(dobby.folder, dobby.begun, dobby.process)


def finding(folder: Path, begun: float, process: Process, least: int = 1) -> Found:
    """Wait until no more devices come, and `least` are there; when each became a row is in the news that were written with it."""
    last, count, on_the_wall, worked = time.monotonic(), 0, time.time() - time.monotonic(), 0.0
    while time.monotonic() < begun + FINDING and (count < least or time.monotonic() < last + QUIET):
        now = len(taken_in(folder))
        worked = worked or (cpu_seconds(process) if now else 0.0)
        count, last = now, last if now == count else time.monotonic()
        time.sleep(LOOK)
    found = Found([at - on_the_wall - begun for at in taken_in(folder)], worked)
    found.families = Counter(device.driver for device in devices(folder))
    return found


def taken_in(folder: Path) -> list[float]:
    """When each device was taken in, in seconds since 1970."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)) as db:
            return [row[0] for row in db.execute("SELECT at FROM news WHERE kind = 'new' ORDER BY at")]
    except sqlite3.OperationalError:  # not there yet
        return []


def devices(folder: Path) -> list[Device]:
    """What has been taken in."""
    with closing(sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)) as db:
        return [device for device in household.devices(db) if device.driver != "lists"]


def in_namespaces(folder: Path, times: int, note: str) -> list[Row]:
    """Devices at addresses of their own, found by broadcast and multicast, with an empty config."""
    if why := missing():
        return [Row("in namespaces", None, "s", note=f"not measured here: {why}")]
    starts = [in_namespace(folder / f"lan-{number}") for number in range(times)]
    told = "Mosquitto with sandcastle-sim, lamps of lifx-emulator"
    return found_rows("in namespaces, nothing configured", starts, "; ".join(filter(None, (told, note))))


def in_namespace(folder: Path) -> Found:
    """One start among them."""
    folder.mkdir()
    with lan(folder) as net:
        home = Home(net, folder)
        home.furnish()
        begun = time.monotonic()
        return finding(home.state, begun, Process(home.start().process.pid))


# The dollhouse


class Doll:
    """The other end of `rig/doll.py`."""

    def __init__(self, process: "Popen[str]") -> None:
        self._process = process
        self.config: str = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The dollhouse did not open; its error is above.")
        return json.loads(line)

    def watch(self, device: str, trait: str, value: Any) -> Callable[[], float | None]:
        """Look from now on when a device becomes so; call what is returned for when that was."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"device": device, "trait": trait, "value": value}) + "\n")
        self._process.stdin.flush()
        return self._answer


@contextmanager
def doll(*names: str) -> Iterator[Doll]:
    """These families; every one that has a dollhouse, where none is named."""
    families = names or sorted(path.parent.name for path in shipped("skills").glob("*/dollhouse.py"))
    with child([sys.executable, "-m", "benchmarks.rig.doll", *families]) as process:
        yield Doll(process)
        assert process.stdin is not None
        process.stdin.close()  # its end: it puts away what it started, brokers and renderers
        process.wait(ENDING)


# Obeying


def obeying(dobby: Running, house: Doll, family: str, times: int, quick: str) -> Row:
    """One device of a family, told at the page: to its own truth, and to the stored reply, which was read back."""
    device = chosen(devices(dobby.folder), family)
    if device is None:
        return Row(f"obeys, {family}", None, "ms", note="nothing of it that is told by a name of its own")
    visitor, reader = Visitor(dobby), dobby.reader()
    written, stored, said = [], [], ""
    for number in range(times + 1):
        text, trait, value = wish(device, number)
        when = house.watch(device.id, trait, value)
        begun = time.monotonic()
        event = visitor.say(text)
        replied, said = until_stored(reader, event)
        became = when()
        if number and became is not None:  # the first one opens connections, and may find it so
            written.append((became - begun) * 1000)
            stored.append((replied - begun) * 1000)
        time.sleep(PAUSE)
    done = _confirmed(reader, device.id)
    reader.close()
    visitor.close()
    return _obeyed(family, device, written, stored, (times, done, said), quick)


def wish(device: Device, number: int) -> tuple[str, str, Value]:
    """What is said, and what it makes of which trait; another value each time."""
    if device.kind == "speaker":
        loud = 20 + 5 * (number % 2)
        return f"set the volume of {device.name} to {loud}", "volume", loud
    on = number % 2 == 0
    return f"turn {'on' if on else 'off'} {device.name}", "on", on


def _obeyed(
    family: str, device: Device, written: Sequence[float], stored: Sequence[float], what: tuple[int, int, str], quick: str
) -> Row:
    times, done, said = what
    name = f"obeys, {family}: read back and replied, p50"
    if not written:
        return Row(name, None, "ms", "all done", False, note=f"{device.name} did not become so; the last reply was: {said}")
    beside = {"device written, p50": rounded(share(written, 0.5)), **spread(stored)}
    note = f"{device.name}, {device.kind}: {len(written)} of {times} done, {done} read back; {quick}".rstrip("; ")
    return Row(name, rounded(share(stored, 0.5)), "ms", "all done", len(written) == times, beside, note)


def _confirmed(reader: sqlite3.Connection, device: str) -> int:
    query = "SELECT count(*) FROM effect WHERE device = ? AND state = 'done' AND NOT echoed"
    (done,) = reader.execute(query, (device,)).fetchone()
    return int(done)


def chosen(every: Sequence[Device], family: str) -> Device | None:
    """The likeliest device of a family to be told, whose name nobody else in the house has."""
    names = Counter(device.name.casefold() for device in every)
    able = [
        device
        for device in every
        if device.driver == family and device.kind in SWITCHED and not device.part_of and names[device.name.casefold()] == 1
        if (spec := device.traits.get("on")) and spec.settable
    ]
    return min(able, key=lambda device: (SWITCHED.index(device.kind), device.id), default=None)


# Resting


def bare(folder: Path) -> float:
    """MB of a Dobby who has nothing."""
    with Running(folder, config()) as dobby:
        dobby.rest()
        return memory_mb(dobby.process)


def resting(dobby: Running, number: int, empty: float, seconds: float, quick: str) -> list[Row]:
    """What so many devices of so many families cost while nobody says anything, for a hundred of them."""
    eyes = next((one for one in dobby.process.children(recursive=True) if "dobby.vision" in " ".join(one.cmdline())), None)
    load, looking = Load(dobby.process), Load(eyes) if eyes else None
    time.sleep(seconds)
    seen, sight = (looking.percent(), memory_mb(eyes)) if looking and eyes else (0.0, 0.0)
    percent, memory = load.percent() - seen, memory_mb(dobby.process) - sight
    each = 100 / max(number, 1)
    whole: Mapping[str, Cell] = {
        "devices": number,
        "all of them, % of a core": rounded(percent),
        "the eyes beside": rounded(seen),
    }
    note = f"over {seconds:g} seconds; {quick}".rstrip("; ")
    room: Mapping[str, Cell] = {"devices": number, "resident, MB": rounded(memory), "with no device, MB": rounded(empty)}
    room = {**room, "the eyes beside, MB": rounded(sight)}  # what a camera costs is in the sheet `cameras`
    return [
        Row("at rest: processor for 100 devices", rounded(percent * each), "% core", beside=whole, note=note),
        Row("at rest: memory for 100 devices", rounded((memory - empty) * each), "MB", beside=room, note="libraries included"),
    ]


if __name__ == "__main__":
    run(measure)
