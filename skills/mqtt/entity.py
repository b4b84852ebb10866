"""A device on MQTT in action: which messages say what it is, and which messages make it so.

Frozen, and without a connection. It does not know where its topics and codecs come from (`discovery`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from dobby import Device, Refused, Spec, Value

from .templates import Template, text
from .values import Codec

TOLD_NAMES = frozenset({"value", "position", "tilt_position", "action", "red", "green", "blue", "hue", "sat", "x", "y"})


@dataclass(frozen=True, slots=True)
class Order:
    """One message to publish."""

    topic: str
    payload: str
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One trait's way in and out: the topic it is heard on and how to read it, the topics it is told on and how to say it."""

    trait: str
    heard: str = ""
    pick: Template | None = None
    json_key: str = ""
    decode: Codec | None = None
    encode: Codec | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    shape: Template | None = None
    parts: tuple[str, ...] = ()
    key: str = ""

    def read(self, message: "Message") -> Value:
        """What a message on `heard` says about the trait; None for nothing."""
        found = self.pick(message.scope) if self.pick else message.text
        if self.json_key and not self.pick and isinstance(message.json, dict):
            found = message.json.get(self.json_key)
        return None if found is None or self.decode is None else self.decode.decode(found)

    def say(self, value: Value) -> tuple[str, Any]:
        """The topic and the payload that make the trait so; raises `Refused`."""
        if self.encode is None or not self.told:
            raise Refused("It can only be read.")
        topic = self.told.get(text(value), self.told.get("", ""))
        payload = self.encode.encode(value)
        if not topic:
            raise Refused("It cannot be told that.")
        if self.shape is None:
            return topic, payload
        named = dict(zip(self.parts, str(payload).split(","), strict=False))
        return topic, self.shape({name: payload for name in TOLD_NAMES} | named)


class Message:
    """A payload as text and, where it is that, as JSON, read once."""

    def __init__(self, payload: bytes) -> None:
        self.text = payload.decode("utf-8")
        self._json: Any = self

    @property
    def json(self) -> Any:
        """The payload as JSON; None where it is none."""
        if self._json is self:
            self._json = parsed(self.text)
        return self._json

    @property
    def scope(self) -> Mapping[str, Any]:
        """What a value template may use."""
        return {"value": self.text, "value_json": self.json}


def parsed(payload: str | bytes) -> Any:
    """JSON, or None for anything that is none."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Sign:
    """One topic that says whether the device is there."""

    topic: str
    pick: Template | None
    here: str
    gone: str

    def read(self, message: Message) -> bool | None:
        """There or not; None where the message says neither."""
        found = self.pick(message.scope) if self.pick else message.text
        if self.pick is None and isinstance(message.json, dict):
            found = message.json.get("state")
        return {self.here: True, self.gone: False}.get(text(found))


@dataclass(frozen=True, slots=True)
class Entity:
    """A device with its channels; `group` is the thing it belongs to, `secondary` that it is not what the thing is for.

    `ask` is a message that makes the device say how it is; `order` how on and the rest follow each other; `off_after` and
    `stale_after` the seconds after which an `on` is over, and after which a silent device counts as gone (0: never).
    """

    device: Device
    channels: tuple[Channel, ...]
    presses: Mapping[str, Order]
    signs: tuple[Sign, ...] = ()
    mode: str = "latest"
    group: str = ""
    secondary: bool = False
    retain: bool = False
    order: str = "last"
    ask: Order | None = None
    off_after: float = 0
    stale_after: float = 0

    @property
    def topics(self) -> frozenset[str]:
        """What has to be listened to."""
        return frozenset({row.heard for row in self.channels if row.heard} | {sign.topic for sign in self.signs})

    @property
    def commands(self) -> frozenset[str]:
        """Where it is told anything."""
        told = {topic for row in self.channels for topic in row.told.values()}
        return frozenset(told | {order.topic for order in self.presses.values()})

    def orders(self, wanted: Mapping[str, Value]) -> Iterator[Order]:
        """The messages that make the traits so; raises `Refused`."""
        by_trait = {row.trait: row for row in self.channels}
        for topic, said in groupby(self._said(wanted, by_trait), key=lambda row: row[0] if row[2] else row):
            rows = list(said)
            if isinstance(topic, str):
                yield Order(topic, json.dumps({key: payload for _, payload, key in rows}), self.retain)
            else:
                yield Order(rows[0][0], text(rows[0][1]), self.retain)

    def _said(self, wanted: Mapping[str, Value], by_trait: Mapping[str, Channel]) -> Iterator[tuple[str, Any, str]]:
        for trait in self._sequence(wanted):
            spec = self.device.traits.get(trait)
            if spec is None or trait not in by_trait:
                raise Refused(f"{self.device.name} has no {trait.replace('_', ' ')}.")
            _within(spec, trait, wanted[trait])
            topic, payload = by_trait[trait].say(wanted[trait])
            if payload is None:
                raise Refused(f"{self.device.name} cannot be told that.")
            yield topic, payload, by_trait[trait].key

    def _sequence(self, wanted: Mapping[str, Value]) -> list[str]:
        if wanted.get("on") is False and "on" in self.device.traits:
            return ["on"]
        rest = [trait for trait in wanted if trait != "on"]
        on = ["on"] if "on" in wanted and not (self.order == "brightness" and rest) else []
        return on + rest if self.order == "first" else rest + on


def _within(spec: Spec, trait: str, value: Value) -> None:
    if not spec.settable:
        raise Refused(f"The {trait.replace('_', ' ')} can only be read.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = spec.low, spec.high
        if (low is not None and value < low - spec.step) or (high is not None and value > high + spec.step):
            raise Refused(f"The {trait.replace('_', ' ')} goes from {low:g} to {high:g} {spec.unit}.".replace(" .", "."))
