"""What is forgotten is gone: from recall, from the journal's texts and from the bytes of every file, whatever interrupts it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from dobby.backup import make
from dobby.clock import FixedClock
from dobby.events import Event, EventState, Reply, Role, Source
from dobby.journal import inbox, open_journal, outbox
from dobby.memory import Memory, made_backup, open_memory
from dobby.people import People, Person
from dobby.store import Store

NOW = 1_772_000_000.0
ANNA = Source("anna", Role.OWNER, "web", "anna")
TOM = Source("tom", Role.OWNER, "web", "tom")
LEO = Source("leo", Role.CHILD, "web", "leo")
SECRET = "Zitronenfalter77"
SAID = f"Remember that the wifi password of guests is {SECRET}."


class House:
    """A state folder with a journal and a memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal: Store = open_journal(folder)
        self.clock = FixedClock(NOW)
        self.memory: Memory = open_memory(folder, People(self.journal, self.clock), self.clock, None, self.journal)

    async def hear(self, key: str, text: str, answer: str) -> int:
        """A text and its answer, ended, as the butler leaves them."""

        def rows(db: sqlite3.Connection) -> int:
            number, _ = inbox.receive(db, Event(key, ANNA, text=text, received=NOW))
            inbox.keep_plan(db, number, {"say": answer})
            inbox.move(db, number, EventState.DONE, at=NOW)
            sent = outbox.owe(db, Reply(f"event:{number}", ANNA.lane, answer), number, NOW)
            assert sent is not None
            db.execute("UPDATE outbox SET state = 'read' WHERE id = ?", (sent.id,))
            return number

        return await self.journal.write(rows)

    async def tell_secret(self) -> int:
        await self.hear("web:1", SAID, f"Kept: the wifi password of guests is {SECRET}.")
        await self.hear("web:2", "what is the wifi password?", SECRET)
        await self.hear("web:3", "kitchen lights on", "The kitchen lights are on.")
        number = await self.memory.note(SAID, source=ANNA, at=NOW, key="web:1")
        await self.memory.learn("wifi password of guests", "is", SECRET, note=number, since=NOW)
        return number

    def traces(self) -> list[str]:
        """The files that have the secret in their bytes, as it was said or as an index has it."""
        files, secret = (path for path in self.folder.rglob("*") if path.is_file()), SECRET.casefold().encode()
        return sorted(path.name for path in files if secret in path.read_bytes().lower())

    async def aclose(self) -> None:
        await self.memory.aclose()
        await self.journal.aclose()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "state")
    for source in (ANNA, TOM, LEO):
        await People(house.journal, house.clock).keep(Person(source.person, source.person.title(), source.role))
    yield house
    await house.aclose()


async def test_it_is_in_no_byte_of_any_file(house: House) -> None:
    number = await house.tell_secret()
    assert house.traces(), "it is there to begin with"
    gone = await house.memory.forget(number, who=ANNA)
    assert (gone.notes, gone.facts, gone.copies) == (1, 1, ()) and gone.texts >= 3
    assert house.traces() == [], "while he runs"
    assert await house.memory.recall("wifi password", who=ANNA, now=NOW) == []
    assert await house.memory.about("wifi password of guests", who=ANNA) == []
    await house.aclose()
    assert house.traces() == []
    with closing(sqlite3.connect(house.folder / "journal.db")) as db:
        texts = [row[0] for row in db.execute("SELECT text FROM outbox ORDER BY id")]
    assert texts == ["•••", "•••", "The kitchen lights are on."], "the rows' frame stays, and what is not meant stays whole"


async def test_words_select_notes_and_others_notes_are_left(house: House) -> None:
    await house.memory.note("The diary is blue.", source=TOM, at=NOW, private=True)
    await house.memory.note("The diary of the house is red.", source=TOM, at=NOW)
    await house.memory.note("My diary is green.", source=LEO, at=NOW)
    assert (await house.memory.forget("diary", who=LEO)).notes == 1, "a child forgets its own"
    assert (await house.memory.forget("DIARY", who=ANNA)).notes == 1, "an owner what is shared, too"
    assert [one.text for one in await house.memory.recall("diary", who=TOM, now=NOW)] == ["The diary is blue."]
    assert (await house.memory.forget("  ", who=TOM)).notes == 0


async def test_what_it_had_ended_counts_again(house: House) -> None:
    first = await house.memory.note("I prefer 21.", source=ANNA, at=NOW - 10)
    await house.memory.learn("anna", "prefers", "21", note=first, since=NOW - 10)
    second = await house.memory.note("I prefer 19.", source=ANNA, at=NOW)
    await house.memory.learn("anna", "prefers", "19", note=second, since=NOW)
    await house.memory.forget(second, who=ANNA)
    assert [(fact.value, fact.now) for fact in await house.memory.about("anna", who=ANNA)] == [("21", True)]


