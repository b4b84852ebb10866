"""The models of the eyes: YOLOX and Ultralytics name what moved; the weights are fetched once, from their official release.

A model looks at one crop at a time; it does not know tracks, visits or cameras. Vehicles are one family, since COCO cannot tell
a delivery van from a bus; no face is looked at: a person is "a person".
"""

import hashlib
import math
import os
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dobby import Box, Refused, Unreachable

Picture = NDArray[np.uint8]  # height, width, 3; blue, green, red
Found = tuple[int, float, float, float, float, float]  # class, score, left, top, width, height; pixels of a crop
FLOOR = 0.3  # scores below are not looked at
SAME = 0.5  # two boxes of a family that share more than this are one
LEAST = 320  # pixels of a crop's side, where the picture has them
FAMILIES = {  # COCO's classes: (what it is called, what it is to us)
    0: ("person", "person"),
    **dict.fromkeys((1, 2, 3, 5, 7), ("vehicle", "vehicle")),  # bicycle, car, motorcycle, bus, truck
    **dict.fromkeys((15, 16, 17, 18, 19, 21), ("animal", "animal")),  # cat, dog, horse, sheep, cow, bear
    28: ("suitcase", "parcel"),
}
URL = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx"  # Apache-2.0
FILE, SIZE, SHA256 = "yolox_nano.onnx", 3_678_356, "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd"


class Detector(Protocol):
    """Something that names things, for several threads. `calls` counts its looks; `names` is False where it only sees motion."""

    names: bool
    calls: int

    def detect(self, bgr: Picture, boxes: Sequence[Box]) -> list[Box]:
        """What is in these regions of the picture; in all of it where there are none."""
        ...


class Motion:
    """No detector: whatever moves like a thing is "something"."""

    names, calls = False, 0

    def detect(self, bgr: Picture, boxes: Sequence[Box]) -> list[Box]:
        return []


class Reads(Protocol):
    """Reads the lettering in a picture, for several threads: texts, and the courier they name."""

    def warm(self) -> None:
        """Load what it takes, so that the first visit need not wait."""
        ...

    def read(self, bgr: Picture) -> tuple[list[str], str]: ...


class Model:
    """A detector of COCO's classes that looks at one crop at a time: a square around each region."""

    names = True

    def __init__(self) -> None:
        self.calls, self._lock = 0, threading.Lock()

    def look(self, crop: Picture) -> Iterable[Found]:
        """What is in a crop."""
        raise NotImplementedError

    def detect(self, bgr: Picture, boxes: Sequence[Box]) -> list[Box]:
        high, wide = bgr.shape[:2]
        found = []
        for left, top, crop in _crops(bgr, boxes):
            with self._lock:
                self.calls += 1
                rows = list(self.look(crop))
            for index, score, x, y, w, h in rows:
                if index in FAMILIES and w > 1 and h > 1:
                    label, kind = FAMILIES[index]
                    found.append(Box(kind, label, score, (left + x) / wide, (top + y) / high, w / wide, h / high))
        return _one_each(found)


def _crops(bgr: Picture, boxes: Sequence[Box]) -> Iterable[tuple[int, int, Picture]]:
    high, wide = bgr.shape[:2]
    if not boxes:
        yield 0, 0, bgr
    for box in boxes:
        reach = max(1.5 * max(box.w * wide, box.h * high), LEAST)
        x, y = (box.x + box.w / 2) * wide - reach / 2, (box.y + box.h / 2) * high - reach / 2
        left, top = round(min(max(0.0, x), max(0.0, wide - reach))), round(min(max(0.0, y), max(0.0, high - reach)))
        yield left, top, bgr[top : top + math.ceil(reach), left : left + math.ceil(reach)]


