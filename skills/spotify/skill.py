"""Spotify as a shelf of music that is asked last: with the owner's own key, for what nobody at home has, as links for a Sonos.

Opt-in: nothing is asked of Spotify before an owner gives a key, and then only names that were asked for and not found at home.
`service.py` asks, `found.py` reads. It does not know any player, nor anybody's account, playlists or habits.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dobby import (
    Ask,
    Change,
    Device,
    DobbyError,
    Driver,
    Finding,
    Hit,
    Home,
    Refused,
    Sign,
    State,
    Unreachable,
    Value,
    Vault,
    act,
    read,
    specs,
)

from .key import Key
from .words import say

if TYPE_CHECKING:
    from .service import Service

BEAT = 5.0  # seconds between looks at whether it is time to try again
PAUSE, LONGEST_PAUSE = 30.0, 600.0  # seconds before it is tried again after it was out of reach, doubled each time
ATTEMPTS = 3
ASK = (
    "To look music up at Spotify I need a key of yours: make an app at developer.spotify.com/dashboard (your account needs "
    "Premium). From then on I send Spotify what somebody wants to hear and I do not find at home, and nothing else. "
    "What is the app's client ID?"
)
SECRET = "And the app's client secret?"
WRONG = "Spotify does not take that client ID with that secret. Once more: what is the app's client ID?"
HALF = (  # where the ID stands in the config
    "With the key to your app I send Spotify what somebody wants to hear and I do not find at home, and nothing else. "
    "What is the client secret of the app whose client ID is in dobby.toml?"
)
STILL_WRONG = "Spotify does not take that secret with the client ID in dobby.toml. Once more: what is the client secret?"
PART = re.compile(r"[\x21-\x39\x3b-\x7e]{4,200}")  # printable, no blank, no colon
AHEAD = re.compile(r"^(?:some|something|anything|songs?|music|etwas|was|lieder|musik) (?:by|von) ", re.IGNORECASE)
LIVING: WeakSet["Spotify"] = WeakSet()
log = logging.getLogger("dobby.skill.spotify")


class Spotify:
    """One app's key, and what can be found with it. `now` gives seconds that only pass."""

    looks_for: Sequence[Sign] = (Sign("named", "spotify"), Sign("asked", "spotify"))
    library: Sequence[str] = ("aiohttp",)

    def __init__(self, beat: float = BEAT, pause: float = PAUSE, now: Callable[[], float] = time.monotonic) -> None:
        self.beat, self.pause, self.now = beat, pause, now
        self.vault: Vault | None = None
        self.settings: Mapping[str, Any] = {}
        self._asks: Service | None = None
        self._news = asyncio.Event()
        LIVING.add(self)
        self._trouble: DobbyError | None = None
        self._rest, self._again = pause, 0.0

    @property
    def far(self) -> bool:
        """It is away from home, so it is asked last; while there is no key, only who names it hears of it."""
        return self._key() is not None

    def _key(self) -> Key | None:
        kept = self.vault.get if self.vault else lambda _: None
        id_, secret = str(self.settings.get("client_id") or kept("client_id") or ""), kept("client_secret")
        return Key(id_, secret) if id_ and secret else None

    @property
    def _service(self) -> "Service":
        from .service import ACCOUNTS, API, Service

        if self._asks is None:
            told = self.settings.get
            accounts, api = str(told("accounts", ACCOUNTS)), str(told("api", API))
            self._asks = Service(accounts, api, str(told("market", "")), now=self.now)
        return self._asks

    # Connecting

    async def seek(self, interfaces: Sequence[str]) -> AsyncIterator[Finding]:
        """The key that is kept, or the one whose ID the config names; nobody is asked anything."""
        if self.far or self.settings.get("client_id"):
            yield Finding(Sign("named", "spotify"), "spotify")

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Ask for a key where there is none that Spotify takes, try it at once, and keep it."""
        self.vault = vault
        if finding.sign.via == "asked" or not self.far:
            await self._connect(ask, vault)
        yield Device("spotify.key", "spotify", "sensor", "Spotify", device_class="connectivity", traits=specs("sensor", ["on"]))

    async def _connect(self, ask: Ask, vault: Vault) -> None:
        from .service import WrongKey

        async with aclosing(self._keys(ask)) as keys:
            async for key in keys:
                try:
                    await self._service.enter(key)
                    await self._service.search(key, "jazz", most=1)  # it may be right and yet not let us search
                except WrongKey:
                    continue
                await vault.put("client_id", key.id)
                await vault.put("client_secret", key.secret)
                self._is(None)
                return
        raise Refused("Spotify does not take that key.")

    async def _keys(self, ask: Ask) -> AsyncGenerator[Key, None]:
        """The one that is kept, then those that a person gives, as long as another is wanted."""
        if (kept := self._key()) is not None:
            yield kept
        id_ = str(self.settings.get("client_id") or "")
        words = HALF if id_ else ASK
        for _ in range(ATTEMPTS):
            said = f"{id_} {await ask(words, ())}".split()  # both may be pasted together
            if len(said) == 1 and not id_:
                said += (await ask(SECRET, ())).split()
            if len(said) < 2:
                raise Refused("Without a key of yours nothing is asked of Spotify.")
            if len(said) > 2 or not all(map(PART.fullmatch, said)):
                raise Refused("A client ID and a client secret of Spotify are one word each.")
            yield Key(*said)
            words = STILL_WRONG if id_ else WRONG

    async def attach(self, device: Device) -> None:
        """Nothing to get ready."""

    # A shelf of music

    async def look_up(self, what: str) -> Sequence[Hit]:
        """What Spotify has by these words, as share links.

        :raises Refused: there is no key, or Spotify says no; :raises Unreachable, Unsure: as it is.
        """
        from .found import hits

        key = self._key()
        if key is None:
            raise Refused("Spotify is not connected. Say “connect spotify”, and I ask you for a key.")
        if not what.strip():
            raise Refused("Say what to play from Spotify, like “play jazz on spotify”.")
        try:
            found = await self._service.search(key, AHEAD.sub("", what.strip()))
        except DobbyError as error:
            self._is(error)
            raise
        self._is(None)
        return hits(found, what)

    async def names(self) -> Sequence[str]:
        """Nobody can name what there is."""
        return ()

    # Looking

    def _is(self, trouble: DobbyError | None) -> None:
        """How it went this time; a turn is logged once."""
        if str(trouble) != str(self._trouble):
            log.log(logging.WARNING if trouble else logging.INFO, "%s", trouble or "Spotify answers.")
        self._rest = min(self._rest * 2, LONGEST_PAUSE) if trouble else self.pause
        self._trouble, self._again = trouble, self.now() + self._rest
        self._news.set()

    async def _stands(self, device: Device) -> tuple[State, bool]:
        """How it is, as far as is known, and whether it is there; it is asked only after trouble, and seldom."""
        if self._trouble and self.far and self.now() >= self._again:
            with suppress(DobbyError):
                await self.read(device)
        there = self.far and self._trouble is None
        return ({"on": True} if there else {}), there

    async def read(self, device: Device) -> State:
        """`on`: Spotify takes the key.

        :raises Unreachable, Unsure, Refused: it does not, or cannot be asked.
        """
        key = self._key()
        if key is None:
            raise Unreachable("Spotify is not connected. Say “connect spotify”, and I ask you for a key.")
        try:
            await self._service.enter(key)
        except DobbyError as error:
            self._is(error)
            raise
        self._is(None)
        return {"on": True}

    async def set(self, device: Device, wanted: State) -> None:
        """It is connected and disconnected in words."""
        raise Refused("Spotify is connected and disconnected in words.")

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """It plays nothing itself."""
        raise Refused("Spotify plays nothing by itself: say where, like “play jazz on spotify in the kitchen”.")

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """Whether it is there, when that changes: as somebody asked, was told that there is no key, or when it is tried again."""
        said: dict[str, bool] = {}
        while True:
            self._news.clear()
            for device in devices:
                state, there = await self._stands(device)
                if said.get(device.id) is not there:
                    said[device.id] = there
                    yield Change(device.id, state, there)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.beat if self._trouble else None):
                    await self._news.wait()

    def stir(self) -> None:
        """The key has changed."""
        self._trouble = None
        self._news.set()

    async def aclose(self) -> None:
        """Let the connections go."""
        if self._asks is not None:
            await self._asks.aclose()
            self._asks = None


def driver() -> Driver:
    """What Dobby's loader asks for."""
    return Spotify()


