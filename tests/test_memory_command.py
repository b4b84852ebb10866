"""`dobby memory`: in the owner's hands, beside a running Dobby and without one."""

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dobby.clock import SystemClock
from dobby.events import Call, EffectClass, EffectState, Event, Role, Source
from dobby.journal import inbox, ledger, open_journal
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import REMEMBER
from dobby.memory import Memory, open_memory
from dobby.memory.requests import page, read_page
from dobby.people import People, Person

OWNER = Source("owner", Role.OWNER, "web", "owner")
TOM = Source("tom", Role.OWNER, "web", "tom")
NOW = 1_772_000_000.0


async def furnish(folder: Path) -> None:
    journal = open_journal(folder)
    people = People(journal, SystemClock())
    await people.keep(Person("owner", "Anna", Role.OWNER))
    await people.keep(Person("tom", "Tom", Role.OWNER))
    memory = open_memory(folder, people, journal=journal)
    number = await memory.note("The piano was tuned by Weber.", source=OWNER, at=NOW)
    await memory.learn("piano", "tuner", "Weber", note=number, since=NOW)
    await memory.note("The bins go out on Tuesdays.", source=TOM, at=NOW + 1)
    await memory.note("Anna's present is a kayak.", source=TOM, at=NOW + 2, private=True)
    await memory.aclose()
    await journal.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(furnish(tmp_path / "state"))
    return tmp_path / "state"


def dobby(folder: Path, *words: str, editor: str = "false", typed: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dobby", "memory", "--state", str(folder), *words]
    environment = {**os.environ, "EDITOR": editor, "VISUAL": editor}
    return subprocess.run(command, env=environment, input=typed, capture_output=True, text=True, timeout=60, check=False)


def editor(tmp_path: Path, script: str) -> str:
    """An editor that does what it is told with the page."""
    path = tmp_path / "editor"
    path.write_text(
        f"#!{sys.executable}\nimport sys\npath = sys.argv[1]\ntext = open(path).read()\n{script}\nopen(path, 'w').write(text)\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_it_is_searched_and_shown_and_what_is_private_to_others_is_not(folder: Path) -> None:
    assert "Weber" in dobby(folder, "search", "piano").stdout
    every = dobby(folder, "search").stdout
    assert "Tuesdays" in every and "kayak" not in every
    assert "kayak" not in dobby(folder, "search", "kayak").stdout and "no note" in dobby(folder, "show", "3").stderr
    shown = dobby(folder, "show", "1").stdout
    assert "tuned by Weber" in shown and "piano tuner: Weber" in shown
    assert "piano tuner: Weber" in dobby(folder, "show", "piano").stdout


def test_it_is_edited_as_markdown_with_history_and_restored(folder: Path, tmp_path: Path) -> None:
    script = "text = text.replace('tuned by Weber', 'tuned by Steiner') + '- private | The safe is behind the clock.\\n'"
    done = dobby(folder, "edit", editor=editor(tmp_path, script))
    assert done.stdout.startswith("1 corrected.\n0 notes"), done.stderr
    shown = dobby(folder, "history", "1").stdout
    assert "tuned by Steiner" in shown and ": The piano was tuned by Weber." in shown
    assert "until" in next(line for line in shown.splitlines() if "tuner: Weber" in line), "what it no longer says has ended"
    assert "(private)" in dobby(folder, "search", "safe").stdout
    assert "no longer so" not in shown, "a note that was corrected is what holds"
    assert "tuned by Weber" in dobby(folder, "restore", "1").stdout
    assert "until" not in next(line for line in dobby(folder, "show", "1").stdout.splitlines() if "tuner: Weber" in line)
    assert "never" in dobby(folder, "restore", "2").stderr


def test_a_line_that_is_deleted_is_forgotten(folder: Path, tmp_path: Path) -> None:
    script = "text = '\\n'.join(line for line in text.splitlines() if 'Weber' not in line)"
    assert "1 notes and 1 facts forgotten" in dobby(folder, "edit", editor=editor(tmp_path, script)).stdout
    assert not [path.name for path in folder.iterdir() if path.is_file() and b"Weber" in path.read_bytes()]


def test_a_page_that_cannot_be_read_changes_nothing_and_is_not_lost(folder: Path, tmp_path: Path) -> None:
    done = dobby(folder, "edit", editor=editor(tmp_path, "text = text.replace('Weber', 'Steiner') + 'what is this\\n'"))
    assert done.returncode == 1 and "is no note" in done.stderr and "Steiner" in done.stderr
    assert "Weber" in dobby(folder, "search", "piano").stdout


def test_it_is_forgotten_by_words(folder: Path) -> None:
    assert "1 notes" in dobby(folder, "forget", "bins go out").stdout
    for what in ("kayak", "99"):  # the first is private to somebody else
        done = dobby(folder, "forget", what)
        assert (done.returncode, done.stdout, "no such note" in done.stderr) == (1, "", True)
    with closing(sqlite3.connect(folder / "memory.db")) as db:
        assert db.execute("SELECT count(*) FROM note").fetchone()[0] == 2


def test_it_moves_house(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    assert dobby(folder, "export", str(file)).returncode == 0
    asyncio.run(furnish(tmp_path / "other"))
    file.write_text(file.read_text() + json.dumps({"text": "The attic key is red.", "at": NOW}) + "\n")
    assert "3 notes kept, 0 were there" in dobby(tmp_path / "other", "import", str(file)).stdout
    assert "0 notes kept, 3 were there" in dobby(tmp_path / "other", "import", str(file)).stdout
    assert "attic key is red" in dobby(tmp_path / "other", "search", "attic").stdout
    file.write_text("{oops\n")
    assert "Nothing was kept" in dobby(folder, "import", str(file)).stderr
    assert "# " not in dobby(folder, "export").stdout and "| shared |" in dobby(folder, "export", "--markdown").stdout


async def test_a_page_reads_back_as_it_was_written() -> None:
    memory: Memory = open_memory(None)
    texts = ["one", "two\nlines", "a | bar", "- a dash", "2026"]
    for text in texts:
        await memory.note(text, source=OWNER, at=NOW, private=text == "one")
    rows = await memory.lately(who=OWNER)
    assert {(text, private) for _, private, text in read_page(page(rows, memory))} == {(text, text == "one") for text in texts}
    await memory.aclose()


def test_without_a_state_it_says_so(tmp_path: Path) -> None:
    done = dobby(tmp_path, "search")
    assert done.returncode == 1 and "no Dobby's state" in done.stderr


async def keep_two(folder: Path) -> None:
    """Two effects: one that was told in private, one that was not."""
    journal = open_journal(folder)

    def rows(db: sqlite3.Connection) -> None:
        for number, (text, private) in enumerate((("remember that the safe code is 9313", True), ("the bins go out", False))):
            event, _ = inbox.receive(db, Event(f"web:{number}", OWNER, text=text, received=NOW))
            call = Call(REMEMBER, "", {"text": text, "facts": [], "private": private})
            ledger.write_down(db, EffectRow(0, event, call, EffectClass.BLIND, "comfort", EffectState.INTENDED, at=NOW))

    await journal.write(rows)
    await journal.aclose()


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_ledger_does_not_read_out_what_was_told_in_private(folder: Path, options: tuple[str, ...]) -> None:
    asyncio.run(keep_two(folder))
    command = [sys.executable, "-m", "dobby", "ledger", "--state", str(folder), *options]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "9313" not in told and "(private)" in told and "the bins go out" in told
