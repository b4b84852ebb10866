"""An announced device as this house knows it: settings in, a Device with its channels out.

Plain functions over `components.toml`; what cannot be used is `Unfit`. It does not know connections.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from dobby import Device, EffectClass, Spec, specs, verbs

from .announcement import Settings, Unfit, table, topic_of
from .entity import TOLD_NAMES, Channel, Entity, Order, Sign
from .templates import Template, Unsupported, compiled, text
from .values import CODECS, clean, number

log = logging.getLogger("dobby.skill.mqtt")

HEARD_NAMES = frozenset({"value", "value_json"})
_PARTS = {"rgb": ("red", "green", "blue"), "hs": ("hue", "sat"), "xy": ("x", "y")}
GROUP = ("Zigbee2MQTT", "Group")  # who makes it, and the model, in zigbee2mqtt's lib/extension/homeassistant.ts
_CODE = re.compile(r"[^\w.:-]+")


def described(component: str, name: str, settings: Settings, address: str, ask: Order | None = None) -> Entity:
    """The entity behind one announcement; `ask` is never part of one. Raises `Unfit`."""
    if settings.get("enabled_by_default") is False:
        raise Unfit("it is disabled")
    made = settings.get("device")
    if isinstance(made, dict) and (made.get("manufacturer"), made.get("model")) == GROUP:
        raise Unfit("it is a group; what is in it announces itself")
    own = table().get(component)
    if not isinstance(own, dict) or "kind" not in own:
        raise Unfit("it is of no known component")
    schema = own.get("schema", {}).get(settings.get("schema"))
    own = table()[schema] if schema else own
    given = {key: value for key, value in settings.items() if value is not None}
    filled = {**table()["defaults"], **own.get("defaults", {}), **given}
    filled |= {key: None for key, value in settings.items() if value is None and key.startswith("payload_")}
    identity = _CODE.sub("_", clean(settings.get("unique_id") or name, 120)).strip("_")
    if not identity:
        raise Unfit("it has no name")
    channels = tuple(_channels(own, filled, f"mqtt.{identity}"))
    presses = {verb: order for verb, row in own.get("verbs", {}).items() if (order := _press(row, filled))}
    if not channels and not presses:
        raise Unfit("it has no topics that can be used")
    device = _device(component, identity, own, filled, channels, presses, address)
    category = str(filled.get("entity_category", ""))
    retain = filled.get("retain") is True and not device.risk and device.kind not in ("lock", "alarm")
    sequence = "first" if own.get("on_first") else str(filled.get("on_command_type", "last"))
    signs = tuple(_signs(filled))
    mode = str(filled.get("availability_mode", "latest"))
    secondary = category in table()["primary"]["secondary"]
    return Entity(device, channels, presses, signs, mode, _group(filled), secondary, retain, sequence, ask, *_lapses(filled))


def _lapses(filled: Settings) -> tuple[float, float]:
    off, stale = (max(0.0, number(filled.get(key)) or 0.0) for key in ("off_delay", "expire_after"))
    return off, stale


def _device(
    component: str,
    identity: str,
    own: Mapping[str, Any],
    filled: Settings,
    channels: Iterable[Channel],
    presses: Iterable[str],
    at: str,
) -> Device:
    device_class = clean(filled.get("device_class"), 40)
    kind = own.get("classes", {}).get(device_class, own["kind"])
    made = Device(
        id=f"mqtt.{identity}",
        driver="mqtt",
        kind=kind,
        name=_name(filled, identity),
        identity=_group(filled) or identity,
        address=at,
        device_class=device_class,
        room=clean(filled.get("device", {}).get("suggested_area") if isinstance(filled.get("device"), dict) else "", 60),
        verbs=verbs(kind, presses),
    )
    risky, protected = judged(made)
    blind = {"effect": EffectClass.BLIND} if risky else {}
    optimistic = filled.get("optimistic") is True
    traits = {row.trait: _spec(kind, row, optimistic, blind) for row in channels}
    return replace(made, risk="entry" if risky else "", protected=protected, traits=traits)


def _spec(kind: str, row: Channel, optimistic: bool, blind: Mapping[str, Any]) -> Spec:
    settable = row.encode is not None
    default = specs(kind, [row.trait])[row.trait]
    said = {**(row.decode.spec if row.decode else {}), **(row.encode.spec if row.encode else {})}
    return replace(default, **{**said, "settable": settable, "echoes": settable and (not row.heard or optimistic), **blind})


def judged(device: Device) -> tuple[bool, bool]:
    """What the name gives away: (it may open an entry, it should only ever be meant by name)."""
    rows = table()["words"]
    spoken = f"{device.device_class} {device.name}".casefold()
    spelled = [word for word in re.split(r"[\W_]+", spoken) if word]
    entry = device.kind in rows["risky"] and _any(spelled, rows["entry"]) and not _any(spelled[-1:], rows["harmless_end"])
    return entry, _any(spelled, rows["protected"])


def _any(spelled: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for word in spelled for pattern in patterns)


def _name(filled: Settings, identity: str) -> str:
    """Home Assistant's rule: the device's name and then the entity's, unless that has none or repeats it."""
    device = filled.get("device")
    whole = clean(device.get("name"), 80) if isinstance(device, dict) else ""
    own = clean(filled.get("name"), 80)
    if not whole or own.casefold().startswith(whole.casefold()):
        return own or whole or identity.replace("_", " ")
    return f"{whole} {own}".strip()


def _group(filled: Settings) -> str:
    device = filled.get("device")
    if not isinstance(device, dict):
        return ""
    for key in ("identifiers", "connections"):
        found = device.get(key)
        while isinstance(found, list) and found:
            found = found[-1] if key == "connections" else found[0]
        if word := clean(found, 120):
            return word
    return ""


