"""The dollhouse in a process of its own, which tells when a device truly became what was wanted of it.

`python -m benchmarks.rig.doll FAMILY…` prints what leads a Dobby there, for his `dobby.toml`, as JSON; each line `{"device",
"trait", "value"}` is answered, once it is so, with the time of CLOCK_MONOTONIC. It does not know Dobby.
"""

import asyncio
import json
import sys
import time

from dobby.dollhouse.alone import as_config
from dobby.dollhouse.house import Dollhouse, open_dollhouse
from dobby.events import State, Value

PATIENCE = 5.0  # seconds a device has
LOOK = 0.002  # seconds between looks: what a time is exact to


async def became(house: Dollhouse, device: str, trait: str, value: Value) -> float | None:
    """When it was so; None where it did not become so in time."""
    until = time.monotonic() + PATIENCE
    while (now := time.monotonic()) < until:
        if is_so(house.truth(device), trait, value):
            return now
        await asyncio.sleep(LOOK)
    return None


def is_so(truth: State, trait: str, value: Value) -> bool:
    """Some device sides speak the house's words, one its own: `state` is "on" or "off"."""
    if trait in truth or "state" not in truth:
        return truth.get(trait) == value
    return bool(truth["state"] == ("on" if value else "off"))


async def main(*families: str) -> None:
    """Serve until the end of standard input."""
    house = await open_dollhouse(families, port=0)
    try:
        print(json.dumps(as_config(house)), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await became(house, **json.loads(line))), flush=True)
    finally:
        await house.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
