"""What a person asks of the butler himself: undo, explain, stop, hands off, only tell me.

It does not understand words (`mind`) nor carry anything out itself (`errand`).
"""

from collections.abc import Sequence
from dataclasses import replace

from dobby.butler import appointed, asking, memories, past, persons, sightings, wording
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, report, work_on
from dobby.butler.keeping import OURS
from dobby.clock import local
from dobby.events import Call, Origin, Role, Source, Value
from dobby.gate import Modes
from dobby.journal import appointments, inbox, ledger
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import PERSON
from dobby.mind.plan import Choice, Order, Plan

# How a verb is taken back: the traits that go back to what they were, or the opposite verb; others cannot be.
BACK: dict[str, tuple[str, ...]] = {"play": ("playing",), "clean": ("state",)}
OPPOSITE = {"next": "previous", "previous": "next", "add": "remove", "remove": "add", "complete": "add"}


OWN = {Order.UNDO, Order.EXPLAIN, Order.STOP, Order.LOST, Order.APPOINTMENTS, Order.LEFT, Order.CHANGE, *appointed.STATES}


async def carry(desk: Desk, row: EventRow, plan: Plan, steer: Steer) -> None:
    """Do what the order says and end the event. Who may hear of some rooms alone hears of what is their own."""
    if plan.order not in OWN and desk.people.hears_of(row.event.source.person):
        await _say(desk, row, plan, desk.words("role", row.event.source))
    elif plan.order is Order.UNDO:
        await _undo(desk, row, plan, steer)
    elif plan.order is Order.EXPLAIN:
        await _say(desk, row, plan, await _explain(desk, row.event.source))
    elif plan.order is Order.PAST:
        may = past.may_ask(row.event.source)
        told = await past.answer(desk, plan, row.event.source) if may else replace(plan, say=desk.words("role", row.event.source))
        await _say(desk, row, plan, told.say, told.calls)
    elif plan.order is Order.RECALL:
        await work_on(desk, row, await memories.answered(desk, plan, row.event.source), steer)
    elif plan.order is Order.TAUGHT:
        await _say(desk, row, plan, wording.told(desk, row.event.source))
    elif plan.order is Order.PEOPLE:
        await _say(desk, row, plan, persons.told(desk, row.event.source))
    elif plan.order is Order.LOST:
        await _say(desk, row, plan, await wording.lost(desk, row.event.source))
    elif plan.order in (Order.NETWORK, Order.SEEK):
        may = row.event.source.authority.rank >= Role.ADULT.rank
        seen = await asking.look(desk, row, plan) if may else desk.words("role", row.event.source)
        if seen:
            await _say(desk, row, plan, seen)
    elif plan.order is Order.SIGHTS:
        await work_on(desk, row, await sightings.answer(desk, row, plan), steer)
    elif plan.order is Order.STOP:
        await _stop(desk, row, plan, steer)
    elif plan.order in appointed.ABOUT:
        await appointed.carry(desk, row, plan, steer)
    else:
        await _switch(desk, row, plan)


async def _say(desk: Desk, row: EventRow, plan: Plan, text: str, calls: Sequence[Call] = ()) -> None:
    await work_on(desk, row, replace(plan, say=text, calls=tuple(calls), order=Order.NONE), Steer())


# Undo: what was mine, if it still stands; judged like any other act


def reverse(desk: Desk, effect: EffectRow) -> Call | None:
    """The call that brings back what was before; None where nothing can."""
    call = effect.call
    if call.tool == PERSON:
        return None
    if call.tool in OURS:
        return wording.back(effect) if call.tool in wording.TOOLS else appointed.back(effect)
    if call.tool in memories.TOOLS:
        return memories.back(effect)
    if call.tool == "set":
        moved = dict.fromkeys([*call.args, *effect.after])  # what came with it goes back with it
        back: dict[str, Value] = {trait: effect.before[trait] for trait in moved if effect.before.get(trait) is not None}
        return Call("set", call.device, _only_off(back, effect)) if back else None
    verb = str(call.args.get("verb", ""))
    if verb in OPPOSITE:
        return Call("do", call.device, {**call.args, "verb": OPPOSITE[verb]})
    traits = [trait for trait in BACK.get(verb, ()) if effect.before.get(trait) is not None]
    return Call("set", call.device, {trait: effect.before[trait] for trait in traits}) if traits else None


def _only_off(back: dict[str, Value], effect: EffectRow) -> dict[str, Value]:
    """A lamp that was off goes off again; its brightness need not be set for that."""
    return {"on": False} if effect.before.get("on") is False and effect.call.args.get("on") is not False else back


