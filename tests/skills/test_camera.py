"""The camera family: its drawn driveway, its device side, its driver."""

import importlib

import pytest

from dobby.dollhouse.house import device_side
from dobby.paths import shipped

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")
FOLDER = shipped("skills") / "camera"


@pytest.fixture(scope="module")
def scene():
    device_side(FOLDER)
    return importlib.import_module("dobby_dollhouse_camera.scene")


def different(one, other) -> float:
    """The share of pixels that changed by more than noise does."""
    return float((np.abs(one.astype(int) - other).max(axis=2) > 25).mean())


class TestScene:
    def test_the_same_script_and_time_give_the_same_picture(self, scene):
        script = scene.load("delivery")
        assert (scene.frame(script, 14.2) == scene.frame(script, 14.2)).all()
        assert scene.frame(script, 14.2, (1280, 720)).shape == (720, 1280, 3)

    def test_the_truth_says_who_came_when_and_with_what_written_on_it(self, scene):
        truck, walker = scene.truth(scene.load("delivery"))
        assert (truck.kind, truck.lettering, truck.zone) == ("vehicle", "FedEx", "driveway")
        assert truck.seen < truck.at < truck.left < walker.seen

    @pytest.mark.parametrize("name", ["delivery", "walker", "cat", "street"])
    def test_who_the_truth_names_is_in_the_picture_then_and_gone_after(self, scene, name):
        script = scene.load(name)
        empty = scene.frame(script, 0)
        for visit in scene.truth(script):
            assert different(empty, scene.frame(script, visit.at)) > 0.002
            assert different(empty, scene.frame(script, visit.left + 1)) < 0.001

    @pytest.mark.parametrize("name", ["rain", "wind", "flicker", "headlights", "spider", "dusk", "switch", "parked", "quiet"])
    def test_nobody_comes_in_a_nuisance(self, scene, name):
        script = scene.load(name)
        assert not [visit for visit in scene.truth(script) if visit.seen >= 0]
        pictures = [scene.frame(script, t) for t in np.arange(0, min(script.seconds, 400), 9.7)]
        assert name in ("quiet", "parked") or max(different(pictures[0], each) for each in pictures) > 0.001

    def test_a_camera_has_no_colours_at_night(self, scene):
        script = scene.read("night", {"clock": "02:00", "noise": 0})
        picture = scene.frame(script, 0)
        assert (picture[..., 0] == picture[..., 1]).all()
        assert picture.mean() < scene.frame(scene.load("quiet"), 0).mean() / 2
