"""`dobby run`: the daemon in the foreground, until Ctrl-C or SIGTERM.

It does not know how Dobby is put together (`daemon`).
"""

import asyncio
import signal
from pathlib import Path

import click

from dobby.cli.options import shared
from dobby.config import read_config
from dobby.daemon import Dobby, live
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
    asyncio.run(_run(config, folder))


async def _run(config: Path, folder: Path) -> None:
    stop = stop_on_signals()
    await live(read_config(config), folder, stop, ready=_announce)


def stop_on_signals() -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    return stop


def _announce(dobby: Dobby) -> None:
    where = f"on {dobby.web.url}" if dobby.web else "with no chat page (web.on = false)"
    click.echo(f"Dobby is ready {where}. `dobby login` opens the page, `dobby chat` talks here.", err=True)
