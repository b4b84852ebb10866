"""The journal: rows move only along their states, a key is unique for ever, the outbox never goes back.

The last test plays rows at random against a model written independently of the tables in the code.
"""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from dobby import journal
from dobby.errors import IllegalMove
from dobby.events import (
    Attachment,
    Call,
    EffectClass,
    EffectState,
    Event,
    EventKind,
    EventState,
    Location,
    Origin,
    OutboxState,
    Reply,
    Role,
    Source,
)
from dobby.house.kinds import specs, verbs
from dobby.house.model import Device, Room
from dobby.journal import household, inbox, ledger, outbox, questions
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import hash_calls
from dobby.journal.questions import Question

ANNA = Source("anna", Role.OWNER, "web", "anna")
OFF = Call("set", "lamp", {"on": False})

EVENT = {
    "received": {"working", "waiting", "done", "refused", "failed", "parked"},
    "working": {"working", "waiting", "done", "refused", "failed", "parked"},
    "waiting": {"done", "refused", "failed"},
}
EFFECT = {"asked": {"refused", "intended"}, "intended": {"done", "failed", "unknown", "refused"}}
OUTBOX = {
    "owed": {"sending", "sent", "delivered", "read", "failed", "unknown"},
    "sending": {"sent", "delivered", "read", "failed", "unknown"},
    "sent": {"delivered", "read", "failed"},
    "delivered": {"read"},
    "unknown": {"delivered", "read", "failed"},  # news at last
}


@pytest.fixture
def db() -> sqlite3.Connection:
    return fresh()


def fresh() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA foreign_keys=ON")
    for script in journal.MIGRATIONS:
        db.executescript(script)
    return db


def text(key: str, words: str = "lamp off") -> Event:
    return Event(key, ANNA, text=words, received=1.0)


def effect(event: int, state: EffectState = EffectState.INTENDED, call: Call = OFF) -> EffectRow:
    return EffectRow(0, event, call, EffectClass.IDEMPOTENT, "comfort", state, {"on": True}, at=1.0)


def test_the_same_key_is_one_event_for_ever(db: sqlite3.Connection) -> None:
    number, new = inbox.receive(db, text("web:1"))
    inbox.move(db, number, EventState.DONE, at=2.0)
    assert new and inbox.receive(db, text("web:1", "something else")) == (number, False)
    assert inbox.get(db, number).event.text == "lamp off"
    assert len(outbox.conversation(db, "web/anna")) == 1


def test_an_event_comes_back_as_it_went_in(db: sqlite3.Connection) -> None:
    chain = Source("anna", Role.OWNER, "web", "anna", Origin.ROUTINE, behalf=Source("ben", Role.CHILD, "web", "ben"), grant="7")
    event = Event(
        "web:1",
        chain,
        EventKind.VOICE,
        "ünïcode 🏠",
        (Attachment("a.ogg", "audio/ogg", 12, "a"),),
        Location(52.5, 13.4, 10),
        "web:0",
        "👍",
        ("text",),
        3.5,
        4.5,
    )
    number, _ = inbox.receive(db, event)
    assert inbox.get(db, number).event == event
    assert inbox.get(db, number).event.source.authority is Role.CHILD


@pytest.mark.parametrize("start", EventState)
@pytest.mark.parametrize("to", [state for state in EventState if state is not EventState.RECEIVED])
def test_events_move_along_their_states_only(db: sqlite3.Connection, start: EventState, to: EventState) -> None:
    number, _ = inbox.receive(db, text("web:1"))
    if start is not EventState.RECEIVED:
        inbox.move(db, number, start)
    if to in EVENT.get(start, ()):
        inbox.move(db, number, to)
        assert inbox.get(db, number).state is to
    else:
        with pytest.raises(IllegalMove):
            inbox.move(db, number, to)
        assert inbox.get(db, number).state is start


@pytest.mark.parametrize("start", EffectState)
@pytest.mark.parametrize("to", [state for state in EffectState if state is not EffectState.ASKED])
def test_effects_move_along_their_states_only(db: sqlite3.Connection, start: EffectState, to: EffectState) -> None:
    event, _ = inbox.receive(db, text("web:1"))
    number = ledger.write_down(db, effect(event, start))
    if to in EFFECT.get(start, ()):
        ledger.move(db, number, to)
    else:
        with pytest.raises(IllegalMove):
            ledger.move(db, number, to)
        assert ledger.by_id(db, [number])[0].state is start


@pytest.mark.parametrize("start", OutboxState)
@pytest.mark.parametrize("to", OutboxState)
def test_the_outbox_never_goes_back(db: sqlite3.Connection, start: OutboxState, to: OutboxState) -> None:
    row = outbox.owe(db, Reply("event:1", "web/anna", "Done."), None, 1.0)
    assert row is not None
    if start is not OutboxState.OWED:
        assert outbox.move(db, row.id, start, 2.0, provider="SM1")
    moved = outbox.move(db, row.id, to, 3.0)
    found = outbox.get(db, row.id)
    assert moved == (to in OUTBOX.get(start, ()))
    assert found is not None and found.state is (to if moved else start)
    assert found.provider == ("SM1" if start is not OutboxState.OWED else "")


