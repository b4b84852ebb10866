"""Tells people what the eyes saw: once per visit, with its picture, in a sentence that claims no more than was seen.

No model is needed for it; one may say it better afterwards. It does not look itself, and lettering is quoted, never obeyed.
"""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dobby.butler.desk import Desk
from dobby.butler.teaching import about, react, sure
from dobby.clock import local
from dobby.events import Event, EventKind, EventState, Origin, Role, Source
from dobby.journal import inbox, outbox, sightings as rows
from dobby.journal.inbox import EventRow
from dobby.journal.outbox import OutboxRow
from dobby.journal.sightings import Seen
from dobby.mind.answer import plain
from dobby.mind.plan import Interest, Order, Plan
from dobby.people import Person, within

log = logging.getLogger(__name__)
TOGETHER = 120.0  # seconds in which more of the same at one camera is the same message
LATE = 180.0  # seconds after which a message says when it was
LISTED, SHOWN = 12, 3  # visits named in an answer, and pictures sent after it
DESCRIBING = 20.0  # seconds a model may take to say it better
OUTSIDE = re.compile(
    r"driv|front|door|gate|porch|yard|garden|patio|terrac|entr|garag|bell|einfahrt|tür|tor\b|hof|garten|eingang|haus"
)
LINE = re.compile(r"^(line|linie)\b|[ -]?(line|linie)$")
STREET = re.compile(r"street|road|sidewalk|pavement|straße|strasse|gehweg|bürgersteig")
INDOORS = {"light", "speaker", "tv", "climate", "fan", "vacuum"}


async def take(desk: Desk, seen: Seen) -> None:
    """One sighting, once for ever: its event, its row and what is owed to whom are one commit.

    :raises StoreError: it could not be kept; the eyes say it again.
    """
    told = await desk.store.write(lambda db: _take(db, desk, seen))
    desk.post.hand_over(told)
    if told and desk.describe is not None and seen.phase in ("arrived", "press") and seen.picture:
        desk.spawn(_say_better(desk, seen), f"describe {seen.id}")


def _take(db: sqlite3.Connection, desk: Desk, seen: Seen) -> list[OutboxRow | None]:
    source = Source(bridge="eyes", chat=seen.camera, origin=Origin.SIGHT)
    event = Event(f"sight:{seen.id}", source, EventKind.SIGHTING, received=desk.clock.now(), tainted=("lettering",))
    number, new = inbox.receive(db, event)
    if not new:
        return []
    inbox.move(db, number, EventState.DONE, at=desk.clock.now())
    before = rows.of_visit(db, seen.visit)
    rows.keep(db, seen)
    if not sure(desk.house.get(seen.camera), seen):
        return []
    if seen.phase == "left":
        return _gone(db, desk, before, seen) if before else []
    if seen.phase in ("press", "crossed") or (seen.phase == "arrived" and not before):
        return _tell(db, desk, seen, before)
    return []


def _tell(db: sqlite3.Connection, desk: Desk, seen: Seen, before: Seen | None) -> list[OutboxRow | None]:
    """What is worth it goes to whom it is worth it; more of the same at one place changes the message that is there."""
    joined = rows.of_visit(db, seen.same_as) if seen.phase != "crossed" else None
    if joined:
        rows.mark(db, seen.id, told=joined.told)
        return _read_there(db, desk, joined, seen)
    group = rows.latest_told(db, seen.at - TOGETHER, seen.camera, seen.kind) if seen.phase == "arrived" else None
    if group and group.phase == "arrived":
        count = seen.count + sum(one.count for one in rows.told_in(db, group.told))
        rows.mark(db, seen.id, told=group.told)
        return _revise(db, desk, group.told, replace(seen, count=count, at=group.at, courier=seen.courier or group.courier))
    told = []
    for person, lane in _listeners(desk):
        heard = before is not None and bool(outbox.words(db, f"{before.told}:{person.id}"))
        if _worth(db, desk, seen, person, heard):
            source = Source(person.id)
            text = _stamped(desk, seen, source, bool(person.limits.quiet) or desk.clock.now() - seen.at > LATE)
            told.append(desk.tell(db, f"sight:{seen.id}:{person.id}", lane, text, picture=seen.picture))
    if told:
        rows.mark(db, seen.id, told=f"sight:{seen.id}")
    return told


