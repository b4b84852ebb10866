"""`dobby token`: lets a phone's shortcut, a tablet on the wall or a voice satellite speak for somebody, by `POST /say`.

It does not know what such a thing says (the web bridge).
"""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from dobby.cli.line import Line
from dobby.cli.options import state_option


@click.command()
@state_option
@click.argument("name", default="")
@click.option("--person", default="owner", show_default=True, help="For whom it speaks: what they may do, it may.")
@click.option("--room", default="", help='Where it stands: "the light" is the light there.')
@click.option("--end", is_flag=True, help="End this thing's token instead.")
def token(folder: Path, name: str, person: str, room: str, end: bool) -> None:
    """Make a token for a thing called NAME, shown this once; without a NAME, list all that have one.

    The thing posts texts to /say and gets answers back. A person who is removed, or has lost their phone, takes their
    tokens along.
    """
    if end and not name:
        raise click.UsageError("Say whose token ends: `dobby token NAME --end`.")
    asyncio.run(_token(folder, name, person, room, end))


async def _token(folder: Path, name: str, person: str, room: str, end: bool) -> None:
    async with Line(folder) as line:
        if not name:
            things = (await line.ask("tokens"))["things"]
            for known, whose, where, made in things:
                click.echo(
                    f"{known}  for {whose}{f' in {where}' if where else ''}  since {datetime.fromtimestamp(made):%Y-%m-%d}"
                )
            click.echo("" if things else "Nothing has a token yet: `dobby token NAME` makes one.", nl=not things)
        elif end:
            await line.ask("end_token", name=name)
            click.echo(f"{name} speaks for nobody any more.")
        else:
            made = await line.ask("token", name=name, person=person, room=room)
            click.echo(f"{made['token']}\n(shown only now; `dobby token {name!r} --end` ends it)\n\nTry it:")
            click.echo(f"curl {made['url']}/say -H 'Authorization: Bearer {made['token']}' \\")
            click.echo("  -H 'Content-Type: application/json' -d '{\"text\": \"what is on?\"}'")
