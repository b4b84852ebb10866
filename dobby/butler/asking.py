"""Asks an owner what a driver needs to open a device: a button, a choice, a code. One question at a time, beside the lane.

A code is taken from its text before that becomes a row; what is kept of it is a veil. It does not know any driver.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.events import EventState, Origin, Role
from dobby.journal import inbox, questions
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.questions import Question
from dobby.mind.answer import is_no
from dobby.mind.plan import Plan
from dobby.store import insist

log = logging.getLogger(__name__)
KINDS = ("ask", "secret")  # a choice or a button; a code or a password
VEIL = "•••"  # what is kept of a text that was a secret
LATE = 600.0  # seconds in which a code that comes too late is still veiled


class Asker:
    """Looks around for one text, and is the `Ask` that drivers are given meanwhile; only an owner is asked."""

    def __init__(self, desk: Desk, row: EventRow) -> None:
        self.desk, self.row = desk, row
        self.asked = False
        self.said = ""
        self.error: Exception | None = None
        self.free = asyncio.Event()  # the lane may go on

    async def look(self, plan: Plan) -> None:
        """Look, asking what has to be asked; where something was, the end of it is a message of its own."""
        source = self.row.event.source
        try:
            self.said = await self.desk.look(plan, source, self) or self.desk.words("look_off", source)
        except Exception as error:  # told by the lane, else said here: the person hears that it failed
            self.error = error
        if self.asked:
            if self.error is not None:
                log.error("The look for event %d failed", self.row.id, exc_info=self.error)
            await self._end(self.said or self.desk.words("failed", source))
        self.free.set()

    async def __call__(self, words: str, options: Sequence[str]) -> str:
        """Put the question and wait for its answer; "" for no, later, or nobody."""
        source = self.row.event.source
        if source.authority is not Role.OWNER or source.origins != {Origin.PERSON}:
            return ""
        async with self.desk.turn:
            question = await self._put(words, options)
            return await self.desk.answers[question.id]

    async def _put(self, words: str, options: Sequence[str]) -> Question:
        desk, row, source = self.desk, self.row, self.row.event.source
        kind = "ask" if options else "secret"
        text = words if options else desk.words("ask_secret", source, question=words)
        choices = tuple((option, ()) for option in options)
        draft = Question(0, row.id, kind, source.person, row.lane, text, choices=choices, asked=desk.clock.now())
        leave = () if any(map(is_no, options)) else (desk.words("no_word", source),)
        first, self.asked = not self.asked, True

        def put(db: sqlite3.Connection) -> tuple[Question, OutboxRow | None]:
            made = replace(draft, id=questions.ask(db, draft))
            more = {"options": (*options, *leave), "question": made.id}
            if first:
                inbox.move(db, row.id, EventState.WAITING)
                return made, desk.reply(db, row, text, **more)
            return made, desk.tell(db, f"question:{made.id}", row.lane, text, **more)

        made, told = await desk.store.write(put)
        desk.answers[made.id] = asyncio.get_running_loop().create_future()
        desk.put(made)
        desk.post.hand_over([told])
        self.free.set()
        return made

    async def _end(self, text: str) -> None:
        desk, row, now = self.desk, self.row, self.desk.clock.now()

        def end(db: sqlite3.Connection) -> OutboxRow | None:
            inbox.move(db, row.id, EventState.DONE, at=now)
            return desk.tell(db, f"event:{row.id}:end", row.lane, text)

        desk.post.hand_over([await insist(desk.store, desk.clock, end)])


async def look(desk: Desk, row: EventRow, plan: Plan) -> str:
    """What a look around has to say; "" where something had to be asked first, and the rest comes later."""
    asker = Asker(desk, row)
    if desk.spawn(asker.look(plan), f"look for {row.id}") is None:
        return desk.words("failed", row.event.source)
    await asker.free.wait()
    if asker.asked:
        return ""
    if asker.error is not None:
        raise asker.error
    return asker.said


async def take(desk: Desk, row: EventRow, question: Question, answer: str, via: Question | None = None) -> bool:
    """Hand an answer to whoever waits for it ("" is a no); False where it comes too late. `via` found out what was meant."""
    now, said = desk.clock.now(), VEIL if question.kind == "secret" else row.event.text

    def end(db: sqlite3.Connection) -> bool:
        if not questions.end(db, question.id, "chosen" if answer else "no", now, said):
            return False
        if via is not None and questions.end(db, via.id, "chosen", now, said):
            inbox.move(db, via.event, EventState.DONE, at=now)
        inbox.move(db, row.id, EventState.DONE, at=now)
        return True

    taken = await desk.store.write(end)
    if via is not None:
        desk.close([via])
    _let_go(desk, question, answer)
    return taken


async def expire(desk: Desk, question: Question) -> None:
    """Nobody answered in time: the driver hears that."""
    now = desk.clock.now()
    await insist(desk.store, desk.clock, lambda db: questions.end(db, question.id, "expired", now))
    _let_go(desk, question, "")


def _let_go(desk: Desk, question: Question, answer: str) -> None:
    desk.close([question])
    if question.kind == "secret":
        desk.veiled[question.person] = desk.clock.now() + LATE
    waits = desk.answers.pop(question.id, None)
    if waits is not None and not waits.done():
        waits.set_result(answer)


async def close_interrupted(desk: Desk) -> None:
    """After a restart nobody waits for these answers any more: that is said, once, and by what to ask again."""
    now = desk.clock.now()

    def close(db: sqlite3.Connection) -> list[OutboxRow | None]:
        told = []
        for row in map(lambda number: inbox.get(db, number), questions.left_waiting(db, KINDS)):
            for question in questions.of_event(db, row.id):
                questions.end(db, question.id, "closed", now)
            inbox.move(db, row.id, EventState.REFUSED, why="closed", at=now)
            words = desk.words("ask_again", row.event.source, said=row.event.text.strip()[:200])
            told.append(desk.tell(db, f"event:{row.id}:end", row.lane, words))
        return told

    desk.post.hand_over(await desk.store.write(close))
