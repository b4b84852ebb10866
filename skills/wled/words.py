"""A WLED controller as the house knows it: devices, state and changes, out of and into its JSON API.

Plain functions; a `wled.Device` in, the house's words out, and back. It does not know connections.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dobby import Device, Refused, State, Value, specs, verbs

if TYPE_CHECKING:
    import wled

COLOUR, TEMPERATURE = 1, 4  # bits of a strip's capabilities
WARM, COLD = 1900, 10091  # kelvin, the ends of WLED's scale of 0 to 255
MOST_NAMES = 400
MAC = re.compile("[0-9a-f]{12}")


def clean(said: object, longest: int = 60) -> str:
    """Words from outside, on one line: no control signs, no direction marks."""
    kept = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in str(said)[: 4 * longest])
    return " ".join(kept.split())[:longest].strip()


def devices(live: "wled.Device", address: str) -> Iterator[Device]:
    """The light, and a part for each segment where there are several."""
    mac = live.info.mac_address.lower()
    name = clean(live.info.name)
    whole = Device(
        id=f"wled.{mac}",
        driver="wled",
        kind="light",
        name=name if name and name.casefold() != "wled" else f"WLED {mac[-4:]}",
        identity=f"mac:{mac}",
        address=address,
        traits=_specs(live, int(live.info.leds.light_capabilities)),
        verbs=verbs("light"),
    )
    yield whole
    segments = _segments(live)
    for number, segment in segments.items() if len(segments) > 1 else ():
        able = int(segment.light_capabilities or live.info.leds.light_capabilities)
        called = clean(segment.name or "") or f"{whole.name} segment {number + 1}"
        yield replace(whole, id=f"{whole.id}-{number}", name=called, part_of=whole.id, traits=_specs(live, able))


def _segments(live: "wled.Device") -> dict[int, "wled.Segment"]:
    return {number: segment for number, segment in live.state.segments.items() if segment.stop > segment.start}


def _specs(live: "wled.Device", able: int) -> dict[str, Any]:
    traits = ["on", "brightness"]
    traits += ["color"] if able & COLOUR else []
    traits += ["color_temp"] if able & TEMPERATURE else []
    looks = tuple(_looks(live))
    traits += ["effect"] if looks else []
    return specs("light", traits, effect={"options": looks}, color_temp={"low": WARM, "high": COLD})


def _looks(live: "wled.Device") -> dict[str, tuple[str, int]]:
    """Name -> (where it goes, number) of every effect this shape can show, every preset and every playlist."""
    found: dict[str, tuple[str, int]] = {}
    for effect in live.effects.values():
        if live.info.leds.matrix or not (effect.metadata and effect.metadata.requires_matrix):
            found.setdefault(clean(effect.name), ("fx", effect.effect_id))
    known = {name.casefold() for name in found}
    saved = [(each.name, each.preset_id) for each in live.presets.values()]
    saved += [(each.name, each.playlist_id) for each in live.playlists.values()]
    for name, number in saved:
        name = clean(name)
        found[f"{name} (preset)" if name.casefold() in known else name] = ("ps", number)
    found.pop("", None)
    return dict(list(found.items())[:MOST_NAMES])


def part(device: Device) -> int | None:
    """The segment a device stands for; None for the whole controller."""
    number = device.id.rpartition("-")[2] if device.part_of else ""
    return int(number) if number.isdecimal() else None


def state(device: Device, live: "wled.Device") -> State | None:
    """The traits as they are; None for a segment that is no longer there."""
    number = part(device)
    segments = _segments(live)
    main = segments.get(live.state.main_segment_id) or next(iter(segments.values()), None)
    segment = main if number is None else segments.get(number)
    if segment is None and number is not None:
        return None
    on, brightness = bool(live.state.on), live.state.brightness
    if number is not None and segment is not None:
        on, brightness = on and bool(segment.on), int(segment.brightness)
    known: dict[str, Value] = {"on": on, "brightness": _percent(brightness)}
    if segment is not None:
        known |= _shown(live, segment, number is None)
    return {trait: value for trait, value in known.items() if trait in device.traits}


def _shown(live: "wled.Device", segment: "wled.Segment", whole: bool) -> Iterator[tuple[str, Value]]:
    if segment.color:
        rgb = [min(255, max(0, int(value))) for value in segment.color.primary]
        white = len(rgb) > 3 and not any(rgb[:3]) and rgb[3]
        yield "color", "#ffffff" if white else "#" + "".join(f"{value:02x}" for value in rgb[:3])
    yield "color_temp", round(WARM + segment.cct * (COLD - WARM) / 255) if segment.cct <= 255 else segment.cct
    names = {place: name for name, place in _looks(live).items()}
    saved = [("ps", number) for number in (live.state.playlist_id, live.state.preset_id) if whole and number and number > 0]
    for place in [*saved, ("fx", int(segment.effect_id))]:
        if place in names:
            yield "effect", names[place]
            break


def _percent(amount: int) -> int:
    return min(100, max(1 if amount else 0, round(amount / 2.55)))


def change(device: Device, wanted: Mapping[str, Value], live: "wled.Device") -> dict[str, Any]:
    """The one message that makes the traits so; raises `Refused`."""
    for trait in wanted:
        if trait not in device.traits:
            raise Refused(f"{device.name} has no {trait.replace('_', ' ')}.")
    number, segments = part(device), _segments(live)
    if number is not None and number not in segments:
        raise Refused(f"{device.name} is no longer a segment of its strip.")
    if wanted.get("on") is False:
        return {"on": False} if number is None else {"seg": [{"id": number, "on": False}]}
    kind, which = _look(device, wanted, live)
    if kind == "ps" and number is None:
        return {"ps": which} | _loud(wanted)
    if kind == "ps":
        raise Refused(f"{device.name} is only a part: a preset is for the whole strip.")
    row = _segment(wanted, live, segments, which if kind else None, number)
    if number is not None:
        return _alone(number, segments, live, row | _loud(wanted))
    dark = not any(segment.on for segment in segments.values())
    own = row | ({"on": True} if dark and segments else {})
    return {"on": True} | _loud(wanted) | ({"seg": [{"id": key} | own for key in segments]} if own else {})


def _alone(number: int, segments: Mapping[int, Any], live: "wled.Device", row: dict[str, Any]) -> dict[str, Any]:
    """One segment; where the strip was off, the others stay dark."""
    others = [] if live.state.on else [{"id": key, "on": False} for key in segments if key != number]
    return {"on": True, "seg": [{"id": number, "on": True} | row, *others]}


def _loud(wanted: Mapping[str, Value]) -> dict[str, Any]:
    if "brightness" not in wanted:
        return {}
    return {"bri": max(1, round(_amount(wanted["brightness"], 0, 100) * 2.55))}


def _segment(
    wanted: Mapping[str, Value], live: "wled.Device", segments: Mapping[int, Any], effect: int | None, number: int | None
) -> dict[str, Any]:
    row: dict[str, Any] = {} if effect is None else {"fx": effect}
    if "color_temp" in wanted:
        row["cct"] = round(_amount(wanted["color_temp"], WARM, COLD))
    if "color" in wanted:
        row["col"] = [_rgb(wanted["color"])]
        shown = [segment for key, segment in segments.items() if number in (None, key)]
        if effect is None and any(_colourless(live, segment) for segment in shown):
            row["fx"] = 0
    return row


def _colourless(live: "wled.Device", segment: "wled.Segment") -> bool:
    """It runs an effect in which a colour would not be seen."""
    effect = live.effects.get(int(segment.effect_id))
    return effect is not None and effect.metadata is not None and 0 not in effect.metadata.colors


def _look(device: Device, wanted: Mapping[str, Value], live: "wled.Device") -> tuple[str, int]:
    if "effect" not in wanted:
        return "", 0
    name = clean(wanted["effect"])
    places = {known.casefold(): place for known, place in _looks(live).items()}
    if name.casefold() not in places:
        raise Refused(f"{device.name} has no effect or preset called {name or 'nothing'}.")
    return places[name.casefold()]


def _amount(value: Value, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low - 50 <= value <= high + 50:
        raise Refused(f"{clean(value)} is not a number from {low:g} to {high:g}.")
    return min(high, max(low, value))


def _rgb(value: Value) -> list[int]:
    try:
        found = bytes.fromhex(value.removeprefix("#")) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != 3:
        raise Refused("That is not a colour like #ff8800.")
    return list(found)
