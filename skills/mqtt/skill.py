"""MQTT: what announces itself the way Home Assistant expects it, what zigbee2mqtt lists, Tasmota, and Frigate's cameras.

A driver of one connection per broker. It does not know a brand: `components.toml` says what an announcement means.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

from dobby import Ask, Change, Device, Ear, Finding, Refused, Sign, State, Unreachable, Unsure, Value, Vault

from .broker import PATIENCE, Address, Broker, address, remember_login
from .entity import Order
from .frigate import Sight

LONGEST_SETTLING = 60.0  # seconds for a house to announce itself
FIRST_WORD = 1.0  # seconds to wait for a device that has said nothing yet, or that was asked
ATTEMPTS = 3


class Brokers:
    """Every MQTT broker of the house. `vault` holds their passwords; adopting hands it over, or whoever makes the driver."""

    looks_for: Sequence[Sign] = (Sign("mdns", "_mqtt._tcp.local."), Sign("tcp", "1883"), Sign("config", "mqtt"))
    library: Sequence[str] = ("aiomqtt",)

    def __init__(self) -> None:
        self.vault: Vault | None = None
        self._brokers: dict[str, Broker] = {}

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Connect, wait until everything is announced, and say what there is."""
        self.vault = vault
        where = address(finding.address)
        known = where.at in self._brokers
        if where.user:
            await remember_login(vault, where.at, where.user, where.password)
        broker = self._broker(where.at)
        broker.vault = vault
        if broker.refused:
            broker.retry()
        try:
            await self._enter(broker, where, ask)
        except (Refused, Unreachable):
            if not known:
                await self._leave(where.at)
            raise
        await broker.until(lambda: broker.settled, LONGEST_SETTLING)
        for device in sorted(broker.catalog.devices(), key=lambda device: device.id):  # not as they happened to be announced
            yield device

    async def _enter(self, broker: Broker, where: Address, ask: Ask) -> None:
        """Get in, asking for a name and a password only where the broker wants one."""
        for _ in range(ATTEMPTS):
            await broker.until(lambda: broker.up or broker.failed, 2 * PATIENCE)
            if broker.up:
                return
            if not broker.refused or broker.vault is None:
                raise Unreachable(f"No MQTT broker answers at {where.at}.")
            user = await ask(f"The MQTT broker at {where.at} wants a user name. Which one?", ())
            password = await ask("And the password?", ()) if user else ""
            if not user:
                break
            await remember_login(broker.vault, where.at, user, password)
            broker.retry()
        raise Refused(f"The MQTT broker at {where.at} does not let me in.")

    async def attach(self, device: Device) -> None:
        """Connect to the broker in the background."""
        self._broker(device.address)

    async def read(self, device: Device) -> State:
        """What the device itself said last; it is asked to say it again where that is possible."""
        broker = self._broker(device.address)
        life = await broker.life(device)
        if life.entity.ask:
            before = life.count
            with suppress(Unsure):
                await broker.publish(life.entity.ask)
            await broker.until(lambda: life.count > before, FIRST_WORD)
        elif not life.said and any(row.heard for row in life.entity.channels):
            await broker.until(lambda: life.said, FIRST_WORD)
        return life.state

    async def set(self, device: Device, wanted: State) -> None:
        """Publish what makes it so; returns when the broker has all of it."""
        broker = self._broker(device.address)
        life = await broker.life(device)
        await self._send(broker, list(life.entity.orders(wanted)))
        if life.told(wanted):
            broker.tell([device.id])

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """Press, run, stop, clean: one message each."""
        broker = self._broker(device.address)
        life = await broker.life(device)
        order = life.entity.presses.get(verb)
        if order is None:
            raise Refused(f"{device.name} cannot do that.")
        if any(value not in (None, "", []) for value in args.values()):
            raise Refused(f"{device.name} takes no more than that: I cannot say where or how.")
        await self._send(broker, [order])

    async def sighted(self, device: Device) -> Sight | None:
        """What Frigate last saw at one of its cameras, with the picture it made of it; None where it saw nothing yet."""
        broker = self._broker(device.address)
        seen = broker.catalog.watch.last.get(device.identity.removeprefix("frigate:"))
        return replace(seen, picture=broker.catalog.watch.picture(seen)) if seen else None

    async def _send(self, broker: Broker, orders: list[Order]) -> None:
        for at, order in enumerate(orders):
            try:
                await broker.publish(order)
            except Unreachable as error:
                if at:
                    raise Unsure("Only a part of it reached the MQTT broker.") from error
                raise

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the devices say, and whether they are there; for as long as anybody listens."""
        ear = Ear()
        brokers = {device.address: self._broker(device.address) for device in devices}
        for at, broker in brokers.items():
            broker.greet(ear, [device.id for device in devices if device.address == at])
        try:
            while True:
                yield await ear.next()
        finally:
            for broker in brokers.values():
                broker.ears.pop(ear, None)

    async def aclose(self) -> None:
        """Leave every broker."""
        for at in list(self._brokers):
            await self._leave(at)

    def _broker(self, written: str) -> Broker:
        at = address(written).at
        if at not in self._brokers:
            self._brokers[at] = Broker(at, self.vault)
        return self._brokers[at]

    async def _leave(self, at: str) -> None:
        await self._brokers.pop(at).aclose()


driver = Brokers
