"""The one clock everybody asks, so that tests can own time.

It does not know what anybody waits for.
"""

import asyncio
import os
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Clock(Protocol):
    """Wall time in seconds since 1970, and waiting."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FixedClock:
    """A clock that stands where it is put: for `dobby try` and for tests. Sleeping moves it on at once."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def set(self, now: float) -> None:
        """Put the hands at an instant."""
        self._now = now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)


def machine_zone() -> ZoneInfo:
    """The machine's time zone by its name, with all its changes of hour; UTC where it has none."""
    linked = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    try:
        return ZoneInfo(os.environ.get("TZ", "").lstrip(":") or linked or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local(instant: float, zone: tzinfo | None) -> datetime:
    """An instant as the house's wall clock shows it; `None` is the machine's zone."""
    return datetime.fromtimestamp(instant, zone) if zone else datetime.fromtimestamp(instant).astimezone()
