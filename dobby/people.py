"""The people of the house: who they are, how they are reached, and how they log in to the page.

A one-time code becomes a session; only hashes of either are kept. It does not know what anybody may do (`gate`).
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from dobby.clock import Clock
from dobby.events import Role, Source
from dobby.store import Store

CODE_SECONDS = 15 * 60
SESSION_SECONDS = 180 * 24 * 3600
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0/O, 1/I


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody Dobby knows; empty language, units and room mean the house's."""

    id: str
    name: str
    role: Role
    language: str = ""
    units: str = ""
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
        for id_, name, role, language, units, room in db.execute("SELECT id, name, role, language, units, room FROM person"):
            self._people[id_] = Person(id_, name, Role(role), language, units, room)
        for bridge, chat, person in db.execute("SELECT bridge, chat, person FROM address"):
            self._addresses[bridge, chat] = person

    def get(self, person: str) -> Person | None:
        """Somebody by their id."""
        return self._people.get(person)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    @property
    def owners(self) -> list[Person]:
        """The adults who may say yes."""
        return [person for person in list(self._people.values()) if person.role is Role.OWNER]

    async def keep(self, person: Person) -> None:
        """Somebody new, or described anew."""
        row = (person.id, person.name, person.role, person.language, person.units, person.room)
        await self._store.write(lambda db: db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?, ?, ?)", row))
        self._people[person.id] = person

    async def reach(self, person: str, bridge: str, chat: str) -> None:
        """This address is theirs from now on."""
        row = (bridge, chat, person)
        await self._store.write(lambda db: db.execute("INSERT OR REPLACE INTO address VALUES (?, ?, ?)", row))
        self._addresses[bridge, chat] = person

    def lanes(self, person: str) -> list[str]:
        """Every conversation this person can be reached in, as `bridge/chat`."""
        return [f"{bridge}/{chat}" for (bridge, chat), owner in list(self._addresses.items()) if owner == person]

    def source(self, bridge: str, chat: str) -> Source:
        """Who writes from an address: somebody known, else an unknown sender."""
        person = self._people.get(self._addresses.get((bridge, chat), ""))
        if person is None:
            return Source(bridge=bridge, chat=chat)
        return Source(person.id, person.role, bridge, chat)

    async def make_code(self, person: str) -> str:
        """A one-time code for the page, good for a quarter of an hour: shown once, kept as a hash."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(10))
        await self._login(code, "code", person, CODE_SECONDS)
        return f"{code[:5]}-{code[5:]}"

    async def redeem(self, code: str) -> str | None:
        """Turn a code into a session's secret; None where it is wrong, used or too old."""
        hashed = _hash(code.replace("-", "").replace(" ", "").upper())
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

        return self._people.get(await self._store.read(look))

    async def end_session(self, session: str) -> None:
        """Log out here, and nowhere else."""
        hashed = _hash(session)
        await self._store.write(lambda db: db.execute("DELETE FROM login WHERE hash = ? AND kind = 'session'", (hashed,)))

    async def end_sessions(self, person: str) -> None:
        """A lost phone: every session and unused code of this person ends now."""
        await self._store.write(lambda db: db.execute("DELETE FROM login WHERE person = ?", (person,)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
