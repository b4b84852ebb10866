"""A whole Dobby with a camera on loopback: found, watched by the child, told with its photo; asleep it is not looked through."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dobby.alive import Dobby
from dobby.cli.line import Line
from dobby.dollhouse.house import device_side
from dobby.events import Change
from dobby.journal import sightings as rows
from dobby.journal.sightings import Seen
from dobby.paths import shipped
from dobby.vision.cameras import _files, _too_much
from tests.patience import until
from tests.running import SHIPPED, at_home
from tests.vision.films import dusky, film, mirrored, near

pytestmark = pytest.mark.timeout(120)  # real video, on a machine that may be busy
pytest.importorskip("cv2")
av = pytest.importorskip("av")
pytest.importorskip("onvif")
PREFIX = iter(f"127.94.{number}" for number in range(1, 250))


async def become(what: Callable[[], Awaitable[Any]], seconds: float = 100.0) -> Any:
    return await until(what, seconds)  # real video takes its time


@asynccontextmanager
async def watched(folder: Path, script: str, **tables: Any) -> AsyncIterator[tuple[Dobby, Any]]:
    """A Dobby who looks through one camera."""
    street = await device_side(shipped("skills") / "camera").start(
        prefix=next(PREFIX), scripts={"Driveway": script}, port=0, wsd=False
    )
    skills = {"off": [name for name in SHIPPED if name != "camera"], "camera": street.config}
    try:
        async with at_home(folder, skills=skills, **{"eyes": {"detector": "motion"}, **tables}) as dobby:
            camera = street.cameras["Driveway"]

            async def looking() -> bool:
                return any(dobby.house.state.unavailable_since(one.id) is None and camera.now > 1 for one in cameras(dobby))

            await become(looking)
            camera.at(0.0)  # the day begins when the eyes are open, however long that took
            yield dobby, camera
    finally:
        await street.aclose()


def cameras(dobby: Dobby) -> list[Any]:
    return [one for one in dobby.house if one.kind == "camera"]


async def told(dobby: Dobby, like: str) -> list[tuple[str, str]]:
    """Messages and their pictures."""
    query = "SELECT text, picture FROM outbox WHERE text LIKE ? ORDER BY id"
    return await dobby.store.read(lambda db: db.execute(query, (like,)).fetchall())


async def test_a_delivery_is_told_once_with_its_photo(tmp_path: Path) -> None:
    async with watched(tmp_path, "delivery") as (dobby, _):
        [(text, picture)] = await become(lambda: told(dobby, "%marked FedEx%"))
        assert text == "Something marked FedEx arrived at the driveway."
        assert Path(picture).read_bytes().startswith(b"\xff\xd8\xff")
        assert Path(picture).is_relative_to(tmp_path / "sightings")


async def test_a_clip_begins_before_the_visit_is_shown_in_words_and_goes_with_it(tmp_path: Path) -> None:
    async with watched(tmp_path, "delivery") as (dobby, _):
        [(_, picture)] = await become(lambda: told(dobby, "%marked FedEx%"))
        clip = Path(picture).with_suffix(".mp4")
        await become(lambda: asyncio.to_thread(clip.is_file), 40)
        with av.open(str(clip)) as box:
            assert box.streams.video[0].width == 1280  # of the large stream
            frames = [float(frame.time or 0) for frame in box.decode(box.streams.video[0])]
        assert frames[-1] - frames[0] > 6.0 + 1.0  # the arrival, what follows, and what came before
        async with Line(tmp_path) as line:
            await line.ask("say", id="1", text="show me the clip")
        [(_, shown)] = await become(lambda: told(dobby, "__:__ Something marked FedEx%"))
        assert shown == str(clip)
        assert {picture, str(clip)} <= await dobby.store.write(lambda db: rows.erase(db, time.time() + 1))
        assert [each for _, each in await told(dobby, "%marked FedEx%") if each] == []


async def test_one_visit_to_three_cameras_is_one_message(tmp_path: Path) -> None:
    """Each has its own view of the same van; one cannot read it, the others say what it is marked."""
    views = {"Street side": mirrored, "Driveway": dusky, "Door": near}
    streams = {name: str(film(tmp_path / f"{name}.mp4", "delivery", 6, 26, view=view)) for name, view in views.items()}
    skills = {"off": [name for name in SHIPPED if name != "camera"], "camera": {"streams": streams}}
    own = {"interfaces": ["127.0.0.1"]}
    async with at_home(tmp_path / "state", skills=skills, eyes={"detector": "motion"}, discovery=own) as dobby:

        async def all_saw() -> list[Seen]:
            found = await dobby.store.read(lambda db: rows._select(db, "phase = 'arrived' ORDER BY at"))
            return found if len({one.camera for one in found}) == 3 else []

        arrivals = (await become(all_saw, 60.0))[:3]
        assert len({one.camera for one in arrivals}) == 3
        assert len({one.same_as or one.visit for one in arrivals}) == 1
        messages = await told(dobby, "%marked%")
        assert len(messages) == 1 and "marked FedEx" in messages[0][0]
        assert len({one.told for one in arrivals if one.told}) == 1


async def test_the_bell_is_told_and_a_look_shows_a_picture(tmp_path: Path) -> None:
    async with watched(tmp_path, "quiet") as (dobby, camera):
        async with Line(tmp_path) as line:
            await line.ask("say", id="1", text="what do you see at the driveway?")
        [(_, now), *_] = await become(lambda: told(dobby, "%Driveway, just now%"))
        assert Path(now).is_file()
        camera.press()
        [(_, picture), *_] = await become(lambda: told(dobby, "Someone rang at the driveway%"))
        assert Path(picture).is_file()


async def test_what_the_eyes_have_to_do_without_is_told_an_owner_once(tmp_path: Path) -> None:
    async with watched(tmp_path, "quiet", eyes={"detector": str(tmp_path / "mine.onnx")}) as (dobby, _):
        [(text, _)] = await become(lambda: told(dobby, "There is no detector%"))
        assert text.endswith("Until then only motion is seen.")


async def test_asleep_nobody_looks_through_it(tmp_path: Path) -> None:
    async with watched(tmp_path, "quiet") as (dobby, camera):
        await become(lambda: _open(camera, True))
        [device] = cameras(dobby)
        async with Line(tmp_path) as line:
            await line.ask("say", id="1", text="put the driveway to sleep")
            await become(lambda: told(dobby, "Turn the%"))
            await line.ask("say", id="2", text="yes")
        await become(lambda: _open(camera, False))
        async with Line(tmp_path) as line:
            await line.ask("say", id="3", text="what do you see at the driveway?")
        await become(lambda: told(dobby, "%asleep%"))
        assert dobby.house.state.of(device.id)["on"] is False


async def _open(camera: Any, watched: bool) -> bool:
    """Whether somebody plays one of its streams."""
    return any(film.viewers for film in camera.films) is watched


def test_pictures_go_by_their_bytes_oldest_first(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / "day" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1000 + number, 1000 + number))
    before = _too_much(_files(tmp_path), 250)
    assert [path.name for path, at, _ in _files(tmp_path) if at >= before] == ["4.jpg", "3.jpg"]
    assert _too_much(_files(tmp_path), 1000) == 0


async def test_what_is_too_old_is_erased_at_the_start(tmp_path: Path) -> None:
    old = tmp_path / "sightings" / "2020-01-01" / "x.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"\xff\xd8\xff")
    os.utime(old, (time.time() - 30 * 86400,) * 2)

    async def gone() -> bool:
        return not old.exists()

    async with at_home(tmp_path) as dobby:
        await become(gone)
        assert not old.parent.exists()
        assert await dobby.store.read(lambda db: rows.between(db, 0, 2e9)) == []
        dobby.house.state.hear(Change("nothing", {"motion": True}))
