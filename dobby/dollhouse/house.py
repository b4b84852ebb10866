"""Starts the device sides that skills bring along (`skills/NAME/dollhouse.py`) as one house on loopback.

It does not know any protocol, nor anything of Dobby.
"""

import importlib
import inspect
import logging
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from dobby.errors import DobbyError
from dobby.events import State
from dobby.paths import shipped

log = logging.getLogger(__name__)
PREFIXES = tuple(f"127.{number}.0" for number in range(77, 97))  # loopback is a /8: a street with room for twenty houses


class Part(Protocol):
    """One family's device side. `config` is what Dobby's config needs to find it without multicast."""

    name: str
    config: Mapping[str, Any]

    def truth(self, device: str) -> State:
        """What a device really is, by Dobby's id for it."""
        ...

    async def aclose(self) -> None:
        """Pull the plug."""
        ...


@dataclass(slots=True)
class Dollhouse:
    """A street number's worth of devices."""

    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def skills(self) -> dict[str, Any]:
        """The `[skills.NAME]` tables that lead a Dobby here."""
        return {name: dict(part.config) for name, part in self.parts.items()}

    def truth(self, device: str) -> State:
        """What a device really is."""
        return self.parts[device.partition(".")[0]].truth(device)

    async def aclose(self) -> None:
        """Pull every plug."""
        for part in self.parts.values():
            await part.aclose()


def described(file: Path) -> dict[str, Any]:
    """What somebody's own house is made of: a table for each family, its rows as in `skills/NAME/dollhouse.toml`.

    :raises DobbyError: it cannot be read.
    """
    try:
        rows = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DobbyError(f"{file} cannot be read: {error}") from error
    if strange := [name for name, table in rows.items() if not isinstance(table, dict)]:
        raise DobbyError(f"{file}: {strange[0]} must be a table, like [{strange[0]}] or [[lifx.lamp]].")
    return rows


async def open_dollhouse(names: Iterable[str] = (), rows: Mapping[str, Any] | None = None, **options: Any) -> Dollhouse:
    """Start the device sides of these skills (of all but those `BY_NAME_ONLY`); each takes those options that it knows.

    `rows` (`described`) are what stands in the house instead of what is shipped; only those families are started.

    :raises DobbyError: there is no such family, it makes no sense of its rows, or it cannot start.
    """
    rows = rows or {}
    house = Dollhouse()
    folders = {path.parent.name: path.parent for path in sorted(shipped("skills").glob("*/dollhouse.py"))}
    wanted = list(names) or list(rows) or list(folders)
    if unknown := [name for name in wanted if name not in folders]:
        raise DobbyError(f"There is no dollhouse of {', '.join(unknown)}; there are {' and '.join(folders)}.")
    try:
        for name in wanted:
            module = device_side(folders[name])
            if names or rows or not getattr(module, "BY_NAME_ONLY", False):
                house.parts[name] = await _built(name, module, {**options, "rows": rows.get(name)})
    except BaseException:
        await house.aclose()
        raise
    return house


async def _built(name: str, module: ModuleType, options: Mapping[str, Any]) -> Part:
    if options["rows"] is None:
        return await _start(module, {key: value for key, value in options.items() if key != "rows"})
    if "rows" not in inspect.signature(module.start).parameters:
        raise DobbyError(f"The dollhouse of {name} is always the same: a file cannot describe it.")
    try:
        return await _start(module, options)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DobbyError(f"The dollhouse makes no sense of [{name}]: {error!r}. Look at skills/{name}/dollhouse.toml.") from error


async def _start(module: ModuleType, options: Mapping[str, Any]) -> Part:
    known = inspect.signature(module.start).parameters
    given = {name: value for name, value in options.items() if name in known}
    if "prefix" not in known or "prefix" in given:
        try:
            part: Part = await module.start(**given)
        except OSError as error:
            raise DobbyError(f"The dollhouse cannot start: {error}.") from error
        return part
    for prefix in PREFIXES:  # another house may stand there already
        try:
            found: Part = await module.start(prefix=prefix, **given)
        except OSError as error:
            log.debug("%s is taken: %s", prefix, error)
        else:
            return found
    raise DobbyError("There is no free address left on loopback for another dollhouse.")


def device_side(folder: Path) -> ModuleType:
    """A skill's `dollhouse.py`, in a package of its own beside the skill's, so that reloading one leaves the other alone."""
    name = f"dobby_dollhouse_{folder.name.replace('-', '_')}"
    if name not in sys.modules:
        package = ModuleType(name, f"The device side of {folder.name}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    try:
        return importlib.import_module(f"{name}.dollhouse")
    except ImportError as error:
        raise DobbyError(f"The dollhouse needs more: {error}. Install it with: pip install 'dobby[dollhouse]'") from error
