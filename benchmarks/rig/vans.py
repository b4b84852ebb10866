"""The cameras of `benchmarks.arrival`: vans of different couriers drive in, one after the other, by turns before each camera.

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
    ("DPD", "#dc0032", "#ffffff"),
    ("USPS", "#f4f4f2", "#1f3a78"),
    ("Hermes", "#0091cd", "#ffffff"),
    ("Amazon", "#37475a", "#ffffff"),
    ("TNT", "#ff6200", "#ffffff"),
    ("PostNL", "#ed8c00", "#1a1a70"),
)
PLACES = ("Driveway", "Yard")
FIRST, EVERY, STAY = 16.0, 13.0, 8.0  # seconds: the first comes, each after the other, each stands


async def main(count: int) -> None:
    """Vans of different couriers, one after the other."""
    side = device_side(shipped("skills") / "camera")
    scene: Any = importlib.import_module("dobby_dollhouse_camera.scene")
    table: dict[str, Any] = {"seconds": FIRST + (count + 2) * EVERY}
    days = {
        place: scene.read(place, {**table, "act": [_van(number) for number in range(turn, count, len(PLACES))]})
        for turn, place in enumerate(PLACES)
    }
    street = await side.start(prefix="127.93.7", scripts=days, port=0, wsd=False)
    print(json.dumps(street.config["at"]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await street.aclose()


def _van(number: int) -> dict[str, Any]:
    text, colour, ink = VANS[number % len(VANS)]
    return {"what": "truck", "at": FIRST + number * EVERY, "stay": STAY, "text": text, "colour": colour, "ink": ink}


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
