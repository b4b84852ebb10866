"""Power cuts: whatever the disk was left with, the product opens it, it is sound, and nothing promised is missing.

A promise is anything said outside: an acknowledged text needs its row, a device's command its intent, a message that was
handed over its row in the outbox. The control without `synchronous=FULL` must break them. It does not know kills.

    python -m tests.crash.power [--states 800]      all states unless told how many
"""

import argparse
import asyncio
import hashlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dobby.errors import StoreError
from dobby.journal import open_journal
from tests.crash.disk import TRACE, Disk, Image, Op, read_trace
from tests.crash.harness import drive, open_bench
from tests.crash.scenario import PAGE

SEED = 20
PAGES = 30  # of the write-ahead log until it is folded into the file: often, so that cuts fall into that too


@dataclass(slots=True)
class Cuts:
    """What became of the states that were tried."""

    name: str
    operations: int = 0
    states: int = 0
    broken: int = 0  # states in which a promise was not kept
    lost: int = 0  # the most promises broken in one of them
    corrupt: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = (self.operations, self.states, self.broken, self.lost, self.corrupt, round(self.seconds))
        return f"{self.name:<28}" + "".join(f"{n:>{width}}" for n, width in zip(numbers, (11, 8, 15, 10, 9, 8), strict=True))


HEAD = "power cut                    operations  states  states losing rows most  corrupt       s"


@dataclass(frozen=True, slots=True)
class Promises:
    """What had been said outside up to a moment."""

    texts: frozenset[str] = frozenset()
    commands: tuple[tuple[str, str], ...] = ()  # (device, args)
    messages: frozenset[tuple[str, str]] = frozenset()  # (key, lane)

    def and_(self, said: bytes) -> "Promises":
        """One thing more was said."""
        try:
            what = json.loads(said)
        except ValueError:
            return self
        if not isinstance(what, dict):
            return self
        if "ack" in what:
            return Promises(self.texts | {what["ack"]}, self.commands, self.messages)
        if "set" in what or "do" in what:
            command = (str(what.get("set") or what.get("do")), json.dumps(what.get("wanted") or what.get("args"), sort_keys=True))
            return Promises(self.texts, (*self.commands, command), self.messages)
        if "send" in what:
            return Promises(self.texts, self.commands, self.messages | {(what["send"]["key"], what["send"]["lane"])})
        return self


async def record(folder: Path, *, full: bool) -> list[Op]:
    """Run the composition from an empty folder under a trace: everything it wrote, synced and said."""
    async with open_bench(full=full, pages=PAGES) as bench:
        life = bench.life(fresh=True)
        process = await bench.born(life)
        try:
            await process.trace(process.pid, *TRACE, "-o", str(folder / "trace"))
            process.go()
            await process.line()
            process.go()
            await process.line()
            await drive(process, life)
        finally:
            await process.end()
        return read_trace(folder / "trace", life.home)


def states(ops: list[Op], seed: int = SEED) -> Iterator[tuple[str, Image, Promises]]:
    """Every different state that a cut may leave, with what had been promised by then."""
    disk, promised, dice = Disk(), Promises(), random.Random(seed)
    seen: set[tuple[bytes, Promises]] = set()
    for number, op in enumerate(ops):
        disk.take(op)
        if op.what == "say":
            promised = promised.and_(op.data)
        for kind, image in disk.images(dice):
            mark = hashlib.sha256()
            for path, data in sorted(image.items()):
                mark.update(path.encode() + b"\0" + data)
            if (found := (mark.digest(), promised)) not in seen:
                seen.add(found)
                yield f"{kind} at {number} ({op.what} {Path(op.path).name})", image, promised


async def try_states(name: str, folder: Path, ops: list[Op], most: int | None) -> Cuts:
    """Open the states (a seeded sample of `most`) by the product's own store and look for what was promised."""
    cuts, began = Cuts(name, operations=len(ops)), time.monotonic()
    total = sum(1 for _ in states(ops)) if most else 0
    keep = set(random.Random(SEED).sample(range(total), min(most or 0, total)))
    for number, (where, image, promised) in enumerate(states(ops)):
        if most and number not in keep:
            continue
        cuts.states += 1
        cuts.kinds[where.partition(" ")[0]] += 1
        _lay(folder, image)
        try:
            store = open_journal(folder)
        except StoreError as error:
            cuts.corrupt += 1
            cuts.words.append(f"{where}: cannot be opened: {error}")
            continue
        missing = store.look(partial(_missing, promised=promised))
        sick = store.look(lambda db: [row[0] for row in db.execute("PRAGMA integrity_check")])
        await store.aclose()
        cuts.broken += bool(missing)
        cuts.lost = max(cuts.lost, len(missing))
        cuts.corrupt += sick != ["ok"]
        cuts.words += [f"{where}: {words} is missing" for words in missing]
    cuts.seconds = time.monotonic() - began
    return cuts


def _lay(folder: Path, image: Image) -> None:
    """The folder exactly so."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in image.items():
        (folder / Path(name).name).write_bytes(data)


def _missing(db: sqlite3.Connection, promised: Promises) -> list[str]:
    """Which promises have no row."""
    look = db.execute
    texts = {row[0].partition(":")[2] for row in look("SELECT key FROM event")}
    kept = {row[0]: row[1] for row in look("SELECT key, state FROM outbox")}
    begun = Counter(row[0] for row in look("SELECT device FROM effect WHERE state NOT IN ('asked', 'refused')"))
    told = Counter(device for device, _ in set(promised.commands))
    missing = [f"text {key}" for key in promised.texts if key not in texts]
    missing += [f"intent for {device}" for device, count in told.items() if begun[device] < count]
    for key, lane in promised.messages:
        if key not in kept or (not lane.startswith(PAGE) and kept[key] == "owed"):
            missing.append(f"message {key}")
    return missing


async def cut(folder: Path, *, full: bool = True, most: int | None = None) -> Cuts:
    """Record one run and try its states, in a folder that is nobody else's."""
    ops = await record(folder, full=full)
    disk = folder / "disk"
    disk.mkdir()
    return await try_states("WAL, FULL" if full else "WAL, NORMAL (control)", disk, ops, most)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, metavar="N", help="only a seeded sample of so many")
    chosen = parser.parse_args()
    print(HEAD)
    found = []
    for full in (True, False):
        with tempfile.TemporaryDirectory() as name:
            found.append(asyncio.run(cut(Path(name), full=full, most=chosen.states)))
        print(found[-1], flush=True)
    print(*(f"  {words}" for words in found[0].words[:40]), sep="\n")
    sys.exit(1 if found[0].broken or found[0].corrupt or not found[1].broken else 0)


if __name__ == "__main__":
    main()
