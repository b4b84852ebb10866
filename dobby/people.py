"""The people of the house: who they are, how they are reached, and how they log in to the page.

A one-time code becomes a session; only hashes of either are kept. It does not know what anybody may do (`gate`).
"""

import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from dobby.clock import Clock
from dobby.events import Role, Source
from dobby.store import Store

CODE_SECONDS = 15 * 60
PAIR_SECONDS = 3 * 24 * 3600  # a guest may write days after they were announced
REACH = ("telegram", "whatsapp", "sms", "web", "console")  # where a person sees it soonest comes first
SESSION_SECONDS = 180 * 24 * 3600
FOR_GOOD = 1e11  # seconds since 1970 that nobody will see
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0/O, 1/I


@dataclass(frozen=True, slots=True)
class Limits:
    """What narrows a role: the `rooms` somebody may act in (none: all), the `hours` of the day they may ("07:00-20:00"),
    `until` when they are somebody at all (seconds since 1970; 0: for good), the loudest `volume` in % (0: any), and the
    hours in which nothing that can wait is sent (`quiet`)."""

    rooms: tuple[str, ...] = ()
    hours: str = ""
    until: float = 0.0
    volume: int = 0
    quiet: str = ""


def load_limits(row: "dict[str, Any]") -> Limits:
    """Limits as they were kept."""
    known = {name: row[name] for name in Limits.__dataclass_fields__ if name in row}
    return Limits(**{**known, "rooms": tuple(known.get("rooms", ()))})


def within(hours: str, minute: int) -> bool:
    """Whether a minute of the day lies in "22:00-07:00", which may go over midnight; never in ""."""
    if not hours:
        return False
    begin, end = (int(at[:-3]) * 60 + int(at[-2:]) for at in hours.split("-"))
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody Dobby knows; empty language, units and room mean the house's. `prefers` is the bridge tried first; `since`, in
    seconds since 1970, when they came in as an adult or had their newest phone paired (0: at the beginning)."""

    id: str
    name: str
    role: Role
    language: str = ""
    units: str = ""
    room: str = ""
    limits: Limits = Limits()
    prefers: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that may speak for a person by a token: what it is called, and the room it stands in ("": nobody said)."""

    name: str
    person: Person
    room: str = ""


