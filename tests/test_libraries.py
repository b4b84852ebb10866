"""Libraries come in beside the loop: one at a time, each once, and nobody goes on with half of one."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dobby.skill.library import Libraries

SLOW = """
import time
from pathlib import Path
begun = Path(__file__).with_name("begun")
with begun.open("a") as lines:
    lines.write("once\\n")
while not Path(__file__).with_name("go-on").exists():
    time.sleep(0.002)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Path]:
    """A library that is not through with being imported before there is a file `go-on` beside it."""
    (tmp_path / "slow_library_of_the_test.py").write_text(SLOW, "utf-8")
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    (tmp_path / "go-on").touch()
    sys.path.remove(str(tmp_path))
    sys.modules.pop("slow_library_of_the_test", None)


async def test_whoever_needs_what_is_just_coming_in_waits_until_all_of_it_is_there(slow: Path) -> None:
    libraries = Libraries()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first = group.create_task(libraries.bring(["slow_library_of_the_test"]))
        while not (slow / "begun").exists():
            await asyncio.sleep(0.002)
        assert "slow_library_of_the_test" in sys.modules  # by name, not in full
        second = group.create_task(libraries.bring(["slow_library_of_the_test"]))
        for _ in range(5):
            await asyncio.sleep(0.002)
        assert not first.done() and not second.done()
        (slow / "go-on").touch()
    assert (slow / "begun").read_text() == "once\n"


async def test_one_that_is_not_installed_is_left_to_whoever_needs_it() -> None:
    async with asyncio.timeout(60):
        await Libraries().bring(["no_such_library_anywhere", "json"])
