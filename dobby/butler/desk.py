"""What the butler works with: the rows, the house, the hands, the mind, and what each person last talked about.

Wiring and memory of the day only. It does not know how an event is worked on.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Protocol

from dobby.act import Ending, Hands
from dobby.butler.album import Album
from dobby.clock import Clock, local
from dobby.events import Call, EffectState, Event, Reply, Role, Source, State
from dobby.gate import Modes
from dobby.house.history import History
from dobby.house.registry import House
from dobby.journal import household, ledger, outbox, taught
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.questions import Question
from dobby.journal.sightings import Seen
from dobby.journal.taught import Taught
from dobby.memory import Memory
from dobby.memory.wishes import Wish
from dobby.mind.plain.scenes import shipped_scenes
from dobby.mind.plan import Context, Mind, Outcome, Plan
from dobby.people import People
from dobby.post import Post
from dobby.skill.driver import Ask
from dobby.store import Store, insist

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Talk:
    """What "it", "that" and "undo" mean to one person, and which language they wrote last: it belongs to the person, not to the
    chat."""

    talked: tuple[str, ...] = ()
    last: tuple[Call, ...] = ()
    was: tuple[State, ...] = ()
    relative: bool = False
    lane: str = ""
    recalled: tuple[int, ...] = ()
    language: str = ""


class Thinks(Protocol):
    """Errands with a model (`dobby.wits.thinking`); `steer` is how a newer text reaches one."""

    async def begin(self, row: EventRow, plan: Plan, steer: Any) -> None:
        """Think about what `plan.about` says, after `plan.calls`."""
        ...

    async def go_on(self, row: EventRow, steer: Any, *, recovering: bool = False) -> None:
        """Go on with a kept errand."""
        ...

    async def steered(self, row: EventRow) -> bool:
        """Was a text meant for what runs beside its lane: then it is answered."""
        ...


async def _blind(plan: Plan, source: Source, ask: Ask) -> str:
    """Where nobody looks around."""
    return ""


async def _deaf(what: object) -> None:
    """Where no butler runs."""


async def _no_ears(row: EventRow, steer: object) -> EventRow:
    """Where nobody listens to voice notes."""
    return row


@dataclass(slots=True)
class Desk:
    """Everything the butler works with; made by the composition root. `levels` are the skills' functions and their levels.

    `place` is where the house stands (degrees north, east); `entry_routines` may open an entry without asking each time,
    routines leave alone for `leave_alone` seconds what a hand has set;
    `taught` what phrases stand for, `offered` the scenes of files; `history` what the devices were, `album` the pictures
    shown, `memory` what was said, `wishes` what is never to be done; `wake` tells the wheel that appointments have
    changed; `look` looks around on the network and says what is there; `answers` are what drivers wait for, one question at a
    `turn`, and `veiled` says until when a person's text may still be a secret; `thinking` are the errands with a model,
    `errands` those that run; `hear` takes an event in, `fail` ends one with an apology; `listen` gives a voice note its words.
    """

    store: Store
    house: House
    hands: Hands
    mind: Mind
    people: People
    clock: Clock
    post: Post
    language: str = "en"
    units: str = "metric"
    zone: tzinfo | None = None
    place: tuple[float, float] | None = None
    entry_routines: frozenset[str] = frozenset()
    leave_alone: float = 1800.0
    history: History | None = None
    album: Album = field(default_factory=Album)
    memory: Memory | None = None
    wishes: list[Wish] = field(default_factory=list)
    taught: dict[tuple[str, str], Taught] = field(default_factory=dict)
    offered: Mapping[str, Taught] = field(default_factory=shipped_scenes)
    modes: Modes = field(default_factory=Modes)
    levels: dict[str, str] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)
    questions: dict[int, Question] = field(default_factory=dict)
    under_way: dict[int, EffectRow] = field(default_factory=dict)
    _asked_by: dict[int, Source] = field(default_factory=dict)
    _watches: "dict[int, asyncio.Task[None] | None]" = field(default_factory=dict)
    spawn: Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[None] | None"] = lambda work, name: None
    on_put: Callable[[int], object] = lambda question: None
    wake: Callable[[], None] = lambda: None
    look: Callable[[Plan, Source, Ask], Awaitable[str]] = _blind
    answers: "dict[int, asyncio.Future[str]]" = field(default_factory=dict)
    describe: Callable[[Seen, Sequence[str]], Awaitable[Mapping[str, str]]] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    veiled: dict[str, float] = field(default_factory=dict)
    thinking: Thinks | None = None
    errands: Mapping[int, object] = field(default_factory=dict)
    hear: Callable[[Event], Awaitable[object]] = _deaf
    fail: Callable[[EventRow], Awaitable[None]] = _deaf
    listen: Callable[[EventRow, Any], Awaitable[EventRow | None]] = _no_ears

    def put(self, question: Question, *, instead_of: Iterable[Question] = ()) -> None:
        """A question is open from now on."""
        self.close(instead_of)
        self.questions[question.id] = question
        self.on_put(question.id)

    def close(self, over: Iterable[Question]) -> None:
        """These are over: nobody answers them any more, and their buttons go where a bridge can take them away."""
        for question in over:
            self.questions.pop(question.id, None)
        self.spawn(self._take_buttons(), "buttons")

    async def _take_buttons(self) -> None:
        self.post.hand_over(await self.store.read(outbox.changed))

    def talk(self, person: str) -> Talk:
        """What this person and Dobby are talking about."""
        return self.talks.setdefault(person, Talk())

    def context(self, source: Source) -> Context:
        """What a mind needs to know beside the words."""
        talk = self.talk(source.person)
        person = self.people.get(source.person)
        return Context(
            person=source.person,
            role=source.authority,
            now=local(self.clock.now(), self.zone),
            here=source.room or (person.room if person else ""),
            units=self.units_of(source),
            language=self.language_of(source),
            talked=talk.talked,
            last=talk.last,
            was=talk.was,
            relative=talk.relative,
            busy=bool(self.mine_under_way(source)),
            place=self.place,
            rooms=self.people.hears_of(source.person),
            taught=tuple((phrase, row.means) for phrase, row in self.told(source.person) if not row.is_scene),
            scenes=tuple((phrase, row) for phrase, row in self.told(source.person) if row.is_scene),
        )

    def told(self, person: str) -> list[tuple[str, Taught]]:
        """What phrases mean to somebody: what files offer, what everybody says, then their own."""
        found: dict[str, Taught] = dict(self.offered)
        for whose in ("", person):
            for (phrase, by), row in self.taught.items():
                offer = self.offered.get(phrase)
                if by == whose and (offer is None or row.file == offer.file):
                    found[phrase] = replace(row, open=offer is not None and offer.open)
        kept = {row.said: row for row in found.values() if row.calls}
        found |= {phrase: kept.get(offer.said, offer) for phrase, offer in self.offered.items()}
        return list(found.items())

    def language_of(self, source: Source) -> str:
        """The person's own language, else the one they wrote last, else the house's."""
        person = self.people.get(source.person)
        return (person.language or self.talk(person.id).language if person else "") or self.language

    def units_of(self, source: Source) -> str:
        """The person's own units, else the house's."""
        person = self.people.get(source.person)
        return (person.units if person else "") or self.units

    def outcome(self, effect: EffectRow) -> Outcome:
        """A ledger row as a report wants it: only the traits it was about."""
        device = self.house.get(effect.call.device)
        wanted = set(effect.call.args) | set(effect.after)
        before = {trait: value for trait, value in effect.before.items() if trait in wanted}
        return Outcome(effect.call, effect.state, device, before, effect.after, effect.echoed, effect.why)

    def people_source(self, question: Question) -> Source:
        """The asked person as a source, for their language and units."""
        bridge, _, chat = question.lane.partition("/")
        return Source(question.person, bridge=bridge, chat=chat)

    def words(self, key: str, source: Source, **facts: object) -> str:
        """One of Dobby's fixed sentences, in the person's language."""
        return self.mind.phrase(key, self.language_of(source), **facts)

    def reply(self, db: sqlite3.Connection, row: EventRow, text: str, **more: Any) -> OutboxRow | None:
        """Owe the one answer to an event; a second one under the same event is not made."""
        return self._owe(db, Reply(f"event:{row.id}", row.lane, text, **more), row.id)

    def tell(self, db: sqlite3.Connection, key: str, lane: str, text: str, **more: Any) -> OutboxRow | None:
        """Owe a message that answers no text: an identity of its own, so that it is told once."""
        return self._owe(db, Reply(key, lane, text, **more), None)

    def _owe(self, db: sqlite3.Connection, reply: Reply, event: int | None) -> OutboxRow | None:
        """A message; where one before it may not have arrived, it says so."""
        missing = outbox.in_doubt(db, reply.lane)
        if missing:
            bridge, _, chat = reply.lane.partition("/")
            words = self.words("perhaps_missed", self.people.source(bridge, chat), texts=" / ".join(missing))
            reply = replace(reply, text=f"{reply.text} {words}")
        owed = outbox.owe(db, reply, event, self.clock.now())
        if owed is not None and missing:
            outbox.spoken_of(db, reply.lane)
        return owed

    def owner_lanes(self, least: Role = Role.OWNER) -> list[tuple[str, str]]:
        """(person, lane) of every owner (or whoever is at least that) who can be reached: where they last wrote, else their first
        address."""
        found = []
        for owner in [person for person in self.people if person.role.rank >= least.rank]:
            every = self.people.lanes(owner.id)
            lanes = [lane for lane in every if lane.partition("/")[0] in self.post.bridges] or every  # a way that is open
            lane = self.talk(owner.id).lane or (lanes[0] if lanes else "")
            if lane:
                found.append((owner.id, lane))
        return found

    async def set_modes(self, modes: Modes) -> None:
        """Switch acting off or on, rehearsing on or off; kept over restarts."""

        def keep(db: sqlite3.Connection) -> None:
            household.set_setting(db, "hands_off", str(int(modes.hands_off)))
            household.set_setting(db, "rehearse", str(int(modes.rehearse)))

        await self.store.write(keep)
        self.modes = modes

    def load_modes(self, db: sqlite3.Connection) -> None:
        """The switches as they were left, and what was taught."""
        on = {name: household.setting(db, name) == "1" for name in ("hands_off", "rehearse")}
        self.modes = Modes(**on)
        self.taught = taught.phrases(db)

    # Slow changes

    def mine_under_way(self, source: Source) -> list[EffectRow]:
        """What was asked for in this conversation, or by this person, and is still under way."""
        return [
            effect
            for number, effect in self.under_way.items()
            if (asked := self._asked_by.get(number)) and (asked.lane == source.lane or asked.person == source.person)
        ]

    def follow(self, effects: Iterable[EffectRow], row: EventRow, *, recovering: bool = False) -> None:
        """Watch what is still under way; a second message comes only if it did not get there."""
        for effect in effects:
            if effect.state is EffectState.INTENDED and effect.id not in self.under_way:
                self.under_way[effect.id] = effect
                self._asked_by[effect.id] = row.event.source
                self._watches[effect.id] = self.spawn(self._watch(effect, row, recovering), f"watch effect {effect.id}")

    async def overtake(self, effects: Iterable[EffectRow]) -> None:
        """What is under way and not wanted any more, now that these are, ends here without a word."""
        begun = [effect for effect in effects if effect.state is EffectState.INTENDED]
        over = [
            older.id
            for older in self.under_way.values()
            if any(newer.id != older.id and ledger.overtakes(newer.call, older.call) for newer in begun)
        ]
        if not over:
            return
        for number in over:
            watch = self._let_go(number)
            if watch is not None:
                watch.cancel()
        now = self.clock.now()

        def close(db: sqlite3.Connection) -> None:
            for older in ledger.by_id(db, over):
                if older.state is EffectState.INTENDED:
                    ledger.close(db, older.id, EffectState.FAILED, after={}, echoed=False, why=ledger.OVERTAKEN, at=now)

        await insist(self.store, self.clock, close)

    def _let_go(self, effect: int) -> "asyncio.Task[None] | None":
        self.under_way.pop(effect, None)
        self._asked_by.pop(effect, None)
        return self._watches.pop(effect, None)

    async def _watch(self, effect: EffectRow, row: EventRow, recovering: bool) -> None:
        try:
            ending = await (self.hands.reconcile(effect) if recovering else self.hands.watch(effect))
            if ending.state is EffectState.INTENDED:
                ending = await self.hands.watch(effect)
            now = self.clock.now()
            told = await insist(self.store, self.clock, lambda db: self._end_of_slow(db, effect, row, ending, now))
            self.post.hand_over([told])
        finally:
            self._let_go(effect.id)

    def _end_of_slow(
        self, db: sqlite3.Connection, effect: EffectRow, row: EventRow, ending: Ending, at: float
    ) -> OutboxRow | None:
        """A slow change has come to its end: into the ledger, and into words where it did not get there."""
        if ledger.by_id(db, [effect.id])[0].state is not EffectState.INTENDED:
            return None
        ledger.close(db, effect.id, ending.state, after=ending.after, echoed=ending.echoed, why=ending.why, at=at)
        if ending.state is EffectState.DONE:
            return None
        source, closed = row.event.source, ledger.by_id(db, [effect.id])[0]
        text = self.mind.report([self.outcome(closed)], self.language_of(source), self.units_of(source))
        return self.tell(db, f"effect:{effect.id}:late", row.lane, text)
