"""Keeps the families of devices: finds what a driver looks for, adopts it, and hears it for as long as Dobby lives.

One sick family never disturbs the others: its hearing is begun again with a growing pause. It does not know any family.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dobby.clock import Clock
from dobby.discovery.ssdp import search
from dobby.errors import DeviceError
from dobby.events import Change
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal import household
from dobby.skill.driver import Driver, Finding, Sign
from dobby.store import Store
from dobby.vault import VaultFile

log = logging.getLogger(__name__)
LONGEST_PAUSE = 60.0  # seconds between tries at most
LOOK_AGAIN = 300.0  # seconds between looks for devices that are not there yet
ADOPTING = 30.0  # seconds a finding has to open up


async def nobody(words: str, options: Sequence[str]) -> str:
    """Nobody is there to be asked; what needs a button or a code waits."""
    return ""


class Family:
    """One driver and its devices, from finding to hearing."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        settings: Mapping[str, Any],
        *,
        house: House,
        store: Store,
        vault: VaultFile,
        clock: Clock,
        interfaces: Sequence[str] = (),
        multicast: bool = True,
    ) -> None:
        self.name = name
        self.driver = driver
        self._at: Sequence[str] = settings.get("at", ())
        self._house = house
        self._store = store
        self._vault = vault.part(name)
        self._clock = clock
        self._interfaces = interfaces
        self._multicast = multicast
        self._hearing: asyncio.Task[None] | None = None
        self.looked = asyncio.Event()
        self.trouble = ""

    @property
    def devices(self) -> list[Device]:
        """What of the house belongs to this family."""
        return [device for device in self._house if device.driver == self.name]

    async def run(self) -> None:
        """Attach what is known, look for what is not, hear it all, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._attach(self.devices)
                self._hear_anew(group)
                while True:
                    if await self._find():
                        self._hear_anew(group)
                    self.looked.set()
                    await self._clock.sleep(LOOK_AGAIN if self.devices else LONGEST_PAUSE / 4)
        finally:
            await self.driver.aclose()

    async def _attach(self, devices: Sequence[Device]) -> None:
        for device in devices:
            await self._try(self.driver.attach(device), f"attach {device.id}")

    async def _try(self, work: Awaitable[Any], what: str) -> None:
        try:
            async with asyncio.timeout(ADOPTING):
                await work
            self.trouble = ""
        except DeviceError as error:
            self.trouble = str(error)
            log.info("%s: %s: %s", self.name, what, error)
        except Exception as error:  # a family's own fault ends its try, nothing else
            self.trouble = f"{type(error).__name__} ({what})"
            log.exception("%s could not %s", self.name, what)

    # Finding and adopting

    async def _find(self) -> bool:
        """Knock at everything this driver looks for; True where the family has grown or moved."""
        before = {device.id: device for device in self.devices}
        for finding in await self._findings():
            await self._try(self._adopt(finding), f"adopt what is at {finding.address}")
        return {device.id: device for device in self.devices} != before

    async def _findings(self) -> list[Finding]:
        found = [Finding(Sign("config", self.name), address) for address in self._at]
        targets = [sign.what for sign in self.driver.looks_for if sign.via == "ssdp"]
        if targets and self._multicast:
            found += await search(targets, interfaces=self._interfaces)
        return found

    async def _adopt(self, finding: Finding) -> None:
        async for device in self.driver.adopt(finding, nobody, self._vault):
            known = self._house.get(device.id)
            kept = _corrected(device, known) if known else device
            if kept != known:
                self._house.add(kept)
                await self._store.write(lambda db, row=kept: household.keep_device(db, row))  # type: ignore[misc]
                await self._try(self.driver.attach(kept), f"attach {kept.id}")

    # Hearing

    def _hear_anew(self, group: asyncio.TaskGroup) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
        if self.devices:
            self._hearing = group.create_task(self._hear(), name=f"hear {self.name}")

    async def _hear(self) -> None:
        """Listen; when the driver's ears fail, wait a little longer each time and begin again."""
        pause = 1.0
        while True:
            try:
                async for change in self.driver.hear(self.devices):
                    self._house.state.hear(_cleaned(change))
                    pause = 1.0
            except Exception as error:  # whatever a device or its library threw: the family listens again
                self.trouble = f"{type(error).__name__} while listening"
                log.warning("%s stopped hearing: %r", self.name, error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _corrected(found: Device, known: Device) -> Device:
    """A device seen again keeps what a person said of it: name, room, aliases, risk, protection."""
    return replace(found, name=known.name, room=known.room, aliases=known.aliases, risk=known.risk, protected=known.protected)


def _cleaned(change: Change) -> Change:
    """Values as a device sent them, cut to what a house can hold."""
    return Change(change.device, {trait: _short(value) for trait, value in change.state.items()}, change.available)


def _short(value: Any) -> Any:
    return value[:500] if isinstance(value, str) else value
