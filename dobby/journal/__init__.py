"""The durable rows and their legal transitions: inbox, ledger, outbox, questions, grants.

Plain functions over a connection, so that one write can move several rows at once. It does not know why a row moves.
"""

from pathlib import Path

from dobby.store import Store

MIGRATIONS = (Path(__file__).with_name("schema.sql").read_text("utf-8"),)


def open_journal(folder: Path | None, *, full: bool = True) -> Store:
    """The journal of a state folder; `None` keeps it in memory, for `dobby try` and tests."""
    return Store(folder / "journal.db" if folder else None, MIGRATIONS, full=full)
