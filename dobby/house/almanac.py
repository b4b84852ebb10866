"""The house's calendar: wall times, rules that repeat, and where the sun stands, as instants.

An hour that a change to summer time leaves out is the same moment one hour on; one that comes twice counts the first time
(PEP 495, fold 0). It does not know what anything is for.
"""

from datetime import date, datetime, timedelta, tzinfo

from astral import Observer, sun as astral_sun
from dateutil.rrule import rrulestr

Place = tuple[float, float]
"""Degrees north and east."""


class Almanac:
    """One house's zone and place on earth; `place` None where nobody said."""

    def __init__(self, zone: tzinfo, place: Place | None = None) -> None:
        self.zone, self.place = zone, place

    def wall(self, instant: float) -> datetime:
        """What the clock on the wall shows, without its zone."""
        return datetime.fromtimestamp(instant, self.zone).replace(tzinfo=None, fold=0)

    def instant(self, wall: datetime) -> float:
        """Seconds since 1970 when the clock on the wall shows this."""
        return wall.replace(tzinfo=self.zone).timestamp()

    def next_run(self, every: str, after: float, *, anchor: float | None = None, sun: str = "") -> float | None:
        """The first instant of a rule after another; `anchor`: an instant that rules like "every two weeks" count from.

        `sun` (`sunset-1800`) moves it to the sun of those days. None where nothing comes.

        :raises ValueError: that is no rule.
        """
        begin = self.wall(after if anchor is None else anchor).replace(second=0, microsecond=0)
        rule = rrulestr(every, dtstart=begin - timedelta(days=1) if sun else begin)
        wall = rule.after(self.wall(after) - timedelta(days=2 if sun else 0), inc=bool(sun))
        while wall is not None:
            at = self.sun_at(wall.date(), sun) if sun else self.instant(wall)
            if at is not None and at > after:
                return at
            wall = rule.after(wall)
        return None

    def sun_at(self, day: date, sun: str) -> float | None:
        """The instant of `sunset-1800` on a day; None where the sun does not set or rise, or nobody knows where we are."""
        which = "sunset" if sun.startswith("sunset") else "sunrise"
        if self.place is None:
            return None
        try:
            found: datetime = getattr(astral_sun, which)(Observer(*self.place), date=day, tzinfo=self.zone)
        except ValueError:  # beyond the polar circles
            return None
        return found.timestamp() + float(sun.removeprefix(which) or 0)