def _read_there(db: sqlite3.Connection, desk: Desk, joined: Seen, seen: Seen) -> list[OutboxRow | None]:
    """Another camera sees the same visit: what only it could read is told in the message that is there."""
    if joined.courier or not seen.courier:
        return []
    rows.learn(db, joined.id, seen.courier, seen.lettering)
    if len({one.visit for one in rows.told_in(db, joined.told) if not one.same_as}) > 1:
        return []
    return _revise(db, desk, joined.told, replace(joined, courier=seen.courier, lettering=seen.lettering))


def _revise(db: sqlite3.Connection, desk: Desk, key: str, seen: Seen) -> list[OutboxRow | None]:
    """The messages of one visit say something else from now on, where a bridge can change them."""
    said = {person.id: sentence(desk, seen, Source(person.id)) for person in desk.people}
    return [outbox.revise(db, f"{key}:{person}", text, desk.clock.now()) for person, text in said.items()]


def _gone(db: sqlite3.Connection, desk: Desk, before: Seen, seen: Seen) -> list[OutboxRow | None]:
    """All who came have left, and from each camera's sight: the message says so, no new one is sent."""
    if rows.staying(db, before.told):
        return []
    changed = []
    for person in desk.people:
        key = f"{before.told}:{person.id}"
        if said := outbox.words(db, key):
            text = desk.words("sight_gone", Source(person.id), said=said, time=_hour(desk, seen.at))
            changed.append(outbox.revise(db, key, text, desk.clock.now()))
    return changed


def _listeners(desk: Desk) -> list[tuple[Person, str]]:
    """The grown-ups of the house and where they are reached."""
    lanes = ((one, desk.talk(one.id).lane or next(iter(desk.people.lanes(one.id)), "")) for one in desk.people)
    return [(one, lane) for one, lane in lanes if lane and one.role.rank >= Role.ADULT.rank]


# What is worth telling


def _worth(db: sqlite3.Connection, desk: Desk, seen: Seen, person: Person, heard: bool) -> bool:
    """What they asked for last decides; else a household's defaults: who comes to the front, less while everybody is in. Who has
    `heard` of the visit hears only of a line that they asked for."""
    at = local(seen.at, desk.zone)
    for want in rows.wants(db, person.id):
        if _fits(desk, want, seen, at) and (want.get("way") or not heard):
            return bool(want["order"] == "tell")
    if heard or (seen.phase == "crossed" and seen.way == "out"):
        return False
    if seen.phase == "press":
        return True
    device, place = desk.house.get(seen.camera), _places(desk, seen)
    marked = bool(seen.courier or seen.lettering)
    if seen.kind == "animal" or (seen.kind == "motion" and not marked) or (STREET.search(seen.zone.casefold()) and not seen.way):
        return False
    if within(person.limits.quiet, at.hour * 60 + at.minute):
        return False
    inside = device is not None and any(one.room == device.room and one.kind in INDOORS for one in desk.house if device.room)
    if _all_in(desk) or (inside and not OUTSIDE.search(place)):
        return bool(seen.courier) or seen.kind == "parcel"
    return True


def _fits(desk: Desk, want: Mapping[str, Any], seen: Seen, at: datetime) -> bool:
    hour, since, until = at.hour + at.minute / 60, want.get("since", 0), want.get("until", 24)
    kind, courier, place = want.get("kind", ""), want.get("courier", ""), set(plain(want.get("place", "")).split())
    what, guess = "press" if seen.phase == "press" else seen.kind, seen.kind == "motion" and want["order"] == "tell"  # no model
    return (
        (not kind or kind == what or (guess and kind in ("person", "vehicle")))
        and (not courier or (bool(seen.courier) and courier in ("*", seen.courier)))
        and (not want.get("way") or want["way"] == seen.way or (want["way"] == "across" and bool(seen.way)))
        and place <= set(_places(desk, seen).split())
        and (since <= hour < until if since <= until else hour >= since or hour < until)
    )


