"""Backup and restore: one archive with the rows, the files and the sealed secrets, believed only after it was opened.

A front door: it does not know how an archive looks inside (`archive`), is made (`make`) or is put back (`restore`).
"""

from dobby.backup.archive import BackupError
from dobby.backup.make import Made, make
from dobby.backup.restore import Restored, has_vault, restore

__all__ = ["BackupError", "Made", "Restored", "has_vault", "make", "restore"]
