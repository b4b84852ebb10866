"""The ways to one thing: what is sent goes by the best, and by the next where it was surely never sent; so does a look.

It does not know what was wanted or whether it was allowed (`act`), nor which way is best (`house.registry`).
"""

import logging
from collections.abc import Mapping

from dobby.errors import Unreachable, Unsure
from dobby.events import Call, Change, State
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.skill.driver import Driver

log = logging.getLogger(__name__)
NOTHING: State = {}


class Ways:
    """Finds who answers for a device, and hands over to them."""

    def __init__(self, house: House, drivers: Mapping[str, Driver]) -> None:
        self._house, self._drivers = house, drivers

    def of(self, device: Device, wanted: State = NOTHING, verb: str = "") -> list[tuple[Driver, Device]]:
        """Who can do this with the thing, the best first; empty where nobody answers for it."""
        able = [way for way in self._house.ways(device.id) if way.driver in self._drivers]
        fit = [way for way in able if wanted.keys() <= way.traits.keys() and (not verb or verb in way.verbs)]
        return [(self._drivers[way.driver], way) for way in fit or able[:1]]

    def lose(self, device: Device) -> None:
        """The best way is out of reach."""
        for _, way in self.of(device)[:1]:
            self._house.hear(Change(way.id, available=False))

    async def send(self, device: Device, call: Call, wanted: State) -> str | None:
        """Hand over a call, whose traits to be are `wanted`; gives what the driver says of it.

        :raises Unreachable: by no way was it sent; and whatever else a driver raises, after which no other way is tried.
        """
        verb = "" if call.tool == "set" else str(call.args.get("verb", ""))
        error = Unreachable("gone")
        for driver, way in self.of(device, NOTHING if verb else wanted, verb):
            try:
                if verb:
                    return await driver.do(way, verb, **{name: value for name, value in call.args.items() if name != "verb"})
                await driver.set(way, wanted)
                return None
            except Unreachable as lost:
                self._house.hear(Change(way.id, available=False))
                error = lost
        raise error

    async def read(self, device: Device) -> bool:
        """Read it afresh into the house; False where nobody answered with something that makes sense."""
        for driver, way in self.of(device):
            try:
                state = await driver.read(way)
                if not isinstance(state, Mapping) or not all(isinstance(trait, str) for trait in state):
                    raise Unsure(f"{device.name} answered something else than its traits.")
            except Exception as error:  # the boundary: what cannot be read is out of reach, whatever it threw
                log.info("Device %s could not be read: %s", way.id, type(error).__name__)
                self._house.hear(Change(way.id, available=False))
            else:
                self._house.hear(Change(way.id, state, available=True))
                return True
        return False
