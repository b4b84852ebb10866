"""Where things are: the folders we ship and the folder of the house's state.

It does not know what is in them.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """A folder we ship: `./NAME` in a checkout, `dobby/_shipped/NAME` in a wheel."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def state_folder() -> Path:
    """Where the rows live: `$DOBBY_STATE`, else `$STATE_DIRECTORY` (systemd), else `~/.local/state/dobby`."""
    for name in ("DOBBY_STATE", "STATE_DIRECTORY"):
        if folder := os.environ.get(name):
            return Path(folder)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "dobby"


def config_file() -> Path:
    """The owner's file where none is named: `/etc/dobby/dobby.toml` where it exists, else `~/.config/dobby/dobby.toml`."""
    system = Path("/etc/dobby/dobby.toml")
    base = os.environ.get("XDG_CONFIG_HOME")
    return system if system.is_file() else (Path(base) if base else Path.home() / ".config") / "dobby" / "dobby.toml"
