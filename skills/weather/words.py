"""What a forecast of MET Norway means in the house's words: the weather now, today, tomorrow and by the hour.

Source: developer.yr.no/doc/ForecastJSON, .../guides/understanding-symbols. Nothing of its text gets through: conditions come
from the table here, all else is numbers. It does not know where a forecast comes from.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import isfinite
from typing import Any

from dobby import Unsure, Value

# A word of the symbol's code -> Home Assistant's condition; the first that fits, worst first.
SYMBOLS = (
    ("thunder", "lightning-rainy"),
    ("sleet", "snowy-rainy"),
    ("snow", "snowy"),
    ("heavyrain", "pouring"),
    ("rain", "rainy"),
    ("fog", "fog"),
    ("partlycloudy", "partlycloudy"),
    ("cloudy", "cloudy"),
    ("fair", "partlycloudy"),
    ("clearsky", "sunny"),
)
WET = tuple(condition for _, condition in SYMBOLS[:5])
AHEAD = ((1, "next_1_hours"), (6, "next_6_hours"))
NOTHING: tuple[int, Any] = (0, {})
WET_MM = 0.1  # an hour with less is dry
HOURS = 24  # of which is told one by one
MOST = 300  # points of a forecast that are looked at


@dataclass(frozen=True, slots=True)
class Point:
    """One moment of a forecast, and what falls until `ends`: °C, mm, m/s."""

    at: datetime
    ends: datetime
    temperature: float
    wind: float
    humidity: float | None
    rain: float
    condition: str


def points(document: Any) -> Sequence[Point]:
    """A forecast's moments in order.

    :raises Unsure: it makes no sense.
    """
    try:
        rows = document["properties"]["timeseries"]
        found = [point for row in rows[:MOST] if (point := _point(row))]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unsure("The weather service answered something that makes no sense.") from error
    if not found:
        raise Unsure("The weather service answered without any forecast.")
    return sorted(found, key=lambda point: point.at)


def _point(row: Any) -> Point | None:
    at = datetime.fromisoformat(row["time"]).astimezone(UTC)
    data = row["data"]
    now = data["instant"]["details"]
    hours, ahead = next(((n, data[key]) for n, key in AHEAD if key in data), NOTHING)
    symbol = str(ahead.get("summary", {}).get("symbol_code", ""))
    temperature = _number(now.get("air_temperature"))
    if temperature is None:
        return None
    rain, wind = _number(ahead.get("details", {}).get("precipitation_amount")), _number(now.get("wind_speed"))
    ends = at + timedelta(hours=hours)
    return Point(at, ends, temperature, wind or 0.0, _number(now.get("relative_humidity")), rain or 0.0, condition_of(symbol))


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if isfinite(value) and abs(value) < 1000 else None


def condition_of(symbol: str) -> str:
    """A symbol's code (`lightrainshowers_day`) as a condition; "" for an unknown one."""
    condition = next((condition for word, condition in SYMBOLS if word in symbol), "")
    return "clear-night" if condition == "sunny" and symbol.endswith("_night") else condition


def state(told: Sequence[Point], now: float, as_of: float, zone: tzinfo | None) -> dict[str, Value]:
    """A weather device's traits at `now`, from what was told at `as_of` (seconds since 1970); `zone` None is the machine's."""
    row = [replace(point, at=point.at.astimezone(zone), ends=point.ends.astimezone(zone)) for point in told]
    return _state(row, *(datetime.fromtimestamp(seconds, UTC).astimezone(zone) for seconds in (now, as_of)))


def _state(row: Sequence[Point], now: datetime, as_of: datetime) -> dict[str, Value]:
    current = next((point for point in reversed(row) if point.at <= now), row[0])
    hours = [point for point in row if point.ends > now and point.ends - point.at <= timedelta(hours=1)][:HOURS]
    ahead: dict[str, Value] = {
        "now": {"temperature": current.temperature, "humidity": current.humidity, "wind": current.wind},
        "today": _day(row, now.date(), now),
        "tomorrow": _day(row, now.date() + timedelta(days=1), now),
        "hours": [
            {"at": point.at.isoformat(), "condition": point.condition, "temperature": point.temperature, "rain": point.rain}
            for point in hours
        ],
        "as_of": as_of.isoformat(timespec="minutes"),
    }
    return {"value": current.condition or "unknown", "forecast": {key: told for key, told in ahead.items() if told}}


def _day(row: Sequence[Point], day: date, now: datetime) -> dict[str, Value]:
    """What is left of a day: condition, lowest and highest °C, mm of rain or snow and from when, strongest wind in m/s."""
    own = [point for point in row if point.at.date() == day and point.ends > now]
    if not own:
        return {}
    degrees = [point.temperature for point in own]
    told: dict[str, Value] = {
        "date": day.isoformat(),
        "condition": _worst(own),
        "low": min(degrees),
        "high": max(degrees),
        "rain": round(sum(point.rain for point in own), 1),
        "wind": max(point.wind for point in own),
    }
    wet = next(_wet(own), None)
    return told if wet is None else told | {"rain_from": max(wet.at, now).isoformat(timespec="minutes")}


def _wet(row: Sequence[Point]) -> Iterator[Point]:
    return (point for point in row if point.rain >= WET_MM)


def _worst(row: Sequence[Point]) -> str:
    """The worst of what falls; where nothing falls, what is seen for the longest time by day."""
    wet = [point.condition for point in _wet(row) if point.condition in WET]
    if wet:
        return min(wet, key=WET.index)
    seen: Mapping[str, int] = Counter(point.condition for point in row if 7 <= point.at.hour < 20 and point.condition not in WET)
    seen = seen or Counter(point.condition for point in row)
    return max(seen, key=lambda condition: seen[condition]) or "unknown"
