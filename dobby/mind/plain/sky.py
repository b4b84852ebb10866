"""A forecast in words: what the weather is and will be, and whether that is a yes.

It reads a table with rows `now`, `today`, `tomorrow` and the hour it was told (`as_of`); a row with another date than the one
asked for is none. It does not know who made the forecast.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from dobby.events import Value
from dobby.house import units
from dobby.mind.plain.speech import Speech, fill, upper

OLD = timedelta(hours=3)  # since it was told: then its age is told with it
_WINDY, _STORMY = 8.0, 17.0  # m/s
_SEEN: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "rain": lambda row: row.get("rain", 0) >= 0.2 and row.get("condition") != "snowy",
    "wet": lambda row: row.get("rain", 0) >= 0.2,
    "snow": lambda row: str(row.get("condition")).startswith("snowy"),
    "sun": lambda row: row.get("condition") in ("sunny", "partlycloudy", "clear-night"),
    "clouds": lambda row: row.get("condition") in ("cloudy", "partlycloudy", "fog"),
    "wind": lambda row: row.get("wind", 0) >= _WINDY,
    "storm": lambda row: row.get("wind", 0) >= _STORMY or str(row.get("condition")).startswith("lightning"),
    "frost": lambda row: row.get("low", 1) <= 0,
}


class Sky:
    """One forecast, told to one person at `now` in the words of `outlook.yaml`."""

    def __init__(self, forecast: Mapping[str, Value], now: datetime, speech: Speech, table: Mapping[str, Any]) -> None:
        self._forecast, self._now, self._speech, self._table = forecast, now, speech, table

    def tell(self, value: str, line: str, day: str) -> str:
        """The answer to a question (`line`, folded) about a day ("" none named); "" where nothing is known of it."""
        about = next((key for key, words in self._table["about"].items() if re.search(rf"\b(?:{words})", line)), "")
        if about and (row := self._row(day or "today")):
            lead = "" if about == "degrees" else self._table["no"] if not _SEEN[about](row) else self._table["yes"]
            return lead + self._day(day or "today", row) + self._age()
        days = [day] if day == "tomorrow" else ["today"] if day else ["today", "tomorrow"]
        told = [self._day(name, row) for name in days if (row := self._row(name))]
        stale = not told and any(isinstance(self._forecast.get(name), dict) for name in ("today", "tomorrow"))
        if day != "tomorrow" or stale:
            told.insert(0, self._current(value))
        if day == "tomorrow" and stale:
            told.append(self._speech.say("no_forecast"))
        return " ".join(filter(None, told)) + (self._age() if told else "")

    def _row(self, day: str) -> Mapping[str, Any]:
        """What is said of a day, by its date where rows have one."""
        wanted = (self._now.date() + timedelta(days=day == "tomorrow")).isoformat()
        rows = {key: row for key in ("today", "tomorrow") if isinstance(row := self._forecast.get(key), dict)}
        dated = next((row for row in rows.values() if row.get("date") == wanted), None)
        return dated or ({} if any("date" in row for row in rows.values()) else rows.get(day, {}))

    def _current(self, value: str) -> str:
        now = self._forecast.get("now")
        degrees = self._degrees(now.get("temperature")) if isinstance(now, dict) else ""
        told = ", ".join(filter(None, (self.condition(value), degrees)))
        return fill(self._table["now"], {"what": told}) if told else ""

    def _day(self, day: str, row: Mapping[str, Any]) -> str:
        told = [self.condition(str(row.get("condition", "")))]
        low, high = row.get("low"), row.get("high")
        if low is not None and high is not None:
            told.append(
                fill(self._table["span"], {"low": units.number(round(_shown(low, self._speech))), "high": self._degrees(high)})
            )
        if row.get("rain"):
            told.append(f"{units.quantity(row['rain'], 'mm', self._speech.units, self._speech.language)}{self._since(row)}")
        return upper(fill(self._table["told"], {"day": self._table["named"][day], "what": ", ".join(filter(None, told))}))

    def _since(self, row: Mapping[str, Any]) -> str:
        at = _instant(row.get("rain_from"))
        if at is None or at <= self._now:
            return ""
        hour = at.astimezone(self._now.tzinfo).strftime("%-I:%M %p" if self._speech.units == "us" else "%H:%M")
        return fill(self._table["from"], {"time": hour})

    def _degrees(self, value: Any) -> str:
        if not isinstance(value, int | float):
            return ""
        return f"{units.number(round(_shown(value, self._speech)))} {'°F' if self._speech.units == 'us' else '°C'}"

    def _age(self) -> str:
        at = _instant(self._forecast.get("as_of"))
        if at is None or self._now - at < OLD:
            return ""
        return self._speech.say("as_of", time=self._speech.moment(at.astimezone(self._now.tzinfo), self._now))

    def condition(self, value: str) -> str:
        """Home Assistant's word for the weather in the person's."""
        return str(self._table["condition"].get(value, value))


def _shown(celsius: float, speech: Speech) -> float:
    return units.shown(float(celsius), "°C", speech.units)[0]


def _instant(text: Value) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None
