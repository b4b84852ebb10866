"""`dobby telegram setup` and `dobby whatsapp setup`: from an account to the first message, step by step.

Secrets go into the vault, everything else is printed for dobby.toml, which Dobby never writes. It does not know the bridges.
"""

import asyncio
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from dobby.cli.line import Line, NotRunning
from dobby.cli.options import shared
from dobby.config import SANDBOX, TwilioConfig, read_config
from dobby.errors import DobbyError
from dobby.vault import VaultFile


@click.group()
def telegram() -> None:
    """Write with Dobby by Telegram: no public address needed."""


@telegram.command("setup")
@shared
def set_up_telegram(config: Path, folder: Path) -> None:
    """Take a bot's token, try it, and say what to do next."""
    click.echo("In Telegram, write to @BotFather: /newbot, then a name for it. He answers with a token.")
    token = click.prompt("Token", hide_input=True).strip()
    api = read_config(config).telegram.api
    asyncio.run(_telegram(folder, token, api))


async def _telegram(folder: Path, token: str, api: str) -> None:
    try:
        from dobby.bridge.provider.telegram import name_of
    except ImportError as error:
        raise DobbyError("Telegram needs more: pip install 'dobby[telegram]'.") from error
    name = await name_of(token, api)
    await keep_secret(folder, "telegram", "token", token)
    click.echo(f"\nThat is @{name}. In dobby.toml:\n\n  [telegram]\n  on = true\n")
    click.echo("Start Dobby again, then tell him on the page or in `dobby chat`: invite me")
    click.echo(f"He answers with a code. Write it to https://t.me/{name}, and you are known there.")


@click.group()
def whatsapp() -> None:
    """Write with Dobby by WhatsApp and SMS, through Twilio."""


@whatsapp.command("setup")
@shared
@click.option("--to", "phone", default="", help="Your own number, for a test message.")
def set_up_whatsapp(config: Path, folder: Path, phone: str) -> None:
    """Take the account and its token, try them, and say where the webhook goes."""
    now = read_config(config).whatsapp
    click.echo("From the first page of console.twilio.com: the account's SID and its auth token.")
    account = click.prompt("Account SID (AC…)", default=now.account or None).strip()
    token = click.prompt("Auth token (not shown)", hide_input=True).strip()
    click.echo("Who writes for Dobby: a number of yours that WhatsApp knows as a sender, or Twilio's sandbox for a try.")
    number = _number(click.prompt("WhatsApp sender", default=now.number or SANDBOX))
    click.echo("Where Twilio reaches this machine: the https address of a tunnel (README, “Write to him from anywhere”).")
    click.echo("Without one just press Enter: then he looks every 20 seconds, and pictures stay here.")
    public = click.prompt("Public address (https://…)", default=now.public_url, value_proc=_public).rstrip("/")
    asyncio.run(_whatsapp(folder, token, replace(now, account=account, number=number, public_url=public), phone))


def _number(text: str) -> str:
    """A telephone number as E.164 has it, however it was typed."""
    return re.sub(r"[^+0-9]", "", text.replace("whatsapp:", ""))


def _public(text: str) -> str:
    if text.strip() and not text.strip().startswith("https://"):
        raise click.BadParameter("Twilio wants an address that begins with https://")
    return text.strip()


async def _whatsapp(folder: Path, token: str, config: TwilioConfig, phone: str) -> None:
    try:
        from dobby.bridge.provider.trying import try_account
    except ImportError as error:
        raise DobbyError("WhatsApp needs more: pip install 'dobby[whatsapp]'.") from error
    await try_account(config, token, click.echo, partial(_own_number, phone))
    await keep_secret(folder, "twilio", "token", token)
    click.echo(f'\nIn dobby.toml:\n\n  [whatsapp]\n  account = "{config.account}"\n  number = "{config.number}"')
    click.echo(f'  public_url = "{config.public_url}"\n' if config.public_url else "")
    if config.public_url:
        place = "the sandbox's settings" if config.number == SANDBOX else "the sender's settings"
        click.echo(f"At Twilio, in {place}, “when a message comes in”: {config.public_url}/twilio/message, method POST.")
        click.echo(f"Your tunnel leads to http://127.0.0.1:{config.port}.")
    click.echo("Start Dobby again, tell him on the page or in `dobby chat`: invite me. He answers with a code.")
    click.echo(f"Write it by WhatsApp to {config.number}, and you are known there. `dobby doctor` says what alarms need.")


def _own_number(phone: str) -> str:
    """Where a test message may go, once that phone is ready for it; "" for nowhere."""
    ask = "Your own number, for a test message (+49…; Enter for none)"
    phone = _number(phone or click.prompt(ask, default="", show_default=False))
    if phone:
        click.confirm("Done?", default=True, abort=True)
    return phone


async def keep_secret(folder: Path, part: str, name: str, secret: str) -> None:
    """Into the vault: by the Dobby who runs, else by hand."""
    try:
        async with Line(folder) as line:
            await line.ask("secret", part=part, name=name, secret=secret)
    except NotRunning:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await VaultFile(folder / "vault.json").part(part).put(name, secret)
