"""When: reads a time out of a text and leaves the rest. A clock, a day, a delay, a length, a rule that repeats, the sun.

Each language's words are in its `time.yaml`. What is said twice or makes no time is a problem, never a guess. It does
not know what is to be done then.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from dobby.house.almanac import Almanac
from dobby.mind.plain.lexicon import read_yaml
from dobby.mind.plain.words import cut
from dobby.mind.plan import Context

WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PARTS = {"morning": 8, "afternoon": 15, "evening": 19, "night": 21}  # where no hour is named
FREQ = {60: "MINUTELY", 3600: "HOURLY", 86400: "DAILY", 604800: "WEEKLY"}


@dataclass(slots=True)
class When:
    """What was found: the instant `at` (seconds since 1970), `after` seconds, an RRULE `every`, `sun`, and until when (`ends`).

    `bare`: an hour that could be another number; `vague`: no hour was named; `problem` a sentence's key; `rest` the text
    without it; `leads`: it stood at the beginning.
    """

    at: float = 0.0
    after: float = 0.0
    every: str = ""
    sun: str = ""
    ends: float = 0.0
    lasts: float = 0.0
    bare: bool = False
    vague: bool = False
    problem: str = ""
    rest: str = ""
    leads: bool = False


@dataclass(slots=True)
class _Found:
    """The pieces of a time, before they are put together."""

    row: dict[str, str] = field(default_factory=dict)
    twice: bool = False


@cache
def times(language: str) -> Mapping[str, Any]:
    """A language's `time.yaml`, its patterns filled in."""
    data = read_yaml(f"{language}/time.yaml")
    unit, numbers = "|".join(data["unit"].values()), "|".join(sorted(data["number"], key=len, reverse=True))
    n, day = rf"(?:\d+(?:[.,]\d+)?|{numbers})", "|".join(data["day"].values())
    one = rf"{n}(?: (?:{data['half']}))? (?:{unit})(?![a-z])"
    hours = "|".join(word for word, n in data["number"].items() if (n > 1 or word in ("one", "eins")) and " " not in word)
    hour = rf"(?:[01]?\d|2[0-4]|{hours})"
    past, named = "|".join(data["past"].values()).replace("{h}", hour), "|".join(data["hours"].values())
    half = rf"(?:{data['am']}|{data['pm']}|{data['clock']})"
    time = rf"(?:{past}|{named}|{hour}[:.][0-5]\d(?: {half})?|{hour} {half}(?: [0-5]\d)?)"
    each = f"(?:{day}|{'|'.join(data['days'].values())})"
    also = rf"(?: (?:,|&|n|{data['and']}))+"
    plurals = f"(?:(?:{day}){data['plural']}|{data['plurals']})"
    parts = {
        "span": rf"(?:{'|'.join(data['span'].values())}|{one}(?:(?: {data['and']}| ,)? {one})*)",
        "days": rf"{each}(?:{also} {each})*",
        "plurals": rf"(?:{plurals})(?:{also} {plurals})*",
        "sun": f"(?:{'|'.join(data['sun'].values())})",
        "kind": f"(?:{'|'.join(data['kind'].values())})",
        "nth": f"(?:{'|'.join(data['nth'].values())})",
        **{"time": time, "bare": hour, "n": n, "unit": f"(?:{unit})", "day": f"(?:{day})", "h": hour},
    }
    return {name: _fill(value, parts) for name, value in data.items()} | {"parts": parts}


