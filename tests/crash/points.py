"""Where a process can die: every call that writes, counted per name and per thread in a run that nobody disturbs.

strace's `when=N` counts each call name by itself, and each *thread* by itself: one sweep over `-f` would be served by
whichever thread comes to N first and would never kill the others there. So every kill is bound to one thread.
Python's executor threads only read rows and wake the loop; between two writes of the main and the writer thread nothing
they do can be seen from outside, so a kill there is the kill before the next of those.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.crash.harness import Bench, Kill, Life, drive

# Calls that change a file, a folder, or what somebody outside hears.
WRITES = (
    *("write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "fallocate"),
    *("fsync", "fdatasync", "sync_file_range"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat"),
    *("sendto", "sendmsg", "sendfile"),
)
CREATES = re.compile(r"^openat\(.*O_CREAT")
Counts = dict[tuple[str, str], int]


async def count(bench: Bench, life: Life, gate: str = "ready") -> Counts:
    """How often each (thread, call) writes between a gate and the end of an undisturbed run."""
    traces = bench.folder / f"{life.name}.trace"
    process = await bench.born(life)
    arguments = ("-f", "-ff", "-o", str(traces), "-e", "trace=" + ",".join((*WRITES, "openat")))
    try:
        if gate == "start":
            await process.trace(process.pid, *arguments)
        process.go()
        threads: dict[str, int] = (await process.line())["threads"]
        if gate == "ready":
            await process.trace(process.pid, *arguments)
        process.go()
        port = (await process.line()).get("port")
        if life.twilio is not None:
            life.twilio.webhook = f"http://127.0.0.1:{port}"
        await drive(process, life, hurry=life.twilio is not None)
    finally:
        await process.end()
    return {(name, call): n for name, tid in threads.items() for call, n in _calls(Path(f"{traces}.{tid}")).items()}


def _calls(trace: Path) -> Counter[str]:
    lines = trace.read_text().splitlines() if trace.exists() else []
    names = (line.partition("(")[0] for line in lines if not line.startswith("openat") or CREATES.match(line))
    return Counter(name for name in names if name.isidentifier())


def every(counts: Counts, gate: str = "ready", beyond: int = 2) -> list[Kill]:
    """One kill per counted call, and a few beyond: threads make the counts vary a little."""
    return [
        Kill(call, str(when), thread, gate)
        for (thread, call), n in sorted(counts.items())
        if call != "openat"
        for when in range(1, n + beyond + 1)
    ]


def seconds(counts: Counts, seed: int) -> Iterator[Kill]:
    """Random kills for the run that recovers, drawn from what such a run does."""
    dice = random.Random(seed)
    kinds = [(thread, call) for (thread, call) in sorted(counts) if call != "openat"]
    weights = [counts[kind] for kind in kinds]
    while True:
        thread, call = dice.choices(kinds, weights)[0]
        yield Kill(call, str(dice.randint(1, counts[thread, call])), thread)
