"""The dollhouse's kind of MQTT broker alone, for machines without Mosquitto: `python -m benchmarks.rig.amqtt_broker PORT`.

It does not know who connects.
"""

import asyncio
import logging
import sys
from typing import Any

from amqtt.broker import Broker


async def main(port: int) -> None:
    """Serve until the end of standard input."""
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins})
    await broker.start()
    await asyncio.to_thread(sys.stdin.read)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
