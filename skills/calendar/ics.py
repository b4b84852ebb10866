"""A calendar file (iCalendar, RFC 5545) as entries of the house: what lies ahead, repeated ones by date, all-day ones as days.

Titles are data from outside: cut and cleaned. It does not know where the file is from, nor that it runs in a thread.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any

import icalendar
import recurring_ical_events

from dobby import Unsure, Value

NEAR, FAR = timedelta(days=14), timedelta(days=400)  # all of the first; of what repeats later on only the next one
STEP = timedelta(days=30)  # read at once
MOST_EVENTS, MOST_SEEN, MOST = 5000, 3000, 200
TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")  # nobody's appointments
NONSENSE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError, ArithmeticError)


def parsed(text: bytes) -> icalendar.Calendar:
    """A calendar, without what repeats more often than anybody could keep.

    :raises Unsure: it is none.
    """
    try:
        calendar = icalendar.Calendar.from_ical(text)
        events = [part for part in calendar.subcomponents if part.name != "VEVENT" or _sane(part)]
    except NONSENSE as error:
        raise Unsure("What was read is no calendar.") from error
    if sum(part.name == "VEVENT" for part in events) > MOST_EVENTS:
        raise Unsure("The calendar has far too many entries.")
    calendar.subcomponents = events
    return calendar


def _sane(event: Any) -> bool:
    if "DTSTART" not in event or not hasattr(event["DTSTART"], "dt"):
        return False
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        times = [len(rule.get(part, [1])) for part in ("BYHOUR", "BYMINUTE", "BYSECOND")]
        if rule.get("FREQ", [""])[0] in TOO_OFTEN or times[0] * times[1] * times[2] > 24:
            return False
    return True


def entries(calendar: icalendar.Calendar, now: datetime, zone: tzinfo | None) -> list[Value]:
    """What goes on at `now` and later, in order: `{title, starts, ends, place?}`; days are dates, `ends` the first after it.

    :param zone: the house's; None is the machine's.
    :raises Unsure: the calendar contradicts itself.
    """
    try:
        rows = list(islice(_ahead(calendar, now, zone), MOST_SEEN))
    except NONSENSE as error:
        raise Unsure("The calendar contradicts itself.") from error
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])[:MOST]]


def _ahead(calendar: icalendar.Calendar, now: datetime, zone: tzinfo | None) -> Iterator[tuple[tuple[float, str], Value]]:
    query = recurring_ical_events.of(calendar, skip_bad_series=True)
    near: set[tuple[str, str]] = set()
    series: set[str] = set()
    begin = now
    while begin < now + FAR:
        found = query.between(begin, begin + STEP)
        for event in sorted(found, key=lambda event: _instant(event["DTSTART"].dt, zone)):
            starts, ends = event["DTSTART"].dt, event["DTEND"].dt if "DTEND" in event else event["DTSTART"].dt
            uid, at = str(event.get("UID", "")), _instant(starts, zone)
            key = (uid, str(starts))
            later = at > now + NEAR and uid and uid in series
            if key in near or later or _instant(ends, zone, after=True) <= now or event.get("STATUS") == "CANCELLED":
                continue
            near.add(key)
            series.add(uid)
            row: dict[str, Value] = {"title": cleaned(event.get("SUMMARY")) or "?", "starts": _iso(starts, zone)}
            row["ends"] = _iso(max(ends, starts + timedelta(days=1)) if _is_day(starts) else ends, zone)
            place = cleaned(event.get("LOCATION"))
            yield (at.timestamp(), str(row["title"])), row | ({"place": place} if place else {})
        begin += STEP


def _is_day(moment: date) -> bool:
    return not isinstance(moment, datetime)


def _instant(moment: date, zone: tzinfo | None, after: bool = False) -> datetime:
    """A moment as an instant; a day is its first, and floating times are those of the house's clocks."""
    at = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return at if at.tzinfo else at.replace(tzinfo=zone) if zone else at.astimezone()


def _iso(moment: date, zone: tzinfo | None) -> str:
    return moment.isoformat() if _is_day(moment) else _instant(moment, zone).astimezone(zone).isoformat(timespec="minutes")


def cleaned(text: object, most: int = 120) -> str:
    """Words from outside as one short line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text or "")[:1000]).split())[:most]


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as an instant."""
    return datetime.fromtimestamp(seconds, UTC)
