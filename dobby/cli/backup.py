"""`dobby backup` and `dobby restore`: the house's rows into one file, and back.

A backup is made here and not by the daemon, whose unit lets him write nowhere but in his own folder: reading beside him is
safe, and the passphrase crosses no socket. It does not know what is in the file (`dobby.backup`).
"""

import os
import sys
import time
from pathlib import Path

import click

from dobby.cli.options import state_option
from dobby.errors import DobbyError
from dobby.memory import made_backup

CREDENTIAL = "backup-passphrase"  # its name in $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"A file with the vault's passphrase; else $CREDENTIALS_DIRECTORY/{CREDENTIAL}, else it is asked for on a terminal.",
)
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@state_option
@passphrase_option
@click.option("--without-vault", is_flag=True, help="Leave the secrets out, and ask for no passphrase.")
@file_argument
def backup(folder: Path, passphrase_file: Path | None, without_vault: bool, file: Path) -> None:
    """Write rows, history and attachments into FILE, checked by opening it; Dobby may run meanwhile.

    \b
    The vault (passwords and keys of devices) comes along only under a passphrase.
    The rest of FILE is not encrypted: it holds what was said in your house. Keep it so.
    """
    from dobby.backup import make

    wanted = not without_vault and (folder / "vault.json").exists()
    secret = passphrase(passphrase_file, "Passphrase for the vault (empty leaves it out)", twice=True) if wanted else None
    click.echo(str(make(folder, file.absolute(), secret, show)))
    made_backup(folder, file.absolute(), time.time())


@click.command()
@state_option
@passphrase_option
@click.option("--without-vault", is_flag=True, help="Keep the secrets that are here now.")
@file_argument
def restore(folder: Path, passphrase_file: Path | None, without_vault: bool, file: Path) -> None:
    """Make the house's rows what they were when FILE was made. Dobby must be stopped.

    All of FILE is checked before anything is touched. What is here now stays beside it, as STATE.before-restore-TIME.
    """
    from dobby.backup import has_vault, restore as put_back

    sealed = not without_vault and has_vault(file)
    secret = passphrase(passphrase_file, "Passphrase of the vault", twice=False) if sealed else None
    click.echo(str(put_back(folder, file, secret, without_vault=without_vault, tell=show)))


def passphrase(named: Path | None, words: str, *, twice: bool) -> str | None:
    """From the named file, from systemd's credentials, or from whoever sits at the terminal; None where there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / CREDENTIAL if folder else None
    file = named or (credential if credential and credential.exists() else None)
    if file is None:
        asked = click.prompt(words, default="", hide_input=True, show_default=False) if sys.stdin.isatty() else ""
        if asked and twice and click.prompt("Once more", hide_input=True) != asked:
            raise DobbyError("The two passphrases differ; nothing was written.")
        return asked or None
    try:
        secret = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DobbyError(f"The passphrase in {file} cannot be read: {error}.") from error
    if not secret:
        raise DobbyError(f"The passphrase in {file} is empty.")
    return secret


def show(step: str, done: float) -> None:
    """Progress on one line of a terminal; nothing where nobody watches."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{step} {done:4.0%}" if done < 1 else "\r\033[K", nl=False, err=True)
