"""Backup and restore: online, checked by opening, and nothing of a hostile archive believed."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

from dobby.backup import BackupError, Made, make, restore
from dobby.backup.databases import SCHEMAS
from dobby.backup.seal import WrongPassphrase, seal, unseal
from dobby.clock import FixedClock
from dobby.errors import DobbyError, Locked, SchemaTooNew
from dobby.house.history import History
from dobby.house.state import States
from dobby.journal import open_journal
from dobby.journal.household import set_setting, setting
from dobby.store import FolderLock

SECRETS = {"hue": {"key": "canary-4711"}}


async def furnish(folder: Path, colour: str = "green") -> Path:
    """A state folder with a row, a vault and an attachment."""
    journal = open_journal(folder)
    await journal.write(lambda db: set_setting(db, "colour", colour))
    await journal.aclose()
    history = History(folder / "history.db", States(FixedClock(0.0)), FixedClock(0.0))
    await history.aclose()
    (folder / "vault.json").write_text(json.dumps(SECRETS), "utf-8")
    (folder / "attachments" / "2026").mkdir(parents=True)
    (folder / "attachments" / "2026" / "door.jpg").write_bytes(os.urandom(5000))
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished folder and its backup, made once: the disk is slow, a copy is not."""
    folder = tmp_path_factory.mktemp("original")
    asyncio.run(furnish(folder / "state"))
    make(folder / "state", folder / "dobby.zip", "sesame")
    return folder


@pytest.fixture
def state(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original / "state", tmp_path / "state"))


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(original / "dobby.zip", tmp_path))


