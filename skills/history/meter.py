"""What was used: counters and power readings as amounts of kWh between instants, and which of them measures what.

A counter that falls has begun anew; between two readings it is taken to have run evenly. It does not know any words.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dobby import Device, Home, Value

KWH = {"kWh": 1.0, "Wh": 0.001, "MWh": 1000.0}
WATT = {"W": 1.0, "kW": 1000.0, "mW": 0.001}
STILL = 3600.0  # seconds: a counter that says nothing for longer stands still
SLIP = 0.9  # a counter that falls to less than this share has begun anew; one that falls less was read badly
MAIN = re.compile(
    r"\b(?:house|home|whole|main|mains|grid|total|haus|strom|netz|hausanschluss|stromzaehler|stromzähler|zähler|gesamt)\b|\bmeter\b",
    re.I,
)
OUT = re.compile(r"return|export|feed|produc|solar|\bpv\b|einspeis|erzeug|yesterday|gestern|inverter|battery|batterie|akku", re.I)


@dataclass(frozen=True, slots=True)
class Meter:
    """One thing that is measured: its name and id, its `counter` (kWh) and its `power` (W), either may be missing.

    `main`: it measures the whole house, and what the others measure is part of it.
    """

    id: str
    name: str
    counter: Device | None = None
    power: Device | None = None
    main: bool = False


def meters(home: Home, called: str = "") -> list[Meter]:
    """Everything that is measured; `called` names the meter of the whole house where its name does not tell."""
    by_owner: dict[str, list[Device]] = {}
    for sensor in home.find(kind="sensor"):
        if sensor.device_class in ("energy", "power", "apparent_power") and not OUT.search(sensor.name):
            by_owner.setdefault(sensor.part_of or sensor.id, []).append(sensor)
    owners = {device.id: device for device in home.find() if device.id in by_owner}
    return _paired(home, by_owner, owners, called)


def _paired(home: Home, by_owner: dict[str, list[Device]], owners: dict[str, Device], called: str) -> list[Meter]:
    """A lone counter and a lone power reading of one thing (the same address, no owner) are one meter."""
    found: dict[str, list[Device]] = {}
    for key, sensors in by_owner.items():
        lone = owners[key].kind == "sensor" and sensors[0].identity
        found.setdefault(f"{sensors[0].identity} {sensors[0].address}" if lone else key, []).extend(sensors)
    rows = []
    for key, sensors in found.items():
        owner = owners.get(key) or owners[sensors[0].part_of or sensors[0].id]
        counter = max((one for one in sensors if one.device_class == "energy"), key=lambda one: _reading(home, one), default=None)
        power = max((one for one in sensors if one.device_class == "power"), key=lambda one: _reading(home, one), default=None)
        name = _plain(owner.name)
        named = called.casefold() in {device.name.casefold() for device in (owner, *sensors)} if called else None
        main = named if named is not None else owner.kind == "sensor" and MAIN.search(owner.name) is not None
        rows.append(Meter(owner.id, name, counter, power, main))
    return rows


def _plain(name: str) -> str:
    """A sensor's name without what it measures."""
    return (
        re.sub(r"\s+(?:total |active )?(?:energy|power|energie|leistung|verbrauch|consumption|total)$", "", name, flags=re.I)
        or name
    )


def _reading(home: Home, sensor: Device) -> float:
    value = home.state(sensor).get("value")
    return float(value) if isinstance(value, int | float) else -1.0


def watts(home: Home, meter: Meter) -> float | None:
    """What it takes right now; None where that is not measured."""
    unit = meter.power.traits["value"].unit if meter.power and "value" in meter.power.traits else ""
    value = home.state(meter.power).get("value") if meter.power else None
    return float(value) * WATT.get(unit, 1.0) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Amount:
    """kWh in a stretch of time; `known` is the share of it (0 to 1) in which the meter could be heard. None: nothing is known."""

    kwh: float | None
    known: float = 1.0


class Run:
    """A meter's past as one growing number, to be asked for any stretch of it."""

    def __init__(self, points: Sequence[tuple[float, float]], gaps: Sequence[tuple[float, float]], until: float) -> None:
        """`points` are instants and kWh since the first; after the last nothing more was counted up to `until`."""
        self._at, self._kwh = [at for at, _ in points], [kwh for _, kwh in points]
        self._gaps, self._until = gaps, until

    @property
    def since(self) -> float:
        """The first instant something is known of."""
        return self._at[0] if self._at else self._until

    def between(self, since: float, until: float) -> Amount:
        """What was used from one instant to another."""
        start, until = max(since, self.since), min(until, self._until)
        if not self._at or until <= start:
            return Amount(None, 0.0)
        silent = sum(max(0.0, min(end, until) - max(begin, start)) for begin, end in self._gaps)
        return Amount(self._total(until) - self._total(start), max(0.0, (until - start - silent) / (until - since)))

    def _total(self, at: float) -> float:
        place = bisect_right(self._at, at)
        if place == 0:
            return self._kwh[0]
        if place == len(self._at):
            return self._kwh[-1]
        (one, other), (low, high) = self._at[place - 1 : place + 1], self._kwh[place - 1 : place + 1]
        return low + (high - low) * (at - one) / (other - one)


async def run_of(home: Home, meter: Meter, since: float, until: float) -> Run:
    """A meter's past in a stretch of time: from its counter, else from its power."""
    sensor = meter.counter or meter.power
    assert sensor is not None
    unit = sensor.traits["value"].unit if "value" in sensor.traits else ""
    rows = await home.past(sensor, "value", since, until)
    gaps = await home.gaps(sensor, since, until)
    numbers = [(at, float(value)) for at, value in rows if _is_number(value) and isinstance(value, int | float)]
    if meter.counter:
        return Run(list(_counted(numbers, gaps, KWH.get(unit, 1.0))), gaps, until)
    return Run(list(_summed(numbers, gaps, WATT.get(unit, 1.0), until)), gaps, until)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counted(
    rows: Iterable[tuple[float, float]], gaps: Sequence[tuple[float, float]], factor: float
) -> Iterable[tuple[float, float]]:
    """A counter as what it has counted since the first reading, over resets and bad readings.

    One that was silent for long although it could be heard did not count; what it says then is of the last hour.
    """
    total, was, before = 0.0, None, 0.0
    for at, value in rows:
        if was is not None:
            if at - before > STILL and not any(start < at and end > before for start, end in gaps):
                yield at - STILL, total * factor
            total += max(0.0, value - was if value >= was * SLIP else value)
        was, before = value, at
        yield at, total * factor


def _summed(
    rows: Sequence[tuple[float, float]], gaps: Sequence[tuple[float, float]], factor: float, until: float
) -> Iterable[tuple[float, float]]:
    """Power as what it comes to: each reading holds until the next, and in a gap nothing is added."""
    total = 0.0
    if rows:
        yield rows[0][0], 0.0
    for (at, watt), (then, _) in pairwise([*rows, (max(until, rows[-1][0]), 0.0)] if rows else []):
        silent = sum(max(0.0, min(end, then) - max(begin, at)) for begin, end in gaps)
        total += max(0.0, watt * factor) * max(0.0, then - at - silent) / 3_600_000
        yield then, total
