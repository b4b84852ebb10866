"""`dobby dollhouse`: the simulated devices alone, so that any controller can be pointed at them.

It does not know Dobby.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import click

from dobby.cli.signals import stop_on_signals
from dobby.dollhouse.house import Dollhouse, described, open_dollhouse


@click.command()
@click.argument("families", nargs=-1)
@click.option("--port", default=1883, show_default=True, help="The MQTT broker's port on 127.0.0.1; 0 for any free one.")
@click.option("--house", type=click.Path(path_type=Path), help="A file of your own house: rows as in skills/NAME/dollhouse.toml.")
@click.option("--pace", default=1.0, show_default=True, help="How fast time goes for blinds, locks and rooms.")
def dollhouse(families: tuple[str, ...], port: int, house: Path | None, pace: float) -> None:
    """Run the dollhouse until Ctrl-C: a Sonos household and an MQTT broker with a dozen devices, on loopback.

    FAMILIES picks some of them (sonos, mqtt). Point Dobby, Home Assistant or an app of your own at the addresses printed.
    """
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_run(families, {"port": port, "pace": pace, "rows": described(house) if house else None}))


async def _run(families: tuple[str, ...], options: dict[str, Any]) -> None:
    stop = stop_on_signals()
    house = await open_dollhouse(families, **options)
    try:
        click.echo(as_config(house))
        click.echo("# The dollhouse is open; Ctrl-C closes it.", err=True)
        await stop.wait()
    finally:
        await house.aclose()


def as_config(house: Dollhouse) -> str:
    """What to put into `dobby.toml` to find these devices."""
    tables = (
        "\n".join([f"[skills.{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())])
        for name, table in house.skills.items()
    )
    return "\n\n".join(tables)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(row)}' for key, row in value.items())}}}"
    return str(list(value)).replace("'", '"') if isinstance(value, list | tuple) else f'"{value}"'
