"""One camera's threads: one looks at the small stream, one keeps the last seconds of the large one.

It connects again by itself, notices a picture that stands still or repeats, and decides what has to be decoded. What happens to
one of these threads costs the other cameras nothing. It does not know what is seen (`eye`).
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dobby.errors import DeviceError
from dobby.vision.album import burn
from dobby.vision.detect import seeing
from dobby.vision.stream import Piece, Ring, Stream, bgr_of, luma_of, number_of, why
from dobby.vision.wire import Camera, Settings

log = logging.getLogger(__name__)
BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before connecting again
STILL = 1.0  # seconds between two looks at a still picture
SMALL = 700 * 420  # pixels of a stream that is cheap to decode in full
LONGEST_GOP = 2.5  # seconds between keyframes that looking at keyframes alone allows
BEFORE, KEPT = 4.0, 24.0  # seconds of a clip before the arrival; of packets kept
FROZEN, REPEATS = 30.0, 10  # seconds of the very same picture; keyframes in a row that were seen before, equally long ago
LATE, WAITED = 2.0, 0.02  # seconds behind: frames are dropped; seconds a packet had to be waited for: it is of now
SAYS = {"stalled": "the picture stands still", "looping": "the same pictures come again and again", "ok": ""}

Say = Callable[[str, str], None]


class Sameness:
    """Notices a picture that stands still, and a stream that plays the same over again."""

    def __init__(self) -> None:
        self._last, self._since, self._count, self._run, self._apart = 0, 0.0, 0, 0, 0
        self._seen: dict[int, int] = {}

    def state(self, number: int, at: float) -> str:
        """`looping`, `stalled` or `ok`, after one keyframe's number (`stream.number_of`)."""
        if number == self._last:
            return "stalled" if at - self._since > FROZEN else "ok"
        self._last, self._since, self._count = number, at, self._count + 1
        apart = self._count - self._seen.pop(number, self._count)
        self._run = self._run + 1 if apart > 2 and apart == self._apart else 0
        self._apart, self._seen[number] = apart, self._count
        if len(self._seen) > 600:
            del self._seen[next(iter(self._seen))]
        return "looping" if self._run >= REPEATS else "ok"