def test_one_key_is_one_visible_message(db: sqlite3.Connection) -> None:
    assert outbox.owe(db, Reply("event:1", "web/anna", "Done."), None, 1.0) is not None
    assert outbox.owe(db, Reply("event:1", "web/anna", "Done again."), None, 1.0) is None
    assert [line.text for line in outbox.conversation(db, "web/anna")] == ["Done."]


def test_a_conversation_is_in_order_and_scrolls_both_ways(db: sqlite3.Connection) -> None:
    for number in range(6):
        event, _ = inbox.receive(db, text(f"web:{number}", f"text {number}"))
        outbox.owe(db, Reply(f"event:{event}", "web/anna", f"reply {number}"), event, 1.0)
    lines = outbox.conversation(db, "web/anna", limit=4)
    assert [line.text for line in lines] == ["text 4", "reply 4", "text 5", "reply 5"]
    assert [line.mine for line in lines] == [True, False, True, False]
    assert [line.text for line in outbox.conversation(db, "web/anna", before=lines[0].seq, limit=2)] == ["text 3", "reply 3"]
    assert [line.text for line in outbox.conversation(db, "web/anna", after=lines[2].seq)] == ["reply 5"]
    assert outbox.conversation(db, "web/ben") == []


def test_the_ledger_knows_the_last_act_and_what_was_tried_since(db: sqlite3.Connection) -> None:
    first, _ = inbox.receive(db, text("web:1"))
    done = ledger.write_down(db, effect(first))
    ledger.close(db, done, EffectState.DONE, after={"on": False}, echoed=True, why="", at=2.0)
    second, _ = inbox.receive(db, text("web:2"))
    ledger.write_down(db, effect(second, EffectState.REFUSED))
    assert [row.id for row in ledger.last_act(db, "anna")] == [done]
    assert [row.state for row in ledger.last_tried(db, "anna")] == [EffectState.REFUSED]
    closed = ledger.by_id(db, [done])[0]
    assert (closed.after, closed.echoed, closed.before) == ({"on": False}, True, {"on": True})
    ledger.mark_undone(db, [done], done)
    assert ledger.last_act(db, "anna") == [] == ledger.last_act(db, "ben")


def test_a_yes_is_bound_to_the_exact_calls_in_their_order() -> None:
    unlock, lock = Call("set", "door", {"locked": False}), Call("set", "door", {"locked": True})
    assert hash_calls([unlock]) != hash_calls([lock])
    assert hash_calls([unlock, lock]) != hash_calls([lock, unlock])
    assert hash_calls([Call("set", "a", {"x": 1, "y": 2})]) == hash_calls([Call("set", "a", {"y": 2, "x": 1})])


def test_a_question_is_closed_once_and_its_twins_with_it(db: sqlite3.Connection) -> None:
    event, _ = inbox.receive(db, text("web:1"))
    draft = Question(0, event, "approve", "anna", "web/anna", "Unlock?", effects=(1,), hash="h", asked=1.0)
    mine, twin = questions.ask(db, draft), questions.ask(db, Question(0, event, "approve", "carl", "web/carl", "?", (1,), "h"))
    other = questions.ask(db, Question(0, event, "approve", "carl", "web/carl", "?", (2,), "h"))
    assert questions.end(db, mine, "yes", 2.0, "yes")
    assert not questions.end(db, mine, "no", 3.0) and not questions.end(db, twin, "yes", 3.0)
    assert [question.id for question in questions.open_questions(db)] == [other]
    assert questions.lately_ended(db, "carl", 1.0) == questions.get(db, twin)
    assert questions.lately_ended(db, "anna", 1.0) is None


def test_a_questions_time_runs_from_its_first_delivery(db: sqlite3.Connection) -> None:
    event, _ = inbox.receive(db, text("web:1"))
    ask = questions.ask(db, Question(0, event, "approve", "anna", "web/anna", "?", asked=1.0))
    which = questions.ask(db, Question(0, event, "choose", "anna", "web/anna", "?", choices=(("a", (OFF,)),), asked=1.0))
    for at in (100.0, 200.0):
        questions.start_clock(db, ask, at)
        questions.start_clock(db, which, at)
    assert [question.expires for question in questions.open_questions(db)] == [220.0, 700.0]
    assert questions.get(db, which).choices == (("a", (OFF,)),)


