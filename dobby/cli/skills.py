"""`dobby skills`: what Dobby can do, what each skill may do, how it is; and a new one to start from.

It does not know how a skill is run.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import click

from dobby.cli.line import Line, NotRunning
from dobby.cli.options import shared
from dobby.config import read_config
from dobby.errors import DobbyError
from dobby.paths import shipped
from dobby.skill.load import Skill, load_skills, tighten

OWN = Path("~/.config/dobby/skills")
TEMPLATE = shipped("skills") / "_new"


@click.group(invoke_without_command=True)
@shared
@click.pass_context
def skills(ctx: click.Context, config: Path, folder: Path) -> None:
    """List the skills: what each is for, what it may do, and its health.

    \b
    read     looks                     asks nobody
    act      can be undone             asks nobody
    guarded  an owner is asked         each time
    """
    if ctx.invoked_subcommand is None:
        _list(config, folder)


def _list(config_path: Path, folder: Path) -> None:
    config = read_config(config_path)
    found, broken = load_skills(config.skills.places, config.skills.off)
    health = asyncio.run(_health(folder))
    for skill in found.values():
        click.echo(f"{skill.name:<12} {skill.description}")
        for tool in skill.tools.values():
            level = tighten(tool, config.skills.levels)
            click.echo(f"{'':<12}   {level:<8} {tool.name}: {tool.description.splitlines()[0]}")
        click.echo(f"{'':<12}   {_state(skill, health)}")
    for name, words in broken.items():
        click.echo(f"{name:<12} BROKEN: {words}")
    for name in config.skills.off:
        click.echo(f"{name:<12} off (skills.off in {config_path})")


def _state(skill: Skill, health: dict[str, Any] | None) -> str:
    kind = "driver" if skill.driver else "functions only"
    if health is None:
        return f"{kind}; Dobby is not running"
    row = health.get(skill.name, {})
    trouble = f"; trouble: {row['trouble']}" if row.get("trouble") else ""
    return f"{kind}; {row.get('devices', 0)} devices, {row.get('away', 0)} out of reach{trouble}"


async def _health(folder: Path) -> dict[str, Any] | None:
    try:
        async with Line(folder) as line:
            answer: dict[str, Any] = (await line.ask("status"))["families"]
            return answer
    except NotRunning:
        return None


@skills.command()
@click.argument("name")
@click.option("--in", "place", type=click.Path(path_type=Path), default=OWN, show_default=True, help="Your skills' folder.")
def new(name: str, place: Path) -> None:
    """Make a running example skill called NAME, with its test, to change into your own."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(name) > 64:
        raise click.BadParameter("use lower case letters, digits and single hyphens, like egg-timer", param_hint="NAME")
    folder = place.expanduser() / name
    if folder.exists():
        raise DobbyError(f"{folder} is there already; nothing was changed.")
    folder.mkdir(parents=True)
    for source in sorted(TEMPLATE.iterdir()):
        if source.is_file():
            (folder / source.name).write_text(source.read_text("utf-8").replace("NAME", name), "utf-8")
    click.echo(f"{folder} holds SKILL.md (for the mind), skill.py (for the hands) and test_skill.py.\n")
    click.echo(f"  pytest {folder}\n")
    click.echo(f'Dobby loads it once dobby.toml names the folder:\n\n  [skills]\n  folders = ["{place}"]\n')
    click.echo('Then: dobby chat "how long does a soft egg take"')