def colour(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        return setting(db, "colour")


def picture(folder: Path) -> dict[str, bytes]:
    """Everything under a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Whatever happens inside, this folder and its neighbours stay what they are."""
    (folder / "lock").touch(0o600)
    before = picture(folder.parent)
    yield
    assert picture(folder.parent) == before
    FolderLock(folder).release()


# Making


async def test_a_backup_brings_back_rows_history_attachments_and_vault(state: Path, archive: Path, tmp_path: Path) -> None:
    told = restore(tmp_path / "elsewhere", archive, "sesame")
    assert told.before is None
    for name in ("vault.json", "attachments/2026/door.jpg"):
        assert (tmp_path / "elsewhere" / name).read_bytes() == (state / name).read_bytes()
    assert colour(tmp_path / "elsewhere") == "green"
    assert (tmp_path / "elsewhere" / "history.db").exists()
    await open_journal(tmp_path / "elsewhere").aclose()


async def test_a_backup_while_a_writer_writes_a_thousand_rows_is_one_instant(state: Path, tmp_path: Path) -> None:
    journal = open_journal(state)

    async def write() -> None:
        for number in range(1000):
            await journal.write(partial(set_setting, name=f"row {number:04}", value=str(number)))
            if number == 20:
                begun.set()

    begun = asyncio.Event()
    writing = asyncio.create_task(write())
    await begun.wait()
    made: list[Made] = []
    while not writing.done():
        made.append(await asyncio.to_thread(make, state, tmp_path / f"{len(made)}.zip"))
    await writing
    await journal.aclose()
    for number, one in enumerate(made):
        restore(tmp_path / f"from {number}", one.file)
        with closing(sqlite3.connect(tmp_path / f"from {number}" / "journal.db")) as db:
            rows = [row[0] for row in db.execute("SELECT name FROM setting WHERE name LIKE 'row %' ORDER BY name")]
        assert rows == [f"row {index:04}" for index in range(len(rows))]
        assert 20 < len(rows) <= 1000


async def test_what_was_erased_is_in_no_backup(state: Path, tmp_path: Path) -> None:
    journal = open_journal(state)
    rows = [(f"secret {number}", "forget-me-not") for number in range(500)]
    await journal.write(lambda db: db.executemany("INSERT INTO setting VALUES (?, ?)", rows))
    await journal.write(lambda db: db.execute("DELETE FROM setting WHERE name LIKE 'secret%'"))
    make(state, tmp_path / "b.zip")
    await journal.aclose()
    with zipfile.ZipFile(tmp_path / "b.zip") as opened:
        assert b"forget-me-not" not in opened.read("journal.db")


async def test_without_a_passphrase_the_vault_is_left_out_and_that_is_said(state: Path, tmp_path: Path) -> None:
    made = make(state, tmp_path / "b.zip")
    assert "NOT in it" in str(made)
    with zipfile.ZipFile(tmp_path / "b.zip") as opened:
        assert "vault.sealed" not in opened.namelist()


def test_no_secret_is_readable_in_the_archive(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert not any(b"canary" in opened.read(name) for name in opened.namelist())


def test_nobody_else_may_read_the_archive_and_nothing_is_left_beside_it(original: Path) -> None:
    assert stat.S_IMODE((original / "dobby.zip").stat().st_mode) == 0o600
    assert sorted(path.name for path in original.iterdir()) == ["dobby.zip", "state"]


async def test_a_backup_that_fails_leaves_the_older_one(state: Path, archive: Path) -> None:
    before = archive.read_bytes()
    with (state / "journal.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff" * 60_000)
    with pytest.raises(BackupError):
        make(state, archive)
    assert archive.read_bytes() == before
    assert sorted(path.name for path in archive.parent.iterdir()) == ["dobby.zip", "state"]


@pytest.mark.parametrize("file", ["nowhere/b.zip", "state"])
def test_a_place_that_cannot_be_written_is_said(state: Path, file: str) -> None:
    with pytest.raises(BackupError, match="folder"):
        make(state, state.parent / file)


def test_no_journal_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no journal"):
        make(tmp_path, tmp_path / "b.zip")


async def test_every_database_that_dobby_makes_is_one_that_a_backup_knows(state: Path) -> None:
    for path in state.glob("*.db"):
        migrations = SCHEMAS[path.name]
        with closing(sqlite3.connect(path)) as db:
            assert migrations is not None
            assert db.execute("PRAGMA user_version").fetchone()[0] == len(migrations)


# Restoring


async def test_what_was_there_before_is_kept(state: Path, archive: Path) -> None:
    await open_and_set(state, "red")
    told = restore(state, archive, "sesame")
    assert colour(state) == "green"
    assert told.before is not None
    assert colour(told.before) == "red"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in state.rglob("*"))


async def open_and_set(folder: Path, value: str) -> None:
    journal = open_journal(folder)
    await journal.write(lambda db: set_setting(db, "colour", value))
    await journal.aclose()


def test_nothing_is_restored_under_a_running_dobby(state: Path, archive: Path) -> None:
    lock = FolderLock(state)
    before = picture(state)
    with pytest.raises(Locked, match="Stop him first"):
        restore(state, archive, "sesame")
    assert picture(state) == before
    lock.release()


async def test_a_backup_without_vault_leaves_the_present_secrets(state: Path, tmp_path: Path) -> None:
    make(state, tmp_path / "b.zip")
    told = restore(state, tmp_path / "b.zip")
    assert told.vault == "kept"
    assert json.loads((state / "vault.json").read_text()) == SECRETS


def test_without_vault_needs_no_passphrase(archive: Path, tmp_path: Path) -> None:
    assert restore(tmp_path / "new", archive, without_vault=True).vault == "none"
    assert not (tmp_path / "new" / "vault.json").exists()
    assert not (tmp_path / "new" / "vault.sealed").exists()


@pytest.mark.parametrize("passphrase", [None, "", "open"])
def test_a_wrong_passphrase_changes_nothing(state: Path, archive: Path, passphrase: str | None) -> None:
    with unchanged(state), pytest.raises(BackupError, match="passphrase"):
        restore(state, archive, passphrase)


def test_a_failed_restore_makes_no_folder(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError):
        restore(tmp_path / "new", archive, "open")
    assert [path.name for path in tmp_path.iterdir()] == ["dobby.zip"]
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="wants root: only root gives files to others")
def test_what_root_restores_belongs_to_whom_the_folder_belongs_to(state: Path, archive: Path) -> None:
    os.chown(state, 12345, 12345)
    restore(state, archive, "sesame")
    assert {path.stat().st_uid for path in [state, *state.rglob("*")]} == {12345}


# Archives of strangers


