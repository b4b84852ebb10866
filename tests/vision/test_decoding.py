"""What is decoded, and what is looked at: as little as will do, and on through a clock that is set back."""

from dataclasses import replace
from pathlib import Path

import pytest

from dobby.errors import Unreachable
from dobby.vision.detect import seeing
from dobby.vision.stream import Stream
from dobby.vision.watcher import Watcher
from dobby.vision.wire import Camera, Settings
from tests.vision.films import film

SECONDS, FPS = 6, 15


def watcher(folder: Path, path: Path, decode: str = "full") -> Watcher:
    settings = Settings(folder=str(folder), pace=False)
    detector = seeing().make_detector("motion")
    return Watcher(Camera("drive", watch=str(path), decode=decode), settings, detector, None, lambda *_: None, lambda *_: None)


def looked(watching: Watcher, path: Path) -> tuple[int, int]:
    """Pictures looked at and decoded, once a film has been gone through as fast as it can be read."""
    with pytest.raises(Unreachable):
        watching._look(Stream(str(path)))
    return watching.frames, watching.decoded


@pytest.mark.parametrize(
    ("gop", "decode", "decoded"), [(30, "full", SECONDS * FPS), (1, "full", SECONDS * 5), (15, "keyframes", SECONDS)]
)
def test_what_nothing_is_looked_at_for_is_not_decoded(tmp_path: Path, gop: int, decode: str, decoded: int) -> None:
    """Each picture that needs the one before it is; where each is whole, those between two looks are not."""
    path = film(tmp_path / "film.mp4", "quiet", 0, SECONDS, fps=FPS, gop=gop)
    frames, count = looked(watcher(tmp_path, path, decode), path)
    assert abs(count - decoded) <= FPS  # the beginning, until the space between keyframes is known; what came after the last look
    assert abs(frames - SECONDS * (1 if decode == "keyframes" else 5)) <= 5


def test_a_clock_that_is_set_back_blinds_nobody(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", "quiet", 0, SECONDS, fps=FPS, gop=30)
    watching = watcher(tmp_path, path)
    before, decoded = looked(watching, path)
    stream = Stream(str(path))
    with pytest.raises(Unreachable):
        for piece in stream.pieces(pace=False):
            watching._take(stream, replace(piece, at=piece.at - 3600), late=False)
    assert watching.frames > before + SECONDS * 4
    assert watching.decoded > decoded + SECONDS * FPS - FPS