def _fill(value: Any, parts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [_fill(one, parts) for one in value]
    return {key: _fill(one, parts) for key, one in value.items()} if isinstance(value, dict) else value


def has(pattern: str, text: str) -> bool:
    """As whole words."""
    return re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", text) is not None


class Line:
    """A text as one line of folded words, with the way back to what was written."""

    def __init__(self, text: str) -> None:
        self.text, self.words = text, cut(text)
        self.line = " ".join(word.text for word in self.words)

    def raw(self, start: int, end: int) -> str:
        """The stretch as written."""
        words = list(self._within(start, end))
        return self.text[words[0][0] : words[-1][1]] if words else ""

    def _within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        at = 0
        for word in self.words:
            if start < at + len(word.text) and at < end:
                yield word.start, word.end
            at += len(word.text) + 1

    def without(self, start: int, end: int) -> "Line":
        """The same text with a stretch blanked out."""
        words = list(self._within(start, end))
        first, last = words[0][0], words[-1][1]
        return Line(self.text[:first] + " " * (last - first) + self.text[last:])


class Clockmaker:
    """Reads times in one language for one context. `head`: what is read is an appointment anyway ("alarm for 7")."""

    def __init__(self, language: str, context: Context, *, head: bool = False) -> None:
        assert context.now.tzinfo is not None
        self.table, self.now, self.head = times(language), context.now, head
        self.parts: Mapping[str, str] = self.table["parts"]
        self.almanac = Almanac(context.now.tzinfo, context.place)
        self.today = context.now.replace(tzinfo=None, fold=0)

    def read(self, text: str) -> When | None:
        """The time in a text; None where there is none."""
        line, found = Line(text), _Found()
        bare = self.table["bare_head" if self.head else "bare"]
        at = rf"(?:(?:{self.table['at']}) )?{self.parts['time']}|(?:{bare}) {self.parts['bare']}"
        patterns = {
            **{name: self.table[name] for name in ("every_nth", "every_n", "every", "every_day", "until", "lasts")},
            **{name: self.table[name] for name in ("sun_before", "sun_after", "sun_at", "delay")},
            "near": [self.table["near"][key] for key in (2, 1, 0)],
            "on_day": self.table["on_day"],
            "clock": [rf"(?:{at})(?! (?:%|°|percent|prozent|degrees?|grad|[cf] ))"],
            "part": list(self.table["part"].values()),
        }
        first = len(line.line)
        for name, rules in patterns.items():
            match = re.search(rf"(?<![a-z0-9:.])(?:{'|'.join(rules)})(?![a-z0-9:])", line.line)
            if match and match.group().strip() and not (name == "part" and not found.row):
                found.row[name] = match.group()
                first = min(first, match.start())
                leads = not re.sub(rf"(?:{self.table['courtesy']}|[ ,.!])+", "", line.line[: match.start()])
                line = line.without(*match.span())
                found.row["leads"] = "1" if leads or "leads" in found.row else ""
        found.row.pop("leads") if found.row.get("leads") == "" else None
        if re.search(self.table["odd"], Line(text).line):
            return When(problem="time_unclear", rest=text)
        if not found.row.keys() - {"leads"} or found.row.keys() <= {"part", "leads"}:
            return None
        when = When(rest=line.text, leads="leads" in found.row)
        again = re.search(rf"(?<![a-z0-9:.])(?:{'|'.join(self.table['delay'])}|{at})(?![a-z0-9:])", line.line)
        when.problem = "time_unclear" if again and ("clock" in found.row or "delay" in found.row) else ""
        try:
            self._resolve(found.row, when)
        except (ValueError, OverflowError):
            when.problem = "time_unclear"
        return when

    # From words to numbers

    def seconds(self, text: str) -> float:
        """How long a span is."""
        fixed = next((float(size) for size, pattern in self.table["span"].items() if has(pattern, text)), 0.0)
        return fixed or sum(n * size for n, size in self._counted(text))

    def _counted(self, text: str) -> Iterator[tuple[float, int]]:
        for match in re.finditer(rf"({self.parts['n']})( (?:{self.table['half']}))? ({self.parts['unit']})(?![a-z])", text):
            yield self._number(match[1]) + (0.5 if match[2] else 0.0), self._unit(match[3])

    def _unit(self, text: str) -> int:
        return next(int(size) for size, pattern in self.table["unit"].items() if re.fullmatch(pattern, text))

    def _number(self, text: str) -> float:
        value = self.table["number"].get(text)
        return float(value) if value is not None else float(text.replace(",", "."))

    def _hour(self, text: str) -> tuple[int, int, bool]:
        """Hour, minute, and whether it is certain which half of the day is meant."""
        for hour, pattern in self.table["hours"].items():
            if has(pattern, text):
                return int(hour), 0, True
        for minutes, pattern in self.table["past"].items():
            match = re.search(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])", text)
            if match:
                said = re.findall(self.parts["h"], match.group())[-1]
                whole = int(self._number(said)) * 60 + int(minutes)
                return whole // 60 % 24, whole % 60, whole >= 780
        hours = re.findall(rf"(?<![\w:.])({self.parts['h']})(?:[:.]([0-5]\d))?(?![\w])", text)
        late = re.search(rf"(?:{self.table['clock']}) ([0-5]\d)$", text)
        said, minute = hours[0] if late else hours[-1]
        hour, minute = int(self._number(said)), int(minute or (late[1] if late else 0))
        if re.search(rf" (?:{self.table['pm']})$", text):
            return hour % 12 + 12, minute, True
        if re.search(rf" (?:{self.table['am']})$", text):
            return hour % 12, minute, True
        return hour % 24, minute, hour > 12 or hour == 0 or re.search(self.table["certain"], f"{said}{text}") is not None

    # From pieces to instants

    def _resolve(self, row: Mapping[str, str], when: When) -> None:
        when.bare = "clock" in row and re.fullmatch(rf"(?:{self.table['bare_head']}) \d+", row["clock"]) is not None
        if "until" in row:
            when.ends = self._ahead(*self._hour(row["until"]))
        if "lasts" in row:
            when.lasts = self.seconds(row["lasts"])
        said = row.get("part") or row.get("every_day", "").partition(" ")[2]
        part = next((name for name, pattern in self.table["part"].items() if said and re.fullmatch(pattern, said)), "")
        sun = next((name for name in ("sun_before", "sun_after", "sun_at") if name in row), "")
        if any(name.startswith("every") for name in row):
            self._repeat(row, when, part, sun)
        elif "delay" in row:
            when.after = self.seconds(row["delay"])
            when.at = self.now.timestamp() + when.after
        elif sun:
            self._by_sun(row, when, sun)
        elif row.keys() & {"near", "on_day", "clock"} or (part and re.fullmatch(self.table["today"], said)):
            when.at = self._on_a_day(row, when, part)
        if when.at and when.at <= self.now.timestamp():
            when.problem = when.problem or "when_past"

    def _ahead(self, hour: int, minute: int, certain: bool) -> float:
        """The next time the clock shows this: of both halves of the day where either may be meant."""
        midnight = self.today.replace(hour=0, minute=0, second=0, microsecond=0)
        hours = (hour, hour + 24) if certain else (hour % 12, hour % 12 + 12, hour % 12 + 24)
        walls = (midnight + timedelta(hours=one, minutes=minute) for one in hours)
        return next(at for wall in walls if (at := self.almanac.instant(wall)) > self.now.timestamp())

    def _on_a_day(self, row: Mapping[str, str], when: When, part: str) -> float:
        """A clock, perhaps with a day and a part of it."""
        when.vague = "clock" not in row
        hour, minute, certain = self._hour(row["clock"]) if "clock" in row else (PARTS.get(part, 9), 0, True)
        if not row.keys() & {"near", "on_day"} and not part:
            return self._ahead(hour, minute, certain)
        hour, on = self._half(hour, certain, part), self._day(row)
        if on is None:
            on = self.today.date()
            if self._wall(on, hour, minute) <= self.today:
                on += timedelta(days=1)
        elif "on_day" in row and self._wall(on, hour, minute) <= self.today:
            on += timedelta(days=7)
        return self.almanac.instant(self._wall(on, hour, minute))

    def _wall(self, on: date, hour: int, minute: int) -> datetime:
        return datetime(on.year, on.month, on.day) + timedelta(hours=hour, minutes=minute)

    def _half(self, hour: int, certain: bool, part: str) -> int:
        if part == "night" and (hour < 5 or hour == 12):
            return 24 + hour % 12  # one o'clock at night is tomorrow's
        if part in ("afternoon", "evening", "night"):
            return hour % 12 + 12
        return hour + 12 if 1 <= hour <= 5 and not part and not certain else hour

    def _day(self, row: Mapping[str, str]) -> date | None:
        for days, pattern in self.table["near"].items():
            if "near" in row and re.fullmatch(pattern, row["near"]):
                return self.today.date() + timedelta(days=int(days))
        if "on_day" in row:
            wanted = next(self._named_days(row["on_day"]))
            return self.today.date() + timedelta(days=(WEEK.index(wanted) - self.today.weekday()) % 7)
        return None

    def _named_days(self, text: str) -> Iterator[str]:
        for code, pattern in {**self.table["day"], **self.table["days"]}.items():
            if has(f"(?:{pattern})(?:{self.table['plural']})?", text):
                yield from code.split(",")

    def _by_sun(self, row: Mapping[str, str], when: When, how: str) -> None:
        when.sun = self._sun(row, how)
        on = self._day(row) or self.today.date()
        at = self.almanac.sun_at(on, when.sun)
        if at is not None and at <= self.now.timestamp() and "near" not in row:
            at = self.almanac.sun_at(on + timedelta(days=1), when.sun)
        when.at, when.sun = at or 0.0, ""
        if at is None:
            when.problem = "no_place" if self.almanac.place is None else "no_sun"

    def _sun(self, row: Mapping[str, str], how: str) -> str:
        which = next(name for name, pattern in self.table["sun"].items() if re.search(pattern, row[how]))
        shift = 0.0 if how == "sun_at" else self.seconds(row[how]) * (-1 if how == "sun_before" else 1)
        return f"{which}{shift:+.0f}" if shift else which

    def _repeat(self, row: Mapping[str, str], when: When, part: str, sun: str) -> None:
        rule, hourly = self._rule(row)
        if sun:
            when.sun = self._sun(row, sun)
            when.problem = "no_place" if self.almanac.place is None else when.problem
        elif "clock" in row and not hourly:
            hour, minute, certain = self._hour(row["clock"])
            rule += f";BYHOUR={self._half(hour, certain, part) % 24};BYMINUTE={minute}"
        elif not hourly or "clock" in row:
            when.problem = "when_hour"
        when.every = rule
        if not when.problem:
            when.at = self.almanac.next_run(rule, self.now.timestamp(), anchor=self.now.timestamp(), sun=when.sun) or 0.0

    def _rule(self, row: Mapping[str, str]) -> tuple[str, bool]:
        """The RRULE without its hour, and whether it needs none."""
        if "every_nth" in row:
            nth = next(n for n, pattern in self.table["nth"].items() if has(pattern, row["every_nth"]))
            return f"FREQ=MONTHLY;BYDAY={nth}{next(self._named_days(row['every_nth']))}", False
        if "every_n" in row:
            counted = re.search(rf"({self.parts['n']}) ({self.parts['unit']})$", row["every_n"])
            word = row["every_n"].split()[-1]
            count = self._number(counted[1]) if counted else 1.0
            size = self._unit(word) if re.fullmatch(self.parts["unit"], word) else 3600
            if size not in FREQ or count != int(count) or count < 1:
                raise ValueError("no such rule")
            every = f";INTERVAL={count:.0f}" if count > 1 else ""
            return f"FREQ={FREQ[size]}{every}", size < 86400
        days = [] if "every_day" in row else sorted(dict.fromkeys(self._named_days(row["every"])), key=WEEK.index)
        return ("FREQ=DAILY" if len(days) in (0, 7) else f"FREQ=WEEKLY;BYDAY={','.join(days)}"), False
