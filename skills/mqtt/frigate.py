"""What Frigate says over MQTT: its cameras, the objects it follows, and pictures of them.

`sight` reads one message of `frigate/events` or `frigate/reviews` into facts; whom it is told is not known here.
Source: docs.frigate.video/integrations/mqtt. Everything in a message is data from outside: cut, checked, never obeyed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dobby import Device, specs

from .announcement import topic_of
from .entity import Channel, Entity, Sign, parsed
from .values import CODECS, clean

PREFIX = "frigate"
TOPICS = (f"{PREFIX}/available", f"{PREFIX}/events", f"{PREFIX}/reviews", f"{PREFIX}/+/detect/state", f"{PREFIX}/+/+/snapshot")
PHASES = ("new", "update", "end")
MOST_CAMERAS, MOST_ACTIVE = 64, 200
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that Frigate follows at one camera, as it is now.

    `id` is Frigate's own and stays from `new` to `end` (`phase`); `kind` is `event`, or `alert` or `detection` for a review;
    `labels` what it is (`person`, `car`; a review may have several), `name` who (a recognised face, a plate), `zones` where it
    has been, `score` 0 to 1, `start` and `end` in seconds since 1970 (`end` 0: it is still there), `picture` a JPEG or b"".
    """

    id: str
    camera: str
    phase: str
    kind: str = "event"
    labels: tuple[str, ...] = ()
    name: str = ""
    zones: tuple[str, ...] = ()
    score: float = 0.0
    start: float = 0.0
    end: float = 0.0
    picture: bytes = field(default=b"", repr=False)


def sight(topic: str, payload: bytes) -> Sight | None:
    """A message on `frigate/events` or `frigate/reviews` as facts; None where it says nothing that can be used."""
    message = parsed(payload)
    after = message.get("after") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(after, dict) or message.get("type") not in PHASES:
        return None
    id_, camera = clean(after.get("id"), 80), clean(after.get("camera"), 60)
    if not id_ or not camera or after.get("false_positive") is True:
        return None
    data = after.get("data") if topic.endswith("/reviews") else {}
    row: Mapping[str, Any] = data if isinstance(data, dict) else {}
    sub = after.get("sub_label")
    return Sight(
        id=id_,
        camera=camera,
        phase=message["type"],
        kind=clean(after.get("severity"), 20) or "event",
        labels=_words(row.get("objects")) if row else _words([after.get("label")]),
        name=clean(sub[0] if isinstance(sub, list) and sub else sub if isinstance(sub, str) else "", 60),
        zones=_words(row.get("zones") if row else after.get("entered_zones")),
        score=min(1.0, _number(after.get("top_score"))),
        start=_number(after.get("start_time")),
        end=_number(after.get("end_time")),
    )


def _words(said: object) -> tuple[str, ...]:
    rows = said[:20] if isinstance(said, list) else []
    return tuple(dict.fromkeys(word for row in rows if isinstance(row, str) and (word := clean(row, 40))))


def _number(said: object) -> float:
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said < 1e12 else 0.0


def camera(name: str, address: str) -> Entity | None:
    """A camera that Frigate watches: `on` is whether it looks for things there, `motion` whether it follows one now."""
    base = topic_of(f"{PREFIX}/{name}")
    shown = clean(name, 60).replace("_", " ").strip()
    if not base or not shown:
        return None
    words = {"said": {"=ON": True, "=OFF": False}, "sent": {"true": "=ON", "false": "=OFF"}}
    codec = CODECS["words"](words, {})
    device = Device(
        id=f"mqtt.frigate_{clean(name, 60)}",
        driver="mqtt",
        kind="camera",
        name=shown[:1].upper() + shown[1:],
        identity=f"frigate:{clean(name, 60)}",
        address=address,
        traits=specs("camera", ["on", "motion"]),
    )
    on = Channel("on", f"{base}/detect/state", decode=codec, encode=codec, told={"": f"{base}/detect/set"})
    return Entity(device, (on,), {}, (Sign(f"{PREFIX}/available", None, "online", "offline"),))


class Watch:
    """What Frigate follows at this moment, by camera, with the latest picture of each label."""

    def __init__(self) -> None:
        self.last: dict[str, Sight] = {}
        self._active: dict[str, set[str]] = {}
        self._pictures: dict[tuple[str, str], bytes] = {}

    def see(self, seen: Sight) -> bool:
        """Take in a sight; is anything followed at its camera now?"""
        active = self._active.setdefault(seen.camera, set())
        if seen.kind == "event" and seen.phase != "end" and len(active) < MOST_ACTIVE:
            active.add(seen.id)
        active.discard(seen.id if seen.phase == "end" else "")
        self.last[seen.camera] = seen
        return bool(active)

    def show(self, camera: str, label: str, picture: bytes) -> None:
        """A picture of the latest thing of one label."""
        if picture.startswith(JPEG) and (len(self._pictures) < 4 * MOST_CAMERAS or (camera, label) in self._pictures):
            self._pictures[camera, label] = picture

    def picture(self, seen: Sight) -> bytes:
        """The picture that goes with a sight; b"" where none came."""
        return next((self._pictures[seen.camera, label] for label in seen.labels if (seen.camera, label) in self._pictures), b"")
