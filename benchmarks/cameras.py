"""What the eyes cost and how well they see, beside a Frigate-shaped pipeline in the same run.

Films are the drawn driveway, encoded as a camera would. Weights, clips and the courier's photo come from `$DOBBY_VISION` (else
`../shared/data/vision`); rows that want them say so where they are not. It does not know any camera.
"""

import math
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import psutil

from benchmarks import driveway, frigate
from benchmarks.sheet import QUICK, Row, at_most, machine_row, rounded, run
from dobby.vision.detect import Box, seeing
from dobby.vision.stream import Stream, bgr_of, luma_of
from dobby.vision.watcher import Watcher
from dobby.vision.wire import Camera, Settings
from tests.vision.films import film

see = seeing()
DATA = Path(os.environ.get("DOBBY_VISION", Path(__file__).resolve().parents[2] / "shared" / "data" / "vision"))
WEIGHTS = DATA / "weights" / "yolox_nano.onnx"


def measure(quick: bool) -> Iterator[Row]:
    """The whole sheet."""
    cv2.setNumThreads(1)
    note = QUICK if quick else ""
    folder = Path(tempfile.mkdtemp(prefix="dobby-eyes-"))
    choice = str(WEIGHTS) if WEIGHTS.is_file() else "motion"
    detector = see.make_detector(choice)
    yield machine_row()
    yield from _idle(folder, 12 if quick else 40, note)
    yield from _many(folder, (4, 16) if quick else (1, 4, 16), note)
    yield from driveway.arrivals(detector, note)
    yield from _calls(detector, 12 if quick else 60, note)
    yield from _photo(note)
    yield from driveway.nuisances(choice, 20 if quick else 600, note)
    yield from driveway.day(choice, quick, note)


# Idle


def _spent(work: Callable[[], object]) -> float:
    """Processor seconds of this process for some work."""
    before = time.process_time()
    work()
    return time.process_time() - before


def _idle(folder: Path, seconds: int, note: str) -> Iterator[Row]:
    """A quiet scene from a file: ours in full and by keyframes, beside every frame decoded and Frigate's motion step."""
    for size, mode, limit in (((640, 360), "full", 2.0), ((1280, 720), "keyframes", 1.4)):
        path = film(folder / f"{size[1]}.mp4", "quiet", 0, seconds, size=size, fps=15, gop=30)
        ours = _spent(lambda path=path, mode=mode: _look(path, mode)) / seconds * 100
        theirs = _spent(lambda path=path: frigate.idle(path)) / seconds * 100
        beside = {"Frigate-shaped": rounded(theirs)}
        yield at_most(f"idle camera, {size[1]}p {mode}, % of a core", ours, "%", limit, beside, note)


def _look(path: Path, mode: str) -> int:
    """The watcher's own way through a file, as fast as it can be read."""
    watcher = _watcher(path, mode, see.make_detector("motion"), lambda *_: None)
    stream = Stream(str(path))
    try:
        watcher._look(stream)  # its thread's work, done here so that it can be weighed
    except Exception:  # the film is over
        stream.close()
    return watcher.decoded


def _watcher(path: Path, mode: str, detector: Any, out: Any) -> Watcher:
    settings = Settings(folder=tempfile.mkdtemp(prefix="dobby-eyes-"), pace=False)
    return Watcher(Camera("bench", watch=str(path), decode=mode), settings, detector, None, out, lambda state, why: None)


def _many(folder: Path, counts: Sequence[int], note: str) -> Iterator[Row]:
    """Cameras in one process, live (a file at its own pace), each a thread."""
    path = film(folder / "live.mp4", "quiet", 0, 14, fps=15, gop=30)
    process, before, first = psutil.Process(), 0.0, 0
    for count in counts:
        threads, spent = [], time.process_time()
        for _ in range(count):
            watcher = _watcher(path, "full", see.make_detector("motion"), lambda *_: None)
            object.__setattr__(watcher.settings, "pace", True)
            threads.append(threading.Thread(target=_quietly, args=(watcher, path), daemon=True))
        for thread in threads:
            thread.start()
        time.sleep(10)
        memory = process.memory_info().rss / 1e6
        for thread in threads:
            thread.join()
        percent = (time.process_time() - spent) / 14 * 100 / count
        yield at_most(f"{count} live cameras, 360p full, % of a core each", percent, "%", 2.0, {}, note)
        if before:
            yield at_most(
                f"memory per added camera ({first} to {count})", (memory - before) / (count - first), "MB", 15, {}, note
            )
        before, first = memory, count


def _quietly(watcher: Watcher, path: Path) -> None:
    try:
        watcher._look(Stream(str(path)))
    except Exception:  # the film is over
        return


