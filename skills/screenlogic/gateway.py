"""One ScreenLogic gateway in screenlogicpy's words: reached, looked at, told; its readings as traits of pool, spa, circuits.

The library (GPL-3) is imported when it is first needed. It does not know who asks (`skill`).
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any

from dobby import Device, Refused, Unreachable, Unsure, Value, specs

log = logging.getLogger("dobby.skill.screenlogic")

PORT = 80
BODIES = ("pool", "spa")  # ScreenLogic's numbers of its waters
FUNCTIONS = {2: "pool", 1: "spa"}  # functions of the circuits that run them
SHOWN = range(4)  # interface groups whose circuits people see
NONSENSE = (struct.error, UnicodeError, LookupError, TypeError, ValueError, OverflowError, AttributeError)
STATUS_CHANGED = 12500


def library(name: str = "screenlogicpy") -> Any:
    """A module of the library; raises `Refused` where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise Refused("Pools need one more thing: pip install 'dobby[pool]'.") from error


def clean(text: object) -> str:
    """A name from outside, cut short and without control characters."""
    return "".join(letter for letter in str(text)[:80] if letter.isprintable()).strip()


class Gateway:
    """A gateway at `host:port`; one command at a time."""

    def __init__(self, at: str) -> None:
        self.at = at
        self._hand = asyncio.Lock()
        self._one: Any = None

    @asynccontextmanager
    async def _held(self, doubt: type[Unreachable] | type[Unsure]) -> AsyncIterator[Any]:
        """The library's gateway, connected; what fails afterwards is `doubt`."""
        common = library("screenlogicpy.const.common")
        async with self._hand:
            try:
                await self._connect()
            except (common.ScreenLogicException, OSError, *NONSENSE) as error:
                log.debug("%s: %r", self.at, error)
                await self._let_go()
                raise Unreachable("The pool's gateway does not answer.") from error
            try:
                yield self._one
            except (Refused, Unreachable, Unsure):
                raise
            except (common.ScreenLogicException, OSError, *NONSENSE) as error:
                log.debug("%s: %r", self.at, error)
                await self._let_go()
                raise doubt("The pool's gateway did not answer as it should.") from error

    async def _connect(self) -> None:
        if self._one is not None and self._one.is_connected:
            return
        await self._let_go()
        host, _, port = self.at.rpartition(":")
        self._one = library().ScreenLogicGateway()
        if not await self._one.async_connect(host, int(port)):
            raise OSError("it does not let us in")

    async def _let_go(self) -> None:
        one, self._one = self._one, None
        if one is not None and one.is_connected:
            with suppress(Exception):  # it is being thrown away
                async with asyncio.timeout(1):
                    await one.async_disconnect(True)

    async def look(self) -> Mapping[str, Any]:
        """All readings, freshly asked; raises `Unreachable`."""
        async with self._held(Unreachable) as one:
            await one.async_get_status()
            await one.async_get_pumps()
            data: dict[str, Any] = one.get_data()
            return {**data, "mac": one.mac}

    async def listen(self, hear: Callable[[], None]) -> None:
        """Be told when something changes; raises `Unreachable`."""
        async with self._held(Unreachable) as one:
            await one.async_subscribe_client(hear, STATUS_CHANGED)

    async def circuit(self, number: int, on: bool) -> None:
        """Switch a circuit."""
        async with self._held(Unsure) as one:
            await one.async_set_circuit(number, int(on))

    async def heat(self, body: int, celsius: float) -> None:
        """Set the heater's target of a water, in whole degrees of the gateway's own unit."""
        async with self._held(Unsure) as one:
            await one.async_set_heat_temp(body, round(celsius if is_celsius(one.get_data()) else celsius * 1.8 + 32))

    async def aclose(self) -> None:
        """Hang up."""
        async with self._hand:
            await self._let_go()


def is_celsius(data: Mapping[str, Any]) -> bool:
    """Does this gateway count in °C?"""
    return bool(_at(data, "controller", "configuration", "is_celsius", "value"))


def _at(data: Any, *path: Any) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _degrees(data: Mapping[str, Any], value: Any) -> Value:
    if not isinstance(value, int | float):
        return None
    return value if is_celsius(data) else round((value - 32) / 1.8, 2)


def circuits(data: Mapping[str, Any]) -> dict[str, int]:
    """The number of each circuit: `pool` and `spa`, and the others people see by their number."""
    rows = {number: row for number, row in (_at(data, "circuit") or {}).items() if isinstance(row, dict)}
    waters = {FUNCTIONS[row["function"]]: number for number, row in rows.items() if row.get("function") in FUNCTIONS}
    rest = {f"circuit_{n}": n for n, row in rows.items() if row.get("interface") in (*SHOWN, 4) and n not in waters.values()}
    return {**waters, **rest}


def devices(data: Mapping[str, Any], at: str) -> list[Device]:
    """What is behind a gateway."""
    mac = "".join(letter for letter in clean(data["mac"]).lower() if letter in "0123456789abcdef")
    if len(mac) != 12:
        raise Unreachable("The pool's gateway does not say who it is.")
    made = []
    for name, number in circuits(data).items():
        if name in BODIES and _at(data, "body", BODIES.index(name)):
            made.append(_water(data, name, mac, at))
        elif name not in BODIES:
            row = data["circuit"][number]
            lit = row.get("function") in (7, 8, 9, 10, 16, 17, 18)
            kind = "light" if lit else "switch"
            device = f"screenlogic.{mac}_{name}"
            made.append(
                Device(device, "screenlogic", kind, clean(row.get("name")) or name, address=at, traits=specs(kind, ["on"]))
            )
    return made


def _water(data: Mapping[str, Any], name: str, mac: str, at: str) -> Device:
    low, high = (_at(data, "body", BODIES.index(name), f"{end}_setpoint") for end in ("min", "max"))
    span = {"low": _degrees(data, low), "high": _degrees(data, high), "step": 1 if is_celsius(data) else 0.56}
    named = list(state(data, name))
    traits = specs("pool", named, target=span, pump={"settable": False})
    identity = f"mac:{mac}" if name == "pool" else ""
    return Device(f"screenlogic.{mac}_{name}", "screenlogic", "pool", name.title(), identity, at, name, traits=traits)


def state(data: Mapping[str, Any], part: str) -> dict[str, Value]:
    """The traits of a part: `pool`, `spa` or `circuit_N`."""
    numbers = circuits(data)
    running = {name: bool(_at(data, "circuit", number, "value")) for name, number in numbers.items()}
    found: dict[str, Value] = {"on": running.get(part)}
    if part in BODIES:
        body = _at(data, "body", BODIES.index(part))
        found["target"] = _degrees(data, _at(body, "heat_setpoint", "value"))
        found["temperature"] = _degrees(data, _at(body, "last_temperature", "value"))
    if part == "pool":
        pumps = [_at(pump, "state", "value") for pump in (_at(data, "pump") or {}).values()]
        if any(pump is not None for pump in pumps):
            found["pump"] = any(pumps)
        if "spa" in running:
            found["mode"] = "spa" if running["spa"] else "pool"
        for trait, key in (("ph", "ph"), ("orp", "orp"), ("salt", "salt_ppm")):
            found[trait] = _at(data, "controller", "sensor", key, "value") or None
    return {trait: value for trait, value in found.items() if value is not None}
