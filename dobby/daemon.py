"""The composition root: the only module that knows everyone. Opens, starts, watches and closes it all.

One TaskGroup owns every task. It does not decide anything about the house.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from dobby.act import Hands
from dobby.alive import Dobby
from dobby.bridge.console import Console
from dobby.bridge.web import Web
from dobby.butler import Butler, Desk
from dobby.butler.tools import Toolbox
from dobby.clock import SystemClock
from dobby.config import Config
from dobby.discovery.keep import Family
from dobby.errors import SkillError, StoreError
from dobby.events import Role
from dobby.house.history import History
from dobby.house.registry import House
from dobby.journal import household, open_journal
from dobby.mind.plain import PlainMind
from dobby.mind.route import Routed
from dobby.notify import notify, watchdog_seconds
from dobby.operations import operations
from dobby.paths import shipped
from dobby.people import People, Person
from dobby.post import Bridge, Post
from dobby.skill.driver import Driver
from dobby.skill.load import Skill, fingerprint, load_skill, load_skills, tighten
from dobby.skill.stall import StallWatch
from dobby.store import FolderLock, Store
from dobby.vault import VaultFile

log = logging.getLogger(__name__)
RELOAD = 2.0  # seconds between looks for a changed skill
HINTS = ("what can you do?", "what is on?", "turn everything off")
GRACE = 5.0  # seconds an errand has to end when Dobby is asked to stop


class _Stopped(Exception):
    """Ends the TaskGroup once everything has been put away."""


async def live(config: Config, folder: Path, stop: asyncio.Event, *, ready: Callable[[Dobby], None] = lambda dobby: None) -> None:
    """Run Dobby on a state folder until `stop` is set; `ready` is called once rows are classified and bridges open."""
    async with AsyncExitStack() as stack:
        dobby = await compose(config, folder, stack)
        try:
            await _serve(dobby, stop, ready)
        except* _Stopped:
            log.info("Stopped")


async def compose(config: Config, folder: Path, stack: AsyncExitStack) -> Dobby:
    """Open the files and put the parts together; the stack closes them in the opposite order."""
    lock = FolderLock(folder)
    stack.callback(lock.release)
    clock = SystemClock()
    store = open_journal(folder)
    stack.push_async_callback(store.aclose)
    house = House(clock)
    history = History(folder / "history.db", house.state, clock)
    stack.push_async_callback(history.aclose)
    people = People(store, clock)
    vault = VaultFile(folder / "vault.json")
    await _furnish(store, house, people, config)
    toolbox = Toolbox(config.skills.own, vault.part)
    plain = PlainMind(house, config.house.language)
    drivers: dict[str, Driver] = {}
    hands = Hands(house, drivers, toolbox)
    console = Console(store, people, folder / "dobby.sock")
    web = (
        Web(store, people, clock, host=config.web.host, port=config.web.port, hosts=config.web.hosts, hints=HINTS)
        if config.web.on
        else None
    )
    bridges: list[Bridge] = [console, *([web] if web else [])]
    post = Post(store, clock, bridges)
    mind = Routed(plain, lambda: (tool for skill in toolbox.skills.values() for tool in skill.tools.values()))
    desk = Desk(store, house, hands, mind, people, clock, post, config.house.language, config.house.units, config.zone)
    await store.read(desk.load_modes)
    toolbox.desk = desk
    butler = Butler(desk)
    dobby = Dobby(
        config, folder, clock, store, house, history, people, vault, toolbox, plain, desk, butler, console, web, drivers
    )
    skills, dobby.broken = load_skills(skill_folders(config), config.skills.off)
    for skill in skills.values():
        take_in(dobby, skill)
    return dobby


def skill_folders(config: Config) -> list[Path]:
    """The owner's folders first, then what is shipped."""
    return [*(Path(folder).expanduser() for folder in config.skills.folders), shipped("skills")]


async def _furnish(store: Store, house: House, people: People, config: Config) -> None:
    """Rows into the house; the first owner at the first start."""

    def load(db: sqlite3.Connection) -> None:
        for room in household.rooms(db):
            house.add_room(room)
        for device in household.devices(db):
            house.add(device)

    await store.read(load)
    if not people.owners:
        await people.keep(Person("owner", config.owner.name, Role.OWNER))
    for owner in people.owners:
        for bridge in ("console", "web"):
            if f"{bridge}/{owner.id}" not in people.lanes(owner.id):
                await people.reach(owner.id, bridge, owner.id)


# Skills


def take_in(dobby: Dobby, skill: Skill) -> None:
    """A skill's functions and levels from now on."""
    dobby.toolbox.skills[skill.name] = skill
    wanted = dobby.config.skills.levels
    for name, tool in skill.tools.items():
        dobby.desk.levels[name] = tighten(tool.level, wanted.get(name, tool.level))


