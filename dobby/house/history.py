"""What the devices were: turns kept in `history.db`, thinned, with their cause.

Written in batches off the loop; `synchronous=NORMAL`, since the past may lose its last second in a power cut. It does
not know who asks.
"""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dobby.clock import Clock
from dobby.events import Value
from dobby.house.state import States, Turn
from dobby.store import Store

EVERY = 1.0  # seconds between batches
THIN = 60.0  # seconds between two rows of one numeric trait; words and yes/no are always kept
MOST = 50_000  # turns that wait in memory at most, should the disk not take them

MIGRATIONS = (
    """
    CREATE TABLE turn (
      id INTEGER PRIMARY KEY,
      device TEXT NOT NULL,
      trait TEXT NOT NULL,
      value TEXT NOT NULL,     -- JSON
      at REAL NOT NULL,
      cause TEXT NOT NULL      -- effect:ID, or '' for by hand or other
    ) STRICT;
    CREATE INDEX turn_device ON turn (device, trait, at);
    """,
)


@dataclass(frozen=True, slots=True)
class Past:
    """One row: what a trait became, when, and whose doing it was ("" by hand or other)."""

    value: Value
    at: float
    cause: str


class History:
    """The past of every device."""

    def __init__(self, path: Path | None, states: States, clock: Clock) -> None:
        self._store = Store(path, MIGRATIONS, full=False)
        self._clock = clock
        self._waiting: list[Turn] = []
        self._kept: dict[tuple[str, str], float] = {}
        states.listen(self._hear)

    def _hear(self, turn: Turn) -> None:
        if len(self._waiting) < MOST and self._worth(turn):
            self._waiting.append(turn)

    def _worth(self, turn: Turn) -> bool:
        """Words and yes/no always; a number at most once a minute, unless it was our doing."""
        if isinstance(turn.now, bool) or not isinstance(turn.now, int | float) or turn.cause:
            return True
        key = (turn.device, turn.trait)
        if turn.at - self._kept.get(key, 0.0) < THIN:
            return False
        self._kept[key] = turn.at
        return True

    async def run(self) -> None:
        """Write what waits, once a second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits now."""
        if self._waiting:
            turns, self._waiting = self._waiting, []
            rows = [(turn.device, turn.trait, json.dumps(turn.now), turn.at, turn.cause) for turn in turns]
            insert = "INSERT INTO turn (device, trait, value, at, cause) VALUES (?, ?, ?, ?, ?)"
            await self._store.write(lambda db: db.executemany(insert, rows))

    async def past(self, device: str, trait: str, limit: int = 20) -> Sequence[Past]:
        """The last turns of one trait, latest first."""

        def look(db: sqlite3.Connection) -> list[Past]:
            rows = db.execute(
                "SELECT value, at, cause FROM turn WHERE device = ? AND trait = ? ORDER BY at DESC, id DESC LIMIT ?",
                (device, trait, limit),
            )
            return [Past(json.loads(value), at, cause) for value, at, cause in rows]

        return await self._store.read(look)

    async def aclose(self) -> None:
        """Write what waits and close."""
        await self.flush()
        await self._store.aclose()
