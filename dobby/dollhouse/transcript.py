"""Holds the README's conversation with a running Dobby and checks that the dollhouse became what was said.

It speaks over the console socket like `dobby chat`, and asks the devices themselves. It does not know how Dobby works.
"""

import asyncio
import re
import tomllib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from dobby.dollhouse.house import Dollhouse
from dobby.house.model import Spec

WITHIN = 3.0  # seconds the house has to become what was said, unless the line gives more
REPLY_SECONDS = 20.0

Ask = Callable[[str, str], Any]


def lines() -> list[dict[str, Any]]:
    """The conversation, line by line."""
    rows: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("transcript.toml").read_text("utf-8"))["line"]
    return rows


async def hold(
    house: Dollhouse, say: Callable[[str, str], Any], said: AsyncIterator[Mapping[str, Any]], show: Callable[[str], None]
) -> list[str]:
    """Say each line, show it and its answer, look at the house; returns what did not become true, in words."""
    wrong: list[str] = []
    for row in lines():
        show(f"  you> {row['say']}")
        await say(uuid.uuid4().hex, row["say"])
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                reply = await anext(said)
        except (TimeoutError, StopAsyncIteration):
            return [*wrong, f"{row['say']!r} was not answered."]
        options = f"  [{' / '.join(reply['options'])}]" if reply.get("options") else ""
        show(f"dobby> {reply['text']}{options}")
        if not re.search(row.get("reply", ""), reply["text"], re.IGNORECASE):
            wrong.append(f"{row['say']!r} was answered {reply['text']!r}, which says nothing of {row['reply']!r}.")
        wrong += await _look(house, row)
    return wrong


async def _look(house: Dollhouse, row: Mapping[str, Any]) -> list[str]:
    """Wait until the devices themselves are what was said."""
    loop = asyncio.get_running_loop()
    until = loop.time() + row.get("within", WITHIN)
    while (missing := _missing(house, row)) and loop.time() < until:
        await asyncio.sleep(0.1)
    return missing


def _missing(house: Dollhouse, row: Mapping[str, Any]) -> list[str]:
    found = []
    for wanted in row.get("becomes", ()):
        now = house.truth(wanted["device"])
        for trait, value in wanted.items():
            if trait != "device" and not Spec(step=1).matches(value, now.get(trait)):
                found.append(f"After {row['say']!r} {wanted['device']}.{trait} is {now.get(trait)!r}, not {value!r}.")
    return found