class Watcher:
    """Looks through one camera until stopped.

    :param say: hears the camera's state and why.
    :param began: hears the number of each thread, so that a crash can be laid at a camera's door.
    """

    def __init__(self, camera: Camera, settings: Settings, detector: Any, reader: Any, out: Any, say: Say) -> None:
        self.camera, self.settings, self._say = camera, settings, say
        memory = Path(settings.folder) / "yards" / f"{''.join(c if c.isalnum() else '-' for c in camera.id)}.json"
        eyes = seeing(settings.models)
        self._frame = eyes.Frame
        self.eye = eyes.Eye(camera, settings, detector, out, reader=reader, large=self.picture, memory=memory)
        self.frames, self.decoded, self.alive = 0, 0, float("inf")
        self._streams: dict[str, Stream] = {}
        self._rings = {"keep": Ring(KEPT), "watch": Ring(KEPT)}
        self._ended, self._asleep = threading.Event(), threading.Event()
        self._awake = self._gop = self._key_at = self._last = 0.0
        self._same = Sameness()
        self._held: list[Piece] = []  # what came since the last look

    def start(self, began: Callable[[int], None]) -> None:
        """Begin; returns at once."""
        self._begin("eye", began, lambda: self._again("watch", self.camera.watch, self._look))
        if self.camera.keep not in ("", self.camera.watch):
            self._begin("ring", began, lambda: self._again("keep", self.camera.keep, self._keep))

    def _begin(self, name: str, began: Callable[[int], None], run: Callable[[], None]) -> None:
        def live() -> None:
            ctypes.CDLL(None).prctl(15, f"{name} {self.camera.id}".encode()[:15], 0, 0, 0)  # PR_SET_NAME, for `top -H`
            began(threading.get_ident())
            run()

        threading.Thread(target=live, daemon=True).start()

    def stop(self) -> None:
        """End soon; what hangs is left to its fate."""
        self._ended.set()

    def sleep(self, on: bool) -> None:
        """Look no more, or again."""
        (self._asleep.set if on else self._asleep.clear)()

    def wake(self) -> None:
        """Look closely for a while, whatever the picture says."""
        self._awake = time.time() + self.settings.quiet

    # Pictures and clips

    def picture(self, at: float) -> Any:
        """The picture of a moment of the last seconds, as large as there is one, masked; None where there is none."""
        for name, ring in self._rings.items():
            stream, pieces = self._streams.get(name), ring.since_key(at)
            found = stream.picture(pieces) if stream and pieces else None
            if found is not None:
                return burn(found, self.camera.masks)
        return None

    def fresh(self, seconds: float) -> Any:
        """A picture of now, waited for where the camera is only just connected."""
        until = time.time() + seconds
        found = None
        while found is None and not self._asleep.is_set() and time.time() < until:
            found = self.picture(time.time())
            time.sleep(0.0 if found is not None else 0.1)
        return found

    def clip(self, path: Path, at: float) -> None:
        """The seconds around a moment into a file; none of a camera with masks, since packets cannot be masked."""
        name = "keep" if "keep" in self._streams else "watch"
        stream, part = self._streams.get(name), path.with_suffix(".part")
        if stream and stream.write(str(part), self._rings[name].since_key(at - BEFORE, at + self.settings.clip)):
            part.replace(path)
        else:
            part.unlink(missing_ok=True)

    # Streams

    def _again(self, name: str, url: str, use: Callable[[Stream], None]) -> None:
        """Open and use a stream, again and again, with pauses that grow."""
        failed = 0
        while not self._ended.is_set():
            begun, seen = time.monotonic(), self.frames
            state, words, pause = "", "", STILL
            if not self._asleep.is_set():
                state, words = self._once(name, url, use, seen)
                failed = 0 if time.monotonic() - begun > 30 else failed
                pause = BACKOFF[min(failed, len(BACKOFF) - 1)] if state else STILL
                failed += bool(state)
            self.alive = float("inf") if name == "watch" else self.alive
            if state and name == "watch":
                self._say(state, words)
            self._ended.wait(pause)

    def _once(self, name: str, url: str, use: Callable[[Stream], None], seen: int) -> tuple[str, str]:
        """One connection, to its end; the camera's state after it, "" where all is well (a still picture)."""
        stream = None
        try:
            self._streams[name] = stream = Stream(url)
            if not stream.still:
                self._rings[name].clear()
            use(stream)
        except DeviceError as error:
            if not (stream and stream.still and self.frames > seen):
                return "stalled" if self.frames > seen else "unreachable", str(error)
        except Exception as error:  # whatever a camera's bytes do to a decoder, it is this camera's trouble alone
            log.exception("The camera %s cannot be looked through", self.camera.id)
            return "crashed", why(error)
        finally:
            if stream and not stream.still:
                del self._streams[name]
                stream.close()
        return "", ""

    def _keep(self, stream: Stream) -> None:
        for piece in stream.pieces(self.settings.pace):
            self._rings["keep"].add(piece)
            if self._ended.is_set() or self._asleep.is_set():
                return

    def _look(self, stream: Stream) -> None:
        self._held.clear()
        behind, base, asked = float("inf"), float(stream.video.time_base or 0), 0.0
        for piece in stream.pieces(self.settings.pace):
            self.alive = time.monotonic()
            if self._ended.is_set() or self._asleep.is_set():
                return
            self._rings["watch"].add(piece)
            after = piece.at - (piece.packet.pts or 0) * base
            behind = after if piece.at - asked > WAITED else min(behind, after)  # a camera's own clock may go as it likes
            self._take(stream, piece, late=stream.live and not stream.still and after - behind > LATE)
            asked = time.time()

    def _take(self, stream: Stream, piece: Piece, late: bool) -> None:
        """Decode what has to be: keyframes while nothing moves and they are enough; once woken, all since the last of them.

        What comes between two looks is decoded in one go with what is looked at: that takes a quarter less of the processor.
        """
        if piece.key:
            self._gop, self._key_at = max(piece.at - (self._key_at or piece.at), 0.9 * self._gop), piece.at
        slow = self.camera.decode == "keyframes" or (self.camera.decode == "auto" and stream.pixels > SMALL)
        keys = slow and 0 < self._gop <= LONGEST_GOP and piece.at > max(self._awake, self.eye.active + self.settings.quiet)
        woken, stream.only_keys = stream.only_keys and not keys, keys
        if woken:
            stream.video.codec_context.flush_buffers()
            self._held = self._rings["watch"].since_key(piece.at)
        else:
            self._held = [piece] if keys or (piece.key and all(each.key for each in self._held)) else [*self._held, piece]
        apart = 0.0 if keys else 0.9 / self.settings.fps
        if piece.at < self._last - LATE:  # the clock was set back
            self._last = 0.0
        if piece.at - self._last < apart:
            return
        held, self._held = self._held, []
        for each in held:
            for frame in stream.decode(each):
                self.decoded += 1
                if each.at > self._last and not late and each.at - self._last >= apart:
                    self._last = each.at
                    self._see(frame, each)

    def _see(self, frame: Any, piece: Piece) -> None:
        luma, masks = luma_of(frame), self.camera.masks
        if piece.key or not self.frames:
            state = self._same.state(number_of(luma), piece.at)
            self._say(state, SAYS[state])
        self.frames += 1
        cached: list[Any] = []

        def bgr() -> Any:
            if not cached:
                cached.append(burn(bgr_of(frame), masks))
            return cached[0]

        self.eye.see(self._frame(piece.at, burn(luma, masks), bgr))
