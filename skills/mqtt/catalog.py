"""Everything one broker announced, and what each of it last said: messages in, news out.

No network in here. Whatever arrives is taken as hostile: what does not fit is left out, with one line in the log.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dobby import Device, Value

from . import frigate, tasmota
from .announcement import Unfit, announced
from .discovery import described, family
from .entity import Channel, Entity, Message
from .values import near
from .zigbee import Found, hardware, listed

log = logging.getLogger("dobby.skill.mqtt")

PREFIX = "homeassistant"
ZIGBEE = "/bridge/devices"
TASMOTA = tuple(f"{tasmota.PREFIX}/+/{half}" for half in ("config", "sensors"))
SUBSCRIPTIONS = (f"{PREFIX}/+/+/config", f"{PREFIX}/+/+/+/config", f"+{ZIGBEE}", *TASMOTA, *frigate.TOPICS)

MOST_ENTITIES = 5_000
MOST_BYTES = {"config": 256_000, "zigbee": 8_000_000, "tasmota": 64_000, "frigate": 4_000_000, "state": 64_000}
MOST_LINES = 200  # log lines about what does not fit, per connection


@dataclass(eq=False)
class Life:
    """One entity while it lives: what it last said, and where it was announced."""

    entity: Entity
    owner: str
    hard: str = ""
    said: dict[str, Value] = field(default_factory=dict)
    signs: dict[str, bool] = field(default_factory=dict)
    latest: bool | None = None
    count: int = 0
    stale: bool = False
    meant: tuple[Value, Value] = (None, None)

    @property
    def state(self) -> dict[str, Value]:
        """The traits as last said; a fan that is off has no speed."""
        off = self.entity.device.kind == "fan" and self.said.get("on") is False and "speed" in self.said
        return {**self.said, "speed": 0} if off else dict(self.said)

    @property
    def available(self) -> bool | None:
        """There or not, by Home Assistant's `availability_mode`; None while nobody said."""
        if self.stale:
            return False
        if not self.entity.signs:
            return True
        if self.entity.mode == "latest":
            return self.latest
        told = self.signs.values()
        return (any(told) if self.entity.mode == "any" else all(told)) if told else None

    def hear(self, topic: str, message: Message) -> bool:
        """Take in a message; was it about this entity?"""
        news = False
        for row in self.entity.channels:
            if row.heard == topic and (value := row.read(message)) is not None:
                self.said[row.trait] = self.meant[0] if near(value, self.meant[1]) and row.trait == "color" else value
                news, self.stale = True, False
        for sign in self.entity.signs:
            if sign.topic == topic and (there := sign.read(message)) is not None:
                self.signs[topic] = self.latest = there
                news = True
        self.count += news
        return news

    @property
    def lapses(self) -> float:
        """The seconds until silence means something; 0 for never."""
        return self.entity.off_after if self.said.get("on") is True and self.entity.off_after else self.entity.stale_after

    def lapse(self) -> None:
        """It was silent for so long: what was on is off, or the device is gone."""
        if self.said.get("on") is True and self.entity.off_after:
            self.said["on"] = False
        else:
            self.stale = True

    def told(self, wanted: Mapping[str, Value]) -> bool:
        """Remember what was sent: a colour comes back rounded, and what only echoes is as it was told. Is that news?"""
        echoes = {t: v for t, v in wanted.items() if t in self.entity.device.traits and self.entity.device.traits[t].echoes}
        self.said.update(echoes)
        row = next((row for row in self.entity.channels if row.trait == "color" and "color" in wanted), None)
        if row is not None:
            self.meant = (wanted["color"], _returned(row, wanted["color"]))
        return bool(echoes)


def _returned(row: Channel, value: Value) -> Value:
    return row.decode.decode(row.encode.encode(value)) if row.decode and row.encode else None


def _kind(topic: str) -> str:
    """Whose message this is."""
    if topic.endswith(ZIGBEE):
        return "zigbee"
    if topic.startswith(f"{PREFIX}/") and topic.endswith("/config"):
        return "config"
    if topic.startswith(f"{tasmota.PREFIX}/"):
        return "tasmota"
    return "frigate" if topic.startswith(f"{frigate.PREFIX}/") else "state"


