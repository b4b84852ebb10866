"""`dobby mind --scripted FILE`: a scripted model on loopback, to replay a conversation without any real one.

It does not know what the script is about.
"""

import asyncio
import contextlib
from pathlib import Path

import click

from dobby.dollhouse.scripted import Scripted, read_script


@click.command()
@click.option(
    "--scripted", "file", required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True), help="The script."
)
@click.option("--port", default=8322, show_default=True, help="0 is any free one.")
@click.option("--key", default="", help="The key that must be sent; none is needed by default.")
def mind(file: Path, port: int, key: str) -> None:
    """Serve the Messages API from a script, as a model would that always says the same.

    \b
    - said: tell me a story              # a pattern in the person's last words
      text: Once there was a lamp.
    - said: party                        # use tools, one or several
      use: [{find: {room: patio}}, {set: {devices: [Patio string], wanted: {on: true}}}]
    - after: done                        # a pattern in the results of the last tools
      text: Lights are on. Who brings the ice?
    - said: anything else
      status: 529                        # or 401, 429, 500; retry_after: 2; stall: 30; cut: true; raw: "{"; stop: refusal

    \b
    Point Dobby at it in dobby.toml:   [model]
                                       mind = "scripted"
                                       base_url = "http://127.0.0.1:8322"

    Each line answers once (times: 3, or 0 for always). A request that no line answers gets an error and is printed here.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Scripted(read_script(file), key=key), port))


async def _serve(model: Scripted, port: int) -> None:
    click.echo(f"A scripted model at {await model.open(port)}. Ctrl-C ends it.")
    try:
        seen = 0
        while True:
            await asyncio.sleep(0.2)
            for lost in model.lost[seen:]:
                click.echo(f"no line of the script answers: {lost[:500]}", err=True)
            seen = len(model.lost)
    finally:
        await model.aclose()
