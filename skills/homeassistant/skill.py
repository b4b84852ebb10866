"""Home Assistant: what it knows of a house, taken in and run over its WebSocket API.

A driver of one connection per instance. It does not know a domain: `domains.toml` says what an entity means.
"""

from collections.abc import AsyncIterator, Sequence
from urllib.parse import unquote, urlsplit

from dobby import Ask, Change, Device, Ear, Finding, Refused, Room, Sign, State, Unreachable, Unsure, Value, Vault, Voice

from .entity import CLIP
from .hub import PATIENCE, Hub
from .values import clean

SERVICE = "_home-assistant._tcp.local."
PORT = 8123
LONGEST_START = 25.0  # seconds for an instance to say what it has
ATTEMPTS = 3
ASK = "Paste a long-lived access token of the Home Assistant at {at}: in Home Assistant your name, Security, at the bottom."


class HomeAssistants:
    """Every Home Assistant of the house. `vault` holds their tokens; adopting hands it over, or whoever makes the driver."""

    looks_for: Sequence[Sign] = (Sign("mdns", SERVICE), Sign("tcp", "8123"), Sign("config", "homeassistant"))
    distance = 2
    library: Sequence[str] = ("aiohttp",)

    def __init__(self) -> None:
        self.vault: Vault | None = None
        self.voice = Voice()
        self._hubs: dict[str, Hub] = {}

    async def adopt(self, finding: Finding, ask: Ask, vault: Vault) -> AsyncIterator[Device]:
        """Get in, with a token that is asked for once, and say what there is."""
        self.vault = vault
        at, token = _address(finding)
        if token:
            await vault.put(at, token)
        known = at in self._hubs
        hub = self._hub(at)
        hub.vault = vault
        if hub.refused and vault.get(at) not in (None, "", hub.spent):
            hub.retry()
        try:
            await self._enter(hub, clean(finding.says.get("uuid", "")), ask, vault)
        except (Refused, Unreachable):
            if not known:
                await self._hubs.pop(at).aclose()
            raise
        await hub.until(lambda: hub.settled or not hub.up, LONGEST_START)
        if not hub.settled:
            raise Unreachable(hub.trouble)
        for name in sorted(hub.entities):
            yield hub.entities[name].device

    async def _enter(self, hub: Hub, uuid: str, ask: Ask, vault: Vault) -> None:
        for _ in range(ATTEMPTS):
            await hub.until(lambda: hub.up or hub.failed or hub.refused, 2 * PATIENCE)
            if hub.up:
                if uuid:
                    await vault.put(f"uuid {uuid}", hub.at)
                return
            if not hub.refused:
                raise Unreachable(f"No Home Assistant answers at {hub.at}.")
            if hub.spent:
                await vault.put(hub.at, "")  # who keeps trying it may be banned
            token = await _moved(hub.at, uuid, ask, vault) or (await ask(ASK.format(at=hub.at), ())).strip()
            if not token:
                raise Refused(f"Home Assistant at {hub.at} wants a token before it lets me in.")
            await vault.put(hub.at, token)
            hub.retry()
        raise Refused(f"Home Assistant at {hub.at} does not take that token.")

    def rooms(self) -> list[Room]:
        """The areas of every instance, with their floors and aliases."""
        return [room for hub in self._hubs.values() if hub.registries for room in hub.registries.rooms()]

    async def attach(self, device: Device) -> None:
        """Connect in the background."""
        self._hub(device.address)

    async def read(self, device: Device) -> State:
        """What Home Assistant knows of it now: what it had to say before it answered a ping."""
        hub = self._hub(device.address)
        entity = await hub.entity(device)
        await hub.ask("ping")
        return hub.traits(entity)

    async def set(self, device: Device, wanted: State) -> None:
        """Call the services that make it so; returns when Home Assistant says they are done."""
        hub = self._hub(device.address)
        entity = await hub.entity(device)
        for at, order in enumerate(entity.orders(wanted, hub.traits(entity))):
            try:
                await hub.call(order, entity)
            except (Refused, Unreachable) as error:
                if at:
                    raise Unsure(f"Only a part of it was done. {error}") from error
                raise

    async def do(self, device: Device, verb: str, **args: Value) -> None:
        """Play, press, run, stop, clean, add: one service each."""
        hub = self._hub(device.address)
        entity = await hub.entity(device)
        said = str(args.get("text") or args.get("what") or "")
        if verb == "announce" and verb in entity.verbs and said and not CLIP.fullmatch(said):
            args = {"what": await self.voice.clip(said, urlsplit(device.address).hostname or "")}
        await hub.call(entity.does(verb, args), entity)

    async def hear(self, devices: Sequence[Device]) -> AsyncIterator[Change]:
        """What changes, as Home Assistant pushes it; for as long as anybody listens."""
        ear = Ear()
        hubs = {device.address: self._hub(device.address) for device in devices}
        for at, hub in hubs.items():
            hub.greet(ear, [device.id for device in devices if device.address == at])
        try:
            while True:
                yield await ear.next()
        finally:
            for hub in hubs.values():
                hub.ears.pop(ear, None)

    async def aclose(self) -> None:
        """Leave every instance."""
        while self._hubs:
            await self._hubs.popitem()[1].aclose()

    def _hub(self, at: str) -> Hub:
        if at not in self._hubs:
            self._hubs[at] = Hub(at, self.vault)
        return self._hubs[at]


async def _moved(at: str, uuid: str, ask: Ask, vault: Vault) -> str:
    """The token of an instance that answered elsewhere before, if a person says that it is this one."""
    before = vault.get(f"uuid {uuid}") if uuid else None
    token = vault.get(before) if before else None
    if not token or not before or before == at or vault.get(at):
        return ""
    answer = await ask(f"Your Home Assistant was at {before}; now one answers at {at}. Is it the same?", ("yes", "no"))
    return token if answer.strip().casefold() in ("yes", "ja") else ""


def _address(finding: Finding) -> tuple[str, str]:
    """Where an instance is, and the token that was written along (`http://:TOKEN@host:8123`); raises `Refused`."""
    written = finding.address
    if finding.sign.via == "mdns" and finding.says.get("internal_url", "").startswith("https://"):
        written = f"https://{written}"
    try:
        parts = urlsplit(written if "://" in written else f"http://{written}")
        port, host = parts.port, parts.hostname
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        raise Refused("That is not the address of a Home Assistant.")
    shown = f"[{host}]" if ":" in host else host
    number = port or (PORT if "://" not in written else 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{shown}:{number}", unquote(parts.password or "")


driver = HomeAssistants
