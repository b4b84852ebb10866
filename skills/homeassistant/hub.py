"""One connection to one Home Assistant: kept up, let in, listened to, spoken through.

It does not know what entities mean (`entity`, `registry`) or who asks for them (`skill`). The protocol is Home Assistant's
WebSocket API, developers.home-assistant.io/docs/api/websocket: `auth`, then numbered commands, results and events.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dobby import Device, Ear, Refused, Unreachable, Unsure, Value, Vault

from .entity import Entity, Order
from .messages import keyed, result_of, state_of
from .registry import Registries, row, rows
from .values import clean, table

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger("dobby.skill.homeassistant")

PATIENCE = 8.0  # seconds for an answer
BRIEF = 2.0  # seconds a command waits for a connection that is just being made
LOADING = 30.0  # seconds for the registries of a big house
HEARTBEAT = 30.0  # seconds between WebSocket pings
STARTING = 1.0  # seconds between looks whether an instance has started
GATHER = 1.0  # seconds: registries change in bursts
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds between attempts to connect
BIGGEST = 64 * 1024 * 1024  # bytes of one message: all states of a big house
REGISTRY_EVENTS = ("entity_registry_updated", "device_registry_updated", "area_registry_updated")


class Hub:
    """An instance as this house uses it.

    `up`: let in; `refused`: it wants another token, and is left alone until there is one (it bans who keeps trying);
    `failed`: the last attempt came to nothing; `settled`: it has started and its devices are known.
    """

    def __init__(self, at: str, vault: Vault | None) -> None:
        self.at = at
        self.vault = vault
        self.ears: dict[Ear, frozenset[str]] = {}
        self.up = self.refused = self.failed = self.settled = False
        self.registries: Registries | None = None
        self.entities: dict[str, Entity] = {}
        self.spent = ""  # a token that was not taken
        self._device_of: dict[str, str] = {}
        self._states: dict[str, tuple[str, dict[str, Any]]] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._events: dict[int, Callable[[Any], None]] = {}
        self._bells: set[asyncio.Event] = set()
        self._said = ""
        self._again = asyncio.Event()
        self._stale = asyncio.Event()
        self._running = asyncio.create_task(self._run(), name=f"homeassistant {at}")

    async def aclose(self) -> None:
        """Leave."""
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def until(self, check: Callable[[], object], seconds: float) -> bool:
        """Wait for something to become true of this instance; False when it did not in time."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            async with asyncio.timeout(seconds):
                while not check():
                    bell.clear()
                    await bell.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._bells.discard(bell)

    def retry(self) -> None:
        """Try again now: there is a token."""
        self.refused = self.failed = False
        self._again.set()

    # For the driver

    async def entity(self, device: Device) -> Entity:
        """The entity of a device that can be spoken to; raises `Unreachable`."""
        await self.until(lambda: self.settled or self.failed or self.refused, BRIEF)
        if not self.settled:
            raise Unreachable(self.trouble)
        found = self.entities.get(device.id)
        if found is None:
            raise Unreachable(f"Home Assistant has no {device.name} for me any more.")
        if not self._is_there(found.entity):
            raise Unreachable(f"{device.name} is not there, says Home Assistant.")
        return found

    @property
    def trouble(self) -> str:
        """Why it cannot be spoken to, in words."""
        if self.refused:
            return f"Home Assistant at {self.at} does not take my token any more; I need a new one."
        return "Home Assistant is still starting." if self.up else "Home Assistant does not answer."

    def traits(self, entity: Entity) -> dict[str, Value]:
        """How a device is, as Home Assistant said last."""
        state, attributes = self._states.get(entity.entity, ("unavailable", {}))
        return entity.traits(state, attributes)

    async def call(self, order: Order, entity: Entity) -> None:
        """Call a service on an entity; returns when Home Assistant says it is done."""
        domain = entity.entity.partition(".")[0]
        target = {"entity_id": entity.entity}
        await self.ask("call_service", domain=domain, service=order.service, service_data=dict(order.data), target=target)

    async def ask(self, kind: str, seconds: float = PATIENCE, **fields: Any) -> Any:
        """Send one command -> its result. Raises `Unreachable` (never sent), `Refused`, or `Unsure`."""
        if self._socket is None or self._socket.closed:
            raise Unreachable("Home Assistant does not answer.")
        self._number += 1
        number = self._number
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send_json({"id": number, "type": kind, **fields})
                return result_of(await answer)
        except TimeoutError:
            raise Unsure("Home Assistant did not say whether it did it.") from None
        except OSError as error:  # aiohttp's ClientConnectionResetError is one
            raise Unsure("Home Assistant went away before it said whether it did it.") from error
        finally:
            self._waiting.pop(number, None)

    # For who listens

    def greet(self, ear: Ear, devices: Iterable[str]) -> None:
        """Somebody begins to listen: first of all what is known already."""
        self.ears[ear] = frozenset(devices)
        for name in self.ears[ear]:
            self._tell(ear, name)

    def _tell_all(self) -> None:
        for ear, devices in self.ears.items():
            for name in devices:
                self._tell(ear, name)
        self._ring()

    def _tell(self, ear: Ear, name: str) -> None:
        entity = self.entities.get(name)
        if not self.settled:
            ear.tell(name, {}, False if self.failed or self.refused else None)
        elif entity is None or not self._is_there(entity.entity):
            ear.tell(name, {}, False)
        else:
            ear.tell(name, self.traits(entity), True)

    def _is_there(self, entity: str) -> bool:
        return self._states.get(entity, ("unavailable", {}))[0] != "unavailable"

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    # The connection

    async def _run(self) -> None:
        import aiohttp

        await asyncio.to_thread(table)
        pause = FIRST_PAUSE
        while True:
            try:
                await self._live()
                pause = FIRST_PAUSE
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError, Refused, Unreachable, Unsure) as error:
                pause = FIRST_PAUSE if self.settled else pause
                log.debug("%s: %r", self.at, error)
            except Exception:
                log.exception("%s: the connection failed in a way nobody expected", self.at)
            self._down()
            await self._rest(None if self.refused else pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _rest(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._again.wait()
        self._again.clear()

    async def _live(self) -> None:
        """From connecting to the end of the connection; raises when it ends."""
        import aiohttp

        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(connect=PATIENCE)) as session,
            session.ws_connect(f"{self.at}/api/websocket", heartbeat=HEARTBEAT, max_msg_size=BIGGEST) as socket,
        ):
            await self._enter(socket)
            self._socket, self._number, self.up, self.failed = socket, 0, True, False
            self._said = "connected"
            log.info("%s: connected", self.at)
            tasks = {asyncio.create_task(work) for work in (self._listen(socket), self._keep_up())}
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in ended:
                task.result()

    async def _enter(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        """The authentication phase: `auth_required`, `auth`, `auth_ok` or `auth_invalid`."""
        if row(await socket.receive_json(timeout=PATIENCE)).get("type") != "auth_required":
            raise ValueError("this is no Home Assistant")
        token = self.vault.get(self.at) if self.vault else None
        if not token or token == self.spent:
            self.refused = True
            raise Refused("It wants a token.")
        await socket.send_json({"type": "auth", "access_token": token})
        answer = row(await socket.receive_json(timeout=PATIENCE))
        if answer.get("type") == "auth_invalid":
            self.refused, self.spent = True, token
        if answer.get("type") != "auth_ok":
            raise Refused("It does not let me in.")

    async def _listen(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        async for frame in socket:
            try:
                said = frame.json()
            except (ValueError, TypeError, RecursionError):
                log.warning("%s: it said something that is no JSON", self.at)
                continue
            for message in rows(said if isinstance(said, list) else [said]):
                self._take(message)
        raise ConnectionError("the connection ended")

    def _take(self, message: Mapping[str, Any]) -> None:
        number = message.get("id")
        if not isinstance(number, int):
            return
        if message.get("type") == "event":
            if hear := self._events.get(number):
                hear(message.get("event"))
        elif (answer := self._waiting.get(number)) and not answer.done():
            answer.set_result(message)

    def _down(self) -> None:
        how = "it wants a token" if self.refused else "not connected"
        if how != self._said:
            log.warning("%s: %s", self.at, how)
        self._said = how
        self.up, self.settled, self._socket, self.failed = False, False, None, not self.refused
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unsure("Home Assistant went away before it said whether it did it."))
        self._events.clear()
        self._tell_all()

    # What there is

    async def _keep_up(self) -> None:
        """Know what there is: now, once it has started, and whenever its registries change."""
        for event in REGISTRY_EVENTS:
            with suppress(Refused):
                await self._subscribe(lambda _: self._stale.set(), "subscribe_events", event_type=event)
        subscription = 0
        while True:
            self._stale.clear()
            config = row(await self.ask("get_config", LOADING))
            if config.get("state", "RUNNING") != "RUNNING":
                self._ring()
                await asyncio.sleep(STARTING)
                continue
            subscription = await self._load(config, subscription)
            await self._stale.wait()
            await asyncio.sleep(GATHER)

    async def _load(self, config: Mapping[str, Any], before: int) -> int:
        registries = await self._registries(config)
        entities = registries.devices_at(self.at)
        names = sorted(entity.entity for entity in entities.values())
        self.registries, self.entities = registries, entities
        self._device_of = {entity.entity: name for name, entity in entities.items()}
        self._states = {name: state_of(registries.states[name]) for name in names}
        if before:
            self._events.pop(before, None)
            await self.ask("unsubscribe_events", LOADING, subscription=before)
        number = await self._subscribe(self._changed, "subscribe_entities", entity_ids=names) if names else 0
        for name in names:
            if name.startswith("todo."):
                await self._subscribe(partial(self._listed, name), "todo/item/subscribe", entity_id=name)
        self.settled = True
        self._tell_all()
        return number

    async def _registries(self, config: Mapping[str, Any]) -> Registries:
        states = rows(await self.ask("get_states", LOADING))
        entities = keyed(await self._optional("config/entity_registry/list"), "entity_id")
        if entities:
            found = row(await self._optional("config/entity_registry/get_entries", entity_ids=sorted(entities)))
            entities = {name: {**about, **row(found.get(name))} for name, about in entities.items()}
        exposed = row(row(await self._optional("homeassistant/expose_entity/list")).get("exposed_entities"))
        return Registries(
            config,
            keyed(states, "entity_id"),
            entities,
            keyed(await self._optional("config/device_registry/list"), "id"),
            keyed(await self._optional("config/area_registry/list"), "area_id"),
            keyed(await self._optional("config/floor_registry/list"), "floor_id"),
            exposed,
        )

    async def _optional(self, kind: str, **fields: Any) -> Any:
        """A list that older instances do not have, or that this token may not see."""
        try:
            return await self.ask(kind, LOADING, **fields)
        except Refused as error:
            log.info("%s: %s: %s", self.at, kind, error)
            return None

    async def _subscribe(self, hear: Callable[[Any], None], kind: str, **fields: Any) -> int:
        number = self._number + 1
        self._events[number] = hear
        try:
            await self.ask(kind, LOADING, **fields)
        except Refused:
            del self._events[number]
            raise
        return number

    # What is said

    def _changed(self, event: Any) -> None:
        """Compressed states: `a` added, `c` changed (`+` and `-`), `r` removed; `s` state, `a` attributes."""
        said = row(event)
        news: list[str] = []
        for name, whole in row(said.get("a")).items():
            kept = self._states.get(name, ("", {}))[1].get("items")
            self._states[name] = state_of({"state": row(whole).get("s"), "attributes": row(whole).get("a")})
            if kept is not None:
                self._states[name][1]["items"] = kept
            news.append(name)
        for name, change in row(said.get("c")).items():
            state, attributes = self._states.get(name, ("unknown", {}))
            more, gone = row(row(change).get("+")), row(row(change).get("-")).get("a")
            gone = gone if isinstance(gone, list) else []
            kept = {key: value for key, value in attributes.items() if key not in gone}
            spoken = more.get("s")
            self._states[name] = (spoken if isinstance(spoken, str) else state, {**kept, **row(more.get("a"))})
            news.append(name)
        removed = said.get("r")
        for name in removed if isinstance(removed, list) else ():
            if isinstance(name, str) and name in self._states:
                del self._states[name]
                news.append(name)
        self._tell_about(news)

    def _listed(self, name: str, event: Any) -> None:
        """A to-do list's open items."""
        items = [clean(item.get("summary")) for item in rows(row(event).get("items")) if item.get("status") != "completed"]
        state, attributes = self._states.get(name, ("unknown", {}))
        self._states[name] = (state, {**attributes, "items": items})
        self._tell_about([name])

    def _tell_about(self, entities: Iterable[str]) -> None:
        for name in filter(None, map(self._device_of.get, entities)):
            for ear, devices in self.ears.items():
                if name in devices:
                    self._tell(ear, name)
        self._ring()
