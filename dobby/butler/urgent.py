"""Life and limb: smoke, gas, water, a cry for help. Every adult, over every bridge at once, again and again until one says so.

Rather twice than never; quiet hours do not count. Dobby tries it himself every month. It does not call anybody.
"""

import json
import sqlite3

from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Event, Reply, Role, Source
from dobby.house.state import Turn
from dobby.journal import household, outbox
from dobby.journal.outbox import URGENT, OutboxRow
from dobby.mind.answer import help_in, is_known

GRAVE = ("smoke", "carbon_monoxide", "gas", "moisture", "heat")  # what such a sensor's class says, in Home Assistant's words
AGAIN = 120.0  # seconds between two rounds …
MOST = 60  # … and how many there are, if nobody ever answers
LOOK = 20.0  # seconds between looks
TESTED, HOUR = "urgent_tested", 11  # the setting with the last month of a test, and when on its first day


def watch(desk: Desk) -> None:
    """Every turn of such a sensor begins an emergency, whoever hears of it first."""
    desk.house.state.listen(lambda turn: _heard(desk, turn))


def _heard(desk: Desk, turn: Turn) -> None:
    device = desk.house.get(turn.device)
    if device and device.device_class in GRAVE and turn.trait in ("on", "triggered") and turn.now is True:
        where = f"{device.name}, {device.room}" if device.room else device.name
        desk.spawn(begin(desk, device.id, device.device_class, where=where), f"emergency {device.id}")


async def begin(desk: Desk, cause: str, kind: str, **facts: str) -> None:
    """Keep it and tell everybody; one that is open already is not begun twice."""
    now = desk.clock.now()
    words = json.dumps({"key": f"urgent_{kind}", **facts})

    def put(db: sqlite3.Connection) -> list[OutboxRow | None]:
        sql = "INSERT INTO emergency (cause, words, began) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
        found = db.execute(sql, (cause, words, now)).fetchone()
        return _round(db, desk, found[0], words, 0, now) if found else []

    desk.post.hand_over(await desk.store.write(put))


def _round(db: sqlite3.Connection, desk: Desk, number: int, words: str, rounds: int, now: float) -> list[OutboxRow | None]:
    """Tell every adult on every bridge that is open; the page and the console too."""
    told = []
    for person in desk.people:
        for lane in desk.people.lanes(person.id) if person.role.rank >= Role.ADULT.rank else ():
            source = desk.people.source(*lane.split("/", 1))
            text = f"{_worded(desk, words, source)} {desk.words('urgent_answer', source)}"
            reply = Reply(f"{URGENT}{number}:{rounds}:{lane}", lane, text, (desk.words("urgent_known", source),))
            told.append(outbox.owe(db, reply, None, now))
    db.execute("UPDATE emergency SET rounds = rounds + 1, told = ? WHERE id = ?", (now, number))
    return told


def _worded(desk: Desk, kept: str, source: Source) -> str:
    """What has happened, in the language of whoever is told."""
    facts = json.loads(kept) if kept.startswith("{") else {"key": "urgent_kept", "text": kept}  # kept by an older Dobby
    return desk.words(facts.pop("key"), source, **facts)


async def known(desk: Desk, event: Event) -> bool:
    """An adult says that they know: whatever is open ends, and the others hear who it was."""
    source, now = event.source, desk.clock.now()
    if source.authority.rank < Role.ADULT.rank or event.tainted or not is_known(event.text):
        return False
    person = desk.people.get(source.person)

    def end(db: sqlite3.Connection) -> list[OutboxRow | None] | None:
        sql = "UPDATE emergency SET known = ?, person = ? WHERE known IS NULL RETURNING id"
        ended = [row[0] for row in db.execute(sql, (now, source.person))]
        if not ended:
            return None
        key, name = f"{URGENT}{ended[0]}:known", person.name if person else ""
        others = [each for each in desk.people if each.role.rank >= Role.ADULT.rank and each.id != source.person]
        lanes = [(each, lane) for each in others for lane in desk.people.lanes(each.id)[:1]]
        return [
            desk.tell(db, f"{key}:{lane}", lane, desk.words("urgent_seen", Source(each.id), name=name)) for each, lane in lanes
        ]

    told = await desk.store.write(end)
    desk.post.hand_over(told or [])
    return told is not None


def asks_help(event: Event) -> bool:
    """Somebody of the house cries for help."""
    return bool(event.source.authority.rank) and bool(help_in(event.text))


async def help_wanted(desk: Desk, event: Event) -> str:
    """Every adult is told at once; the answer to whoever asked says whom to call, as Dobby cannot."""
    person = desk.people.get(event.source.person)
    await begin(desk, f"help:{event.key}", "help", name=person.name if person else "?", text=event.text.strip()[:200])
    number = "911" if desk.units_of(event.source) == "us" else "112"
    return desk.mind.phrase("help_call", help_in(event.text), number=number)


async def run(desk: Desk) -> None:
    """Another round where nobody has answered, and the monthly test, until cancelled."""
    while True:
        await desk.clock.sleep(LOOK)
        if await desk.store.read(lambda db: _waiting(db, desk)):
            desk.post.hand_over(await desk.store.write(lambda db: _due(db, desk)))
        await _test(desk)


def _waiting(db: sqlite3.Connection, desk: Desk) -> list[tuple[int, str, int]]:
    """What nobody has answered for a while: number, words, rounds."""
    sql = "SELECT id, words, rounds FROM emergency WHERE known IS NULL AND told <= ? AND rounds < ?"
    return db.execute(sql, (desk.clock.now() - AGAIN, MOST)).fetchall()


def _due(db: sqlite3.Connection, desk: Desk) -> list[OutboxRow | None]:
    now = desk.clock.now()
    return [told for number, words, rounds in _waiting(db, desk) for told in _round(db, desk, number, words, rounds, now)]


async def _test(desk: Desk) -> None:
    """On the first day of a month everybody gets one such message and is asked to answer; the first month is only noted."""
    now = local(desk.clock.now(), desk.zone)
    month = f"{now:%Y-%m}"
    last = await desk.store.read(lambda db: household.setting(db, TESTED))
    if last == month or (last and (now.day > 1 or now.hour < HOUR)):
        return
    await desk.store.write(lambda db: household.set_setting(db, TESTED, month))
    if last:
        await begin(desk, "test", "test")
