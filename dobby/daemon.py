"""The composition root: the only module that knows everyone. Puts together, watches and puts away whoever answers people.

What stands before them is `ground`; the order of it all is `live`. It does not decide anything about the house.
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
from dobby.bridges import add_bridges, close_bridges, start_bridges
from dobby.butler import Butler, Desk, sightings
from dobby.butler.album import Album
from dobby.butler.memories import read_wishes, tell_guesses
from dobby.butler.news import keep_telling, told_by_asking
from dobby.butler.tools import Toolbox
from dobby.clock import machine_zone
from dobby.discovery.answer import seek, tell_network
from dobby.discovery.look import Look, look_around
from dobby.drawing import Drawing
from dobby.errors import SkillError, StoreError
from dobby.events import Role, Source
from dobby.ground import GRACE, end_family, make_family, start_family
from dobby.house.almanac import Almanac
from dobby.memory import nightly, open_memory, vectors
from dobby.mind.plain import PlainMind
from dobby.mind.plain.scenes import read_scenes, shipped_scenes
from dobby.mind.plain.speech import Speech
from dobby.mind.plan import Order, Plan
from dobby.mind.route import Routed
from dobby.notify import notify, watchdog_seconds
from dobby.operations import operations
from dobby.post import Bridge, Post
from dobby.schedule import Triggers, Wheel
from dobby.skill.driver import Ask
from dobby.skill.load import Skill, equipped, load_skill, stamps, tighten
from dobby.skill.stall import StallWatch
from dobby.skill.told import asked_in, told_in
from dobby.vision.cameras import Watching
from dobby.vision.page import Views, sent_to
from dobby.wits.wire import give_wits

log = logging.getLogger(__name__)
RELOAD = 3.0  # seconds between looks for a changed skill
HINTS = ("what can you do?", "what is on?", "turn everything off")


async def compose(dobby: Dobby, stack: AsyncExitStack) -> None:
    """Put mind, hands, butler and bridges into a house whose ground floor stands; the stack closes what they opened."""
    config, store, house, people, clock = dobby.config, dobby.store, dobby.house, dobby.people, dobby.clock
    dobby.toolbox = toolbox = Toolbox(dobby.skills, config.skills.own, dobby.vault.part)
    dobby.plain = PlainMind(house, config.house.language)
    dobby.plain.told = lambda language, words: told_in(language, (skill.folder for skill in dobby.skills.values()), words)
    hands = Hands(house, dobby.drivers, toolbox)
    dobby.console = Console(store, people, dobby.folder / "dobby.sock")
    if config.web.on:
        dobby.web = Web(store, people, clock, host=config.web.host, port=config.web.port, hosts=config.web.hosts, hints=HINTS)
    bridges: list[Bridge] = [dobby.console, *([dobby.web] if dobby.web else [])]
    post = Post(store, clock, bridges)
    mind = Routed(dobby.plain, toolbox.tools, lambda: bool(config.model.mind))
    zone = config.zone or machine_zone()
    desk = Desk(store, house, hands, mind, people, clock, post, config.house.language, config.house.units, zone, config.place)
    desk.history, desk.album = dobby.history, Album(dobby.folder / "attachments")
    desk.memory = open_memory(dobby.folder, people, clock, zone, store)
    stack.push_async_callback(desk.memory.aclose)
    desk.entry_routines = frozenset(name.casefold() for name in config.routines.entry)
    desk.leave_alone = config.routines.leave_alone * 60.0
    if config.scenes.file:
        desk.offered = {**shipped_scenes(), **read_scenes(Path(config.scenes.file))}
    await store.read(desk.load_modes)
    await read_wishes(desk)
    desk.memory.meaning = vectors.installed()
    toolbox.desk = dobby.desk = desk
    dobby.butler = Butler(desk)
    add_bridges(dobby)
    give_wits(dobby, stack)
    for skill in list(dobby.skills.values()):
        try:
            take_in(dobby, equipped(skill))
        except SkillError as error:
            dobby.broken[skill.name] = str(error)
    unknown = set(config.skills.levels) - set(desk.levels)
    dobby.broken |= {tool: f"[skills.levels] in dobby.toml names {tool}, but no skill has such a function." for tool in unknown}


# Skills


def take_in(dobby: Dobby, skill: Skill) -> None:
    """A skill's functions, levels and music from now on."""
    dobby.skills[skill.name] = skill
    if skill.shelf is not None:
        try:
            dobby.music.shelves[skill.name] = skill.shelf(dobby.config.skills.own.get(skill.name, {}))
        except Exception as error:  # somebody else's code: whatever it throws is its own fault
            dobby.broken[skill.name] = f"The music of {skill.name} cannot be read: {error}"
    for name, tool in skill.tools.items():
        dobby.desk.levels[name] = tighten(tool, dobby.config.skills.levels)


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
    await end_family(dobby, name)
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


