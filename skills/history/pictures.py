"""What is to be drawn, as numbers and words: bars of what was used, the course of one or more traits.

It does not draw (`draw.py` does) nor add up (`meter.py` does).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from dobby import Device, Home, State, Value, shown

from .book import Book
from .meter import Meter
from .words import Words

MOST = 4  # traits in one picture
DAY = 86400.0
HOLDS = 5400.0  # seconds after which a reading is drawn as having held until just before the next one
MOVED = 600.0  # seconds in which it then changed
POINTS = 3000  # of one line: more is not to be seen
STEPS = ("W", "kW", "VA", "A", "%", "lx")  # what jumps from one value to the next
OFF = {"off", "closed", "idle", "docked", "away", "aus"}


def edges(since: datetime, until: datetime, each: str) -> list[datetime]:
    """The beginnings of whole hours, days or months of the house's own time from `since` on, and `until`."""
    rows = [since]
    while rows[-1] < until:
        at = rows[-1]
        if each == "hour":
            after = datetime.fromtimestamp((at.timestamp() // 3600 + 1) * 3600, at.tzinfo)
        elif each == "day":
            after = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        else:
            after = (at.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        rows.append(min(after, until))
    return rows


async def bars(book: Book, rows: Sequence[Meter], title: str) -> Mapping[str, Any]:
    """What several meters measured together, by the hour up to two days, by the day up to two months, else by the month."""
    words, length = book.words, book.until - book.since
    each = "hour" if length <= 2 * DAY else "day" if length <= 62 * DAY else "month"
    marks = [at.timestamp() for at in edges(words.local(book.since), words.local(book.until), each)]
    found = []
    for start, end in pairwise(marks):
        amount = await book.total(rows, start, end)
        whole = {"hour": 3600, "day": 23 * 3600, "month": 28 * DAY}[each]
        sure = amount.known > 0.9 and end - start >= whole
        found.append({"at": start, "value": amount.kwh, "sure": sure})
    total = await book.total(rows, book.since, book.until)
    sure_ones = [row["value"] for row in found if row["sure"] and row["value"] is not None]
    mean = sum(sure_ones) / len(sure_ones) if len(sure_ones) > 2 else 0.0
    all_ = words.say("total", amount=words.amount(total.kwh or 0.0)) + book.cost(total.kwh or 0.0)
    below = f"{_upper(words.when(book.since, book.until))} · {all_}"
    return _page(words, book.since, book.until, "bars", title, below, str(words.table["per"][each])) | {
        "bars": found,
        "each": each,
        "mean": mean,
        "words": _names(words) | {"mean": words.say("mean", amount=words.amount(mean))},
    }


@dataclass(frozen=True, slots=True)
class Course:
    """One trait over time: words about it, and either numbers (`points`, in the person's `unit`) or states (`spans`)."""

    device: Device
    told: str
    known: bool = False
    unit: str = ""
    points: Sequence[tuple[float, float | None]] = ()
    spans: Sequence[Mapping[str, Any]] = ()
    gaps: Sequence[tuple[float, float]] = field(default_factory=tuple)


async def course(home: Home, device: Device, trait: str, since: float, until: float, words: Words) -> Course:
    """A trait's past, in words and numbers."""
    rows = list(await home.past(device, trait, since, until))
    if until < words.manner.now - 1:
        rows = [row for row in rows if row[0] < until]  # what turned at midnight is of the day after
    gaps = await home.gaps(device, since, until)
    now: State = home.state(device)
    if not rows and not gaps and now.get(trait) is not None:
        rows = [(since, now[trait])]  # it has not turned since it is known
    when = words.when(since, until)
    if not rows:
        return Course(device, words.say("nothing", name=device.name, when=when))
    spec = device.traits.get(trait)
    if spec is not None and all(isinstance(value, int | float) and not isinstance(value, bool) for _, value in rows):
        return _numbers(device, spec.unit, rows, gaps, (since, until), words, when)
    return _states(device, rows, gaps, (since, until), words, when)


def _numbers(
    device: Device,
    unit: str,
    rows: Sequence[tuple[float, Value]],
    gaps: Sequence[tuple[float, float]],
    span: tuple[float, float],
    words: Words,
    when: str,
) -> Course:
    known = [
        (at, shown(float(value), unit, words.manner.units)[0])
        for at, value in rows
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if not known:
        return Course(device, words.say("nothing", name=device.name, when=when))
    name = shown(0.0, unit, words.manner.units)[1]
    points = list(_line(known, gaps, span))
    values = [value for _, value in points if value is not None] or [known[-1][1]]
    low, high, last = (f"{words.number(value, 1)} {name}".rstrip() for value in (min(values), max(values), known[-1][1]))
    low = low.removesuffix(f" {name}") if name else low
    told = words.say(
        "same" if min(values) == max(values) else "range", name=device.name, when=when, low=low, high=high, last=last
    )
    return Course(device, told, True, name, _fewer(points), gaps=gaps)


def _line(
    known: Sequence[tuple[float, float]], gaps: Sequence[tuple[float, float]], span: tuple[float, float]
) -> Iterator[tuple[float, float | None]]:
    """Readings as a line: one holds until the next where that is long, and nothing is drawn through a gap."""
    since, until = span
    for place, (at, value) in enumerate(known):
        then = known[place + 1][0] if place + 1 < len(known) else until
        silent = next(((start, end) for start, end in gaps if at <= start < then), None)
        if then >= since:
            yield max(at, since), value
        if silent:
            yield silent[0], value
            yield silent[0], None
        if silent and silent[1] < then - 1:
            yield silent[1], value  # it was heard again, and had not changed
        last = place + 1 == len(known)
        if (then - at > HOLDS or last) and then > since and not (silent and silent[1] >= then - 1):
            yield max(since, until if last else then - MOVED), value


def _fewer(points: Sequence[tuple[float, float | None]]) -> Sequence[tuple[float, float | None]]:
    """At most so many: of each handful the first, the lowest and the highest stay, and every break."""
    if len(points) <= POINTS:
        return points
    size = len(points) // (POINTS // 4) + 1
    kept = []
    for start in range(0, len(points), size):
        handful = list(enumerate(points[start : start + size], start))
        numbers = [(value, place) for place, (_, value) in handful if value is not None]
        wanted = {start, *(place for place, (_, value) in handful if value is None)}
        kept += sorted(wanted | ({min(numbers)[1], max(numbers)[1]} if numbers else set()))
    return [points[place] for place in [*kept, len(points) - 1]]


def _states(
    device: Device,
    rows: Sequence[tuple[float, Value]],
    gaps: Sequence[tuple[float, float]],
    span: tuple[float, float],
    words: Words,
    when: str,
) -> Course:
    since, until = span
    spans: list[dict[str, Any]] = []
    for place, (at, value) in enumerate(rows):
        then = rows[place + 1][0] if place + 1 < len(rows) else until
        name = words.say("on" if value else "off") if isinstance(value, bool) else str(value)[:40]
        for start, end in _outside(gaps, max(at, since), min(then, until)):
            spans.append({"at": start, "until": end, "name": name})
    length: dict[str, float] = {}
    for row in spans:
        length[row["name"]] = length.get(row["name"], 0.0) + row["until"] - row["at"]
    named = [words.say("spell", state=name, span=words.span(seconds)) for name, seconds in length.items() if seconds >= 30]
    told = words.say("lasted", name=device.name, when=when, spans=words.join(named[:5]))
    return Course(device, told, bool(spans), spans=spans, gaps=gaps)


def _outside(gaps: Sequence[tuple[float, float]], start: float, end: float) -> Iterator[tuple[float, float]]:
    """What is left of a stretch without its gaps."""
    for begin, stop in gaps:
        if begin < end and stop > start:
            if begin > start:
                yield start, begin
            start = stop
    if start < end:
        yield start, end


def over_time(rows: Sequence[Course], since: float, until: float, words: Words) -> Mapping[str, Any]:
    """The page of several courses: numbers of one unit as lines, else states; what does not go with the first is left out."""
    lines = bool(rows[0].points)
    alike = [row for row in rows if bool(row.points) is lines and row.unit == rows[0].unit]
    title = words.join(list(dict.fromkeys(_titled(row.device) for row in alike)))
    below = _upper(words.when(since, until))
    if len(alike) == 1 and alike[0].told:
        below += f" · {alike[0].told.partition(': ')[2].rstrip('.')}"
    gaps = alike[0].gaps if len(alike) == 1 else []
    page = _page(words, since, until, "lines" if lines else "spans", title, below, alike[0].unit)
    step = alike[0].unit in STEPS
    series = [{"name": row.device.name, "points": list(row.points), "spans": list(row.spans), "step": step} for row in alike]
    least = 4.0 if alike[0].unit == "°F" else 2.0 if alike[0].unit == "°C" else 0.0
    return page | {
        "series": series,
        "gaps": list(gaps),
        "least": least,
        "digits": 0 if step else 1,
        "off": sorted({*OFF, words.say("off")}),
    }


def _titled(device: Device) -> str:
    """The name, with its room where the name does not say it."""
    return (
        device.name if not device.room or device.room.casefold() in device.name.casefold() else f"{device.name} ({device.room})"
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(words: Words) -> dict[str, Any]:
    return {key: words.table[key] for key in ("gap", "date", "days", "months")}


def _page(words: Words, since: float, until: float, kind: str, title: str, below: str, unit: str) -> dict[str, Any]:
    """What every picture has."""
    return {
        "kind": kind,
        "title": title,
        "below": below,
        "unit": unit,
        "zone": str(words.manner.zone),
        "since": since,
        "until": until,
        "comma": words.manner.language == "de",
        "twelve": words.manner.units == "us",
        "words": _names(words),
    }
