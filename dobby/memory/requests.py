"""The memory in the owner's hands: what `dobby memory` asks for, done beside a running Dobby or by the command itself.

Pages are Markdown, a line a note. It does not know how it is asked (a socket, or the same process).
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dobby.clock import local
from dobby.errors import Refused
from dobby.events import Source
from dobby.memory import notes
from dobby.memory.facts import Fact, select
from dobby.memory.memory import Memory
from dobby.memory.notes import Recollection
from dobby.memory.proposing import SURE
from dobby.people import People

HEAD = "<!-- Change words, delete a line to forget it, write `- words` (or `- private | words`) to keep something new. -->"
LINE = re.compile(r"- (?:(?P<id>\d+) \| [^|]*\| [^|]*\| )?(?:(?P<whose>shared|private) \| )?(?P<text>.+)")
BREAK = " ⏎ "  # a line break within a note
Request = Mapping[str, Any]


def page(rows: Iterable[Recollection], memory: Memory) -> str:
    """Notes as Markdown."""
    lines = (
        f"- {row.note} | {_day(row.at, memory)} | {row.by} | {'private' if row.private else 'shared'} | "
        + BREAK.join(row.text.splitlines())
        for row in rows
    )
    return "\n".join([HEAD, *lines, ""])


def read_page(text: str) -> list[tuple[int, bool, str]]:
    """The lines of such a page: number (0 for a new one), private, words.

    :raises Refused: a line is none; says which.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("<!--", "#")):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise Refused(f"Line {number} is no note: {line.strip()[:80]!r}. Nothing was changed.")
        found.append((int(match["id"] or 0), match["whose"] == "private", match["text"].replace(BREAK, "\n").strip()))
    return found


async def _search(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    now, limit, text = memory.clock.now(), int(request.get("limit", 20)), str(request.get("text", ""))
    rows = await (memory.recall(text, who=who, limit=limit, now=now) if text else memory.lately(who=who, limit=limit))
    told = "\n".join(_line(row, memory) for row in rows)
    return {"notes": [asdict(row) for row in rows], "page": page(rows, memory), "told": told}


def _day(at: float, memory: Memory) -> str:
    return f"{local(at, memory.zone):%Y-%m-%d %H:%M}"


def _line(row: Recollection, memory: Memory) -> str:
    marks = ("  (private)" if row.private else "") + ("" if row.valid else "  (no longer so)")
    return f"{row.note:>6}  {_day(row.at, memory)}  {row.by}: {row.text}{marks}"


def _fact(fact: Fact, memory: Memory) -> str:
    until = f" until {_day(fact.until, memory)}" if fact.until is not None else ""
    more = f"  ({fact.by}, note {fact.note}{', disputed' if fact.doubted else ''}{', a guess' if fact.sure == SURE else ''})"
    return f"        {fact.who} {fact.what}{': ' * bool(fact.value)}{fact.value}, since {_day(fact.since, memory)}{until}{more}"


async def _show(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    what = str(request["what"])
    seen, rights = notes.may_see(who)
    if what == "guesses":
        guesses = await memory.store.read(lambda db: select(db, f"fact.sure = {SURE} AND {seen}", rights))
        return {"told": "\n".join(_fact(fact, memory).strip() for fact in guesses) or "Nothing was guessed."}
    found, facts = await memory.read([int(what)], who=who) if what.isdigit() else [], await memory.about(what, who=who)
    if what.isdigit() and not found:
        raise Refused(f"There is no note {what} that you may see.")
    if not found and not facts:
        raise Refused(f"Nothing is known about {what}.")
    facts = facts or await memory.store.read(lambda db: select(db, f"fact.note = ? AND {seen}", (int(what), *rights)))
    earlier = await memory.store.read(lambda db: notes.wordings(db, found[0].note)) if found else []
    was = [f"        until {_day(one['until'], memory)}: {one['text']}" for one in earlier]
    return {"told": "\n".join([_line(row, memory) for row in found] + [_fact(fact, memory) for fact in facts] + was)}


async def _edit(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    """Bring notes to what a page says; `shown` are those that were on it. Whose words they are not are left alone, and said."""
    rows = read_page(str(request["page"]))
    shown = {row.note: row for row in await memory.read(list(request["shown"]), who=who)}
    may = await memory.changeable(list(shown), who=who)
    kept = {number: (private, text) for number, private, text in rows if number}
    changed = {n: words for n, words in kept.items() if n in shown and words != (shown[n].private, shown[n].text.strip())}
    gone = [number for number in shown if number not in kept]
    loose = [number for number in sorted(may & changed.keys()) if await memory.reword(number, *changed[number][::-1])]
    for private, text in ((private, text) for number, private, text in rows if not number):
        await memory.note(text, source=who, at=memory.clock.now(), private=private, kind="written")
    left = sorted((changed.keys() | set(gone)) - may)
    return {
        "changed": len(may & changed.keys()),
        "forgotten": asdict(await memory.forget(gone, who=who)),
        "left": left,
        "loose": loose,
    }


async def _forget(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    return asdict(await memory.forget(request["what"], who=who))


async def _restore(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    number = int(request["note"])
    if number not in await memory.changeable([number], who=who):
        raise Refused(f"There is no note {number} that you may change.")
    earlier = await memory.store.read(lambda db: notes.wordings(db, number))
    if not earlier:
        raise Refused(f"Note {number} was never anything else.")
    text = str(earlier[0]["text"])
    await memory.reword(number, text, None)
    return {"text": text}


async def _import(memory: Memory, who: Source, request: Request) -> dict[str, Any]:
    """Notes of another house or file, as this person's own; the same line again keeps nothing."""
    before = await memory.store.read(notes.count)
    for row in request["rows"]:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise Refused("Every row must have a text.")
        at = float(row.get("at") or memory.clock.now())
        key = "import:" + hashlib.sha256(f"{row.get('at')}|{row['text']}".encode()).hexdigest()
        private = bool(row.get("private"))
        await memory.note(
            row["text"], source=who, at=at, private=private, place=str(row.get("place", "")), kind="written", key=key
        )
    return {"kept": await memory.store.read(notes.count) - before}


DOES: Mapping[str, Callable[[Memory, Source, Request], Awaitable[dict[str, Any]]]] = {
    "search": _search,
    "show": _show,
    "edit": _edit,
    "forget": _forget,
    "restore": _restore,
    "import": _import,
}


async def answer(memory: Memory, people: People, request: Request) -> dict[str, Any]:
    """Do what the owner asks who sits at the machine.

    :raises Refused: it cannot be, and why.
    """
    work, owner = DOES.get(str(request.get("do"))), next(iter(people.owners), None)
    if work is None or owner is None:
        raise Refused(f"The memory knows {', '.join(DOES)}." if owner else "Nobody lives here yet.")
    return await work(memory, Source(owner.id, owner.role, "console", owner.id), request)
