"""How amounts, prices and stretches of time are said to one person. It does not know what was measured."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dobby import Manner, number, shown


@cache
def table() -> Mapping[str, Any]:
    """The words of every language, and the currencies."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Words:
    """One person's language and units, at one moment."""

    manner: Manner
    table: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, manner: Manner, language: str = "") -> "Words":
        """In the language that was spoken, else the person's; English where neither is known."""
        spoken = replace(manner, language=language or manner.language)
        return cls(spoken, table().get(spoken.language) or table()["en"])

    def say(self, key: str, **facts: object) -> str:
        """A sentence, filled in; what a fact contains is never filled again."""
        parts = re.split(r"\{(\w+)\}", str(self.table[key]))
        text = "".join(str(facts.get(part, "")) if place % 2 else part for place, part in enumerate(parts))
        return text[:-1] if text.endswith("..") else text

    def join(self, names: Sequence[str]) -> str:
        """`a, b and c`."""
        return str(self.table["and"]).join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def number(self, value: float, digits: int = 1) -> str:
        """A number in the language's form."""
        return number(value, self.manner.language, digits)

    def amount(self, kwh: float, *, large: bool = False) -> str:
        """`3.2 kWh`, `480 Wh`; beside a `large` one in kWh too."""
        if kwh < 1 and not large:
            return f"{self.number(kwh * 1000, 0)} Wh"
        return f"{self.number(kwh, 0 if kwh >= 100 else 1)} kWh"

    def watts(self, watts: float) -> str:
        """`85 W`, `1.9 kW`."""
        return f"{self.number(watts / 1000, 1)} kW" if watts >= 10_000 else f"{self.number(watts, 0)} W"

    def quantity(self, value: float, unit: str) -> str:
        """A value in the person's own unit."""
        amount, name = shown(value, unit, self.manner.units)
        return f"{self.number(amount, 1)} {name}".rstrip()

    def money(self, amount: float, currency: str) -> str:
        """`€5.89`, `5,89 €`; less than a hundredth with more digits."""
        return self._money(f"{amount:.2f}" if amount >= 0.01 else f"{amount:.4f}", currency)

    def price(self, amount: float, currency: str) -> str:
        """The same of one kWh, with all that was said."""
        return self._money(f"{amount:.2f}" if round(amount, 2) == round(amount, 6) else f"{amount:.6f}".rstrip("0"), currency)

    def _money(self, text: str, currency: str) -> str:
        if self.manner.language == "de":
            return f"{text.replace('.', ',')} {currency}"
        return f"{currency}{' ' if currency.isalpha() else ''}{text}"

    def local(self, at: float) -> datetime:
        """An instant in the house's own time."""
        return datetime.fromtimestamp(at, self.manner.zone)

    def date(self, at: datetime) -> str:
        """`3 Nov`, with the year where it is another one."""
        text = str(self.table["date"]).format(day=at.day, month=self.table["months"][at.month - 1])
        return text if at.year == self.local(self.manner.now).year else f"{text} {at.year}"

    def clock(self, at: datetime) -> str:
        """`18:00`, `6 pm`."""
        if self.manner.units == "us":
            return at.strftime("%-I:%M %p").lower().replace(":00", "")
        return at.strftime("%H:%M")

    def moment(self, at: float) -> str:
        """`18:00` of today, else the date."""
        then = self.local(at)
        return self.clock(then) if then.date() == self.local(self.manner.now).date() else self.date(then)

    def when(self, since: float, until: float) -> str:
        """`yesterday`, `today so far`, `in October`, `from 3 Nov to 9 Nov`."""
        start, end, now = self.local(since), self.local(until), self.local(self.manner.now)
        last = end - timedelta(seconds=1)
        if start.date() == last.date():
            if not _is_midnight(start) or not (_is_midnight(end) or self.manner.now - until < 1):
                return self.say("hours", **{"from": self.clock(start), "to": self.clock(end)})
            days = {now.date(): "today", (now - timedelta(days=1)).date(): "yesterday"}
            key = days.get(start.date(), "day")
            return self.say(key, date=self.date(start))
        if _is_midnight(start) and start.day == 1 and _is_midnight(end) and end.day == 1 and last.month == start.month:
            return self.say(
                "month", month=self.table["long_months"][start.month - 1] + ("" if start.year == now.year else f" {start.year}")
            )
        return self.say("from_to", **{"from": self.date(start), "to": self.date(last)})

    def span(self, seconds: float) -> str:
        """`3 h 20 min`, `5 d 2 h`."""
        minutes = round(seconds / 60)
        days, hours, left = minutes // 1440, minutes // 60 % 24, minutes % 60
        parts = [(days, "d" if self.manner.language != "de" else "T"), (hours, "h"), (left if not days else 0, "min")]
        return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"


def _is_midnight(at: datetime) -> bool:
    return (at.hour, at.minute) == (0, 0)


def price_in(said: str, manner: Manner, currency: str = "") -> tuple[float, str] | None:
    """A price that somebody said, as (amount of the whole currency, its sign); None where it is none.

    A bare number is cents from 3 on, and the currency is the one said before, else that of where the house stands.
    """
    text = said.casefold().strip().rstrip(".!")
    found = re.search(r"\d+(?:[.,]\d+)?", text)
    if found is None:
        return None
    value, zone = float(found[0].replace(",", ".")), str(manner.zone)
    here = next((sign for sign, row in table()["money"].items() if any(zone.startswith(one) for one in row["zones"])), "")
    home = currency or here or ("$" if manner.units == "us" else "€")
    words = re.findall(r"[^\W\d_]+|[€$£¢]", text.replace(found[0], " "))
    for sign, row in sorted(table()["money"].items(), key=lambda pair: pair[0] != home):
        if any(re.fullmatch(row["words"], word) for word in words):
            return (value, sign) if 0 < value < 100 else None
    coin = any(re.fullmatch(row["cents"], word) for row in table()["money"].values() for word in words)
    minor = {"pence": "£", "penny": "£", "p": "£", "rappen": "CHF", "rp": "CHF"}
    home = next((minor[word] for word in words if word in minor), home)
    amount = value / 100 if coin or value >= 3 else value
    return (round(amount, 6), home) if 0 < amount < 100 else None
