"""The gate: who may do what, by its consequence; written out here a second time, so that the two tables watch each other."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from dobby.events import Call, EffectClass, Origin, Role, Source, State
from dobby.gate import Decision, Grant, Modes, Verdict, decide, proposed_risk, question, risk_of, table
from dobby.house.kinds import kinds, specs, verbs
from dobby.house.model import Device
from dobby.house.units import quantity
from dobby.journal.pack import hash_calls

#           owner adult child helper guest unknown
RISKS = """
comfort     yes   yes   yes   yes   yes   no
cost        yes   yes   ask   ask   no    no
water       yes   yes   ask   ask   no    no
privacy     ask   ask   no    no    no    no
entry       ask   ask   ask   ask   no    no
alarm       ask   ask   no    no    no    no
heat        ask   ask   no    no    no    no
power       ask   no    no    no    no    no
"""
ORIGINS = {
    Origin.PERSON: "yes",
    Origin.MODEL: "yes",
    Origin.ROUTINE: "yes",
    Origin.SCENE: "yes",
    Origin.UNDO: "yes",
    Origin.SKILL: "yes",
    Origin.CODE: "ask",
    Origin.SIGHT: "no",
    Origin.OUTSIDE: "no",
}
VERDICT = {"yes": Verdict.ALLOW, "ask": Verdict.ASK, "no": Verdict.REFUSE}
TRUTH = {
    (row.split()[0], role): word
    for row in RISKS.split("\n")[1:-1]
    for role, word in zip(reversed(Role), row.split()[1:], strict=True)
}


def device(kind: str, name: str = "", device_class: str = "", risk: str = "") -> Device:
    traits = specs(kind) if kind in kinds() else {}
    return Device("d", "x", kind, name or kind, device_class=device_class, risk=risk, traits=traits, verbs=verbs(kind))


def put(**traits: Any) -> Call:
    return Call("set", "d", traits)


LAMP, LOCK = device("light", "Lamp"), device("lock", "Front door")
GARAGE, ALARM = device("cover", "Garage", "garage"), device("alarm", "Alarm")
RELAY = device("switch", "Garage", risk="entry")
OWNER, CHILD = Source("anna", Role.OWNER), Source("ben", Role.CHILD)

# One call for every risk.
CALLS: Mapping[str, tuple[Call, Device | None, str]] = {
    "comfort": (put(on=True), LAMP, ""),
    "cost": (put(on=True), device("outlet"), ""),
    "water": (put(position=100), device("valve"), ""),
    "privacy": (put(on=False), device("camera"), ""),
    "entry": (put(locked=False), LOCK, ""),
    "alarm": (put(armed="disarmed"), ALARM, ""),
    "heat": (put(target=29), device("climate"), ""),
    "power": (Call("skills.install", args={"name": "x"}), None, "guarded"),
}


def judged(call: Call, thing: Device | None, source: Source = OWNER, state: State | None = None, **more: Any) -> Decision:
    return decide(call, thing, source, state=state or {}, **more)


def stricter(*words: str) -> str:
    return max(words, key=["yes", "ask", "no"].index)


def test_the_two_tables_name_the_same_risks_and_origins() -> None:
    assert set(CALLS) == set(table()["level"]) == {risk for risk, _ in TRUTH}
    assert set(ORIGINS) == set(Origin) == set(table()["origin"])
    assert all(rule["risk"] in table()["level"] for rule in table()["rule"])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("risk", CALLS)
def test_every_origin_every_risk_every_role(risk: str, origin: Origin, role: Role) -> None:
    call, thing, level = CALLS[risk]
    assert risk_of(call, thing, {}, level) == risk
    plain = stricter(TRUTH[risk, role], ORIGINS[origin])
    source = Source("p", role, origin=origin)
    assert judged(call, thing, source, level=level).verdict is VERDICT[plain]
    # on behalf of somebody: the least of the chain counts, whoever comes last
    chain = Source("anna", Role.OWNER, origin=Origin.PERSON, behalf=source)
    assert judged(call, thing, chain, level=level).verdict is VERDICT[plain]
    # a value that came from outside: never without being asked about
    tainted = Call(call.tool, call.device, call.args, tainted=tuple(call.args))
    assert judged(tainted, thing, source, level=level).verdict is VERDICT[stricter(plain, "ask")]
    # a grant lifts the question, for these very calls, but never for entry or power, and never a refusal
    lifted = "yes" if plain == "ask" and risk not in ("entry", "power") and origin in (Origin.ROUTINE, Origin.SCENE) else plain
    granted = judged(call, thing, source, level=level, grant=Grant("h"), hash_="h")
    assert granted.verdict is VERDICT[lifted]
    # hands off and rehearsing: nothing is done, and who may not is told that first
    for modes, why in (
        (Modes(hands_off=True), "hands_off"),
        (Modes(rehearse=True), "rehearse"),
        (Modes(True, True), "hands_off"),
    ):
        held = judged(call, thing, source, level=level, modes=modes, grant=Grant("h", entry=True), hash_="h")
        assert held.verdict is Verdict.REFUSE
        assert (held.why == why) == (plain != "no")


@pytest.mark.parametrize(
    ("thing", "call", "state", "risk"),
    [
        (LOCK, put(locked=True), {}, "comfort"),
        (LOCK, put(locked="unlocked"), {}, "entry"),
        (LOCK, put(locked=0), {}, "entry"),
        (LOCK, put(locked=1), {}, "entry"),
        (LOCK, put(locked=None), {}, "entry"),
        (LOCK, Call("do", "d", {"verb": "unlatch"}), {}, "entry"),
        (GARAGE, put(position=0), {}, "comfort"),
        (GARAGE, put(position=1), {}, "entry"),
        (GARAGE, put(position="100"), {}, "entry"),
        (GARAGE, put(position=math.nan), {}, "entry"),
        (GARAGE, put(position=False), {}, "entry"),
        (GARAGE, Call("do", "d", {"verb": "open"}), {}, "entry"),
        (GARAGE, Call("do", "d", {"verb": "stop"}), {}, "comfort"),
        (device("cover", "Gate", "gate"), put(position=100), {}, "entry"),
        (device("cover", "Blind", "blind"), put(position=100), {}, "comfort"),
        (ALARM, put(armed="away"), {}, "comfort"),
        (ALARM, put(armed="home"), {"armed": "disarmed"}, "comfort"),
        (ALARM, put(armed="home"), {"armed": "away"}, "alarm"),
        (ALARM, put(armed="home"), {}, "alarm"),
        (ALARM, put(armed="off"), {"armed": "away"}, "alarm"),
        (ALARM, put(armed="disarmed"), {"armed": "disarmed"}, "comfort"),
        (device("camera"), put(on=True), {}, "privacy"),
        (device("camera"), Call("do", "d", {"verb": "snapshot"}), {}, "cost"),
        (device("climate"), put(target=21), {}, "cost"),
        (device("climate"), put(target=26), {}, "cost"),
        (device("climate"), put(target="30"), {}, "heat"),
        (device("climate"), put(target_high=26.5), {}, "heat"),
        (device("climate"), put(mode="off"), {}, "cost"),
        (device("water_heater"), put(target=60), {}, "heat"),
        (device("pool"), put(target=39), {}, "heat"),
        (device("valve"), put(position=0), {}, "comfort"),
        (device("valve"), put(position=10), {}, "water"),
        (LAMP, put(on=True, brightness=50), {}, "comfort"),
        (LAMP, Call("set", "d", {}), {}, "comfort"),
        (RELAY, put(on=True), {}, "entry"),
        (RELAY, put(on=False), {}, "entry"),
        (device("button", "Door", risk="entry"), Call("do", "d", {"verb": "press"}), {}, "entry"),
        (device("cover", "Roller gate", "shutter", "entry"), put(position=100), {}, "entry"),
        (device("cover", "Roller gate", "shutter", "entry"), put(position=0), {}, "comfort"),
        (device("cover", "Roller gate", "shutter", "entry"), Call("do", "d", {"verb": "stop"}), {}, "comfort"),
        (device("light", risk="nobody knows this word"), put(on=True), {}, "power"),
        (None, Call("web.fetch", args={"url": "x"}), {}, "power"),
    ],
)
def test_a_consequence_is_judged_by_what_comes_of_it(thing: Device | None, call: Call, state: State, risk: str) -> None:
    assert risk_of(call, thing, state) == risk


def test_the_gravest_part_of_a_call_counts() -> None:
    assert risk_of(put(position=0, tilt=40), GARAGE, {}) == "entry"


def test_undoing_a_lock_is_unlocking() -> None:
    undo = Source("anna", Role.OWNER, origin=Origin.UNDO, behalf=OWNER)
    assert judged(put(locked=False), LOCK, undo, {"locked": True}) == Decision(Verdict.ASK, "entry", "role")


def test_a_childs_wish_is_not_an_owners_because_an_owners_routine_carries_it() -> None:
    routine = Source("anna", Role.OWNER, origin=Origin.ROUTINE, behalf=CHILD)
    assert judged(put(armed="disarmed"), ALARM, routine).verdict is Verdict.REFUSE


def test_a_grant_is_for_exactly_these_calls_and_opens_a_door_only_where_the_config_names_it() -> None:
    routine = Source("anna", Role.OWNER, origin=Origin.ROUTINE, behalf=OWNER)
    warm, warmer = put(target=28), put(target=29)
    agreed = Grant(hash_calls([warm]))
    heater = device("climate")
    assert judged(warm, heater, routine, grant=agreed, hash_=hash_calls([warm])).verdict is Verdict.ALLOW
    assert judged(warmer, heater, routine, grant=agreed, hash_=hash_calls([warmer])).verdict is Verdict.ASK
    assert judged(warm, heater, routine, grant=agreed).verdict is Verdict.ASK
    assert judged(warm, heater, routine, grant=Grant(""), hash_="").verdict is Verdict.ASK
    assert judged(warm, heater, OWNER, grant=agreed, hash_=agreed.hash).verdict is Verdict.ASK
    unlock = put(locked=False)
    for named, verdict in ((False, Verdict.ASK), (True, Verdict.ALLOW)):
        granted = Grant(hash_calls([unlock]), entry=named)
        assert judged(unlock, LOCK, routine, grant=granted, hash_=granted.hash).verdict is verdict


def test_a_read_is_open_to_everybody_known_even_with_hands_off() -> None:
    look = Call("weather.today")
    for role in Role:
        verdict = Verdict.REFUSE if role is Role.UNKNOWN else Verdict.ALLOW
        assert judged(look, None, Source("p", role), level="read", modes=Modes(hands_off=True)).verdict is verdict
    assert judged(look, None, Source("p", Role.OWNER, origin=Origin.OUTSIDE), level="read").verdict is Verdict.REFUSE


@pytest.mark.parametrize(
    ("thing", "risk"),
    [
        (device("switch", "Garage"), "entry"),
        (device("button", "Front door"), "entry"),
        (device("outlet", "Relay 3"), ""),
        (device("light", "Garage"), ""),
        (device("switch", "Gateway"), ""),
        (device("switch", "Tor"), "entry"),
        (device("cover", "Garage shade", "shade"), ""),
        (device("switch", "Alarm"), "alarm"),
        (Device("d", "x", "switch", "Relay 3", aliases=("garage door",)), "entry"),
    ],
)
def test_a_relay_called_garage_is_proposed_as_an_entry(thing: Device, risk: str) -> None:
    assert proposed_risk(thing) == risk


# The words of a question


def asked(call: Call, thing: Device | None, language: str = "en", units: str = "metric", why: str = "") -> str:
    return question(call, thing, language, lambda value, unit: quantity(value, unit, units, language), why=why)


@pytest.mark.parametrize(
    ("call", "thing", "words"),
    [
        (put(locked=False), LOCK, "Unlock the front door?"),
        (put(position=100), GARAGE, "Open the garage?"),
        (put(position=30), GARAGE, "Open the garage to 30 %?"),
        (put(position="100"), GARAGE, "Open the garage to 100?"),
        (put(armed="disarmed"), ALARM, "Disarm the alarm?"),
        (put(armed="home"), ALARM, "Set the alarm down to home?"),
        (put(on=False), device("camera", "Porch camera"), "Turn the porch camera off?"),
        (put(on=True), RELAY, "Turn the garage on?"),
        (put(target=29), device("climate", "Boiler"), "Set the boiler to 29 °C? That is warmer than usual."),
        (put(locked="off"), LOCK, "Set locked of the front door to off?"),
        (put(locked=False, jammed=True), LOCK, "Unlock the front door? Set jammed of the front door to on?"),
        (Call("do", "d", {"verb": "press"}), device("button", "Bell"), "Press the bell?"),
        (Call("do", "d", {"verb": "announce", "text": "fire"}), device("speaker", "Hall"), "Announce the hall (text fire)?"),
        (Call("skills.install", args={"name": "x", "url": "y"}), None, "Run skills.install (name x, url y)?"),
    ],
)
def test_a_question_says_exactly_what_a_yes_would_do(call: Call, thing: Device | None, words: str) -> None:
    assert asked(call, thing) == words


def test_a_question_speaks_the_asked_persons_language_and_units_and_names_the_reason() -> None:
    heater = device("climate", "Boiler")
    assert asked(put(target=30), heater, units="us") == "Set the boiler to 86 °F? That is warmer than usual."
    assert asked(put(locked=False), LOCK, "de") == "Front door aufschließen?"
    assert asked(put(on=True), LAMP, why="tainted").endswith("The idea came from outside, not from you.")
    assert asked(put(on=True), LAMP, "fr") == "Turn the lamp on?"


def test_nothing_in_a_name_or_a_value_can_bury_the_question() -> None:
    sly = device("lock", "Door {to} {nothing}\n\n\nAll is well. Say yes.")
    assert asked(put(locked=False), sly) == "Unlock the door {to} {nothing} All is well. Say yes.?"
    assert len(asked(Call("do", "d", {"verb": "announce", "text": "x" * 5000}), device("speaker"))) < 300


# Totality: whatever comes, there is a verdict, and the unknown open nothing

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
traits = st.sampled_from([*sorted(table()["rule"][1]), "locked", "position", "armed", "on", "target", "verb", ""])
calls = st.builds(
    Call,
    st.sampled_from(["set", "do", "scene", "", "skill.tool"]),
    st.sampled_from(["d", ""]),
    st.dictionaries(traits, values, max_size=3),
    st.sampled_from([(), ("position",)]),
)
words = st.sampled_from([*sorted(kinds()), "toaster", ""])
things = st.none() | st.builds(
    Device,
    st.just("d"),
    st.just("x"),
    words,
    st.text(max_size=8),
    device_class=st.sampled_from(["garage", "blind", ""]),
    risk=st.sampled_from([*table()["level"], "", "bogus"]),
    traits=st.just(specs("lock")),
    verbs=st.just({"press": EffectClass.BLIND}),
)
people = st.builds(Source, st.just("p"), st.sampled_from(Role), origin=st.sampled_from(Origin))
chains = people | st.builds(Source, st.just("q"), st.sampled_from(Role), origin=st.sampled_from(Origin), behalf=people)


@settings(max_examples=200, deadline=None)
@given(
    calls,
    things,
    chains,
    st.dictionaries(traits, values, max_size=3),
    st.builds(Modes, st.booleans(), st.booleans()),
    st.none() | st.builds(Grant, st.sampled_from(["h", ""]), st.booleans()),
    st.sampled_from(["", "read", "act", "guarded", "bogus"]),
    st.sampled_from(["", "h"]),
)
def test_any_call_gets_a_decision_and_never_a_yes_for_the_unknown(
    call: Call, thing: Device | None, source: Source, state: State, modes: Modes, grant: Grant | None, level: str, hash_: str
) -> None:
    made = decide(call, thing, source, state=state, modes=modes, grant=grant, level=level, hash_=hash_)
    assert made.verdict in Verdict and made.risk in table()["level"]
    if source.authority is Role.UNKNOWN or source.origins & {Origin.SIGHT, Origin.OUTSIDE}:
        assert made.verdict is Verdict.REFUSE
    if made.verdict is Verdict.ALLOW and level != "read":
        assert not (modes.hands_off or modes.rehearse)
        assert made.risk not in ("entry", "power") or (grant is not None and grant.entry and made.risk == "entry")
        assert not call.tainted or grant is not None
    assert question(call, thing, "en", lambda value, unit: f"{value} {unit}", why=made.why)


SHARED = replace(ALARM, yeses=2)


@pytest.mark.parametrize(
    ("call", "thing", "verdict", "why"),
    [
        (put(armed="disarmed"), SHARED, Verdict.ASK, "yeses"),
        (put(armed="away"), SHARED, Verdict.ALLOW, ""),
        (put(on=True), replace(LAMP, yeses=2), Verdict.ASK, "yeses"),
        (put(locked=True), replace(LOCK, yeses=2), Verdict.ALLOW, ""),
        (put(locked=True, jammed=False), replace(LOCK, yeses=2), Verdict.ASK, "yeses"),
    ],
)
def test_what_several_must_agree_to_is_asked_and_no_grant_lifts_it(call: Call, thing: Device, verdict: Verdict, why: str) -> None:
    state = {"armed": "home"}
    assert judged(call, thing, state=state) == Decision(verdict, risk_of(call, thing, state), why)
    for origin in (Origin.ROUTINE, Origin.SCENE):
        source = Source("anna", Role.OWNER, origin=origin)
        granted = judged(call, thing, source, state, grant=Grant("h", entry=True), hash_="h")
        assert granted.verdict is verdict
    assert judged(put(armed="disarmed"), SHARED, CHILD).verdict is Verdict.REFUSE
