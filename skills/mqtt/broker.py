"""One connection to one broker, shared by all the devices behind it: kept up, listened to, spoken through.

It does not know what messages mean (`catalog`) or who asks for them (`skill`).
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dobby import Device, Ear, Refused, Unreachable, Unsure, Vault, specs

from .announcement import table
from .catalog import SUBSCRIPTIONS, Catalog, Life
from .entity import Order, parsed

if TYPE_CHECKING:
    import aiomqtt

log = logging.getLogger("dobby.skill.mqtt")

PATIENCE = 5.0  # seconds for the broker to answer anything
BRIEF = 2.0  # seconds a command waits for a connection that is just being made
QUIET = 0.3  # seconds without an announcement: there are no more of them
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between attempts to connect
MOST_WAITING = 20_000  # messages, and changes nobody took
QOS = 0  # for listening: over one connection 1 adds nothing, and Mosquitto drops what it queues beyond 1,000
SUBSCRIBED_AT_ONCE, MOST_PENDING = 50, 2_000  # topics


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is: `at` is how Dobby writes it down, without the secrets."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = ""

    @property
    def at(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts://' if self.tls else ''}{host}:{self.port}"


def address(written: str) -> Address:
    """`host`, `host:port`, `mqtt://user:password@host:port`, `mqtts://…` -> an address; raises `Refused`."""
    try:
        parts = urlsplit(written if "://" in written else f"mqtt://{written}")
        port = parts.port
    except ValueError:
        raise Refused("That is not the address of an MQTT broker.") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise Refused("That is not the address of an MQTT broker.")
    tls = parts.scheme == "mqtts"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Address(parts.hostname, port or (8883 if tls else 1883), tls, user, password)


class Broker:
    """A broker as this house uses it. `up`: connected; `refused`: it wants a name and a password; `settled`: all is announced."""

    def __init__(self, at: str, vault: Vault | None) -> None:
        self.at = at
        self.vault = vault
        self.catalog = Catalog(at)
        self.ears: dict[Ear, frozenset[str]] = {}
        self.up = self.refused = self.failed = self.settled = False
        self._client: aiomqtt.Client | None = None
        self._lost = asyncio.Event()
        self._again = asyncio.Event()
        self._bells: set[asyncio.Event] = set()
        self._quiet: asyncio.TimerHandle | None = None
        self._pending: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._running = asyncio.create_task(self._run(), name=f"mqtt {at}")

    async def aclose(self) -> None:
        """Leave the broker."""
        self._running.cancel()
        for timer in self._timers.values():
            timer.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def until(self, check: Callable[[], object], seconds: float) -> bool:
        """Wait for something to become true of this broker; False when it did not in time."""
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
        """Try again now: there is a password."""
        self.refused = self.failed = False
        self._again.set()

    async def life(self, device: Device) -> Life:
        """The life of a device that can be spoken to; raises `Unreachable`."""
        await self.until(lambda: self.up or self.failed, BRIEF)
        if not self.up:
            raise Unreachable("The MQTT broker does not let me in." if self.refused else "The MQTT broker does not answer.")
        await self.until(lambda: self.settled or self.catalog.get(device.id), BRIEF)
        found = self.catalog.get(device.id)
        if found is None:
            raise Unreachable(f"{device.name} is no longer announced on MQTT.")
        if found.available is False:
            raise Unreachable(f"{device.name} is not there.")
        return found

    async def publish(self, order: Order) -> None:
        """Send one message; returns when the broker has it. Raises `Unreachable` or `Unsure`."""
        from aiomqtt import MqttCodeError, MqttError

        if self._client is None:
            raise Unreachable("The MQTT broker does not answer.")
        sending = asyncio.create_task(
            self._client.publish(order.topic, order.payload, qos=1, retain=order.retain, timeout=PATIENCE)
        )
        lost = asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({sending, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise Unsure("The MQTT broker went away before it said that it has the message.")
            await sending
            _acknowledge(self._client)
        except MqttCodeError as error:
            raise Unreachable("The MQTT broker does not answer.") from error
        except MqttError as error:
            raise Unsure("The MQTT broker did not say that it has the message.") from error
        finally:
            sending.cancel()
            lost.cancel()

    def greet(self, ear: Ear, devices: Iterable[str]) -> None:
        """Somebody begins to listen: first of all what is known already."""
        self.ears[ear] = frozenset(devices)
        for name in self.ears[ear]:
            self._tell(ear, name)

    def tell(self, names: Iterable[str]) -> None:
        """There is news about these devices."""
        for name in names:
            for ear, devices in self.ears.items():
                if name in devices:
                    self._tell(ear, name)
        self._ring()

    def _tell(self, ear: Ear, name: str) -> None:
        life = self.catalog.get(name)
        if not self.up:
            ear.tell(name, {}, False if self.failed else None)
        elif life is None:
            ear.tell(name, {}, False if self.settled else None)
        else:
            ear.tell(name, life.state, life.available)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    # The connection

    async def _run(self) -> None:
        await asyncio.to_thread(_warm)
        import aiomqtt

        pause = FIRST_PAUSE
        while True:
            try:
                async with self._opened() as client:
                    pause = FIRST_PAUSE
                    await self._listen(client)
            except aiomqtt.MqttError as error:
                self._down(isinstance(error, aiomqtt.exceptions.MqttConnectError) and _wants_login(error.rc))
            except Exception:
                log.exception("%s: the connection failed in a way nobody expected", self.at)
                self._down(False)
            self._again.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._again.wait()
            pause = min(LONGEST_PAUSE, pause * 2)

    def _opened(self) -> "aiomqtt.Client":
        from aiomqtt import Client, TLSParameters

        where = address(self.at)
        login = parsed((self.vault and self.vault.get(self.at)) or "")
        user, password = (login.get("user"), login.get("password")) if isinstance(login, dict) else (None, None)
        quiet = logging.getLogger("dobby.skill.mqtt.client")
        quiet.setLevel(logging.CRITICAL)  # it logs what we report anyway, with payloads
        client = Client(
            where.host,
            where.port,
            username=user,
            password=password,
            logger=quiet,
            timeout=PATIENCE,
            queue_type=self._inbox(),
            max_queued_incoming_messages=MOST_WAITING,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else a second message waits 40 ms
            tls_params=TLSParameters() if where.tls else None,
        )
        client.pending_calls_threshold = MOST_WAITING
        return client

    def _inbox(self) -> "type[asyncio.Queue[aiomqtt.Message]]":
        """News of known devices is taken where it arrives (a task for each would cost a quarter of a core at 1,000 a second)."""
        take, known = self._take, self.catalog.is_state

        class Inbox(asyncio.Queue["aiomqtt.Message"]):
            def put_nowait(self, item: "aiomqtt.Message") -> None:
                if known(str(item.topic)):
                    take(str(item.topic), item.payload if isinstance(item.payload, bytes) else b"")
                else:
                    super().put_nowait(item)

        return Inbox

    async def _listen(self, client: "aiomqtt.Client") -> None:
        self._client, self.up, self.refused, self.failed = client, True, False, False
        self._lost.clear()
        log.info("%s: connected", self.at)
        self._wait_for_quiet()
        await client.subscribe([(topic, QOS) for topic in SUBSCRIPTIONS])
        self._pending = set(self.catalog.topics)
        self.tell({name for devices in self.ears.values() for name in devices})
        messages = client.messages
        await self._subscribe(client)
        async for message in messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self._take(str(message.topic), payload)
            if self._pending and (not len(messages) or len(self._pending) >= MOST_PENDING):
                await self._subscribe(client)

    def _take(self, topic: str, payload: bytes) -> None:
        news, listen = self.catalog.take(topic, payload)
        if listen or topic.endswith(("/config", "/sensors")):
            self._wait_for_quiet()
        self._pending |= listen
        for name in news:
            self._watch(name)
        self.tell(news)

    def _watch(self, name: str) -> None:
        """Wait for its silence, where that means something."""
        life = self.catalog.get(name)
        if timer := self._timers.pop(name, None):
            timer.cancel()
        if life is not None and life.said and life.lapses:
            self._timers[name] = asyncio.get_running_loop().call_later(life.lapses, self._lapse, name, life)

    def _lapse(self, name: str, life: Life) -> None:
        life.lapse()
        if not life.stale:
            self._watch(name)
        self.tell([name])

    async def _subscribe(self, client: "aiomqtt.Client") -> None:
        """Listen to what was announced; what was kept there is sent again."""
        topics, self._pending = sorted(self._pending), set()
        for at in range(0, len(topics), SUBSCRIBED_AT_ONCE):
            await client.subscribe([(topic, QOS) for topic in topics[at : at + SUBSCRIBED_AT_ONCE]])

    def _wait_for_quiet(self) -> None:
        if self._quiet:
            self._quiet.cancel()
        if not self.settled:
            self._quiet = asyncio.get_running_loop().call_later(QUIET, self._settle)

    def _settle(self) -> None:
        if self._client is not None and (len(self._client.messages) or self._pending):
            self._wait_for_quiet()  # announcements still wait to be read
            return
        self.settled = True
        self.tell({name for devices in self.ears.values() for name in devices if self.catalog.get(name) is None})

    def _down(self, refused: bool) -> None:
        if self.up or not self.failed or refused != self.refused:
            log.warning("%s: %s", self.at, "it wants a user name and a password" if refused else "not connected")
        if self._quiet:
            self._quiet.cancel()
        self.up, self.failed, self.refused, self.settled, self._client = False, True, refused, False, None
        self._lost.set()
        self.catalog.forget_signs()
        self.tell({name for devices in self.ears.values() for name in devices})


def _warm() -> None:
    """What is slow the first time: files to read, a library to import."""
    table()
    specs("light")
    import_module("aiomqtt")


def _wants_login(code: object) -> bool:
    """MQTT 3.1.1 codes 4 and 5, or 5.0 codes 134 and 135: a bad name or password, or not authorised."""
    return getattr(code, "value", code) in (4, 5, 134, 135)


def _acknowledge(client: "aiomqtt.Client | None") -> None:
    """Tell the broker's kernel at once that its answer came: Mosquitto holds the device's news back for it, 40 ms (Nagle)."""
    wire = client._client.socket() if client else None
    if isinstance(wire, socket.socket) and hasattr(socket, "TCP_QUICKACK"):
        with suppress(OSError):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def remember_login(vault: Vault, at: str, user: str, password: str) -> None:
    """Keep the name and the password of a broker in the vault."""
    await vault.put(at, json.dumps({"user": user, "password": password}))
