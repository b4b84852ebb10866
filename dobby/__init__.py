"""Dobby: a butler who lives on a home server. This is the front door for skill authors.

Everything here is looked up when it is first used, so that importing one part of Dobby does not load all of it.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dobby.errors import DobbyError as DobbyError, Refused as Refused, Unreachable as Unreachable, Unsure as Unsure
    from dobby.events import Change as Change, EffectClass as EffectClass, State as State, Value as Value
    from dobby.house.kinds import coupled as coupled, specs as specs, verbs as verbs
    from dobby.house.model import Device as Device, Room as Room, Spec as Spec
    from dobby.house.units import number as number, shown as shown
    from dobby.skill.driver import Ask as Ask, Driver as Driver, Finding as Finding, Pool as Pool, Sign as Sign, Vault as Vault
    from dobby.skill.hearing import Ear as Ear, Following as Following, polled as polled
    from dobby.skill.home import Home as Home, Manner as Manner
    from dobby.skill.lens import Lens as Lens, Streams as Streams
    from dobby.skill.music import Hit as Hit, Music as Music, Piece as Piece, Shelf as Shelf
    from dobby.skill.tool import Picture as Picture, act as act, device as device, guarded as guarded, read as read
    from dobby.skill.voice import Voice as Voice
    from dobby.vision.detect import Box as Box, around as around
    from dobby.vision.wire import Camera as Camera, Sighting as Sighting, Zone as Zone

__version__ = "0.1.0"

_WHERE = {
    "dobby.errors": ("DobbyError", "Refused", "Unreachable", "Unsure"),
    "dobby.events": ("Change", "EffectClass", "State", "Value"),
    "dobby.house.kinds": ("coupled", "specs", "verbs"),
    "dobby.house.model": ("Device", "Room", "Spec"),
    "dobby.house.units": ("number", "shown"),
    "dobby.skill.driver": ("Ask", "Driver", "Finding", "Pool", "Sign", "Vault"),
    "dobby.skill.hearing": ("Ear", "Following", "polled"),
    "dobby.skill.home": ("Home", "Manner"),
    "dobby.skill.lens": ("Lens", "Streams"),
    "dobby.skill.music": ("Hit", "Music", "Piece", "Shelf"),
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
