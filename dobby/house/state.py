"""What every device is at this moment: values with their age and their cause, and who waits for a change.

Lives in memory; a thousand changes a second pass through here. It does not know how history is kept.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dobby.clock import Clock
from dobby.events import Change, Value


@dataclass(frozen=True, slots=True)
class Reading:
    """One trait's value: since when it is so (seconds since 1970) and whose doing it was ("" by hand or other)."""

    value: Value
    since: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One trait of one device went from one value to another."""

    device: str
    trait: str
    was: Value
    now: Value
    at: float
    cause: str


Listener = Callable[[Turn], None]
EXPECTED_SECONDS = 120.0


class States:
    """The present, trait by trait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readings: dict[str, dict[str, Reading]] = {}
        self._heard: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._expected: dict[tuple[str, str], tuple[str, float]] = {}
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._listeners: list[Listener] = []

    def of(self, device: str) -> dict[str, Value]:
        """All traits of a device as last heard; empty where nothing was ever heard."""
        return {trait: reading.value for trait, reading in self._readings.get(device, {}).items()}

    def reading(self, device: str, trait: str) -> Reading | None:
        """One trait with its age and cause."""
        return self._readings.get(device, {}).get(trait)

    def heard(self, device: str) -> float | None:
        """When the device last said anything, in seconds since 1970."""
        return self._heard.get(device)

    def unavailable_since(self, device: str) -> float | None:
        """Since when the device is out of reach; None while it answers."""
        return self._gone.get(device)

    def listen(self, listener: Listener) -> None:
        """Be told of every turn, in the loop's own thread; must not block."""
        self._listeners.append(listener)

    def expect(self, device: str, traits: Mapping[str, Value], cause: str) -> None:
        """The next changes of these traits are our doing."""
        until = self._clock.now() + EXPECTED_SECONDS
        for trait in traits:
            self._expected[device, trait] = (cause, until)

    def hear(self, change: Change) -> None:
        """Take in what a device said or was read as."""
        now = self._clock.now()
        if change.available is False:
            self._gone.setdefault(change.device, now)
        elif change.available or change.state:
            self._gone.pop(change.device, None)
        if change.state:
            self._heard[change.device] = now
            self._take(change, now)
        for waiter in self._waiters.get(change.device, ()):
            waiter.set()

    def _take(self, change: Change, now: float) -> None:
        readings = self._readings.setdefault(change.device, {})
        for trait, value in change.state.items():
            old = readings.get(trait)
            if old is not None and old.value == value:
                continue
            cause = self._cause(change.device, trait, now)
            readings[trait] = Reading(value, now, cause)
            if old is not None:
                turn = Turn(change.device, trait, old.value, value, now, cause)
                for listener in self._listeners:
                    listener(turn)

    def _cause(self, device: str, trait: str, now: float) -> str:
        cause, until = self._expected.get((device, trait), ("", 0.0))
        return cause if now <= until else ""

    def settled(self, device: str, trait: str) -> None:
        """We are done with this trait: what changes from now on is not our doing."""
        self._expected.pop((device, trait), None)

    async def changed(self, device: str, seconds: float) -> bool:
        """Wait until the device says something, at most so long; False when it stayed silent."""
        waiter = asyncio.Event()
        waiters = self._waiters.setdefault(device, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter.wait()
            return True
        except TimeoutError:
            return False
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(device, None)

    def forget(self, device: str) -> None:
        """The device is no longer part of the house."""
        for rows in (self._readings, self._heard, self._gone):
            rows.pop(device, None)