@act(
    says=(
        "(disconnect|unlink|forget|remove|delete) [from] [my|the] spotify [account|key|keys|password]",
        "forget [my|the] (key|password) (of|for) spotify",
        "(trenne|entferne|lösche|vergiss|vergesse) [mein|meinen|das|den] spotify[-konto|-schlüssel|-account]",
        "(trenne|entferne|lösche|vergiss) [mein|meinen|das|den] spotify (konto|schlüssel|account)",
        "melde [dich] [von|bei] spotify ab",
    )
)
async def disconnect(home: Home) -> str:
    """Forget the key for Spotify: nothing is asked of it any more."""
    known = home.vault.get("client_secret")
    for part in ("client_id", "client_secret"):
        if home.vault.get(part):
            await home.vault.put(part, "")
    for one in LIVING:
        one.stir()
    return say("gone" if known else "none", home.language)


@read(
    says=(
        "i have [got] [a|an] spotify (key|account|premium|subscription|app|client id)",
        "i have [got] spotify [premium]",
        "set up [my] spotify",
        "is [my] spotify (connected|set up|linked|there) [yet|already]",
        "ist [mein] spotify [schon] (verbunden|eingerichtet|da)",
        "(how do i|how can i|how do you|can i|can you|do you) (connect|set up|use|know|have|support) [to] [my] spotify",
        "ich habe [einen|ein] spotify[-| ](schlüssel|konto|abo|account|premium)",
        "ich habe spotify [premium]",
        "(richte|richten) [mein] spotify ein",
        "wie (verbinde|nutze|richte) ich spotify [ein]",
        "(kannst|kennst|hast) du spotify [spielen|nutzen]",
    )
)
async def how(home: Home) -> str:
    """How Spotify is connected, and whether it is."""
    return say("is" if home.vault.get("client_secret") else "how", home.language)
