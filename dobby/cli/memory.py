"""`dobby memory`: look into what he keeps, correct it, move it, have it forgotten.

It asks the Dobby who runs, else takes his folder for a moment. Notes that are private to others are not shown. It does not
know what is kept.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from dobby.cli.line import Line, NotRunning
from dobby.cli.options import state_option
from dobby.clock import SystemClock
from dobby.errors import DobbyError
from dobby.journal import open_journal
from dobby.memory import open_memory
from dobby.memory.requests import answer
from dobby.people import People
from dobby.store import FolderLock

BATCH = 50  # rows of one request


@click.group()
@state_option
@click.pass_context
def memory(ctx: click.Context, folder: Path) -> None:
    """What he remembers: search, show, edit, forget, history, restore, export, import."""
    ctx.obj = folder


def ask(folder: Path, do: str, **fields: Any) -> dict[str, Any]:
    """One request to the memory, wherever it is."""
    if not (folder / "journal.db").exists():
        raise DobbyError(f"There is no Dobby's state in {folder}.")
    return asyncio.run(_ask(folder, {"do": do, **fields}))


async def _ask(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    try:
        async with Line(folder) as line:
            return await line.ask("memory", **request)
    except NotRunning:
        lock, journal = FolderLock(folder), open_journal(folder)
    kept = open_memory(folder, people := People(journal, SystemClock()), journal=journal)
    try:
        return await answer(kept, people, request)
    finally:
        await kept.aclose()
        await journal.aclose()
        lock.release()


@memory.command()
@click.argument("words", nargs=-1)
@click.option("--limit", default=20, show_default=True, help="How many notes.")
@click.pass_obj
def search(folder: Path, words: tuple[str, ...], limit: int) -> None:
    """Notes that fit WORDS best, or the newest."""
    click.echo(ask(folder, "search", text=" ".join(words), limit=limit)["told"])


@memory.command()
@click.argument("what")
@click.pass_obj
def show(folder: Path, what: str) -> None:
    """A note by its number, with what follows from it and what it said before; or what is known about somebody or something."""
    click.echo(ask(folder, "show", what=what)["told"])


memory.add_command(show, "history")


@memory.command()
@click.argument("words", nargs=-1)
@click.option("--limit", default=100, show_default=True, help="How many notes are on the page.")
@click.pass_obj
def edit(folder: Path, words: tuple[str, ...], limit: int) -> None:
    """Notes as Markdown in $EDITOR: change words, delete lines to forget, add lines to keep."""
    found = ask(folder, "search", text=" ".join(words), limit=limit)
    page: str | None = click.edit(found["page"], extension=".md")
    if page is None or page == found["page"]:
        click.echo("Nothing was changed.")
        return
    try:
        done = ask(folder, "edit", page=page, shown=[note["note"] for note in found["notes"]])
    except DobbyError:
        click.echo(page, err=True)  # what was typed is not lost
        raise
    left = f" Left alone, as they are somebody else's: {done['left']}." if done["left"] else ""
    loose = f" No longer held to until you tell him anew: {done['loose']}." if done["loose"] else ""
    click.echo(f"{done['changed']} corrected.{left}{loose}")
    _gone(done["forgotten"])


@memory.command()
@click.argument("what")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(folder: Path, what: str, yes: bool) -> None:
    """Forget a note by its number, or all that have these words in them: gone from the files' bytes, not to be undone."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Forget {'note ' if what.isdigit() else 'all notes with '}{what}, for good?", abort=True)
    done = ask(folder, "forget", what=int(what) if what.isdigit() else what)
    if not done["notes"]:
        raise click.ClickException("You may see no such note; nothing was forgotten.")
    _gone(done)


def _gone(done: dict[str, Any]) -> None:
    click.echo(f"{done['notes']} notes and {done['facts']} facts forgotten, {done['texts']} texts of conversations blanked.")
    for copy in (*done["copies"], *(["backups that were carried elsewhere"] if done["notes"] else [])):
        click.echo(f"Still in: {copy}")


@memory.command()
@click.argument("note", type=int)
@click.pass_obj
def restore(folder: Path, note: int) -> None:
    """What a note said before it was last corrected counts again."""
    click.echo(f"{note}: {ask(folder, 'restore', note=note)['text']}")


@memory.command(name="export")
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@click.option("--markdown", is_flag=True, help="To read, not to import.")
@click.pass_obj
def write_out(folder: Path, file: Any, markdown: bool) -> None:
    """All notes you may see, as JSON lines."""
    found = ask(folder, "search", limit=10_000_000)
    file.write(found["page"] if markdown else "".join(json.dumps(n, ensure_ascii=False) + "\n" for n in found["notes"][::-1]))


@memory.command(name="import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.pass_obj
def read_in(folder: Path, file: Any) -> None:
    """Keep the notes of such a file as your own; what is there already is left."""
    try:
        rows = [json.loads(line) for line in file if line.strip()]
    except (ValueError, UnicodeDecodeError) as error:
        raise DobbyError(f"{file.name} is no file of JSON lines: {error}. Nothing was kept.") from error
    kept = sum(ask(folder, "import", rows=rows[at : at + BATCH])["kept"] for at in range(0, len(rows), BATCH))
    click.echo(f"{kept} notes kept, {len(rows) - kept} were there already.")
