"""Reads what is said about the people of the house: who somebody is, what they may, until when, and that they have gone.

A whole sentence or nothing (`persons.toml`). It does not keep anything, nor does it know who may say so (`gate`).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dobby.events import Call, Role
from dobby.house.registry import House
from dobby.journal.pack import PERSON
from dobby.mind.plan import Context, Mind, Order, Plan
from dobby.people import People, Person

NAME = r"(?P<name>[^\W\d_][\w'’-]{1,30})"
HOUR = r"(\d{1,2})(?:[:.](\d\d))?(?: ?uhr| ?h| ?o'clock)?"
SPARE = ("everybody", "everyone", "nobody", "it", "this", "that", "he", "she", "who", "dobby", "alle", "es", "er", "sie", "wer")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("persons.toml").read_text("utf-8"))


def _match(pattern: str, said: str, to: str) -> "re.Match[str] | None":
    for word, meant in (("NAME", NAME), ("KNOWN", NAME), ("ROOMS", r"(?P<rooms>.+?)"), ("UNTIL", r"(?P<until>.+)")):
        pattern = pattern.replace(word, meant)
    pattern = pattern.replace("HOURS", rf"(?P<hours>{HOUR} (?:{to}) {HOUR})").replace(
        "QUIET", rf"(?P<quiet>{HOUR} (?:{to}) {HOUR})"
    )
    return re.fullmatch(pattern, said, re.IGNORECASE)


def plan(text: str, context: Context, people: People, house: House, mind: Mind) -> Plan | None:
    """What a text says about people, as one call; None where it is about anything else."""
    said = text.strip().rstrip(".!?").removeprefix("Dobby, ")
    for language in dict.fromkeys((context.language, *_table())):
        if language in _table():
            found = _Reader(language, context, people, house, mind).read(said)
            if found is not None:
                return found
    return None


class _Reader:
    def __init__(self, language: str, context: Context, people: People, house: House, mind: Mind) -> None:
        self.table, self.language = _table()[language], language
        self.context, self.people, self.house, self.mind = context, people, house, mind

    def read(self, said: str) -> Plan | None:
        if any(_match(pattern, said, "") for pattern in self.table["who"]):
            return Plan(order=Order.PEOPLE, language=self.language)
        for to in ("removed", "lost", "invited"):
            for pattern in self.table[to]:
                found = _match(pattern, said, "")
                name = found.groupdict().get("name") if found else None
                person = self.people.named(name) if name else self.people.get(self.context.person)
                if found and person is not None:
                    return self._call(to, person, person.name)
                if found and name and to == "invited" and name.casefold() not in SPARE:
                    return Plan(say=self.mind.phrase("person_unknown", self.language, name=name), language=self.language)
        for pattern in (*self.table["limited"], *self.table["mine"]):
            found = _match(pattern, said, self.table["to"])
            name = found.groupdict().get("name") if found else None
            person = self.people.named(name) if name else self.people.get(self.context.person)
            if found and person is not None:
                return self._limited(person, found.groupdict())
        for row in self.table["kept"]:
            found = _match(row["pattern"], said, self.table["to"])
            if found and found["name"].casefold() not in SPARE:
                known = self.people.named(found["name"])
                name = found["name"][:1].upper() + found["name"][1:]
                base, role = known or Person(self._id(name), name, Role.UNKNOWN), Role(row["role"])
                role = base.role if role is Role.GUEST and base.role.rank > role.rank else role  # nobody becomes less by a room
                return self._limited(replace(base, role=role), found.groupdict(), afresh=True)
        return None

    def _id(self, name: str) -> str:
        """A name's own id; one that is taken (a person who left) gets a number."""
        bare = re.sub(r"\W", "", name.casefold())
        return bare if self.people.get(bare) is None else f"{bare}2"

    def _limited(self, person: Person, facts: Mapping[str, str | None], afresh: bool = False) -> Plan:
        limits = replace(person.limits, rooms=(), until=0.0) if afresh else person.limits
        words = self.table["words"]
        for key in ("language", "units", "prefers"):
            if facts.get(key):
                person = replace(person, **{key: words.get(str(facts[key]).casefold(), str(facts[key]).casefold())})
        if facts.get("hours"):
            limits = replace(limits, hours=_hours(str(facts["hours"])))
        if facts.get("quiet"):
            limits = replace(limits, quiet=_hours(str(facts["quiet"])))
        if facts.get("volume"):
            limits = replace(limits, volume=min(int(str(facts["volume"])), 100))
        if facts.get("rooms"):
            rooms = self._rooms(str(facts["rooms"]))
            if not rooms:
                return Plan(say=self.mind.phrase("person_no_room", self.language, room=facts["rooms"]), language=self.language)
            limits = replace(limits, rooms=rooms)
        if facts.get("until"):
            until = self._until(str(facts["until"]))
            if until is None:
                return Plan(say=self.mind.phrase("person_no_day", self.language, day=facts["until"]), language=self.language)
            limits = replace(limits, until=until.timestamp())
        return self._call("kept", replace(person, limits=limits), self.described(replace(person, limits=limits)))

    def described(self, person: Person) -> str:
        return described(person, self.mind, self.language, self.context.now)

    def _rooms(self, said: str) -> tuple[str, ...]:
        found = []
        for part in re.split(rf" (?:{self.table['and']}) |, ", said):
            bare = re.sub(rf"^(?:{self.table['article']}) ", "", part.strip(), flags=re.IGNORECASE).casefold()
            names = [
                room.name for room in self.house.rooms if bare in (room.name.casefold(), *(a.casefold() for a in room.aliases))
            ]
            if not names:
                return ()
            found.append(names[0])
        return tuple(found)

    def _until(self, said: str) -> datetime | None:
        """The end of a day, in the house's zone."""
        now, word = self.context.now, said.casefold().strip()
        end = now.replace(hour=23, minute=59, second=59, microsecond=0)
        if word in self.table["today"]:
            return end
        if word == self.table["tomorrow"]:
            return end + timedelta(days=1)
        if word in self.table["days"]:
            return end + timedelta(days=(self.table["days"].index(word) - now.weekday()) % 7)
        day = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", word)
        try:
            return end.replace(year=int(day[1]), month=int(day[2]), day=int(day[3])) if day else None
        except ValueError:
            return None

    def _call(self, to: str, person: Person, said: str) -> Plan:
        row: dict[str, Any] = {**asdict(person), "limits": {**asdict(person.limits), "rooms": list(person.limits.rooms)}}
        said = said if to == "kept" else self.mind.phrase(f"person_{to}", self.language, name=said)
        return Plan(calls=(Call(PERSON, "", {"to": f"person_{to}", "person": row, "said": said}),), language=self.language)


def described(person: Person, mind: Mind, language: str, now: datetime) -> str:
    """Somebody in one line: role, rooms, hours, an end."""
    limits, parts = person.limits, [mind.phrase(f"role_{person.role}", language)]
    if limits.rooms:
        parts.append(mind.phrase("limit_rooms", language, rooms=", ".join(limits.rooms)))
    for key in ("hours", "volume", "quiet"):
        if getattr(limits, key):
            parts.append(mind.phrase(f"limit_{key}", language, value=getattr(limits, key)))
    parts += [mind.phrase(f"likes_{value}", language) for value in (person.language, person.units, person.prefers) if value]
    if limits.until:
        day = datetime.fromtimestamp(limits.until, now.tzinfo)
        parts.append(mind.phrase("limit_until", language, day=day.strftime("%Y-%m-%d")))
    return f"{person.name}: {', '.join(parts)}"


def _hours(said: str) -> str:
    """ "22 to 7" as "22:00-07:00"."""
    begin, end = (re.split("[:.]", one) for one in re.findall(r"\d{1,2}(?:[:.]\d\d)?", said))
    return "-".join(f"{int(at[0]) % 24:02d}:{at[1] if len(at) > 1 else '00'}" for at in (begin, end))