# Seeing


def _calls(detector: Any, seconds: float, note: str) -> Iterator[Row]:
    """Looks of the detector at real clips, ours and by Frigate's region policy (one per cluster of motion or moving thing)."""
    if not detector.names:
        yield Row("detector calls per minute of activity", None, "calls", note=f"wants weights and clips in {DATA}")
        return
    for clip in ("vtest.avi", "intel-car-detection.mp4"):
        if not (DATA / "clips" / clip).is_file():
            continue
        frames = list(_frames(DATA / "clips" / clip, seconds))
        length = len(frames) / 5
        before, told = detector.calls, []
        eye = see.Eye(Camera("bench", watch="x"), Settings(), detector, lambda sighting, *_, told=told: told.append(sighting))
        seen_by_us: dict[int, list[Box]] = {}
        for index, (luma, bgr) in enumerate(frames):
            eye.see(see.Frame(1.7e9 + index / 5, luma, lambda bgr=bgr: bgr))
            seen_by_us[index] = [track.box for track in eye.tracks.live if track.named] + [
                thing.box for thing in eye.yard.things if not thing.doubt
            ]
        ours = detector.calls - before
        theirs, seen_by_them = frigate.calls(frames, detector)
        tracks = _oracle(frames, detector)
        beside = {"Frigate-shaped": rounded(theirs / length * 60), "seconds": rounded(length)}
        yield at_most(f"detector calls per minute, {clip}", ours / length * 60, "calls", theirs / length * 60 / 5, beside, note)
        recall, other = _recall(tracks, seen_by_us), _recall(tracks, seen_by_them)
        beside = {"Frigate-shaped": rounded(other), "tracks": float(len(tracks))}
        yield Row(f"tracks named, {clip}", rounded(recall), "share", f"≥ {rounded(other):g}", recall >= other, beside, note)


def _frames(path: Path, seconds: float) -> Iterator[tuple[Any, Any]]:
    """Five a second, in grey and colour."""
    due = 0.0
    with av.open(str(path)) as box:
        for frame in box.decode(box.streams.video[0]):
            if float(frame.time or 0) >= due:
                due += 0.2
                yield luma_of(frame).copy(), bgr_of(frame)
            if due > seconds:
                return


def _oracle(frames: Sequence[tuple[Any, Any]], detector: Any) -> list[dict[int, Box]]:
    """Every frame looked at in tiles, linked by overlap; tracks of a second and more that go somewhere, by half their size: the
    detector calls a stone and a bag that lie there a person and an animal for a second, too."""
    live: list[dict[int, Box]] = []
    tiles = [Box("", "", 0, x, y, 0.4, 0.4) for x in (0.05, 0.55) for y in (0.05, 0.55)]
    for index, (_, bgr) in enumerate(frames):
        for box in detector.detect(bgr, tiles):
            if box.score < 0.5:
                continue
            near = [track for track in live if 0 < index - max(track) <= 3 and track[max(track)].iou(box) > 0.3]
            if near:
                near[0][index] = box
            else:
                live.append({index: box})
    return [track for track in live if len(track) >= 5 and _goes(list(track.values()))]


def _goes(boxes: Sequence[Box]) -> bool:
    return max(math.dist(boxes[0].foot, box.foot) for box in boxes) > 0.5 * max(boxes[0].w, boxes[0].h)


def _recall(tracks: Sequence[dict[int, Box]], seen: dict[int, list[Box]]) -> float:
    """The share of tracks that were named at least once where they were."""
    hit = sum(any(box.iou(other) > 0.3 for index, box in track.items() for other in seen.get(index, ())) for track in tracks)
    return hit / len(tracks) if tracks else 1.0


def _photo(note: str) -> Iterator[Row]:
    """The courier's name on a real photo."""
    picture = cv2.imread(str(DATA / "images" / "courier.jpg")) if (DATA / "images" / "courier.jpg").is_file() else None
    if picture is None:
        yield Row("courier on the photo", None, "", note=f"wants {DATA}/images/courier.jpg")
        return
    reader = see.Reader()
    reader.warm()
    begun = time.process_time()
    texts, courier = reader.read(picture)
    beside = {"processor s": rounded(time.process_time() - begun), "texts": ", ".join(texts)}
    yield Row("courier on the photo", courier or "none", "", "= FedEx", courier == "FedEx", beside, note)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    yield Row("peak memory of this run", rounded(peak), "MB", note=note)


if __name__ == "__main__":
    run(measure, long="ten minutes of each nuisance and 24 hours of three cameras: half an hour of this machine")
