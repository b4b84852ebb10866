"""A process's own time: it passes as on the wall while the process gets the processor when it wants it, slower while it waits.

What is slow because the machine is busy is told from what hangs by it. It does not know what the process does. Source:
`/proc/PID/task/TID/schedstat` (Linux, Documentation/scheduler/sched-stats.rst): nanoseconds on a processor, and waiting for one.
"""

import time
from pathlib import Path

LONGEST = 5.0  # seconds from one look to the next that are believed: longer, nobody was there to look


class Pace:
    """One process, by its number."""

    def __init__(self, process: int) -> None:
        self._tasks, self._at = Path(f"/proc/{process}/task"), time.monotonic()
        self._before = self._spent()

    def _spent(self) -> dict[str, tuple[int, int]]:
        """Of each thread: nanoseconds of processor that it had, and that it waited for."""
        found = {}
        for task in self._tasks.glob("*/schedstat"):
            try:
                had, waited, _ = map(int, task.read_text().split())
                found[task.parent.name] = had, waited
            except (OSError, ValueError):
                continue  # it has just ended
        return found

    def passed(self) -> float:
        """Seconds of its own since the last call; those of the wall where the kernel does not say."""
        before, now, begun = self._before, self._spent(), self._at
        had, waited = (sum(row[which] - before.get(task, (0, 0))[which] for task, row in now.items()) for which in (0, 1))
        self._before, self._at = now, time.monotonic()
        return min(LONGEST, self._at - begun) * (had / (had + waited) if had + waited > 0 else 1.0)
