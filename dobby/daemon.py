"""The composition root: the only module that knows everyone. Opens, starts, watches and closes it all.

One TaskGroup owns every task. It does not decide anything about the house.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from dobby.act import Hands
from dobby.alive import Dobby
from dobby.bridge.console import Console
from dobby.bridge.web import Web
from dobby.butler import Butler, Desk
from dobby.butler.album import Album
from dobby.butler.news import keep_telling, told_by_asking
from dobby.butler.tools import Toolbox
from dobby.clock import SystemClock, machine_zone
from dobby.config import Config
from dobby.discovery.answer import seek, tell_network
from dobby.discovery.keep import Family
from dobby.discovery.network import Network
from dobby.errors import SkillError, StoreError
from dobby.events import Change, Role, Source
from dobby.house import lists
from dobby.house.almanac import Almanac
from dobby.house.history import History
from dobby.house.registry import House
from dobby.journal import household, open_journal
from dobby.memory import open_memory
from dobby.mind.plain import PlainMind
from dobby.mind.plain.scenes import read_scenes, shipped_scenes
from dobby.mind.plan import Order, Plan
from dobby.mind.route import Routed
from dobby.notify import notify, watchdog_seconds
from dobby.operations import operations
from dobby.people import People, Person
from dobby.post import Bridge, Post
from dobby.schedule import Wheel
from dobby.skill.driver import Ask, Driver
from dobby.skill.load import Skill, load_skill, load_skills, stamps, tighten
from dobby.skill.music import Shelf
from dobby.skill.stall import StallWatch
from dobby.store import FolderLock, Store
from dobby.vault import VaultFile

log = logging.getLogger(__name__)
RELOAD = 3.0  # seconds between looks for a changed skill
HINTS = ("what can you do?", "what is on?", "turn everything off")
GRACE = 3.0  # seconds an errand or a family has to end when it is asked to stop


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
    drivers: dict[str, Driver] = {lists.OWN: lists.Lists(store, clock)}
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
    zone = config.zone or machine_zone()
    desk = Desk(store, house, hands, mind, people, clock, post, config.house.language, config.house.units, zone, config.place)
    desk.history, desk.album = history, Album(folder / "attachments")
    desk.memory = open_memory(folder, people, clock, zone, store)
    stack.push_async_callback(desk.memory.aclose)
    desk.entry_routines = frozenset(name.casefold() for name in config.routines.entry)
    if config.scenes.file:
        desk.offered = {**shipped_scenes(), **read_scenes(Path(config.scenes.file))}
    await store.read(desk.load_modes)
    toolbox.desk = desk
    network = Network(config.discovery.interfaces, on=config.discovery.on)
    stack.push_async_callback(network.aclose)
    butler = Butler(desk)
    dobby = Dobby(
        config, folder, clock, store, house, history, people, vault, toolbox, plain, desk, butler, console, web, network, drivers
    )
    skills, dobby.broken = load_skills(config.skills.places, config.skills.off)
    for skill in skills.values():
        take_in(dobby, skill)
    unknown = set(config.skills.levels) - set(dobby.desk.levels)
    dobby.broken |= {tool: f"[skills.levels] in dobby.toml names {tool}, but no skill has such a function." for tool in unknown}
    return dobby


async def _furnish(store: Store, house: House, people: People, config: Config) -> None:
    """Rows into the house; the first owner at the first start."""

    def load(db: sqlite3.Connection) -> None:
        for room in household.rooms(db):
            house.add_room(room)
        for device in household.devices(db):
            house.add(device)

    await store.read(load)
    await _lay_out_lists(store, house, config.house.language)
    if not people.owners:
        await people.keep(Person("owner", config.owner.name, Role.OWNER))
    for owner in people.owners:
        for bridge in ("console", "web"):
            if f"{bridge}/{owner.id}" not in people.lanes(owner.id):
                await people.reach(owner.id, bridge, owner.id)


async def _lay_out_lists(store: Store, house: House, language: str) -> None:
    """A house without lists has a shopping list of its own; the own ones are read once, as nobody else writes on them."""
    if lists.needs_one(house):
        device = house.add(lists.shopping(language))
        await store.write(lambda db: household.keep_device(db, device))
    for device in [device for device in house if device.driver == lists.OWN]:
        rows = await lists.Lists(store, house.clock).read(device)
        house.state.hear(Change(device.id, rows, available=True))


# Skills


def take_in(dobby: Dobby, skill: Skill) -> None:
    """A skill's functions, levels and music from now on."""
    dobby.toolbox.skills[skill.name] = skill
    if skill.shelf is not None:
        try:
            dobby.music.shelves[skill.name] = skill.shelf(dobby.config.skills.own.get(skill.name, {}))
        except Exception as error:  # somebody else's code: whatever it throws is its own fault
            dobby.broken[skill.name] = f"The music of {skill.name} cannot be read: {error}"
    for name, tool in skill.tools.items():
        dobby.desk.levels[name] = tighten(tool, dobby.config.skills.levels)


