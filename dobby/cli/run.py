"""`dobby run`: the daemon in the foreground, until Ctrl-C or SIGTERM.

It does not know how Dobby is put together (`daemon`).
"""

import asyncio
import gc
from pathlib import Path

import click

from dobby.alive import Dobby
from dobby.cli.options import shared
from dobby.cli.signals import stop_on_signals
from dobby.config import read_config
from dobby.live import live
from dobby.logs import start_logging


@click.command()
@shared
@click.option("--verbose", is_flag=True, help="Log everything.")
def run(config: Path, folder: Path, verbose: bool) -> None:
    """Run Dobby until Ctrl-C.

    Without a config file he listens on this machine only, finds what he can by himself and keeps his rows
    in the state folder. `dobby login` prints a one-time code for the chat page; `dobby chat` talks to him here.
    """
    start_logging(verbose)
    gc.disable()  # hardly anything is thrown away while all the libraries come in, but a sixth of the time goes into looking
    asyncio.run(_run(config, folder))


async def _run(config: Path, folder: Path) -> None:
    stop = stop_on_signals()
    await live(read_config(config), folder, stop, ready=_announce)


def _announce(dobby: Dobby) -> None:
    where = f"on {dobby.web.url}" if dobby.web else "with no chat page"
    gc.freeze()
    gc.enable()
    click.echo(f"Dobby is ready {where}. `dobby login` opens the page, `dobby chat` talks here.", err=True)
