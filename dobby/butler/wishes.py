"""Standing wishes, held by the gate: what is never to be done, always, at some hours, or when nobody is home.

An adult who asks for it directly is asked back; what acts by itself, and everybody else, is refused. It does not understand
words, and what could not be understood as calls binds nothing (the person was told so).
"""

from collections.abc import Mapping
from typing import Any

from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Call, Origin, Role, Source
from dobby.gate import STRICTNESS, Decision, Verdict
from dobby.people import within

LOUD: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "speaker": {"on": (True,), "playing": ("playing",), "verb": ("play", "announce", "next", "previous")},
    "tv": {"on": (True,), "playing": ("playing",), "verb": ("play", "announce")},
    "siren": {"on": (True,)},
    "vacuum": {"state": ("cleaning",), "verb": ("clean",)},
}


def bound(desk: Desk, call: Call, source: Source, decision: Decision) -> Decision:
    """The verdict, or a stricter one where a wish stands against this call now."""
    if not any(_meets(desk, wish, call) and _holds(desk, wish) for wish in desk.wishes):
        return decision
    directly = source.origins == {Origin.PERSON} and source.authority.rank >= Role.ADULT.rank
    wished = Decision(Verdict.ASK if directly else Verdict.REFUSE, decision.risk, "wish")
    return max(decision, wished, key=lambda one: STRICTNESS.index(one.verdict))


def _meets(desk: Desk, wish: Mapping[str, Any], call: Call) -> bool:
    if wish.get("room"):
        device = desk.house.get(call.device)
        loud = LOUD.get(device.kind, {}) if device and device.room == wish["room"] else {}
        return any(value in loud.get(trait, ()) for trait, value in call.args.items()) or ("volume" in call.args and bool(loud))
    same = (one for one in wish["calls"] if (one["tool"], one["device"]) == (call.tool, call.device))
    return any(call.args.get(trait) == value for one in same for trait, value in one["args"].items())


def _holds(desk: Desk, wish: Mapping[str, Any]) -> bool:
    """Whether it is the time for it; where nobody can tell who is home, it is."""
    now = local(desk.clock.now(), desk.zone)
    homes = [desk.house.state.of(device.id).get("home") for device in desk.house if device.kind == "person"]
    away = not wish.get("nobody") or "home" not in homes
    return away and (not wish.get("hours") or within(str(wish["hours"]), now.hour * 60 + now.minute))
