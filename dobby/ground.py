"""The ground floor: files, house, network and families, which live before anybody can be spoken to.

It does not know mind, butler or page (`daemon`), so that it stands soon and the first devices are there within a moment.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path

from dobby.alive import Dobby
from dobby.clock import SystemClock, machine_zone
from dobby.config import Config
from dobby.discovery.keep import Family
from dobby.discovery.network import Network
from dobby.errors import SkillError
from dobby.events import Change, Role
from dobby.house import lists
from dobby.house.history import History
from dobby.house.registry import House
from dobby.journal import household, open_journal
from dobby.people import People, Person
from dobby.skill.load import Skill, ahead, find_skills, load_skills, misread, open_skill
from dobby.skill.music import Shelf
from dobby.skill.voice import Reader
from dobby.store import FolderLock, Store
from dobby.vault import VaultFile

log = logging.getLogger(__name__)
HEAVY = "aiohttp"  # the page needs it too: whoever does without comes before both
GRACE = 3.0  # seconds an errand or a family has to end when it is asked to stop


async def lay(config: Config, folder: Path, stack: AsyncExitStack) -> Dobby:
    """Open the files and furnish the house; the stack closes it all in the opposite order."""
    lock = FolderLock(folder)
    stack.callback(lock.release)
    clock = SystemClock()
    store = open_journal(folder)
    stack.push_async_callback(store.aclose)
    house = House(clock)
    history = History(folder / "history.db", house.state, clock)
    stack.push_async_callback(history.aclose)
    people = People(store, clock)
    await _furnish(store, house, people, config)
    network = Network(config.discovery.interfaces, on=config.discovery.on, subnets=config.discovery.subnets)
    stack.push_async_callback(network.aclose)
    dobby = Dobby(config, folder, clock, store, house, history, people, VaultFile(folder / "vault.json"), network)
    dobby.drivers[lists.OWN] = lists.Lists(store, clock)
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


# Families


def likely(dobby: Dobby) -> set[str]:
    """The skills to begin with: those whose devices are known; in a house without any, those that go ahead."""
    return {device.driver for device in dobby.house.every()} - {lists.OWN} or ahead(dobby.config.skills.places)


def read_skills(dobby: Dobby, only: Collection[str] | None = None) -> None:
    """Open those that are not open yet, or `only` these of them."""
    told, opened = dobby.config.skills, dobby.skills
    off = [*told.off, *(each.name for each in find_skills(told.places) if only is not None and each.name not in only)]
    dobby.skills, broken = load_skills(told.places, off, lambda each: opened.get(each.name) or open_skill(each))
    dobby.broken = broken | (misread(dobby.skills, told, broken) if only is None else {})


def made_families(dobby: Dobby) -> list[Family]:
    """All that do not live yet: those whose devices are known, those that can begin at once, those whose library is light."""
    made = []
    for skill in [skill for name, skill in dobby.skills.items() if name not in dobby.families]:
        try:
            made.append(make_family(dobby, skill))
        except SkillError as error:
            dobby.broken[skill.name] = str(error)
    families = [family for family in made if family is not None]
    return sorted(
        families, key=lambda each: (not each.devices, not each.asks, HEAVY in each.library or not each.library, len(each.library))
    )


def make_family(dobby: Dobby, skill: Skill) -> Family | None:
    """A skill's driver, ready to live; None where it has none.

    :raises SkillError: the driver cannot be made.
    """
    if skill.driver is None:
        return None
    where = {"zone": dobby.config.zone or machine_zone(), "place": dobby.config.place}
    try:
        return Family(
            skill.name,
            skill.driver(),
            {"language": dobby.config.house.language, **dobby.config.skills.own.get(skill.name, {}), **where},
            house=dobby.house,
            store=dobby.store,
            vault=dobby.vault,
            clock=dobby.clock,
            network=dobby.network,
            libraries=dobby.libraries,
            music=dobby.music,
            voice=dobby.voice,
            on_news=dobby.news.set,
        )
    except Exception as error:  # somebody else's code: whatever it throws is its own fault
        raise SkillError(f"The driver of {skill.name} cannot be made: {type(error).__name__}: {error}") from error


def start_family(dobby: Dobby, family: Family) -> None:
    """Its devices can be reached from now on."""
    dobby.drivers[family.name] = family.driver
    if isinstance(family.driver, Shelf):
        dobby.music.shelves[family.name] = family.driver
    if isinstance(family.driver, Reader):
        dobby.voice.reader = family.driver
    dobby.families[family.name] = family
    dobby.tasks[family.name] = dobby.group.create_task(_kept(family), name=f"family {family.name}")


async def _kept(family: Family) -> None:
    try:
        await family.run()
    except Exception:  # a family that breaks altogether must not take the house along
        log.exception("The family %s has stopped", family.name)
        family.troubles["family"] = "stopped; see the log"


async def end_family(dobby: Dobby, name: str) -> None:
    task = dobby.tasks.pop(name, None)
    if task is not None:
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
    dobby.drivers.pop(name, None)
    dobby.music.shelves.pop(name, None)
    dobby.families.pop(name, None)
