"""What every device is at this moment: values with their age and their cause, and who waits for a change.

Lives in memory; a thousand changes a second pass through here. It does not know how history is kept.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dobby.clock import Clock
from dobby.events import Change, Value

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """One trait's value: since when it is so (seconds since 1970) and whose doing it was ("" by hand or other).

    `turned` is False where it was found so: it may have been so before.
    """

    value: Value
    since: float
    cause: str = ""
    turned: bool = True


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
REACH = "available"  # a turn of this trait: out of reach from now on, or answering again
EXPECTED_SECONDS = 120.0  # a change we asked for may take so long
ECHO_SECONDS = 3.0  # a device may go on reporting it, once it is there


class States:
    """The present, trait by trait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readings: dict[str, dict[str, Reading]] = {}
        self._past: dict[tuple[str, str], Reading] = {}
        self._heard: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._expected: dict[tuple[str, str], tuple[str, float]] = {}
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._listeners: list[Listener] = []

    def of(self, device: str) -> dict[str, Value]:
        """All traits of a device as last heard; empty where nothing was ever heard."""
        # copied in one step: the store's thread may look while the loop takes in news
        return {trait: reading.value for trait, reading in self._readings.get(device, {}).copy().items()}

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

    def recall(self, device: str, trait: str, reading: Reading) -> None:
        """What it was when it was last known, before this process: not the present, but the present may be the same since."""
        self._past[device, trait] = reading

    def expect(self, device: str, traits: Mapping[str, Value], cause: str) -> None:
        """The next changes of these traits are our doing."""
        until = self._clock.now() + EXPECTED_SECONDS
        for trait in traits:
            self._expected[device, trait] = (cause, until)

    def hear(self, change: Change) -> None:
        """Take in what a device said or was read as."""
        now = self._clock.now()
        if change.available is False and change.device not in self._gone:
            self._gone[change.device] = now
            self._tell(Turn(change.device, REACH, True, False, now, ""))
        elif (change.available or change.state) and self._gone.pop(change.device, None) is not None:
            self._tell(Turn(change.device, REACH, False, True, now, ""))
        if change.state:
            self._heard[change.device] = now
            self._take(change, now)
        for waiter in self._waiters.get(change.device, ()):
            waiter.set()

    def _take(self, change: Change, now: float) -> None:
        readings = self._readings.setdefault(change.device, {})
        for trait, value in change.state.items():
            old = readings.get(trait) or self._past.pop((change.device, trait), None)
            if old is not None and old.value == value and isinstance(old.value, bool) == isinstance(value, bool):
                readings.setdefault(trait, old)
                continue
            cause = self._cause(change.device, trait, now)
            readings[trait] = Reading(value, now, cause, old is not None)
            if old is not None:
                self._tell(Turn(change.device, trait, old.value, value, now, cause))

    def _tell(self, turn: Turn) -> None:
        for listener in self._listeners:
            try:
                listener(turn)
            except Exception:  # whoever listens must not keep the present from being known
                log.exception("A listener failed at %s of %s", turn.trait, turn.device)

    def _cause(self, device: str, trait: str, now: float) -> str:
        cause, until = self._expected.get((device, trait), ("", 0.0))
        return cause if now <= until else ""

    def settled(self, device: str, traits: Iterable[str]) -> None:
        """These have come to where we wanted them: what changes later is not our doing."""
        until = self._clock.now() + ECHO_SECONDS
        for trait in traits:
            if (device, trait) in self._expected:
                cause, end = self._expected[device, trait]
                self._expected[device, trait] = (cause, min(end, until))

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
        for key in [key for key in self._expected if key[0] == device]:
            del self._expected[key]
