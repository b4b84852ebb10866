"""A folder becomes a Skill: its front matter checked, its functions found, its driver at hand.

A broken folder is named in words and never stops the others. It does not know what the skills do, nor who runs them.
"""

import importlib.util
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import yaml

from dobby.config import SkillsConfig, unknown
from dobby.errors import SkillError
from dobby.skill.driver import Driver
from dobby.skill.music import Shelf
from dobby.skill.tool import LEVELS, MARK, OPENER, Tool, make_tool

log = logging.getLogger(__name__)
Stamp: TypeAlias = tuple[tuple[str, int], ...]
AHEAD = b"\n  ahead: true\n"  # in the `metadata`; looked for without a parser, as everybody waits for it
NAME_MOST, DESCRIPTION_MOST = 64, 1024  # characters; https://agentskills.io/specification


@dataclass(frozen=True, slots=True)
class Skill:
    """One folder: what it is for (`SKILL.md`), its functions, its device openers, its driver if it has one.

    `shelf` makes its music, if it keeps any, from its table in `dobby.toml`.
    """

    name: str
    folder: Path
    description: str
    body: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    openers: Mapping[str, Callable[..., AsyncIterator[Any]]] = field(default_factory=dict)
    driver: Callable[[], Driver] | None = None
    shelf: Callable[[Mapping[str, Any]], Shelf] | None = None
    stamp: Stamp = ()
    marked: Sequence[Callable[..., Any]] = ()


def load_skill(folder: Path) -> Skill:
    """Read a folder and make its functions ready to be called.

    :raises SkillError: what is wrong with it, in words.
    """
    return equipped(open_skill(folder))


def open_skill(folder: Path) -> Skill:
    """Read a folder; the module runs under a name of its own, `dobby_skill_NAME`. Its functions are only `marked` yet.

    :raises SkillError: what is wrong with it, in words.
    """
    folder = folder.absolute()
    name = folder.name
    front, body = _front_matter(folder)
    stamp = fingerprint(folder)
    module = _module(name, folder) if (folder / "skill.py").is_file() else None
    members = vars(module) if module else {}
    return Skill(
        name=name,
        folder=folder,
        description=front["description"],
        body=body,
        metadata=front.get("metadata") or {},
        openers={key: value for key, value in members.items() if getattr(value, OPENER, False)},
        driver=members.get("driver"),
        shelf=members.get("shelf"),
        stamp=stamp,
        marked=[value for value in members.values() if hasattr(value, MARK)],
    )


def equipped(skill: Skill) -> Skill:
    """With its functions as tools, which takes pydantic and a moment.

    :raises SkillError: what is wrong with one of them, in words.
    """
    try:
        tools = [make_tool(skill.name, function, list(skill.openers)) for function in skill.marked]
    except SkillError:
        raise
    except Exception as error:  # signatures and defaults are somebody else's code too
        raise SkillError(f"The skill {skill.name} has a function that cannot be read: {error}") from error
    return replace(skill, tools={tool.name: tool for tool in tools})


def load_skills(
    folders: Sequence[Path], off: Collection[str] = (), load: Callable[[Path], Skill] = load_skill
) -> tuple[dict[str, Skill], dict[str, str]]:
    """All skills of several folders (the first of a name wins), and for each broken one what is wrong."""
    skills: dict[str, Skill] = {}
    broken = {str(place): f"There is no folder {place} to find skills in." for place in folders if not place.is_dir()}
    for folder in find_skills(folders, off):
        if folder.name in skills or folder.name in broken:
            log.info("The skill in %s stays unused: an earlier folder has one of its name", folder)
            continue
        try:
            skills[folder.name] = load(folder)
        except SkillError as error:
            broken[folder.name] = str(error)
    return skills, broken


