"""The `dobby` command. Each command lives in a module of its own and is imported when it is asked for.

It does not know what a command does.
"""

from importlib import import_module

import click

from dobby import __version__
from dobby.errors import DobbyError

COMMANDS = {
    "run": "dobby.cli.run:run",
    "demo": "dobby.dollhouse.demo:demo",
    "chat": "dobby.cli.chat:chat",
    "try": "dobby.cli.trying:trying",
    "login": "dobby.cli.login:login",
    "token": "dobby.cli.token:token",
    "telegram": "dobby.cli.setup:telegram",
    "whatsapp": "dobby.cli.setup:whatsapp",
    "skills": "dobby.cli.skills:skills",
    "ledger": "dobby.cli.ledger:ledger",
    "cost": "dobby.cli.cost:cost",
    "mind": "dobby.cli.mind:mind",
    "memory": "dobby.cli.memory:memory",
    "doctor": "dobby.cli.doctor:doctor",
    "backup": "dobby.cli.backup:backup",
    "restore": "dobby.cli.backup:restore",
    "discover": "dobby.cli.discover:discover",
    "dollhouse": "dobby.dollhouse.alone:dollhouse",
    "eyes": "dobby.vision.commands:eyes",
    "watch": "dobby.vision.commands:watch",
    "bench": "dobby.vision.commands:bench",
}


def _leaves(error: BaseException) -> list[BaseException]:
    """An error, or those at the ends of a group of groups."""
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [leaf for each in within for leaf in _leaves(each)] or [error]


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """An error of ours is a sentence, not a traceback."""
        try:
            return super().invoke(ctx)
        except (DobbyError, BaseExceptionGroup) as error:
            found = _leaves(error)
            if not all(isinstance(each, DobbyError) for each in found):
                raise
            raise click.ClickException(" ".join(map(str, found))) from error


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dobby")
def main() -> None:
    """Dobby, a butler who lives on your home server.

    \b
    See him at work, nothing needed:   dobby demo
    Run him for real:                  dobby run
    Talk to the one who runs:          dobby chat
    What would he make of a sentence:  dobby try HOUSE.yaml "kitchen lights off"
    """
