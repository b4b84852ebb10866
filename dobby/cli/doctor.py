"""`dobby doctor`: looks at everything that could be wrong and says what to do about it.

It changes nothing.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dobby import __version__
from dobby.cli.line import Line, NotRunning
from dobby.cli.options import shared
from dobby.config import Config, TwilioConfig, read_config
from dobby.errors import DobbyError
from dobby.journal import MIGRATIONS, read_journal
from dobby.skill.load import load_skills, misread
from dobby.vault import VaultFile
from dobby.wits.wire import trial

LITTLE = 500 * 2**20  # bytes of free disk below which it is said
# 3.51.3 mended the WAL-reset race; one writer keeps clear of it before.
OLDER = " (older than 3.51.3: safe, Dobby has a single writer)"
NEEDS = {"press": "its button pressed", "code": "a code, a key or a password"}
Finding = tuple[bool, str]


@click.command()
@shared
def doctor(config: Path, folder: Path) -> None:
    """Check the config, the disk, the rows, the skills and the running Dobby; exit status 1 if something is wrong."""
    sick = False
    for well, words in _look(config, folder):
        click.echo(f"{'ok  ' if well else 'SICK'}  {words}")
        sick = sick or not well
    raise SystemExit(1 if sick else 0)


def _look(config_path: Path, folder: Path) -> Iterator[Finding]:
    yield True, f"Dobby {__version__}, SQLite {sqlite3.sqlite_version}{OLDER * (sqlite3.sqlite_version_info < (3, 51, 3))}"
    try:
        config = read_config(config_path)
        yield True, f"config {config_path}{'' if config_path.exists() else ' (none: all defaults)'}"
    except DobbyError as error:
        yield False, str(error)
        config = Config()
    if config.whatsapp.account:
        yield from _whatsapp(config.whatsapp)
        yield from asyncio.run(_twilio(config.whatsapp, folder))
    for name in dict.fromkeys(filter(None, (config.model.mind, config.model.eyes, config.model.small))):
        trouble = asyncio.run(trial(config.model, name, folder))
        yield not trouble, f"model {name}: {trouble or 'answers'}"
    yield from _disk(folder)
    yield from _rows(folder)
    skills, broken = load_skills(config.skills.places, config.skills.off)
    yield not broken, f"skills: {', '.join(skills) or 'none'}"
    yield from ((False, words) for words in (broken | misread(skills, config.skills, broken)).values())
    yield from asyncio.run(_running(folder))


def _whatsapp(config: TwilioConfig) -> Iterator[Finding]:
    """What an alarm at night would want."""
    yield (
        bool(config.template),
        "whatsapp template" + ("" if config.template else " (whatsapp.template): alarms need it at night"),
    )
    yield (
        config.public_url.startswith("https://"),
        f"whatsapp.public_url {config.public_url or '(none: no pictures, and messages come in only every 20 seconds)'}",
    )


async def _twilio(config: TwilioConfig, folder: Path) -> list[Finding]:
    """What Twilio says of the account and of the template."""
    try:
        from dobby.bridge.provider.trying import examine
    except ImportError:
        return [(False, "whatsapp needs more: pip install 'dobby[whatsapp]'")]
    return await examine(config, VaultFile(folder / "vault.json").part("twilio"))


def _disk(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        yield True, f"state {folder} (not there yet: made at the first start)"
        return
    mode = folder.stat().st_mode & 0o077
    yield not mode, f"state {folder}" + (f": others may read it; chmod 700 {folder}" if mode else "")
    free = shutil.disk_usage(folder).free
    yield free > LITTLE, f"disk: {free / 2**30:.1f} GiB free" + ("" if free > LITTLE else "; free some before rows are refused")
    vault = folder / "vault.json"
    if vault.exists():
        loose = vault.stat().st_mode & 0o077 or vault.stat().st_uid != os.getuid()
        yield (
            not loose,
            "vault" + (f": only Dobby should own and read it; chmod 600 {vault}" if loose else ": only its owner reads it"),
        )


def _rows(folder: Path) -> Iterator[Finding]:
    if not (folder / "journal.db").exists():
        return
    try:
        with read_journal(folder) as db:
            whole = db.execute("PRAGMA quick_check").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            count = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("event", "effect", "outbox")}
            parked = db.execute("SELECT count(*) FROM event WHERE state = 'parked'").fetchone()[0]
    except sqlite3.Error as error:
        yield False, f"journal: {error}; restore a backup with `dobby restore`"
        return
    yield (
        whole == "ok" and version <= len(MIGRATIONS),
        f"journal: {whole}, schema {version} of {len(MIGRATIONS)}, " + ", ".join(f"{n} {k}s" for k, n in count.items()),
    )
    if parked:
        yield False, f"{parked} events are parked: they stopped Dobby three times; see `dobby ledger` and the log"


def _health(name: str, row: dict[str, Any]) -> str:
    """How one family is, and what to do about it."""
    words = [f"{row['devices']} devices" if row["devices"] else "nothing found yet"]
    if row["away"]:
        more = "" if row["away"] <= len(row["gone"]) else ", …"
        words.append(f"{row['away']} out of reach: {', '.join(row['gone'])}{more}")
    needs = [f"{place} needs {NEEDS.get(what, what)}" for place, what in row["needs"].items()]
    words += [f'{", ".join(needs)}: say "connect {name}" in the chat'] if needs else []
    return "; ".join([*words, *filter(None, [row["trouble"]])])


async def _running(folder: Path) -> list[Finding]:
    try:
        async with Line(folder) as line:
            status: dict[str, Any] = await line.ask("status")
    except NotRunning as error:
        return [(True, str(error))]
    found: list[Finding] = [(True, f"running since {status['since']}, page {status['page'] or 'off'}")]
    found += [(not row["trouble"], f"{name}: {_health(name, row)}") for name, row in status["families"].items()]
    found += [(not trouble, f"{name}: {trouble or 'well'}") for name, trouble in status["bridges"].items()]
    return found + [(False, words) for words in status["broken"].values()]
