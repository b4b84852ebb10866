"""What came of a house: nothing lost, nothing doubled, every row at an end, the file sound.

Compares what reached the world with the rows, both with what was said. It does not know where the process died.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.crash.errands import ERRANDS, judge_errands
from tests.crash.harness import Life
from tests.crash.letters import judge_letters
from tests.crash.scenario import AT_LAST, DUE, PAGER, STEPS

ENDED = ("done", "refused", "failed", "parked")
SENT = ("sent", "delivered", "read")


@dataclass(slots=True)
class Verdict:
    """What is wrong, each in words; `unknown` counts what cannot be known and was said to be so."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # an open row, a wrong state, an unknown that could be known
    corrupt: list[str] = field(default_factory=list)
    unknown: int = 0

    @property
    def words(self) -> list[str]:
        """Everything that must not be."""
        named = {"lost": self.lost, "doubled": self.doubled, "wrong": self.wrong, "corrupt": self.corrupt}
        return [f"{name}: {what}" for name, found in named.items() for what in found]


def judge(life: Life) -> Verdict:
    """Read the rows as they lie on the disk and hold them against the world."""
    verdict = Verdict(wrong=list(life.notes))
    db = sqlite3.connect(life.home / "journal.db")
    db.row_factory = sqlite3.Row
    try:
        verdict.corrupt += [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        verdict.corrupt += [str(tuple(row)) for row in db.execute("PRAGMA foreign_key_check")]
        _judge_events(verdict, life, db)
        if life.twilio is None:
            _judge_messages(verdict, life, db)
        _judge_effects(verdict, life, db)
        if life.steps is STEPS:
            _judge_world(verdict, life, db)
        if life.steps is DUE:
            _judge_runs(verdict, life, db)
        if life.twilio is not None:
            found = {"lost": verdict.lost, "doubled": verdict.doubled, "wrong": verdict.wrong}
            judge_letters(found, life.world, db, life.twilio)
        if life.steps is ERRANDS and life.model is not None:
            found = {"lost": verdict.lost, "doubled": verdict.doubled, "wrong": verdict.wrong}
            judge_errands(found, life.world, db, life.model)
    finally:
        db.close()
    return verdict


def _judge_events(verdict: Verdict, life: Life, db: sqlite3.Connection) -> None:
    rows = {row["key"].partition(":")[2]: row for row in db.execute("SELECT * FROM event")}
    verdict.lost += [f"{key} was acknowledged and is not there" for key in life.acked if key not in rows]
    verdict.wrong += [f"{key} is {row['state']}" for key, row in rows.items() if row["state"] not in ENDED]
    verdict.lost += [f"{key} is {row['state']} {row['why']}" for key, row in rows.items() if row["state"] in ("failed", "parked")]
    answered = {row[0] for row in db.execute("SELECT event FROM outbox WHERE key = 'event:' || event")}
    for key, row in rows.items():
        stranger = row["why"] == "stranger"
        if row["id"] not in answered and not stranger:
            verdict.lost.append(f"{key} has no answer")
    expected = [step.key for step in life.steps if step.key not in life.acked | life.skipped]
    verdict.lost += [f"{key} was never acknowledged" for key in expected]
    verdict.lost += [f"{key} could not be said" for key in life.skipped if key not in ("m13", "w5")]


def _judge_messages(verdict: Verdict, life: Life, db: sqlite3.Connection) -> None:
    seen = Counter(row["key"] for row in life.world.visible)
    rows = {row["key"]: row for row in db.execute("SELECT * FROM outbox")}
    answered = {row[0] for row in db.execute("SELECT id FROM question WHERE state IN ('yes', 'no', 'chosen')")}
    verdict.doubled += [f"{key} was seen {count} times" for key, count in seen.items() if count > 1]
    verdict.wrong += [f"{key} was seen and has no row" for key in seen if key not in rows]
    for key, row in rows.items():
        if row["state"] == "unknown" and row["lane"].startswith(PAGER):
            verdict.unknown += 1
            if row["question"] in answered:
                continue
            after = [later for later in rows.values() if later["lane"] == row["lane"] and later["at"] > row["changed"]]
            if after and not any("perhaps_missed" in later["text"] for later in after):
                verdict.wrong.append(f"{key} may be missing and no later message says so")
        elif row["state"] not in SENT:
            verdict.wrong.append(f"{key} is {row['state']}")
        elif not seen[key]:
            verdict.lost.append(f"{key} was never seen")
    if life.steps is STEPS:
        expected = {"stranger:page/who", "stranger:page/who:ann", "stranger:page/who:zoe", "question:1:asker"}
        verdict.lost += [f"{key} was never owed" for key in expected if not any(row.startswith(key) for row in rows)]


def _judge_effects(verdict: Verdict, life: Life, db: sqlite3.Connection) -> None:
    texts = " ".join(row[0] for row in db.execute("SELECT text FROM outbox"))
    rings = Counter(row["mark"] for row in life.world.told if row["device"] == "bell")
    verdict.doubled += [f"the bell rang {count} times for {mark}" for mark, count in rings.items() if count > 1]
    for row in _effects(db):
        name, state = f"{row['device']} {row['args']}", row["state"]
        if state in ("asked", "intended"):
            verdict.wrong.append(f"{name} is {state}")
        if state == "unknown":
            verdict.unknown += 1
            if row["class"] != "blind":
                verdict.wrong.append(f"{name} is unknown, though the device can be asked")
            if f"{row['device']} unknown" not in texts:
                verdict.wrong.append(f"{name} is unknown and nobody was told")
        if state == "done" and row["device"] == "bell" and not rings[row["mark"]]:
            verdict.lost.append(f"{name} is done and never rang")
        ran_out = life.twilio is not None and row["why"] == "expired"  # while Twilio kept the question back: no answer is no
        if state in ("failed", "refused") and row["device"] not in ("shed", "blind") and not ran_out:
            verdict.lost.append(f"{name} is {state} {row['why']}")


def _effects(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    for row in db.execute("SELECT *, args ->> 'mark' AS mark FROM effect ORDER BY id"):
        yield dict(row)


def _judge_runs(verdict: Verdict, life: Life, db: sqlite3.Connection) -> None:
    """Each appointment was kept once and had one run, at its instant, and what the run was for is so.

    A run is `failed` only where it rang a bell of which nobody can tell; `_judge_effects` sees that this was said.
    """
    unknown = "EXISTS (SELECT 1 FROM effect WHERE event = run.event AND device = 'bell' AND effect.state = 'unknown')"
    columns = f"due.id, due.state, due.at, run.instant, run.state AS run, {unknown} AS unknown"
    found = [dict(row) for row in db.execute(f"SELECT {columns} FROM due LEFT JOIN run ON run.due = due.id")]
    good = {False: ("done", "late", "missed"), True: ("failed",)}
    verdict.wrong += [f"appointment {row['id']} is {row['state']}" for row in found if row["state"] != "ended"]
    verdict.lost += [f"run of {row['id']} is {row['run']}" for row in found if row["run"] not in good[bool(row["unknown"])]]
    verdict.doubled += [f"appointment {id_} ran {n} times" for id_, n in Counter(row["id"] for row in found).items() if n > 1]
    verdict.wrong += [
        f"appointment {row['id']} ran at another instant" for row in found if row["instant"] not in (None, row["at"])
    ]
    if len(found) != len(DUE):
        verdict.wrong.append(f"{len(found)} appointments were kept, not {len(DUE)}")
    if life.world.read("lamp")["brightness"] != 40:
        verdict.lost.append("the lamp is not at 40")
    if (items := life.world.read("shopping")["items"]) != ["milk"]:
        verdict.wrong.append(f"the list holds {items}")
    seen = sum("reminder" in row["text"] and "tea" in row["text"] for row in life.world.visible)
    if seen != 1:
        verdict.wrong.append(f"the reminder was seen {seen} times")


def _judge_world(verdict: Verdict, life: Life, db: sqlite3.Connection) -> None:
    """The last word about each device.

    The shed opens only where Zoe saw the question and said yes, and was not asked back which of two open questions she meant.
    """
    world = {device: life.world.read(device) for device in life.world.states}
    asked_back = db.execute("SELECT count(*) FROM question WHERE kind = 'which'").fetchone()[0] > 0
    wanted: dict[str, dict[str, Any]] = {**AT_LAST, "shed": {"locked": "m13" not in life.acked or asked_back}}
    for device, traits in wanted.items():
        for trait, value in traits.items():
            got = world[device][trait]
            if isinstance(value, list):
                verdict.lost += [f"{item} is not on the list" for item in (Counter(value) - Counter(got)).elements()]
                verdict.doubled += [f"{item} is on the list once more" for item in (Counter(got) - Counter(value)).elements()]
            elif got != value and not (trait == "position" and abs(got - value) <= 1):  # one step is there
                verdict.wrong.append(f"{device} {trait} is {got}, not {value}")
