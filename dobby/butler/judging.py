"""The gate's verdict on one call, from the house as it is now, for whoever acts and whatever made the call.

It does not know what becomes of a verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dobby.butler import memories, persons, wording
from dobby.butler.desk import Desk
from dobby.butler.keeping import inside
from dobby.clock import local
from dobby.events import Call, Origin, Role, Source
from dobby.gate import STRICTNESS, Bounds, Decision, Grant, Modes, Verdict, decide
from dobby.journal.pack import PERSON
from dobby.memory.wishes import forbids
from dobby.people import Person


def judge(desk: Desk, call: Call, source: Source, grant: Grant | None = None, hash_: str = "") -> Decision:
    """The gate's verdict on one call, from the house as it is now; on an appointment, by the gravest thing it will do."""
    if call.tool == PERSON and not persons.is_own(desk, call, source):
        return decide(call, None, source, state={}, modes=desk.modes, level="guarded")
    later = inside(call)
    if later is not None:
        if not wording.may(call, source):
            return Decision(Verdict.REFUSE, "power", "role")
        if call.args.get("trait") == "approver" and call.args["value"] and not _owner(desk, str(call.args["value"])):
            return Decision(Verdict.REFUSE, "power", "no_such_owner")
        if wording.weakens(call):
            return decide(call, None, source, state={}, modes=desk.modes, level="guarded")
        decision = _judge_later(desk, later, acting(source, Origin.ROUTINE))
        doubted = call.tainted and decision.verdict is Verdict.ALLOW
        return Decision(Verdict.ASK, decision.risk, "tainted") if doubted else decision
    if call.tool in memories.TOOLS:  # whose notes they are is held in the memory; no hand moves
        return decide(call, None, source, state={}, modes=Modes(rehearse=desk.modes.rehearse), level="act")
    device = desk.house.get(call.device)
    state, level = desk.house.state.of(call.device), desk.levels.get(call.tool, "")
    limits, at = desk.people.limits(source), local(desk.clock.now(), desk.zone)
    bounds = Bounds(limits, at.hour * 60 + at.minute)
    decision = decide(call, device, source, state=state, modes=desk.modes, grant=grant, level=level, hash_=hash_, bounds=bounds)
    if not forbids(desk.wishes, call, desk.house, at):
        return decision
    directly = source.origins == {Origin.PERSON} and source.authority.rank >= Role.ADULT.rank
    wished = Decision(Verdict.ASK if directly else Verdict.REFUSE, decision.risk, "wish")
    return max(decision, wished, key=lambda one: STRICTNESS.index(one.verdict))


def _judge_later(desk: Desk, calls: Sequence[Call], source: Source) -> Decision:
    if not calls and desk.modes.rehearse:
        return Decision(Verdict.REFUSE, "comfort", "rehearse")
    verdicts = [judge(desk, call, source) for call in calls]
    return max(verdicts, key=lambda one: STRICTNESS.index(one.verdict), default=Decision(Verdict.ALLOW, "comfort"))


def _owner(desk: Desk, name: str) -> Person | None:
    known = desk.people.named(name)
    return known if known and known.role is Role.OWNER else None


def yeses(desk: Desk, calls: Iterable[Call]) -> tuple[int, set[str]]:
    """How many people have to say yes to these calls, where they are asked about, and which owners must be among them: as the
    devices say, also of asking less."""
    ids = [call.device or (str(call.args["device"]) if wording.weakens(call) else "") for call in calls]
    devices = [device for device in map(desk.house.get, ids) if device]
    named = {owner.id for device in devices if (owner := _owner(desk, device.approver))}
    return max([1, len(named), *(device.yeses for device in devices)]), named


def acting(source: Source, origin: Origin) -> Source:
    """Who acts where something else than the person's own words made the call."""
    return source if origin is Origin.PERSON else replace(source, origin=origin, behalf=source)
