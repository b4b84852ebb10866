"""What every device was: turns as rows, thinned, written beside the loop once a second.

Words and yes/no turns are all kept, and so is whatever was our doing; other numbers at most one row per trait and
`THIN` seconds, the latest. It does not know the present (`state`) nor whose effect a cause names (the ledger).
"""

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dobby.clock import Clock
from dobby.errors import Closed, StoreError
from dobby.events import Value
from dobby.house.state import Reading, States, Turn
from dobby.store import Store

log = logging.getLogger(__name__)
BATCH = 1.0  # seconds between writes
THIN = 60.0  # seconds between two rows of one number
KEEP = 30 * 24 * 3600.0  # seconds a row is kept
SWEEP = 3600.0  # seconds between looks for rows that are too old
MOST = 20_000  # turns that wait to be written; beyond it the oldest are dropped

SCHEMA = """
CREATE TABLE turn (
  device TEXT NOT NULL, trait TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL, cause TEXT NOT NULL
) STRICT;
CREATE INDEX turn_device ON turn (device, trait, at);
CREATE INDEX turn_at ON turn (at);
CREATE TABLE last (
  device TEXT NOT NULL, trait TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL, cause TEXT NOT NULL,
  PRIMARY KEY (device, trait)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Past:
    """One trait became `value` at an instant; `cause` is `effect:<id>`, or "" by hand or other."""

    device: str
    trait: str
    value: Value
    at: float
    cause: str = ""


Row = tuple[str, str, str, float, str]


class History:
    """Listens to the present and keeps what it was. `run` writes; without it turns only wait, within bounds."""

    def __init__(self, path: Path | None, states: States, clock: Clock) -> None:
        self._store = Store(path, (SCHEMA,), full=False)
        self._clock = clock
        self._waiting: deque[Turn] = deque(maxlen=MOST)
        self._numbers: dict[tuple[str, str], Turn] = {}
        self._written: dict[tuple[str, str], float] = {}
        self._swept = clock.now()
        for past in self._store.look(_lasts):
            states.recall(past.device, past.trait, Reading(past.value, past.at, past.cause))
        states.listen(self.hear)

    def hear(self, turn: Turn) -> None:
        """Take in a turn; nothing is written here."""
        if _is_number(turn.now) and not turn.cause:
            self._numbers[turn.device, turn.trait] = turn
        elif not isinstance(turn.now, dict):  # a table (a forecast) is about what comes, not about what was
            self._waiting.append(turn)

    async def run(self) -> None:
        """Write once a second, until cancelled."""
        while True:
            await self._clock.sleep(BATCH)
            await self.flush()

    async def flush(self, *, all_: bool = False) -> None:
        """Write what is due; `all_` takes thinned numbers along too."""
        now = self._clock.now()
        turns = self._due(now, all_)
        sweep = now - self._swept >= SWEEP
        if not turns and not sweep:
            return
        try:
            await self._store.write(lambda db: _keep(db, turns, now - KEEP if sweep else None))
        except Closed:
            return
        except StoreError as error:
            log.error("History has a gap: %s", error)
        self._swept = now if sweep else self._swept

    def _due(self, now: float, all_: bool) -> list[Turn]:
        due = [key for key in self._numbers if all_ or now - self._written.get(key, -THIN) >= THIN]
        turns = [*self._waiting, *(self._numbers.pop(key) for key in due)]
        self._waiting.clear()
        self._written.update((key, now) for key in due)
        return sorted(turns, key=lambda turn: turn.at)

    async def last(self, device: str, trait: str = "", limit: int = 1) -> Sequence[Past]:
        """The newest turns of a device or of one trait, newest first."""
        where, values = ("AND trait = ?", (device, trait)) if trait else ("", (device,))
        sql = f"SELECT device, trait, value, at, cause FROM turn WHERE device = ? {where} ORDER BY at DESC, rowid DESC LIMIT ?"
        return await self._store.read(lambda db: [_past(row) for row in db.execute(sql, (*values, limit))])

    async def since(self, device: str, trait: str) -> Past | None:
        """Since when it is as it is, and who made it so; None where it never turned."""
        sql = "SELECT device, trait, value, at, cause FROM last WHERE device = ? AND trait = ?"
        found = await self._store.read(lambda db: db.execute(sql, (device, trait)).fetchone())
        return _past(found) if found else None

    async def at(self, device: str, trait: str, when: float) -> Past | None:
        """What it was at an instant; None where nothing that old is known."""
        sql = (
            "SELECT device, trait, value, at, cause FROM turn WHERE device = ? AND trait = ? AND at <= ?"
            " ORDER BY at DESC, rowid DESC LIMIT 1"
        )
        found = await self._store.read(lambda db: db.execute(sql, (device, trait, when)).fetchone())
        return _past(found) if found else None

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self.flush(all_=True)
        await self._store.aclose()


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _keep(db: sqlite3.Connection, turns: Sequence[Turn], oldest: float | None) -> None:
    rows: list[Row] = [(turn.device, turn.trait, json.dumps(turn.now), turn.at, turn.cause) for turn in turns]
    db.executemany("INSERT INTO turn VALUES (?, ?, ?, ?, ?)", rows)
    latest = {(row[0], row[1]): row for row in rows}
    db.executemany("INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?, ?)", latest.values())
    if oldest is not None:
        db.execute("DELETE FROM turn WHERE at < ?", (oldest,))


def _lasts(db: sqlite3.Connection) -> list[Past]:
    return [_past(row) for row in db.execute("SELECT device, trait, value, at, cause FROM last")]


def _past(row: Row) -> Past:
    device, trait, value, at, cause = row
    return Past(device, trait, json.loads(value), at, cause)
