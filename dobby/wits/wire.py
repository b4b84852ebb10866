"""Gives Dobby a model, where the config names one: the client, the purse, the tools and the errands, wired to the desk.

Without one nothing here is made. It does not know what a model says or does.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dobby.alive import Dobby
from dobby.bridge.provider.ears import Ears
from dobby.butler import urgent
from dobby.butler.desk import Desk
from dobby.butler.errand import Steer, work_on
from dobby.butler.looking import CURRENT
from dobby.clock import SystemClock
from dobby.config import ModelConfig
from dobby.errors import Refused
from dobby.events import EventKind
from dobby.journal import inbox
from dobby.journal.inbox import EventRow
from dobby.mind.plan import Mind, Plan
from dobby.vault import VaultFile
from dobby.wits.llm import Model, NoModel
from dobby.wits.looks import describe, looks
from dobby.wits.purse import Purse
from dobby.wits.thinking import Thinking
from dobby.wits.toolkit import Toolkit
from dobby.wits.web import Web

VAULT = "model"  # the part of the vault that holds the key


def give_wits(dobby: Dobby, stack: AsyncExitStack) -> None:
    """Wire ears to the desk, and a model if the config names one."""
    config, vault = dobby.config.model, dobby.vault
    give_ears(dobby.desk, config.ears)
    if config.mind:
        thinking = think(dobby.desk, config, dobby.plain, lambda: key_of(config, vault.of(VAULT)), dobby.toolbox.tools)
        stack.push_async_callback(thinking.model.aclose)
        dobby.desk.describe = partial(describe, thinking.model)
        if dobby.desk.memory is not None:
            dobby.desk.memory.ask = thinking.model.read


def give_ears(desk: Desk, place: str) -> None:
    """Let a desk hear voice notes with the weights at `place`: each becomes the text that it is, on the disk, before anything is
    made of it; one that cannot be heard, or cries for help, is answered at once."""
    ears = Ears(place)

    async def listen(row: EventRow, steer: Steer) -> EventRow | None:
        if row.event.kind is not EventKind.VOICE or row.event.text.strip():
            return row
        try:
            text = await ears.listen(row.event.attachments)
            await desk.store.write(lambda db: inbox.word(db, row.id, text))
            for one in row.event.attachments:  # the words are kept, the sound is not
                Path(one.path).unlink(missing_ok=True)
            row = replace(row, event=replace(row.event, kind=EventKind.TEXT, text=text))
            if not urgent.asks_help(row.event):
                return row
            say = await urgent.help_wanted(desk, row.event)
        except Refused as error:
            say = str(error)
        await work_on(desk, row, Plan(say=say), steer)
        return None

    desk.listen = listen


def key_of(config: ModelConfig, vault: Mapping[str, str]) -> str:
    """The key as it is now: from its file, the environment, or the vault."""
    if config.key_file:
        try:
            return Path(config.key_file).expanduser().read_text("utf-8").strip()
        except OSError:
            return ""
    return os.environ.get("ANTHROPIC_API_KEY", "") or vault.get("key", "")


async def trial(config: ModelConfig, name: str, folder: Path) -> str:
    """What is wrong with a model, "" for nothing: it is asked once, for a word."""
    key = partial(key_of, config, VaultFile(folder / "vault.json").of(VAULT))
    async with aclosing(Model(replace(config, mind=name), key, SystemClock(), pause=2 * config.seconds)) as model:
        try:
            await model.ask("mind", [{"role": "user", "content": [{"type": "text", "text": "Say yes."}]}], most=20)
        except NoModel as error:
            return str(error)
    return ""


def think(desk: Desk, config: ModelConfig, plain: Mind, key: Any, skills: Any, **options: Any) -> Thinking:
    """The errands of a desk; `options` are the client's and `soon`."""

    def whom() -> tuple[str, int | None]:
        row = CURRENT.get()
        return (row.event.source.person, row.id) if row else ("", None)

    def warn(name: str, span: str, spent: float, most: float) -> None:
        desk.spawn(_tell_money(desk, name, span, spent, most), f"money {name}")

    purse = Purse(config, desk.store, desk.clock, desk.zone, whom, warn)
    soon = {"soon": options.pop("soon")} if "soon" in options else {}
    model = Model(config, key, desk.clock, purse=purse, pay=desk.store.write, **options)
    return Thinking(desk, model, Toolkit(desk, plain, skills, looks(desk, model, Web(config, model))), **soon)


async def _tell_money(desk: Desk, name: str, span: str, spent: float, most: float) -> None:
    """The owners hear of it, once for each limit and day or month."""

    def tell(db: sqlite3.Connection) -> list[Any]:
        told = []
        for person, lane in desk.owner_lanes():
            key = "money_spent" if spent >= most else "money_nearly"
            source = desk.people.source(*lane.split("/", 1))
            words = desk.words(key, source, spent=f"{spent:.2f}", most=f"{most:.2f}", span=desk.words(f"span_{span}", source))
            told.append(desk.tell(db, f"money:{name}:{person}", lane, words))
        return told

    desk.post.hand_over(await desk.store.write(tell))