def start_family(dobby: Dobby, skill: Skill, group: asyncio.TaskGroup) -> None:
    """Bring a skill's driver to life."""
    if skill.driver is None:
        return
    driver = skill.driver()
    dobby.drivers[skill.name] = driver
    family = Family(
        skill.name,
        driver,
        dobby.config.skills.own.get(skill.name, {}),
        house=dobby.house,
        store=dobby.store,
        vault=dobby.vault,
        clock=dobby.clock,
        interfaces=dobby.config.discovery.interfaces,
        multicast=dobby.config.discovery.on,
    )
    dobby.families[skill.name] = family
    dobby.tasks[skill.name] = group.create_task(_kept(family), name=f"family {skill.name}")


async def _kept(family: Family) -> None:
    try:
        await family.run()
    except Exception:  # a family that breaks altogether must not take the house along
        log.exception("The family %s has stopped", family.name)
        family.trouble = "stopped; see the log"


async def _reload(dobby: Dobby, group: asyncio.TaskGroup) -> None:
    """Take in a changed skill when its hands are idle; the old one stays where the new one fails."""
    while True:
        await dobby.clock.sleep(RELOAD)
        for skill in list(dobby.toolbox.skills.values()):
            changed = await asyncio.to_thread(fingerprint, skill.folder)
            if changed == skill.stamp or not dobby.butler.idle:
                continue
            try:
                fresh = load_skill(skill.folder)
            except SkillError as error:
                dobby.toolbox.skills[skill.name] = replace(skill, stamp=changed)
                await _broke(dobby, skill.name, f"{error} The version from before stays in use.")
                continue
            await _exchange(dobby, fresh, group)


async def _exchange(dobby: Dobby, fresh: Skill, group: asyncio.TaskGroup) -> None:
    log.info("The skill %s has changed and is loaded anew", fresh.name)
    dobby.broken.pop(fresh.name, None)
    old = dobby.tasks.pop(fresh.name, None)
    if old is not None:
        old.cancel()
        await asyncio.wait({old}, timeout=GRACE)
    take_in(dobby, fresh)
    start_family(dobby, fresh, group)


async def _broke(dobby: Dobby, skill: str, words: str) -> None:
    """A broken skill is named once, in words, to the owners."""
    dobby.broken[skill] = words
    desk = dobby.desk
    stamp = f"skill:{skill}:{abs(hash(words))}"

    def tell(db: sqlite3.Connection) -> list[Any]:
        return [desk.tell(db, f"{stamp}:{person}", lane, words) for person, lane in desk.owner_lanes()]

    desk.post.hand_over(await desk.store.write(tell))


# Living


async def _serve(dobby: Dobby, stop: asyncio.Event, ready: Callable[[Dobby], None]) -> None:
    async with asyncio.TaskGroup() as group:
        _start(group, dobby.butler.run(), "butler")
        await dobby.butler.ready.wait()
        await _open_bridges(dobby)
        notify("READY=1")
        ready(dobby)
        for skill in list(dobby.toolbox.skills.values()):
            start_family(dobby, skill, group)
        for name, words in list(dobby.broken.items()):
            await _broke(dobby, name, words)
        _start(group, dobby.history.run(), "history")
        _start(group, asyncio.to_thread(dobby.plain.warm), "warm the mind")
        _start(group, _reload(dobby, group), "reload skills")
        _start(group, _stall_watch(dobby).run(), "stall watch")
        _start(group, _sign_of_life(dobby), "watchdog")
        await stop.wait()
        notify("STOPPING=1")
        await _put_away(dobby)
        raise _Stopped


def _start(group: asyncio.TaskGroup, work: Coroutine[Any, Any, Any], name: str) -> None:
    group.create_task(work, name=name)


async def _open_bridges(dobby: Dobby) -> None:
    dobby.console.hear = dobby.butler.hear
    dobby.console.operations = operations(dobby)
    await dobby.console.open()
    if dobby.web is not None:
        dobby.web.hear = dobby.butler.hear
        dobby.web.moved = dobby.desk.post.moved
        await dobby.web.open()


async def _put_away(dobby: Dobby) -> None:
    """What runs may end; what waits stays a row for the next start."""
    await dobby.butler.drain(GRACE)
    if dobby.web is not None:
        await dobby.web.aclose()
    await dobby.console.aclose()


def _stall_watch(dobby: Dobby) -> StallWatch:
    loop = asyncio.get_running_loop()

    def tell(skill: str, where: str) -> None:
        words = f"The skill {skill} holds up the whole house at {where}; it should use a Pool for what blocks."
        log.warning("%s", words)
        loop.call_soon_threadsafe(lambda: dobby.desk.spawn(_broke(dobby, skill, words), "stall"))

    return StallWatch(lambda: {skill.name: skill.folder for skill in dobby.toolbox.skills.values()}, tell)


async def _sign_of_life(dobby: Dobby) -> None:
    """The loop itself feeds the watchdog, after the store has answered."""
    pause = watchdog_seconds()
    while pause:
        try:
            await dobby.store.read(lambda db: db.execute("SELECT 1").fetchone())
            notify("WATCHDOG=1")
        except (StoreError, sqlite3.Error):
            log.exception("The journal does not answer; no sign of life is given")
        await asyncio.sleep(pause)
