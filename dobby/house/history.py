"""What every device was: turns as rows, thinned, written beside the loop once a second.

Words and yes/no turns are all kept, and so is whatever was our doing; other numbers at most one row per trait and
`THIN` seconds, the latest, and later per hour, then per day, the lowest, the highest and the last (`AGES`): real readings,
never a mean. It does not know the present (`state`) nor whose effect a cause names (the ledger).
"""

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dobby.clock import Clock
from dobby.errors import Closed, StoreError
from dobby.events import Value
from dobby.house.state import REACH, Reading, States, Turn
from dobby.store import Store

log = logging.getLogger(__name__)
BATCH = 1.0  # seconds between writes
THIN = 60.0  # seconds between two rows of one number
DAY = 24 * 3600.0
AGES = ((30 * DAY, 3600.0), (400 * DAY, DAY))  # older than this, numbers are thinned to three rows per so many seconds
WORDS = 400 * DAY  # seconds a row is kept that is no number
KEEP = 10 * 365 * DAY  # seconds any row is kept
SWEEP = 3600.0  # seconds between looks for rows that are old
AT_ONCE = 7 * DAY  # seconds of rows that one look thins at most
AWAKE = 300.0  # seconds between two signs of being awake; twice as long without one is a gap
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
MIGRATIONS = (
    SCHEMA,
    """
CREATE TABLE awake (since REAL PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE thinned (age REAL PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID;
""",
)
COLUMNS = "device, trait, value, at, cause"
NUMERIC = "json_type(value) IN ('integer', 'real')"
THINNED = f"""
DELETE FROM turn WHERE rowid IN (
  SELECT id FROM (
    SELECT rowid AS id, row_number() OVER (span ORDER BY CAST(value AS REAL), at) AS low,
      row_number() OVER (span ORDER BY CAST(value AS REAL) DESC, at) AS high,
      row_number() OVER (span ORDER BY at DESC, rowid DESC) AS last
    FROM turn WHERE at >= ?2 AND at < ?3 AND {NUMERIC} WINDOW span AS (PARTITION BY device, trait, CAST(at / ?1 AS INTEGER))
  ) WHERE low > 1 AND high > 1 AND last > 1
)
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
        self._store = Store(path, MIGRATIONS, full=False)
        self._clock = clock
        self._waiting: deque[Turn] = deque(maxlen=MOST)
        self._numbers: dict[tuple[str, str], Turn] = {}
        self._written: dict[tuple[str, str], float] = {}
        self._swept = self._awake = self._since = clock.now()
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
        sweep, sign = now - self._swept >= SWEEP, now - self._awake >= AWAKE
        if not (turns or sweep or sign or all_):
            return

        def write(db: sqlite3.Connection) -> None:
            _keep(db, turns)
            db.execute("INSERT OR REPLACE INTO awake VALUES (?, ?)", (self._since, now))
            if sweep:
                _thin(db, now)

        try:
            await self._store.write(write)
        except Closed:
            return
        except StoreError as error:
            log.error("History has a gap: %s", error)
        self._swept, self._awake = now if sweep else self._swept, now

    def _due(self, now: float, all_: bool) -> list[Turn]:
        due = [key for key in self._numbers if all_ or now - self._written.get(key, -THIN) >= THIN]
        turns = [*self._waiting, *(self._numbers.pop(key) for key in due)]
        self._waiting.clear()
        self._written.update((key, now) for key in due)
        return sorted(turns, key=lambda turn: turn.at)

    async def last(self, device: str, trait: str = "", limit: int = 1) -> Sequence[Past]:
        """The newest turns of a device or of one trait, newest first."""
        where, values = ("AND trait = ?", (device, trait)) if trait else ("", (device,))
        sql = f"SELECT {COLUMNS} FROM turn WHERE device = ? {where} ORDER BY at DESC, rowid DESC LIMIT ?"
        return await self._store.read(lambda db: [_past(row) for row in db.execute(sql, (*values, limit))])

    async def since(self, device: str, trait: str) -> Past | None:
        """Since when it is as it is, and who made it so; None where it never turned."""
        sql = f"SELECT {COLUMNS} FROM last WHERE device = ? AND trait = ?"
        found = await self._store.read(lambda db: db.execute(sql, (device, trait)).fetchone())
        return _past(found) if found else None

    async def at(self, device: str, trait: str, when: float) -> Past | None:
        """What it was at an instant; None where nothing that old is known."""
        sql = f"SELECT {COLUMNS} FROM turn WHERE device = ? AND trait = ? AND at <= ? ORDER BY at DESC, rowid DESC LIMIT 1"
        found = await self._store.read(lambda db: db.execute(sql, (device, trait, when)).fetchone())
        return _past(found) if found else None

    async def between(self, device: str, trait: str, since: float, until: float) -> Sequence[Past]:
        """The turns of one trait in a stretch of time, oldest first, the last one before it included."""
        await self.flush(all_=True)
        first = await self.at(device, trait, since)
        sql = f"SELECT {COLUMNS} FROM turn WHERE device = ? AND trait = ? AND at > ? AND at <= ? ORDER BY at, rowid"
        rows = await self._store.read(lambda db: [_past(row) for row in db.execute(sql, (device, trait, since, until))])
        return [*([first] if first else []), *rows]

    async def gaps(self, device: str, since: float, until: float) -> Sequence[tuple[float, float]]:
        """When nothing can be known of a device: it was out of reach until it said something again, or nobody was awake here."""
        reach = await self.between(device, REACH, since, until)
        sql = "SELECT min(at) FROM turn WHERE device = ? AND at > ?"
        away = await self._store.read(
            lambda db: [(row.at, db.execute(sql, (device, row.at)).fetchone()[0] or until) for row in reach if row.value is False]
        )
        rows = await self._store.read(lambda db: db.execute("SELECT since, until FROM awake ORDER BY since").fetchall())
        asleep = [(one[1], other[0]) for one, other in pairwise(rows) if other[0] - one[1] > 2 * AWAKE]
        return sorted((max(start, since), min(end, until)) for start, end in (*away, *asleep) if start < until and end > since)

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self.flush(all_=True)
        await self._store.aclose()


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _keep(db: sqlite3.Connection, turns: Sequence[Turn]) -> None:
    rows: list[Row] = [(turn.device, turn.trait, json.dumps(turn.now), turn.at, turn.cause) for turn in turns]
    db.executemany("INSERT INTO turn VALUES (?, ?, ?, ?, ?)", rows)
    latest = {(row[0], row[1]): row for row in rows}
    db.executemany("INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?, ?)", latest.values())


def _thin(db: sqlite3.Connection, now: float) -> None:
    """What is old loses detail, a week of rows at a time; what is too old goes."""
    db.execute("DELETE FROM turn WHERE at < ?", (now - KEEP,))
    for age, rest in AGES:
        end = (now - age) // rest * rest
        found = db.execute("SELECT until FROM thinned WHERE age = ?", (age,)).fetchone()
        start = found[0] if found else db.execute("SELECT coalesce(min(at), ?) FROM turn", (end,)).fetchone()[0] // rest * rest
        end = min(end, start + AT_ONCE)
        if end <= start:
            continue
        db.execute(THINNED, (rest, start, end))
        if age >= WORDS:
            db.execute(f"DELETE FROM turn WHERE at >= ? AND at < ? AND NOT {NUMERIC}", (start, end))
        db.execute("INSERT OR REPLACE INTO thinned VALUES (?, ?)", (age, end))


def _lasts(db: sqlite3.Connection) -> list[Past]:
    return [_past(row) for row in db.execute(f"SELECT {COLUMNS} FROM last")]


def _past(row: Row) -> Past:
    device, trait, value, at, cause = row
    return Past(device, trait, json.loads(value), at, cause)
