"""Forgetting: a note and what followed from it are gone from the rows, the index, the journal's texts and the files' bytes.

What is under way is a row, so that a crash finishes it at the next start; the row goes last. Copies that were made before are
named, not touched. It does not know who may forget what (`notes.may_change`).
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dobby.memory.notes import Rights, core
from dobby.memory.search import stops, words

BACKUPS = "backups.txt"  # in the state folder: when and where backups were made, a line each
TELLING = re.compile(r"(?=\S*\d)\S{4,}")  # a code, a number plate: told apart from everything else by itself
YOU = ("you", "your", "du", "dir", "dich", "dein", "deine")  # as whose it was may have been told it: "You prefer …"
CHUNK = 2**22  # bytes of a copy that are looked at at once

Selector = int | str | Sequence[int]
"""Notes by number, or all whose text has these words in it."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is gone: notes, facts that followed from them, texts of the journal; and `copies` that were made before and still
    have it."""

    notes: int = 0
    facts: int = 0
    texts: int = 0
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A forgetting under way: its row, what was said, what brought it, and since when it was there."""

    id: int
    needles: tuple[str, ...]
    events: tuple[str, ...]
    since: float


def choose(db: sqlite3.Connection, selector: Selector, rights: Rights) -> list[int]:
    """The notes that are meant, of those that may be forgotten."""
    if isinstance(selector, str):
        found = db.execute(f"SELECT id, text FROM note WHERE {rights[0]}", tuple(rights[1]))
        return [number for number, text in found if selector.strip() and selector.casefold().strip() in text.casefold()]
    wanted = [selector] if isinstance(selector, int) else list(selector)
    marks = ", ".join("?" * len(wanted))
    return [row[0] for row in db.execute(f"SELECT id FROM note WHERE id IN ({marks}) AND {rights[0]}", (*wanted, *rights[1]))]


def begin(db: sqlite3.Connection, ids: Sequence[int], brought: Iterable[str] = ()) -> tuple[int, int]:
    """Take notes and their facts out of the rows and write down what else must go; how many notes, how many facts.

    What a forgotten fact had ended counts again: as if it had never been said.
    """
    db.execute("PRAGMA secure_delete=ON")
    marks = ", ".join("?" * len(ids))
    rows = db.execute(f"SELECT text, key, at FROM note WHERE id IN ({marks})", ids).fetchall()
    facts = db.execute(
        f"SELECT id, value, what, kind, key, name FROM fact JOIN subject ON key = subject WHERE note IN ({marks})", ids
    ).fetchall()
    needles = dict.fromkeys(needle for text, _, _ in rows for said in (text, core(text)) for needle in _told(said))
    needles |= dict.fromkeys(word for _, value, *_ in facts for word in TELLING.findall(value))
    needles |= dict.fromkeys(needle for _, *fact in facts for needle in _followed(*fact))
    events = [*brought, *(key.partition("#")[0] for _, key, _ in rows if key)]
    since = min((at for _, _, at in rows), default=0.0)
    db.execute(
        "INSERT INTO forgetting (events, needles, since) VALUES (?, ?, ?)",
        (json.dumps(events), json.dumps(list(needles), ensure_ascii=False), since),
    )
    db.executemany("INSERT OR IGNORE INTO owed VALUES (?)", [("journal",), ("memory",)])
    gone = ", ".join(str(number) for number, *_ in facts)
    db.execute(f"UPDATE fact SET ended = NULL, until = NULL, instead = NULL WHERE instead IN ({gone})")
    db.execute(f"DELETE FROM note WHERE id IN ({marks})", ids)
    db.execute("DELETE FROM subject WHERE key NOT IN (SELECT subject FROM fact)")
    return len(rows), len(facts)


def _own(text: str) -> list[str]:
    """The words of a text that are not everybody's."""
    return [word for word in words(text) if word not in stops() and len(word) > 2]


def _told(said: str) -> tuple[str, ...]:
    """How words that were said stand elsewhere: as they are; a single word, or one that everybody says, only as a quotation."""
    return (said,) if len(_own(said)) > 1 or TELLING.search(said) else (f"“{said}”", f"„{said}“")


def _followed(value: str, what: str, kind: str, *names: str) -> Iterator[str]:
    """How a fact may have been told and kept: what and where things are by exactly these words, as the house says much alike."""
    for who in (*names, *(YOU if kind == "person" else ())) if _own(value) else ():
        yield from (f"{who}: {value}", f'{who}","{what}","{value}') if what in ("is", "where") else (f"{who} … {value}",)


def under_way(db: sqlite3.Connection) -> list[Begun]:
    """What was begun and is not at its end."""
    rows = db.execute("SELECT id, needles, events, since FROM forgetting ORDER BY id")
    return [Begun(number, tuple(json.loads(said)), tuple(json.loads(events)), since) for number, said, events, since in rows]


def rebuild(db: sqlite3.Connection) -> None:
    """The index anew from the rows: what it had of the forgotten is in no segment of it."""
    db.execute("INSERT INTO word (word) VALUES ('rebuild')")


def end(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """All of it is gone; so are the rows that said what it was."""
    db.execute("PRAGMA secure_delete=ON")
    db.executemany("DELETE FROM forgetting WHERE id = ?", [(number,) for number in numbers])


def owes(db: sqlite3.Connection, what: str) -> bool:
    """Whether a file still has to be rewritten."""
    return db.execute("SELECT 1 FROM owed WHERE what = ?", (what,)).fetchone() is not None


def paid(db: sqlite3.Connection, what: str) -> None:
    """It was rewritten."""
    db.execute("DELETE FROM owed WHERE what = ?", (what,))


# Copies that were made before


def copies(folder: Path, begun: Sequence[Begun]) -> list[str]:
    """Backups made since it was said, and files beside the rows that have its words: as far as is known, and still there."""
    return [str(path) for one in begun for path in (*_backups(folder, one.since), *_older(folder, one.needles))]


def made_backup(folder: Path, file: Path, at: float) -> None:
    """A backup is somewhere; where the folder cannot be written, nobody will know."""
    try:
        with (folder / BACKUPS).open("a", encoding="utf-8") as lines:
            lines.write(f"{at:.0f} {file}\n")
    except OSError:
        return


def _backups(folder: Path, since: float) -> Iterator[Path]:
    try:
        lines = (folder / BACKUPS).read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        at, _, path = line.partition(" ")
        if at.isdigit() and float(at) >= since and Path(path).is_file():
            yield Path(path)


def _older(folder: Path, needles: Sequence[str]) -> Iterator[Path]:
    places = [*folder.glob("*.before-*.db"), *folder.parent.glob(f"{folder.name}.before-restore-*/*.db*")]
    wanted = [needle.encode() for needle in needles]
    yield from (path for path in places if _has(path, wanted))


def _has(path: Path, wanted: Sequence[bytes]) -> bool:
    """Whether a file has one of these in its bytes."""
    keep = max(map(len, wanted), default=0)
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if any(needle in tail + chunk for needle in wanted):
                return True
            tail = chunk[-keep:]
    return False