def _places(desk: Desk, seen: Seen) -> str:
    """Every word by which the place of a sighting may be called."""
    device = desk.house.get(seen.camera)
    names = (device.name, device.room, *device.aliases) if device else ()
    return plain(" ".join((seen.zone, *names)))


def _all_in(desk: Desk) -> bool:
    """Everybody is at home, as far as anybody tells."""
    known = [desk.house.state.of(one.id).get("home") for one in desk.house if one.kind == "person"]
    return bool(known) and all(where == "home" for where in known)


def sentence(desk: Desk, seen: Seen, source: Source) -> str:
    """What was seen and no more: a courier is named only where one was read; of what has no shape only how it is marked."""
    device = desk.house.get(seen.camera)
    place = clean(seen.zone or (device.name if device else seen.camera))[:60]
    texts = [f"“{quoted}”" for text in seen.lettering[:2] if (quoted := clean(re.sub(r"[“”\"]", "", text))[:40])]
    form = seen.kind
    if seen.phase == "press":
        form = "press"
    elif seen.count > 1 and seen.kind != "motion":
        form += "_many"
    elif seen.kind in ("vehicle", "motion") and (seen.courier or texts):
        form += "_courier" if seen.courier else "_marked"
    common = all(word.isalpha() and not word.isupper() for word in place.split())
    facts = {"count": seen.count, "courier": seen.courier, "text": " ".join(texts)}
    facts["n"] = "n" if seen.courier and seen.courier[0] in "AEIO" else ""
    facts |= {
        "place": place if desk.language_of(source) != "en" or not common else place.lower(),
        "the": "the " if common else "",
    }
    if seen.way:
        return desk.words(f"sight_{seen.way}", source, who=desk.words(f"sight_who_{form}", source, **facts), **facts)
    return desk.words(f"sight_{form}", source, **facts)


