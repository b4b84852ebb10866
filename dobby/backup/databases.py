"""The databases of a state folder: how one is copied while it is written to, and when a copy is believed.

It does not know what their rows mean.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from dobby import journal, memory
from dobby.backup.archive import BackupError, Tell
from dobby.errors import SchemaTooNew
from dobby.house import history
from dobby.store import open_reader

SCHEMAS: Mapping[str, Sequence[str]] = {
    "journal.db": journal.MIGRATIONS,
    "history.db": history.MIGRATIONS,
    "memory.db": memory.MIGRATIONS,
}
PAGES = 2048  # copied between two signs of progress: 8 MB


def copy(source: Path, to: Path, tell: Tell) -> dict[str, int]:
    """Copy a database as it is at one instant, beside its writer; the tables and their counts at that instant.

    One read transaction holds the instant (https://sqlite.org/isolation.html), so the copy never starts again however
    much is written meanwhile. The copy is vacuumed: what was erased is in no backup.
    """
    with closing(open_reader(source)) as db, closing(sqlite3.connect(to, isolation_level=None)) as new:
        db.execute("BEGIN")
        rows = count(db)
        step = f"Copying {source.name}"
        db.backup(new, pages=PAGES, progress=lambda _, left, whole: tell(step, 1 - left / max(1, whole)))
        new.execute("PRAGMA journal_mode=DELETE")
        new.execute("VACUUM")
    return rows


def count(db: sqlite3.Connection) -> dict[str, int]:
    """How many rows every table has."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return {name: db.execute(f'SELECT count(*) FROM "{name.replace(chr(34), chr(34) * 2)}"').fetchone()[0] for name in names}


def version(path: Path) -> int:
    """The schema's number."""
    with closing(open_reader(path)) as db:
        number: int = db.execute("PRAGMA user_version").fetchone()[0]
        return number


def check(path: Path, schema: int, rows: Mapping[str, int]) -> None:
    """Open a copy for looking only: is it whole, of a schema this Dobby knows, with the rows that were counted.

    :raises SchemaTooNew: a newer Dobby made it; :raises BackupError: it is not what was announced.
    """
    with closing(open_reader(path)) as db:
        db.execute("PRAGMA trusted_schema=OFF")  # a stranger's file runs nothing
        db.execute("PRAGMA cell_size_check=ON")
        if db.execute("PRAGMA user_version").fetchone()[0] != schema:
            raise BackupError(f"{path.name} in the archive has another schema than announced.")
        _check_schema(db, path.name, schema)
        state = db.execute("PRAGMA integrity_check").fetchone()[0]
        if state != "ok":
            raise BackupError(f"{path.name} in the archive is damaged: {state!r}.")
        if count(db) != dict(rows):
            raise BackupError(f"{path.name} in the archive has not the rows that were counted.")


def _check_schema(db: sqlite3.Connection, name: str, schema: int) -> None:
    """Exactly what our migrations make: no further table, no trigger, no view."""
    migrations = SCHEMAS[name]
    if schema > len(migrations):
        raise SchemaTooNew(
            f"{name} in the archive was written by a newer Dobby (its schema is {schema}, this one knows {len(migrations)}). "
            "Nothing was changed: install the newer Dobby, then restore."
        )
    with closing(sqlite3.connect(":memory:")) as fresh:
        for script in migrations[:schema]:
            fresh.executescript(script)
        if _shape(fresh) != _shape(db):
            raise BackupError(f"{name} in the archive is not built as Dobby builds it.")


def _shape(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    return {tuple(row) for row in db.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema")}