def changed_anything(desk: Desk, effect: EffectRow) -> bool:
    """Was it not so already: only then is there something to take back."""
    device = desk.house.get(effect.call.device)
    if device is None or effect.call.tool != "set":
        return True
    wanted = {trait: value for trait, value in effect.call.args.items() if trait in device.traits}
    return not all(t in effect.before and device.traits[t].already(value, effect.before[t]) for t, value in wanted.items())


def still_stands(desk: Desk, effect: EffectRow) -> bool:
    """Is the device still as this effect left it."""
    device, now = desk.house.get(effect.call.device), desk.house.state.of(effect.call.device)
    traits = device.traits if device else {}
    return all(trait not in traits or traits[trait].matches(value, now.get(trait)) for trait, value in effect.after.items())


async def _undo(desk: Desk, row: EventRow, plan: Plan, steer: Steer) -> None:
    source = row.event.source
    effects = await desk.store.read(lambda db: ledger.last_act(db, source.person))
    changed = [effect for effect in effects if changed_anything(desk, effect)]
    pairs = [(effect, back) for effect in changed if (back := reverse(desk, effect)) is not None]
    if not pairs:
        await _say(desk, row, plan, desk.words("undo_cannot" if changed else "undo_nothing", source))
        return
    calls = tuple(back for _, back in pairs)
    plan = replace(plan, calls=calls, say="", order=Order.NONE)
    moved = [effect for effect, _ in pairs if not still_stands(desk, effect)]
    if moved:
        device = desk.house.get(moved[0].call.device)
        words = desk.words("undo_moved", source, name=device.name if device else "")
        choices = (Choice(desk.words("yes_word", source), calls), Choice(desk.words("no_word", source), ()))
        plan = replace(plan, say=words, choices=choices, calls=())
    await work_on(desk, row, plan, steer, origin=Origin.UNDO, undoes=[effect.id for effect, _ in pairs])


# Explain: from the ledger, never from a story


async def _explain(desk: Desk, source: Source) -> str:
    effects = await desk.store.read(lambda db: ledger.last_tried(db, source.person))
    if not effects:
        return desk.words("explain_nothing", source)
    asked = await desk.store.read(lambda db: inbox.get(db, effects[0].event))
    at = local(effects[0].at, desk.zone).strftime("%H:%M")
    said, key = asked.event.text.strip(), "explain"
    if not said and (found := await desk.store.read(lambda db: appointments.of_event(db, asked.id))):
        said, key = found[0].due.said, "explain_due"  # nobody said it now: it was agreed to before
    return desk.words(key, source, time=at, said=said[:200], did=report(desk, effects, source))


# Stop: what is under way in this conversation


async def _stop(desk: Desk, row: EventRow, plan: Plan, steer: Steer) -> None:
    """A ringing timer first; else what moves is halted, through the gate, and that overtakes what was under way; else what
    was just kept for later is dropped."""
    source = row.event.source
    quiet = await appointed.silence(desk, source)
    if quiet:
        more = desk.words("still_moving", source) if desk.mine_under_way(source) else ""
        await _say(desk, row, plan, " ".join(part for part in (quiet, more) if part))
        return
    moving = dict.fromkeys(effect.call.device for effect in desk.mine_under_way(source))
    halts = [
        Call("do", device.id, {"verb": "stop"}) for device in map(desk.house.get, moving) if device and "stop" in device.verbs
    ]
    calls = halts or list(plan.calls) or ([] if steer.halted else await appointed.drop_last(desk, source))
    nothing = "left_it" if steer.halted else "nothing_to_stop"
    await _say(desk, row, plan, plan.say or ("" if calls else desk.words(nothing, source)), calls)


# The switches of the first week

SWITCHES = {
    Order.HANDS_OFF: ("hands_off", True),
    Order.HANDS_ON: ("hands_off", False),
    Order.REHEARSE: ("rehearse", True),
    Order.PERFORM: ("rehearse", False),
}


async def _switch(desk: Desk, row: EventRow, plan: Plan) -> None:
    """Anybody of the house may stop the hands; only an owner lets them go again."""
    name, on = SWITCHES[plan.order]
    source = row.event.source
    allowed = source.authority is Role.OWNER or (on and source.authority.rank >= Role.ADULT.rank)
    if not allowed:
        await _say(desk, row, plan, desk.words("owner_only", source))
        return
    modes: Modes = replace(desk.modes, **{name: on})
    await desk.set_modes(modes)
    await _say(desk, row, plan, desk.words(plan.order.value, source))
