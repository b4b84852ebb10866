"""Holds the README's conversation with a running Dobby and checks that the dollhouse became what was said.

It speaks over the console socket like `dobby chat`, and asks the devices themselves. It does not know how Dobby works.
"""

import asyncio
import re
import tomllib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dobby.errors import DobbyError
from dobby.events import State
from dobby.house.model import Spec

WITHIN = 3.0  # seconds the house has to become what was said, unless the line gives more
REPLY_SECONDS = 20.0

README = Path(__file__).with_name("transcript.toml")


class Truth(Protocol):
    """A house that says what its devices really are."""

    def truth(self, device: str) -> State: ...


def lines(file: Path = README) -> list[dict[str, Any]]:
    """A conversation, line by line; the README's by default.

    :raises DobbyError: there is none in the file.
    """
    try:
        rows: list[dict[str, Any]] = tomllib.loads(file.read_text("utf-8"))["line"]
    except (OSError, ValueError, KeyError) as error:
        raise DobbyError(f"{file} is no conversation: {error!r}") from error
    return rows


def families(file: Path = README) -> list[str]:
    """Whose devices stand in the house while the conversation is held (`house = ["mqtt"]`); none named: all."""
    named: list[str] = tomllib.loads(file.read_text("utf-8")).get("house", [])
    return named


async def hold(
    house: Truth,
    say: Callable[[str, str], Awaitable[Any]],
    said: AsyncIterator[Mapping[str, Any]],
    show: Callable[[str], Any],
    rows: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Say each line, show it and its answer, look at the house; returns what did not become true, in words."""
    wrong: list[str] = []
    for row in rows:
        show(f"  you> {row['say']}")
        await say(uuid.uuid4().hex, row["say"])
        if (reply := await _next(said, REPLY_SECONDS, show, lambda one: bool(one.get("event", True)))) is None:
            return [*wrong, f"{row['say']!r} was not answered."]
        if not re.search(row.get("reply", ""), reply, re.IGNORECASE):
            wrong.append(f"{row['say']!r} was answered {reply!r}, which says nothing of {row['reply']!r}.")
        later = row.get("later")
        if later and await _next(said, row.get("within", WITHIN), show, partial(_holds, later)) is None:
            wrong.append(f"After {row['say']!r} nothing came that says {later!r}.")
        wrong += await _look(house, row)
    return wrong


def _holds(pattern: str, line: Mapping[str, Any]) -> bool:
    return re.search(pattern, line["text"], re.IGNORECASE) is not None


async def _next(
    said: AsyncIterator[Mapping[str, Any]], seconds: float, show: Callable[[str], Any], fits: Callable[[Mapping[str, Any]], bool]
) -> str | None:
    """What Dobby says next that fits, shown with its quick replies; None where nothing comes. What is told unasked goes by."""
    try:
        async with asyncio.timeout(seconds):
            while not fits(reply := await anext(said)):
                pass
    except (TimeoutError, StopAsyncIteration):
        return None
    options = f"  [{' / '.join(reply['options'])}]" if reply.get("options") else ""
    show(f"dobby> {reply['text']}{options}")
    return str(reply["text"])


async def _look(house: Truth, row: Mapping[str, Any]) -> list[str]:
    """Wait until the devices themselves are what was said."""
    loop = asyncio.get_running_loop()
    until = loop.time() + row.get("within", WITHIN)
    while (missing := _missing(house, row)) and loop.time() < until:
        await asyncio.sleep(0.1)
    return missing


def _missing(house: Truth, row: Mapping[str, Any]) -> list[str]:
    found = []
    for wanted in row.get("becomes", ()):
        now = house.truth(wanted["device"])
        for trait, value in wanted.items():
            if trait != "device" and not Spec(step=1).matches(value, now.get(trait)):
                found.append(f"After {row['say']!r} {wanted['device']}.{trait} is {now.get(trait)!r}, not {value!r}.")
    return found