def make_family(dobby: Dobby, skill: Skill) -> Family | None:
    """A skill's driver, ready to live; None where it has none.

    :raises SkillError: the driver cannot be made.
    """
    if skill.driver is None:
        return None
    try:
        return Family(
            skill.name,
            skill.driver(),
            dobby.config.skills.own.get(skill.name, {}),
            house=dobby.house,
            store=dobby.store,
            vault=dobby.vault,
            clock=dobby.clock,
            network=dobby.network,
            music=dobby.music,
            on_news=dobby.news.set,
        )
    except Exception as error:  # somebody else's code: whatever it throws is its own fault
        raise SkillError(f"The driver of {skill.name} cannot be made: {type(error).__name__}: {error}") from error


def start_family(dobby: Dobby, family: Family) -> None:
    """Its devices can be reached from now on."""
    dobby.drivers[family.name] = family.driver
    if isinstance(family.driver, Shelf):
        dobby.music.shelves[family.name] = family.driver
    dobby.families[family.name] = family
    dobby.tasks[family.name] = dobby.desk.spawn(_kept(family), f"family {family.name}")


async def _kept(family: Family) -> None:
    try:
        await family.run()
    except Exception:  # a family that breaks altogether must not take the house along
        log.exception("The family %s has stopped", family.name)
        family.troubles["family"] = "stopped; see the log"


async def _end_family(dobby: Dobby, name: str) -> None:
    task = dobby.tasks.pop(name, None)
    if task is not None:
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
    dobby.drivers.pop(name, None)
    dobby.music.shelves.pop(name, None)
    dobby.families.pop(name, None)


async def _reload(dobby: Dobby) -> None:
    """Take in a new or changed skill once its files have come to rest and all hands are idle."""
    places = dobby.config.skills.places
    taken = {skill.name: skill.stamp for skill in dobby.toolbox.skills.values()}
    before = await asyncio.to_thread(stamps, places, dobby.config.skills.off)
    taken = {folder.name: stamp for folder, stamp in before.items()} | taken
    while True:
        await dobby.clock.sleep(RELOAD)
        now = await asyncio.to_thread(stamps, places, dobby.config.skills.off)
        for folder, stamp in now.items():
            if stamp == before.get(folder) and stamp != taken.get(folder.name) and dobby.butler.idle:
                taken[folder.name] = stamp
                await _exchange(dobby, folder)
        before = now


async def _exchange(dobby: Dobby, folder: Path) -> None:
    """The new version takes over; where it fails, the old one stays."""
    name = folder.name
    try:
        fresh = load_skill(folder)
        family = make_family(dobby, fresh)
    except SkillError as error:
        stays = " The version from before stays in use." if name in dobby.toolbox.skills else ""
        await _broke(dobby, name, f"{error}{stays}")
        return
    log.info("The skill %s has changed and is loaded anew", name)
    dobby.broken.pop(name, None)
    await _end_family(dobby, name)
    take_in(dobby, fresh)
    if family is not None:
        start_family(dobby, family)


