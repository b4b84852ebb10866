"""`dobby cost`: what was spent, on what and for whom, straight from the rows.

It reads only; it works while Dobby runs and while he does not.
"""

import json
import time
import tomllib
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import click

from dobby.cli.options import shared
from dobby.config import read_config
from dobby.errors import StoreError
from dobby.journal import costs, read_journal


@click.command()
@shared
@click.option("--by", type=click.Choice(list(costs.BY)), default="day", show_default=True, help="Added up by what.")
@click.option("--days", default=31, show_default=True, help="How far back.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
def cost(config: Path, folder: Path, by: str, days: int, as_json: bool) -> None:
    """Show what was spent: by day, person, provider, role of the model, skill, kind, or kind and direction of message.

    Messages are counted at [whatsapp.prices], else at Twilio's own fee.
    """
    own = read_config(config).whatsapp.prices
    prices = tomllib.loads(files("dobby.bridge.provider").joinpath("prices.toml").read_text("utf-8")) | dict(own)
    if not (folder / "journal.db").exists():
        raise StoreError(f"There is no journal in {folder}.")
    with read_journal(folder) as db:
        rows = costs.summary(db, by, time.time() - days * 86400, prices)
    for row in rows:
        detail = "  ".join(f"{name} {value:,.0f}" for name, value in row.detail.items())
        click.echo(
            json.dumps(asdict(row)) if as_json else f"{row.key or '-':<24} {row.amount:10.4f} {row.unit}  {row.times}×  {detail}"
        )
    if not rows and not as_json:
        click.echo("Nothing was spent.")
