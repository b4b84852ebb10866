"""One LIFX light in lifx-async's words: what it is, how it is, and the steps that make it otherwise.

Hue, saturation, brightness and kelvin ("HSBK") are one packet there; the house's traits are parts of it. It does not know when.
"""

import asyncio
import colorsys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dobby import Device, DobbyError, Refused, State, Unreachable, Value, specs, verbs

if TYPE_CHECKING:
    from lifx import HSBK, Light as Light
else:
    Light: TypeAlias = Any

PATIENCE = 2.0  # seconds a lamp has to answer, repeats (after 0.2, 0.5, 0.9 … s) included
FADE = 0.3  # seconds from one light to the next
SEEKING = 4.0  # seconds the broadcast is listened for
QUIET = 2.0  # seconds without an answer that end it sooner
PULSES, PULSE = 3, 0.6  # how often and how long (seconds) a blink is
NEAR = 3  # of 255: what hue and saturation lose on their way
NO_ROOM = frozenset({"", "my home", "my room", "my group"})  # what the app calls what nobody named
MOVING, TILES = ("none", "move"), ("none", "morph", "flame")


def clean(words: object) -> str:
    """What somebody else wrote: printable and short."""
    return "".join(letter for letter in str(words)[:200] if letter.isprintable()).strip()


