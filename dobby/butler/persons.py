"""Keeps what is said about people: who is let in, with what limits, who has gone, whose phone is lost; a code pairs them.

Rows, kept in the same commit that says so. It does not understand words (`mind.persons`).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dobby import people
from dobby.act import Ending
from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.errors import IllegalMove
from dobby.events import Call, EffectState, Role, Source
from dobby.journal import questions
from dobby.journal.ledger import EffectRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.pack import PERSON
from dobby.mind.persons import described
from dobby.people import Person, load_limits

CHATS = ("telegram", "whatsapp", "sms")


def person_of(call: Call) -> Person:
    """Whom a call is about, as they are to be."""
    row: Any = call.args["person"]
    return Person(**{**row, "role": Role(row["role"]), "limits": load_limits(row["limits"])})


def is_own(desk: Desk, call: Call, source: Source) -> bool:
    """Somebody of the house changes how Dobby writes to them, and nothing else; or has lost their own phone."""
    wanted, known = person_of(call), desk.people.get(source.person)
    if known is None or wanted.id != source.person or source.authority.rank < Role.CHILD.rank:
        return False
    same = wanted.role is known.role and replace(wanted.limits, quiet="") == replace(known.limits, quiet="")
    return call.args["to"] in ("person_lost", "person_invited") or (call.args["to"] == "person_kept" and same)


def carry(db: sqlite3.Connection, desk: Desk, effect: EffectRow) -> Ending:
    """Keep it, within the commit that says so.

    :raises IllegalMove: the last owner cannot go, nor become less.
    """
    person, to, now = person_of(effect.call), effect.call.args["to"], desk.clock.now()
    others = [owner for owner in desk.people.owners if owner.id != person.id]
    known = desk.people.get(person.id)
    if known and known.role is Role.OWNER and not others and (to == "person_removed" or person.role is not Role.OWNER):
        raise IllegalMove("The last owner stays.")
    if to == "person_kept":
        was_adult = known is not None and known.role.rank >= Role.ADULT.rank
        people.keep(db, replace(person, since=known.since if known and was_adult else now))
        db.execute("INSERT OR IGNORE INTO address VALUES ('web', ?, ?)", (person.id, person.id))
    if to in ("person_removed", "person_lost"):
        _end_questions(db, person.id, now)
    if to == "person_lost":
        db.execute("DELETE FROM login WHERE person = ?", (person.id,))
        db.execute("DELETE FROM address WHERE person = ? AND bridge IN ('telegram', 'whatsapp', 'sms')", (person.id,))
    if to == "person_removed":
        db.execute("UPDATE due SET state = 'ended' WHERE person = ? AND state <> 'ended'", (person.id,))
        db.execute('UPDATE "grant" SET ended = ? WHERE maker = ? AND ended IS NULL', (now, person.id))
        people.forget(db, person.id)
    return Ending(EffectState.DONE)


def _end_questions(db: sqlite3.Connection, person: str, now: float) -> None:
    """What they were asked, and what others were asked for them, is over."""
    theirs = "SELECT id FROM event WHERE person = ?"
    ended = f"UPDATE question SET state = 'closed', ended = ? WHERE state = 'open' AND (person = ? OR event IN ({theirs}))"
    db.execute(ended, (now, person, person))
    db.execute(f"UPDATE effect SET state = 'refused', why = 'gone' WHERE state = 'asked' AND event IN ({theirs})", (person,))
    db.execute(
        "UPDATE event SET state = 'refused', why = 'gone', ended = ? WHERE state = 'waiting' AND person = ?", (now, person)
    )


async def settle(desk: Desk, effects: Sequence[EffectRow], asker: Source) -> None:
    """The rows are kept: Dobby knows them from now on, and whoever needs a way in gets a code, which only the asker reads."""
    done = [effect for effect in effects if effect.call.tool == PERSON and effect.state is EffectState.DONE]
    if not done:
        return
    await desk.people.refresh()
    asked = list(desk.questions.values())  # before the rows are read: what is asked meanwhile stays
    still = {question.id for question in await desk.store.read(questions.open_questions)}
    desk.close([question for question in asked if question.id not in still])
    lane = await _private(desk, asker)
    for effect in done:
        person = person_of(effect.call)
        reached = any(known.partition("/")[0] in CHATS for known in desk.people.lanes(person.id))
        to = effect.call.args["to"]
        wanted = to in ("person_invited", "person_lost") or (to == "person_kept" and not reached and person.id != asker.person)
        if wanted and lane:
            desk.post.hand_over([await _offer(desk, person, asker, lane, effect.id)])


async def _private(desk: Desk, asker: Source) -> str:
    """Where only the asker reads it: here, unless here is a group."""
    mine = desk.people.lanes(asker.person)
    return asker.lane if asker.lane in mine else next(iter(mine), "")


async def _offer(desk: Desk, person: Person, asker: Source, lane: str, effect: int) -> OutboxRow | None:
    code = people.new_code()

    def offer(db: sqlite3.Connection) -> OutboxRow | None:
        people.offer_pairing(db, person.id, code, desk.clock.now())
        return desk.tell(db, f"pairing:{effect}", lane, desk.words("pairing", asker, name=person.name, code=code))

    return await desk.store.write(offer)


def told(desk: Desk, source: Source) -> str:
    """Everybody Dobby knows, in one line each; for the adults of the house."""
    if source.authority.rank < Role.ADULT.rank:
        return desk.words("role", source)
    now, language = local(desk.clock.now(), desk.zone), desk.language_of(source)
    return "\n".join(described(person, desk.mind, language, now) for person in desk.people)
