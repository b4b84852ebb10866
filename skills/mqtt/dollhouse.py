"""A house of MQTT devices on loopback: they announce themselves, obey, take their time and report, as real ones do.

Each is an MQTT client of its own against an embedded amqtt broker, or against any broker. It knows nothing of Dobby.
"""

import asyncio
import json
import logging
import socket
import tomllib
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin

from . import dollhouse_devices as devices
from .dollhouse_devices import State, Thing

NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Post(Broker):  # type: ignore[misc] # amqtt is not typed
    """amqtt's broker without two faults of 0.12.1, both when a client connects: everybody's kept messages are sent to it, and
    it is left deaf where somebody subscribes meanwhile."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._subscriptions: dict[str, list[tuple[Any, int]]] = _Steady()

    async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Any) -> None:
        if any(known is session for known, _ in self._subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def shutdown(self) -> None:
        """Close the door and cut every line first: devices come back at once, and a reader that is cancelled may not notice."""
        for server in self._servers.values():
            server.instance.close()
        for _ in range(100):
            open_ones = [
                handler for _, handler in self._sessions.values() if handler._reader_task and not handler._reader_task.done()
            ]
            for handler in open_ones:
                if handler.writer and not handler.writer.is_closed:
                    handler.writer._writer.transport.abort()
            await asyncio.sleep(0.02)
            if not open_ones:
                break
        async with asyncio.timeout(5):
            await super().shutdown()


class _Steady(dict[str, list[tuple[Any, int]]]):
    """May grow while somebody goes through it."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(super().__iter__()))


class Doorman(BaseAuthPlugin):  # type: ignore[misc] # amqtt is not typed
    """Lets in who knows the name and the password."""

    async def authenticate(self, *, session: Any) -> bool:
        return bool((session.username, session.password) == (self.config.user, self.config.password))

    @dataclass
    class Config:
        """Who that is."""

        user: str = ""
        password: str = ""


class Line:
    """One client on the broker: a device by itself, or the Zigbee bridge with its devices."""

    def __init__(self, house: "House", name: str, things: Sequence[Thing], will: tuple[str, str, str]) -> None:
        self.things = things
        self.will = will
        self.ready = asyncio.Event()
        self.plugged = asyncio.Event()
        self.plugged.set()
        self._house = house
        self._name = name
        self._client: aiomqtt.Client | None = None
        for thing in things:
            thing.line = self

    async def say(self, topic: str, payload: str, retain: bool = True) -> None:
        """Publish, as far as anybody is there to hear it."""
        if self._client is not None:
            with suppress(aiomqtt.MqttError):
                await self._client.publish(topic, payload, qos=1, retain=retain, timeout=5)

    async def run(self) -> None:
        """Come back whenever the broker does."""
        while True:
            await self.plugged.wait()
            with suppress(aiomqtt.MqttError):
                await self._live()
            self._client = None
            self.ready.clear()
            await asyncio.sleep(0.2)

    async def _live(self) -> None:
        topic, here, gone = self.will
        async with self._house.client(self._name, aiomqtt.Will(topic, gone, 1, True)) as client:
            self._client = client
            await client.subscribe([(f"{thing.topic}/{end}", 1) for thing in self.things for end in ("set", "set/+", "get")])
            for announced, payload in self._announcements():
                await self.say(announced, payload)
            await self.say(topic, here)
            for thing in self.things:
                await self.say(f"{thing.topic}/availability", json.dumps({"state": "online" if thing.plugged else "offline"}))
                await thing.report(again=True)
            self.ready.set()
            async for message in client.messages:
                self._obey(str(message.topic), message.payload)

    def _announcements(self) -> Iterator[tuple[str, str]]:
        return devices.bridge(self.things) if self.things[0].topic.startswith(devices.BASE) else devices.announced(self.things[0])

    def _obey(self, topic: str, payload: Any) -> None:
        thing = max((t for t in self.things if topic.startswith(f"{t.topic}/")), key=lambda t: len(t.topic))
        leaf = topic.removeprefix(f"{thing.topic}/")
        said = payload.decode() if isinstance(payload, bytes) else ""
        if not thing.plugged:
            return
        if leaf == "get":
            self._house.begin(thing.report(again=True))
            return
        if thing.moving:
            thing.moving.cancel()
        thing.moving = self._house.begin(devices.OBEYS[thing.row["behaves"]](thing, leaf.removeprefix("set").strip("/"), said))

    async def vanish(self) -> None:
        """The power is cut: no goodbye, so that the broker speaks the will."""
        self.plugged.clear()
        cut = self._client._client.socket() if self._client else None
        if isinstance(cut, socket.socket):
            cut.shutdown(socket.SHUT_RDWR)


Rows = Mapping[str, Any] | None


