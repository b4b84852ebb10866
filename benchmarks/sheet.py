"""A figure sheet: rows with a goal and with what stands beside them, printed as one table or as JSON.

It does not know what is measured. Nothing in a row is typed in: values, peers and floors come from the same run.
"""

import argparse
import asyncio
import inspect
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import psutil

Cell = float | str | None
QUICK = "quick: fewer repetitions, the same method"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` is words ("≤ 20") or "", `holds` None where there is no goal; `beside` peers, limits and parts."""

    figure: str
    value: Cell
    unit: str
    goal: str = ""
    holds: bool | None = None
    beside: Mapping[str, Cell] = field(default_factory=dict)
    note: str = ""


def at_most(figure: str, value: float, unit: str, limit: float, beside: Mapping[str, Cell] | None = None, note: str = "") -> Row:
    """A figure with a limit; it holds where the value is not above it."""
    return Row(figure, rounded(value), unit, f"≤ {limit:g}", value <= limit, beside or {}, note)


def rounded(value: float) -> float:
    """Three figures are all a benchmark knows."""
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))


def share(values: Iterable[float], part: float) -> float:
    """A percentile by nearest rank: `share(times, 0.95)`."""
    row = sorted(values)
    return row[max(0, ceil(part * len(row)) - 1)]


def spread(values: Sequence[float], unit: str = "") -> dict[str, Cell]:
    """p50, p95 and the worst of some values."""
    tail = f" {unit}" if unit else ""
    named = {"p50": share(values, 0.5), "p95": share(values, 0.95), "worst": max(values)}
    return {name + tail: rounded(value) for name, value in named.items()}


# This machine


def disk_folder() -> Path:
    """Where benchmarks keep their files: on a disk, since a folder in memory would make every sync free."""
    lasting = Path("/var/tmp")  # kept over restarts (FHS 3.0, 5.15), so it is never a tmpfs
    return Path(tempfile.mkdtemp(prefix="dobby-bench-", dir=lasting if lasting.is_dir() else None))


def fsync_times(folder: Path, times: int = 150) -> list[float]:
    """Milliseconds this disk takes to append 16 KiB (a small commit) to a file and to sync it, `times` times."""
    path = folder / "fsync-probe"
    spent = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            begun = time.perf_counter()
            file.write(bytes(16 * 1024))
            os.fdatasync(file.fileno())  # what SQLite calls
            spent.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.001)
    path.unlink()
    return spent


def file_system(folder: Path) -> str:
    """The kind of file system a folder is on."""
    mounts = sorted(psutil.disk_partitions(all=True), key=lambda mount: -len(mount.mountpoint))
    return next((mount.fstype for mount in mounts if folder.resolve().is_relative_to(mount.mountpoint)), "unknown")


def machine_row() -> Row:
    """How busy this machine was with other things: figures from a busy one are worse than Dobby's own."""
    busy = psutil.cpu_percent(1.0)
    note = f"{psutil.cpu_count()} cores, measured for a second before the rest; load average {psutil.getloadavg()[0]:.1f}"
    return Row("this machine: busy otherwise", rounded(busy), "%", note=note)


def disk_row(times: Sequence[float], folder: Path) -> Row:
    """This disk's own time for one sync, which every durable figure is to be held against."""
    note = f"append 16 KiB and fdatasync; {file_system(folder)}, {len(times)} times, before and after the rest"
    return Row("this disk: one fsync, p50", rounded(share(times, 0.5)), "ms", beside=spread(times), note=note)


def disk_beside(times: Sequence[float]) -> dict[str, Cell]:
    """The same, for standing beside a durable figure."""
    return {"one fsync here, p50": rounded(share(times, 0.5))}


def memory_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children, in MB (10^6 bytes)."""
    every = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in every) / 1e6


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time a process and its children have used so far, to the nanosecond (Linux, clock_getcpuclockid(3))."""
    return sum(_clock(one.pid) for one in (process, *process.children(recursive=True)))


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | 2)  # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
    except OSError:  # it has just ended
        return 0.0


class Load:
    """How much of one core a process uses from here to `percent`."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._used, self._since = cpu_seconds(process), time.monotonic()

    def percent(self) -> float:
        """Of one core, since this was made."""
        return 100 * (cpu_seconds(self._process) - self._used) / (time.monotonic() - self._since)


# Printing


def table(rows: Sequence[Row]) -> str:
    """All rows for people: figure, value, goal, and under each what stands beside it."""
    wide = max((len(row.figure) for row in rows), default=0)
    return "\n".join(line for row in rows for line in _lines(row, wide))


def _lines(row: Row, wide: int) -> Iterable[str]:
    verdict = {True: "holds", False: "MISS", None: ""}[row.holds]
    yield f"{row.figure:<{wide}}  {_text(row.value):>8} {row.unit:<9} {row.goal:<8} {verdict}".rstrip()
    beside = "  ".join(f"{name}: {_text(cell)}" for name, cell in row.beside.items())
    for text in filter(None, (beside, row.note)):
        yield f"    {text}"


def _text(cell: Cell) -> str:
    return "–" if cell is None else cell if isinstance(cell, str) else f"{cell:,.6g}"


def as_json(rows: Iterable[Row]) -> str:
    """The rows as the design's list of objects."""
    return json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1)


def from_json(text: str) -> list[Row]:
    """The rows of a printed list."""
    return [Row(**row) for row in json.loads(text)]


# Running

Measure = Callable[[bool], "Iterable[Row] | Awaitable[Iterable[Row]]"]


def options(name: str, about: str) -> argparse.ArgumentParser:
    """`--quick` and `--json`, which every benchmark takes."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 45 s: fewer repetitions and sizes, the same method")
    parser.add_argument("--json", action="store_true", help="a list of objects instead of a table")
    return parser


def run(measure: Measure, arguments: Sequence[str] | None = None, *, long: str = "") -> None:
    """The main of a benchmark: measure and print. A miss is printed as a miss; it is no error. What takes long shows each row
    on standard error as soon as it is there, where `measure` yields them.

    :param long: what `--full` measures, where a sheet is quick unless it is asked for that.
    """
    module = sys.modules[measure.__module__]
    spec = getattr(module, "__spec__", None)
    parser = options(spec.name if spec else module.__name__, inspect.getdoc(module) or "")
    if long:
        parser.add_argument("--full", action="store_true", help=long)
    given = parser.parse_args(arguments)
    found: Any = measure(not given.full if long else given.quick)
    rows = []
    for row in asyncio.run(found) if inspect.isawaitable(found) else found:  # type: ignore[arg-type]
        rows.append(row)
        if long and given.full:
            print(table([row]), file=sys.stderr, flush=True)
    print(as_json(rows) if given.json else table(rows))
