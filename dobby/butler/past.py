"""What was, in words: from the history of every device and the ledger of what was done, never from a story.

It does not understand questions (the mind does) and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dobby.butler.appointed import span
from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Call, EffectState, EventKind, Source, Value
from dobby.house.history import Past as Turned
from dobby.house.model import Device
from dobby.journal import appointments, inbox, ledger
from dobby.mind.plain.speech import Speech
from dobby.mind.plan import FIGURES, Past, Plan, passes

LOOKED = 400  # turns of one trait that are looked at
SPELLS = 3  # stretches that are told


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question by one person, and how they are spoken to."""

    desk: Desk
    source: Source
    past: Past
    device: Device
    speech: Speech

    def state(self, value: Value) -> str:
        return self.speech.state(self.device, self.past.trait, value)

    def say(self, key: str, **facts: object) -> str:
        return self.speech.say(key, name=self.device.name, **facts)

    def clock(self, at: float) -> str:
        zone = self.desk.zone
        return self.speech.moment(local(at, zone), local(self.desk.clock.now(), zone))

    def span(self, seconds: float) -> str:
        return span(self.desk, seconds, self.source)


async def answer(desk: Desk, plan: Plan, source: Source) -> Plan:
    """The plan with its answer, and nothing else in it: words, or the call that will give them."""
    speech = Speech(plan.language or desk.language_of(source), desk.units_of(source))
    figures = [past for past in plan.past if past.kind in FIGURES]
    if figures:
        call = _figures(figures, speech.language)
        known = call.tool in desk.levels
        return replace(plan, calls=(call,) if known else (), past=(), say="" if known else speech.say("no_figures"))
    told = []
    for past in plan.past:
        device = desk.house.get(past.device)
        if device is not None:
            told.append(await _answer(_Asking(desk, source, past, device, speech)))
    return replace(plan, say=" ".join(told), past=())


def _figures(rows: Sequence[Past], language: str) -> Call:
    """Amounts and pictures are a skill's; it is told of which traits, and from when to when."""
    what: list[Value] = [[past.device, past.trait] for past in rows if past.device]
    span: dict[str, Value] = {"since": rows[0].since, "until": rows[0].until}
    return Call(f"history.{rows[0].kind}", "", {"what": what, "language": language, **span})


async def _answer(ask: _Asking) -> str:
    turns = await _turns(ask)
    if ask.past.kind == "since":
        return _since(ask)
    if ask.past.kind == "ever":
        return _ever(ask, turns)
    last = next((turn for turn in turns if _fits(ask.past, turn.value) and _within(ask.past, turn.at)), None)
    if last is None:
        known = ask.desk.house.state.of(ask.device.id).get(ask.past.trait)
        return ask.say("past_never", state="?" if known is None else ask.state(known))
    key = "past_who" if ask.past.kind == "who" else "past_when"
    return ask.say(key, state=ask.state(last.value), time=ask.clock(last.at), by=await _by(ask, last.cause))


def _fits(past: Past, value: Value) -> bool:
    return past.wanted is None or passes(past.wanted, value) is True


def _within(past: Past, at: float) -> bool:
    return not past.since or past.since <= at <= past.until


async def _turns(ask: _Asking) -> list[Turned]:
    """Newest first: what the history has, else what was done through us."""
    if ask.desk.history is not None:
        await ask.desk.history.flush(all_=True)
        return list(await ask.desk.history.last(ask.device.id, ask.past.trait, LOOKED))
    effects = await ask.desk.store.read(lambda db: ledger.latest(db, LOOKED, ask.device.id))
    trait = ask.past.trait
    return [
        Turned(ask.device.id, trait, effect.after[trait], effect.at, f"effect:{effect.id}")
        for effect in effects
        if effect.state is EffectState.DONE and trait in effect.after and effect.after[trait] != effect.before.get(trait)
    ]


async def _by(ask: _Asking, cause: str) -> str:
    """Whose doing it was: a person's through us, a routine's, or nobody's of ours."""
    if not cause.startswith("effect:"):
        return ask.say("past_by_hand")
    desk, number = ask.desk, int(cause.partition(":")[2])
    rows = await desk.store.read(lambda db: ledger.by_id(db, [number]))
    if not rows:
        return ask.say("past_by_me")
    event = await desk.store.read(lambda db: inbox.get(db, rows[0].event))
    person = desk.people.get(event.event.source.person)
    who = person.name if person else "?"
    if event.event.kind is EventKind.DUE:
        due = await desk.store.read(lambda db: appointments.of_event(db, event.id))
        return ask.say("past_by_routine", who=who, said=due[0].due.said.rstrip(".") if due else "")
    return ask.say("past_by_you" if event.event.source.person == ask.source.person else "past_by_person", who=who)


def _since(ask: _Asking) -> str:
    """Since when it is as it is now; where it never turned, at least how long that is known."""
    state, now = ask.desk.house.state, ask.desk.clock.now()
    reading = state.reading(ask.device.id, ask.past.trait)
    if reading is None:
        return ask.speech.say("unknown_value", name=ask.device.name)
    facts = {"state": ask.state(reading.value), "time": ask.clock(reading.since), "span": ask.span(now - reading.since)}
    return ask.say("past_since" if reading.turned else "past_since_least", **facts)


def _ever(ask: _Asking, turns: Sequence[Turned]) -> str:
    """The stretches in which it was so, as far as is known."""
    past, spells = ask.past, []
    reading = ask.desk.house.state.reading(past.device, past.trait)
    rows = list(turns)
    if reading is not None and (not rows or rows[0].at < reading.since):
        rows.insert(0, Turned(past.device, past.trait, reading.value, reading.since))
    end = ask.desk.clock.now()
    for turn in rows:
        start, stop = max(turn.at, past.since), min(end, past.until)
        if _fits(past, turn.value) and start <= stop:
            spells.append((start, stop, turn.value))
        end = turn.at
    wanted = spells[-1][2] if spells else None
    if not spells:
        return ask.say("past_ever_no")
    now = ask.desk.clock.now()
    told = [
        ask.say("past_spell_on" if stop >= now else "past_spell", start=ask.clock(start), stop=ask.clock(stop))
        for start, stop, _ in spells[:SPELLS][::-1]
    ]
    return ask.say("past_ever", state=ask.state(wanted), spells=ask.speech.names(told))


def may_ask(source: Source) -> bool:
    """Who did what and when is for the people of the house, not for guests."""
    return source.authority.rank > 1
