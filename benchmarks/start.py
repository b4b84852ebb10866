"""What Dobby costs while nothing happens: how soon he is ready, and how much memory and processor he keeps.

Each Dobby is a process of his own, started as systemd starts him and told nothing about being measured. It does not know
why he is as heavy as he is.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.children import ROOT, dollhouse, hub
from benchmarks.rig.house import wishes
from benchmarks.rig.running import Running, Visitor, config, furnish, until_stored
from benchmarks.sheet import (
    QUICK,
    Cell,
    Load,
    Row,
    at_most,
    disk_folder,
    disk_row,
    fsync_times,
    machine_row,
    memory_mb,
    rounded,
    run,
    share,
    spread,
)

SIZES = (30, 300, 3000)  # devices
SHIPPED = ("sonos", "mqtt")
PEERS = ("nanobot", "hermes")  # agents of the same trade, by their commands

# In a fresh interpreter: import these, then say the seconds it took, the MB it is now, and every module that is not ours
IMPORT = """
import importlib, os, sys, time
begun = time.perf_counter()
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
seconds = time.perf_counter() - begun
pages = int(open("/proc/self/statm").read().split()[1])
ours = ("dobby", "__", "_sysconfigdata", "_distutils_hack")
print(seconds, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, *(name for name in sys.modules if not name.startswith(ours)))
"""


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    folder, machine = disk_folder(), machine_row()
    note = QUICK if quick else ""
    try:
        syncs = fsync_times(folder)
        floor = floors()
        start_often(folder / "first", SIZES[0], 1)  # compiles what is new since the last time
        starts = {size: start_often(folder / f"start-{size}", size, _times(size, quick)) for size in SIZES}
        idle = stay_idle(folder, 10 if quick else 60)
        syncs += fsync_times(folder)
    finally:
        shutil.rmtree(folder)
    rows = [row for size, times in starts.items() for row in times.rows(size, floor, note)]
    return [
        machine,
        disk_row(syncs, folder.parent),
        *rows,
        *memory_rows(idle, floor, note),
        *processor_rows(idle, note),
        *peers(),
    ]


def _times(size: int, quick: bool) -> int:
    return (3 if size == SIZES[0] else 1) if quick else 10


# The floor


@dataclass(frozen=True, slots=True)
class Floor:
    """What Python itself and the same libraries cost here: seconds from spawn to exit, and MB."""

    bare_seconds: float
    bare_mb: float
    libraries_seconds: float
    libraries_mb: float
    families_mb: float


def floors() -> Floor:
    """Bare Python; every module that the daemon imports and that is not his own; those and the two device libraries."""
    modules = _import("dobby.cli.run")[1]
    bare = [_seconds(["-c", "pass"]) for _ in range(5)]
    libraries = [_seconds(["-c", IMPORT, *modules]) for _ in range(3)]
    with_families = _import(*modules, "soco", "aiomqtt")[0]
    return Floor(share(bare, 0.5), _import()[0], share(libraries, 0.5), _import(*modules)[0], with_families)


def _seconds(arguments: Sequence[str]) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def _import(*modules: str) -> tuple[float, list[str]]:
    """MB after importing these, and all that came with them."""
    command = [sys.executable, "-c", IMPORT, *modules]
    _, rss, *names = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(rss), names


# Starting


@dataclass(frozen=True, slots=True)
class Starts:
    """Seconds from spawn to ready, how many of them on a processor, and to the first reply, start by start."""

    ready: list[float]
    worked: list[float]
    replied: list[float]

    def rows(self, size: int, floor: Floor, quick: str) -> list[Row]:
        """One size of house."""
        house = f"start, {size:,} devices"
        beside: dict[str, Cell] = {
            "on a processor, p50": rounded(share(self.worked, 0.5)),
            "bare python": rounded(floor.bare_seconds),
            "python and the same libraries": rounded(floor.libraries_seconds),
        }
        note = "; ".join(filter(None, (f"spawn to READY=1, {len(self.ready)} starts", quick)))
        ready = at_most(f"{house}: ready, p50", share(self.ready, 0.5), "s", 1.0, spread(self.ready) | beside, note)
        warm = "sent on being ready; understood once the mind is warm, done and read back"
        return [
            ready,
            Row(
                f"{house}: first text answered, p50",
                rounded(share(self.replied, 0.5)),
                "s",
                beside=spread(self.replied),
                note=warm,
            ),
        ]


def start_often(folder: Path, size: int, times: int) -> Starts:
    """Start on the same house again and again."""
    starts = Starts([], [], [])
    with hub(size) as devices:
        furnish(folder, size, devices.address)
        wish = next(wishes(size))
        for number in range(times):
            with Running(folder, config()) as dobby:
                dobby.ask("say", id=f"first-{number}", text=wish.text)
                (event,) = dobby.reader().execute("SELECT max(id) FROM event").fetchone()
                replied, _ = until_stored(dobby.reader(), event)
            starts.ready.append(dobby.ready)
            starts.worked.append(dobby.worked)
            starts.replied.append(replied - dobby.begun)
    return starts


# Idling


@dataclass(frozen=True, slots=True)
class Idle:
    """A Dobby at rest: MB after he has been used, and percent of a core over a quiet interval."""

    memory: float
    own: float
    processor: float
    seconds: float


def stay_idle(folder: Path, seconds: float) -> dict[str, Idle]:
    """Several households side by side, each used once, left alone, then watched over the same quiet interval."""
    with ExitStack() as stack:
        every = {name: stack.enter_context(home) for name, home in homes(folder)}
        for dobby in every.values():
            dobby.rest()
        loads = {name: Load(dobby.process) for name, dobby in every.items()}
        time.sleep(seconds)
        found = {}
        for name, dobby in every.items():
            percent = loads[name].percent()
            found[name] = Idle(memory_mb(dobby.process), dobby.process.memory_full_info().uss / 1e6, percent, seconds)
        return found


def homes(folder: Path) -> Iterator[tuple[str, AbstractContextManager[Running]]]:
    """The households: with both families adopted, with neither, and three sizes."""
    yield "Sonos and MQTT", _with_dollhouse(folder / "both")
    yield "neither", _with_nothing(folder / "neither")
    for size in SIZES:
        yield f"{size:,} devices", _with_hub(folder / f"idle-{size}", size)


@contextmanager
def _with_dollhouse(folder: Path) -> Iterator[Running]:
    with dollhouse() as skills, Running(folder, config(more=skills)) as dobby:
        dobby.until_adopted(sonos=1, mqtt=1)
        _use(dobby, "turn on the kitchen ceiling light")
        yield dobby


@contextmanager
def _with_nothing(folder: Path) -> Iterator[Running]:
    with Running(folder, config(SHIPPED)) as dobby:
        _use(dobby, "what time is it?")
        yield dobby


@contextmanager
def _with_hub(folder: Path, size: int) -> Iterator[Running]:
    with hub(size) as devices:
        furnish(folder, size, devices.address)
        with Running(folder, config()) as dobby:
            _use(dobby, next(wishes(size)).text)
            yield dobby


def _use(dobby: Running, text: str) -> None:
    """One text at the page, so that what is only loaded when it is needed is there."""
    visitor = Visitor(dobby)
    until_stored(dobby.reader(), visitor.say(text))
    visitor.close()


def memory_rows(idle: dict[str, Idle], floor: Floor, quick: str) -> list[Row]:
    """Resident memory; where it is not the devices', it is Python's and the libraries'."""
    goals = {"Sonos and MQTT": 75.0, "neither": 60.0}
    rows = []
    for name, found in idle.items():
        libraries = floor.families_mb if name == "Sonos and MQTT" else floor.libraries_mb
        beside: dict[str, Cell] = {
            "bare python": rounded(floor.bare_mb),
            "python and the same libraries": rounded(libraries),
            "of it his own (USS)": rounded(found.own),
        }
        figure, note = (
            f"idle memory, {name}",
            "; ".join(filter(None, ("resident, in 10^6 bytes, after a login and a text", quick))),
        )
        if name in goals:
            rows.append(at_most(figure, found.memory, "MB", goals[name], beside, note))
        else:
            rows.append(Row(figure, rounded(found.memory), "MB", beside=beside, note=note))
    return rows


def processor_rows(idle: dict[str, Idle], quick: str) -> list[Row]:
    """Processor at rest."""
    return [
        at_most(
            f"idle processor, {name}",
            found.processor,
            "% core",
            0.3,
            note="; ".join(filter(None, (f"over {found.seconds:g} quiet seconds", quick))),
        )
        for name, found in idle.items()
    ]


# Peers


def peers() -> list[Row]:
    """Other agents' start, where they are installed here: the time their command takes to say its version."""
    rows = []
    for name in PEERS:
        path = shutil.which(name)
        if path is None:
            rows.append(Row(f"peer {name}: start", None, "s", note="not installed here"))
            continue
        begun = time.monotonic()
        subprocess.run([path, "--version"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows.append(Row(f"peer {name}: `--version`", rounded(time.monotonic() - begun), "s", note="only the command, no daemon"))
    return rows


if __name__ == "__main__":
    run(measure)
