"""From a due instant to the act: how late appointments are, spread and in a burst, with thousands more waiting in the rows.

A real Dobby on real rows, his devices in another process, beside APScheduler in the same run. It does not know how he keeps time.
"""

import asyncio
import itertools
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.rig.children import Wire, hub
from benchmarks.rig.house import Wish, wishes
from benchmarks.rig.running import Running, config, furnish
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
from dobby.events import Call, Due, DueKind, EffectClass, EffectState, Event, EventState, Role, Source
from dobby.journal import appointments, inbox, ledger, open_journal
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import due_call

SIZES = (0, 1_000, 10_000)  # appointments that wait for another day
DEVICES = 300
SHIPPED = ("sonos", "mqtt")
PEOPLE = ("owner", *(f"guest{number}" for number in range(9)))  # ten conversations share what falls due
DAY = 86_400.0
GOAL = 50  # ms
FLAT = 0.3  # % of a core that a house with 10,000 waiting may use more than one with none


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of it: how many wait, runs one by one every `gap` seconds, runs in one instant; seconds to watch, to get ready."""

    sizes: tuple[int, ...]
    spread: int
    gap: float
    burst: int
    idle: float
    lead: float

    @property
    def window(self) -> float:
        """Seconds from the first run of a house to the first of the next."""
        return self.spread * self.gap + 2.5


QUICKLY, WHOLLY = Pace((0, 10_000), 10, 0.1, 20, 3.0, 15.0), Pace(SIZES, 150, 0.3, 50, 30.0, 50.0)


@dataclass(slots=True)
class Lateness:
    """Milliseconds from the due instant to the pick-up (the run's row) and to the device being told, run by run."""

    begun: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    missing: int = 0  # runs whose device was never told, or told twice


@dataclass(slots=True)
class Kept:
    """One household with so many appointments waiting: what falls due when, and how it went."""

    size: int
    first: float  # seconds since 1970
    load: float = 0.0
    single: Lateness = field(default_factory=Lateness)
    burst: Lateness = field(default_factory=Lateness)


def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    pace, note = (QUICKLY, QUICK) if quick else (WHOLLY, "")
    folder, machine = disk_folder(), machine_row()
    try:
        syncs = fsync_times(folder)
        houses = keep_time(folder, pace)
        syncs += fsync_times(folder)
    finally:
        shutil.rmtree(folder)
    peers = {size: scheduled(size, pace) for size in pace.sizes}
    disk = disk_beside(syncs)
    rows = [row for house in houses for row in late_rows(house, peers[house.size], disk, note)]
    return [machine, disk_row(syncs, folder.parent), *rows, *idle_rows(houses, pace, note)]


def keep_time(folder: Path, pace: Pace) -> list[Kept]:
    """The households live side by side and are watched idle together; then each has its runs while the others wait."""
    with ExitStack() as stack:
        hubs = [stack.enter_context(hub(DEVICES)) for _ in pace.sizes]
        for size, devices in zip(pace.sizes, hubs, strict=True):
            furnish(folder / f"due-{size}", DEVICES, devices.address, PEOPLE[1:])
            later = [(Due(DueKind.REMINDER, time.time() + DAY + number, remind=f"{number}"), "owner") for number in range(size)]
            asyncio.run(keep(folder / f"due-{size}", later))
        base = time.time() + pace.lead
        houses = [Kept(size, base + number * pace.window) for number, size in enumerate(pace.sizes)]
        lived = []
        for house, devices in reversed(list(zip(houses, hubs, strict=True))):  # the biggest takes longest to come to rest
            home = folder / f"due-{house.size}"
            asked = asyncio.run(fall_due(home, house, pace))
            lived.append((house, asked, devices, stack.enter_context(Running(home, config(SHIPPED)))))
        time.sleep(max(0.0, base - pace.idle - 1.0 - time.time()))
        loads = [Load(dobby.process) for *_, dobby in lived]
        time.sleep(pace.idle)
        for (house, *_), load in zip(lived, loads, strict=True):
            house.load = load.percent()
        if time.time() > base:
            raise RuntimeError("This machine was too busy: the first runs were due before all households stood.")
        time.sleep(max(0.0, houses[-1].first + pace.window - time.time()))
        for house, asked, devices, dobby in lived:
            account(house, asked, devices, dobby.reader())
    return houses


# The rows


async def fall_due(home: Path, house: Kept, pace: Pace) -> dict[int, tuple[Wish, float]]:
    """What this house has to run, one by one and then in one instant; gives number: (wish, instant)."""
    singles = [house.first + number * pace.gap for number in range(pace.spread)]
    instants = singles + [singles[-1] + 1.0] * pace.burst
    due = list(zip(itertools.islice(wishes(DEVICES), len(instants)), instants, strict=True))  # each of another device
    once = [Due(DueKind.ONCE, at, (Call("set", wish.device, wish.wanted),), said=wish.text) for wish, at in due]
    numbers = await keep(home, list(zip(once, itertools.cycle(PEOPLE), strict=False)))
    return dict(zip(numbers, due, strict=True))


async def keep(home: Path, due: Sequence[tuple[Due, str]]) -> list[int]:
    """Write appointments down as a conversation would have, each with its person; gives their numbers."""
    store, now = open_journal(home), time.time()

    def write(db: sqlite3.Connection) -> list[int]:
        source = Source("owner", Role.OWNER, "web", "owner")
        event, new = inbox.receive(db, Event("bench:many", source, text="many", received=now))
        if new:
            inbox.move(db, event, EventState.DONE)
        numbers = []
        for what, person in due:
            effect = EffectRow(0, event, due_call(what), EffectClass.BLIND, "comfort", EffectState.DONE, at=now)
            numbers.append(ledger.write_down(db, effect))
            appointments.keep(db, numbers[-1], what, person, f"web/{person}", "", now, None)
        return numbers

    numbers = await store.write(write)
    await store.aclose()
    return numbers


def account(house: Kept, asked: dict[int, tuple[Wish, float]], devices: Wire, db: sqlite3.Connection) -> None:
    """Hold what the devices were told, and when, against the rows."""
    ahead = time.time() - time.monotonic()
    told: dict[str, list[float]] = {}
    for device, _, at in devices.log():
        told.setdefault(device, []).append(at + ahead)
    late = dict(db.execute("SELECT due, late FROM run WHERE state IN ('begun', 'done', 'late')").fetchall())
    last = max(at for _, at in asked.values())
    for number, (wish, instant) in asked.items():
        kind, times = (house.burst if instant == last else house.single), told.get(wish.device, [])
        kind.missing += number not in late or len(times) != 1
        kind.begun += [late[number] * 1000] if number in late else []
        kind.told += [(at - instant) * 1000 for at in times[:1]]


def late_rows(house: Kept, peer: dict[str, list[float]], disk: dict[str, Cell], note: str) -> list[Row]:
    """One household: spread and burst, each beside APScheduler with as many jobs."""
    rows = []
    for name, kind in (("spread", house.single), ("burst", house.burst)):
        begun, told = kind.begun or [float("inf")], kind.told or [float("inf")]
        other: dict[str, Cell] = {"APScheduler, p95": rounded(share(peer[name], 0.95)) if peer else "not installed"}
        figure, where = f"{house.size:,} waiting, {name}: p95", "by his own account; the peer keeps jobs in memory only"
        full = "; ".join(filter(None, (where, note)))
        rows.append(at_most(f"due to run, {figure}", share(begun, 0.95), "ms", GOAL, spread(begun) | other | disk, full))
        each: dict[str, Cell] = {"a run, ms": rounded(max(told) / len(told))} if kind is house.burst else {}
        about = f"{len(kind.told)} runs on ten conversations, three commits each, the device in another process"
        value, goal = share(told, 0.95), "" if kind is house.burst else f"≤ {GOAL}"  # a burst is as late as it is long
        beside = spread(told) | each | disk
        holds = value <= GOAL if goal else None
        rows.append(Row(f"due to device told, {figure}", rounded(value), "ms", goal, holds, beside, note or about))
    missing = house.single.missing + house.burst.missing
    rows.append(at_most(f"due, {house.size:,} waiting: not run exactly once", missing, "runs", 0))
    return rows


def idle_rows(houses: Sequence[Kept], pace: Pace, note: str) -> list[Row]:
    """Processor at rest, and how it grows with what waits."""
    each: dict[str, Cell] = {f"{house.size:,} waiting, % core": rounded(house.load) for house in houses}
    about = "; ".join(filter(None, (f"side by side over {pace.idle:g} quiet seconds", note)))
    grown = max(house.load for house in houses) - houses[0].load
    return [at_most("idle processor: most waiting above none", grown, "% core", FLAT, each, about)]


# The peer


def scheduled(size: int, pace: Pace) -> dict[str, list[float]]:
    """APScheduler 3 as it comes, asyncio, with as many jobs waiting: milliseconds from due to called; {} where not installed."""
    try:
        from apscheduler.schedulers.asyncio import AsyncIOScheduler
    except ImportError:
        return {}

    async def play() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {"spread": [], "burst": []}

        async def act(kind: str, due: float) -> None:
            found[kind].append((time.time() - due) * 1000)

        scheduler, now = AsyncIOScheduler(timezone=UTC), time.time()
        for number in range(size):
            scheduler.add_job(act, "date", run_date=datetime.fromtimestamp(now + DAY + number, UTC), args=("spread", 0.0))
        scheduler.start()
        first = time.time() + 0.3
        singles = [("spread", first + number * pace.gap) for number in range(pace.spread)]
        for kind, due in [*singles, *[("burst", singles[-1][1] + 0.5)] * pace.burst]:
            scheduler.add_job(partial(act, kind, due), "date", run_date=datetime.fromtimestamp(due, UTC), misfire_grace_time=None)
        await asyncio.sleep(singles[-1][1] + 1.0 - time.time())
        scheduler.shutdown(wait=False)
        return found

    return asyncio.run(play())


if __name__ == "__main__":
    run(measure)