class People:
    """Everybody Dobby knows, in memory and in rows."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._addresses: dict[tuple[str, str], str] = {}
        store.look(self._load)

    def _load(self, db: sqlite3.Connection) -> None:
        """Whole, and put in place at once: the loop may look while the store reads."""
        found = {}
        rows = db.execute("SELECT id, name, role, language, units, room, limits, prefers, since FROM person")
        for id_, name, role, language, units, room, limits, *more in rows:
            found[id_] = Person(id_, name, Role(role), language, units, room, load_limits(json.loads(limits)), *more)
        self._people = found
        rows = db.execute("SELECT bridge, chat, person FROM address ORDER BY rowid")
        self._addresses = {(bridge, chat): person for bridge, chat, person in rows}

    def get(self, person: str) -> Person | None:
        """Somebody by their id, with the role they have today: whose time is over is nobody."""
        found = self._people.get(person)
        over = found is not None and 0 < found.limits.until <= self._clock.now()
        return replace(found, role=Role.UNKNOWN) if found and over else found

    def __iter__(self) -> Iterator[Person]:
        return iter(list(self._people.values()))

    @property
    def owners(self) -> list[Person]:
        """The adults who may say yes."""
        return [person for person in self if person.role is Role.OWNER]

    def named(self, name: str) -> Person | None:
        """Somebody by what they are called, or by their id."""
        want = name.casefold()
        return next((person for person in self if want in (person.id, person.name.casefold())), None)

    async def keep(self, person: Person) -> None:
        """Somebody new, or described anew."""
        await self._store.write(lambda db: keep(db, person))
        self._people[person.id] = person

    async def reach(self, person: str, bridge: str, chat: str) -> None:
        """This address is theirs from now on."""
        row = (bridge, chat, person)
        await self._store.write(lambda db: db.execute("INSERT OR REPLACE INTO address VALUES (?, ?, ?)", row))
        self._addresses[bridge, chat] = person

    async def refresh(self) -> None:
        """What others kept, paired or removed in a commit of theirs is known from now on."""
        await self._store.read(self._load)

    def lanes(self, person: str) -> list[str]:
        """Every conversation this person can be reached in, as `bridge/chat`: the bridge they prefer first."""
        known = self._people.get(person)
        found = [place for place, owner in list(self._addresses.items()) if owner == person]

        def rank(bridge: str) -> tuple[bool, int]:
            return known is None or bridge != known.prefers, REACH.index(bridge) if bridge in REACH else -1

        return [f"{bridge}/{chat}" for bridge, chat in sorted(found, key=lambda place: rank(place[0]))]

    def of_lane(self, lane: str) -> Person | None:
        """Whose conversation this is; None for a group's or a stranger's."""
        bridge, _, chat = lane.partition("/")
        return self.get(self._addresses.get((bridge, chat), ""))

    def source(self, bridge: str, chat: str, sender: str = "") -> Source:
        """Who writes: somebody known, else an unknown sender. In a group `sender` has an address of their own."""
        person = self.get(self._addresses.get((bridge, sender or chat), ""))
        if person is None or not person.role.rank:
            return Source(bridge=bridge, chat=chat)
        return Source(person.id, person.role, bridge, chat)

    def limits(self, source: Source) -> list[Limits]:
        """What narrows everybody in the chain behind something."""
        person = self._people.get(source.person)
        mine = [person.limits] if person else []
        return mine + (self.limits(source.behalf) if source.behalf else [])

    def hears_of(self, person: str) -> tuple[str, ...]:
        """The rooms that somebody may ask about and hear of; none for the whole house. A guest's rooms are all of it to them."""
        known = self._people.get(person)
        return known.limits.rooms if known and known.role is Role.GUEST else ()

    async def make_code(self, person: str) -> str:
        """A one-time code for the page, good for a quarter of an hour: shown once, kept as a hash."""
        code = new_code()
        await self._login(_bare(code), "code", person, CODE_SECONDS)
        return code

    async def redeem(self, code: str) -> str | None:
        """Turn a code into a session's secret; None where it is wrong, used or too old."""
        hashed = _hash(_bare(code))
        now = self._clock.now()

        def use(db: sqlite3.Connection) -> str | None:
            found = db.execute(
                "UPDATE login SET used = ? WHERE hash = ? AND kind = 'code' AND used IS NULL AND expires > ? RETURNING person",
                (now, hashed, now),
            ).fetchone()
            return found[0] if found else None

        person = await self._store.write(use)
        if person is None:
            return None
        session = secrets.token_urlsafe(32)
        await self._login(session, "session", person, SESSION_SECONDS)
        return session

    async def _login(self, secret: str, kind: str, person: str, seconds: float) -> None:
        now = self._clock.now()
        row = (_hash(secret), kind, person, now, now + seconds)
        await self._store.write(
            lambda db: db.execute("INSERT INTO login (hash, kind, person, made, expires) VALUES (?, ?, ?, ?, ?)", row)
        )

    async def of_session(self, session: str) -> Person | None:
        """Whose session this is; None where it is unknown, ended or too old. Looked up each time: an end counts at once."""
        key = (_hash(session), self._clock.now())

        def look(db: sqlite3.Connection) -> str:
            found = db.execute("SELECT person FROM login WHERE hash = ? AND kind = 'session' AND expires > ?", key).fetchone()
            return found[0] if found else ""

        person = self.get(await self._store.read(look))
        return person if person and person.role.rank else None

    # Things that speak for somebody

    async def make_token(self, person: str, name: str, room: str = "") -> str:
        """A token for a thing of theirs, good until it is ended: shown once, kept as a hash. One of the same name ends."""
        token = secrets.token_urlsafe(32)
        row = (_hash(token), person, self._clock.now(), FOR_GOOD, name, room)

        def make(db: sqlite3.Connection) -> None:
            end_token(db, name)
            db.execute(
                "INSERT INTO login (hash, kind, person, made, expires, name, room) VALUES (?, 'token', ?, ?, ?, ?, ?)", row
            )

        await self._store.write(make)
        return token

    async def of_token(self, token: str) -> Thing | None:
        """What speaks with this token; None where it is unknown or ended, or its person is nobody any more."""
        sql = "SELECT name, person, room FROM login WHERE hash = ? AND kind = 'token'"
        found = await self._store.read(lambda db: db.execute(sql, (_hash(token),)).fetchone())
        person = self.get(found[1]) if found else None
        return Thing(found[0], person, found[2]) if person and person.role.rank else None

    async def things(self) -> list[tuple[str, str, str, float]]:
        """Everything that has a token: name, person, room, since when."""
        sql = "SELECT name, person, room, made FROM login WHERE kind = 'token' ORDER BY name"
        return await self._store.read(lambda db: db.execute(sql).fetchall())

    async def end_token(self, name: str) -> bool:
        """It speaks for nobody from now on; False where there was none."""
        return await self._store.write(lambda db: end_token(db, name))

    async def end_session(self, session: str) -> None:
        """Log out here, and nowhere else."""
        hashed = _hash(session)
        await self._store.write(lambda db: db.execute("DELETE FROM login WHERE hash = ? AND kind = 'session'", (hashed,)))

    async def end_sessions(self, person: str) -> None:
        """A lost phone: every session and unused code of this person ends now."""
        await self._store.write(lambda db: db.execute("DELETE FROM login WHERE person = ?", (person,)))