async def test_copies_that_still_have_it_are_named(house: House, tmp_path: Path) -> None:
    made_backup(house.folder, tmp_path / "gone.zip", NOW)
    number = await house.tell_secret()
    (house.folder / "journal.before-9.db").write_bytes(b"..." + SAID.encode())
    (house.folder / "memory.before-9.db").write_bytes(b"something else")
    backup = tmp_path / "dobby.zip"
    make(house.folder, backup)
    made_backup(house.folder, backup, NOW + 1)
    old = tmp_path / "old.zip"
    old.write_bytes(b"from before it was said")
    made_backup(house.folder, old, NOW - 1)
    gone = await house.memory.forget(number, who=ANNA)
    assert gone.copies == (str(backup), str(house.folder / "journal.before-9.db"))


async def test_while_somebody_reads_the_rest_is_done_and_the_file_is_named(house: House) -> None:
    number = await house.tell_secret()
    with closing(sqlite3.connect(house.folder / "memory.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM note").fetchone()
        gone = await house.memory.forget(number, who=ANNA)
        assert str(house.folder / "memory.db") in gone.copies
    assert await house.memory.settle() == (0, ())
    assert house.traces() == []


KILLED = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from dobby.store import Store
    from tests.test_forgetting import ANNA, House

    async def main() -> None:
        house, left = House(Path(sys.argv[1])), int(sys.argv[2])
        steps = 0

        def count(name):  # the process dies before its n-th step on a file
            step = getattr(Store, name)
            async def counted(self, *args):
                nonlocal steps
                steps += 1
                if steps > left:
                    os.kill(os.getpid(), signal.SIGKILL)
                return await step(self, *args)
            return counted

        Killing = type("Killing", (Store,), {name: count(name) for name in ("write", "compact")})
        house.memory.store.__class__ = house.journal.__class__ = Killing
        await house.memory.forget(1, who=ANNA)

    asyncio.run(main())
"""


@pytest.mark.parametrize("steps", range(8))
async def test_killed_at_any_step_the_next_start_finishes_it(tmp_path: Path, steps: int) -> None:
    folder = tmp_path / "state"
    house = House(folder)
    await house.tell_secret()
    await house.aclose()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), str(steps)]
    ended = await asyncio.to_thread(subprocess.run, command, env={**os.environ, "PYTHONPATH": "."}, timeout=30)
    assert ended.returncode in (0, -signal.SIGKILL)
    again = House(folder)
    await again.memory.settle()
    left = await again.memory.recall("wifi password", who=ANNA, now=NOW)
    assert bool(left) is (steps == 0), "before the first step nothing had begun"
    assert bool(again.traces()) is (steps == 0)
    await again.aclose()


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ("Remember that Leo likes it", ("Leo", "likes", "it")),
        ("remember: lamp", None),
        ("remember on", None),
        ("Remember that the door is open", ("door", "is", "open")),
        ("Remember that Leo likes art", ("Leo", "likes", "art")),
    ],
)
async def test_common_words_that_are_forgotten_take_nothing_else_along(
    house: House, said: str, fact: tuple[str, str, str] | None
) -> None:
    """What a guest may have "remembered" and forgotten must not blank the ledger of the house."""
    others = {
        "web:1": ("turn on the lamp", "The lamp is on, as you wanted it."),
        "web:2": (
            "if you hear it again, tell Leo and leave it",
            "Leo was told that the party is at ten, and that you want it so.",
        ),
        "web:3": ("what do you make of the door, is it the one you open", "The front door stands wide open."),
        "web:4": ("you may start the lamp's part", "Leo will come to you when the heart of it starts."),
    }
    for key, (text, answer) in others.items():
        await house.hear(key, text, answer)
    await house.hear("web:9", said, "Noted.")
    number = await house.memory.note(said, source=ANNA, at=NOW, key="web:9")
    if fact:
        await house.memory.learn(*fact, note=number, since=NOW)
    await house.memory.forget(number, who=ANNA)
    rows = await house.journal.read(lambda db: db.execute("SELECT key, text, plan FROM event WHERE key <> 'web:9'").fetchall())
    assert {key: text for key, text, _ in rows} == {key: text for key, (text, _) in others.items()}
    told = await house.journal.read(lambda db: [row[0] for row in db.execute("SELECT text FROM outbox")])
    assert sorted(told) == sorted(["•••", *(answer for _, answer in others.values())])


async def test_a_single_word_is_forgotten_where_it_was_quoted(house: House) -> None:
    await house.hear("web:1", "remember Rumpelstilzchen", "Noted.")
    await house.hear("web:2", "what did I say?", "You, today: “Rumpelstilzchen”")
    number = await house.memory.note("remember Rumpelstilzchen", source=ANNA, at=NOW, key="web:1")
    await house.memory.forget(number, who=ANNA)
    told = await house.journal.read(lambda db: [row[0] for row in db.execute("SELECT text FROM outbox")])
    assert "Rumpelstilzchen" not in " ".join(told)