async def serve(dobby: Dobby, stop: asyncio.Event, ready: Callable[[Dobby], None]) -> None:
    """Take up what was left, open the bridges, and do all that has to be done until `stop`; then put it away."""
    dobby.group.create_task(dobby.butler.run(), name="butler")
    await dobby.butler.ready.wait()
    watching = _eyes(dobby)
    await _open_bridges(dobby)
    start_bridges(dobby)
    notify("READY=1")
    ready(dobby)
    spawn = dobby.desk.spawn  # what fails in here is logged and leaves the rest alone
    for what, words in list(dobby.broken.items()):
        spawn(_broke(dobby, what, words), f"tell of {what}")
    wheel, triggers = _waiting(dobby)
    spawn(wheel.run(), "wheel")
    spawn(triggers.run(), "triggers")
    spawn(dobby.history.run(), "history")
    if dobby.desk.memory is not None:
        spawn(nightly.keep(dobby.desk.memory, partial(tell_guesses, dobby.desk)), "memory")
    dobby.news.set()  # what was left untold
    spawn(keep_telling(dobby.desk, dobby.news, lambda: any(family.busy for family in dobby.families.values())), "news")
    spawn(asyncio.to_thread(dobby.plain.warm), "warm the mind")
    spawn(watching.run(), "watching")
    spawn(_reload(dobby), "reload skills")
    spawn(_stall_watch(dobby).run(), "stall watch")
    dobby.group.create_task(_sign_of_life(dobby), name="watchdog")
    await stop.wait()
    notify("STOPPING=1")
    await _put_away(dobby)


def _eyes(dobby: Dobby) -> Watching:
    """The cameras' keeper, and their page."""
    desk, model = dobby.desk, dobby.config.model
    watching = Watching(dobby.house, dobby.drivers, dobby.store, dobby.config.eyes, dobby.folder)
    watching.take, watching.keep, watching.work = partial(sightings.take, desk), desk.album.keep, desk.spawn
    watching.complain, desk.hands.peek = partial(_broke, dobby), watching.look
    if dobby.web is not None:
        dobby.web.views = Views(dobby.store, dobby.house, watching.look, sent_to(model) if desk.describe else "")
    return watching


async def _looked(dobby: Dobby, plan: Plan, source: Source, ask: Ask) -> str:
    """What the network has to say to somebody who asks."""

    words = partial(dobby.desk.words, source=source)
    if plan.order is Order.SEEK:
        ask = asked_in(dobby.desk.language_of(source), (skill.folder for skill in dobby.skills.values()), ask)
        said = await seek(plan.about, dobby.families, dobby.network, words, ask)
        more = await told_by_asking(dobby.desk, plan.about, source) if source.authority is Role.OWNER else ""
        return f"{said} {more}".strip()
    return await tell_network(dobby.families, dobby.house, dobby.network, words, plan.about)


def _drawing(dobby: Dobby) -> Drawing:
    desk, families = dobby.desk, dobby.families

    async def look() -> Look:
        return await look_around(dobby.network, {name: family.driver for name, family in families.items()})

    return Drawing(dobby.house, dobby.clock, look, lambda one: Speech(one.language or desk.language, one.units or desk.units))


async def _open_bridges(dobby: Dobby) -> None:
    """One that cannot be opened is named, and the rest goes on without it."""
    dobby.console.hear = dobby.butler.hear
    dobby.console.operations = operations(dobby)
    dobby.desk.look = partial(_looked, dobby)
    if dobby.web is not None:
        dobby.web.hear = dobby.butler.hear
        dobby.web.moved = dobby.desk.post.moved
        dobby.web.draw = _drawing(dobby)
        dobby.web.things.language = dobby.desk.language
        dobby.web.things.rooms = lambda: [room.name for room in dobby.house.rooms]
    bridges: list[Console | Web] = [dobby.console, *([dobby.web] if dobby.web else [])]
    for bridge in bridges:
        try:
            await bridge.open()
        except OSError as error:
            dobby.broken[bridge.name] = f"The {bridge.name} bridge cannot be opened: {error}."
            dobby.web = None if bridge is dobby.web else dobby.web
            dobby.desk.post.bridges.pop(bridge.name)


async def _put_away(dobby: Dobby) -> None:
    """What runs may end; what waits stays a row for the next start."""
    await dobby.butler.drain(GRACE)
    await close_bridges(dobby)
    if dobby.web is not None:
        await dobby.web.aclose()
    await dobby.console.aclose()


def _waiting(dobby: Dobby) -> tuple[Wheel, Triggers]:
    """Who waits for the hours, and who for the house; both look again when something was kept."""
    desk = dobby.desk
    almanac = Almanac(desk.zone or machine_zone(), desk.place)
    wheel = Wheel(dobby.store, dobby.clock, dobby.people, almanac, dobby.butler.hear)
    triggers = Triggers(dobby.store, dobby.clock, dobby.people, dobby.house.state, dobby.butler.hear)

    def wake() -> None:
        wheel.wake()
        triggers.wake()

    desk.wake = wake
    return wheel, triggers


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
