"""LIFX lights: the driver. Found by broadcast, read, set, blinked, and polled; `lamp.py` says it in lifx-async's words.

It does not know the LAN protocol (https://lan.developer.lifx.com). LIFX pushes nothing, so each lamp is asked gently.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dobby import Ask, Change, Device, DobbyError, Driver, Finding, Refused, Sign, State, Unreachable, Unsure, Value, Vault

from . import lamp

POLL_SECONDS = 10.0  # between two looks at a lamp
PORT = 56700


class Lifx:
    """All LIFX lights of the house."""

    looks_for: Sequence[Sign] = (Sign("own", "lifx"), Sign("config", "lifx"))
    library: Sequence[str] = ("lifx",)

    def __init__(self, poll: float = POLL_SECONDS, patience: float = lamp.PATIENCE) -> None:
        """`poll`: seconds between looks; `patience`: seconds a lamp has to answer, repeats included."""
        self.poll = poll
        self.patience = patience
        self.port = PORT  # where lamps listen for the broadcast
        self._lamps: dict[str, lamp.Light] = {}
        self._asked: dict[str, str] = {}  # device -> the colour it was last asked to show, in the asker's words
        self._looks: dict[str, asyncio.Event] = {}
        self._users: Counter[str] = Counter()  # who wants something of a lamp right now

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """Ask all lamps in the networks of these addresses (the default route's by default) once who they are."""
        async for address, serial in lamp.found(interfaces, self.port):
            yield Finding(Sign("own", "lifx"), address, {"serial": serial})

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """The lamp at the finding. LIFX knows no pairing: nobody is asked.

        :raises Unreachable: nothing there speaks LIFX. :raises Refused: it is LIFX, but no light.
        """
        host, port = _place(finding.address)
        serial = finding.says.get("serial", "")
        with lamp.doubting(f"The LIFX at {finding.address}", Unreachable):
            async with lamp.described(host, port, serial, self.patience) as device:
                yield device

    async def attach(self, device: Device) -> None:
        """Know where the lamp is; a new address is followed by the connection that is already there."""
        host, port = _place(device.address)
        known = self._lamps.get(device.id)
        if known is None:
            self._lamps[device.id] = lamp.connection(device, host, port, self.patience)
        else:
            known.update_address(host, port)

    async def read(self, device: Device) -> State:
        """All traits, freshly asked."""
        async with self._light(device) as light:
            with lamp.doubting(device.name, Unreachable):
                return await lamp.look(light, device, self._asked.get(device.id, ""))

    async def set(self, device: Device, wanted: State) -> None:
        """Ask how the lamp is (who does not answer is sent nothing), then make it so; the last step is light."""
        lamp.check(device, wanted)
        async with self._light(device) as light:
            with lamp.doubting(device.name, Unreachable):
                color, power, _ = await light.get_color()
            if isinstance(wanted.get("color"), str):
                self._asked[device.id] = str(wanted["color"])
            with lamp.doubting(device.name, Unsure):
                await lamp.make(light, wanted, color, power > 0)
        self._look_soon(device)

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """`blink`: three pulses, then as it was."""
        if verb != "blink":
            raise Refused(f"{device.name} does not know how to “{lamp.clean(verb)}”.")
        async with self._light(device) as light:
            with lamp.doubting(device.name, Unreachable):
                color, power, _ = await light.get_color()
            with lamp.doubting(device.name, Unsure):
                await lamp.blink(light, color, power > 0)

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What is new at each lamp, by looking every `poll` seconds; who falls silent is said once."""
        news: asyncio.Queue[Change] = asyncio.Queue()
        pause = self.poll / max(len(devices), 1)  # spread over the period, never all at once
        tasks = [asyncio.create_task(self._follow(device, news, at * pause)) for at, device in enumerate(devices)]
        try:
            while True:
                yield await news.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, device: Device, news: "asyncio.Queue[Change]", offset: float) -> None:
        told: dict[str, Value] | None = None
        gone = False
        while True:
            try:
                now = dict(await self.read(device))
            except DobbyError:
                if not gone:
                    news.put_nowait(Change(device.id, available=False))
                told, gone = None, True
            else:
                fresh = {trait: value for trait, value in now.items() if told is None or told.get(trait) != value}
                if fresh or told is None:
                    news.put_nowait(Change(device.id, fresh, True if told is None else None))
                told, gone = now, False
            await self._let_go(device)
            await self._rest(device, self.poll + offset)
            offset = 0.0

    async def _rest(self, device: Device, seconds: float) -> None:
        soon = self._looks.setdefault(device.id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await soon.wait()
        except TimeoutError:
            return
        soon.clear()

    def _look_soon(self, device: Device) -> None:
        self._looks.setdefault(device.id, asyncio.Event()).set()

    @asynccontextmanager
    async def _light(self, device: Device) -> AsyncIterator[lamp.Light]:
        """A lamp, whose socket stays open as long as somebody wants something of it."""
        if device.id not in self._lamps:
            await self.attach(device)
        self._users[device.id] += 1
        try:
            yield self._lamps[device.id]
        finally:
            self._users[device.id] -= 1

    async def _let_go(self, device: Device) -> None:
        """Close a socket that nobody uses: lifx-async wakes ten times a second for each open one. The next question opens it."""
        if device.id in self._lamps and not self._users[device.id]:
            await self._lamps[device.id].connection.close()

    async def aclose(self) -> None:
        """Close every socket."""
        lamps, self._lamps = list(self._lamps.values()), {}
        await asyncio.gather(*(light.close() for light in lamps), return_exceptions=True)


def _place(address: str) -> tuple[str, int]:
    """`host[:port]` as the two of them.

    :raises Refused: it is neither.
    """
    host, _, port = address.rpartition(":") if address.count(":") == 1 else (address, "", str(PORT))
    if not host or not port.isdecimal() or not 1024 <= int(port) < 65536:
        raise Refused(f"“{lamp.clean(address)}” is no address of a LIFX light; write host or host:port.")
    return host, int(port)


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Lifx()
