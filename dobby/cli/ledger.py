"""`dobby ledger`: what Dobby did, for whom, and what became of it, straight from the rows.

It reads only; it works while Dobby runs and while he does not.
"""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from dobby.cli.options import state_option
from dobby.errors import StoreError
from dobby.journal import inbox, read_journal
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow, latest
from dobby.journal.pack import REMEMBER


@click.command(name="ledger")
@state_option
@click.option("--device", default="", help="Only this device's id.")
@click.option("--limit", default=30, show_default=True, help="How many rows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
def ledger(folder: Path, device: str, limit: int, as_json: bool) -> None:
    """Show what was done: time, state, device, call, and the words that asked for it."""
    if not (folder / "journal.db").exists():
        raise StoreError(f"There is no journal in {folder}.")
    with read_journal(folder) as db:
        rows = [_veiled(row, inbox.get(db, row.event)) for row in latest(db, limit, device)]
    for row, asked in rows:
        if as_json:
            click.echo(json.dumps(_plain(row) | {"said": asked.event.text, "person": asked.event.source.person}))
        else:
            at = datetime.fromtimestamp(row.at).strftime("%Y-%m-%d %H:%M:%S")
            said = asked.event.text.strip().replace("\n", " ")[:60]
            args = " ".join(f"{key}={value}" for key, value in row.call.args.items())
            click.echo(f"{at}  {row.state:<8} {row.call.device or row.call.tool}  {args}  ({asked.event.source.person}: {said})")


def _veiled(row: EffectRow, asked: EventRow) -> tuple[EffectRow, EventRow]:
    """What somebody told Dobby for himself alone is no reading for others."""
    if row.call.tool != REMEMBER or not row.call.args.get("private"):
        return row, asked
    call = replace(row.call, args={"private": True})
    return replace(row, call=call, after={}), replace(asked, event=replace(asked.event, text="(private)"))


def _plain(row: EffectRow) -> dict[str, object]:
    names = ("id", "event", "state", "risk", "before", "after", "echoed", "why", "at")
    return {name: getattr(row, name) for name in names} | {
        "device": row.call.device,
        "tool": row.call.tool,
        "args": dict(row.call.args),
    }
