"""One camera's looking, from a frame to a sighting: gate, tracks, names, yard, visits.

It is fed with frames in order and hands on sightings with their picture; it does not know where frames come from, nor
where sightings go.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dobby import Box, Camera, Sighting

from .gate import Gate, Luma
from .lines import crossings, lines_of
from .models import Detector, Picture, Reads
from .regions import cut_off, joined, tiles
from .track import LIVING, TRIES, Track, Tracks, overlap
from .visit import AGAIN, Best, Round as Round, Visit, at_edge, colours_of, direction_of, is_grey, quality, same_colours, zone_of
from .yard import Parked, Yard

ENOUGH, SURE = 1.0, 0.5  # the sum of scores, and the best of them, that make a name certain
CROWD, AROUND = 3, 1.2  # so many nameless things are looked at in one look at everything; seconds between such looks
HOLD = {"vehicle": 1.0, "person": 0.5}  # seconds a certain arrival may wait for a better picture while it moves, and be read in
LETTERED = ("vehicle", "motion")
GOES, WHOLE = 0.6, 0.9  # what lives, looks otherwise of late or stirs as a whole, and is elsewhere by this share, does not stand
TOGETHER = 10.0  # seconds within which more of a kind join a visit
DIFFERENT = 0.45  # correlation of looks: below, what stood there may be gone
IDENTICAL = 0.9  # correlation of colours: above, the same thing has returned
STALE = 3600.0  # seconds after which a kept yard says nothing about who is new
FAR, PACE = 0.45, 0.1  # of the picture that what left may have gone before it was seen again; more for each second since
MOST = 40  # visits kept in mind
SOUGHT = 3  # looks for what came to rest
DROPS = 3.0  # times the largest drop of rain, among which only something as large as that is told without a name
MOVES = 1.5  # seconds since something moved in which it still does

Out = Callable[[Sighting, Visit, Picture | None], None]


@dataclass(slots=True)
class Frame:
    """One decoded picture: when (seconds since 1970), its grey plane, and how to have it in colour."""

    at: float
    luma: Luma
    bgr: Callable[[], Picture]


class Eye:
    """Feed `see` with frames in order; `out` gets each sighting with its visit and picture.

    :param large: the picture of a moment in full resolution, where there is one.
    :param memory: the file of what stands in the picture.
    """

    def __init__(
        self,
        camera: Camera,
        settings: Any,
        detector: Detector,
        out: Out,
        *,
        reader: Reads | None = None,
        large: Callable[[float], Picture | None] = lambda at: None,
        memory: Path | None = None,
    ) -> None:
        self.camera, self.settings, self.detector = camera, settings, detector
        self.out, self.reader, self.large = out, reader, large
        self.gate, self.tracks, self.yard = Gate(), Tracks(), Yard(memory)
        self.visits: list[Visit] = []
        self.active = 0.0  # when something last moved
        self._lines = lines_of(camera.zones)
        self._best: dict[int, Best] = {}
        self._whole_at, self._around_at, self._doubt_at = -1.0, 0.0, 0.0
        self._reading = 0.0  # seconds that it took the last time

    def see(self, frame: Frame) -> None:
        """One frame."""
        look = self.gate.look(frame.luma)
        if look.flood:
            self._whole_at = frame.at + 1.5  # when it has come to rest
        elif self._whole_at < 0 or 0 < self._whole_at <= frame.at:
            self._look_at_all(frame)
        gone = self.tracks.update(look.blobs, frame.at)
        self._ask(frame)
        for track in list(self.tracks.live):
            if len(track.path) > 2:
                self._judge(track, frame)
        for track in gone:
            self._end(track, frame)
        if frame.at >= self._doubt_at:
            self._doubt(frame)
        for visit in list(self.visits):
            self._go_on(visit, frame)
        if look.stirs or self.tracks.live or self._whole_at:
            self.active = frame.at

    def press(self, at: float, picture: Picture | None) -> None:
        """The doorbell was pressed: a sighting of its own."""
        visit = Visit.begin(self.camera.id, "person", Box("", "", 0, 0, 0, 1, 1), at, at)
        self.out(visit.sighting("press", at), visit, picture)

    def sees(self, picture: Picture, now: float) -> list[str]:
        """What a picture of now shows: the kind of each thing, else `none`; without a detector: it `moves`, is `still`."""
        if not self.detector.names:
            return ["moves" if now - self.active < MOVES else "still"]
        found = self._everything(Frame(now, picture[:, :, 1], lambda: picture))
        return [box.kind for box in found if box.score >= SURE] or ["none"]

    def _look_at_all(self, frame: Frame) -> None:
        """At the start, and after all of the picture changed: what stands there is known, who came meanwhile is told."""
        meanwhile = self._whole_at < 0 and frame.at - self.yard.saved < STALE
        self._whole_at = 0.0
        for box in self.yard.fresh([box for box in self._everything(frame) if box.score >= SURE]):
            visit = None
            if meanwhile and box.kind in HOLD and not self._ignored(box):
                visit = self._begin(box.kind, box, frame.at, frame.at)
                visit.best = Best(0.0, frame.at, box, frame.bgr())
                visit.learn(score=round(box.score, 3))
            self._park(box.kind, box, frame, visit)
        for thing in self.yard.things:
            thing.look, thing.doubt = self.gate.patch(thing.box), 0
        self.yard.save(frame.at)

    # Names

    def _detect(self, frame: Frame, regions: Sequence[Box]) -> list[Box]:
        return self.detector.detect(frame.bgr(), regions) if self.detector.names else []

    def _found(self, frame: Frame, box: Box, kind: str) -> Box | None:
        """Is it there? One look."""
        return next((b for b in self._detect(frame, [box]) if b.kind == kind and overlap(box, b) > 0.4), None)

    def _everything(self, frame: Frame) -> list[Box]:
        """All of the picture at once and in squares, where small things are larger; what these cut off is left to the whole."""
        boxes = self._detect(frame, [])
        for tile in tiles(frame.luma.shape):
            near = [box for box in self._detect(frame, [tile]) if not cut_off(box, tile)]
            boxes += [box for box in near if not any(box.kind == b.kind and max(box.inside(b), b.iou(box)) > 0.5 for b in boxes)]
        return boxes

    def _ask(self, frame: Frame) -> None:
        wanting = [track for track in self.tracks.live if track.wants_a_name(frame.at)]
        if not wanting or not self.detector.names:
            return
        look = partial(self._detect, frame, joined([track.box for track in wanting]))
        if len(wanting) >= CROWD or len(self.tracks.live) > 2 * CROWD:
            if frame.at < self._around_at:
                return
            self._around_at, look, wanting = frame.at + AROUND, partial(self._everything, frame), list(self.tracks.live)
        boxes = [box for box in look() if not self._stands(box, frame)]
        for box in self.tracks.name(boxes, wanting):
            if box.score >= SURE:
                self.tracks.begin(box, frame.at).name(box)
        for track in wanting:
            leaves = bool(track.named) and not track.moved() and self.yard.known(track.named[0], track.kind) is not None
            track.asked(frame.at, math.inf if leaves else ENOUGH)

    def _stands(self, box: Box, frame: Frame) -> bool:
        """Is this what stands there anyway?"""
        thing = self.yard.known(box, box.kind)
        moving = any(track.kind == box.kind and track.box.iou(box) > 0.5 and track.moved() for track in self.tracks.live)
        if thing is None or moving:
            return False
        stirs = box.kind in LIVING or thing.doubt > 0 or any(thing.box.inside(track.box) > WHOLE for track in self.tracks.live)
        if stirs and box.iou(thing.box) < GOES:
            return False
        thing.seen = frame.at
        return True

    # What is made of it

    def _judge(self, track: Track, frame: Frame) -> None:
        """Is it a visit; has it come to rest?"""
        good, old = quality(track.box, frame.luma), self._best.get(track.number)
        if old is None or good > 1.1 * old.quality:
            self._best[track.number] = Best(good, frame.at, track.box, frame.bgr())
        visit = self._visit_of(track)
        if visit is None and self._certain(track, frame) and not self._ignored(track.box):
            visit = self._departing(track, frame)
            if visit is None and self._certain(track, frame):
                visit = self._joined(track, frame) or self._begin(track.kind or "motion", track.box, track.born, frame.at)
        track.crossed += [(*crossing, frame.at) for crossing in crossings(track, self._lines)]
        if visit is not None:
            visit.tracks.add(track.number)
            self._follow(visit, track, frame)
        if track.at_rest(frame.at, 1.5 if visit is not None else 2.6 if track.named else 4.0):
            self._rest(track, visit, frame)

    def _certain(self, track: Track, frame: Frame) -> bool:
        if not self.detector.names:
            others = [other.box.area for other in self.tracks.live if other is not track]
            rains = len(others) >= 2 * CROWD
            return track.thing_like(rains) and not (rains and track.box.area < DROPS * max(others))
        named = track.score >= ENOUGH and track.surest >= SURE
        return named and (track.moved() or (frame.at - track.born > 2.5 and track.at_rest(frame.at)))

    def _departing(self, track: Track, frame: Frame) -> Visit | None:
        """The visit of what stood where it began: it leaves, and belongs to it again."""
        if not track.named:
            return None
        begun = self.yard.known(track.named[0], track.kind)
        near = [thing for thing in self.yard.things if thing.kind == track.kind and (thing is begun or _near(thing, track))]
        gone = (thing for thing in near if thing.seen < frame.at and not self._still(thing, track, frame))
        thing = next(gone, None)
        if thing is None:
            if begun is not None and begun.kind not in LIVING and self.yard.known(track.box, track.kind) is begun:
                track.unname()  # it stands there, and something else moves in front of it
            return None
        self.yard.leave(thing, frame.at)
        self.gate.take_in(thing.box)
        visit = next((visit for visit in self.visits if visit.facts.visit == thing.visit), None)
        if visit is None:
            visit = self._begin(thing.kind, thing.box, track.born, frame.at)
            visit.told = visit.dwelt = True  # nothing came: it was there before
        visit.goes = frame.at
        if self._lines:
            track.go(frame.at, dict.fromkeys(self._lines, thing.box.foot))
        return visit

    def _still(self, thing: Parked, track: Track, frame: Frame) -> bool:
        """Does it stand there yet? What is found there may be what goes: it has shifted, or is what moves."""
        found = self._found(frame, thing.box, thing.kind)
        return found is not None and not (thing.kind in LIVING and (found.iou(track.box) > GOES or found.iou(thing.box) < GOES))

    def _ignored(self, box: Box) -> bool:
        zone = zone_of(box, self.camera.zones)
        return zone is not None and zone.ignore

    # Visits

    def _visit_of(self, track: Track) -> Visit | None:
        return next((visit for visit in self.visits if track.number in visit.tracks), None)

    def _begin(self, kind: str, box: Box, at: float, certain: float) -> Visit:
        visit = Visit.begin(self.camera.id, kind, box, at, certain)
        while any(visit.facts.visit == other.facts.visit for other in self.visits):
            visit.learn(visit=f"{visit.facts.visit}x")
        self.visits = [*self.visits[1 - MOST :], visit]
        return visit

    def _joined(self, track: Track, frame: Frame) -> Visit | None:
        """The visit that it is a part of, or goes on with."""
        for visit in self.visits:
            if visit.facts.kind != (track.kind or "motion") or visit.facts.candidate or visit.over:
                continue
            beside = sum(other.number in visit.tracks for other in self.tracks.live)
            if beside and not visit.dwelt and frame.at - visit.facts.certain < TOGETHER:
                visit.learn(count=max(visit.facts.count, beside + 1))
                return visit
            far = max(abs(visit.box.foot[axis] - track.path[0][1 + axis]) for axis in (0, 1))
            parts = beside and frame.at - visit.goes < TOGETHER  # what goes, and the place it stood in
            if (not beside or parts) and not self._standing(visit) and far < min(0.5, 0.25 + 0.03 * (frame.at - visit.last)):
                track.clear |= visit.clear  # what was crossed unseen in between was crossed
                return visit
        return None

    def _follow(self, visit: Visit, track: Track, frame: Frame) -> None:
        visit.last, visit.box, visit.went, visit.clear = frame.at, track.box, at_edge(track.box), track.clear
        for line, way, at in track.crossed:
            self._cross(visit, line, way, at, frame)
        track.crossed = []
        if not visit.told:
            score = round(max(visit.facts.score, track.surest), 3)
            visit.learn(score=score, direction=direction_of(track) or visit.facts.direction)
            best = self._best[track.number]
            visit.best = best if visit.best is None or best.quality > visit.best.quality else visit.best

    def _cross(self, visit: Visit, line: str, way: str, at: float, frame: Frame) -> None:
        """Who is not told yet came over it; of anybody else it is a sighting of its own, once in a while for each way."""
        again, visit.crossed[line, way] = at - visit.crossed.get((line, way), 0.0) < AGAIN, at
        if not visit.told:
            visit.learn(zone=line, way=way)
        elif not again and not visit.facts.candidate:
            large = self.large(at)
            self.out(visit.crossing(line, way, at), visit, frame.bgr() if large is None else large)

    def _standing(self, visit: Visit) -> bool:
        return any(thing.visit == visit.facts.visit for thing in self.yard.things)

    def _go_on(self, visit: Visit, frame: Frame) -> None:
        """Tell it when it is time: that it came, that it stays, that it is gone."""
        moving, stands = [track for track in self.tracks.live if track.number in visit.tracks], self._standing(visit)
        since = frame.at - visit.last
        if not visit.told:
            settled = all(track.at_rest(frame.at, 0.6) for track in moving)
            read = self._reading if visit.facts.kind in LETTERED else 0.0
            if settled or frame.at - visit.facts.certain >= HOLD.get(visit.facts.kind, 0.8) - read:
                self._arrive(visit, frame)
        elif stands and not moving and not visit.dwelt and frame.at - visit.facts.at > self.settings.dwell:
            visit.dwelt = True
            self.out(visit.sighting("dwell", frame.at), visit, None)
        elif not moving and not stands and not visit.over and since > self.settings.quiet * (1 if visit.went else 3):
            visit.over = True
            if not visit.facts.candidate:
                self.out(visit.sighting("left", visit.last), visit, None)
        elif visit.over and since > AGAIN:
            self.visits.remove(visit)

    def _arrive(self, visit: Visit, frame: Frame) -> None:
        best = visit.best = visit.best or Best(0.0, frame.at, visit.box, frame.bgr())
        visit.told = True
        large = self.large(best.at)
        picture = best.picture if large is None else large
        zone = zone_of(visit.box, self.camera.zones)
        visit.learn(zone=visit.facts.zone if visit.facts.way else zone.name if zone else "")
        visit.colours, visit.grey = colours_of(best.picture, best.box), is_grey(best.picture)
        if self.reader is not None and visit.facts.kind in LETTERED:
            begun = time.monotonic()
            texts, courier = self.reader.read(best.box.of(picture, 0.05))
            self._reading = time.monotonic() - begun
            visit.learn(lettering=tuple(texts), courier=courier)
        best.picture = best.picture[:1, :1].copy()  # the rest is on the disk soon
        self.out(visit.sighting(self._again(visit), visit.facts.at), visit, picture)

    def _again(self, visit: Visit) -> str:
        """`returned` where the same thing was here minutes ago, which then is the same visit; else `arrived`, as whatever an
        infrared picture, in which all look alike, has no name of a courier for."""
        new, told_apart = visit.facts, not visit.grey or visit.facts.courier
        for old in self.visits:
            close = old.over and (old.facts.kind, old.facts.courier) == (new.kind, new.courier) and new.at - old.last < AGAIN
            if close and not new.candidate and same_colours(old.colours, visit.colours) > IDENTICAL and told_apart:
                self.visits.remove(old)
                for thing in self.yard.things:
                    thing.visit = old.facts.visit if thing.visit == new.visit else thing.visit
                visit.learn(visit=old.facts.visit, same_as=old.facts.same_as)
                visit.returns = old.returns + 1
                return "returned"
        return "arrived"

    # What stands

    def _rest(self, track: Track, visit: Visit | None, frame: Frame) -> None:
        """It stands: the yard knows it from now on where it is found there (else it went, and this is the place it left), and the
        gate looks past it."""
        sure = visit is not None or track.score >= ENOUGH
        found: Box | None = track.box
        if track.named and not sure and track.tries < len(TRIES):
            return
        if track.named and sure:
            track.sought, found = track.sought + 1, self._found(frame, track.box, track.kind)
            if found is None and track.sought < SOUGHT:
                return
        if visit is not None and not visit.told:
            self._arrive(visit, frame)
        if sure and found is not None:
            self._park(track.kind or "motion", found, frame, visit)
        self.gate.take_in(track.box)
        self.tracks.live.remove(track)
        self._best.pop(track.number, None)

    def _park(self, kind: str, box: Box, frame: Frame, visit: Visit | None) -> None:
        self.yard.park(kind, box, frame.at, visit.facts.visit if visit else "", self.gate.patch(box))

    def _end(self, track: Track, frame: Frame) -> None:
        """It is gone from sight: it went, or stands where it was last."""
        visit = self._visit_of(track)
        if visit is not None and track.named and not at_edge(track.box) and (found := self._found(frame, track.box, track.kind)):
            self._park(track.kind, found, frame, visit)
        elif visit is None and track.score >= SURE and track.moved() and not self._ignored(track.box):
            visit = self._begin(track.kind, track.box, track.born, frame.at)  # not sure enough: kept for teaching
            visit.best = self._best.get(track.number)
            visit.learn(candidate=True, score=round(track.surest, 3))
            self._arrive(visit, frame)
        self._best.pop(track.number, None)

    def _doubt(self, frame: Frame) -> None:
        """Once a second: what looks otherwise than what stood there is asked for, and gone where it is not found thrice."""
        self._doubt_at = frame.at + 1.0
        for thing in self.yard.things:
            look = self.gate.patch(thing.box)
            if float((look * thing.look).mean()) > DIFFERENT:
                thing.look, thing.seen, thing.doubt = 0.9 * thing.look + 0.1 * look, frame.at, 0
            else:
                thing.doubt += 1
                if thing.doubt in (3, 5, 8):
                    self._look_for(thing, frame)
        if frame.at - self.yard.saved > 60:
            self.yard.save(frame.at)

    def _look_for(self, thing: Parked, frame: Frame) -> None:
        found = self._found(frame, thing.box, thing.kind)
        if found:
            thing.box, thing.look, thing.doubt, thing.seen = found, self.gate.patch(found), 0, frame.at
        elif thing.doubt >= 8 or not self.detector.names:
            for visit in self.visits:
                if visit.facts.visit == thing.visit:
                    visit.last, visit.went = max(visit.last, thing.seen), True
            self.gate.take_in(thing.box)
            self.yard.leave(thing, frame.at)


def _near(thing: Parked, track: Track) -> bool:
    """May it be this that moves there now: does its place look otherwise of late, and is it not far?"""
    doubtful, reach = thing.doubt > 0 or thing.kind in LIVING, FAR + PACE * thing.doubt
    return doubtful and max(abs(thing.box.foot[axis] - track.path[0][1 + axis]) for axis in (0, 1)) < reach
