"""`dobby chat`: talk to the running Dobby from this machine.

It does not know what the words mean; the rows are the conversation, so nothing is lost when either side ends.
"""

import asyncio
import contextlib
import sys
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import click

from dobby.cli.line import Line, NotRunning
from dobby.cli.options import state_option

PATIENCE = 30.0  # seconds an answer is waited for; later it can be read by whoever looks in


@click.command()
@state_option
@click.argument("text", nargs=-1)
def chat(folder: Path, text: tuple[str, ...]) -> None:
    """Talk to the running Dobby; with TEXT, say that, print the answer and end.

    \b
    dobby chat                        a conversation, Ctrl-D ends it
    dobby chat kitchen lights off     one sentence, one answer
    """
    asyncio.run(_chat(folder, " ".join(text)))


async def _chat(folder: Path, text: str) -> None:
    async with Line(folder) as line:
        talk = Talk(line)
        if text:
            await talk.say(text)
            show(await talk.answer())
        else:
            await talk.show_recent()
            await talk.hold()


class Talk:
    """A conversation at a terminal: `owed` are the texts that wait for their answer."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._answered: set[int] = set()
        self.owed: set[int] = set()

    async def say(self, text: str) -> None:
        """One text; it is on Dobby's disk when this returns."""
        told = await self._line.ask("say", id=uuid.uuid4().hex, text=text)
        self.owed.add(told["event"])

    async def answer(self) -> dict[str, object]:
        """What is said to a text of this talk.

        :raises NotRunning: nothing; it is answered all the same, once Dobby comes to it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                async for said in self._line.said():
                    if said["event"] in self.owed:
                        return said
        raise NotRunning("No answer yet. Your text is kept; `dobby chat` shows what came of it.")

    async def show_recent(self) -> None:
        """The last lines, so that one knows where one was."""
        for row in (await self._line.ask("lines", limit=10))["lines"]:
            click.echo(f"{'  you' if row['mine'] else 'dobby'}> {row['text']}")

    async def hold(self) -> None:
        """Until the end of the input and the last answer."""
        showing = asyncio.create_task(self._show_all())
        async for text in typed():
            if text.strip():
                await self.say(text.strip())
        until = asyncio.get_running_loop().time() + PATIENCE
        while self.owed - self._answered and not showing.done() and asyncio.get_running_loop().time() < until:
            await asyncio.wait({showing}, timeout=0.05)
        showing.cancel()

    async def _show_all(self) -> None:
        async for said in self._line.said():
            show(said)
            self._answered.add(said["event"])
        click.echo("Dobby has hung up.", err=True)


async def typed() -> AsyncIterator[str]:
    """Lines of the standard input, whatever it is; a thread reads, so that Ctrl-C need not wait for it."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the conversation has ended before the input
            for text in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, text)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while text := await lines.get():
        yield text


def show(said: dict[str, object]) -> None:
    """One message, with the answers that are offered."""
    options = said.get("options") or []
    assert isinstance(options, list)
    click.echo(f"dobby> {said['text']}" + (f"  [{' / '.join(map(str, options))}]" if options else ""))
