"""An errand with a model, beside its lane: ask it, keep what it says, then do that through the gate, and so on to the reply.

Each step is a row before the next, so that a restart goes on where it stopped; rounds, time, money and repeated uses are bounded.
It does not know any tool (`toolkit`), endpoint (`llm`) nor words of its own.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dobby.act import Ending
from dobby.butler import wording
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, carry_out, close_effects, effect_of, finish, report_of, work_on, write_plan
from dobby.butler.judging import acting
from dobby.butler.keeping import carry
from dobby.butler.looking import CURRENT
from dobby.errors import Closed, Refused
from dobby.events import Call, EffectState, Event, EventKind, Origin, is_photo
from dobby.gate import Provenance
from dobby.journal import costs, inbox, ledger, steps
from dobby.journal.inbox import EventRow
from dobby.journal.ledger import EffectRow
from dobby.journal.pack import dump
from dobby.journal.steps import Step
from dobby.mind.answer import is_stop
from dobby.mind.plan import Plan
from dobby.store import insist
from dobby.wits import honest, prompt
from dobby.wits.llm import Answer, Model, NoModel, Use
from dobby.wits.thought import HOUSE, STOPPED, TALK, Errand, lately, messages_of, pending
from dobby.wits.toolkit import Found, Toolkit

log = logging.getLogger(__name__)
ROUNDS = 16  # answers of the model in one errand
SECONDS = 600.0  # an errand may take
DOLLARS = 0.5  # and cost
AWAY = ("model_away", "model_slow", "model_busy")  # one fault, as a person sees it
SAME = 3  # times that exactly the same may be asked for
SOON = 6.0  # seconds after which the person hears that it takes longer, and the lane goes on


class Thinking:
    """Errands with a model. `model` is asked, `kit` are its tools; after `soon` seconds an errand goes on beside its lane."""

    def __init__(self, desk: Desk, model: Model, kit: Toolkit, *, soon: float = SOON) -> None:
        self.desk, self.model, self.kit, self._soon = desk, model, kit, soon
        self.errands: dict[int, Errand] = {}
        self._told = ""  # what is wrong with the model, once it has been said
        desk.thinking, desk.errands = self, self.errands

    # In and beside the lane

    async def begin(self, row: EventRow, plan: Plan, steer: Steer) -> None:
        """Think about a text; `plan.calls` are its clear part. Returns when it is answered, or when it takes longer: then it goes
        on beside the lane."""
        kept = await self.desk.store.write(lambda db: self._write(db, row, plan))
        await self.go_on(replace(row, plan=kept), steer)

    def _write(self, db: sqlite3.Connection, row: EventRow, plan: Plan) -> dict[str, Any]:
        kept = write_plan(db, self.desk, row, replace(plan, say=""))
        plain, named = list(kept["effects"]), kept["topic"]
        kept |= {"think": plan.about, "mind": "model", "origin": Origin.MODEL, "plain": plain, "named": named}
        inbox.keep_plan(db, row.id, kept)
        return kept

    async def go_on(self, row: EventRow, steer: Steer, *, recovering: bool = False) -> None:
        """Begin, or after a restart go on, with what is kept."""
        assert row.plan is not None
        errand = Errand(row, row.plan, steer, begun=self.desk.clock.now())
        self.errands[row.id] = errand
        task = self.desk.spawn(self._run(errand, recovering), f"think {row.id}")
        if task is None:
            self.errands.pop(row.id, None)
            return
        await asyncio.wait({task}, timeout=self._soon)
        if not task.done():
            errand.slow = True
            if row.event.kind is not EventKind.ERRAND:  # those were told of as begun
                words = self.desk.words("on_it", row.event.source)
                told = await self.desk.store.write(lambda db: self.desk.tell(db, f"event:{row.id}:progress", row.lane, words))
                self.desk.post.hand_over([told])
        elif errand.fault is not None:
            raise errand.fault

    async def _run(self, errand: Errand, recovering: bool) -> None:
        """To its end; a fault is told here only where nobody waits any more."""
        try:
            await self._work(errand, recovering)
        except Exception as error:
            errand.fault = error
            if errand.slow and not isinstance(error, Closed):
                log.exception("Errand %d failed", errand.row.id)
                await self.desk.fail(errand.row)
        finally:
            self.errands.pop(errand.row.id, None)

    async def steered(self, row: EventRow) -> bool:
        """Is a text meant for an errand that runs beside this lane: to end it ("cancel the pool one"), or to amend it. Then it is
        answered here."""
        text, lane = row.event.text, [one for one in self.errands.values() if one.row.lane == row.lane and not one.over]
        named = honest.meant(text, {one.text: one for one in lane}) if honest.cancels(text) else []
        hit = lane if is_stop(text) else named or (lane[-1:] if honest.amends(text) else [])
        if not hit:
            return False
        over = is_stop(text) or named
        for errand in hit:
            if over:
                errand.kept["stop"] = STOPPED
                errand.steer.stopped.set()
            else:
                errand.kept["amended"] = {**errand.kept["amended"], str(row.id): text}
        answer = Plan(say=self.desk.words("left_it" if over else "amended", row.event.source))

        def note(db: sqlite3.Connection) -> dict[str, Any]:
            for errand in hit:  # in one commit with the answer: after a restart there may be none that the text is meant for
                if inbox.get(db, errand.row.id).state not in inbox.ENDED:
                    inbox.keep_plan(db, errand.row.id, {**errand.kept})
            return write_plan(db, self.desk, row, answer)

        await finish(self.desk, row, await self.desk.store.write(note), Steer())
        return True

    # One errand

    async def _work(self, errand: Errand, recovering: bool) -> None:
        desk, row = self.desk, errand.row
        CURRENT.set(row)
        errand.told = await desk.store.read(lambda db: steps.of_event(db, row.id))
        errand.before = await desk.store.read(lambda db: lately(steps.before(db, row.lane, row.id, row.event.received - TALK)))
        if not errand.told:
            done = await self._act(errand, errand.kept["plain"], recovering)
            await self._open(errand, report_of(desk, [desk.outcome(effect) for effect in done], row.event.source))
        elif recovering:
            await self._follow(errand)
        try:
            while not await self._round(errand, recovering):
                recovering = False
        except NoModel as error:
            await self._without(errand, error)

    async def _follow(self, errand: Errand) -> None:
        """What earlier steps had set going is followed to its end."""
        open_ = set(pending(errand))
        numbers = [one for one in errand.kept["effects"] if one not in open_]
        effects = await self.desk.store.read(lambda db: ledger.by_id(db, numbers)) if numbers else []
        self.desk.follow(effects, errand.row, recovering=True)

    async def _open(self, errand: Errand, done: str) -> None:
        """The first step: the text, with what is so just now."""
        desk, event = self.desk, errand.row.event
        person, context = desk.people.get(event.source.person), desk.context(event.source)
        lane, number, since = errand.row.lane, errand.row.id, event.received - TALK
        before = await desk.store.read(lambda db: steps.lines_since(db, lane, number, since))
        known = await self._glance(errand, "recall", "recall" in self.kit.looks, words=errand.text)
        photo = await self._glance(errand, "look", is_photo(event), at="photo", question=errand.text)
        name = person.name if person else "Somebody"
        words = prompt.tail(errand.text, name, context, before, known.text, " ".join((done, photo.text)).strip())
        await self._keep(errand, "user", [{"type": "text", "text": words}], outside=(*known.outside, *photo.outside))

    async def _glance(self, errand: Errand, tool: str, so: bool, **args: str) -> Found:
        """What a tool says before the model is asked, where that is `so`."""
        return await self.kit.look(tool, args, errand.row.event, Provenance()) if so else Found("")

    async def _round(self, errand: Errand, recovering: bool) -> bool:
        """One answer and what it asks for; True when that was the last."""
        if errand.told[-1].role != "assistant":
            over = "" if errand.steer.stopped.is_set() else self._bound(errand)
            if over or not await self._ask(errand):
                return await self._end(errand, self.desk.words(over, errand.row.event.source) if over else "")
        uses = [block for block in errand.told[-1].content if block["type"] == "tool_use"]
        if uses:
            return await self._use(errand, [Use(one["id"], one["name"], one["input"]) for one in uses], recovering)
        texts = [block["text"] for block in errand.told[-1].content if block["type"] == "text"]
        return await self._answered(errand, "\n".join(texts))

    def _bound(self, errand: Errand) -> str:
        """Why it must end here, as a phrase's key; "" for go on."""
        over = errand.rounds >= ROUNDS or self.desk.clock.now() - errand.begun > SECONDS or errand.spent > DOLLARS
        return "think_enough" if over or any(count > SAME for count in errand.uses.values()) else ""

    async def _ask(self, errand: Errand) -> bool:
        """Ask for the next answer; False where the errand was stopped before it came."""
        await self._amend(errand)
        errand.prefix = errand.prefix or prompt.system(self.desk.house)
        messages = messages_of([*errand.before, *errand.told])
        ask = self.model.ask("mind", messages, system=errand.prefix, tools=prompt.tools(), paid=False)
        loop = asyncio.get_running_loop()
        asking, stopped = loop.create_task(ask), loop.create_task(errand.steer.stopped.wait())
        try:
            await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over = [task for task in (asking, stopped) if task.cancel()]
            await asyncio.gather(*over, return_exceptions=True)
        if errand.keeping is not None:
            await errand.keeping
        if asking.cancelled():
            return False
        await self._take(errand, asking.result())
        return True

    async def _amend(self, errand: Errand) -> bool:
        """Tell the model what newer texts have added; False where there is nothing."""
        said = [{"type": "text", "text": text} for text in errand.unsaid]
        if said:
            await self._keep(errand, "user", said)
        return bool(said)

    async def _take(self, errand: Errand, answer: Answer) -> None:
        """An answer and every intent in it become rows, before anything of it is done."""
        desk, row = self.desk, errand.row
        source, provenance = acting(row.event.source, Origin.MODEL), errand.provenance(self.model.config.strict)
        uses, self._told = errand.uses, ""
        errand.kept |= {"broken": answer.broken, "stop": errand.kept["stop"] if errand.steer.stopped.is_set() else answer.stop}
        made: dict[str, list[Call]] = {}
        for use in answer.uses:
            key = dump([use.name, dict(use.args)])
            uses[key] += 1
            if not use.broken and answer.stop == "tool_use" and uses[key] < SAME and not honest.only_asks(row.event.text):
                try:
                    made[use.id] = await self.kit.calls(use.name, use.args, source, provenance) or []
                except Refused:
                    continue  # told as the result of that use
        await desk.hands.look_before([call for calls in made.values() for call in calls])

        def keep(db: sqlite3.Connection) -> Step:
            rows = {id_: [effect_of(desk, row.id, call, source) for call in calls] for id_, calls in made.items()}
            effects = {id_: [ledger.write_down(db, one) for one in mine] for id_, mine in rows.items()}
            errand.kept["effects"] = [*errand.kept["effects"], *(one for numbers in effects.values() for one in numbers)]
            inbox.keep_plan(db, row.id, {**errand.kept})
            answer.bill(db)
            errand.spent = costs.spent(db, row.event.received, event=row.id)
            blocks = answer.blocks or [{"type": "text", "text": "…"}]
            return steps.keep(db, Step(row.id, "assistant", blocks, effects), desk.clock.now())

        errand.told.append(await desk.store.write(keep))

    async def _use(self, errand: Errand, uses: Sequence[Use], recovering: bool) -> bool:
        """Do what was kept of these uses, look what they want to see, and keep what came of it; True where it ends there."""
        made = errand.told[-1].effects
        effects = await self._act(errand, [one for numbers in made.values() for one in numbers], recovering)
        by_id = {effect.id: effect for effect in effects}
        found = await asyncio.gather(*(self._came_of(errand, use, [by_id[one] for one in made.get(use.id, ())]) for use in uses))
        errand.kept["seen"] = list(dict.fromkeys([*errand.kept["seen"], *(device for one in found for device in one.seen)]))
        errand.kept["sources"] = [*errand.kept["sources"], *(url for one in found for url in one.sources)]
        results = [_result(use, one) for use, one in zip(uses, found, strict=True)]
        asked = next((use for use in uses if use.name == "ask" and use.args.get("question")), None)
        outside = [words for one in found for words in one.outside]
        await self._keep(errand, "user", results, outside, wait=asked is not None)
        if asked is not None:
            options = asked.args.get("options")
            shown = tuple(str(one)[:40] for one in options[:8]) if isinstance(options, list) else ()
            return await self._end(errand, str(asked.args["question"]), shown)
        return False

    async def _came_of(self, errand: Errand, use: Use, effects: list[EffectRow]) -> Found:
        desk, source = self.desk, errand.row.event.source
        if effects:
            told = [desk.outcome(effect) for effect in effects if effect.state is not EffectState.ASKED]
            asked, others = len(effects) - len(told), tuple(str(one.after["plays"]) for one in told if one.after.get("plays"))
            words = [report_of(desk, told, source)] if told else []
            words += [f"{asked} wait for the owner's yes, asked for by itself after your turn. Not done."] if asked else []
            return Found(" ".join(words), others, fault=not any(one.state is EffectState.DONE for one in effects))
        return await self._looked(errand, use)

    async def _looked(self, errand: Errand, use: Use) -> Found:
        source, provenance = errand.row.event.source, errand.provenance(self.model.config.strict)
        if errand.uses[dump([use.name, dict(use.args)])] >= SAME:
            return Found("You asked for exactly that before; it is not done again.", fault=True)
        if use.id in errand.kept["broken"]:
            return Found(errand.kept["broken"][use.id], fault=True)
        if use.name == "ask":
            return Found("Asked.")
        if use.name == "errand":
            return await self._side(errand, str(use.args.get("task", "")).strip())
        try:
            if await self.kit.calls(use.name, use.args, source, provenance) is not None:
                only = honest.only_asks(errand.row.event.text)
                return Found("A question changes nothing; offer it." if only else "It was cut off; say it again.", fault=True)
        except Refused as error:
            return Found(str(error), fault=True)
        return await self.kit.look(use.name, use.args, errand.row.event, provenance)

    async def _side(self, errand: Errand, task: str) -> Found:
        """An errand of its own for one of several jobs: an event like any, whose words are the model's, not the person's."""
        if not task or errand.row.event.kind is EventKind.ERRAND:
            return Found("Do that here.", fault=True)
        event, number = errand.row.event, len(errand.told)
        key = f"errand:{errand.row.id}:{number}:{task[:80]}"
        await self.desk.hear(Event(key, event.source, EventKind.ERRAND, task, refers=event.text, tainted=("text",)))
        return Found("Begun; it reports by itself.")

    async def _act(self, errand: Errand, numbers: Sequence[int], recovering: bool) -> list[EffectRow]:
        """Do what these rows intend; one commit closes them."""
        desk, row = self.desk, errand.row
        if not numbers:
            return []
        rows = await desk.store.read(lambda db: ledger.by_id(db, numbers))
        await desk.overtake(rows)
        endings = await carry_out(desk, rows, errand.steer, recovering=recovering)

        def close(db: sqlite3.Connection) -> list[EffectRow]:
            all_: dict[int, Ending] = {**endings, **carry(db, desk, rows, endings)}
            close_effects(db, all_, desk.clock.now())
            return [replace(one, after=all_[one.id].after) if one.id in all_ else one for one in ledger.by_id(db, numbers)]

        effects = await insist(desk.store, desk.clock, close)
        wording.settle(desk, effects)
        desk.follow(effects, row)
        desk.wake()  # an appointment may be due before the errand ends
        return effects

    async def _keep(self, errand: Errand, role: str, said: list[Any], outside: Sequence[str] = (), *, wait: bool = True) -> None:
        """A message becomes a row; what would come out the same again need not be waited for before the model is asked."""
        step = steps.as_kept(Step(errand.row.id, role, said, {}, [words[:200] for words in outside if words]))

        def keep(db: sqlite3.Connection) -> None:
            inbox.keep_plan(db, errand.row.id, {**errand.kept})
            steps.keep(db, step, self.desk.clock.now())

        errand.told.append(step)
        errand.keeping = asyncio.ensure_future(self.desk.store.write(keep))
        if wait:
            await errand.keeping

    # The end

    async def _answered(self, errand: Errand, text: str) -> bool:
        """The last words, held against the rows; where something is claimed that no row knows, the model is told so once."""
        desk, source = self.desk, errand.row.event.source
        numbers, stop = errand.kept["effects"], errand.kept["stop"]
        if stop in ("refusal", "model_context_window_exceeded"):
            return await self._end(errand, desk.words("think_refused" if stop == "refusal" else "think_enough", source))
        effects = await desk.store.read(lambda db: ledger.by_id(db, numbers)) if numbers else []
        good = (EffectState.DONE, EffectState.INTENDED, EffectState.ASKED)
        acted = [device for effect in effects if effect.state in good and (device := desk.house.get(effect.call.device))]
        seen = [device for number in errand.kept["seen"] if (device := desk.house.get(number))]
        checked = honest.check(text, acted, seen, desk.house)
        if any(effect.state in good and not effect.call.device for effect in effects):  # an appointment was kept
            checked = replace(checked, false=())
        if checked.false and not errand.corrected and errand.rounds < ROUNDS:
            told = f"No row says so: {' '.join(checked.false)[:300]} Do it with a tool, or say that it was not done."
            await self._keep(errand, "user", [{"type": "text", "text": f"{HOUSE}{told}</house>"}])
            return False
        correction = desk.words("claim_else" if acted else "claim_none", source) if checked.false else ""
        more = desk.words("think_cut", source) if stop == "max_tokens" else ""
        cited = [url for url in dict.fromkeys(errand.kept["sources"]) if url not in checked.text][:3]
        sources = desk.words("sources", source, names=" ".join(cited)) if cited else ""
        return await self._end(errand, " ".join(part for part in (checked.text, more, correction, sources) if part))

    async def _end(self, errand: Errand, say: str, options: tuple[str, ...] = ()) -> bool:
        """Answer from the rows, and what the model adds; False where a newer text came meanwhile, which the model hears first."""
        desk, row = self.desk, errand.row
        if not errand.steer.stopped.is_set() and await self._amend(errand):
            return False
        errand.over = True
        quiet = errand.kept["effects"] or errand.steer.stopped.is_set()  # who stopped it knows
        say = say or ("" if quiet else desk.words("think_nothing", row.event.source))
        language = desk.language_of(row.event.source)
        numbers = errand.kept["effects"]
        effects = await desk.store.read(lambda db: ledger.by_id(db, numbers)) if numbers else []
        topic = list(dict.fromkeys(effect.call.device for effect in effects if effect.call.device))
        topic = topic or sorted(errand.kept["seen"])[:3]
        kept = errand.kept | {"say": say, "language": language, "options": list(options), "topic": topic}
        await finish(desk, row, kept, errand.steer, done=True)
        return True

    async def _without(self, errand: Errand, error: NoModel) -> None:
        """No model answers: what the plain mind has to say, and once what is wrong."""
        desk, row, source = self.desk, errand.row, errand.row.event.source
        log.warning("Event %d is answered without the model: %s", row.id, error)
        fault = AWAY[0] if error.why in AWAY else error.why
        why = desk.words(error.why, source) if fault != self._told else ""
        self._told = fault
        plan = await self.kit.plain.plan(errand.text, desk.context(source))
        if errand.kept["effects"] or len(errand.told) > 1:
            words = " ".join(part for part in (plan.say if not plan.understood else "", why) if part)
            while not await self._end(errand, words):
                continue  # a newer text came meanwhile; it is kept with the others
            return
        if not plan.understood:
            plan = await wording.not_understood(desk, row, plan)
        await work_on(desk, row, replace(plan, say=" ".join(part for part in (plan.say, why) if part)), errand.steer)


def _result(use: Use, found: Found) -> dict[str, Any]:
    row = {"type": "tool_result", "tool_use_id": use.id, "content": found.text or "nothing"}
    return row | ({"is_error": True} if found.fault else {})
