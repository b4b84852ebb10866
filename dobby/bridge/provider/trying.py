"""Tries a provider's account out: for whoever sets it up, and for the doctor.

It keeps nothing and does not know where secrets are kept.
"""

import asyncio
import secrets as random
from collections.abc import Callable

from dobby.bridge.provider.account import Account, Secrets, says
from dobby.config import SANDBOX, TwilioConfig
from dobby.errors import DobbyError


class _Given:
    """A token that is not kept yet."""

    def __init__(self, token: str) -> None:
        self._secrets = {"token": token, "picture_key": random.token_hex()}

    def get(self, name: str) -> str | None:
        """What was typed."""
        return self._secrets.get(name)

    async def put(self, name: str, secret: str) -> None:
        """Nothing is kept here."""


async def try_account(config: TwilioConfig, token: str, say: Callable[[str], object], phone: Callable[[], str]) -> None:
    """Name the account, and send a test message to the number that `phone` asks for ("" for none).

    :raises DobbyError: the account or its token is not one.
    """
    account = Account(config.account, _Given(token), config.api)
    try:
        say(f"\nThe account is called {await account.name()!r}.")
        if config.number == SANDBOX:
            say("Sandbox: console.twilio.com, Messaging, Try it out, Send a WhatsApp message shows a join code.")
            say(f"Send it by WhatsApp to {SANDBOX}. It lapses after three days; then send it again.")
        else:
            say(f"Write anything by WhatsApp to {config.number}: only then it may write to you.")
        if number := phone():
            say(await _try(account, f"whatsapp:{number}", f"whatsapp:{config.number}"))
    finally:
        await account.aclose()


async def _try(account: Account, to: str, sender: str) -> str:
    """A test message, and what became of it, in words."""
    sid = await account.create(to=to, from_=sender, body="Dobby is here.")
    state, code, until = "", "", asyncio.get_running_loop().time() + 10.0
    while state not in ("delivered", "read", "failed", "undelivered") and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.5)
        state, code = await account.status(sid)
    return f"The test message is {state}{f': {says(code)}' if code else ''}."


async def examine(config: TwilioConfig, secrets: Secrets) -> list[tuple[bool, str]]:
    """What Twilio says of the account and of the template: whether that is well, in words."""
    try:
        account = Account(config.account, secrets, config.api)
        if not account.token:
            return [(False, "whatsapp has no token yet: `dobby whatsapp setup` takes it")]
        try:
            found = [(True, f"whatsapp account {await account.name()!r}")]
            if config.template:
                state = await account.approval(config.template) or "not one of this account's"
                found.append((state == "approved", f"whatsapp template is {state}"))
            return found
        finally:
            await account.aclose()
    except DobbyError as error:
        return [(False, f"whatsapp: {error}")]
