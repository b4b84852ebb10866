"""Ultralytics for real, where the extra `dobby[yolo]` and weights are: it brings torch, so CI does without it.

The weights are any that it loads: `$DOBBY_VISION/weights` (else `../shared/data/vision/weights`) is looked into.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ultralytics", reason="wants Ultralytics: pip install 'dobby[yolo]'")
cv2 = pytest.importorskip("cv2")
from dobby.errors import Refused  # noqa: E402
from dobby.vision.detect import Box, seeing  # noqa: E402

DATA = Path(os.environ.get("DOBBY_VISION", Path(__file__).resolve().parents[3] / "shared" / "data" / "vision"))
MODELS = sorted(path for path in (DATA / "weights").glob("yolo[0-9v]*") if "yolox" not in path.name)
pytestmark = [
    pytest.mark.timeout(180),  # torch takes its time
    pytest.mark.skipif(not MODELS, reason=f"wants models that Ultralytics loads in {DATA / 'weights'}: set DOBBY_VISION"),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_it_names_the_courier_s_van_and_looks_where_it_is_told(model: Path) -> None:
    detector = seeing().make_detector(f"ultralytics:{model}")
    photo: Any = cv2.imread(str(DATA / "images" / "courier.jpg"))
    [van] = [box for box in detector.detect(photo, []) if box.kind == "vehicle"]
    assert van.score > 0.5 and van.area > 0.2
    again = detector.detect(photo, [Box("", "", 0, van.x, van.y, van.w, van.h)])
    assert max(box.iou(van) for box in again if box.kind == "vehicle") > 0.7
    assert detector.calls == 2 and detector.names


def test_a_street_full_of_people() -> None:
    detector = seeing().make_detector(f"ultralytics:{MODELS[0]}")
    film = cv2.VideoCapture(str(DATA / "clips" / "vtest.avi"))
    film.set(cv2.CAP_PROP_POS_FRAMES, 357)
    found = Counter(box.kind for box in detector.detect(film.read()[1], []))
    assert found["person"] >= 3


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(Refused, match="no model"):
        seeing().make_detector("ultralytics:nowhere.pt")
