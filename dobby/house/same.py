"""One thing once: which of the house's devices a newly found one is, reached by another way.

It goes by what things are known by over any protocol (MAC, serial number, UUID), else by a description that fits one alone on
both sides. It does not know any protocol, and merges nothing itself; two that look alike stay two.
"""

import re
from collections.abc import Iterable

from dobby.house.model import Device

KIN = ({"switch", "outlet"},)  # kinds that are told apart by one system and not by another
ALONE = ("scene", "script", "button", "list", "weather", "calendar")  # no things
HEX = re.compile(r"(?:.*0x)?([0-9a-f]{12}|[0-9a-f]{16})")


def tokens(device: Device) -> frozenset[str]:
    """What a thing is known by; a bare word is its family's own (`sonos:rincon_…`), a number like a MAC is one too."""
    words = [word if ":" in word else f"{device.driver}:{word}" for word in device.identity.lower().split()]
    numbers = [found[1] for word in words if (found := HEX.fullmatch(word.partition(":")[2]))]
    return frozenset([*words, *(f"mac:{number}" for number in numbers)])


def same(found: Device, house: Iterable[Device]) -> Device | None:
    """The device of another family that this one is; None where there is none, or more than one might be meant."""
    if found.kind in ALONE or found.same_as:
        return None
    every = list(house)
    kin = [one for one in every if one.driver != found.driver and kin_of(one, found)]
    siblings = [one for one in every if one.driver == found.driver and one.id != found.id and kin_of(one, found)]
    for alike in (_known_as, _part_of_the_same, _described_as):
        those = [one for one in kin if alike(found, one, every)]
        if len(those) == 1 and not any(alike(sibling, those[0], every) for sibling in siblings):
            return those[0] if _alone(those[0], every, found) else None
        if those:
            return None
    return None


def _alone(one: Device, every: Iterable[Device], found: Device) -> bool:
    """Nobody of its own family looks like it, and none of the other family is it already."""
    taken = any(way.same_as == one.id and way.driver == found.driver for way in every)
    twins = [each for each in every if each.driver == one.driver and each.id != one.id and kin_of(each, one)]
    return (
        not taken and not one.same_as and not any(_known_as(found, twin, ()) or _described_as(found, twin, ()) for twin in twins)
    )


def kin_of(one: Device, other: Device) -> bool:
    """Could they be one thing: of one kind and no other class, as far as both say."""
    alike = one.kind == other.kind or any({one.kind, other.kind} <= kinds for kinds in KIN)
    return alike and (one.device_class == other.device_class or not (one.device_class and other.device_class))


def _known_as(one: Device, other: Device, every: Iterable[Device]) -> bool:
    return bool(tokens(one) & tokens(other))


def _part_of_the_same(one: Device, other: Device, every: Iterable[Device]) -> bool:
    whole = {device.id: device.same_as or device.id for device in every}
    owners = {whole.get(part, "") for part in (one.part_of, other.part_of)}
    return len(owners) == 1 and bool(one.part_of and other.part_of) and bool(one.device_class)


def _described_as(one: Device, other: Device, every: Iterable[Device]) -> bool:
    """The same name in the same room, where neither says that it is somebody else; people are known by their name alone."""
    alike = [(each.name.casefold(), each.room.casefold()) for each in (one, other)]
    hard = [{token for token in tokens(each) if token.startswith(("mac:", "serial:", "uuid:"))} for each in (one, other)]
    return (
        alike[0] == alike[1]
        and (bool(one.room) or one.kind == "person")
        and not one.part_of
        and not other.part_of
        and not all(hard)
    )
