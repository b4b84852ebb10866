"""The eyes are a process of their own: what they see arrives with its picture, and nothing of it is lost when they die."""

import os
import signal
from pathlib import Path

import pytest

from tests.vision.films import eyes, film


@pytest.fixture(scope="module")
def truck(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A delivery van that drives in, as a file."""
    return str(film(tmp_path_factory.mktemp("films") / "truck.mp4", "delivery", 9, 20))


async def test_a_van_that_arrives_is_told_once_with_its_picture_and_what_is_written_on_it(tmp_path: Path, truck: str) -> None:
    async with eyes(tmp_path, {"id": "front", "watch": truck}) as seen:
        [arrival] = await seen.until(lambda: seen.sightings)
        assert (arrival.kind, arrival.phase, arrival.courier) == ("motion", "arrived", "FedEx")
        assert Path(arrival.picture).read_bytes().startswith(b"\xff\xd8")
        assert not list(tmp_path.glob("owed/*")) or await seen.until(lambda: not list(tmp_path.glob("owed/*")))


async def test_a_look_is_a_fresh_picture(tmp_path: Path, truck: str) -> None:
    async with eyes(tmp_path, {"id": "front", "watch": truck}) as seen:
        await seen.until(lambda: ("front", "ok") in seen.states)
        picture, shows = await seen.eyes.look("front")
        assert picture.stat().st_size > 10_000
        assert shows in (["moves"], ["still"])  # there is no detector here


async def test_a_sighting_that_nobody_took_is_told_by_the_next_eyes(tmp_path: Path, truck: str) -> None:
    async with eyes(tmp_path, {"id": "front", "watch": truck}) as seen:
        seen.deaf = True
        await seen.until(lambda: list(tmp_path.glob("owed/*.json")))
        [child] = seen.eyes.children.values()
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)
        seen.deaf = False
        [again] = await seen.until(lambda: seen.sightings)
        assert again.phase == "arrived"
        assert Path(again.picture).is_file()
