"""One house through one life of deaths: start, say the steps, be killed, start again, and come to rest.

Where a process is to die is a `Kill`; strace delivers it. It does not judge what came of it (`verdict`).
"""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dobby.dollhouse.scripted import Scripted
from tests.crash.errands import ERRANDS, answer
from tests.crash.letters import LETTERS, ONCE, config_of, open_twilio
from tests.crash.outside import Outside, World
from tests.crash.scenario import STEPS, Step

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds until a process that neither dies nor comes to rest counts as stuck
STARTS = 8  # of one house at most
OPEN = ("events", "waiting", "outbox", "effects", "due", "untold")
LATER = 200.0  # seconds the clock is put forward so that unanswered questions run out


class Died(Exception):
    """The process under test is gone."""


class Stuck(Exception):
    """It neither died nor came to rest."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What befalls one thread at its `when`-th call of one name, counted from a gate; `"5+"`: and at every later one."""

    call: str
    when: str
    thread: str = "main"  # main | writer
    gate: str = "ready"  # start: nothing was opened yet; ready: nothing was taken up yet
    what: str = "signal=KILL"

    @property
    def kills(self) -> bool:
        """A death, not an error that the process is to live with."""
        return self.what == "signal=KILL"

    def __str__(self) -> str:
        what = "" if self.kills else f" {self.what}"
        return f"{self.thread} {self.call} {self.when}{what}" + (" from the start" if self.gate == "start" else "")


@dataclass(slots=True)
class Life:
    """A house's folder, its outside, what was acknowledged, and how often it died."""

    name: str
    home: Path
    world: World
    steps: Sequence[Step] = STEPS
    acked: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    refused: int = 0
    ahead: float = 0.0  # seconds by which the clock was put forward
    deaths: int = 0
    notes: list[str] = field(default_factory=list)
    model: Scripted | None = None
    twilio: Any = None

    @property
    def busy(self) -> bool:
        """Twilio has something on its way."""
        return self.twilio is not None and bool(self.twilio.busy)

    def saw(self, step: Step, words: str) -> bool:
        """Has whoever says this step seen these words?"""
        if self.twilio is not None:
            return any(words in one.body for one in self.twilio.shown(f"whatsapp:{step.chat}"))
        return self.world.saw(f"{step.bridge}/{step.chat}", words)


