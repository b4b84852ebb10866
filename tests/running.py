"""A whole Dobby inside a test's own loop, spoken to over his console socket; and skills written for the occasion."""

import asyncio
import textwrap
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dobby.alive import Dobby
from dobby.cli.line import Line
from dobby.config import parse_config
from dobby.live import live
from dobby.paths import shipped
from tests.patience import ENOUGH

SHIPPED = sorted(path.parent.name for path in shipped("skills").glob("[!_]*/SKILL.md"))

LAMP = '''
"""A lamp in memory."""
from dobby import Change, Device, Sign, act, specs, read, guarded, verbs

STATE = {"on": False, "brightness": 10}
LAMP = Device("{name}.lamp", "{name}", "{kind}", "{called}", room="Study", traits=specs("{kind}"), verbs=verbs("{kind}"))

class Driver:
    looks_for = [Sign("config", "{name}")]

    async def adopt(self, finding, ask, vault):
        yield LAMP

    async def attach(self, device): ...

    async def read(self, device):
        return dict(STATE)

    async def set(self, device, wanted):
        STATE.update(wanted)

    async def do(self, device, verb, **args): ...

    async def hear(self, devices):
        import asyncio
        while True:
            yield Change(LAMP.id, dict(STATE), available=True)
            await asyncio.sleep(0.1)

    async def aclose(self): ...

driver = Driver
'''


def lamp_skill(name: str, kind: str = "light", called: str = "Test lamp") -> str:
    """The code of a skill whose driver has one device in memory."""
    return LAMP.replace("{name}", name).replace("{kind}", kind).replace("{called}", called)


def write_skill(place: Path, name: str, code: str, *, front: str | None = None) -> Path:
    """A skill's folder; written again it is a changed skill."""
    folder = place / name
    folder.mkdir(parents=True, exist_ok=True)
    head = f"name: {name}\ndescription: A skill for a test.\n" if front is None else front
    (folder / "SKILL.md").write_text(f"---\n{head}---\n# {name}\n")
    (folder / "skill.py").write_text(textwrap.dedent(code))
    return folder


@asynccontextmanager
async def at_home(folder: Path, **tables: Any) -> AsyncIterator[Dobby]:
    """A Dobby that lives as long as the block, with no page and no shipped skills unless `tables` say so."""
    tables = {"web": {"on": False}, "discovery": {"on": False}} | tables
    tables["skills"] = {"off": SHIPPED} | tables.get("skills", {})
    stop = asyncio.Event()
    ready: asyncio.Future[Dobby] = asyncio.get_running_loop().create_future()
    life = asyncio.create_task(live(parse_config(tables), folder, stop, ready=ready.set_result))
    await asyncio.wait({life, ready}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await life
    try:
        yield ready.result()
    finally:
        stop.set()
        async with asyncio.timeout(ENOUGH):
            await life


async def ask(folder: Path, *texts: str) -> list[str]:
    """Say these one after the other on the console; what each was answered."""
    answers = []
    async with Line(folder) as line, asyncio.timeout(ENOUGH):
        for text in texts:
            event = (await line.ask("say", id=uuid.uuid4().hex, text=text))["event"]
            async for said in line.said():
                if said["event"] == event:
                    answers.append(said["text"])
                    break
    return answers


async def conversation(folder: Path) -> list[str]:
    """Everything that stands on the console."""
    async with Line(folder) as line:
        return [row["text"] for row in (await line.ask("lines", limit=500))["lines"]]
