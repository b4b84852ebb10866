"""What the MQTT tests share: the skill, the dollhouse on either broker, and ways to wait. It tests nothing."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dobby import Change, Device, Finding, Sign
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer, nobody

FOLDER = shipped("skills") / "mqtt"
load_skill(FOLDER)
skill = import_module("dobby_skill_mqtt")
dollhouse = device_side(FOLDER)

HALLWAY_LIGHT = "mqtt.0x00158d0001a2b3c4_light_zigbee2mqtt"
TV_PLUG = "mqtt.0x00158d0001d4e5f6_switch_zigbee2mqtt"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[str]:
    """A Mosquitto of our own -> host:port."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([f"listener {port} 127.0.0.1", *(lines or ["allow_anonymous true"])]) + "\n")
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
    for _ in range(100):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.02)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(params=["amqtt", "mosquitto"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "amqtt":
        home = await dollhouse.start(pace=10)
        yield home
        await home.aclose()
        return
    async with mosquitto(tmp_path) as broker:
        home = await dollhouse.start(pace=10, broker=broker)
        yield home
        await home.aclose()


@pytest.fixture
async def own() -> AsyncIterator[Any]:
    home = await dollhouse.start(pace=10)
    yield home
    await home.aclose()


@pytest.fixture
async def mqtt() -> AsyncIterator[Any]:
    driver = skill.driver()
    yield driver
    await driver.aclose()


async def adopted(mqtt: Any, home: Any, ask: Any = nobody, vault: Any = None) -> dict[str, Device]:
    finding = Finding(Sign("config", "mqtt"), home.config["at"][0])
    return {device.id: device async for device in mqtt.adopt(finding, ask, Drawer() if vault is None else vault)}


@asynccontextmanager
async def hearing(mqtt: Any, *devices: Device) -> AsyncIterator[list[Change]]:
    heard: list[Change] = []

    async def listen() -> None:
        async for change in mqtt.hear(devices):
            heard.append(change)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.05)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def announce(home: Any, topic: str, payload: Mapping[str, Any] | bytes, retain: bool = True) -> None:
    async with home.client("test") as client:
        said = payload if isinstance(payload, bytes) else json.dumps(payload)
        await client.publish(topic, said, qos=1, retain=retain)
