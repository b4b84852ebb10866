"""Sightings as rows, and what people want to be told of them.

It does not know what is worth telling, nor how a picture is made.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dobby.journal import household
from dobby.journal.pack import dump


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing to know about one visit, as the eyes told it; `lettering` is what strangers wrote. Times since 1970.

    `zone` is where; where `way` is `in` or `out`, the line that was crossed.
    """

    id: str
    camera: str
    kind: str
    phase: str
    at: float
    visit: str = ""
    zone: str = ""
    count: int = 1
    courier: str = ""
    lettering: tuple[str, ...] = ()
    score: float = 0.0
    picture: str = ""
    clip: str = ""
    candidate: bool = False
    same_as: str = ""
    told: str = ""
    label: str = ""
    way: str = ""


COLUMNS = tuple(Seen.__dataclass_fields__)


def keep(db: sqlite3.Connection, seen: Seen) -> None:
    """What was seen; the same id again is the same row."""
    row = {**asdict(seen), "lettering": dump(list(seen.lettering)), "candidate": int(seen.candidate)}
    marks = ", ".join(f":{name}" for name in COLUMNS)
    db.execute(f"INSERT INTO sighting ({', '.join(COLUMNS)}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING", row)


def _row(columns: Sequence[Any]) -> Seen:
    row = dict(zip(COLUMNS, columns, strict=True))
    return Seen(**{**row, "lettering": tuple(json.loads(row["lettering"])), "candidate": bool(row["candidate"])})


def _select(db: sqlite3.Connection, where: str, values: Any = ()) -> list[Seen]:
    return [_row(row) for row in db.execute(f"SELECT {', '.join(COLUMNS)} FROM sighting WHERE {where}", values)]


def between(db: sqlite3.Connection, since: float, until: float, unsure: bool = False) -> list[Seen]:
    """Visits that began in this time, and lines that were crossed, oldest first: candidates only, or all others; a visit that
    several cameras saw is one."""
    first = "NOT EXISTS (SELECT 1 FROM sighting AS first WHERE first.visit = sighting.same_as AND first.told = sighting.told)"
    return _select(
        db,
        f"at >= ? AND at < ? AND candidate = ? AND phase IN ('arrived', 'press', 'crossed') AND {first} ORDER BY at",
        (since, until, int(unsure)),
    )


ABOUT = "(told = :key AND told <> '' OR id = :key)"


def told_in(db: sqlite3.Connection, key: str) -> list[Seen]:
    """What is in one message, oldest first; what was not told by its id."""
    return _select(db, f"{ABOUT} ORDER BY at", {"key": key})


def staying(db: sqlite3.Connection, key: str) -> bool:
    """Is a visit in this message that nobody saw leave."""
    gone = "SELECT 1 FROM sighting AS gone WHERE gone.visit = sighting.visit AND gone.phase = 'left'"
    return db.execute(f"SELECT 1 FROM sighting WHERE told = ? AND NOT EXISTS ({gone})", (key,)).fetchone() is not None


def of_kind(db: sqlite3.Connection, camera: str, kind: str, since: float) -> list[Seen]:
    """What came to a camera and was told, or was not sure enough, or that somebody spoke of."""
    where = "camera = ? AND kind = ? AND at >= ? AND phase = 'arrived' AND (told <> '' OR candidate OR label <> '')"
    return _select(db, where, (camera, kind, since))


def of_visit(db: sqlite3.Connection, visit: str) -> Seen | None:
    """What was told of a visit."""
    return next(iter(_select(db, "visit = ? AND told <> '' ORDER BY at LIMIT 1", (visit,))), None) if visit else None


def latest_told(db: sqlite3.Connection, since: float, camera: str = "", kind: str = "") -> Seen | None:
    """The last that was told as having come, of one camera and kind or of all."""
    where = "told <> '' AND phase <> 'crossed' AND at >= ? AND (camera = ? OR ? = '') AND (kind = ? OR ? = '')"
    return next(iter(_select(db, f"{where} ORDER BY at DESC, rowid DESC LIMIT 1", (since, camera, camera, kind, kind))), None)


def mark(db: sqlite3.Connection, id_: str, told: str) -> None:
    """In which message it is."""
    db.execute("UPDATE sighting SET told = ? WHERE id = ?", (told, id_))


def learn(db: sqlite3.Connection, id_: str, courier: str, lettering: Sequence[str]) -> None:
    """What another camera could read of the same visit."""
    db.execute("UPDATE sighting SET courier = ?, lettering = ? WHERE id = ?", (courier, dump(list(lettering)), id_))


def label(db: sqlite3.Connection, key: str, label: str) -> None:
    """What a person thinks of what is in a message, or was not told: `good` or `bad`."""
    db.execute(f"UPDATE sighting SET label = :label WHERE {ABOUT}", {"key": key, "label": label})


# What people want


def want(db: sqlite3.Connection, person: str, body: Mapping[str, Any], at: float) -> None:
    """Kept for somebody ("" for everybody); what was said of the same before no longer counts."""
    text = dump(dict(body))
    same = dump({**body, "order": "hush" if body["order"] == "tell" else "tell"})
    db.execute("DELETE FROM interest WHERE person = ? AND body IN (?, ?)", (person, text, same))
    db.execute("INSERT INTO interest (person, body, made) VALUES (?, ?, ?)", (person, text, at))


def wants(db: sqlite3.Connection, person: str) -> list[dict[str, Any]]:
    """What somebody and everybody wants, latest first."""
    rows = db.execute("SELECT body FROM interest WHERE person IN (?, '') ORDER BY id DESC", (person,))
    return [json.loads(row[0]) for row in rows]


def views(db: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Zones, lines (zones of two corners) and masks by camera, as they were drawn."""
    found = json.loads(household.setting(db, "views") or "{}")
    return found if isinstance(found, dict) else {}


def draw(db: sqlite3.Connection, camera: str, name: str, zone: Mapping[str, Any] | None) -> bool:
    """Keep a zone of a camera ("" for all) instead of that of its name, or None of it; whether there was one."""
    drawn, had = views(db), False
    for view in [drawn.setdefault(camera, {"zones": [], "masks": []})] if camera else drawn.values():
        kept = [other for other in view["zones"] if str(other["name"]).casefold() != name.casefold()]
        had = had or len(kept) < len(view["zones"])
        view["zones"] = [*kept, zone] if zone else kept
    household.set_setting(db, "views", dump(drawn))
    return had


# Erasing


def erase(db: sqlite3.Connection, before: float, files: Iterable[str] = ()) -> set[str]:
    """Forget what is older; messages keep their words and lose what is in these files, and in those that are returned."""
    gone = db.execute("DELETE FROM sighting WHERE at < ? RETURNING picture, clip", (before,)).fetchall()
    names = {name for name in (*files, *(each for row in gone for each in row)) if name}
    db.executemany("UPDATE outbox SET picture = '' WHERE picture = ?", [(name,) for name in names])
    return names
