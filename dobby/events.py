"""The facts that travel through Dobby: events, who is behind them, calls and their effects.

Frozen, standard library only. It does not know how a fact is stored, judged or carried out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
"""What a trait or an argument may hold: anything JSON can."""

State: TypeAlias = Mapping[str, Value]
"""Traits and their values, in the units of the kinds table (`dobby/house/kinds.toml`)."""


class Role(StrEnum):
    """What a person is to the house, from least to most; see `rank`."""

    UNKNOWN = "unknown"
    GUEST = "guest"
    HELPER = "helper"
    CHILD = "child"
    ADULT = "adult"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """0 for an unknown sender … 5 for an owner."""
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Origin(StrEnum):
    """What made a call: a person's own words, or something that acts on their behalf."""

    PERSON = "person"
    MODEL = "model"
    ROUTINE = "routine"
    SCENE = "scene"
    UNDO = "undo"
    SKILL = "skill"
    CODE = "code"
    SIGHT = "sight"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Source:
    """Who is behind an event or a call: person and role, the way in, on whose behalf, the grant if any; `room` is where it was
    said, where the way in knows."""

    person: str = ""
    role: Role = Role.UNKNOWN
    bridge: str = ""
    chat: str = ""
    origin: Origin = Origin.PERSON
    behalf: "Source | None" = None
    grant: str = ""
    room: str = ""

    @property
    def lane(self) -> str:
        """The conversation: one bridge, one chat."""
        return f"{self.bridge}/{self.chat}"

    @property
    def authority(self) -> Role:
        """The least role of the whole chain."""
        return self.role if self.behalf is None else min(self.role, self.behalf.authority, key=lambda r: r.rank)

    @property
    def origins(self) -> frozenset[Origin]:
        """Everything the call went through, from the last maker back to the first."""
        return frozenset({self.origin}) | (self.behalf.origins if self.behalf else frozenset())


class EventKind(StrEnum):
    """What came in."""

    TEXT = "text"
    ATTACHMENT = "attachment"
    VOICE = "voice"
    LOCATION = "location"
    EDIT = "edit"
    REACTION = "reaction"
    SIGHTING = "sighting"
    DUE = "due"
    ERRAND = "errand"  # one of several jobs of a text, made by a model
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a text: where it is kept, what it says it is, its size in bytes."""

    path: str
    media_type: str
    size: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Location:
    """Where somebody is: degrees, and metres of doubt."""

    latitude: float
    longitude: float
    accuracy: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something asked or to be answered for.

    `key` is the provider's id, unique for ever (`web:…`, `twilio:SM…`); `refers` the key of the text that an
    edit, a reaction or a quoted reply is about; `tainted` the fields whose words are not the sender's own;
    `sent` the provider's clock and `received` ours, in seconds since 1970.
    """

    key: str
    source: Source
    kind: EventKind = EventKind.TEXT
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    refers: str = ""
    reaction: str = ""
    tainted: tuple[str, ...] = ()
    sent: float = 0.0
    received: float = 0.0


def is_photo(event: Event) -> bool:
    """Did a person send a picture."""
    return event.kind in (EventKind.TEXT, EventKind.ATTACHMENT) and any(
        one.media_type.startswith("image/") for one in event.attachments
    )


class EffectClass(StrEnum):
    """What may be repeated after a doubt."""

    IDEMPOTENT = "idempotent"  # an absolute set: repeat freely
    ASKABLE = "askable"  # a list, a read or a count tells whether it happened
    BLIND = "blind"  # a pulse: never repeat, tell the person


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a tool, exactly as it will be carried out.

    `tool` is `set` (`args` = wanted traits), `do` (`args` = `{"verb": …, …}`), `scene`, or a skill's function
    (`NAME.function`); `device` the id it is about, "" for none; `tainted` names the args that came from outside.
    """

    tool: str
    device: str = ""
    args: Mapping[str, Value] = field(default_factory=dict)
    tainted: tuple[str, ...] = ()


class DueKind(StrEnum):
    """What kind of appointment: a timer rings, a reminder says something, `once` and `routine` do something."""

    TIMER = "timer"
    REMINDER = "reminder"
    ONCE = "once"
    ROUTINE = "routine"


NEVER = 1e11  # the instant of what waits for something else than an hour


@dataclass(frozen=True, slots=True)
class Watch:
    """What an appointment waits for instead of an hour: that the house becomes so.

    `tests` are (device, trait, wanted), `wanted` as in a state's rule (`true`, `">23"`, `"!off"`); one of them is enough, or
    `whole` wants them all; it must stay so for `hold` seconds. `always`: each time it comes about, else once.
    """

    tests: tuple[tuple[str, str, Value], ...]
    whole: bool = False
    hold: float = 0.0
    always: bool = True


@dataclass(frozen=True, slots=True)
class Due:
    """What is to happen later, exactly as it will: `calls` absolute, or `remind` words to say, or a timer's `name`.

    `at` is the instant of the next run, in seconds since 1970; `after` the seconds that were asked for, 0 where an hour
    was named; `every` an RRULE (RFC 5545) in the house's wall time, "" for once; `sun` moves it to the sun of those days
    (`sunset-1800`); `said` shows it back in words; `policy` what a missed run comes to, "" for its kind's own; `watch` is what
    it waits for where it has no hour (`at` is then `NEVER`).
    """

    kind: DueKind
    at: float
    calls: tuple[Call, ...] = ()
    remind: str = ""
    name: str = ""
    after: float = 0.0
    every: str = ""
    sun: str = ""
    said: str = ""
    policy: str = ""
    watch: Watch | None = None


class EventState(StrEnum):
    """`received → working → (waiting) → done | refused | failed | parked`."""

    RECEIVED = "received"
    WORKING = "working"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    PARKED = "parked"


class EffectState(StrEnum):
    """`asked → (refused) | intended → done | failed | unknown`."""

    ASKED = "asked"
    REFUSED = "refused"
    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class OutboxState(StrEnum):
    """`owed → sending → sent → delivered → read | failed | unknown`, never backwards."""

    OWED = "owed"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be said to one chat; `options` are quick replies, `picture` a path, `key` its one identity."""

    key: str
    lane: str
    text: str
    options: tuple[str, ...] = ()
    picture: str = ""
    question: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What a device was heard or seen to be; `available` is None where the news says nothing about it."""

    device: str
    state: State = field(default_factory=dict)
    available: bool | None = None
