"""A clip played over whatever a Sonos plays, at a loudness of its own, and everything brought back after it, as steps.

It does not know when the clip is over (`skill.py` looks). Everything here blocks.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from dobby import Device

from .playing import streaming
from .speaker import Step, Zone, input_of, leader, library, together, transport, zone_of

CLIP = re.compile(r"https?://\S+", re.IGNORECASE)


def announcing(device: Device, clip: str, volume: int | None, back: list[Step]) -> Iterator[Step]:
    """Play a clip in this room only. `back` takes the step that brings back what was before, unless it holds one.

    Who plays by its own cable for its group cannot leave it; there the whole group hears the clip.
    """
    zone = zone_of(device)
    if not back:
        others = together(zone) - {zone}
        loud = partial(_hushed, device, zone.volume, zone.mute, volume)
        if others and not (leader(zone) is zone and input_of(zone)):
            back.append(partial(rejoined, device, min(each.uid for each in others), loud))
            yield zone.unjoin
            zone = zone_of(device)
        else:
            before = library().snapshot.Snapshot(zone)
            before.snapshot()
            if before.transport_state == "TRANSITIONING":  # about to play; soco would bring it back standing still
                before.transport_state = "PLAYING"
            back.append(partial(restored, zone, before, loud))
    if volume is not None:
        yield partial(setattr, zone, "volume", volume)
        yield partial(setattr, zone, "mute", False)
    yield from streaming(zone, clip, title="Dobby")


def sounding(device: Device, clip: str) -> str:
    """A clip's fate: still `on`, `over`, or `taken` over by something else."""
    zone = zone_of(device)
    if leader(zone) is not zone or zone.get_current_media_info()["uri"] != clip:
        return "taken"
    return "on" if transport(zone) in ("PLAYING", "TRANSITIONING") else "over"


def rejoined(device: Device, uid: str, loud: Step) -> None:
    """Play along again with the group that the zone left for a clip."""
    loud()
    zone = zone_of(device)
    for each in zone.all_zones:
        if each.uid == uid:
            zone.join(leader(each))


def restored(zone: Zone, before: Any, loud: Step) -> None:
    """Play on where it was, as loud as it was."""
    loud()
    before.volume, before.mute = zone.volume, zone.mute
    before.restore()


def _hushed(device: Device, volume: int, muted: bool, announced: int | None) -> None:
    """The loudness from before; where somebody has turned it meanwhile, theirs stays."""
    zone = zone_of(device)
    if announced is not None and zone.volume == announced and not zone.mute:
        zone.volume = volume
        zone.mute = muted
