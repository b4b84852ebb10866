"""Learns from thumbs: what a household waved off, and what it wanted, says how sure the eyes must be of a kind at a camera.

Trained on the earlier labels and judged on the later; shown before it applies, and kept as a name is, so that "undo" takes it
back. It does not look at pictures, nor know who wants to hear of what (`sightings`).
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Event, EventKind, Role, Source
from dobby.house.model import Device
from dobby.journal import outbox, sightings as rows
from dobby.journal.pack import change_call
from dobby.journal.sightings import Seen
from dobby.mind.plan import Choice, Plan

THUMBS = {"👍": "good", "👎": "bad"}
EARLIER = 0.6  # of the messages: learned from; the rest judges
LEAST = 3  # thumbs down before anything is learned, and between two proposals
LIKED, SILENT = 3.0, 0.5  # costs of not telling what was liked, of changing what nobody spoke of; what was waved off: 1
DAYS = 90
LATELY = 3600.0  # seconds in which a thumb alone means what was told last


@dataclass(frozen=True, slots=True)
class Shown:
    """One message, or one sighting that was not told: how sure the eyes were, and what a person said of it."""

    at: float
    sure: float
    label: str
    told: bool

    def costs(self, told: bool) -> float:
        """What telling it, or not, would cost a household that said this of it."""
        if not self.label:
            return SILENT * (told is not self.told)
        return float(told) if self.label == "bad" else LIKED * (not told)


@dataclass(frozen=True, slots=True)
class Tuning:
    """A threshold, and what it would have changed in what it was not learned from, `since` then: messages that were waved off and
    would not have come, that were wanted and would have, and that nobody waved off and would not have come."""

    sure: float
    fewer: int
    more: int
    missed: int
    since: float


def sureness(seen: Seen) -> float:
    """How sure the eyes were, 0 … 1: what they did not hold for certain comes below all that they did."""
    return seen.score / 2 if seen.candidate else seen.score


def sure(device: Device | None, seen: Seen) -> bool:
    """Is it sure enough to be told: by what was learned of its kind at its camera, else by what the eyes hold."""
    least = device.sure.get(seen.kind) if device and seen.phase != "press" else None
    return not seen.candidate if least is None else sureness(seen) >= least


def tune(shown: Iterable[Shown]) -> Tuning | None:
    """The threshold that would have served better, and serves later messages better too; None where none does."""
    every = sorted(shown, key=lambda one: one.at)
    earlier, later = every[: (cut := round(len(every) * EARLIER))], every[cut:]
    steps = [(low + high) / 2 for low, high in pairwise(sorted({one.sure for one in earlier}))]
    if not later or not steps:
        return None
    best = min(steps, key=lambda step: sum(one.costs(one.sure >= step) for one in earlier))
    gains = [sum(one.costs(one.told) - one.costs(one.sure >= best) for one in part) for part in (earlier, later)]
    off, on = ([one.label for one in later if one.told is told and (one.sure >= best) is not told] for told in (True, False))
    if min(gains) <= 0 or "good" in off:
        return None
    waved = off.count("bad")
    return Tuning(round(best, 3), waved, on.count("good"), len(off) - waved, later[0].at)


def _messages(device: Device, kind: str, seen: Iterable[Seen]) -> list[Shown]:
    """What was told, each message as sure as the surest in it, and what was not; told or not as it would be now."""
    found: dict[str, Shown] = {}
    least = device.sure.get(kind)
    for one in seen:
        known = found.get(one.told or one.id)
        best = max(sureness(one), known.sure if known else 0.0)
        found[one.told or one.id] = Shown(one.at, best, one.label, bool(one.told) if least is None else best >= least)
    return list(found.values())


# A thumb, and what is made of it


async def react(desk: Desk, event: Event, label: str) -> Plan | None:
    """Keep what somebody thinks of what they were shown, or was told last; what follows from it is asked. None: of nothing."""
    source, now = event.source, desk.clock.now()
    if source.authority.rank < Role.ADULT.rank:
        return None

    def keep(db: sqlite3.Connection) -> Seen | None:
        key = about(db, event, now - (LATELY if event.text.startswith(tuple(THUMBS)) else 86400))
        found = rows.told_in(db, key)
        rows.label(db, key, label)
        return found[0] if found else None

    seen = await desk.store.write(keep)
    if seen is None:
        return None
    quiet = label == "good" and event.kind is EventKind.REACTION
    noted = Plan(say="" if quiet else desk.words(f"sight_{label}", source), language=desk.language_of(source))
    return await _propose(desk, seen, source) or noted


def about(db: sqlite3.Connection, event: Event, since: float) -> str:
    """The key of what was told, or the id of what was not, that an event is about."""
    refers = event.refers
    if refers.startswith("outbox:"):
        row = outbox.get(db, int(refers.removeprefix("outbox:")))
        refers = row.reply.key if row else ""
    if refers.startswith("event:"):  # shown in an answer
        return refers.rpartition(":")[2]
    if not refers:
        refers = outbox.latest(db, "sight:", f":{event.source.person}", since)
    return refers.rpartition(":")[0] if refers.startswith("sight:") else ""


async def _propose(desk: Desk, seen: Seen, source: Source) -> Plan | None:
    """Another threshold, if one serves better; looked for at every third thumb."""
    device, since = desk.house.get(seen.camera), desk.clock.now() - DAYS * 86400
    if device is None:
        return None
    shown = _messages(device, seen.kind, await desk.store.read(lambda db: rows.of_kind(db, seen.camera, seen.kind, since)))
    labels = sum(bool(one.label) for one in shown)
    learned = tune(shown) if labels and labels % LEAST == 0 else None
    if learned is None:
        return None
    facts = {"kind": desk.words(f"sight_all_{seen.kind}", source), "place": device.name}
    said, unsaid = (
        desk.words("sight_sure" if least else "sight_sure_none", source, share=round(100 * least), **facts)
        for least in (learned.sure, device.sure.get(seen.kind, 0.0))
    )
    call = change_call(device, "sure", {**device.sure, seen.kind: learned.sure}, said, unsaid)
    choices = (Choice(desk.words("yes_word", source), (call,)), Choice(desk.words("no_word", source), ()))
    return Plan(say=_told(desk, learned, source, facts), choices=choices, language=desk.language_of(source))


def _told(desk: Desk, learned: Tuning, source: Source, facts: dict[str, str]) -> str:
    """What would change, in what it was not learned from."""
    changes = [("fewer", learned.fewer), ("more", learned.more), ("missed" if learned.missed else "nobody", learned.missed)]
    parts = [desk.words(f"sight_tune_{name}", source, count=count) for name, count in changes if count or name == "nobody"]
    since = local(learned.since, desk.zone).strftime("%d.%m. %H:%M" if desk.language_of(source) == "de" else "%d %b %H:%M")
    return desk.words("sight_tune", source, changes=", ".join(parts), since=since, **facts)
