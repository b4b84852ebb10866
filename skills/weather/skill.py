"""Weather without a key: what MET Norway says of the places that `dobby.toml` names, and of no other.

`service.py` asks, `words.py` translates. It does not know the house; nothing is asked unless a place is configured.
"""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dobby import (
    Ask,
    Change,
    Device,
    DobbyError,
    Driver,
    Finding,
    Refused,
    Sign,
    State,
    Unreachable,
    Unsure,
    Value,
    Vault,
    polled,
    specs,
)

if TYPE_CHECKING:
    from .service import Service

BEAT_SECONDS = 60.0  # between looks at the clock; the service is asked when its forecast expires
STALE_SECONDS = 24 * 3600.0  # a forecast older than this is none
PLACE = re.compile(r"\s*(-?\d{1,2}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)(?:\s+(\S.{0,60}))?\s*")


class Weather:
    """The places of the config, each a device. `now` gives seconds since 1970."""

    looks_for: Sequence[Sign] = (Sign("config", "weather"), Sign("named", "weather"))
    library: Sequence[str] = ("aiohttp",)

    def __init__(self, beat: float = BEAT_SECONDS, now: Callable[[], float] = time.time, patience: float = 15.0) -> None:
        self.beat, self.now, self.patience = beat, now, patience
        self.settings: Mapping[str, Any] = {}
        self._service: Service | None = None

    def _sky(self) -> "Service":
        from .service import URL, Service

        if self._service is None:
            self._service = Service(str(self.settings.get("url", URL)), self.now, self.patience)
        return self._service

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """The one place of its own table, or the house's where that says `here = true`; nobody is asked anything."""
        north, east = self.settings.get("latitude"), self.settings.get("longitude")
        if north is None and self.settings.get("here") is True:
            north, east = self.settings.get("place") or (None, None)
        if north is not None and east is not None:
            yield Finding(Sign("named", "weather"), f"{north},{east}")

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """A place of the config as a device; it is there whether the service answers or not."""
        place, name = place_of(finding.address)
        id_ = f"weather.{place.replace(',', '_')}"
        yield Device(id=id_, driver="weather", kind="weather", name=name or "Weather", address=place, traits=specs("weather"))

    async def attach(self, device: Device) -> None:
        """Nothing to get ready."""

    async def read(self, device: Device) -> State:
        """The weather now and ahead; the service is asked only where its last forecast has expired.

        :raises Unreachable: there is none that is less than a day old.
        """
        trouble: DobbyError | None = None
        try:
            await self._sky().look(device.address)
        except (Unreachable, Unsure, Refused) as error:
            trouble = error
        told = self._sky().known(device.address)
        if told is None:
            assert trouble is not None
            raise trouble
        if self.now() - told.at > STALE_SECONDS:
            raise Unreachable("The last forecast is more than a day old.") from trouble
        from .words import state

        return state(told.points, self.now(), told.at, self.settings.get("zone"))

    async def set(self, device: Device, wanted: State) -> None:
        """Nobody makes the weather."""
        raise Refused("The weather cannot be set.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """It does nothing when told."""
        raise Refused("The weather cannot do that.")

    def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What changes as time goes by and forecasts come in; that there is none is said once."""
        return polled(self.read, devices, self.beat)

    async def aclose(self) -> None:
        """Let the connection go."""
        if self._service is not None:
            await self._service.aclose()
            self._service = None


def place_of(text: str) -> tuple[str, str]:
    """`52.5163,13.3777 Berlin` -> `52.52,13.38` and the name: no more of a place is told than a kilometre.

    :raises Refused: that is no place on earth.
    """
    found = PLACE.fullmatch(text)
    if found is None or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        raise Refused('A place in [skills.weather] is said in degrees north and east, like "52.52,13.40".')
    return f"{float(found[1]):.2f},{float(found[2]):.2f}", found[3] or ""


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Weather()