class Catalog:
    """What lives behind one broker."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lives: dict[str, Life] = {}
        self._owned: dict[str, set[str]] = {}
        self._by_topic: dict[str, set[str]] = {}
        self._hard: dict[str, frozenset[str]] = {}
        self._halves: dict[str, dict[str, bytes]] = {}
        self._lines: set[str] = set()
        self.watch = frigate.Watch()

    def __len__(self) -> int:
        return len(self._lives)

    def get(self, device: str) -> Life | None:
        """The life of a device by its id."""
        return self._lives.get(device)

    @property
    def topics(self) -> frozenset[str]:
        """What has to be listened to, beside the announcements."""
        return frozenset(self._by_topic)

    def is_state(self, topic: str) -> bool:
        """Does somebody known speak there?"""
        return topic in self._by_topic

    def devices(self) -> list[Device]:
        """Every device, those that parts belong to first."""
        return family(life.entity for life in self._lives.values())

    def forget_signs(self) -> None:
        """Who is there is not known any more: the connection was lost."""
        for life in self._lives.values():
            life.signs.clear()
            life.latest = None
        self._lines.clear()

    def take(self, topic: str, payload: bytes) -> tuple[set[str], set[str]]:
        """A message -> (the devices it is news about, the topics to listen to from now on)."""
        kind = _kind(topic)
        try:
            if len(payload) > MOST_BYTES[kind]:
                raise Unfit("it is too long")
            if kind == "frigate":
                return self._frigate(topic, payload)
            return self._hear(topic, payload) if kind == "state" else self._announce(topic, payload, kind)
        except (Unfit, UnicodeDecodeError) as error:
            self._skip(topic, str(error) if isinstance(error, Unfit) else "it is no text")
        except Exception as error:  # hostile input found a way we do not know: the rest of the house goes on
            self._skip(topic, f"it broke the reader ({type(error).__name__})")
        return set(), set()

    def _skip(self, topic: str, why: str) -> None:
        if topic not in self._lines and len(self._lines) < MOST_LINES:
            self._lines.add(topic)
            log.info("%s: the message on %s was left out: %s", self._address, ascii(topic)[:120], why)

    def _hear(self, topic: str, payload: bytes) -> tuple[set[str], set[str]]:
        message = Message(payload)
        return {name for name in self._by_topic.get(topic, ()) if self._lives[name].hear(topic, message)}, set()

    def _announce(self, topic: str, payload: bytes, kind: str) -> tuple[set[str], set[str]]:
        if kind == "tasmota":
            topic, payload = self._other_half(topic, payload)
        before = set(self._owned.get(topic, ()))
        if not payload.strip():
            return self._remove(before), set()
        read = {"zigbee": self._zigbee, "tasmota": self._tasmota}.get(kind, self._home_assistant)
        found = list(read(topic, payload))
        news: set[str] = set()
        listen: set[str] = set()
        for life in found:
            news.add(life.entity.device.id)
            listen |= self._add(life)
        gone = before - news
        if kind == "zigbee":
            hard = self._hard[topic] = frozenset(life.hard for life in found)
            gone |= {name for name, life in self._lives.items() if life.hard in hard and life.owner != topic}
        return news | self._remove(gone), listen

    def _zigbee(self, topic: str, payload: bytes) -> Iterator[Life]:
        for row in listed(topic.removesuffix(ZIGBEE), payload):
            life = self._fitted(topic, row)
            if life:
                yield life

    def _other_half(self, topic: str, payload: bytes) -> tuple[str, bytes]:
        """Tasmota says in two messages what there is; what owns it all is their common topic."""
        owner, _, half = topic.rpartition("/")
        halves = self._halves.setdefault(owner, {}) if len(self._halves) < MOST_ENTITIES else self._halves.get(owner, {})
        halves[half] = payload
        return owner, halves.get("config", b"")

    def _tasmota(self, owner: str, payload: bytes) -> Iterator[Life]:
        for row in tasmota.announced_by(self._halves[owner]):
            life = self._fitted(owner, row)
            if life:
                yield life

    def _frigate(self, topic: str, payload: bytes) -> tuple[set[str], set[str]]:
        """Frigate announces nothing: a camera is known by what is said of it."""
        parts = topic.split("/")
        if parts[-1] == "snapshot" and len(parts) == 4:
            self.watch.show(parts[1], parts[2], payload)
            return set(), set()
        seen = frigate.sight(topic, payload) if parts[-1] in ("events", "reviews") else None
        if parts[-1] == "available" or (seen is None and parts[-1] != "state"):
            return self._hear(topic, payload)
        name = seen.camera if seen else parts[1]
        listen = self._camera(name)
        news, _ = self._hear(topic, payload) if seen is None else (set(), set())
        life = self._lives.get(f"mqtt.frigate_{name}")
        if seen and life:
            life.said["motion"], life.count = self.watch.see(seen), life.count + 1
            news = {life.entity.device.id}
        return news, listen

    def _camera(self, name: str) -> set[str]:
        made = None if f"mqtt.frigate_{name}" in self._lives else frigate.camera(name, self._address)
        if made is None or sum(life.owner == frigate.PREFIX for life in self._lives.values()) >= frigate.MOST_CAMERAS:
            return set()
        return set(self._add(Life(made, frigate.PREFIX, said={"motion": False})))

    def _home_assistant(self, topic: str, payload: bytes) -> Iterator[Life]:
        for component, name, settings in announced(topic, payload):
            hard = hardware(settings)
            if any(hard in known for known in self._hard.values()):
                continue  # zigbee2mqtt told us itself, and better
            life = self._fitted(topic, Found(component, name, settings), hard)
            if life:
                yield life

    def _fitted(self, topic: str, row: Found, hard: str = "") -> Life | None:
        try:
            entity = described(row.component, row.name, row.settings, self._address, row.ask)
        except Unfit as error:
            log.debug("%s: %s: %s", self._address, ascii(row.name)[:120], error)
            return None
        entity = row.finish(entity) if row.finish else entity
        return Life(entity, topic, hard or hardware(row.settings))

    def _add(self, life: Life) -> frozenset[str]:
        name = life.entity.device.id
        old = self._lives.get(name)
        if old is None and len(self._lives) >= MOST_ENTITIES:
            raise Unfit(f"there are {MOST_ENTITIES} devices already")
        if old is not None:
            if old.entity == life.entity:
                self._own(old, life.owner)
                return life.entity.topics
            life.said = {trait: value for trait, value in old.said.items() if trait in life.entity.device.traits}
            self._remove({name})
        self._lives[name] = life
        self._own(life, life.owner)
        for topic in life.entity.topics:
            self._by_topic.setdefault(topic, set()).add(name)
        return life.entity.topics

    def _own(self, life: Life, owner: str) -> None:
        self._owned.get(life.owner, set()).discard(life.entity.device.id)
        self._owned.setdefault(owner, set()).add(life.entity.device.id)
        life.owner = owner

    def _remove(self, names: set[str]) -> set[str]:
        for name in names:
            life = self._lives.pop(name)
            self._owned[life.owner].discard(name)
            for topic in life.entity.topics:
                self._by_topic[topic].discard(name)
                if not self._by_topic[topic]:
                    del self._by_topic[topic]
        return names
