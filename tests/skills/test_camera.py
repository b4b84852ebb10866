"""The camera skill: its drawn driveway, its device side (real ONVIF, RTSP and HTTP), its driver, and a camera of others."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from dobby import Change, Device, Finding, Lens, Refused, Sign, Unreachable
from dobby.discovery.wsd import probe
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import nobody
from tests.patience import ENOUGH

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")
av = pytest.importorskip("av")
pytest.importorskip("onvif")
load_skill(shipped("skills") / "camera")
skill = import_module("dobby_skill_camera")
scene = import_module("dobby_skill_camera.scene")
dollhouse = import_module("dobby_skill_camera.dollhouse")
PREFIX = "127.92.0"


def different(one: Any, other: Any) -> float:
    """The share of pixels that changed by more than noise does."""
    return float((np.abs(one.astype(int) - other).max(axis=2) > 25).mean())


class TestScene:
    """What stands in the script is in the picture."""

    def test_the_same_script_and_time_give_the_same_picture(self) -> None:
        script = scene.load("delivery")
        assert (scene.frame(script, 14.2) == scene.frame(script, 14.2)).all()
        assert scene.frame(script, 14.2, (1280, 720)).shape == (720, 1280, 3)

    def test_the_truth_says_who_came_when_and_with_what_written_on_it(self) -> None:
        truck, walker = scene.truth(scene.load("delivery"))
        assert (truck.kind, truck.lettering, truck.zone) == ("vehicle", "FedEx", "driveway")
        assert truck.seen < truck.at < truck.left < walker.seen

    @pytest.mark.parametrize("name", ["delivery", "walker", "cat", "street"])
    def test_who_the_truth_names_is_in_the_picture_then_and_gone_after(self, name: str) -> None:
        script = scene.load(name)
        empty = scene.frame(script, 0)
        for visit in scene.truth(script):
            assert different(empty, scene.frame(script, visit.at)) > 0.002
            assert different(empty, scene.frame(script, visit.left + 1)) < 0.001

    @pytest.mark.parametrize("name", ["rain", "wind", "flicker", "headlights", "spider", "dusk", "switch", "parked", "quiet"])
    def test_nobody_comes_in_a_nuisance(self, name: str) -> None:
        script = scene.load(name)
        assert not [visit for visit in scene.truth(script) if visit.seen >= 0]
        pictures = [scene.frame(script, t) for t in np.arange(0, min(script.seconds, 400), 9.7)]
        assert name in ("quiet", "parked") or max(different(pictures[0], each) for each in pictures) > 0.001

    def test_a_camera_has_no_colours_at_night(self) -> None:
        script = scene.read("night", {"clock": "02:00", "noise": 0})
        picture = scene.frame(script, 0)
        assert (picture[..., 0] == picture[..., 1]).all()
        assert picture.mean() < scene.frame(scene.load("quiet"), 0).mean() / 2


class Vault(dict[str, str]):
    """Secrets, as a skill sees them."""

    async def put(self, name: str, secret: str) -> None:
        self[name] = secret


@pytest.fixture
async def street() -> AsyncIterator[Any]:
    street = await dollhouse.start(prefix=PREFIX, scripts={"Driveway": "walker", "Gate": "quiet"})
    yield street
    await street.aclose()


@pytest.fixture
async def cameras() -> AsyncIterator[Any]:
    driver = skill.Cameras(beat=0.3)
    driver.vault = Vault()
    yield driver
    await driver.aclose()


async def adopted(driver: Any, address: str, ask: Any = nobody, via: str = "config") -> Device:
    async with aclosing(driver.adopt(Finding(Sign(via, "camera"), address), ask, driver.vault)) as found:
        return await anext(found)


async def heard(
    driver: Any, device: Device, wanted: Callable[[Change], bool], then: Callable[[], object] = lambda: None
) -> Change:
    """The first such change; `then` is done once the driver listens."""
    async with asyncio.timeout(ENOUGH), aclosing(driver.hear([device])) as changes:
        async for change in changes:
            if change.available:
                asyncio.get_running_loop().call_later(0.5, then)
            if wanted(change):
                return change
    raise AssertionError("never heard")


def pictures(url: str, count: int = 3) -> list[Any]:
    with av.open(url, options={"rtsp_transport": "tcp", "analyzeduration": "500000"}, timeout=8) as stream:
        return [frame.to_ndarray(format="bgr24") for frame, _ in zip(stream.decode(video=0), range(count), strict=False)]


def where(camera: Any) -> str:
    return f"{camera.host}:{camera.port}"


class TestDriver:
    """ONVIF on real sockets."""

    async def test_it_is_found_by_ws_discovery_and_adopted_under_its_own_name(self, street: Any, cameras: Any) -> None:
        asked = probe(["NetworkVideoTransmitter"], interfaces=["127.0.0.1"])
        found = [one async for one in asked if one.address.startswith(PREFIX)]
        assert {one.sign for one in found} == {Sign("wsd", "NetworkVideoTransmitter")} <= set(cameras.looks_for)
        devices = [device for one in found async for device in cameras.adopt(one, nobody, cameras.vault)]
        assert {device.name for device in devices} == {"Driveway", "Gate"}
        assert all(device.id.startswith("camera.") and device.identity == f"serial:{device.id[7:]}" for device in devices)

    async def test_the_small_stream_is_watched_the_large_one_kept_and_both_show_the_scene(
        self, street: Any, cameras: Any
    ) -> None:
        camera = street.cameras["Gate"]
        device = await adopted(cameras, where(camera))
        streams = await cameras.streams(device)
        assert isinstance(cameras, Lens)
        assert (streams.watch, streams.keep) == (camera.stream("sub"), camera.stream("main"))
        watched = await asyncio.to_thread(pictures, streams.watch)
        assert watched[0].shape == (360, 640, 3)
        assert different(watched[0], scene.frame(camera.script, 0)) < 0.01

    async def test_a_still_is_what_the_camera_sees(self, street: Any, cameras: Any) -> None:
        device = await adopted(cameras, where(street.cameras["Gate"]))
        assert (await cameras.picture(device)).startswith(b"\xff\xd8\xff")

    async def test_motion_and_a_press_are_heard(self, street: Any, cameras: Any) -> None:
        camera = street.cameras["Driveway"]
        device = await adopted(cameras, where(camera))
        moved = await heard(cameras, device, lambda change: bool(change.state.get("motion")), lambda: camera.at(8))
        assert moved.device == device.id
        pressed = await heard(cameras, device, lambda change: bool(change.state.get("pressed")), camera.press)
        assert isinstance(pressed.state["pressed"], float)

    async def test_whether_it_is_watched_is_set_and_kept(self, street: Any, cameras: Any) -> None:
        device = await adopted(cameras, where(street.cameras["Gate"]))
        await cameras.attach(device)
        await cameras.set(device, {"on": False})
        assert (await cameras.read(device))["on"] is False
        with pytest.raises(Refused, match="asleep"):
            await cameras.do(device, "snapshot")
        later = skill.Cameras()
        later.vault = cameras.vault
        await later.attach(device)
        assert (await later.read(device))["on"] is False
        await later.aclose()

    async def test_it_is_missed_once_and_back_by_itself(self, street: Any, cameras: Any) -> None:
        camera = street.cameras["Gate"]
        device = await adopted(cameras, where(camera))
        async with asyncio.timeout(ENOUGH), aclosing(cameras.hear([device])) as changes:
            told = [change.available async for change in _until_told(changes, camera)]
        assert told == [True, False, True]

    async def test_at_a_new_address_it_is_the_same(self, street: Any, cameras: Any) -> None:
        device = await adopted(cameras, where(street.cameras["Gate"]))
        moved = replace(device, address=where(street.cameras["Driveway"]))
        assert (await cameras.streams(moved)).watch == street.cameras["Driveway"].stream("sub")

    @pytest.mark.parametrize("trouble", ["garbage", "fault"])
    async def test_one_that_talks_nonsense_is_refused_in_words(self, street: Any, cameras: Any, trouble: str) -> None:
        street.cameras["Gate"].trouble = trouble
        with pytest.raises(Refused, match="not as an ONVIF camera"):
            await adopted(cameras, where(street.cameras["Gate"]))

    async def test_where_nobody_is_it_says_so(self, cameras: Any) -> None:
        with pytest.raises(Unreachable, match="does not answer"):
            await adopted(cameras, "127.92.9.9:81")

    async def test_what_is_no_address_is_refused(self, cameras: Any) -> None:
        with pytest.raises(Refused, match="streams go into"):
            await adopted(cameras, "rtsp://camera/live")

    async def test_a_stream_of_the_config_is_a_camera(self, cameras: Any) -> None:
        cameras.settings = {
            "streams": {"Gate": "rtsp://u:p@10.0.0.9/sub", "Yard": {"watch": "a.mp4", "keep": "b.mp4", "room": "Garden"}}
        }
        names = [finding.address async for finding in cameras.seek(())]
        gate, yard = [await adopted(cameras, name, via="named") for name in names]
        assert (gate.name, yard.name, yard.room) == ("Gate", "Yard", "Garden")
        streams = await cameras.streams(yard)
        assert (streams.watch, streams.keep) == ("a.mp4", "b.mp4")
        assert "u:p" not in repr(await cameras.streams(gate))
        cameras.settings = {"streams": {"Gate": 7}}
        with pytest.raises(Refused, match=r"skills\.camera\.streams"):
            [finding async for finding in cameras.seek(())]


async def _until_told(changes: AsyncIterator[Change], camera: Any) -> AsyncIterator[Change]:
    """Whether it is there, while its plug is pulled and put back."""
    steps = [camera.aclose, camera.open]
    async for change in changes:
        if change.available is not None:
            yield change
            if not steps:
                return
            await steps.pop(0)()


class TestLocked:
    """One with a password."""

    async def test_user_and_password_are_asked_for_and_kept(self, cameras: Any) -> None:
        street = await dollhouse.start(prefix="127.92.1", scripts={"Door": "quiet"}, password="s3cret/:@")
        answers, asked = ["admin", "wrong", "admin", "s3cret/:@"], []

        async def person(words: str, options: Sequence[str]) -> str:
            asked.append(words)
            return answers.pop(0)

        try:
            camera = street.cameras["Door"]
            device = await adopted(cameras, where(camera), person)
            assert len(asked) == 4
            assert cameras.vault[f"login {where(camera)}"] == '{"user": "admin", "password": "s3cret/:@"}'
            assert "s3cret" not in f"{device}"
            streams = await cameras.streams(device)
            assert (await asyncio.to_thread(pictures, streams.watch, 1))[0].shape == (360, 640, 3)
            assert (await cameras.picture(device)).startswith(b"\xff\xd8")
            await adopted(cameras, where(camera))  # not asked again
        finally:
            await street.aclose()

    async def test_where_nobody_answers_it_stays_locked(self, cameras: Any) -> None:
        street = await dollhouse.start(prefix="127.92.2", scripts={"Door": "quiet"}, password="x")

        async def silent(words: str, options: Sequence[str]) -> str:
            return ""

        try:
            with pytest.raises(Refused, match="does not let me in"):
                await adopted(cameras, where(street.cameras["Door"]), silent)
        finally:
            await street.aclose()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "concat:a|b", "/etc/passwd", "gopher://x"])
def test_a_camera_cannot_lead_the_eyes_to_a_file(url: str) -> None:
    with pytest.raises(Refused):
        import_module("dobby_skill_camera.line").own(url, "10.0.0.5", "u", "p")


def test_a_camera_cannot_send_its_password_to_somebody_else() -> None:
    led = import_module("dobby_skill_camera.line").own("rtsp://evil.example:99/live?x=1", "10.0.0.5", "u", "p@ss")
    assert led == "rtsp://u:p%40ss@10.0.0.5:99/live?x=1"


class TestIpycam:
    """ipycam, a camera somebody else wrote: ONVIF and stills."""

    async def test_it_is_adopted_and_looked_through(self, cameras: Any) -> None:
        ipycam = pytest.importorskip("ipycam")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        config = ipycam.CameraConfig(name="Porch", local_ip="127.0.0.1", onvif_port=port, serial_number="IPY-77")
        camera = ipycam.IPCamera(config)
        from ipycam.camera import ReusableThreadingTCPServer
        from ipycam.http import IPCameraHTTPHandler

        IPCameraHTTPHandler.camera = camera
        server = ReusableThreadingTCPServer(("127.0.0.1", port), IPCameraHTTPHandler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        camera._last_frame = scene.frame(scene.load("quiet"), 0)
        try:
            device = await adopted(cameras, f"127.0.0.1:{port}")
            assert device.id == "camera.ipy77"
            assert await cameras.read(device) == {"motion": False, "on": True}
            streams = await cameras.streams(device)
            assert streams.watch.startswith("rtsp://127.0.0.1")
            assert streams.watch != streams.keep
            assert (await cameras.picture(device)).startswith(b"\xff\xd8\xff")
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join(5)
