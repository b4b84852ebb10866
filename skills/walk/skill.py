"""Tells which thing is which, and walks through what stands in no room yet: each shows itself, and is named and placed as ever.

It does not know any family: a lamp has `blink`, a speaker `announce`; nothing is switched to show itself.
"""

from collections.abc import Sequence

from dobby import Device, Home, Refused, act

from .words import say

THINGS = ("light", "speaker", "tv", "outlet", "switch", "cover", "climate", "fan", "lock", "vacuum", "camera", "pool")
_left: dict[str, list[str]] = {}  # whose walk -> ids of what is still to come


@act(
    says=(
        "(which|which one) is [the] {name}",
        "(chime|identify|ring) [the] {name}",
        "(welche|welcher|welches) ist [die|der|das] {name}",
        "lass [die|den|das] {name} (blinken|sich zeigen|sich melden)",
    )
)
async def show(home: Home, name: str) -> str:
    """Let one device show itself: a lamp blinks, a speaker says its name."""
    meant = _named(home, name)
    if len(meant) != 1:
        names = ", ".join(device.name for device in meant[:5])
        return say("several" if meant else "unknown", home.language, name=name[:40], names=names)
    return await _shown(home, meant[0])


@act(
    says=(
        "(walk|take|lead) [me] through the (rooms|house)",
        "let's walk through the (rooms|house)",
        "(führ|führe) mich durch (die räume|das haus)",
        "(mach|machen wir) einen rundgang [durch (die räume|das haus)]",
    )
)
async def walk(home: Home) -> str:
    """Begin a walk: what stands in no room yet, one thing after the other, shows itself and is asked about."""
    _left[home.manner.speaker] = [device.id for device in _homeless(home)]
    return await _next(home) if _left[home.manner.speaker] else say("none", home.language)


@act(says=("walk on", "(skip this one|next device|next one please)", "weiter im rundgang", "(überspring|überspringe) das hier"))
async def walk_on(home: Home) -> str:
    """Go on to the next thing of the walk."""
    return await _next(home) if home.manner.speaker in _left else say("not_walking", home.language)


@act(says=("(stop|end) the walk", "(beende|stopp) den rundgang"))
async def stop_walk(home: Home) -> str:
    """End the walk; what is named stays named."""
    left = _left.pop(home.manner.speaker, None)
    return say("not_walking" if left is None else "stopped", home.language, left=len(left or ()))


async def _next(home: Home) -> str:
    rest = _left[home.manner.speaker]
    there = {device.id: device for device in _homeless(home)}
    while rest and rest[0] not in there:
        rest.pop(0)
    if not rest:
        _left.pop(home.manner.speaker)
        return say("done", home.language)
    shown = await _shown(home, there[rest.pop(0)])
    return say("ask", home.language, shown=shown, left=len(rest))


async def _shown(home: Home, device: Device) -> str:
    """One device shows itself, or why it does not."""
    facts = {"name": device.name, "kind": device.kind}
    home.mean(device)
    try:
        if "blink" in device.verbs:
            return await home.do(device, "blink")
        if "announce" in device.verbs:
            return await home.do(device, "announce", text=say("text", home.language, **facts))
    except Refused as error:
        return say("failed", home.language, why=str(error), **facts)
    return say("mute", home.language, **facts)


def _homeless(home: Home) -> Sequence[Device]:
    return [device for kind in THINGS for device in home.find(kind=kind) if not device.room and not device.part_of]


def _named(home: Home, name: str) -> Sequence[Device]:
    """By its whole name, else by a part of it."""
    exact = home.find(name)
    want = name.casefold().strip()
    return exact or [device for device in home.find() if want and want in device.name.casefold() and not device.part_of]