def keep(db: sqlite3.Connection, person: Person) -> None:
    """Somebody new, or described anew, as a row."""
    row = asdict(person) | {"limits": json.dumps(asdict(person.limits))}
    sets = ", ".join(f"{name} = excluded.{name}" for name in row)
    sql = f"INSERT INTO person ({', '.join(row)}) VALUES ({', '.join('?' * len(row))}) ON CONFLICT (id) DO UPDATE SET {sets}"
    db.execute(sql, tuple(row.values()))


def forget(db: sqlite3.Connection, person: str) -> None:
    """They are nobody from now on: their addresses, sessions and codes end with them."""
    for table in ("address", "login"):
        db.execute(f"DELETE FROM {table} WHERE person = ?", (person,))
    db.execute("DELETE FROM person WHERE id = ?", (person,))


def end_token(db: sqlite3.Connection, name: str) -> bool:
    """A thing's token ends."""
    return db.execute("DELETE FROM login WHERE kind = 'token' AND name = ?", (name,)).rowcount > 0


def new_code() -> str:
    """A code that nobody guesses and everybody can type: 49 bits."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(10))
    return f"{code[:5]}-{code[5:]}"


def offer_pairing(db: sqlite3.Connection, person: str, code: str, at: float) -> None:
    """Whoever writes this code first, from wherever, is this person. An older code of theirs ends."""
    db.execute("DELETE FROM login WHERE kind = 'pair' AND person = ?", (person,))
    row = (_hash(_bare(code)), person, at, at + PAIR_SECONDS)
    db.execute("INSERT INTO login (hash, kind, person, made, expires) VALUES (?, 'pair', ?, ?, ?)", row)


def is_code(text: str) -> bool:
    """It has the form of a code, right or wrong."""
    return re.fullmatch(rf"[{ALPHABET}]{{10}}", _bare(text)) is not None


def pair(db: sqlite3.Connection, text: str, bridge: str, chat: str, at: float) -> str:
    """A stranger's text is the code of somebody: this address is theirs; who they are, "" where it is none."""
    bare = _bare(text)
    if len(bare) != 10:
        return ""
    found = db.execute(
        "UPDATE login SET used = ? WHERE hash = ? AND kind = 'pair' AND used IS NULL AND expires > ? RETURNING person",
        (at, _hash(bare), at),
    ).fetchone()
    if found is None:
        return ""
    db.execute("INSERT OR REPLACE INTO address VALUES (?, ?, ?)", (bridge, chat, found[0]))
    db.execute("UPDATE person SET since = ? WHERE id = ?", (at, found[0]))
    return str(found[0])


def _bare(code: str) -> str:
    return code.replace("-", "").replace(" ", "").strip().upper()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
