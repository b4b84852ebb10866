"""Errands with a model, for the knife: what is said, what the model answers each time, and what must be true at the end.

The model is a function of the request alone, behind a real Messages API in the harness's own process: it survives every death and
counts what it was asked. It does not know where the process died.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dobby.dollhouse.scripted import Request, Scripted
from tests.crash.outside import World
from tests.crash.scenario import PAGE, PAGER, PHONE, Step

ERRANDS = (
    Step("e1", PHONE, "ann", "think cosy"),
    Step("e2", PAGE, "bob", "think open"),
    Step("e3", PHONE, "ann", "yes", after="Unlock the front door?"),
    Step("s1", PAGER, "zoe", "think long"),
    Step("s2", PAGER, "zoe", "stop", after="nuts"),
    Step("e4", PAGER, "zoe", "think lie"),
    Step("e5", PHONE, "ann", "think jobs"),
    Step("e6", PAGE, "bob", "think blind"),
    Step("e7", PHONE, "ann", "think tea"),
    Step("s3", PAGE, "bob", "think more"),
    Step("s4", PAGE, "bob", "forget the pool one", after="salt"),
)

Said = str | Sequence[tuple[str, Mapping[str, Any]]]


def _add(item: str) -> Said:
    return (("do", {"devices": ["shopping list"], "verb": "add", "args": {"item": item}}),)


TALKS: Mapping[str, Sequence[Said]] = {
    "cosy": (
        (
            ("set", {"devices": ["lamp"], "wanted": {"on": True, "brightness": 40}}),
            *_add("milk"),
        ),
        (("do", {"devices": ["bell"], "verb": "press", "args": {"mark": "a"}}), ("read", {"devices": ["lamp"]})),
        "It suits the room.",
    ),
    "open": ((("set", {"devices": ["front door"], "wanted": {"locked": False}}),), "Somebody rang."),
    "lie": ("I've rung the bell. Sleep well.", "I've rung the bell, I say. Sleep well."),
    "jobs": ((("errand", {"task": "eggs"}), ("errand", {"task": "ring"})), "Two at once."),
    "eggs": (_add("eggs"), "For breakfast."),
    "ring": ((("do", {"devices": ["bell"], "verb": "press", "args": {"mark": "b"}}),), "A clear sound."),
    "blind": ((("set", {"devices": ["blind"], "wanted": {"position": 100}}),), "It takes its time."),
    "tea": ((("schedule", {"say": "remind tea"}),), "Enjoy it."),
    "long": (_add("nuts"), _add("glue"), "All night."),
    "more": ((("errand", {"task": "pool"}), ("errand", {"task": "roof"})), "Two more."),
    "pool": (_add("salt"), _add("chlorine"), "Clear water."),
    "roof": (_add("nails"), "Dry again."),
}
UNTIL = {
    "long": "pager/zoe",
    "pool": "page/bob",
    "roof": "page/bob",
}  # their second answers take until the word that ends one of them is answered
WANTED = {  # device or tool: how many rows there are of it, however often the model was asked again
    ("lamp", ""): 1,
    ("shopping", "milk"): 1,
    ("shopping", "eggs"): 1,
    ("shopping", "nuts"): 1,
    ("shopping", "salt"): 1,
    ("shopping", "nails"): 1,
    ("bell", "a"): 1,
    ("bell", "b"): 1,
    ("front", ""): 1,
    ("blind", ""): 1,
    ("", ""): 1,
}
AT_LAST = {
    "lamp": {"on": True, "brightness": 40},
    "front": {"locked": False},
    "blind": {"position": 100},
}


async def answer(world: World, request: Request) -> list[dict[str, Any]]:
    """What the model says to a request: the errand's next answer, by how many it has given."""
    texts = [(at, _text(message)) for at, message in enumerate(request["messages"])]
    at, text = next((at, text) for at, text in reversed(texts) if "</now>" in text)
    job = text.rpartition("</now>")[2].split()[-1]
    given = sum(message["role"] == "assistant" for message in request["messages"][at:])
    said = TALKS[job][min(given, len(TALKS[job]) - 1)]
    while given and job in UNTIL and not world.saw(UNTIL[job], "left_it"):
        await asyncio.sleep(0.01)
    if isinstance(said, str):
        return [{"type": "text", "text": said}]
    return [
        {"type": "tool_use", "id": f"{job}_{given}_{number}", "name": name, "input": dict(args)}
        for number, (name, args) in enumerate(said)
    ]


def _text(message: Mapping[str, Any]) -> str:
    return "" if message["role"] == "assistant" else "".join(block.get("text", "") for block in message["content"])


def judge_errands(found: dict[str, list[str]], world: World, db: sqlite3.Connection, model: Scripted) -> None:
    """Hold the rows against the script, the world and what the model was asked; what is wrong goes into `found`."""
    found["wrong"] += [f"the model was asked what it cannot be: {words}" for words in model.lost]
    rows = Counter((device, mark) for device, mark in db.execute(f"SELECT device, {MARK} FROM effect"))
    found["doubled"] += [f"{n} rows for {what}" for what, n in rows.items() if n > WANTED.get(what, 0)]
    found["lost"] += [f"no row for {what}" for what in WANTED if not rows[what]]
    for device, traits in AT_LAST.items():
        state = world.read(device)
        found["wrong"] += [f"{device} {trait} is {state[trait]}" for trait, value in traits.items() if state[trait] != value]
    if sorted(items := world.read("shopping")["items"]) != ["eggs", "milk", "nails", "nuts", "salt"]:
        found["wrong"].append(f"the list holds {items}")
    _judge_words(found, world, db)
    kept = db.execute("SELECT count(*) FROM step WHERE role = 'assistant'").fetchone()[0]
    paid = db.execute("SELECT count(*) FROM cost WHERE kind = 'model'").fetchone()[0]
    if not kept <= paid <= len(model.usage):
        found["wrong"].append(f"{kept} answers were kept, {paid} paid, {len(model.usage)} given")


MARK = "coalesce(args ->> 'mark', args ->> 'item', '')"


def _judge_words(found: dict[str, list[str]], world: World, db: sqlite3.Connection) -> None:
    told = {
        row[0]: row[1] for row in db.execute("SELECT event.text, outbox.text FROM outbox JOIN event ON event.id = outbox.event")
    }
    wanted = {
        "think cosy": ("lamp done", "bell", "It suits the room."),
        "think lie": ("Sleep well.", "claim_none"),
        "think jobs": ("Two at once.",),
        "eggs": ("shopping done", "For breakfast."),
        "ring": ("bell", "A clear sound."),
        "think blind": ("blind", "It takes its time."),
        "think tea": ("Enjoy it.",),
        "think more": ("Two more.",),
        "roof": ("shopping done", "Dry again."),
        "forget the pool one": ("left_it",),
    }
    for text, words in wanted.items():
        found["lost"] += [f"{text!r} was not told {word!r}: {told.get(text)}" for word in words if word not in told.get(text, "")]
    if any("rung" in row["text"] for row in world.visible):
        found["wrong"].append("a lie was passed on")
    runs = db.execute("SELECT count(*) FROM run WHERE state IN ('done', 'late')").fetchone()[0]
    seen = sum("reminder" in row["text"] and "tea" in row["text"] for row in world.visible)
    if (runs, seen) != (1, 1):
        found["wrong"].append(f"the reminder ran {runs} times and was seen {seen} times")
