"""LIFX lamps on loopback: lifx-emulator's devices (somebody else's, with honest fades), each on a UDP port of its own.

For tests, the demo and anybody else's controller. A lamp can be unplugged and come back elsewhere. It knows nothing of Dobby.
"""

import asyncio
import colorsys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifx_emulator import EmulatedLifxDevice, EmulatedLifxServer
from lifx_emulator.devices import transitions
from lifx_emulator.devices.manager import DeviceManager
from lifx_emulator.factories import create_device
from lifx_emulator.protocol.protocol_types import LightHsbk
from lifx_emulator.repositories import DeviceRepository
from lifx_emulator.scenarios.models import ScenarioConfig

FULL = 65535  # the protocol's 100 %, and its full circle


class _Ear(asyncio.DatagramProtocol):
    """Hands datagrams to the emulator. Its own socket pair wants IPv6, which not every machine has."""

    def __init__(self, lamp: "Lamp") -> None:
        self._lamp = lamp
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._lamp.packets += 1
        self._lamp.answer(data, addr, self._transport)


class Lamp:
    """One emulated lamp behind its own address."""

    def __init__(self, device: EmulatedLifxDevice) -> None:
        self.device = device
        self.packets = 0
        self.address = ""
        self._server = EmulatedLifxServer([device], DeviceManager(DeviceRepository()), track_activity=False)
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def plug(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Power on: its state is what it was."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(self), local_addr=(host, port))
        host, port = self._transport.get_extra_info("sockname")[:2]
        self.device.state.port = port
        self.address = f"{host}:{port}"

    def unplug(self) -> None:
        """Switched off at the wall: nobody answers."""
        if self._transport:
            self._transport.abort()
        self._transport = None

    def answer(self, data: bytes, peer: Any, transport: Any) -> None:
        """Answer one datagram; a delay the emulator is told to make holds up no other."""
        task = asyncio.get_running_loop().create_task(self._server.handle_packet(data, peer, transport=transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def trouble(self, **what: Any) -> None:
        """Break it on purpose, in the emulator's words (`drop_packets`, `malformed_packets` …); nothing mends it."""
        scenarios = self._server.scenario_manager
        if what:
            scenarios.set_device_scenario(self.device.state.serial, ScenarioConfig(**what))
        else:
            scenarios.delete_device_scenario(self.device.state.serial)
        self.device.invalidate_scenario_cache()

    def truth(self) -> dict[str, Any]:
        """What the lamp really is at this moment of its fade."""
        self.device.settle()
        state = self.device.state
        color = transitions.get_zone_color(state, 0)
        parts = colorsys.hsv_to_rgb(color.hue / FULL, color.saturation / FULL, 1.0)
        return {
            "on": state.power_level > 0,
            "brightness": round(color.brightness / FULL * 100),
            "color": "#" + "".join(f"{round(part * 255):02x}" for part in parts),
            "color_temp": color.kelvin if color.saturation == 0 else None,
        }

    async def aclose(self) -> None:
        """Pull the plug for good."""
        self.unplug()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.device.close()


class House:
    """The lamps of `dollhouse.toml`."""

    name = "lifx"

    def __init__(self, lamps: Mapping[str, Lamp]) -> None:
        self.lamps = dict(lamps)

    @property
    def config(self) -> dict[str, Any]:
        """What a config needs to find them without a broadcast."""
        return {"at": [lamp.address for lamp in self.lamps.values()]}

    def truth(self, device: str) -> dict[str, Any]:
        """What a lamp really is, by Dobby's id for it (`lifx.SERIAL`)."""
        return self.lamps[device.partition(".")[2]].truth()

    async def aclose(self) -> None:
        """Pull every plug."""
        for lamp in self.lamps.values():
            await lamp.aclose()


async def start(*, rows: Mapping[str, Any] | None = None) -> House:
    """Start all lamps on 127.0.0.1, each on a free port; `rows` as in `dollhouse.toml`, which is the default."""
    table = rows or tomllib.loads(Path(__file__).with_name("dollhouse.toml").read_text("utf-8"))
    house = House({row["serial"]: Lamp(_made(row)) for row in table["lamp"]})
    try:
        for lamp in house.lamps.values():
            await lamp.plug()
    except BaseException:
        await house.aclose()
        raise
    return house


def _made(row: Mapping[str, Any]) -> EmulatedLifxDevice:
    device = create_device(
        row["product"],
        serial=row["serial"],
        zone_count=row.get("zones"),
        tile_count=row.get("tiles"),
        location_label="My Home",
        group_label=row["room"],
    )
    state = device.state
    state.label = row["label"]
    state.power_level = FULL if row.get("on") else 0
    color = LightHsbk(hue=0, saturation=0, brightness=round(row["brightness"] / 100 * FULL), kelvin=row["kelvin"])
    for zone in range(transitions.zone_count(state)):
        transitions.set_zone_color(state, zone, color)
    return device
