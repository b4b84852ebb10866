"""How the dollhouse's accessories behave: a shade takes seconds, a lock one, a room warms slowly.

Characteristics go by their names in the HomeKit specification. It does not know how they are reached.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pyhap.accessory import Accessory

State = Mapping[str, Any]
STEP = 0.1  # seconds of its own time between two positions of what moves
OPEN, CLOSED, OPENING, CLOSING = 0, 1, 2, 3  # CurrentDoorState
STANDS = 2  # PositionState
DISARMED = 3
MINUTE = 60.0
WARMTH = 0.2  # of the way to its target a room goes in a minute

# What a characteristic truly is, in the house's words.
TRUTH: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "On": ("on", bool),
    "Active": ("on", bool),
    "Brightness": ("brightness", int),
    "ColorTemperature": ("color_temp", lambda mireds: round(1e6 / mireds)),
    "RotationSpeed": ("speed", round),
    "CurrentPosition": ("position", int),
    "PositionState": ("moving", lambda state: state != STANDS),
    "CurrentDoorState": ("position", {OPEN: 100, CLOSED: 0}.get),
    "InUse": ("position", lambda flows: 100 if flows else 0),
    "LockCurrentState": ("locked", {0: False, 1: True}.get),
    "SecuritySystemCurrentState": ("armed", {0: "home", 1: "away", 2: "night", 3: "disarmed"}.get),
    "TargetHeatingCoolingState": ("mode", {0: "off", 1: "heat", 2: "cool", 3: "heat_cool"}.get),
    "TargetTemperature": ("target", float),
    "CurrentTemperature": ("temperature", float),
}


class _Box(Accessory):  # type: ignore[misc] # HAP-python says nothing of its types
    """An accessory whose power may be cut: its bridge then says that it does not answer."""

    thing: "Thing"

    @property
    def available(self) -> bool:
        return self.thing.plugged


class Thing:
    """One accessory. It lives on while the bridge in front of it is built anew: what it is stays in `services`."""

    def __init__(self, row: Mapping[str, Any], aid: int, pace: float) -> None:
        self.name = str(row["name"])
        self.aid = aid
        self.plugged = True
        self._serial = str(row.get("serial", "default"))
        self._pace = pace
        self._rows = row["service"]
        self._is: list[dict[str, Any]] = [dict(one["is"]) for one in self._rows]
        self._built: list[Any] = []
        self._box: Any = None
        self._moves: dict[int, asyncio.Task[None]] = {}

    def built(self, driver: Any) -> Accessory:
        """Its form on a bridge."""
        self._box = _Box(driver, self.name, aid=self.aid)
        self._box.thing = self
        self._box.set_info_service("1.0", "Dollhouse", "Doll", self._serial)
        self._built = []
        for number, row in enumerate(self._rows):
            service = self._box.add_preload_service(row["type"], chars=list(row["is"]), unique_id=number)
            for name, value in self._is[number].items():
                one = service.configure_char(
                    name,
                    properties=self._properties(row, name, service),
                    valid_values={str(one): one for one in row.get("valid", {}).get(name, ())} or None,
                    setter_callback=self._told(number, name),
                )
                one.set_value(value, should_notify=False)
            self._built.append(service)
        return self._box

    def _properties(self, row: Mapping[str, Any], name: str, service: Any) -> dict[str, Any] | None:
        said = dict(row.get("properties", {}).get(name, {}))
        if name in row.get("timed", ()):
            said["Permissions"] = [*service.get_characteristic(name).properties["Permissions"], "tw"]
        return said or None

    def truth(self, iid: int) -> State:
        """What the service at this place truly is."""
        number = next(at for at, one in enumerate(self._built) if self._box.iid_manager.get_iid(one) == iid)
        said = {TRUTH[name][0]: TRUTH[name][1](value) for name, value in self._is[number].items() if name in TRUTH}
        return {**said, "speed": 0} if said.get("on") is False and "speed" in said else said

    def become(self, **values: Any) -> None:
        """What it is changes, whoever did it; whoever listens is told."""
        for name, value in values.items():
            number = next(at for at, said in enumerate(self._is) if name in said)
            self._be(number, name, value)

    def _be(self, number: int, name: str, value: Any) -> None:
        self._is[number][name] = value
        self._built[number].get_characteristic(name).set_value(value)

    def _told(self, number: int, name: str) -> Callable[[Any], None]:
        def set_it(value: Any) -> None:
            self._is[number][name] = value
            move = MOVES.get(name)
            if move is not None:
                self.stop(number)
                self._moves[number] = asyncio.get_running_loop().create_task(move(self, number))

        return set_it

    def live(self) -> None:
        """What goes on by itself begins."""
        for number, said in enumerate(self._is):
            if "TargetTemperature" in said:
                self._moves[number] = asyncio.get_running_loop().create_task(self._warm(number))

    def stop(self, number: int | None = None) -> None:
        """What it was doing ends where it is."""
        for at in [number] if number is not None else list(self._moves):
            if task := self._moves.pop(at, None):
                task.cancel()

    async def pass_time(self, seconds: float) -> None:
        """Wait, in its own time."""
        await asyncio.sleep(seconds / self._pace)

    def _seconds(self, number: int) -> float:
        return float(self._rows[number].get("seconds", 0))

    # How things move

    async def _roll(self, number: int) -> None:
        said = self._is[number]
        stride = 100 * STEP / max(self._seconds(number), STEP)
        at = float(said["CurrentPosition"])
        self._be(number, "PositionState", 1 if said["TargetPosition"] > at else 0)
        while at != (target := said["TargetPosition"]):
            await self.pass_time(STEP)
            at = min(at + stride, target) if target > at else max(at - stride, target)
            self._be(number, "CurrentPosition", round(at))
        self._be(number, "PositionState", STANDS)

    async def _hold(self, number: int) -> None:
        self._be(number, "TargetPosition", self._is[number]["CurrentPosition"])
        self._be(number, "PositionState", STANDS)
        self._be(number, "HoldPosition", False)

    async def _tilt(self, number: int) -> None:
        await self.pass_time(1.0)
        self._be(number, "CurrentHorizontalTiltAngle", self._is[number]["TargetHorizontalTiltAngle"])

    async def _swing(self, number: int) -> None:
        target = self._is[number]["TargetDoorState"]
        if self._is[number]["CurrentDoorState"] != target:
            self._be(number, "CurrentDoorState", CLOSING if target == CLOSED else OPENING)
            await self.pass_time(self._seconds(number))
            self._be(number, "CurrentDoorState", target)

    async def _turn(self, number: int) -> None:
        await self.pass_time(self._seconds(number))
        self._be(number, "LockCurrentState", self._is[number]["LockTargetState"])

    async def _arm(self, number: int) -> None:
        target = self._is[number]["SecuritySystemTargetState"]
        await self.pass_time(0 if target == DISARMED else self._seconds(number))
        self._be(number, "SecuritySystemCurrentState", target)

    async def _flow(self, number: int) -> None:
        await self.pass_time(self._seconds(number))
        if "InUse" in self._is[number]:
            self._be(number, "InUse", self._is[number]["Active"])

    async def _warm(self, number: int) -> None:
        """A room cools to 16 °C by itself and follows its heating."""
        said = self._is[number]
        while True:
            await self.pass_time(MINUTE / 12)
            goal = said["TargetTemperature"] if said["TargetHeatingCoolingState"] else 16.0
            now = said["CurrentTemperature"]
            self._be(number, "CurrentTemperature", round(now + (goal - now) * WARMTH / 12 + (0.05 if goal > now else -0.05), 2))


MOVES: Mapping[str, Callable[[Thing, int], Any]] = {
    "TargetPosition": Thing._roll,
    "HoldPosition": Thing._hold,
    "TargetHorizontalTiltAngle": Thing._tilt,
    "TargetDoorState": Thing._swing,
    "LockTargetState": Thing._turn,
    "SecuritySystemTargetState": Thing._arm,
    "Active": Thing._flow,
    "TargetHeatingCoolingState": Thing._warm,
    "TargetTemperature": Thing._warm,
}
