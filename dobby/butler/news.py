"""Tells owners, in one message for many, what was found and taken in, what needs a person, and what cannot be had.

It does not look itself, and it asks nothing: who wants a thing connected says so.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

from dobby.butler.desk import Desk
from dobby.events import Source
from dobby.gate import proposed_risk
from dobby.house.model import Device
from dobby.journal import news
from dobby.journal.news import News
from dobby.journal.outbox import OutboxRow

QUIET, PATIENCE = 2.0, 30  # seconds between looks whether all have come to rest, and how many of them
NAMED, EXPLAINED = 10, 3  # names, and reasons, in one message


async def keep_telling(desk: Desk, fresh: asyncio.Event, busy: Callable[[], bool]) -> None:
    """Tell what is new once nobody is looking around any more, until cancelled."""
    while True:
        await fresh.wait()
        fresh.clear()
        for _ in range(PATIENCE):
            await desk.clock.sleep(QUIET)
            if not busy():
                break
        desk.post.hand_over(await desk.store.write(lambda db: _tell(db, desk)))


def _tell(db: sqlite3.Connection, desk: Desk) -> list[OutboxRow | None]:
    rows, owners, now = news.untold(db), desk.owner_lanes(), desk.clock.now()
    if not (rows and owners):
        return []
    news.mark_told(db, rows, now)
    texts = [(person, lane, summary(desk, rows, Source(person))) for person, lane in owners]
    return [desk.tell(db, f"news:{now:.3f}:{person}", lane, text) for person, lane, text in texts if text]


async def told_by_asking(desk: Desk, family: str, source: Source) -> str:
    """Who asked for a family has heard what there is; what of it is guarded, and why, is left to say."""

    def mark(db: sqlite3.Connection) -> Sequence[News]:
        rows = news.untold(db, family)
        news.mark_told(db, rows, desk.clock.now())
        return rows

    return " ".join(_guarded(desk, _devices(desk, await desk.store.write(mark)), source))


def summary(desk: Desk, rows: Sequence[News], source: Source) -> str:
    """These news in the words of one owner; "" where they are only parts of things."""
    devices = _devices(desk, rows)
    told = [desk.words("news_new", source, names=_listed(devices))] if devices else []
    told += _guarded(desk, devices, source)
    needs = dict.fromkeys((row.family, row.words, row.kind) for row in rows if row.kind in ("press", "code"))
    if needs:
        what = [desk.words(f"news_{kind}", source, about=about, where=where) for about, where, kind in needs]
        key = "news_needs" if len(needs) == 1 else "news_needs_all"
        told.append(desk.words(key, source, what="; ".join(what[:NAMED]), about=next(iter(needs))[0]))
    refused = (row.words for row in rows if row.kind == "refused")
    told += [desk.words("news_refused", source, trouble=words) for words in dict.fromkeys(refused)][:EXPLAINED]
    return " ".join(told)


def _devices(desk: Desk, rows: Sequence[News]) -> list[Device]:
    found = (desk.house.get(row.words) for row in rows if row.kind == "new")
    whole = [device for device in found if device and not device.part_of]
    return sorted(whole, key=lambda device: device.kind in ("sensor", "button", "scene"))  # what can be run is named first


def _guarded(desk: Desk, devices: Sequence[Device], source: Source) -> list[str]:
    """What a name gives away, and how that is cleared where it is wrong."""
    risky = [device for device in devices if not device.risk and proposed_risk(device)]
    kept = [device for device in devices if device.protected]
    groups = (("news_entry", risky), ("news_protected", kept))
    return [desk.words(key, source, names=_listed(group), one=group[0].name) for key, group in groups if group]


def _listed(devices: Sequence[Device]) -> str:
    return ", ".join(device.name for device in devices[:NAMED]) + ("" if len(devices) <= NAMED else f" (+{len(devices) - NAMED})")
