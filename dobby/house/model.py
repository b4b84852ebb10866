"""The nouns of a home: what a trait can be, what a device is, a room.

Frozen facts. It does not know what any of them is at this moment (`state`) or where they are kept (`registry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dobby.events import EffectClass, Value

ROUNDED = 6  # of 255: how far a colour's channel may come back from what was asked


@dataclass(frozen=True, slots=True)
class Spec:
    """What one trait of one device can be.

    `unit` as in the kinds table; `low`, `high` the range, `step` how near counts as there; `options` the words a
    text trait takes (empty: any); `echoes`: the device only repeats what it was told, so a set is told as sent.
    """

    type: str = "text"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float = 0
    options: tuple[str, ...] = ()
    settable: bool = True
    effect: EffectClass = EffectClass.IDEMPOTENT
    echoes: bool = False

    def already(self, wanted: Value, got: Value) -> bool:
        """Is there nothing to do: nearer than one step, for half a degree that is asked for is asked for."""
        numbers = (int, float)
        if isinstance(wanted, numbers) and isinstance(got, numbers) and not isinstance(wanted, bool):
            return wanted == got or abs(wanted - got) < self.step
        return self.matches(wanted, got)

    def matches(self, wanted: Value, got: Value) -> bool:
        """Is the device where it was asked to be: within one step for numbers, lists in any order."""
        numbers = (int, float)
        if isinstance(wanted, bool) or isinstance(got, bool):
            return wanted is got
        if isinstance(wanted, numbers) and isinstance(got, numbers):
            return abs(wanted - got) <= self.step
        if isinstance(wanted, str) and isinstance(got, str):
            return wanted.casefold() == got.casefold() or (self.type == "color" and _near(wanted, got))
        if isinstance(wanted, list) and isinstance(got, list):
            return {str(one).casefold() for one in wanted} == {str(one).casefold() for one in got}
        return wanted == got


def _near(wanted: str, got: str) -> bool:
    """Two colours (#rrggbb) that differ only by what a lamp rounds on its way through xy or hue."""
    try:
        one, other = bytes.fromhex(wanted[1:]), bytes.fromhex(got[1:])
    except ValueError:
        return False
    return len(one) == len(other) == 3 and all(abs(a - b) <= ROUNDED for a, b in zip(one, other, strict=True))


@dataclass(frozen=True, slots=True)
class Device:
    """One thing in the house, as a driver found it and a person named it.

    `id` is unique in this house and stable (`sonos.RINCON_…`); `identity` what the device itself is known by
    over any protocol, as far as it tells (`mac:aabbccddeeff serial:… uuid:…`); `address` where it is now;
    `part_of` the id of the device it belongs to (a lock's battery);
    `risk` a consequence class from the gate's table where the kind does not tell it (`entry` for a relay that
    opens a garage); `protected` things are only ever meant by name; `verbs` what `do` understands;
    `same_as` the id of the device that this one is too, reached by another way; `sure` from which score on (0 … 1) a camera's
    sightings of a kind are told, where a household's thumbs taught it; `yeses` how many people have to say yes before a guarded
    thing is done with it, and `approver` the name of the owner who must be one of them ("": any).
    """

    id: str
    driver: str
    kind: str
    name: str
    identity: str = ""
    address: str = ""
    device_class: str = ""
    room: str = ""
    aliases: tuple[str, ...] = ()
    part_of: str = ""
    risk: str = ""
    protected: bool = False
    same_as: str = ""
    sure: Mapping[str, float] = field(default_factory=dict)
    yeses: int = 1
    approver: str = ""
    traits: Mapping[str, Spec] = field(default_factory=dict)
    verbs: Mapping[str, EffectClass] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Room:
    """A place with a name; `floor` is text ("upstairs", "1", "Erdgeschoss"), "" where nobody said."""

    name: str
    floor: str = ""
    aliases: tuple[str, ...] = ()
