"""Pools and spas behind a Pentair ScreenLogic gateway: the driver. Found by its broadcast, looked at, told, heard.

It does not know the protocol; `gateway.py` says it in screenlogicpy's words.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from dobby import Ask, Change, Device, Finding, Refused, Sign, State, Unreachable, Unsure, Value, Vault

from . import gateway

BEAT_SECONDS = 15.0  # how often a gateway is looked at when it says nothing by itself


class ScreenLogic:
    """Every gateway of the house."""

    looks_for: Sequence[Sign] = (Sign("own", "screenlogic"), Sign("config", "screenlogic"))
    library: Sequence[str] = ("screenlogicpy",)

    def __init__(self, beat: float = BEAT_SECONDS) -> None:
        self.beat = beat
        self._gateways: dict[str, gateway.Gateway] = {}

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """The library's own broadcast (UDP 1444); nothing where it is not installed or not allowed."""
        try:
            hosts = await gateway.library("screenlogicpy.discovery").async_discover()
        except (Refused, OSError):
            return
        for host in hosts:
            yield Finding(Sign("own", "screenlogic"), f"{host['ip']}:{host['port']}", {"name": gateway.clean(host["name"])})

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """The pool, the spa and the circuits people see; open to whoever is in the house."""
        at = finding.address if ":" in finding.address else f"{finding.address}:{gateway.PORT}"
        if not at.rpartition(":")[2].isdigit():
            raise Refused("That is not the address of a pool's gateway.")
        for device in gateway.devices(await self._gateway(at).look(), at):
            yield device

    async def attach(self, device: Device) -> None:
        """Nothing to keep: each command connects where it has to."""

    async def read(self, device: Device) -> State:
        """All traits, freshly asked."""
        return gateway.state(await self._gateway(device.address).look(), _part(device))

    async def set(self, device: Device, wanted: State) -> None:
        """The target first, then what runs."""
        for trait in wanted:
            if trait not in device.traits or not device.traits[trait].settable:
                raise Refused(f"{device.name} has no {trait} to set.")
        at, part = self._gateway(device.address), _part(device)
        numbers = gateway.circuits(await at.look())
        done = False
        try:
            if "target" in wanted:
                await at.heat(gateway.BODIES.index(part), _within(device, wanted["target"]))
                done = True
            for name, on in _running(part, wanted):
                if name not in numbers:
                    raise Refused(f"{device.name} has no circuit to switch.")
                await at.circuit(numbers[name], on)
                done = True
        except (Refused, Unreachable) as error:
            if done:
                raise Unsure("Only a part of it was done.") from error
            raise

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """There is none."""
        raise Refused(f"{device.name} cannot do that.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """A look whenever the gateway says that something changed, and at every beat; gone and back are said once."""
        news: asyncio.Queue[Change] = asyncio.Queue()
        places = {device.address for device in devices}
        following = [self._follow(at, [device for device in devices if device.address == at], news) for at in places]
        tasks = [asyncio.create_task(work) for work in following]
        try:
            while tasks:
                yield await news.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, at: str, devices: Sequence[Device], news: "asyncio.Queue[Change]") -> None:
        told: dict[str, dict[str, Value]] = {}
        there: bool | None = None
        wake = asyncio.Event()
        while True:
            try:
                data = await self._gateway(at).look()
                if there is not True:
                    await self._gateway(at).listen(wake.set)
                for device in devices:
                    now = gateway.state(data, _part(device))
                    if there is not True or now != told.get(device.id):
                        news.put_nowait(Change(device.id, now, True if there is not True else None))
                    told[device.id] = now
                there = True
            except (Unreachable, Refused):
                for device in devices if there is not False else ():
                    news.put_nowait(Change(device.id, available=False))
                there = False
            try:
                async with asyncio.timeout(self.beat):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()

    async def aclose(self) -> None:
        """Hang up everywhere."""
        while self._gateways:
            await self._gateways.popitem()[1].aclose()

    def _gateway(self, at: str) -> gateway.Gateway:
        return self._gateways.setdefault(at, gateway.Gateway(at))


def _part(device: Device) -> str:
    return device.id.partition("_")[2]


def _running(part: str, wanted: State) -> list[tuple[str, bool]]:
    if "mode" in wanted:
        if wanted["mode"] not in gateway.BODIES:
            raise Refused("The mode is pool or spa.")
        return [("spa", True)] if wanted["mode"] == "spa" else [("spa", False), ("pool", True)]
    return [(part, wanted["on"] is True)] if "on" in wanted else []


def _within(device: Device, value: Value) -> float:
    spec = device.traits["target"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("The target is a number of degrees.")
    if (spec.low is not None and value < spec.low) or (spec.high is not None and value > spec.high):
        raise Refused(f"The target of {device.name} goes from {spec.low:g} to {spec.high:g} °C.")
    return float(value)


driver = ScreenLogic
