"""Watches the loop from outside and names the skill that holds it up.

It does not stop anything; it says whose fault it is, once per stall.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PATIENCE = 2.0  # seconds without a heartbeat until the loop counts as held up


class StallWatch:
    """A thread that looks at the loop's stack while its heartbeat is late. `tell(skill, where)` runs in that thread."""

    def __init__(self, folders: Callable[[], dict[str, Path]], tell: Callable[[str, str], None]) -> None:
        self._folders = folders
        self._tell = tell
        self._beat = threading.Event()
        self._ended = threading.Event()
        self._loop_thread = threading.get_ident()

    async def run(self) -> None:
        """Beat until cancelled."""
        threading.Thread(target=self._watch, name="dobby-stall", daemon=True).start()
        try:
            while True:
                self._beat.set()
                await asyncio.sleep(PATIENCE / 2)
        finally:
            self._ended.set()
            self._beat.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            if self._beat.wait(PATIENCE):
                self._beat.clear()
                continue
            found = self._culprit(sys._current_frames().get(self._loop_thread))
            if found:
                self._tell(*found)
            self._beat.wait()  # once per stall

    def _culprit(self, frame: FrameType | None) -> tuple[str, str] | None:
        folders = self._folders()
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            for name, folder in folders.items():
                if folder in path.parents:
                    return name, f"{path.name}:{frame.f_lineno} in {frame.f_code.co_name}"
            frame = frame.f_back
        return None
