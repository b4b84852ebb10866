"""`dobby try`: what would Dobby do with a sentence, in a house of virtual devices, without touching anything.

It does not know how he does it (`trial`).
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from dobby.errors import ConfigError
from dobby.house.load import load
from dobby.trial import Case, Trial, case_of, open_trial

log = logging.getLogger(__name__)


@click.command(name="try")
@click.argument("house", type=click.Path(path_type=Path))
@click.argument("sentences", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per sentence, in order.")
@click.option("--stdin", "from_stdin", is_flag=True, help='Read JSON lines {"say", "here"?, "now"?, "state"?, "yes"?, "keep"?}.')
@click.option("--yes", is_flag=True, help="Answer yes where Dobby asks leave for exactly what was said.")
@click.option("--keep", is_flag=True, help="One conversation: state, context and open questions go on.")
def trying(house: Path, sentences: tuple[str, ...], as_json: bool, from_stdin: bool, yes: bool, keep: bool) -> None:
    """Say SENTENCES to Dobby in the house of HOUSE.yaml and see what would become of it.

    \b
    dobby try home.yaml "kitchen lights off" "is the front door locked?"
    dobby try home.yaml --keep "unlock the front door" "yes"
    dobby try home.yaml --json --stdin < sentences.jsonl

    A house: `rooms: [{name, floor?, aliases?}]`, `devices: [{id, name, kind, room?, device_class?, aliases?,
    part_of?, unit?, state: {trait: value}}]`, and `here`, `now`, `units` (metric, us), `language` if you like.
    """
    try:
        loaded = load(house)
    except ConfigError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    if bool(sentences) == from_stdin:
        raise click.UsageError("say SENTENCES, or give lines with --stdin")
    spoken = [json.dumps({"say": text, "yes": yes, "keep": keep}) for text in sentences]
    lines = open(sys.stdin.fileno(), errors="replace", closefd=False) if from_stdin else spoken  # noqa: SIM115
    asyncio.run(_try(loaded, lines, as_json))


async def _try(loaded: Any, lines: Any, as_json: bool) -> None:
    zone = loaded.now.tzinfo if loaded.now else None
    async with open_trial(loaded) as trial:
        await asyncio.to_thread(trial.mind.warm)
        for line in lines:
            if line.strip():
                result = await _one(trial, line, zone)
                click.echo(json.dumps(result, ensure_ascii=False) if as_json else _told(result))


async def _one(trial: Trial, line: str, zone: Any) -> dict[str, Any]:
    said: Any = line.strip()
    try:
        row = json.loads(line)
        said = row.get("say")
        case: Case = case_of(row, zone)
    except (ValueError, AttributeError, TypeError) as error:
        return {"say": said, "error": f"not a case: {error}"}
    try:
        return await trial.say(case)
    except Exception as error:  # the next line must be answered all the same
        log.exception("A case failed")
        return {"say": said, "error": f"{type(error).__name__}: {error}"}


def _told(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"  error: {result['error']}"
    lines = [f"  you> {result['say']}", f"dobby> {result['reply']}"]
    lines += [f"       {row['device']}.{row['trait']}: {row['from']} -> {row['to']}" for row in result["changes"]]
    return "\n".join(lines)