class Process:
    """One running composition: its line, and a tracer where it is to die."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid, self._reader, self._writer = pid, reader, writer
        self._tracer: asyncio.subprocess.Process | None = None

    async def line(self) -> dict[str, Any]:
        """Its next line."""
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._reader.readline()
        except ConnectionError as error:
            raise Died from error
        except TimeoutError as error:
            raise Stuck("no line") from error
        if not line.endswith(b"\n"):
            raise Died
        found: dict[str, Any] = json.loads(line)
        return found

    async def ask(self, **what: Any) -> dict[str, Any]:
        """One request, one answer."""
        try:
            self._writer.write(json.dumps(what).encode() + b"\n")
            await self._writer.drain()
        except ConnectionError as error:
            raise Died from error
        return await self.line()

    def go(self) -> None:
        """Open the gate it waits at."""
        self._writer.write(b"{}\n")

    async def trace(self, thread: int, *arguments: str) -> None:
        """Attach strace to one thread; returns when it has."""
        command = ["strace", *arguments, "-p", str(thread)]
        self._tracer = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
        assert self._tracer.stderr is not None
        line = await self._tracer.stderr.readline()
        if b"attached" not in line:
            raise RuntimeError(f"strace: {line.decode()}")

    async def arm(self, kill: Kill, thread: int, trace: Path) -> None:
        """It will die there."""
        inject = f"inject={kill.call}:{kill.what}:when={kill.when}"
        await self.trace(thread, "-o", str(trace), "-e", f"trace={kill.call}", "-e", inject)

    async def end(self) -> None:
        """Let go of it, whatever it is doing."""
        self._writer.close()
        if self._tracer is not None:
            if self._tracer.returncode is None:
                with contextlib.suppress(TimeoutError, ProcessLookupError):
                    async with asyncio.timeout(5.0):
                        await self._tracer.wait()
                if self._tracer.returncode is None:
                    self._tracer.kill()
            await self._tracer.wait()


class Bench:
    """Where houses are put through it: the outside, a folder in memory, a process that forks compositions."""

    def __init__(self, folder: Path, outside: Outside, forks: asyncio.subprocess.Process, options: dict[str, Any]) -> None:
        self.folder, self.outside, self._forks, self._options = folder, outside, forks, options
        self.template: Path | None = None
        self._number = 0

    def life(self, *, fresh: bool = False, steps: Sequence[Step] = STEPS) -> Life:
        """A new house: furnished, or (`fresh`) an empty folder."""
        self._number += 1
        name = f"life{self._number}"
        home = self.folder / name
        if fresh or self.template is None:
            home.mkdir()
        else:
            shutil.copytree(self.template, home)
        self.outside.worlds[name] = World()
        return Life(name, home, self.outside.worlds[name], steps)

    def forget(self, life: Life) -> None:
        """Its folder goes."""
        shutil.rmtree(life.home, ignore_errors=True)
        for path in (self.trace(life), self.errors(life)):
            path.unlink(missing_ok=True)
        self.outside.worlds.pop(life.name)

    async def start(self, life: Life, kill: Kill | None = None, **options: Any) -> Process:
        """One process up to its gates, armed, and let through. It may die on the way."""
        process = await self.born(life, **options)
        try:
            if kill is not None and kill.gate == "start":
                await process.arm(kill, process.pid, self.trace(life))
            process.go()
            threads = (await process.line())["threads"]
            if kill is not None and kill.gate == "ready":
                await process.arm(kill, threads[kill.thread], self.trace(life))
            process.go()
            port = (await process.line()).get("port")
            if life.twilio is not None:
                life.twilio.webhook = f"http://127.0.0.1:{port}"
        except BaseException:
            await process.end()
            raise
        return process

    async def born(self, life: Life, **options: Any) -> Process:
        """A process that waits at its first gate."""
        ready: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self.outside.births[life.name] = lambda *line: ready.set_result(Process(*line))
        if life.steps is ERRANDS and life.model is None:
            life.model = Scripted(partial(answer, life.world))
            await life.model.open()
        if life.steps is LETTERS and life.twilio is None:
            life.twilio = await open_twilio(self._number)
        chosen = {
            **self._options,
            **({"twilio": config_of(life.twilio)} if life.twilio else {}),
            **({"model": life.model.address} if life.model else {}),
            **options,
            "home": str(life.home),
            "outside": str(self.outside.path),
            "at": life.name,
            "ahead": life.ahead,
            "errors": str(self.errors(life)),
        }
        assert self._forks.stdin is not None
        self._forks.stdin.write(json.dumps(chosen).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return await ready

    def trace(self, life: Life) -> Path:
        """What the tracer saw of the last armed process."""
        return self.folder / f"{life.name}.trace"

    def errors(self, life: Life) -> Path:
        """Where its processes' complaints go."""
        return self.folder / f"{life.name}.errors"


async def live(bench: Bench, life: Life, kills: Sequence[Kill | None], *, hurry: bool = False, **options: Any) -> None:
    """Start it again and again, each time with the next kill, until one process has brought everything to its end."""
    for start in range(STARTS):
        process: Process | None = None
        try:
            process = await bench.start(life, kills[start] if start < len(kills) else None, **options)
            await drive(process, life, hurry=hurry)
            return
        except Died:
            life.deaths += 1
        finally:
            if process is not None:
                await process.end()
    raise Stuck(f"it died {life.deaths} times")


