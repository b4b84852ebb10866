"""The camera of `benchmarks.arrival`: vans of different couriers drive in, one after the other.

`python -m benchmarks.rig.vans COUNT`. It says where it is, and ends with its input. It does not know who looks.
"""

import asyncio
import importlib
import json
import sys
from typing import Any

from dobby.dollhouse.house import device_side
from dobby.paths import shipped

VANS = (
    ("FedEx", "#ecebe9", "#4e2a8c"),
    ("DHL", "#f2c811", "#c8102e"),
    ("UPS", "#4b2e1a", "#f0b323"),
    ("GLS", "#1b3f94", "#ffffff"),
)
FIRST, EVERY, STAY = 16.0, 26.0, 8.0  # seconds: the first comes, each after the other, each stands


async def main(count: int) -> None:
    """Vans of different couriers, one after the other."""
    side = device_side(shipped("skills") / "camera")
    acts = [
        {"what": "truck", "at": FIRST + number * EVERY, "stay": STAY, "text": text, "colour": colour, "ink": ink}
        for number in range(count)
        for text, colour, ink in [VANS[number % len(VANS)]]
    ]
    scene: Any = importlib.import_module("dobby_dollhouse_camera.scene")
    script = scene.read("vans", {"seconds": FIRST + (count + 1) * EVERY, "act": acts})
    street = await side.start(prefix="127.93.7", scripts={"Driveway": script}, port=0, wsd=False)
    print(json.dumps(street.config["at"][0]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await street.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
