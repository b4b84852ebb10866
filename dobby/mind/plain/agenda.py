"""What calendars hold, in words: a day's entries, the next one, or when something is that somebody asks for by name.

An entry has `starts` and `ends` (ISO; a bare date is all day) and a `title`, which is data from outside. It does not know
where entries come from.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from dobby.events import Value
from dobby.mind.plain.speech import Speech, fill, upper
from dobby.mind.plain.words import fold_all, stem

MOST = 6  # entries told at once


@dataclass(frozen=True, slots=True)
class Entry:
    """One appointment in the house's zone; `ends` is the first moment after it."""

    starts: datetime
    ends: datetime
    all_day: bool
    title: str


def entries(value: Value, zone: tzinfo | None) -> list[Entry]:
    """What a calendar says lies ahead, in order; what makes no sense is left out."""
    rows = value if isinstance(value, list) else []
    return sorted((entry for row in rows if (entry := _entry(row, zone))), key=lambda entry: (entry.starts, entry.title))


def _entry(row: Value, zone: tzinfo | None) -> Entry | None:
    if not isinstance(row, dict):
        return None
    try:
        first, last = str(row["starts"]), str(row.get("ends") or row["starts"])
        starts, ends = _moment(first, zone), _moment(last, zone)
    except (LookupError, ValueError):
        return None
    all_day = len(first) == 10
    return Entry(starts, max(ends, starts + timedelta(days=all_day)), all_day, str(row.get("title", ""))[:200])


def _moment(text: str, zone: tzinfo | None) -> datetime:
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time(), zone)
    at = datetime.fromisoformat(text)
    return at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=zone)


class Agenda:
    """All that lies ahead, told to one person at `now` in the words of `outlook.yaml`."""

    def __init__(self, rows: Iterable[Entry], now: datetime, speech: Speech, table: Mapping[str, Any]) -> None:
        self._rows = sorted((row for row in rows if row.ends > now), key=lambda row: row.starts)
        self._now, self._speech, self._table = now, speech, table

    def day(self, day: str) -> str:
        """What is on today or tomorrow ("" is what comes next)."""
        if not day:
            return self._told(self._rows[:3]) or self._table["nothing"]
        begin = datetime.combine(self._now.date() + timedelta(days=day == "tomorrow"), time(), self._now.tzinfo)
        rows = [row for row in self._rows if row.starts < begin + timedelta(days=1) and row.ends > begin]
        if not rows:
            return fill(self._table["nothing_on"], {"day": self._table["named"][day]})
        told = [
            f"{row.title} ({self._clock(row.starts)})" if row.starts >= begin and not row.all_day else row.title for row in rows
        ]
        return upper(fill(self._table["told"], {"day": self._table["named"][day], "what": self._speech.names(told, MOST)}))

    def when(self, what: str) -> str:
        """When something is that is asked for by name; "" where no entry is called so."""
        wanted = self._wanted(what)
        found = [row for row in self._rows if wanted and all(_in(row.title, words) for words in wanted)]
        same = [row for row in found if row.starts.date() == found[0].starts.date()]
        return self._told(same[:3])

    def _wanted(self, what: str) -> list[set[str]]:
        """The words that matter, each with all that means the same."""
        ways = [set(map(stem, words.split(", "))) for words in self._table["same"]]
        words = [stem(word) for word in fold_all(what) if not re.fullmatch(self._table["idle"], word)]
        firm = [word for word in words if not re.fullmatch(self._table["soft"], word)] or words
        return [{word}.union(*(way for way in ways if word in way)) for word in firm]

    def _told(self, rows: Sequence[Entry]) -> str:
        return " ".join(f"{row.title}: {self._span(row)}." for row in rows)

    def _span(self, row: Entry) -> str:
        begin = self._date(row.starts) + ("" if row.all_day else f" {self._clock(row.starts)}")
        last = row.ends - timedelta(days=1) if row.all_day else row.ends
        if last.date() <= row.starts.date():
            return begin
        return fill(self._table["since" if row.starts <= self._now else "until"], {"from": begin, "to": self._date(last)})

    def _date(self, at: datetime) -> str:
        away = (at.date() - self._now.date()).days
        if away in (0, 1):
            return str(self._table["named"]["tomorrow" if away else "today"])
        names = self._speech.table.get("calendar") or self._table
        facts = {"weekday": names["days"][at.weekday()], "day": at.day, "month": names["months"][at.month - 1]}
        return fill(self._table["date"], facts) + (f" {at.year}" if at.year != self._now.year and away > 300 else "")

    def _clock(self, at: datetime) -> str:
        return at.strftime("%-I:%M %p" if self._speech.units == "us" else "%H:%M")


def _in(title: str, words: set[str]) -> bool:
    """One of the words is in a title, or makes up an end of one of its own (`ferien` in `weihnachtsferien`)."""
    own = [stem(word) for word in fold_all(title)]
    return any(
        word == mine or (len(word) > 3 and (mine.startswith(word) or mine.endswith(word))) for word in words for mine in own
    )