def _one_each(boxes: Sequence[Box]) -> list[Box]:
    """Of boxes that mean the same thing, the surest."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if not any(box.kind == other.kind and (box.iou(other) > SAME or box.inside(other) > 0.8) for other in kept):
            kept.append(box)
    return kept


class Yolox(Model):
    """YOLOX on onnxruntime, one thread (Megvii-BaseDetection/YOLOX, `demo/ONNXRuntime`).

    :raises Refused: the file cannot be loaded or is another kind of model.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self._name, self._side = self._session.get_inputs()[0].name, int(self._session.get_inputs()[0].shape[2])
        except Exception as error:  # onnxruntime has no error class that could be named
            raise Refused(f"{path.name} cannot be loaded: {error}"[:300]) from error
        rows = [
            (x, y, stride) for stride in (8, 16, 32) for y in range(self._side // stride) for x in range(self._side // stride)
        ]
        self._grid = np.asarray(rows, np.float32)
        shape = self._session.get_outputs()[0].shape
        if list(shape)[1:] != [len(rows), 85]:
            raise Refused(f"{path.name} is no YOLOX model of COCO's classes; Ultralytics' own run as ultralytics:{path.name}.")

    def look(self, crop: Picture) -> Iterable[Found]:
        share = self._side / max(crop.shape[:2])
        size = (max(1, round(crop.shape[1] * share)), max(1, round(crop.shape[0] * share)))
        canvas = np.full((self._side, self._side, 3), 114, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(crop, size)
        out = self._session.run(None, {self._name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        scores = out[:, 4:5] * out[:, 5:]
        for row in np.nonzero(scores.max(1) > FLOOR)[0]:
            stride = self._grid[row, 2]
            middle = (out[row, :2] + self._grid[row, :2]) * stride
            half = np.exp(np.minimum(out[row, 2:4], 10)) * stride / 2
            edge = (crop.shape[1], crop.shape[0])
            first, last = np.clip((middle - half) / share, 0, edge), np.clip((middle + half) / share, 0, edge)
            best = int(scores[row].argmax())
            yield best, float(scores[row, best]), *map(float, (*first, *(last - first)))  # type: ignore[misc]


class Ultralytics(Model):
    """Any model that `ultralytics.YOLO` loads (`.pt`, ONNX, OpenVINO …), with COCO's names: the extra `dobby[yolo]`, AGPL-3.0.

    :raises Refused: the library or the model is not there.
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        os.environ["YOLO_AUTOINSTALL"] = "False"  # nothing is installed behind the owner's back
        try:
            from ultralytics import YOLO
        except ImportError as error:
            raise Refused("Ultralytics is not installed: pip install 'dobby[yolo]' (AGPL-3.0, brings torch).") from error
        if not Path(model).expanduser().exists():
            raise Refused(f"There is no model at {model}.")
        self._model = YOLO(str(Path(model).expanduser()), task="detect")

    def look(self, crop: Picture) -> Iterable[Found]:
        boxes = self._model.predict(np.ascontiguousarray(crop), conf=FLOOR, verbose=False, device="cpu")[0].boxes
        for (x, y, right, bottom), score, index in zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True):
            yield int(index), score, x, y, right - x, bottom - y


def make_detector(choice: str, weights: str = "") -> Detector:
    """The detector of one config line: `yolox-nano`, a path to an ONNX file, ``ultralytics:MODEL` or `motion`.

    :param weights: a folder that may hold the weights, looked into before the one they are fetched to.
    :raises Refused: it cannot be had; says what to do.
    """
    name, _, rest = choice.partition(":")
    if name == "ultralytics":
        return Ultralytics(rest)
    return Motion() if choice == "motion" else Yolox(find_weights(choice, weights))


# Weights


def cache_folder() -> Path:
    """Where fetched weights are kept: `$DOBBY_WEIGHTS`, else `~/.cache/dobby/weights`."""
    named, base = os.environ.get("DOBBY_WEIGHTS"), os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "dobby" / "weights"


def find_weights(choice: str, folder: str = "") -> Path:
    """The file of `yolox-nano` (in `folder` or the cache), or the `.onnx` file that was named.

    :raises Refused: it is not there, or not what it should be; says what to do.
    """
    places = [Path(folder) / FILE, cache_folder() / FILE] if choice == "yolox-nano" else [Path(choice).expanduser()]
    path = next((place for place in places if place.suffix == ".onnx" and place.is_file()), None)
    if path is None and choice != "yolox-nano":
        raise Refused(f'There is no detector "{choice}": it can be yolox-nano, an .onnx file, ultralytics:MODEL or motion.')
    if path is None:
        raise Refused("What tells people from vehicles (yolox-nano, 3.7 MB) is not here yet: run `dobby eyes`.")
    if choice == "yolox-nano" and hash_of(path) != SHA256:
        raise Refused(f"{path} is not the released {FILE}: remove it, and run `dobby eyes`.")
    return path


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(folder: Path, progress: Callable[[int], None], url: str = URL) -> Path:
    """Fetch the weights once; `progress` hears of each piece's bytes. What does not hash to the pinned value is thrown away.

    :param url: another place for the same file, such as a mirror of one's own.
    :raises Refused: what came is not it.
    :raises Unreachable: it could not be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, part.open("wb") as file:
            while (piece := answer.read(1 << 16)) and file.tell() <= SIZE:
                file.write(piece)
                progress(len(piece))
        if hash_of(part) != SHA256:
            raise Refused(f"What {url} sent is not the released {FILE} (its SHA-256 differs); nothing was kept.")
        return part.replace(folder / FILE)
    except (OSError, ValueError) as error:
        raise Unreachable(f"{FILE} could not be fetched from {url}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
