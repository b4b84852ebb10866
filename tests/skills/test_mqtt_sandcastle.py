"""The MQTT skill runs a whole home that nobody here wrote: the simulator `sandcastle-sim` on Mosquitto."""

import asyncio
import importlib.util
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dobby import Change, Device, Finding, Sign, State
from tests.patience import ENOUGH
from tests.skills.mqtt_house import MOSQUITTO, Drawer, hearing, mosquitto, mqtt, nobody

__all__ = ["mqtt"]  # a fixture

DEVICES = 23
DRIVEN = {
    "light": {"on": True, "brightness": 37},
    "switch": {"on": False},
    "outlet": {"on": False},
    "climate": {"target": 23.0},
    "vacuum": {"state": "cleaning"},
}


def _needed() -> None:
    """Skipped with the reason where something is missing; in CI that is a failure."""
    missing = [
        name
        for name, there in (("sandcastle-sim", importlib.util.find_spec("sandcastle_sim")), ("mosquitto", MOSQUITTO))
        if not there
    ]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(missing)}")


@asynccontextmanager
async def sandcastle(broker: str, folder: Path) -> AsyncIterator[None]:
    host, _, port = broker.partition(":")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        control = str(probe.getsockname()[1])
    env = {**os.environ, "MQTT_HOST": host, "MQTT_PORT": port, "CONTROL_PORT": control, "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "sandcastle_sim.simulator.main"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _found(mqtt: Any, broker: str) -> dict[str, Device]:
    async with asyncio.timeout(ENOUGH):
        while True:
            finding = Finding(Sign("config", "mqtt"), broker)
            found = {device.id: device async for device in mqtt.adopt(finding, nobody, Drawer())}
            if len(found) >= DEVICES:
                return found
            await asyncio.sleep(0.1)


async def _drive(mqtt: Any, device: Device, heard: list[Change]) -> None:
    """Set it to what it is not, read it back, and hear it say so."""
    now = await mqtt.read(device)
    wanted: State = DRIVEN.get(device.kind, {})
    if device.kind == "lock":
        wanted = {"locked": not now["locked"]}
    if device.kind == "cover":
        wanted = {"position": 0 if now["position"] > 50 else 100}
    if "color" in device.traits:
        wanted = {**wanted, "color": "#2040ff"}
    before = len(heard)
    await mqtt.set(device, wanted)

    def there(state: State) -> bool:
        return all(device.traits[trait].matches(value, state.get(trait)) for trait, value in wanted.items())

    async with asyncio.timeout(ENOUGH):
        while not there(state := await mqtt.read(device)):
            assert state is not None
            await asyncio.sleep(0.05)
        while not any(change.device == device.id for change in heard[before:]):
            await asyncio.sleep(0.05)


async def test_all_devices_of_a_home_nobody_here_wrote_are_found_driven_and_heard(tmp_path: Path, mqtt: Any) -> None:
    _needed()
    async with mosquitto(tmp_path) as broker, sandcastle(broker, tmp_path):
        found = await _found(mqtt, broker)
        assert len(found) == DEVICES
        kinds = Counter(device.kind for device in found.values())
        assert (kinds["light"], kinds["sensor"], kinds["cover"], kinds["lock"], kinds["climate"], kinds["vacuum"]) == (
            7,
            10,
            2,
            1,
            1,
            1,
        )
        assert len({device.room for device in found.values() if device.room}) == 5  # nothing hangs in its bathroom
        async with hearing(mqtt, *found.values()) as heard:
            async with asyncio.timeout(ENOUGH):
                while {change.device for change in heard if change.state} < found.keys():
                    await asyncio.sleep(0.05)
            driven = [device for device in found.values() if any(spec.settable for spec in device.traits.values())]
            assert len(driven) == DEVICES - kinds["sensor"]
            await asyncio.gather(*(_drive(mqtt, device, heard) for device in driven))
