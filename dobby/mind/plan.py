"""What a mind is given and what it gives back: a context and a plan. Facts only.

It does not know how a plan is judged or carried out; a mind never acts by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dobby.events import Call, Due, EffectState, Role, State, Value
from dobby.house.model import Device
from dobby.journal.pack import due_call
from dobby.journal.taught import Taught
from dobby.memory.answers import Recall


class Order(StrEnum):
    """What a person asks of the butler himself rather than of the house."""

    NONE = ""
    UNDO = "undo"  # take back my last act
    EXPLAIN = "explain"  # what did you just do, and why
    STOP = "stop"  # end what is under way here
    HANDS_OFF = "hands_off"  # acting stops, looking goes on
    HANDS_ON = "hands_on"
    REHEARSE = "rehearse"  # "just tell me what you would do" from now on
    PERFORM = "perform"  # the end of rehearsing
    APPOINTMENTS = "appointments"  # what is still to come; for all of these `about` names which
    LEFT = "left"  # how long until then
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    TAUGHT = "taught"  # what was taught in words
    LOST = "lost"  # what was not understood
    PAST = "past"  # what was: `past` says of which devices
    NETWORK = "network"  # what is on the network
    THINK = "think"  # `about` is for a model to think about
    PEOPLE = "people"  # who is known, and what they may
    SEEK = "seek"  # look for the family of devices that `about` names
    SIGHTS = "sights"  # what the eyes are to tell or told: `interest`
    RECALL = "recall"  # what is kept in the memory: `recall` says which
    CHANGE = "change"  # to the time of the one appointment in `due`; where that has none (`at` 0), by its `after` seconds


@dataclass(frozen=True, slots=True)
class Context:
    """What a mind needs to know beside the words: who, where, when, and what was just talked about.

    `here` is the speaker's room ("" unknown); `now` aware, in the house's zone; `units` `metric` or `us`;
    `language` of the person ("en", "de"); `talked` the ids of devices last talked about, latest first; `last` the calls
    of this person's last act, `was` how the device of each was before and `relative` whether it was a
    step up or down; `busy` is True while an errand of this
    conversation is under way; `place` is where the house stands, in degrees north and east; `taught` what phrases
    mean to this person, `scenes` which of them stand for calls; `rooms` are all that this person may hear of (none: the house).
    """

    person: str
    role: Role
    now: datetime
    here: str = ""
    units: str = "metric"
    language: str = "en"
    talked: tuple[str, ...] = ()
    last: tuple[Call, ...] = ()
    was: tuple[State, ...] = ()
    relative: bool = False
    busy: bool = False
    place: tuple[float, float] | None = None
    taught: tuple[tuple[str, str], ...] = ()
    scenes: tuple[tuple[str, Taught], ...] = ()
    rooms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to "which one?": its button's words and the calls it stands for."""

    label: str
    calls: tuple[Call, ...]


FIGURES = ("used", "bars", "why", "now", "chart")  # answered by the skill `history`, whose functions are called so


@dataclass(frozen=True, slots=True)
class Past:
    """One look at what was: `kind` is `who`, `since`, `when` or `ever`, of one trait of one device; or a
    question for figures (`FIGURES`), where no device is the whole house.

    `wanted` is what it must have become, as in a state's rule (`true`, `">0"`, `"!off"`; None: anything); `since` and `until`
    are instants in seconds since 1970, 0 for no bounds.
    """

    kind: str
    device: str
    trait: str
    wanted: Value = None
    since: float = 0.0
    until: float = 0.0


def passes(wanted: Value, value: Value) -> bool | None:
    """Whether a value is as wanted: the same (`"a|b"`: one of them), `">0"` more, `"<5"` less, `"!off"` anything else; None where
    nobody knows."""
    if value is None or (value == "unknown" and wanted != value):
        return None
    if isinstance(wanted, str) and wanted[:1] in (">", "<"):
        limit, more = float(wanted[1:]), wanted[0] == ">"
        return isinstance(value, int | float) and (value > limit if more else value < limit)
    if isinstance(wanted, str) and wanted.startswith("!"):
        return str(value) not in wanted[1:].split("|")
    return str(value).casefold() in wanted.casefold().split("|") if isinstance(wanted, str) else value == wanted


@dataclass(frozen=True, slots=True)
class Interest:
    """What somebody wants of the eyes: `order` is `tell`, `hush`, `this` (what was told last), `ignore` (a place) or `came`.

    `kind` is a sighting's ("" any), `courier` a name ("*" any), `place` words of a camera, room or zone; `since` and `until`
    hours of the day (over midnight where `since` is later); `said` as it was put, `day` of a question. `way` is `in`, `out` or
    `across` where a line is to be crossed. To `draw` (to `cut`: to be ignored) is to keep `points` of a camera's (`place`)
    picture, as shares of its width and height, by the name `said`: three or more a zone, two a line; to `wipe` is to let it go.
    """

    order: str
    kind: str = ""
    courier: str = ""
    place: str = ""
    since: float = 0.0
    until: float = 24.0
    said: str = ""
    day: str = ""
    way: str = ""
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one text comes to.

    `calls` are absolute (`brightness = 35`, never "brighter") and already fit the device's Spec; `say` is an answer,
    a refusal or a remark that goes with the report; `choices` make `say` a question back (nothing is done until one
    is chosen); `order` is for the butler himself; `topic` the devices talked about, so that "it" has a meaning;
    `relative` tells a step up or down; `understood` is False where the mind could make nothing of it, `rest` the words that it
    could make nothing of beside a clear part; `due` is for later;
    `about` the words by which an order names an appointment; `past` what is to be looked up. `scene` is the name of the
    scene that these calls are; `shown` is a scene to be kept, shown first: its `calls` are done once it is kept; `picture` is
    the path of one that goes with the answer; `interest` is for the eyes.
    """

    calls: tuple[Call, ...] = ()
    say: str = ""
    choices: tuple[Choice, ...] = ()
    order: Order = Order.NONE
    topic: tuple[str, ...] = ()
    language: str = "en"
    understood: bool = True
    rest: str = ""
    mind: str = "plain"
    relative: bool = False
    due: tuple[Due, ...] = ()
    about: str = ""
    past: tuple[Past, ...] = ()
    scene: str = ""
    shown: Call | None = None
    recall: Recall | None = None
    picture: str = ""
    interest: Interest | None = None

    def keeps(self) -> tuple[Call, ...]:
        """What is for later, as calls that keep it."""
        return (*(due_call(due) for due in self.due), *([self.shown] if self.shown else []))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call, taken from its ledger row and from read-back: what a report is made of.

    `state` as in the ledger (`intended` = still under way); `before` and `after` hold the wanted traits as they were
    and as they were read back; `echoed`: the device only repeats what it was told; `why` is an error's words.
    """

    call: Call
    state: EffectState
    device: Device | None = None
    before: State = field(default_factory=dict)
    after: State = field(default_factory=dict)
    echoed: bool = False
    why: str = ""


class Mind(Protocol):
    """Turns words into a plan, and outcomes into words. Never acts."""

    async def plan(self, text: str, context: Context) -> Plan:
        """What to do or say about a text. Must not change anything."""
        ...

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        """One short message that says what is true: done, under way, already so, failed and why."""
        ...

    def phrase(self, key: str, language: str, **facts: object) -> str:
        """One of Dobby's fixed sentences (`dobby/mind/plain/LANGUAGE/phrases.yaml`), filled in."""
        ...