def forge(archive: Path, change: Callable[[dict[str, bytes], dict[str, Any]], object], **entry: Any) -> Path:
    """The archive with other files and another manifest; sizes and sums are made to fit, as a stranger would."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest)
    forged = archive.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("manifest.json", json.dumps(manifest))
        for name, body in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = entry.get("compress_type", zipfile.ZIP_DEFLATED)
            info.external_attr = entry.get("mode", 0) << 16
            made.writestr(info, body)
    return forged


def add(files: dict[str, bytes], manifest: dict[str, Any], name: str, body: bytes) -> None:
    import hashlib

    files[name] = body
    manifest["files"] = [piece for piece in manifest["files"] if piece["name"] != name]
    manifest["files"].append({"name": name, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "rows": {}})


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "/etc/escaped",
        "attachments/../../escaped",
        "attachments//x",
        "attachments/./x",
        "attachments\\..\\x",
        "attachments/\x1b[2Jx",
        "attachments/",
        "vault.json",
        "lock",
        "dobby.sock",
        "journal.db-wal",
        "skills/evil/skill.py",
    ],
)
def test_a_name_that_no_backup_holds_is_refused(state: Path, archive: Path, name: str) -> None:
    forged = forge(archive, lambda files, manifest: add(files, manifest, name, b"x"))
    with unchanged(state), pytest.raises(BackupError):
        restore(state, forged, "sesame")


def test_a_link_is_refused(state: Path, archive: Path) -> None:
    forged = forge(archive, lambda files, manifest: None, mode=stat.S_IFLNK | 0o777)
    with unchanged(state), pytest.raises(BackupError, match="holds something"):
        restore(state, forged, "sesame")


def test_another_compression_is_refused(state: Path, archive: Path) -> None:
    forged = forge(archive, lambda files, manifest: None, compress_type=zipfile.ZIP_LZMA)
    with unchanged(state), pytest.raises(BackupError, match="holds something"):
        restore(state, forged, "sesame")


def test_a_bomb_that_announces_itself_is_refused_before_it_unfolds(state: Path, archive: Path) -> None:
    def swell(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        add(files, manifest, "attachments/bomb", b"x")
        manifest["files"][-1]["bytes"] = 2**60

    forged = forge(archive, swell)
    with unchanged(state), pytest.raises(BackupError, match="unfolds"):
        restore(state, forged, "sesame")


def test_a_bomb_that_does_not_is_stopped_at_its_announced_size(state: Path, archive: Path) -> None:
    def swell(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        add(files, manifest, "attachments/bomb", bytes(200 * 2**20))
        manifest["files"][-1]["bytes"] = 10

    forged = forge(archive, swell)
    assert forged.stat().st_size < 2**20
    with unchanged(state), pytest.raises(BackupError, match="not what was put there"):
        restore(state, forged, "sesame")


Change = Callable[[dict[str, bytes], dict[str, Any]], object]
LIES: Mapping[str, Change] = {
    "a file that is not announced": lambda files, manifest: files.update({"attachments/more": b"x"}),
    "a file that is missing": lambda files, manifest: files.pop("attachments/2026/door.jpg"),
    "another sum": lambda files, manifest: files.update({"attachments/2026/door.jpg": bytes(5000)}),
    "other rows": lambda files, manifest: manifest["files"][0]["rows"].update(setting=99),
    "no journal": lambda files, manifest: (
        files.pop("journal.db"),
        manifest["files"].pop(0),
        manifest["schemas"].pop("journal.db"),
    ),
    "another schema than announced": lambda files, manifest: manifest["schemas"].update({"journal.db": 0}),
    "another form": lambda files, manifest: manifest.update(form=2),
    "a manifest of another kind": lambda files, manifest: manifest.update(files="all of them"),
    "a size below nothing": lambda files, manifest: manifest["files"][0].update(bytes=-1),
    "a file announced twice": lambda files, manifest: manifest["files"].append(manifest["files"][0]),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_is_not_as_announced_changes_nothing(state: Path, archive: Path, lie: str) -> None:
    forged = forge(archive, LIES[lie])
    with unchanged(state), pytest.raises(BackupError):
        restore(state, forged, "sesame")


def rewrite(archive: Path, script: str, schema: int | None = None) -> Path:
    """The archive with its journal changed by SQL, and announced as it then is."""

    def change(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        path = archive.with_name("rewritten.db")
        path.write_bytes(files["journal.db"])
        with closing(sqlite3.connect(path)) as db:
            db.executescript(script)
        rows = manifest["files"][0]["rows"]
        add(files, manifest, "journal.db", path.read_bytes())
        manifest["files"][-1]["rows"] = rows
        if schema is not None:
            manifest["schemas"]["journal.db"] = schema
        path.unlink()

    return forge(archive, change)


def test_a_newer_schema_is_refused_untouched(state: Path, archive: Path) -> None:
    forged = rewrite(archive, "PRAGMA user_version=99", 99)
    with unchanged(state), pytest.raises(SchemaTooNew, match="newer Dobby"):
        restore(state, forged, "sesame")


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM effect; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP INDEX effect_open",
    ],
)
def test_a_journal_that_is_built_otherwise_is_refused(state: Path, archive: Path, script: str) -> None:
    forged = rewrite(archive, script)
    with unchanged(state), pytest.raises(BackupError, match="not built as Dobby builds it"):
        restore(state, forged, "sesame")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0.0, 0.999))
def test_an_archive_cut_short_anywhere_changes_nothing(state: Path, archive: Path, cut: float) -> None:
    short = archive.with_name("short.zip")
    short.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * cut)])
    with unchanged(state), pytest.raises(BackupError):
        restore(state, short, "sesame")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_with_any_byte_changed_is_whole_or_refused(state: Path, archive: Path, data: st.DataObject) -> None:
    body = bytearray(archive.read_bytes())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    bent = archive.with_name("bent.zip")
    bent.write_bytes(body)
    try:
        restore(archive.parent / "bent", bent, without_vault=True)
    except DobbyError:
        return
    finally:
        (archive.parent / "bent" / "lock").unlink(missing_ok=True)
    assert colour(archive.parent / "bent") == "green"
    shutil.rmtree(archive.parent / "bent")


def test_what_is_no_archive_at_all_is_said(state: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8" + struct.pack("<500I", *range(500)))
    with unchanged(state), pytest.raises(BackupError, match="not one of Dobby's backups"):
        restore(state, tmp_path / "holiday.jpg")


# The vault's seal


def test_a_seal_opens_to_what_was_sealed_and_to_nothing_else() -> None:
    sealed = seal(b"secrets", "Grüße")
    assert unseal(sealed, "Grüße") == b"secrets"
    assert seal(b"secrets", "Grüße") != sealed
    for wrong in (sealed[:-1], b"", sealed[:20], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"X" + sealed[1:]):
        with pytest.raises(WrongPassphrase):
            unseal(wrong, "Grüße")


# The commands


def dobby(*args: str | Path, **env: str) -> tuple[int, str]:
    from dobby.cli import main

    result = CliRunner().invoke(main, [str(arg) for arg in args], env=env)
    return result.exit_code, result.output


def test_the_commands_take_the_passphrase_from_a_file_or_from_systemd(state: Path, tmp_path: Path) -> None:
    (tmp_path / "backup-passphrase").write_text("sesame\n")
    code, said = dobby("backup", "--state", state, "--passphrase-file", tmp_path / "backup-passphrase", tmp_path / "b.zip")
    assert (code, "sealed with the passphrase" in said) == (0, True)
    code, said = dobby("restore", "--state", tmp_path / "new", tmp_path / "b.zip", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert (code, "The vault is back" in said) == (0, True)


def test_the_commands_say_what_is_missing(state: Path, archive: Path, tmp_path: Path) -> None:
    code, said = dobby("backup", "--state", state, tmp_path / "b.zip")
    assert (code, "NOT in it" in said) == (0, True)
    code, said = dobby("restore", "--state", state, archive)
    assert (code, "give its passphrase" in said) == (1, True)
    (tmp_path / "empty").touch()
    code, said = dobby("backup", "--state", state, "--passphrase-file", tmp_path / "empty", tmp_path / "b.zip")
    assert (code, "is empty" in said) == (1, True)
