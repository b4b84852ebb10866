"""`dobby chat`: talk to the running Dobby from this machine.

It does not know what the words mean; the rows are the conversation, so nothing is lost when either side ends.
"""

import asyncio
import sys
import uuid
from pathlib import Path

import click

from dobby.cli.line import Line
from dobby.cli.options import state_option


@click.command()
@state_option
@click.argument("text", nargs=-1)
def chat(folder: Path, text: tuple[str, ...]) -> None:
    """Talk to the running Dobby; with TEXT, say that, print the answer and end.

    \b
    dobby chat                        a conversation, Ctrl-D ends it
    dobby chat kitchen lights off     one sentence, one answer
    """
    asyncio.run(_once(folder, " ".join(text)) if text else _talk(folder))


async def _once(folder: Path, text: str) -> None:
    async with Line(folder) as line:
        await line.ask("say", id=uuid.uuid4().hex, text=text)
        async with asyncio.timeout(60.0):
            async for said in line.said():
                show(said)
                return


async def _talk(folder: Path) -> None:
    async with Line(folder) as line:
        recent = await line.ask("lines", limit=10)
        for row in recent["lines"]:
            click.echo(f"{'  you' if row['mine'] else 'dobby'}> {row['text']}")
        showing = asyncio.create_task(_show_all(line))
        loop = asyncio.get_running_loop()
        while text := await loop.run_in_executor(None, sys.stdin.readline):
            if text.strip():
                await line.ask("say", id=uuid.uuid4().hex, text=text.strip())
        await asyncio.sleep(0.3)
        showing.cancel()


async def _show_all(line: Line) -> None:
    async for said in line.said():
        show(said)
    click.echo("Dobby has hung up.", err=True)


def show(said: dict[str, object]) -> None:
    """One message, with the answers that are offered."""
    options = said.get("options") or []
    assert isinstance(options, list)
    click.echo(f"dobby> {said['text']}" + (f"  [{' / '.join(map(str, options))}]" if options else ""))