def _channels(own: Mapping[str, Any], filled: Settings, device: str) -> Iterator[Channel]:
    for trait, rows in own.get("traits", {}).items():
        for row in rows:
            if all(filled.get(need) for need in row.get("needs", ())) and _offers(row, filled):
                channel = _channel(trait, row, filled, device)
                if channel and (channel.heard or channel.told):
                    yield channel
                    break


def _offers(row: Mapping[str, Any], filled: Settings) -> bool:
    listed = filled.get("supported_color_modes")
    modes = [mode for mode in listed if isinstance(mode, str)] if isinstance(listed, list) else []
    return "when" not in row or any(filled.get(feature) is True or feature in modes for feature in row["when"])


def _channel(trait: str, row: Mapping[str, Any], filled: Settings, device: str) -> Channel | None:
    try:
        decode = CODECS[row["as"]](row, filled)
        encode = CODECS[row["tell_as"]](row, filled) if "tell_as" in row else decode
        heard = topic_of(_named("heard", row, filled))
        told = _told(row, filled)
    except ValueError as error:
        log.info("%s: the trait %s was left out: %s", device, trait, error)
        return None
    pick, unread = _template(_named("pick", row, filled), HEARD_NAMES)
    shape, unsaid = _template(_named("shape", row, filled), TOLD_NAMES)
    if unread or unsaid:
        log.info("%s: a template of the trait %s is too clever to follow (%s)", device, trait, unread or unsaid)
    field = row.get("field", "") + (clean(filled.get("field_suffix"), 40) if "field" in row else "")
    if field and pick and filled.get("field_suffix"):
        pick = compiled("{{ value_json['" + field.replace("'", "") + "'] }}", HEARD_NAMES)
    told = {} if unsaid else told
    return Channel(
        trait=trait,
        heard="" if unread else heard,
        pick=pick,
        json_key=row.get("json_key", ""),
        decode=decode,
        encode=encode if told else None,
        told=told,
        shape=shape,
        parts=_PARTS.get(row.get("space", ""), ()),
        key=field,
    )


def _named(role: str, row: Mapping[str, Any], filled: Settings) -> Any:
    """A setting by its role: named outright in the row, or looked for under the row's prefix."""
    if role in row:
        named = row[role]
        return named if "{{" in named else filled.get(named)
    prefix = row.get("prefix", "")
    return next((filled[key] for name in table()["names"][role] if (key := name.format(prefix)) in filled), None)


def _told(row: Mapping[str, Any], filled: Settings) -> dict[str, str]:
    """Value -> command topic; under "" the one for all values."""
    if "each" in row:
        return {key: topic for key, prefix in row["each"].items() if (topic := topic_of(filled.get(f"{prefix}command_topic")))}
    if row.get("rendered") and not all(_template(filled.get(name), frozenset())[0] for name in row["sent"].values()):
        return {}
    topic = topic_of(_named("told", row, filled)) if row.get("told") != "" else ""
    return {"": topic} if topic else {}


def _template(source: Any, names: frozenset[str]) -> tuple[Template | None, str]:
    """The compiled template, and what is wrong with it."""
    if source is None or source == "":
        return None, ""
    try:
        return compiled(source, names), ""
    except Unsupported as error:
        return None, str(error)


def _press(row: Mapping[str, str], filled: Settings) -> Order | None:
    topic, payload = topic_of(filled.get(row["told"])), filled.get(row["payload"])
    shape, wrong = _template(filled.get(row.get("shape", "")), TOLD_NAMES)
    if not topic or payload is None or wrong:
        return None
    said = shape({name: payload for name in TOLD_NAMES}) if shape else payload
    return Order(topic, text(said))


def _signs(filled: Settings) -> Iterator[Sign]:
    rows = filled.get("availability")
    single = {"topic": filled.get("availability_topic"), "value_template": filled.get("availability_template")}
    for row in rows if isinstance(rows, list) else [single]:
        topic = topic_of(row.get("topic"))
        pick, wrong = _template(row.get("value_template"), HEARD_NAMES)
        if topic and not wrong:
            here, gone = (text(row.get(key) or filled.get(key)) for key in ("payload_available", "payload_not_available"))
            yield Sign(topic, pick, here, gone)


def family(entities: Iterable[Entity]) -> list[Device]:
    """The devices of many entities, parts named: what is secondary, or a sensor beside what its thing is for."""
    groups: dict[str, list[Entity]] = {}
    for entity in entities:
        groups.setdefault(entity.group or entity.device.id, []).append(entity)
    guarded = {topic: name for name, members in groups.items() for m in members if _opens(m.device) for topic in m.commands}
    found: list[Device] = []
    for name, members in groups.items():
        head = min((m.device for m in members if not m.secondary), key=lambda d: _rank(d.kind), default=None)
        for member in members:
            device = _placed(member, head)
            stolen = any(guarded.get(topic, name) != name for topic in member.commands)
            found.append(replace(device, risk="entry") if stolen else device)
    return sorted(found, key=lambda device: bool(device.part_of))


def _opens(device: Device) -> bool:
    return device.kind in ("lock", "alarm") or device.risk == "entry" or device.device_class in ("garage", "gate", "door")


def _placed(member: Entity, head: Device | None) -> Device:
    if head is None or head.id == member.device.id:
        return member.device
    beside = member.secondary or (_rank(head.kind) < _rank("sensor") and member.device.kind == "sensor")
    return replace(member.device, part_of=head.id if beside else "", room=member.device.room or head.room)


def _rank(kind: str) -> int:
    order = table()["primary"]["order"]
    return int(order.index(kind)) if kind in order else len(order)
