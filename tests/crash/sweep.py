"""kill -9 at every call that writes, then a restart, then the account: nothing lost, nothing doubled.

    python -m tests.crash.sweep                 everything, controls and power cuts included (`make crash`, about 20 minutes)
    python -m tests.crash.sweep --every 5       every fifth point of each
    python -m tests.crash.sweep --only running  one of running, due, errands, letters, start, migration, errors
    python -m tests.crash.sweep --naive         the negative control: without reconciliation effects must double

It does not know the product's insides: only processes, rows and what reached the world.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.crash import points, power
from tests.crash.errands import ERRANDS
from tests.crash.harness import Bench, Kill, Stuck, live, open_bench
from tests.crash.letters import LETTERS
from tests.crash.scenario import DUE, FIRST, STEPS, Step
from tests.crash.tally import HEAD, Tally
from tests.crash.verdict import judge
from tests.crash.whole import sweep_whole

SIDE_BY_SIDE = 4  # houses at once; they wait more than they work
SEED = 20
ERRORS = {"pwrite64": "ENOSPC", "fdatasync": "EIO", "ftruncate": "EIO"}
AWHILE = 30  # calls for which a disk stays full
CONTROL = 8  # the negative control takes only every so many-th point: it has nothing to find but that it finds
WHOLE = 100  # points on the whole daemon
STATES = 800  # of the disk, where not all are wanted


async def put_through(bench: Bench, tally: Tally, kills: Sequence[Kill | None], *, fresh: bool, steps: Sequence[Step]) -> None:
    """One house, its deaths, its account."""
    life = bench.life(fresh=fresh, steps=steps)
    errors = [kill for kill in kills if kill and not kill.kills]
    try:
        await live(bench, life, kills, hurry=bool(errors) or steps is LETTERS)
    except (Stuck, TimeoutError) as error:
        life.notes.append(f"stuck: {error}")
    may_die = sum(kill is not None and (kill.kills or kill.gate == "start") for kill in kills)
    if life.deaths > may_die:
        life.notes.append(f"it died {life.deaths} times, {may_die} by our hand: {_complaint(bench.errors(life))}")
    tally.refused += life.refused
    tally.add(kills, bench.trace(life).read_text().count("(INJECTED)") if errors else life.deaths, judge(life))
    if life.model is not None:
        await life.model.aclose()
    if life.twilio is not None:
        await life.twilio.__aexit__()
    bench.forget(life)


def _complaint(errors: Path) -> str:
    lines = errors.read_text().strip().splitlines() if errors.exists() else []
    return lines[-1] if lines else "without a word"


async def sweep(
    bench: Bench, name: str, plans: Iterable[Sequence[Kill | None]], *, fresh: bool = False, steps: Sequence[Step] = STEPS
) -> Tally:
    """Put one house through every plan of kills, a few side by side."""
    tally, began = Tally(name), time.monotonic()
    queue = list(plans)
    total = len(queue)

    async def work() -> None:
        while queue:
            await put_through(bench, tally, queue.pop(), fresh=fresh, steps=steps)
            if sys.stderr.isatty():
                print(f"\r{name}: {tally.points}/{total}", end="", file=sys.stderr)

    await asyncio.gather(*(work() for _ in range(SIDE_BY_SIDE)))
    tally.seconds = time.monotonic() - began
    return tally


def plan(
    kills: Sequence[Kill], counts: points.Counts, *, step: int = 1, twice: int = 3, seed: int = SEED
) -> list[list[Kill | None]]:
    """Every `step`-th kill; every `twice`-th of them is followed by a second one while the next process recovers."""
    start = random.Random(seed).randrange(step)
    again = points.seconds(counts, seed)
    chosen = kills[start::step]
    return [[kill, next(again)] if twice and number % twice == 0 else [kill] for number, kill in enumerate(chosen)]


async def sweep_running(step: int = 1, **options: bool) -> Tally:
    """The house at work: every write of the loop's and of the writer's thread, from ready to rest."""
    async with open_bench(**options) as bench:
        counts = await points.count(bench, bench.life())
        name = "at work" + (" (naive)" if options.get("naive") else "")
        return await sweep(bench, name, plan(points.every(counts), counts, step=step))


async def sweep_due(step: int = 1) -> Tally:
    """Appointments fall due: every write from keeping them, over their common instant, to the last run's answer."""
    async with open_bench() as bench:
        counts = await points.count(bench, bench.life(steps=DUE))
        return await sweep(bench, "appointments", plan(points.every(counts), counts, step=step), steps=DUE)