def clean(text: str) -> str:
    """A stranger's words on one line, nothing unprintable in them."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _hour(desk: Desk, at: float) -> str:
    return local(at, desk.zone).strftime("%H:%M")


def _line(desk: Desk, seen: Seen, source: Source) -> str:
    return f"{_hour(desk, seen.at)} {sentence(desk, seen, source)}"


def _stamped(desk: Desk, seen: Seen, source: Source, late: bool) -> str:
    said = sentence(desk, seen, source)
    return desk.words("sight_at", source, said=said, time=_hour(desk, seen.at)) if late else said


# A model may say it better


async def _say_better(desk: Desk, seen: Seen) -> None:
    """Late, empty, or against what was seen: nothing is said."""
    assert desk.describe is not None
    heard = {person.id: desk.language_of(Source(person.id)) for person, _ in _listeners(desk)}
    try:
        async with asyncio.timeout(DESCRIBING):
            told = await desk.describe(seen, sorted(set(heard.values())))
    except Exception as error:  # a model's own trouble is nobody's here
        log.info("Sighting %s was not described: %r", seen.id, error)
        return
    said = {person: clean(told.get(language, ""))[:300] for person, language in heard.items()}
    better = {f"sight:{seen.id}:{person}": text for person, text in said.items() if text and agrees(text, seen)}

    def say(db: sqlite3.Connection) -> list[OutboxRow | None]:
        return [outbox.revise(db, key, text, desk.clock.now()) for key, text in better.items()]

    desk.post.hand_over(await desk.store.write(say))


NAMED = {
    "person": r"person|people|man|woman|child|courier|driver|someone|visitor|mann|frau|kind|jemand|bote",
    "vehicle": r"vehicle|car|truck|van|lorry|bus|auto|wagen|fahrzeug|transporter|lkw",
    "animal": r"animal|cat|dog|fox|bird|tier|katze|hund|fuchs|vogel",
    "parcel": r"parcel|package|box|paket|karton",
}
BRANDS = re.compile(r"\b(fedex|ups|usps|dhl|dpd|gls|hermes|evri|amazon|post|postnl|tnt|yodel|inpost)\b")


def agrees(text: str, seen: Seen) -> bool:
    """A description names what the detector saw, and no company that was not read; links are none."""
    said, read = text.casefold(), " ".join((seen.courier, *seen.lettering)).casefold()
    fits = seen.kind not in NAMED or re.search(rf"\b\w*({NAMED[seen.kind]})", said)
    return bool(fits) and "://" not in said and all(brand in read for brand in BRANDS.findall(said))


# What people say to it


async def answer(desk: Desk, row: EventRow, plan: Plan) -> Plan:
    """What they want is kept, what was seen is listed."""
    interest, source = plan.interest or Interest(""), row.event.source
    plan = replace(plan, order=Order.NONE, interest=None)
    if interest.way:
        found = await _drawn(desk, interest.place, line=True)
        if found is None:
            return replace(plan, say=desk.words("sight_no_line", source, said=interest.place))
        interest = replace(interest, place=found)
    if interest.order in ("came", "unsure"):
        return await _came(desk, row, plan, interest)
    if interest.order == "asked":
        return replace(plan, say=await _asked(desk, source))
    if interest.order == "clip":
        return await _clip(desk, row, plan, interest)
    if interest.order == "this":
        return replace(plan, say=await _not_this(desk, row.event))
    if interest.order == "wrong":
        return await react(desk, row.event, "bad") or replace(plan, say=desk.words("sight_nothing_told", source))
    everybody = interest.order == "ignore"
    if interest.order not in ("tell", "hush") and source.authority.rank < Role.ADULT.rank:
        return replace(plan, say=desk.words("role", source))
    if interest.order in ("draw", "cut", "wipe"):
        return replace(plan, say=await _draw(desk, source, interest))
    if everybody and await _drawn(desk, interest.place) is None:
        return replace(plan, say=desk.words("sight_no_place", source, said=interest.said))
    body = {key: value for key, value in asdict(interest).items() if key not in ("said", "day", "points")}
    body |= {"order": "hush" if everybody else interest.order}
    await desk.store.write(lambda db: rows.want(db, "" if everybody else source.person, body, desk.clock.now()))
    kind = desk.words(f"sight_all_{interest.kind}", source) if interest.kind in ("vehicle", "animal") else ""
    alike = desk.words("sight_alike", source, kind=kind) if kind and plain(kind)[:4] not in plain(interest.said) else ""
    return replace(plan, say=desk.words(f"sight_{interest.order}", source, said=interest.said) + alike)


async def _asked(desk: Desk, source: Source) -> str:
    """What somebody wants to hear of, and not; what holds for everybody else."""
    lines = []
    for want in (await desk.store.read(lambda db: rows.wants(db, source.person)))[:LISTED]:
        kind = want["courier"].strip("*") or desk.words(f"sight_all_{'courier' if want['courier'] else want['kind']}", source)
        hours = {key: f"{want[key]:g}" for key in ("since", "until")}
        when = "" if want["since"] == 0 and want["until"] == 24 else desk.words("sight_hours", source, **hours)
        place = want["place"] and f"({want['place']})"
        if want.get("way"):
            place = desk.words(f"sight_way_{want['way']}", source, place=want["place"] or desk.words("sight_any_line", source))
        what = " ".join(filter(None, (kind, place, when)))
        lines.append(desk.words(f"sight_row_{want['order']}", source, kind=what))
    return "\n".join([*lines, desk.words("sight_rest" if lines else "sight_default", source)])


async def _drawn(desk: Desk, place: str, line: bool = False) -> str | None:
    """What is meant of a picture by its own name: a line ("" for whichever), else a zone, a camera or its room; None: nothing."""
    zones = [zone for view in (await desk.store.read(rows.views)).values() for zone in view["zones"]]
    names = [str(zone["name"]) for zone in zones if not line or len(zone["points"]) == 2]
    names += [name for one in desk.house if one.kind == "camera" and not line for name in (one.name, one.room) if name]
    words = set(LINE.sub("", plain(place)).split())
    found = next((name for name in names if words <= set(LINE.sub("", plain(name)).split())), None)
    return found if words or found is None else ""


async def _draw(desk: Desk, source: Source, interest: Interest) -> str:
    """A zone or a line is kept by its name, instead of one that has it, or let go."""
    zone = {"name": interest.said, "points": interest.points, "ignore": interest.order == "cut"} if interest.points else None
    had = await desk.store.write(lambda db: rows.draw(db, interest.place, interest.said, zone))
    device, form = desk.house.get(interest.place), "line" if len(interest.points) == 2 else interest.order
    facts = {"said": interest.said, "place": clean(device.name) if device else ""}
    return desk.words(f"sight_{form}" if zone or had else "sight_no_place", source, **facts)


async def _not_this(desk: Desk, event: Event) -> str:
    """What was told last, or is quoted, is labelled, and nothing like it is told to them any more."""
    now, source = desk.clock.now(), event.source

    def hush(db: sqlite3.Connection) -> Seen | None:
        last = next(iter(rows.told_in(db, about(db, event, now - 86400))), None)
        if last:
            rows.label(db, last.told, "bad")
            device = desk.house.get(last.camera)
            place = last.zone or (device.name if device else "")
            body = {"order": "hush", "kind": "press" if last.phase == "press" else last.kind, "place": place, "way": last.way}
            rows.want(db, source.person, {**body, "courier": last.courier, "since": 0.0, "until": 24.0}, now)
        return last

    last = await desk.store.write(hush)
    said = sentence(desk, replace(last, count=1), source) if last else ""
    return desk.words("sight_hush_this", source, said=said) if last else desk.words("sight_nothing_told", source)


async def _clip(desk: Desk, row: EventRow, plan: Plan, interest: Interest) -> Plan:
    """The clip of what is quoted, or was told last, there if a place is named."""
    source, words = row.event.source, set(plain(interest.place).split())

    def find(db: sqlite3.Connection) -> list[Seen]:
        since = desk.clock.now() - 86400
        if not words or row.event.refers:
            return rows.told_in(db, about(db, row.event, since))
        return [one for one in rows.between(db, since, desk.clock.now() + 1) if words <= set(_places(desk, one).split())]

    if source.authority.rank < Role.ADULT.rank:
        return replace(plan, say=desk.words("role", source))
    kept = [one for one in await desk.store.read(find) if one.clip and Path(one.clip).is_file()]
    if not kept:
        return replace(plan, say=desk.words("sight_no_clip", source))
    return replace(plan, say=_line(desk, kept[-1], source), picture=kept[-1].clip)


async def _came(desk: Desk, row: EventRow, plan: Plan, interest: Interest) -> Plan:
    """Everybody of that day, each with the hour, the last pictures behind it; or what was not sure enough to be told."""
    source, now, unsure = row.event.source, local(desk.clock.now(), desk.zone), interest.order == "unsure"
    if source.authority.rank < Role.CHILD.rank:
        return replace(plan, say=desk.words("role", source))
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    back = interest.day in ("yesterday", "last night", "gestern", "letzte nacht")
    since, until = (today - timedelta(days=1), today) if back else (today, now + timedelta(seconds=1))
    seen = await desk.store.read(lambda db: rows.between(db, since.timestamp(), until.timestamp(), unsure))
    if not unsure:
        seen = [one for one in seen if (one.kind != "motion" or one.told) and sure(desk.house.get(one.camera), one)]
    want = asdict(interest)
    seen = [one for one in seen if one.phase != "crossed" or interest.way]
    seen = [one for one in seen if _fits(desk, want, one, local(one.at, desk.zone))]
    if not seen:
        such = interest.kind or interest.courier or interest.way
        none = "sight_none_unsure" if unsure else "sight_none_such" if such else "sight_nobody"
        return replace(plan, say=desk.words(none, source))
    lines = [_line(desk, one, source) for one in seen[-LISTED:]]
    more = [desk.words("sight_more", source, count=len(seen) - LISTED)] if len(seen) > LISTED else []
    more += [desk.words("sight_unsure", source)] if unsure else []
    shown = [one for one in seen if one.picture][-SHOWN - 1 :]
    last = None if unsure or not shown else shown.pop()  # a thumb at what was not sure needs a message of its own

    def show(db: sqlite3.Connection) -> list[OutboxRow | None]:
        told = ((one, _line(desk, one, source)) for one in shown)
        return [desk.tell(db, f"event:{row.id}:{one.id}", row.lane, line, picture=one.picture) for one, line in told]

    desk.post.hand_over(await desk.store.write(show))
    return replace(plan, say="\n".join(lines + more), picture=last.picture if last else "")
