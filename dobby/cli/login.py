"""`dobby login`: a one-time code for the chat page, as an address and as a QR code for a phone.

It does not know how a code becomes a session (`people`, the web bridge).
"""

import asyncio
import sys
from pathlib import Path

import click

from dobby.cli.line import Line
from dobby.cli.options import state_option


@click.command()
@state_option
@click.option("--person", default="owner", show_default=True, help="Whose login it is.")
@click.option("--end", is_flag=True, help="End this person's sessions instead: a lost phone.")
def login(folder: Path, person: str, end: bool) -> None:
    """Print a one-time code for the chat page, good for 15 minutes and one use."""
    asyncio.run(_login(folder, person, end))


async def _login(folder: Path, person: str, end: bool) -> None:
    async with Line(folder) as line:
        if end:
            await line.ask("end_sessions", person=person)
            click.echo(f"Every session of {person} has ended.")
            return
        answer = await line.ask("code", person=person)
    show_login(answer["url"], answer["code"])


def show_login(url: str, code: str) -> None:
    """The address with its code in the fragment, which no server and no log ever sees; a QR code on a terminal."""
    click.echo(f"Open  {url}/#code={code}\n(one use, 15 minutes)")
    if sys.stdout.isatty():
        import segno

        segno.make(f"{url}/#code={code}", error="l").terminal(compact=True)
