"""The durable rows and their legal transitions: inbox, ledger, outbox, questions, grants.

Plain functions over a connection, so that one write can move several rows at once. It does not know why a row moves.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dobby.store import Store, open_reader

MIGRATIONS = tuple(
    Path(__file__).with_name(name).read_text("utf-8")
    for name in (
        "schema.sql",
        "schedule.sql",
        "words.sql",
        "news.sql",
        "scenes.sql",
        "model.sql",
        "people.sql",
        "sightings.sql",
        "doors.sql",
        "since.sql",
        "buttons.sql",
        "lines.sql",
    )
)


def open_journal(folder: Path | None, *, full: bool = True) -> Store:
    """The journal of a state folder; `None` keeps it in memory, for `dobby try` and tests."""
    return Store(folder / "journal.db" if folder else None, MIGRATIONS, full=full)


@contextmanager
def read_journal(folder: Path) -> Iterator[sqlite3.Connection]:
    """The rows for looking only, beside a Dobby who runs or not."""
    db = open_reader(folder / "journal.db")
    try:
        yield db
    finally:
        db.close()
