"""Outcomes in words: one short message that says what is true, made from ledger rows and read-back only.

It does not know what was asked or why.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dobby.events import EffectState, Value
from dobby.house.model import Device
from dobby.journal.pack import LIST, PERSON, SCHEDULE, TEACH
from dobby.mind.plain.speech import Speech, called, fill, upper
from dobby.mind.plan import Outcome

_MANY = 4
_LATER = (SCHEDULE, "appointment", LIST, TEACH, PERSON)


class _Key(NamedTuple):
    """Outcomes that are told in one sentence."""

    how: str
    state: str
    trait: str
    value: str
    why: str


def report(outcomes: Sequence[Outcome], speech: Speech) -> str:
    """One message about these outcomes, grouped, in the order they happened."""
    said = [str(outcome.after["says"]) for outcome in outcomes if outcome.after.get("says")]
    outcomes = [outcome for outcome in outcomes if not outcome.after.get("says")]
    later = [_later(outcome, speech) for outcome in outcomes if outcome.call.tool in _LATER]
    outcomes = [outcome for outcome in outcomes if outcome.call.tool not in _LATER]
    groups: dict[_Key, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(_key(outcome, speech), []).append(outcome)
    changed = any(key.how == "done" for key in groups)
    rest = [outcome for key, group in groups.items() if key.how == "already" for outcome in group]
    if changed and len(rest) > 2:
        groups = {key: group for key, group in groups.items() if key.how != "already"}
    told = [upper(_sentence(key, group, speech)) for key, group in _items_together(groups, speech).items()]
    if changed and len(rest) > 2:
        told.append(fill(speech.table["report"]["already_rest"], {"count": len(rest)}))
    return " ".join(dict.fromkeys((*said, *told, *later)))


def _items_together(groups: Mapping[_Key, list[Outcome]], speech: Speech) -> dict[_Key, list[Outcome]]:
    """Items that go to the same list, or come off it, are told in one breath."""
    rows: dict[tuple[object, ...], list[_Key]] = {}
    for key, group in groups.items():
        item = key.how == "did" and "item" in group[0].call.args
        rows.setdefault((key.state, group[0].call.device) if item else (key,), []).append(key)
    return {
        keys[0]._replace(value=speech.names(key.value for key in keys)) if len(keys) > 1 else keys[0]: groups[keys[0]]
        for keys in rows.values()
    }


def _later(outcome: Outcome, speech: Speech) -> str:
    """An appointment that was kept, paused or dropped."""
    args = outcome.call.args
    said, to = str(args.get("said", "")), str(args.get("to", args.get("kind", "")))
    if outcome.state is EffectState.DONE:
        return speech.say(f"later_{to}", said=said)
    if outcome.why == "rehearse":
        return speech.say("would_do", what=said.rstrip("."))
    return f"{'' if outcome.call.tool == PERSON else said} {_why(outcome, speech)}".strip()


def _key(outcome: Outcome, speech: Speech) -> _Key:
    verb = outcome.call.args.get("verb") if outcome.call.tool == "do" else None
    trait, value = _told(outcome)
    how = _how(outcome, verb)
    if verb is not None:
        args = outcome.call.args
        what = outcome.after.get("plays") or args.get("what") or args.get("item") or args.get("room") or _seen(outcome, speech)
        return _Key(how, str(verb), "", str(what), _why(outcome, speech))
    device = outcome.device
    shown = speech.value(device, trait, value) if device else str(value)
    return _Key(how, ", ".join(_states(outcome, speech)), f"{trait}={_plain(value)}", shown, _why(outcome, speech))


def _how(outcome: Outcome, verb: object) -> str:
    if outcome.state is EffectState.DONE:
        return "echoed" if outcome.echoed else "did" if verb is not None else "already" if _was_so(outcome) else "done"
    return "would" if outcome.why == "rehearse" else outcome.state.value


def _why(outcome: Outcome, speech: Speech) -> str:
    """A reason of ours in the person's language; a driver's own words stay as they are."""
    return "" if outcome.why == "rehearse" else str(speech.table["why"].get(outcome.why, outcome.why))


def _told(outcome: Outcome) -> tuple[str, Value]:
    """The trait that is spoken of, as it now is where that is known."""
    traits = {trait: value for trait, value in outcome.call.args.items() if trait != "verb"}
    seen = outcome.after if outcome.state is EffectState.DONE and not outcome.echoed else {}
    trait = next(iter(traits), "")
    return trait, seen.get(trait, traits.get(trait))


def _states(outcome: Outcome, speech: Speech) -> list[str]:
    seen, device = outcome.after if outcome.state is EffectState.DONE and not outcome.echoed else {}, outcome.device
    return [speech.state(device, trait, seen.get(trait, value)) for trait, value in outcome.call.args.items() if device]


def _seen(outcome: Outcome, speech: Speech) -> str:
    """What a camera shows, in words; "" where nobody looked."""
    found: Any = outcome.after.get("sees") or ()
    counts = {kind: found.count(kind) for kind in found}
    return speech.names(fill(speech.table["sees"][f"{kind}_many" if n > 1 else kind], {"count": n}) for kind, n in counts.items())


def _was_so(outcome: Outcome) -> bool:
    device = outcome.device
    return device is not None and all(
        trait in outcome.before and trait in device.traits and device.traits[trait].already(value, outcome.before[trait])
        for trait, value in outcome.call.args.items()
    )


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _sentence(key: _Key, group: Sequence[Outcome], speech: Speech) -> str:
    table = speech.table
    devices = [outcome.device for outcome in group if outcome.device]
    facts: dict[str, object] = {
        "names": speech.names(called(devices)) or str(group[0].call.tool),
        "state": key.state,
        "value": key.value,
        "what": key.value,
        "why": f" {key.why}" if key.why and key.how != "failed" else key.why,
        "be": table["report"]["one" if len(devices) == 1 and not plural(devices[0]) else "many"],
        "where": speech.within([key.value]) if key.state == "clean" and key.value else "",
    }
    if key.how == "would":
        done = _sentence(key._replace(how="done" if key.trait else "did"), group, speech)
        return speech.say("would_do", what=done.rstrip("."))
    if key.how == "did":
        row, named = table["did"], key.state if key.value else f"{key.state}_none"
        return fill(row.get(named) or row.get(key.state) or row["any"], facts)
    if key.how == "intended":
        row = table["doing"]
        words = row.get(key.trait) or row.get(key.trait.partition("=")[0] or (key.value and key.state)) or row["any"]
        return fill(words, facts | {"names": _the(facts["names"], table["report"]["the"], devices)})
    if key.how == "done" and len(devices) > 1:
        return _done_many(devices, facts, speech)
    if key.how == "failed" and not key.why:
        return fill(table["report"]["failed_plain"], facts)
    if key.how == "unknown" and not key.trait:
        return fill(table["report"]["unknown_did"], facts)
    return fill(table["report"].get(key.how) or table["report"]["refused"], facts)


def _done_many(devices: Sequence[Device], facts: dict[str, object], speech: Speech) -> str:
    words = speech.table["report"]
    rooms, kinds = {device.room for device in devices}, {speech.kind(device) for device in devices}
    if len(kinds) == 1 and len(devices) >= _MANY - 1 and len(rooms) == 1 and devices[0].room:
        return fill(words["done_room"], facts | {"count": len(devices), "kind": kinds.pop(), "room": rooms.pop().lower()})
    if len(kinds) == 1 and len(devices) > _MANY:
        return fill(words["done_count"], facts | {"count": len(devices), "kind": kinds.pop()})
    return fill(words["done_many"], facts)


def _the(names: object, article: str, devices: Sequence[Device]) -> str:
    text = str(names)
    plain = len(devices) == 1 and text[1:].islower()
    return f"{article}{text[0].lower()}{text[1:]}" if article and plain else text


def plural(device: Device) -> bool:
    """The name is a plural, as far as its ending tells: `Bedroom Blinds`, not `Office Sonos`."""
    name = device.name.casefold().rstrip()
    return name.endswith("s") and not name.endswith(("ss", "os", "us", "is", "links", "rechts"))