@contextmanager
def doubting(who: str, doubt: type[DobbyError]) -> Iterator[None]:
    """Tell lifx-async's errors in the house's words: `doubt` where the lamp fell silent or talked nonsense."""
    from lifx import LifxError, LifxProtocolError, LifxUnsupportedCommandError, LifxUnsupportedDeviceError

    try:
        yield
    except LifxUnsupportedDeviceError as error:
        raise Refused(f"{who} is a LIFX switch; only LIFX lights can be run.") from error
    except LifxUnsupportedCommandError as error:
        raise Refused(f"{who} cannot do that.") from error
    except LifxProtocolError as error:
        raise doubt(f"{who} answered something that makes no sense.") from error
    except (LifxError, OSError, TimeoutError) as error:
        silent = "cannot be reached; is it switched off at the wall?" if doubt is Unreachable else "did not confirm."
        raise doubt(f"{who} {silent}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # the library met an answer of an unknown form
        raise doubt(f"{who} answered something that makes no sense.") from error


# Finding


async def found(interfaces: Sequence[str], port: int) -> AsyncIterator[tuple[str, str]]:
    """Every lamp that answers a broadcast: its `host:port` and its serial number."""
    from lifx.network.discovery.udp import discover_devices

    for place in _broadcasts(interfaces):
        with doubting("The network", Unreachable):
            async for one in discover_devices(SEEKING, place, port, QUIET, 1.0):
                yield f"{one.ip}:{one.port}", clean(one.serial)


def _broadcasts(interfaces: Sequence[str]) -> list[str]:
    """The broadcast address of each interface that has one of these addresses; everybody's where none is named."""
    if not interfaces:
        return ["255.255.255.255"]
    import ifaddr

    ours = {ip.ip: ip.network_prefix for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    return [str(ip_interface(f"{one}/{ours[one]}").network.broadcast_address) for one in interfaces if one in ours]


@asynccontextmanager
async def described(host: str, port: int, serial: str, patience: float) -> AsyncIterator[Device]:
    """What is at an address, at once: letting go of the lamp takes longer. Raises lifx-async's errors."""
    from lifx import Light as Plain
    from lifx.devices.detection import get_device_class_for_product

    # `Device.connect` would ask through a connection of its own, and wait 0.1 s for its end
    light = Plain(serial or await _serial(host, port, patience), host, port, patience)
    try:
        await light.ensure_capabilities()
        if able := light.capabilities:
            get_device_class_for_product(able.pid, able)  # raises for what is no light
        asked = light.get_color(), light.get_group(), light.get_location(), light.get_mac_address()
        (_, _, label), group, location, mac = await asyncio.gather(*asked)
        mac, rooms = mac.replace(":", "").lower(), [clean(place.label) for place in (group, location)]
        traits: dict[str, dict[str, Any]] = {"on": {}, "brightness": {}}
        if able and able.temperature_range and able.temperature_range.min < able.temperature_range.max:
            traits["color_temp"] = {"low": able.temperature_range.min, "high": able.temperature_range.max}
        if able and able.has_color:
            traits["color"] = {}
        if able and (able.has_matrix or able.has_multizone):
            traits["effect"] = {"options": TILES if able.has_matrix else MOVING}
        yield Device(
            id=f"lifx.{light.serial}",
            driver="lifx",
            kind="light",
            name=clean(label) or f"LIFX {light.serial[-4:]}",
            room=next((room for room in rooms if room.casefold() not in NO_ROOM), ""),
            identity=f"mac:{mac} serial:{light.serial}",
            address=f"{host}:{port}",
            traits=specs("light", traits, **traits),
            verbs=verbs("light"),
        )
    finally:
        await light.close()


async def _serial(host: str, port: int, patience: float) -> str:
    """The serial number of what is at an address. Raises lifx-async's errors."""
    from lifx import LifxDeviceNotFoundError
    from lifx.network.discovery.udp import discover_devices

    async with aclosing(discover_devices(patience, host, port, patience, 1.0)) as answers:
        async for one in answers:
            return one.serial
    raise LifxDeviceNotFoundError(f"nothing speaks LIFX at {host}:{port}")


def connection(device: Device, host: str, port: int, patience: float) -> Light:
    """A lamp's socket, not opened yet. Raises `Refused` where its row is none of ours."""
    from lifx import Light as Plain, MatrixLight, MultiZoneLight

    effects = device.traits["effect"].options if "effect" in device.traits else ()
    make = MatrixLight if "morph" in effects else MultiZoneLight if "move" in effects else Plain
    try:
        return make(device.id.partition(".")[2], host, port, patience)
    except ValueError as error:
        raise Refused(f"{device.name} is at “{clean(device.address)}”, which is no address of a LIFX light.") from error


# Looking


async def look(light: Light, device: Device, asked: str) -> dict[str, Value]:
    """All traits as the lamp has them. `asked`: a colour that may be said in its asker's words if it is that."""
    color, power, _ = await light.get_color()
    state: dict[str, Value] = {"on": power > 0, "brightness": _percent(color.brightness)}
    if "color" in device.traits:
        shown = _hex(color)
        state["color"] = asked if asked and _near(shown, _hex(_hue_of(asked, color))) else shown
    if "color_temp" in device.traits:
        state["color_temp"] = color.kelvin if color.saturation == 0 else None
    if "effect" in device.traits:
        effect = (await cast(Any, light).get_effect()).effect_type.name.lower()  # strips and tiles have it
        state["effect"] = "none" if effect == "off" else effect
    return state


def _percent(brightness: float) -> int:
    return max(round(brightness * 100), 1 if brightness > 0 else 0)


def _hex(color: "HSBK") -> str:
    """Hue and saturation as #rrggbb at full brightness."""
    parts = colorsys.hsv_to_rgb(color.hue / 360, color.saturation, 1.0)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def _near(one: str, other: str) -> bool:
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return all(abs(a - b) <= NEAR for a, b in pairs)


# Making


def check(device: Device, wanted: State) -> None:
    """Before anything is sent. Raises `Refused`."""
    for trait, value in wanted.items():
        spec = device.traits.get(trait)
        if spec is None or not spec.settable:
            raise Refused(f"{device.name} has no {trait.replace('_', ' ')} to set.")
        if spec.type == "number":
            _within(device, trait, value, spec.low or 0, spec.high or 100)
        if spec.options and value not in spec.options:
            raise Refused(f"{device.name} has no effect “{clean(value)}”; there are {', '.join(spec.options)}.")
        if trait == "color" and not _is_color(value):
            raise Refused(f"“{clean(value)}” is no colour; write #rrggbb.")


def _within(device: Device, trait: str, value: Value, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(f"The {trait.replace('_', ' ')} of {device.name} goes from {low:g} to {high:g}.")


def _is_color(value: Value) -> bool:
    if not isinstance(value, str) or len(value) != 7 or value[0] != "#":
        return False
    return all(letter in "0123456789abcdefABCDEF" for letter in value[1:])


async def make(light: Light, wanted: State, color: "HSBK", lit: bool) -> None:
    """The packets that make the traits so: colour first, then light; off is one packet. Raises lifx-async's errors."""
    if wanted.get("on") is False or wanted.get("brightness") == 0:
        await light.set_power(False, FADE)
        return
    aim = _aim(wanted, color)
    if aim != color:
        await light.set_color(aim, FADE if lit else 0.0)
    if "effect" in wanted:
        await _animate(light, str(wanted["effect"]))
    if wanted.get("on") is True and not lit:
        await light.set_power(True, FADE)


def _aim(wanted: State, color: "HSBK") -> "HSBK":
    if "color" in wanted:
        color = _hue_of(str(wanted["color"]), color)
    elif "color_temp" in wanted:
        color = color.with_saturation(0).with_kelvin(round(float(str(wanted["color_temp"]))))
    if "brightness" in wanted:
        color = color.with_brightness(float(str(wanted["brightness"])) / 100)
    return color


def _hue_of(asked: str, color: "HSBK") -> "HSBK":
    red, green, blue = (part / 255 for part in bytes.fromhex(asked[1:]))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return color.with_hue(round(hue * 360, 2)).with_saturation(saturation)


async def _animate(light: Any, effect: str) -> None:
    """`light` is a strip or a set of tiles; only those have the trait."""
    from lifx import FirmwareEffect, MultiZoneEffect, MultiZoneLight

    kind = FirmwareEffect.OFF if effect == "none" else FirmwareEffect[effect.upper()]
    if isinstance(light, MultiZoneLight):
        await light.set_effect(MultiZoneEffect(effect_type=kind, speed=3000))
    else:
        await light.set_effect(kind)


async def blink(light: Light, color: "HSBK", lit: bool) -> None:
    """Pulses that the lamp makes by itself and forgets; one that was off is lit for so long."""
    other = color.with_brightness(1.0 if color.brightness < 0.5 else 0.1)
    if not lit:
        await light.set_power(True)
    try:
        await light.pulse(other, PULSE, PULSES)
        if not lit:
            await asyncio.sleep(PULSES * PULSE)
    finally:
        if not lit:
            await light.set_power(False)