def misread(skills: Mapping[str, Skill], config: SkillsConfig, broken: Collection[str] = ()) -> dict[str, str]:
    """What of the `[skills.NAME]` tables nobody reads, in words: there is no such skill, or it does not read that.

    What a skill reads is its `metadata: settings`; one that says nothing of them is not judged.
    """
    told = {name: unknown(f"skills.{name}", name, skills) for name in config.own.keys() - {*skills, *broken, *config.off}}
    for name, skill in skills.items():
        known = skill.metadata.get("settings")
        strange = [key for key in config.own.get(name, ()) if known is not None and key not in known]
        told |= {f"{name}.{key}": unknown(f"skills.{name}.{key}", key, known or ()) for key in strange}
    return {f"skills.{what}": f"dobby.toml: {words}" for what, words in told.items()}


def find_skills(folders: Iterable[Path], off: Collection[str] = ()) -> list[Path]:
    """Every folder that holds a `SKILL.md` or a `skill.py`, and is not off; what begins with `_` is none."""
    found = (path for folder in folders for path in sorted(folder.glob("[!_]*/")) if path.name not in off)
    return [path for path in found if (path / "SKILL.md").is_file() or (path / "skill.py").is_file()]


def ahead(folders: Iterable[Path]) -> set[str]:
    """Those whose `SKILL.md` says `ahead: true`: they ask everybody at home before the other skills are even read."""
    files = [path for folder in folders for path in folder.glob("*/SKILL.md") if path.is_file() and os.access(path, os.R_OK)]
    return {path.parent.name for path in files if AHEAD in path.read_bytes()}


def stamps(folders: Iterable[Path], off: Collection[str] = ()) -> dict[Path, Stamp]:
    """The fingerprint of each skill's folder, the first of a name."""
    first = {folder.name: folder for folder in reversed(find_skills(folders, off))}
    return {folder: fingerprint(folder) for folder in first.values()}


def fingerprint(folder: Path) -> Stamp:
    """Which files a skill has and when each last changed: enough to see that one did."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".py", ".md", ".toml", ".yaml"))
        return tuple((path.name, path.stat().st_mtime_ns) for path in files)
    except OSError:  # somebody is just moving it
        return ()


def tighten(tool: Tool, wanted: Mapping[str, str]) -> str:
    """The stricter of a function's own level and the config's: it may be tightened, never loosened."""
    return max(tool.level, wanted.get(tool.name, tool.level), key=LEVELS.index)


def _front_matter(folder: Path) -> tuple[dict[str, Any], str]:
    name = folder.name
    try:
        text = (folder / "SKILL.md").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"The skill {name} has no readable SKILL.md: {error}") from error
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise SkillError(f"The skill {name}: SKILL.md must begin with front matter between two lines of `---`.")
    try:
        front = yaml.load(parts[1], getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise SkillError(f"The skill {name}: SKILL.md's front matter is not YAML: {error}") from error
    if not isinstance(front, dict) or front.get("name") != name or len(name) > NAME_MOST:
        raise SkillError(f"The skill {name}: `name` in SKILL.md must be {name!r}, like its folder.")
    description = front.get("description")
    if not isinstance(description, str) or not 0 < len(description) <= DESCRIPTION_MOST:
        raise SkillError(f"The skill {name}: SKILL.md needs a `description` of at most {DESCRIPTION_MOST} characters.")
    return front, parts[2].strip()


def _module(name: str, folder: Path) -> ModuleType:
    """Run `skill.py` as the package `dobby_skill_NAME`; the one loaded before stays if this one fails.

    What an earlier load compiled is thrown away: Python tells versions apart by whole seconds only.
    """
    package = f"dobby_skill_{name.replace('-', '_')}"
    old = {key: sys.modules.pop(key) for key in list(sys.modules) if key == package or key.startswith(package + ".")}
    spec = importlib.util.spec_from_file_location(package, folder / "skill.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise SkillError(f"The skill {name} cannot be loaded.")
    if old:
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    module = importlib.util.module_from_spec(spec)
    sys.modules[package] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody else's code: whatever it throws is its own fault
        for key in [key for key in sys.modules if key == package or key.startswith(package + ".")]:
            del sys.modules[key]
        sys.modules.update(old)
        raise SkillError(f"The skill {name} does not load: {type(error).__name__}: {error}") from error
    return module
