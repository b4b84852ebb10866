"""A home whose Dobby has a model: a scripted one, over HTTP on loopback."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic

from dobby.config import ModelConfig
from dobby.dollhouse.scripted import Line, Request, Scripted
from dobby.mind.plain import PlainMind
from dobby.mind.route import Routed
from dobby.wits.thinking import Thinking
from dobby.wits.wire import think
from tests.fakes import Home, build, living

SDK = anthropic.__version__  # loaded here: it takes seconds that no test should wait for
Script = Sequence[Line] | Callable[[Request], Any]


@dataclass
class Minded:
    """A home, its model's server and the errands."""

    home: Home
    server: Scripted
    thinking: Thinking

    async def say(self, text: str, person: str = "anna", **more: Any) -> list[str]:
        return await self.home.say(person, text, **more)


def give(home: Home, server: Scripted, stack: AsyncExitStack, skills: Any = lambda: [], **options: Any) -> Thinking:
    """Wire a model to a home; options of `[model]` go under `config`."""
    plain = PlainMind(home.house)
    plain.warm()  # it takes seconds that no test should wait for
    home.desk.mind = home.mind = Routed(plain, skills, lambda: True)  # type: ignore[assignment]
    config = ModelConfig(**{"mind": "scripted", "base_url": server.address, "seconds": 10.0} | options.pop("config", {}))
    thinking = think(home.desk, config, plain, lambda: "k", skills, **{"pause": 0.01, **options})
    stack.push_async_callback(thinking.model.aclose)
    return thinking


@asynccontextmanager
async def minded(script: Script, folder: Path | None = None, *, checked: bool = True, **options: Any) -> AsyncIterator[Minded]:
    """A home with a model that says what the script says; at the end every line was asked for (if `checked`), and no other."""
    async with AsyncExitStack() as stack:
        server = Scripted(script)
        await server.open()
        stack.push_async_callback(server.aclose)
        home = await build(folder, **options.pop("home", {}))
        stack.push_async_callback(home.store.aclose)
        thinking = give(home, server, stack, **options)
        async with living(home):
            yield Minded(home, server, thinking)
        if checked:
            assert not server.lost
            assert callable(server.script) or all(line.used for line in server.script if line.times)
