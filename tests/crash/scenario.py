"""What is said, in what house, and what must be true of it at the end, however often the process died meanwhile.

Facts only: the house, the people, the texts, a scripted mind. It does not know processes, kills or disks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dobby.events import Call, Due, DueKind, EffectState, Role
from dobby.house.kinds import specs, verbs
from dobby.house.model import Device
from dobby.mind.plan import Choice, Context, Order, Outcome, Plan
from dobby.people import Person

PHONE = "phone"  # a provider that can be asked what went out
PAGER = "pager"  # a provider that cannot
PAGE = "page"  # a page that shows the same message once, however often it comes

PEOPLE = (
    (Person("ann", "Ann", Role.OWNER), PHONE),
    (Person("bob", "Bob", Role.ADULT), PAGE),
    (Person("zoe", "Zoe", Role.OWNER), PAGER),
)

DEVICES = (
    Device("lamp", "fake", "light", "lamp", traits=specs("light", ("on", "brightness"))),
    Device("shopping", "fake", "list", "shopping list", traits=specs("list"), verbs=verbs("list")),
    Device("bell", "fake", "button", "bell", verbs=verbs("button")),
    Device("front", "fake", "lock", "front door", traits=specs("lock", ("locked",))),
    Device("shed", "fake", "lock", "shed", traits=specs("lock", ("locked",))),
    Device("blind", "fake", "cover", "blind", traits=specs("cover", ("position",)), verbs=verbs("cover")),
)

AT_FIRST: dict[str, dict[str, object]] = {
    "lamp": {"on": False, "brightness": 0},
    "shopping": {"items": [], "count": 0},
    "bell": {},
    "front": {"locked": True},
    "shed": {"locked": True},
    "blind": {"position": 50},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One text: from whom and where, and the words that must be visible in that conversation before it is said."""

    key: str
    bridge: str
    chat: str
    text: str
    after: str = ""


STEPS = (
    Step("m1", PHONE, "ann", "lamp 40"),
    Step("m2", PHONE, "ann", "add milk"),
    Step("m3", PHONE, "ann", "ring a"),
    Step("m4", PAGE, "bob", "open front"),
    Step("m5", PHONE, "ann", "yes", after="Unlock the front door?"),
    Step("m6", PHONE, "ann", "lamp 70, add milk, add eggs, ring b"),
    Step("m7", PHONE, "ann", "which"),
    Step("m8", PHONE, "ann", "the second", after="which one"),
    Step("m9", PAGE, "bob", "blind 0"),
    Step("m10", PAGE, "bob", "blind 100"),
    Step("m11", PAGE, "who", "hi"),
    Step("m12", PAGER, "zoe", "open shed"),
    Step("m13", PAGER, "zoe", "yes", after="Unlock the shed?"),
)
FIRST = STEPS[:3]
DUE = (
    Step("d1", PHONE, "ann", "later lamp 40, add milk"),
    Step("d2", PAGE, "bob", "later ring c"),
    Step("d3", PAGE, "bob", "remind tea"),
)
SOON = 20.0  # seconds until what is said in DUE falls due; all of it in about the same instant

# At the end of STEPS. The list holds what was asked, each as often as it was asked; a bell's marks ring at most once.
AT_LAST: dict[str, dict[str, object]] = {
    "lamp": {"on": True, "brightness": 90},
    "shopping": {"items": ["eggs", "milk", "milk"]},
    "front": {"locked": False},
    "blind": {"position": 100},
}


def calls_of(text: str) -> tuple[Call, ...]:
    """The calls of a text, one per comma."""
    return tuple(_call(*part.split()) for part in text.split(", "))


def _call(word: str, rest: str) -> Call:
    if word == "add":
        return Call("do", "shopping", {"verb": "add", "item": rest})
    if word == "ring":
        return Call("do", "bell", {"verb": "press", "mark": rest})
    if word == "open":
        return Call("set", rest, {"locked": False})
    return Call("set", word, {"brightness" if word == "lamp" else "position": int(rest)})


def due_of(text: str, now: float) -> Due | None:
    """The appointment in a text, where there is one."""
    word, _, rest = text.partition(" ")
    if word == "remind":
        return Due(DueKind.REMINDER, now + SOON, remind=rest, after=SOON, said=text)
    return Due(DueKind.ONCE, now + SOON, calls_of(rest), after=SOON, said=text) if word == "later" else None


class ScriptedMind:
    """Reads the steps' words; reports states as they stand in the ledger."""

    async def plan(self, text: str, context: Context) -> Plan:
        """What a text comes to; what is not in the script is not understood."""
        if text.startswith("think "):
            return Plan(order=Order.THINK, about=text, mind="model")
        if text == "stop":
            return Plan(order=Order.STOP)
        if text == "long":
            return Plan(say=" ".join(f"Sentence {number} of a long answer." for number in range(100)))
        if text == "which":
            choices = tuple(Choice(f"{level} %", calls_of(f"lamp {level}")) for level in (10, 90))
            return Plan(say="which one, 10 % or 90 %?", choices=choices)
        try:
            if due := due_of(text, context.now.timestamp()):
                return Plan(due=(due,))
            return Plan(calls=calls_of(text))
        except (TypeError, ValueError):
            return Plan(say="not understood", understood=False)

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        """`lamp done, bell unknown`."""
        names = {EffectState.INTENDED: "under way"}
        return ", ".join(f"{outcome.call.device} {names.get(outcome.state, outcome.state.value)}" for outcome in outcomes)

    def phrase(self, key: str, language: str, **facts: object) -> str:
        """The phrase's name and its facts; quick replies as words."""
        return " ".join([key, *(str(value) for value in facts.values())])