async def _broke(dobby: Dobby, what: str, words: str) -> None:
    """What is broken is named once, in words, to the owners."""
    log.warning("%s", words)
    dobby.broken[what] = words
    desk, key = dobby.desk, f"broken:{what}:{crc32(words.encode())}"

    def tell(db: sqlite3.Connection) -> list[Any]:
        return [desk.tell(db, f"{key}:{person}", lane, words) for person, lane in desk.owner_lanes()]

    desk.post.hand_over(await desk.store.write(tell))


# Living


async def _serve(dobby: Dobby, stop: asyncio.Event, ready: Callable[[Dobby], None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(dobby.butler.run(), name="butler")
        await dobby.butler.ready.wait()
        await _open_bridges(dobby)
        notify("READY=1")
        ready(dobby)
        _start_families(dobby)
        spawn = dobby.desk.spawn  # what fails in here is logged and leaves the rest alone
        for what, words in list(dobby.broken.items()):
            spawn(_broke(dobby, what, words), f"tell of {what}")
        spawn(_wheel(dobby).run(), "wheel")
        spawn(dobby.history.run(), "history")
        dobby.news.set()  # what was left untold
        spawn(keep_telling(dobby.desk, dobby.news, lambda: any(family.busy for family in dobby.families.values())), "news")
        spawn(asyncio.to_thread(dobby.plain.warm), "warm the mind")
        spawn(_reload(dobby), "reload skills")
        spawn(_stall_watch(dobby).run(), "stall watch")
        group.create_task(_sign_of_life(dobby), name="watchdog")
        await stop.wait()
        notify("STOPPING=1")
        await _put_away(dobby)
        raise _Stopped


def _start_families(dobby: Dobby) -> None:
    for skill in dobby.toolbox.skills.values():
        try:
            family = make_family(dobby, skill)
        except SkillError as error:
            dobby.broken[skill.name] = str(error)
        else:
            if family is not None:
                start_family(dobby, family)


async def _looked(dobby: Dobby, plan: Plan, source: Source, ask: Ask) -> str:
    """What the network has to say to somebody who asks."""

    def words(key: str, **facts: object) -> str:
        return dobby.desk.words(key, source, **facts)

    if plan.order is Order.SEEK:
        said = await seek(plan.about, dobby.families, dobby.network, words, ask)
        more = await told_by_asking(dobby.desk, plan.about, source) if source.authority is Role.OWNER else ""
        return f"{said} {more}".strip()
    return await tell_network(dobby.families, dobby.house, dobby.network, words)


async def _open_bridges(dobby: Dobby) -> None:
    """One that cannot be opened is named, and the rest goes on without it."""
    dobby.console.hear = dobby.butler.hear
    dobby.console.operations = operations(dobby)
    dobby.desk.look = partial(_looked, dobby)
    if dobby.web is not None:
        dobby.web.hear = dobby.butler.hear
        dobby.web.moved = dobby.desk.post.moved
    bridges: list[Console | Web] = [dobby.console, *([dobby.web] if dobby.web else [])]
    for bridge in bridges:
        try:
            await bridge.open()
        except OSError as error:
            dobby.broken[bridge.name] = f"The {bridge.name} bridge cannot be opened: {error}."
            dobby.web = None if bridge is dobby.web else dobby.web


async def _put_away(dobby: Dobby) -> None:
    """What runs may end; what waits stays a row for the next start."""
    await dobby.butler.drain(GRACE)
    if dobby.web is not None:
        await dobby.web.aclose()
    await dobby.console.aclose()


def _wheel(dobby: Dobby) -> Wheel:
    desk = dobby.desk
    almanac = Almanac(desk.zone or machine_zone(), desk.place)
    wheel = Wheel(dobby.store, dobby.clock, dobby.people, almanac, dobby.butler.hear)
    desk.wake = wheel.wake
    return wheel


def _stall_watch(dobby: Dobby) -> StallWatch:
    loop = asyncio.get_running_loop()

    def tell(skill: str, where: str) -> None:
        words = f"The skill {skill} holds up the whole house at {where}; it should use a Pool for what blocks."
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
