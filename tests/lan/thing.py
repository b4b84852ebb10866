"""A device in a process of its own: `python -m tests.lan.thing KIND ADDRESS`, which answers each line with its own truth as JSON.

`lifx NAME`: a lamp of lifx-emulator. `homekit`: an accessory bridge of HAP-python, announced by mDNS. `pool`: a gateway of ours
that answers Pentair's broadcast. `broker`: no device, but what a home with MQTT has beside its broker: its announcement by mDNS,
and somebody who listens. It does not know Dobby.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dobby.dollhouse.house import device_side
from dobby.paths import shipped

Truth = Callable[[str], Any]


async def lifx(address: str, name: str, serial: str) -> Truth:
    """A colour lamp at LIFX's own port, wherever its cable leads."""
    from lifx_emulator.factories import create_device

    dollhouse = device_side(shipped("skills") / "lifx")
    device = create_device(27, serial=serial, location_label="My Home", group_label="My Room")
    device.state.label, device.state.power_level = name, 0
    lamp = dollhouse.Lamp(device)
    await lamp.plug("0.0.0.0", 56700)
    return lambda question: lamp.truth()


async def homekit(address: str) -> Truth:
    """Lamps, locks, a thermostat and more behind a bridge."""
    house = await device_side(shipped("skills") / "homekit").start(host=address, mdns=True)
    return lambda device: house.truth(device) if device else {"paired": house.paired, "connections": house.connections}


async def pool(address: str) -> Truth:
    """A ScreenLogic gateway with a pool and a spa."""
    made = device_side(shipped("skills") / "screenlogic").Pool(address, True)
    await made.up()
    await made.listen()
    return lambda part: made.truth(f"x_{part}")


async def broker(address: str) -> Truth:
    """Announce `_mqtt._tcp` there; what stands in a topic, by its name."""
    import aiomqtt
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    said: dict[str, str] = {}

    async def listen() -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1") as client:
                    await client.subscribe("#")
                    async for message in client.messages:
                        said[str(message.topic)] = bytes(message.payload).decode("utf-8", "replace")
            await asyncio.sleep(0.1)

    loop = asyncio.get_running_loop()
    loop.kept = loop.create_task(listen())  # type: ignore[attr-defined]
    what = "_mqtt._tcp.local."
    ear = AsyncZeroconf(interfaces=[address])
    info = AsyncServiceInfo(what, f"Home broker.{what}", 1883, parsed_addresses=[address], server="broker.local.")
    await ear.async_register_service(info)
    return lambda topic: said.get(topic) if topic else sorted(said)


async def main(kind: str, *arguments: str) -> None:
    """Be there until the end of standard input."""
    truth = await {"lifx": lifx, "homekit": homekit, "broker": broker, "pool": pool}[kind](*arguments)
    print(json.dumps("here"), flush=True)
    while question := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(truth(question.strip())), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
