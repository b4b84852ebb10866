"""Puts a backup back: checks all of it first, then exchanges the whole folder in one step.

The folder that was there stays, under another name. It does not know how an archive looks inside.
"""

import ctypes
import errno
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dobby.backup.archive import BackupError, Manifest, Tell, named, names, silent, unpack
from dobby.backup.make import SEALED, VAULT, check_databases, known, sync
from dobby.backup.seal import WrongPassphrase, unseal
from dobby.errors import Locked
from dobby.store import FolderLock

AT_FDCWD = -100  # fcntl.h
RENAME_EXCHANGE = 2  # linux/fs.h, renameat2(2)


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands now, and where what stood before is (None: nothing was there); `str()` says it to a person."""

    folder: Path
    before: Path | None
    made: datetime
    rows: int
    vault: str  # "opened", "kept" or "none"

    def __str__(self) -> str:
        words = f"{self.folder} is as it was on {self.made.astimezone():%Y-%m-%d at %H:%M}: {self.rows:,} rows."
        words += {
            "opened": " The vault is back.",
            "kept": " The vault stays as it was before: it is not from the backup.",
            "none": " There is no vault: devices that want a code or a button ask again.",
        }[self.vault]
        return words + (f" What was there before is in {self.before}." if self.before else "")


def has_vault(file: Path) -> bool:
    """Is there a sealed vault in this archive, so that a passphrase is wanted.

    :raises BackupError: it is no archive.
    """
    with named(file):
        return SEALED in names(file)


def restore(
    folder: Path, file: Path, passphrase: str | None = None, *, without_vault: bool = False, tell: Tell = silent
) -> Restored:
    """Make a state folder what it was when `file` was made; what is there now is kept beside it.

    :raises Locked: a Dobby lives there; :raises SchemaTooNew: a newer one made the archive;
    :raises BackupError: the archive cannot be trusted or the passphrase does not open it. Nothing was changed.
    """
    folder = folder.resolve()
    with named(file), ExitStack() as stack:
        _claim(folder, stack)
        new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.restoring-", dir=folder.parent))
        stack.callback(shutil.rmtree, new, ignore_errors=True)
        manifest = unpack(file, new, known, lambda name: True, tell)
        tell("Opening the databases", 0.0)
        check_databases(new, manifest)
        tell("Opening the databases", 1.0)
        vault = _put_vault(folder, new, passphrase, without_vault)
        stack.callback(FolderLock(new).release)  # nobody starts on it before all is done
        _settle(new, folder.stat())
        before = _exchange(folder, new)
        return Restored(folder, before, manifest.made, _rows(manifest), vault)


def _claim(folder: Path, stack: ExitStack) -> None:
    """Lock the folder; one that had to be made for it goes again if nothing comes of it."""
    if folder.is_mount():
        raise BackupError(f"{folder} is a mount point and cannot be exchanged; let Dobby live in a folder inside it.")
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        stack.callback(_drop_empty, folder)
    try:
        stack.callback(FolderLock(folder).release)
        _own(folder / "lock", folder.stat())
    except Locked as error:
        raise Locked(f"A Dobby is running on {folder}. Stop him first; nothing was changed.") from error


def _drop_empty(folder: Path) -> None:
    if [path.name for path in folder.iterdir()] == ["lock"]:
        shutil.rmtree(folder)


def _put_vault(folder: Path, new: Path, passphrase: str | None, without: bool) -> str:
    """The secrets of the archive, else those that are here."""
    sealed = new / SEALED
    had = sealed.exists()
    if had and not without:
        if not passphrase:
            raise BackupError("The vault in the archive is sealed: give its passphrase, or say --without-vault.")
        try:
            secrets = unseal(sealed.read_bytes(), passphrase)
        except WrongPassphrase as error:
            raise BackupError("The passphrase does not open the vault in the archive. Nothing was changed.") from error
        _write(new / VAULT, secrets)
    elif (folder / VAULT).exists():
        _write(new / VAULT, (folder / VAULT).read_bytes())
    sealed.unlink(missing_ok=True)
    return "opened" if had and not without else "kept" if (new / VAULT).exists() else "none"


def _write(path: Path, secrets: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(secrets)
        stream.flush()
        os.fsync(stream.fileno())


def _settle(new: Path, old: os.stat_result) -> None:
    """The owner of the folder before, and everything on the disk."""
    for path in [new, *new.rglob("*")]:
        _own(path, old)
        if path.is_dir():
            path.chmod(0o700)
            sync(path)


def _own(path: Path, like: os.stat_result) -> None:
    """What root makes belongs to whom the folder belongs to, else Dobby could not open it."""
    if os.geteuid() == 0:
        os.chown(path, like.st_uid, like.st_gid)


def _exchange(folder: Path, new: Path) -> Path | None:
    """The new folder in the old one's place, in one step; afterwards the old one has a name of its own."""
    empty = {path.name for path in folder.iterdir()} <= {"lock"}
    before = folder.with_name(f"{folder.name}.before-restore-{datetime.now():%Y-%m-%d-%H%M%S}")
    if before.exists():
        raise BackupError(f"{before} is there already; try again in a second.")
    if _swap(folder, new):
        if not empty:
            new.rename(before)
    else:  # a file system that cannot exchange: two steps, and the first is taken back where the second fails
        folder.rename(before)
        try:
            new.rename(folder)
        except OSError:
            before.rename(folder)
            raise
        if empty:
            shutil.rmtree(before)
    sync(folder.parent)
    return None if empty else before


def _swap(one: Path, other: Path) -> bool:
    """Exchange two names at once (renameat2(2)); False where the file system or the C library cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number), str(one))


def _rows(manifest: Manifest) -> int:
    return sum(sum(piece.rows.values()) for piece in manifest.files)
