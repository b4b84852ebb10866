"""What anything has cost: one row per use of what is paid for, whoever is paid.

Messages through Twilio have no rows of their own: they are counted from those that came and went, at the owner's prices.
It does not know what may be spent.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dobby.journal.pack import dump

BY: Mapping[str, str] = {
    "day": "date(at, 'unixepoch', 'localtime')",
    "person": "person",
    "provider": "provider",
    "role": "what",
    "skill": "CASE kind WHEN 'skill' THEN what ELSE coalesce((SELECT CASE WHEN tool IN ('set', 'do') THEN device ELSE tool END"
    " FROM effect WHERE effect.event = spent.event AND (device LIKE '%.%' OR tool LIKE '%.%') LIMIT 1), '') END",
    "kind": "kind",
    "message": "what",
}
ONLY = {"role": "model", "message": "message"}  # what some ways of adding up leave the rest out for
WINDOW = 86_100.0  # seconds after a person's word in which WhatsApp takes free words; later ones were templates
ROWS = f"""
SELECT kind, provider, what, person, amount, unit, detail, at, event FROM cost
UNION ALL SELECT 'message', 'twilio', what, person, price(what), 'USD', '{{}}', at, NULL FROM (
  SELECT substr(lane, 1, instr(lane, '/') - 1) || ' in' AS what, person, received AS at FROM event WHERE key GLOB 'twilio:*'
  UNION ALL
  SELECT substr(lane, 1, instr(lane, '/') - 1) || CASE WHEN lane GLOB 'sms/*' OR EXISTS (
      SELECT 1 FROM event WHERE event.lane = outbox.lane AND received BETWEEN outbox.at - {WINDOW} AND outbox.at
    ) THEN ' out' ELSE ' template' END,
    coalesce((SELECT person FROM event WHERE event.id = outbox.event), ''), at
  FROM outbox WHERE provider <> '' AND (lane GLOB 'whatsapp/*' OR lane GLOB 'sms/*')
)"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One use: of what kind (`model`, `message`), who is paid, for what of it, on whose behalf, how much of which unit.

    `detail` holds the counts behind the amount (tokens, segments); `at` is in seconds since 1970.
    """

    kind: str
    provider: str
    amount: float
    at: float
    what: str = ""
    person: str = ""
    event: int | None = None
    unit: str = "USD"
    detail: Mapping[str, float] = field(default_factory=dict)


def add(db: sqlite3.Connection, cost: Cost) -> None:
    """Write a cost down."""
    row = (cost.kind, cost.provider, cost.what, cost.person, cost.event, cost.amount, cost.unit, dump(dict(cost.detail)), cost.at)
    db.execute(
        "INSERT INTO cost (kind, provider, what, person, event, amount, unit, detail, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row
    )


def spent(db: sqlite3.Connection, since: float, kind: str = "model", unit: str = "USD", event: int | None = None) -> float:
    """How much of a unit went on one kind since an instant; on one event, if named."""
    where = "at >= ? AND kind = ? AND unit = ? AND (? IS NULL OR event = ?)"
    found: float = db.execute(f"SELECT total(amount) FROM cost WHERE {where}", (since, kind, unit, event, event)).fetchone()[0]
    return found


@dataclass(frozen=True, slots=True)
class Sum:
    """What one key of a summary came to: how often, how much, and the counts behind it added up."""

    key: str
    times: int
    amount: float
    unit: str
    detail: Mapping[str, float]


def summary(db: sqlite3.Connection, by: str, since: float = 0.0, prices: Mapping[str, float] | None = None) -> Sequence[Sum]:
    """Costs added up by `day`, `person`, `provider`, `role`, `skill`, `kind` or `message`, the dearest first.

    `prices` are dollars for one message by what it is: `whatsapp in`, `whatsapp out`, `whatsapp template`, `sms in`, `sms out`.
    What a model cost belongs to the skill whose device or function it used first.

    :raises KeyError: there is no such way to add up.
    """
    sums: dict[tuple[str, str], list[tuple[float, Mapping[str, float]]]] = {}
    db.create_function("price", 1, lambda what: (prices or {}).get(what, 0.0), deterministic=True)
    kind = ONLY.get(by, "%")
    for key, unit, amount, detail in db.execute(
        f"SELECT {BY[by]}, unit, amount, detail FROM ({ROWS}) AS spent WHERE at >= ? AND kind LIKE ?", (since, kind)
    ):
        key = key.partition(".")[0] if by == "skill" else key
        sums.setdefault((key, unit), []).append((amount, json.loads(detail)))
    rows = [Sum(key, len(all_), sum(one for one, _ in all_), unit, _added(all_)) for (key, unit), all_ in sums.items()]
    return sorted(rows, key=lambda row: (by == "day" and row.key, row.amount), reverse=True)


def _added(rows: Sequence[tuple[float, Mapping[str, float]]]) -> Mapping[str, float]:
    return {name: sum(detail.get(name, 0) for _, detail in rows) for name in dict.fromkeys(key for _, one in rows for key in one)}
