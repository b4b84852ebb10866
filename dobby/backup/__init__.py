"""Backup and restore: one archive with the rows, the files and the sealed secrets, believed only after it was opened.

A front door: it does not know how an archive looks inside (`archive`), is made (`make`) or is put back (`restore`).
"""

import asyncio
from pathlib import Path

from dobby.backup.archive import BackupError, Tell, silent
from dobby.backup.make import Made, make
from dobby.backup.restore import Restored, has_vault, restore

__all__ = ["BackupError", "Made", "Restored", "Tell", "has_vault", "make", "make_backup", "restore"]


async def make_backup(folder: Path, file: Path, passphrase: str | None = None, tell: Tell = silent) -> Made:
    """Write a checked archive of a state folder, whether a Dobby lives in it or not; the loop goes on meanwhile.

    It only reads, so it needs no lock. Without a passphrase the vault is left out, and what comes back says so.

    :raises BackupError: it could not be made; an older file of that name is still there.
    """
    return await asyncio.to_thread(make, folder, file, passphrase, tell)
