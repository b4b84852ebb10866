"""Who is at home, by the phones that people have named: seen on the Wi-Fi is home, long unseen is away, else nobody knows.

`phone.py` looks. It does not know anybody who has not said which phone is theirs.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dobby import Ask, Change, Device, Driver, Finding, Home, Refused, Sign, State, Value, Vault, act, specs

from .phone import PROBING, TABLE, is_there, known_as
from .words import say

BEAT = 60.0  # seconds between looks
AWAY_AFTER = 15.0  # minutes unseen: phones sleep
PHONES = "phones"  # in the vault: name -> phone
MOST = 20  # people


def phones(vault: Vault | None) -> dict[str, str]:
    """Whose phone is which."""
    kept = vault.get(PHONES) if vault else None
    table = json.loads(kept) if kept else {}
    return {str(name): str(phone) for name, phone in table.items()} if isinstance(table, dict) else {}


class Presence:
    """The people who have named their phone, each a device. `now` gives seconds since 1970."""

    looks_for: Sequence[Sign] = (Sign("named", "presence"),)
    look_again = 15.0  # seconds: a phone named just now is taken up soon, and looking costs nothing

    def __init__(
        self, beat: float = BEAT, patience: float = PROBING, now: Callable[[], float] = time.time, table: Path = TABLE
    ) -> None:
        self.beat, self.patience, self.now, self.table = beat, patience, now, table
        self.vault: Vault | None = None
        self.settings: Mapping[str, Any] = {}
        self._seen: dict[str, float] = {}
        self._begun: dict[str, float] = {}

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """Everybody who has named a phone; nobody is asked anything."""
        for name, phone in phones(self.vault).items():
            yield Finding(Sign("named", "presence"), name, {"phone": phone})

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """A person with a phone, there or not."""
        phone = phones(vault).get(finding.address)
        if phone is not None:
            mark = re.sub(r"\W+", "_", finding.address.casefold())
            yield Device(f"presence.{mark}", "presence", "person", finding.address, address=phone, traits=specs("person"))

    async def attach(self, device: Device) -> None:
        """Nothing is to be prepared."""

    async def read(self, device: Device) -> State:
        """Look for the phone now."""
        phone, now = phones(self.vault).get(device.name, ""), self.now()
        begun = self._begun.setdefault(phone, now)
        if phone and await is_there(phone, table=self.table, patience=self.patience):
            self._seen[phone] = self.now()
            return {"home": "home"}
        unseen = (now - self._seen.get(phone, begun)) / 60
        if not phone or unseen < float(self.settings.get("away_after", AWAY_AFTER)):
            return {"home": "home" if phone in self._seen and phone else "unknown"}
        return {"home": "away"}

    async def set(self, device: Device, wanted: State) -> None:
        """People go where they like."""
        raise Refused(f"Where {device.name} is cannot be set.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """People do as they like."""
        raise Refused(f"{device.name} cannot do that.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Look once a minute, all side by side; told is what is new."""
        told: dict[str, State] = {}
        while True:
            states = await asyncio.gather(*map(self.read, devices))
            for device, state in zip(devices, states, strict=True):
                if told.get(device.id) != state:
                    told[device.id] = state
                    yield Change(device.id, state, available=True)
            await asyncio.sleep(self.beat)

    async def aclose(self) -> None:
        """Nothing is open."""


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Presence()


@act(
    says=(
        "my phone is [the|a] {phone}",
        "{name}['s|s|’s] phone is [the|a] {phone}",
        "mein (handy|telefon) ist [das] {phone}",
        "das (handy|telefon) von {name} ist [das] {phone}",
    )
)
async def phone_is(home: Home, phone: str, name: str = "") -> str:
    """Look for a person's phone (host name, address or MAC) on the Wi-Fi from now on; without a name, the speaker's own."""
    whose = _whose(home, name)
    known = known_as(phone)
    if not whose:
        return say("who", home.language)
    if not known:
        return say("public", home.language, phone=phone[:40])
    table = phones(home.vault) | {whose: known}
    if len(table) <= MOST:
        await home.vault.put(PHONES, json.dumps(table))
    return say("kept", home.language, name=whose, phone=known)


@act(says=("(forget|stop watching|stop looking for) my phone", "(vergiss|such nicht mehr nach) (meinem|mein) (handy|telefon)"))
async def forget_phone(home: Home, name: str = "") -> str:
    """Do not look for a person's phone any more; without a name, the speaker's own."""
    whose, table = _whose(home, name), phones(home.vault)
    if table.pop(whose, None) is None:
        return say("none", home.language, name=whose or "–")
    await home.vault.put(PHONES, json.dumps(table))
    return say("gone", home.language, name=whose)


def _whose(home: Home, name: str) -> str:
    """A name as the house knows it, else as it was said."""
    said = re.sub(r"['’]s?$", "", name.strip())[:40] or home.manner.speaker
    return next((person.name for person in home.find(kind="person") if person.name.casefold() == said.casefold()), said)
