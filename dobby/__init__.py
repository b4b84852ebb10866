"""Dobby: a butler who lives on a home server. This is the front door for skill authors.

Everything here is looked up when it is first used, so that importing one part of Dobby does not load all of it.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dobby.errors import DobbyError as DobbyError
    from dobby.errors import Refused as Refused
    from dobby.errors import Unreachable as Unreachable
    from dobby.errors import Unsure as Unsure
    from dobby.events import Change as Change
    from dobby.events import EffectClass as EffectClass
    from dobby.events import State as State
    from dobby.events import Value as Value
    from dobby.house.kinds import coupled as coupled
    from dobby.house.kinds import specs as specs
    from dobby.house.kinds import verbs as verbs
    from dobby.house.model import Device as Device
    from dobby.house.model import Room as Room
    from dobby.house.model import Spec as Spec
    from dobby.house.units import number as number
    from dobby.house.units import shown as shown
    from dobby.skill.driver import Ask as Ask
    from dobby.skill.driver import Driver as Driver
    from dobby.skill.driver import Finding as Finding
    from dobby.skill.driver import Pool as Pool
    from dobby.skill.driver import Sign as Sign
    from dobby.skill.driver import Vault as Vault
    from dobby.skill.home import Home as Home
    from dobby.skill.home import Manner as Manner
    from dobby.skill.lens import Lens as Lens
    from dobby.skill.lens import Streams as Streams
    from dobby.skill.music import Hit as Hit
    from dobby.skill.music import Music as Music
    from dobby.skill.music import Piece as Piece
    from dobby.skill.music import Shelf as Shelf
    from dobby.skill.poll import polled as polled
    from dobby.skill.tool import Picture as Picture
    from dobby.skill.tool import act as act
    from dobby.skill.tool import device as device
    from dobby.skill.tool import guarded as guarded
    from dobby.skill.tool import read as read
    from dobby.skill.voice import Voice as Voice
    from dobby.vision.detect import Box as Box
    from dobby.vision.detect import around as around
    from dobby.vision.wire import Camera as Camera
    from dobby.vision.wire import Sighting as Sighting
    from dobby.vision.wire import Zone as Zone

__version__ = "0.1.0"

_WHERE = {
    "dobby.errors": ("DobbyError", "Refused", "Unreachable", "Unsure"),
    "dobby.events": ("Change", "EffectClass", "State", "Value"),
    "dobby.house.kinds": ("coupled", "specs", "verbs"),
    "dobby.house.model": ("Device", "Room", "Spec"),
    "dobby.house.units": ("number", "shown"),
    "dobby.skill.driver": ("Ask", "Driver", "Finding", "Pool", "Sign", "Vault"),
    "dobby.skill.home": ("Home", "Manner"),
    "dobby.skill.lens": ("Lens", "Streams"),
    "dobby.skill.music": ("Hit", "Music", "Piece", "Shelf"),
    "dobby.skill.poll": ("polled",),
    "dobby.skill.tool": ("Picture", "act", "device", "guarded", "read"),
    "dobby.skill.voice": ("Voice",),
    "dobby.vision.detect": ("Box", "around"),
    "dobby.vision.wire": ("Camera", "Sighting", "Zone"),
}
_HOME_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [*_HOME_OF, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"dobby has no {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


class _Door(ModuleType):
    """A module of a name offered here (`dobby/act.py`, once imported) does not hide what is offered (`@act`)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOME_OF:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
