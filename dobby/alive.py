"""Everything that lives while Dobby does, by name, so that the daemon and its operations speak of the same things.

It does not know how any of it is made or ended (`ground`, `daemon`).
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dobby.clock import Clock
from dobby.config import Config
from dobby.discovery.keep import Family
from dobby.discovery.network import Network
from dobby.house.history import History
from dobby.house.registry import House
from dobby.people import People
from dobby.skill.driver import Driver
from dobby.skill.library import Libraries
from dobby.skill.load import Skill
from dobby.skill.music import Music
from dobby.skill.voice import Voice
from dobby.store import Store
from dobby.vault import VaultFile

if TYPE_CHECKING:  # they come later than the rest
    from dobby.bridge import Way
    from dobby.bridge.console import Console
    from dobby.bridge.web import Web
    from dobby.butler import Butler, Desk
    from dobby.butler.tools import Toolbox
    from dobby.mind.plain import PlainMind


@dataclass(slots=True)
class Dobby:
    """Everything that lives while Dobby does; those who answer people once he is composed."""

    config: Config
    folder: Path
    clock: Clock
    store: Store
    house: House
    history: History
    people: People
    vault: VaultFile
    network: Network
    toolbox: "Toolbox" = field(init=False)
    plain: "PlainMind" = field(init=False)
    desk: "Desk" = field(init=False)
    butler: "Butler" = field(init=False)
    console: "Console" = field(init=False)
    group: asyncio.TaskGroup = field(init=False)
    web: "Web | None" = None
    libraries: Libraries = field(default_factory=Libraries)
    skills: dict[str, Skill] = field(default_factory=dict)
    drivers: dict[str, Driver] = field(default_factory=dict)
    music: Music = field(default_factory=Music)
    voice: Voice = field(default_factory=Voice)
    families: dict[str, Family] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    broken: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, "asyncio.Task[None] | None"] = field(default_factory=dict)
    remote: "list[Way]" = field(default_factory=list)