class House:
    """The devices and, unless there is one already, their broker. `config` belongs under `[skills.mqtt]`."""

    name = "mqtt"

    def __init__(self, host: str, port: int, pace: float, own: bool, login: tuple[str, str] | None, rows: Rows) -> None:
        self.config: dict[str, Any] = {"at": [f"{host}:{port}"]}
        self._at = (host, port)
        self._own = own
        self._login = login
        self._broker: Any = None
        self._tasks: set[asyncio.Task[Any]] = set()
        rows = rows or tomllib.loads(Path(__file__).with_name("dollhouse.toml").read_text("utf-8"))
        self._things = [Thing(row, f"dollhouse/{row['id']}", pace, dict(row["state"])) for row in rows.get("thing", ())]
        self._zigbee = [Thing(row, f"{devices.BASE}/{row['name']}", pace, dict(row["state"])) for row in rows.get("zigbee", ())]
        self._lines = [
            Line(self, thing.row["id"], [thing], (f"{thing.topic}/there", "online", "offline")) for thing in self._things
        ]
        bridge = (f"{devices.BASE}/bridge/state", '{"state": "online"}', '{"state": "offline"}')
        self._lines += [Line(self, devices.BASE, self._zigbee, bridge)] if self._zigbee else []

    @property
    def devices(self) -> list[str]:
        """The ids Dobby gives them (of a sensor with several values: the first word of its id)."""
        zigbee = [f"mqtt.{thing.row['id']}_{thing.row['entity']}_{devices.BASE}" for thing in self._zigbee]
        return [f"mqtt.{thing.row['id']}" for thing in self._things] + zigbee

    def truth(self, device: str) -> State:
        """What a device truly is."""
        return dict(self._thing(device).state)

    async def by_hand(self, device: str, **traits: Any) -> None:
        """Somebody uses the switch on the wall, or the weather the sensor."""
        thing = self._thing(device)
        if thing.moving:
            thing.moving.cancel()
        await thing.become(**traits)

    async def unplug(self, device: str) -> None:
        """Cut a device's power: its will is spoken, or the Zigbee bridge notices."""
        thing = self._thing(device)
        thing.plugged, line = False, self._line(thing)
        if thing in self._zigbee:
            await line.say(f"{thing.topic}/availability", '{"state": "offline"}')
        else:
            await line.vanish()

    async def plug(self, device: str) -> None:
        """Give the power back."""
        thing = self._thing(device)
        thing.plugged, line = True, self._line(thing)
        if thing in self._zigbee:
            await line.say(f"{thing.topic}/availability", '{"state": "online"}')
            await thing.report(again=True)
        else:
            line.plugged.set()

    async def broker_down(self) -> None:
        """The broker dies, and forgets what it kept."""
        if self._broker:
            await self._broker.shutdown()
            self._broker = None

    async def broker_up(self) -> None:
        """The broker starts, empty; the devices come back and announce themselves again."""
        host, port = self._at
        plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        if self._login:
            plugins = {f"{__name__}.Doorman": {"user": self._login[0], "password": self._login[1]}}
        self._broker = Post({"listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}}, "plugins": plugins})
        await self._broker.start()

    async def aclose(self) -> None:
        """Everything ends; a broker that is not ours keeps nothing of it."""
        if not self._own:
            await self._sweep()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.broker_down()

    async def open(self) -> None:
        """Start the broker and the devices, and wait until all have announced themselves."""
        if self._own:
            await self.broker_up()
        for line in self._lines:
            self.begin(line.run())
        for thing in self._things:
            if thing.row["behaves"] == "thermostat":
                self.begin(devices.drift(thing))
        await self.ready()

    async def ready(self) -> None:
        """Wait until every device that has power is connected."""
        async with asyncio.timeout(20):
            for line in self._lines:
                if line.plugged.is_set():
                    await line.ready.wait()

    def client(self, name: str, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
        """A connection of this house's own kind."""
        user, password = self._login or (None, None)
        silent = logging.getLogger("dollhouse.mqtt")
        silent.setLevel(logging.CRITICAL)
        host, port = self._at
        return aiomqtt.Client(
            host,
            port,
            identifier=f"dollhouse-{name}",
            username=user,
            password=password,
            will=will,
            logger=silent,
            socket_options=[NODELAY],
        )

    def begin(self, work: Awaitable[Any]) -> "asyncio.Task[Any]":
        """Run something beside the rest, until the house ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logging.getLogger("dollhouse.mqtt").error("A device of the dollhouse broke", exc_info=task.exception())

    async def _sweep(self) -> None:
        with suppress(aiomqtt.MqttError):
            async with self.client("sweep") as client:
                for line in self._lines:
                    kept = [topic for topic, _ in line._announcements()] + [line.will[0]]
                    kept += [topic for thing in line.things for topic in (*thing.reports(), f"{thing.topic}/availability")]
                    for topic in kept:
                        await client.publish(topic, b"", qos=1, retain=True)

    def _line(self, thing: Thing) -> Line:
        return next(line for line in self._lines if thing in line.things)

    def _thing(self, device: str) -> Thing:
        name = device.removeprefix("mqtt.")
        fitting = [thing for thing in self._things + self._zigbee if name.startswith(thing.row["id"])]
        return max(fitting, key=lambda thing: len(thing.row["id"]))


async def start(
    *, port: int = 0, pace: float = 1.0, broker: str = "", login: tuple[str, str] | None = None, rows: Rows = None
) -> House:
    """Start the house. `port` 0 takes a free one; `pace` makes its time run faster; `broker` ("host:port") is used instead of
    an own one; `login` is the user and the password the own broker wants; `rows` are what stands in
    the house instead of `dollhouse.toml`'s."""
    for noisy in ("amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    host, _, given = broker.rpartition(":") if broker else ("127.0.0.1", "", str(port or _free_port()))
    house = House(host or "127.0.0.1", int(given), pace, not broker, login, rows)
    await house.open()
    return house


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
