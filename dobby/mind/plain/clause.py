"""A clause: who does what to which, how much of it, and what forbids doing it.

It keeps what was said as descriptions. It does not know the house, nor how it was read (`parse`).
"""

from dataclasses import dataclass, field

from dobby.mind.plain.mark import Mark


@dataclass(frozen=True, slots=True)
class Item:
    """One description of what is meant: a noun, a place, a name or a part of one."""

    stems: tuple[str, ...]
    text: str
    nouns: tuple[str, ...] = ()
    devices: frozenset[str] = frozenset()
    rooms: tuple[str, ...] = ()
    level: str = ""
    many: bool = False
    tail: tuple[str, ...] = ()
    after_prep: bool = False

    @property
    def is_place(self) -> bool:
        """It can only be a place."""
        return bool(self.rooms or self.level) and not self.nouns and not self.devices


@dataclass(slots=True)
class Clause:
    """One thing asked: verb, items, value; `blocks` are reasons not to do it, `unknown` words nobody knows."""

    verb: str = ""
    weak: bool = False
    items: list[Item] = field(default_factory=list)
    soft: list[Item] = field(default_factory=list)
    spared: list[list[Item]] = field(default_factory=list)
    attr: str = ""
    number: float | None = None
    unit: str = ""
    how: str = ""
    direction: int = 0
    amount: str = ""
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    blocks: set[str] = field(default_factory=set)
    asks: str = ""
    states: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    own_verb: bool = True
    lent: bool = False  # its verb is an "on" that may as well belong to a place
    marks: list[Mark] = field(default_factory=list)

    @property
    def has_value(self) -> bool:
        """A number, a colour, a mode or their like is said."""
        return self.number is not None or bool(self.values)

    @property
    def attr_only_read(self) -> bool:
        """An attribute that nobody can switch: `turn off the temperature`."""
        mutes = self.attr == "volume" and self.verb in ("mute", "unmute")
        return bool(self.attr) and self.attr != "title" and not mutes

    @property
    def relative(self) -> bool:
        """`brighter`, `dim it`, `up by 10`: from where it is now."""
        steps = self.verb in ("dim", "brighten", "up", "down") and (self.number is None or self.how == "by")
        return (bool(self.direction) and self.how != "to") or (steps and not self.values)

    @property
    def acts(self) -> bool:
        """It says what to do."""
        return bool(self.verb or self.has_value or self.direction)

    @property
    def aims(self) -> bool:
        """It says to what."""
        return bool(self.items or self.flags & {"it", "other", "everything", "here", "there", "house"})

    @property
    def many(self) -> bool:
        """More than one thing is meant."""
        return bool(self.flags & {"all", "both", "everything"}) or any(item.many for item in self.items) or self.is_bare

    @property
    def is_no(self) -> bool:
        """Nothing but a no."""
        return self.blocks == {"not"} and not (self.acts or self.aims or self.unknown or self.attr or self.flags)

    @property
    def is_bare(self) -> bool:
        """Nothing but a place is named."""
        return all(item.is_place for item in self.items) if self.items else bool(self.flags & {"here", "there"})
