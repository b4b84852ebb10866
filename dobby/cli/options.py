"""The options that several commands share: where the config is and where the state.

It does not know the commands.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dobby.paths import config_file, state_folder


def _there(ctx: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """A config file that somebody named must be there; the usual place may be empty."""
    if ctx.get_parameter_source(str(parameter.name)) is not ParameterSource.DEFAULT and not path.is_file():
        raise click.BadParameter(f"there is no file {path}")
    return path


config_option = click.option(
    "--config",
    "config",
    envvar="DOBBY_CONFIG",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config_file,
    callback=_there,
    show_default="$DOBBY_CONFIG, /etc/dobby/dobby.toml or ~/.config/dobby/dobby.toml",
    help="The config file; none is needed.",
)
state_option = click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=state_folder,
    show_default="$DOBBY_STATE or ~/.local/state/dobby",
    help="The folder of the house's rows.",
)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config` and `--state`."""
    return config_option(state_option(command))
