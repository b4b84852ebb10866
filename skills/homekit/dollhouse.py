"""A HomeKit bridge on loopback, by HAP-python: its accessories take their time, keep what they were told, and report.

For tests, the demo and anybody else's controller. What moves how is in `dollhouse_things.py`; it knows nothing of Dobby.
"""

import asyncio
import logging
import socket
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyhap.accessory import Bridge
from pyhap.accessory_driver import AccessoryDriver
from pyhap.const import CATEGORY_BRIDGE

from .dollhouse_things import State, Thing

PIN = "031-45-154"
ATTEMPTS = 5  # a free port may be taken by somebody else a moment later
HUB = "D0:11:40:05:E0:01"


class _Quiet(Bridge):  # type: ignore[misc] # HAP-python says nothing of its types
    """A bridge that does not print its code."""

    category = CATEGORY_BRIDGE

    def setup_message(self) -> None: ...


class House:
    """The bridge and what hangs on it. `config` belongs under `[skills.homekit]`."""

    name = "homekit"

    def __init__(self, at: tuple[str, int], pin: str, pace: float, mdns: bool, rows: list[dict[str, Any]]) -> None:
        self.at = at
        self.pin = pin
        self._mdns = mdns
        self._folder = tempfile.TemporaryDirectory(prefix="dobby-dollhouse-homekit-")
        self._driver: Any = None
        self.things = {str(row["name"]): Thing(row, aid, pace) for aid, row in enumerate(rows, start=2)}

    @property
    def config(self) -> Mapping[str, Any]:
        """Where it is, and its code, so that nobody has to be asked for it."""
        return {"at": ["{}:{}".format(*self.at)], "pin": self.pin}

    @property
    def connections(self) -> int:
        """How many controllers are connected."""
        return len(self._driver.http_server.connections) if self._driver else 0

    @property
    def paired(self) -> bool:
        """Does anybody hold its keys?"""
        return bool(self._driver.state.paired)

    def truth(self, device: str) -> State:
        """What a device truly is, by the id that its place gives it (`homekit.HUB.AID.IID`)."""
        *_, aid, iid = device.split(".")
        thing = next(one for one in self.things.values() if one.aid == int(aid))
        return thing.truth(int(iid))

    def by_hand(self, name: str, **values: Any) -> None:
        """Somebody uses the switch on the wall, or the weather the sensor: characteristics by their names."""
        self.things[name].become(**values)

    def unplug(self, name: str, *, plugged: bool = False) -> None:
        """Cut the power of one accessory behind the bridge; or give it back."""
        self.things[name].plugged = plugged

    async def up(self, port: int | None = None) -> None:
        """Start the bridge, after a power cut too: it keeps its keys. It may be at another port."""
        host, old = self.at
        self.at = host, old if port is None else port or _free_port(host)
        loop = asyncio.get_running_loop()
        self._driver = driver = AccessoryDriver(
            address=host,
            port=self.at[1],
            persist_file=str(Path(self._folder.name) / "keys.json"),
            pincode=self.pin.encode(),
            mac=HUB,
            loop=loop,
            interface_choice=[host],
            advertise=self._mdns,
        )
        bridge = _Quiet(driver, "Dollhouse bridge")
        for thing in self.things.values():
            bridge.add_accessory(thing.built(driver))
        await loop.run_in_executor(None, driver.add_accessory, bridge)
        await driver.async_start()
        for thing in self.things.values():
            thing.live()

    async def down(self) -> None:
        """Cut the power: every link is cut, every movement ends where it is."""
        for thing in self.things.values():
            thing.stop()
        driver, self._driver = self._driver, None
        if driver is None or driver.http_server.server is None:
            return
        for line in list(driver.http_server.connections.values()):
            line.transport.abort()
        await driver.async_stop()

    async def aclose(self) -> None:
        """Everything ends."""
        await self.down()
        await asyncio.to_thread(self._folder.cleanup)


async def start(
    *,
    host: str = "127.0.0.1",
    pin: str = PIN,
    pace: float = 1.0,
    mdns: bool = False,
    things: list[dict[str, Any]] | None = None,
    rows: Mapping[str, Any] | None = None,
) -> House:
    """Start the bridge at a free port of `host`. `pace` makes its time run faster; `mdns` announces it on that interface;
    `things` (or `rows["accessory"]`) are rows as in `dollhouse.toml`, which is the default."""
    logging.getLogger("pyhap").setLevel(logging.CRITICAL)
    things = things or (rows or tomllib.loads(Path(__file__).with_name("dollhouse.toml").read_text("utf-8")))["accessory"]
    for attempt in reversed(range(ATTEMPTS)):
        house = House((host, _free_port(host)), pin, pace, mdns, things)
        try:
            await house.up()
        except BaseException as error:
            await house.aclose()
            if attempt == 0 or not isinstance(error, OSError):
                raise
        else:
            return house
    raise AssertionError("unreachable")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