def test_the_house_comes_back_as_it_was_kept(db: sqlite3.Connection) -> None:
    lock = Device("x.1", "x", "lock", "Front door", aliases=("door",), traits=specs("lock"), verbs=verbs("speaker"), risk="entry")
    household.keep_device(db, lock)
    household.keep_device(db, lock)
    household.keep_room(db, Room("Hall", "ground", ("entrance",)))
    assert household.devices(db) == [lock]
    assert household.rooms(db) == [Room("Hall", "ground", ("entrance",))]
    household.set_setting(db, "hands_off", "1")
    assert (household.setting(db, "hands_off"), household.setting(db, "other", "no")) == ("1", "no")
    household.drop_device(db, "x.1")
    assert household.devices(db) == []


def test_the_schema_lives_in_the_package() -> None:
    assert Path(journal.__file__).with_name("schema.sql").is_file()


class Play(RuleBasedStateMachine):
    """Rows moved at random, in any order, against dictionaries."""

    events = Bundle("events")
    effects = Bundle("effects")
    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.db = fresh()
        self.keys: dict[str, int] = {}
        self.event: dict[int, str] = {}
        self.effect: dict[int, str] = {}
        self.message: dict[int, str] = {}
        self.attempts: dict[int, int] = {}

    def teardown(self) -> None:
        self.db.close()

    @rule(target=events, key=st.sampled_from(["a", "b", "c", "d"]))
    def receive(self, key: str) -> int:
        number, new = inbox.receive(self.db, text(key))
        assert new == (key not in self.keys) and self.keys.setdefault(key, number) == number
        self.event.setdefault(number, "received")
        return number

    @rule(number=events, to=st.sampled_from([state for state in EventState if state is not EventState.RECEIVED]))
    def move_event(self, number: int, to: EventState) -> None:
        if to in EVENT.get(self.event[number], ()):
            inbox.move(self.db, number, to, at=2.0)
            self.event[number] = to
        else:
            with pytest.raises(IllegalMove):
                inbox.move(self.db, number, to, at=2.0)

    @rule(number=events)
    def begin_again(self, number: int) -> None:
        if self.event[number] in ("received", "working"):
            inbox.count_attempt(self.db, number)
            self.event[number] = "working"
            self.attempts[number] = self.attempts.get(number, 0) + 1
        else:
            with pytest.raises(IllegalMove):
                inbox.count_attempt(self.db, number)

    @rule(target=effects, event=events, state=st.sampled_from([EffectState.ASKED, EffectState.INTENDED, EffectState.REFUSED]))
    def write_down(self, event: int, state: EffectState) -> int:
        number = ledger.write_down(self.db, effect(event, state))
        self.effect[number] = state
        return number

    @rule(number=effects, to=st.sampled_from([EffectState.DONE, EffectState.FAILED, EffectState.UNKNOWN]))
    def close(self, number: int, to: EffectState) -> None:
        if to in EFFECT.get(self.effect[number], ()):
            ledger.close(self.db, number, to, after={}, echoed=False, why="", at=2.0)
            self.effect[number] = to
        else:
            with pytest.raises(IllegalMove):
                ledger.close(self.db, number, to, after={"wrong": 1}, echoed=False, why="", at=2.0)
            assert ledger.by_id(self.db, [number])[0].after == {}

    @rule(number=effects)
    def intend(self, number: int) -> None:
        if self.effect[number] == "asked":
            ledger.intend(self.db, number, {"on": False})
            self.effect[number] = "intended"
        else:
            with pytest.raises(IllegalMove):
                ledger.intend(self.db, number, {})

    @rule(target=messages, event=events)
    def owe(self, event: int) -> int:
        row = outbox.owe(self.db, Reply(f"event:{event}", "web/anna", "."), event, 1.0)
        number: int = self.db.execute("SELECT id FROM outbox WHERE key = ?", (f"event:{event}",)).fetchone()[0]
        assert (row is None) == (number in self.message)
        self.message.setdefault(number, "owed")
        return number

    @rule(number=messages, to=st.sampled_from(OutboxState))
    def move_message(self, number: int, to: OutboxState) -> None:
        legal = to in OUTBOX.get(self.message[number], ())
        assert outbox.move(self.db, number, to, 2.0) == legal
        if legal:
            self.message[number] = to

    @invariant()
    def rows_are_the_model(self) -> None:
        assert dict(self.db.execute("SELECT id, state FROM event")) == self.event
        assert dict(self.db.execute("SELECT id, state FROM effect")) == self.effect
        assert dict(self.db.execute("SELECT id, state FROM outbox")) == self.message
        open_ = {number for number, state in self.event.items() if state in ("received", "working", "waiting")}
        assert {row.id for row in inbox.unfinished(self.db)} == open_
        assert all(row.attempts == self.attempts.get(row.id, 0) for row in inbox.unfinished(self.db))
        assert {row.id for row in ledger.unfinished(self.db)} == {n for n, state in self.effect.items() if state == "intended"}
        assert {row.id for row in outbox.unsent(self.db)} == {n for n, s in self.message.items() if s in ("owed", "sending")}


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
