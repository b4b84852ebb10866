"""The contract of a driver: how one family of devices is found, attached, read, set and heard.

It does not know any family; each lives in `skills/NAME/skill.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

from dobby.events import Change, State, Value
from dobby.house.model import Device

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sign:
    """What gives a family away on the network: `via` is how it is seen, `what` what it says.

    `ssdp`: a search target; `mdns`: a service type (`_hue._tcp.local.`); `wsd`: a WS-Discovery type; `tcp`: a port;
    `http`, `https`: a path and what the object of JSON has that is found there (`/shelly mac`), asked of what a sweep found;
    `own`: the family's own broadcast (the driver's `seek`); `config`: an `at = […]` entry of the skill; `named`: what its `seek`
    finds in the config or the vault, so that it is asked also where looking around on the network is off; `asked`: nothing is
    to be seen of it, it is there as soon as a person asks for it.
    """

    via: str
    what: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something seen on the network: the sign, its address, what it says of itself (headers, TXT; data from outside).

    `address` is `host` (ssdp, wsd), `host:port` (mdns, tcp, http, https) or what the config says. `says` has lower-case
    keys: an SSDP answer's headers (`location`, `server`, `usn`); mDNS TXT with `name` (the instance) and `host` (its local name);
    `xaddrs`, `scopes`.
    """

    sign: Sign
    address: str
    says: Mapping[str, str] = field(default_factory=dict)


class Vault(Protocol):
    """A skill's own secrets: nobody else's can be named."""

    def get(self, name: str) -> str | None: ...

    async def put(self, name: str, secret: str) -> None: ...


Ask = Callable[[str, Sequence[str]], Awaitable[str]]
"""Ask the person who is adopting: words, quick replies -> their answer ("" when nobody answers)."""


class Driver(Protocol):
    """How one family of devices is found, attached, read, set and heard.

    Raises `Refused` (not done), `Unreachable` (never sent) or `Unsure` (may have happened); anything else counts as unsure.
    A driver with an attribute `vault` finds its own secrets there before anything else is asked of it, one with `settings`
    its `[skills.NAME]` of the config, the house's `language`, `zone` (a tzinfo) and `place` (degrees north and
    east, or None), one with `music` what there is to play in the house (a `Shelf`
    itself adds to that), one with `voice` somebody who makes a sound of a text (a `Reader` is that somebody).
    One with `library` names the modules that are slow to import: they are brought in beside the loop before they are needed.
    One with `distance` does not speak the thing's own protocol: of several ways to the same thing 0 (the default) comes before 1
    (a standard beside it) before 2 (through another system).
    One whose library has its own broadcast has `seek(interfaces: Sequence[str]) -> AsyncIterator[Finding]`: asks once and ends;
    `look_again` is how many seconds pass between looks, where that costs nothing.
    One whose system knows places also has `rooms() -> Sequence[Room]`: floors and other names of rooms that nobody described yet.
    """

    looks_for: Sequence[Sign]

    def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Knock at a finding and say which devices are behind it; may ask for a button or a code."""
        ...

    async def attach(self, device: Device) -> None:
        """Get ready for a device already adopted: after a restart, or at a new address. Must not wait for it."""
        ...

    async def read(self, device: Device) -> State:
        """All traits, as the device has them now: a fresh look, never what we last sent."""
        ...

    async def set(self, device: Device, wanted: State) -> None:
        """Make these traits so (absolute values, coupled ones included); returns when the device accepted."""
        ...

    async def do(self, device: Device, verb: str, **args: Value) -> str | None:
        """Carry out a verb of the device (play, next, announce, press …); returns when the device accepted, perhaps with what
        it plays now, where that is more than what was asked for."""
        ...

    def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What the devices say by themselves: push where there is one, else poll. Dobby restarts it with backoff when it ends."""
        ...

    async def aclose(self) -> None:
        """Let go of sockets, threads, subscriptions."""
        ...


class Pool:
    """The bounded threads of a family whose library blocks.

    A cancelled call ends only when its thread has really returned, so that a device's hand stays held until then.
    """

    def __init__(self, name: str, size: int = 4) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"dobby-{name}")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function beside the loop and wait for it."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            raise

    def close(self) -> None:
        """Take no more work; threads that still run are left to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