async def sweep_errands(step: int = 1) -> Tally:
    """Errands with a model: every write from the text, over the model's answers, the rows and the acts, to the last reply."""
    async with open_bench(model=True) as bench:
        life = bench.life(steps=ERRANDS)
        counts = await points.count(bench, life)
        assert life.model is not None
        await life.model.aclose()
        return await sweep(bench, "errands with a model", plan(points.every(counts), counts, step=step), steps=ERRANDS)


async def sweep_letters(step: int = 1, **options: bool) -> Tally:
    """WhatsApp through a Twilio that misbehaves: every write from the webhook to the last state that is told."""
    async with open_bench(letters=True, **options) as bench:
        life = bench.life(steps=LETTERS)
        counts = await points.count(bench, life)
        await life.twilio.__aexit__()
        name = "whatsapp" + (" (naive)" if options.get("naive") else "")
        return await sweep(bench, name, plan(points.every(counts), counts, step=step), steps=LETTERS)


async def sweep_first_start(step: int = 1) -> Tally:
    """An empty folder: every write of making the files, and of the first three texts."""
    async with open_bench() as bench:
        counts = await points.count(bench, bench.life(fresh=True, steps=FIRST), "start")
        kills = [kill for kill in points.every(counts, "start") if kill.thread == "main"]
        return await sweep(bench, "first start", plan(kills, counts, step=step), fresh=True, steps=FIRST)


async def sweep_migration(step: int = 1) -> Tally:
    """A newer schema: every write of the copy and of the change."""
    async with open_bench(migrate=True) as bench:
        async with open_bench() as older:
            bench.template = bench.folder / "template"
            assert older.template is not None
            older.template.rename(bench.template)
        counts = await points.count(bench, bench.life(steps=FIRST), "start")
        kills = [kill for kill in points.every(counts, "start") if kill.thread == "main"]
        return await sweep(bench, "migration", plan(kills, counts, step=step), steps=FIRST)


async def sweep_errors(step: int = 1) -> Tally:
    """A full or failing disk at every write: once, and for a while; nothing may be half-written or wrongly told as done."""
    async with open_bench() as bench:
        counts = await points.count(bench, bench.life())
        writer = [kill for kill in points.every(counts) if kill.thread == "writer" and kill.call in ERRORS]
        once = [replace(kill, what=f"error={ERRORS[kill.call]}") for kill in writer]
        awhile = [replace(kill, when=f"{kill.when}..{int(kill.when) + AWHILE}") for kill in once[::3]]
        kills = sorted([*once, *awhile], key=lambda kill: (kill.call, int(kill.when.partition(".")[0]), kill.when))
        return await sweep(bench, "full or failing disk", plan(kills, counts, step=step, twice=0))


def show(tally: Tally, *, must_double: bool = False) -> bool:
    """Print a line and what was wrong; True where it is as it should be."""
    print(tally, flush=True)
    if must_double:
        return tally.doubled > 0
    print(*(f"  {words}\n" for words in tally.words), sep="", end="", flush=True)
    return not tally.words


async def everything(step: int) -> bool:
    """Every sweep and its control, one line each."""
    print(HEAD)
    good = [show(await work(step)) for work in SWEEPS.values()]
    good.append(show(await sweep_running(step * CONTROL, naive=True), must_double=True))
    good.append(show(await sweep_letters(step * CONTROL, naive=True), must_double=True))
    good.append(show(await sweep_whole(max(8, WHOLE // step))))
    print(f"\n{power.HEAD}")
    for full in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            cuts = await power.cut(Path(folder), full=full, most=None if step == 1 else STATES)
        print(cuts, flush=True)
        good.append(not (cuts.broken or cuts.corrupt) if full else cuts.broken > 0)
    return all(good)


SWEEPS = {
    "running": sweep_running,
    "due": sweep_due,
    "errands": sweep_errands,
    "letters": sweep_letters,
    "start": sweep_first_start,
    "migration": sweep_migration,
    "errors": sweep_errors,
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th point, from a seeded start")
    parser.add_argument("--naive", action="store_true", help="only the negative control")
    parser.add_argument("--only", choices=SWEEPS)
    chosen = parser.parse_args()
    if chosen.naive:
        print(HEAD)
        good = show(asyncio.run(sweep_running(chosen.every, naive=True)), must_double=True)
    elif chosen.only:
        print(HEAD)
        good = show(asyncio.run(SWEEPS[chosen.only](chosen.every)))
    else:
        good = asyncio.run(everything(chosen.every))
    sys.exit(not good)


if __name__ == "__main__":
    main()