@contextlib.asynccontextmanager
async def open_bench(**options: Any) -> AsyncIterator[Bench]:
    """A bench in memory (a kill loses nothing that the kernel has; power cuts are `power`'s business), gone at the end."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="dobby-crash-", dir=memory if memory.is_dir() else None) as name:
        outside = Outside(Path(name))
        await outside.open()
        needed = ["anthropic", "httpx2", "dobby.wits.wire"] if options.pop("model", False) else []
        needed += ["dobby.bridge.provider.webhook", "twilio.rest.api.v2010.account"] if options.get("letters") else []
        command = [sys.executable, "-m", "tests.crash.composition", "--fork", *needed]
        forks = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE)
        bench = Bench(Path(name), outside, forks, options)
        try:
            await _furnish(bench)
            yield bench
        finally:
            assert forks.stdin is not None
            forks.stdin.close()
            await forks.wait()
            await outside.aclose()


async def _furnish(bench: Bench) -> None:
    """A house with its schema and its people, to begin the others from."""
    life = bench.life(fresh=True, steps=())
    await live(bench, life, ())
    bench.template = life.home


async def drive(process: Process, life: Life, *, hurry: bool = False) -> None:
    """Say what has not been acknowledged yet, wait until everything has come to rest, and let it quit.

    `hurry` puts the clock forward while waiting, for a process that pauses because its disk is sick.
    """
    for step in life.steps:
        if step.key not in life.acked and await _in_turn(process, life, step, hurry):
            await _say(process, life, step, hurry)
    await _rest(process, life, hurry)
    await process.ask(quit=True)


async def _status(process: Process, life: Life, seconds: float) -> dict[str, Any]:
    """How things stand, with the clock put forward."""
    life.ahead += seconds
    if life.twilio is not None:
        life.twilio.ahead = life.ahead
    return await process.ask(later=seconds)


async def _say(process: Process, life: Life, step: Step, hurry: bool) -> None:
    """As a provider does: again and again under one key until it is acknowledged; and once more for good measure."""
    if life.twilio is not None:
        await _write(process, life, step)
        return
    request = {"say": step.text, "key": step.key, "bridge": step.bridge, "chat": step.chat}
    while "ack" not in await process.ask(**request):
        life.refused += 1
        await asyncio.sleep(0.02)
        if hurry:
            await _status(process, life, 1.0)
    life.acked.add(step.key)
    if step.key == "m2" and (await process.ask(**request)).get("new"):
        life.notes.append("a repeated key was taken for a new text")


async def _write(process: Process, life: Life, step: Step) -> None:
    """Through Twilio, which tells the webhook again and again, or (`ONCE`) a single time: the rest is for Dobby to find out."""
    while step.key not in life.acked:
        again = step.key not in life.twilio.messages or step.key not in ONCE
        taken = again and await life.twilio.write(f"whatsapp:{step.chat}", step.text, sid=step.key)
        if taken or (await process.ask(known=step.key))["known"]:
            life.acked.add(step.key)
        else:
            life.refused += 1
            await _status(process, life, 5.0)
            await asyncio.sleep(0.02)


async def _in_turn(process: Process, life: Life, step: Step, hurry: bool) -> bool:
    """Wait until what it answers can be seen; False where that will not happen any more."""
    while step.after and not life.saw(step, step.after):
        how = await _status(process, life, 1.0 if hurry else 0.0)
        if not life.busy and not any(how[name] for name in ("events", "outbox", "untold")) and not life.saw(step, step.after):
            life.skipped.add(step.key)
            return False
        await asyncio.sleep(0.01)
    return True


async def _rest(process: Process, life: Life, hurry: bool) -> None:
    """Until nothing is open; questions that nobody will answer run out by the clock."""
    until = asyncio.get_running_loop().time() + PATIENCE
    ahead = 0
    while True:
        how = await _status(process, life, 1.0 if hurry else 0.0)
        if how["idle"] and not life.busy and not any(how[name] for name in OPEN):
            return
        if how["idle"] and how["due"] and not any(how[name] for name in ("events", "outbox", "effects")):
            await _status(process, life, 5.0)
            continue
        if how["idle"] and not any(how[name] for name in ("events", "outbox", "effects")) and ahead < 5:
            ahead += 1
            await _status(process, life, LATER)
        if asyncio.get_running_loop().time() > until:
            raise Stuck(f"not at rest: {how}")
        await asyncio.sleep(0.01)
