"""Has a picture drawn by a child process: a plotting library is large, slow to load and holds up whoever waits for it.

It does not know what is drawn (`draw.py` does).
"""

import asyncio
import atexit
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dobby import Refused, Unsure

SECONDS = 30.0  # a picture has to be drawn in
PROGRAM = Path(__file__).with_name("draw.py")
AT_ONCE = asyncio.Semaphore(2)


@cache
def _workshop() -> str:
    """Where the library keeps its list of fonts, for as long as Dobby lives."""
    folder = tempfile.mkdtemp(prefix="dobby-charts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def missing() -> bool:
    """Whether nothing here can draw."""
    return find_spec("matplotlib") is None


async def png(wanted: Mapping[str, Any]) -> bytes:
    """The picture as a PNG.

    :raises Refused: it could not be drawn, and why; :raises Unsure: it took too long.
    """
    async with AT_ONCE:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"MPLBACKEND": "agg", "MPLCONFIGDIR": _workshop()},
        )
        try:
            async with asyncio.timeout(SECONDS):
                drawn, said = await child.communicate(json.dumps(wanted).encode())
        except TimeoutError as error:
            raise Unsure("The picture took too long to draw.") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    if child.returncode or not drawn:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Refused(f"The picture could not be drawn: {' '.join(last)[:200]}")
    return drawn
