"""ESPHome nodes on loopback: the native API in the clear and encrypted (Noise), with switches, lights, motors that take time.

Frames and messages are ESPHome's own (`api.proto`, as aioesphomeapi carries it). It knows nothing of Dobby.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aioesphomeapi import api_pb2
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from cryptography.exceptions import InvalidTag
from noise.connection import NoiseConnection  # type: ignore[import-untyped]

pb: Any = api_pb2  # made by protoc: its names are there at run time
KEY = base64.b64encode(b"a key of thirty-two bytes, really").decode()[:43] + "="
NOISE, PROLOGUE = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256", b"NoiseAPIInit\x00\x00"
STEP = 0.05  # seconds between a motor's steps
NUMBERS = {message: number for number, message in MESSAGE_TYPE_TO_PROTO.items()}
# entity -> what lists it, what its state is, what it says of itself, how it begins
Row = tuple[type[Any], type[Any] | None, dict[str, Any], dict[str, Any]]
LAMP = {"supported_color_modes": [35, 11], "min_mireds": 153.0, "max_mireds": 500.0, "effects": ["Candle", "Rainbow"]}
HEAT = {
    "supported_modes": [0, 3],
    "supports_current_temperature": True,
    "visual_target_temperature_step": 0.5,
    "feature_flags": 1,
}
WORKSHOP: Mapping[str, Row] = {
    "Bench": (pb.ListEntitiesSwitchResponse, pb.SwitchStateResponse, {"device_class": "outlet"}, {}),
    "Shutter": (
        pb.ListEntitiesCoverResponse,
        pb.CoverStateResponse,
        {"device_class": "shutter", "supports_position": True, "supports_stop": True},
        {"position": 1.0},
    ),
    "Temperature": (
        pb.ListEntitiesSensorResponse,
        pb.SensorStateResponse,
        {"device_class": "temperature", "unit_of_measurement": "°C"},
        {"state": 18.5},
    ),
    "Door": (pb.ListEntitiesBinarySensorResponse, pb.BinarySensorStateResponse, {"device_class": "door"}, {}),
    "Bell": (pb.ListEntitiesButtonResponse, None, {}, {}),
    "Restart": (pb.ListEntitiesButtonResponse, None, {"device_class": "restart"}, {}),
    "WiFi Signal": (pb.ListEntitiesSensorResponse, pb.SensorStateResponse, {"entity_category": 2}, {"state": -61.0}),
}
LOFT: Mapping[str, Row] = {
    "": (
        pb.ListEntitiesLightResponse,
        pb.LightStateResponse,
        LAMP,
        {"brightness": 0.5, "color_mode": 11, "color_temperature": 250.0},
    ),
    "Fan": (
        pb.ListEntitiesFanResponse,
        pb.FanStateResponse,
        {"supports_speed": True, "supported_speed_count": 4, "supports_oscillation": True},
        {"speed_level": 2},
    ),
    "Radiator": (
        pb.ListEntitiesClimateResponse,
        pb.ClimateStateResponse,
        HEAT,
        {"current_temperature": 19.0, "target_temperature": 20.0},
    ),
    "Hatch": (pb.ListEntitiesLockResponse, pb.LockStateResponse, {}, {"state": 1}),
}
NODES: Sequence[tuple[str, str, str, Mapping[str, Row], str]] = (
    ("workshop", "Workshop", "aabbccddee11", WORKSHOP, ""),
    ("loft", "Loft Lamp", "aabbccddee12", LOFT, KEY),
)


class Line:
    """One client: frames in the clear, or behind Noise."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.noise: NoiseConnection | None = None
        self.states = False  # whether it hears of changes

    async def shake_hands(self, name: str, mac: str, key: str) -> bool:
        """Agree on keys; whether that worked."""
        if (await self.reader.readexactly(3))[:1] != b"\x01":
            self.frame(b"\x01Bad indicator byte")
            return False
        noise = NoiseConnection.from_name(NOISE)
        noise.set_as_responder()
        noise.set_psks(base64.b64decode(key))
        noise.set_prologue(PROLOGUE)
        noise.start_handshake()
        hello = await self._frame()
        self.frame(b"\x01" + name.encode() + b"\x00" + mac.encode() + b"\x00")
        try:
            noise.read_message(hello[1:])
        except InvalidTag:
            self.frame(b"\x01Handshake MAC failure")
            return False
        self.frame(b"\x00" + bytes(noise.write_message()))
        self.noise = noise
        return True

    async def _frame(self) -> bytes:
        head = await self.reader.readexactly(3)
        return await self.reader.readexactly(head[1] << 8 | head[2])

    def frame(self, data: bytes) -> None:
        """One frame of the encrypted form."""
        self.writer.write(bytes((1, len(data) >> 8, len(data) & 255)) + data)

    async def _varint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = await self.reader.readexactly(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    async def hear(self) -> Any:
        """The next message."""
        if self.noise is not None:
            plain = bytes(self.noise.decrypt(await self._frame()))
            number, data = plain[0] << 8 | plain[1], plain[4:]
        else:
            if await self._varint():
                self.writer.write(b"\x00Bad indicator byte")  # as the firmware says it
                raise ValueError("not in the clear")
            length, number = await self._varint(), await self._varint()
            data = await self.reader.readexactly(length)
        message = MESSAGE_TYPE_TO_PROTO[number]()
        message.ParseFromString(data)
        return message

    def say(self, message: Any) -> None:
        """Send a message."""
        self.raw(NUMBERS[type(message)], message.SerializeToString())

    def raw(self, number: int, data: bytes) -> None:
        """Send whatever this is as a message of that type."""
        if self.noise is not None:
            head = bytes((number >> 8, number & 255, len(data) >> 8, len(data) & 255))
            self.frame(bytes(self.noise.encrypt(head + data)))
        else:
            self.writer.write(b"\x00" + varint(len(data)) + varint(number) + data)


def varint(value: int) -> bytes:
    """Seven bits a byte, the least first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


class Node:
    """One node. `trouble[command]` (`SwitchCommandRequest` …) breaks the next such command once.

    `drop` (line cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no answer).
    """

    def __init__(self, name: str, friendly: str, mac: str, rows: Mapping[str, Row], key: str, pace: float) -> None:
        self.name, self.friendly, self.mac, self.key, self.pace = name, friendly, mac, key, pace
        self.area = ""
        self.port = 0
        self.entities: dict[str, Any] = {}
        self.states: dict[str, Any] = {}
        self.trouble: dict[str, str] = {}
        self.calls: list[str] = []
        self.pressed: list[str] = []
        self.lines: set[Line] = set()
        self._silent = False
        self._server: asyncio.Server | None = None
        self._motors: dict[str, asyncio.Task[None]] = {}
        for number, (own, (listed, state, facts, begins)) in enumerate(rows.items(), 1):
            object_id = (own or friendly).lower().replace(" ", "_")
            self.entities[own] = listed(object_id=object_id, key=number, name=own, **facts)
            if state is not None:
                self.states[own] = state(key=number, **begins)

    @property
    def address(self) -> str:
        """Where it is: host:port."""
        return f"127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Boot: at its port, or a free one the first time."""
        self._silent = False
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """As if the plug were pulled."""
        for task in self._motors.values():
            task.cancel()
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Cut every line."""
        for line in list(self.lines):
            line.writer.transport.abort()
        self.lines.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self.lines.add(line)
        with suppress(OSError, EOFError, ValueError, LookupError, InvalidTag, asyncio.CancelledError):
            if not self.key or await line.shake_hands(self.name, self.mac, self.key):
                while not isinstance(message := await line.hear(), pb.DisconnectRequest):
                    self._heard(line, message)
                line.say(pb.DisconnectResponse())
        self.lines.discard(line)
        with suppress(OSError):
            writer.close()

    def _heard(self, line: Line, message: Any) -> None:
        if type(message).__name__.endswith("CommandRequest"):
            self._told(line, message)
        elif not self._silent:
            self._answer(line, message)

    def _answer(self, line: Line, message: Any) -> None:
        if isinstance(message, pb.HelloRequest):
            line.say(pb.HelloResponse(api_version_major=1, api_version_minor=12, server_info="dollhouse", name=self.name))
        elif isinstance(message, pb.AuthenticationRequest):
            line.say(pb.AuthenticationResponse())
        elif isinstance(message, pb.PingRequest):
            line.say(pb.PingResponse())
        elif isinstance(message, pb.DeviceInfoRequest):
            mac = ":".join(self.mac[at : at + 2] for at in range(0, len(self.mac), 2)).upper()
            facts = {"name": self.name, "friendly_name": self.friendly, "suggested_area": self.area, "mac_address": mac}
            line.say(pb.DeviceInfoResponse(esphome_version="2025.9.1", model="esp32dev", **facts))
        elif isinstance(message, pb.ListEntitiesRequest):
            for entity in self.entities.values():
                line.say(entity)
            line.say(pb.ListEntitiesDoneResponse())
        elif isinstance(message, pb.SubscribeStatesRequest):
            line.states = True
            for state in self.states.values():
                line.say(state)

    def _told(self, line: Line, message: Any) -> None:
        name = type(message).__name__
        self.calls.append(name)
        trouble = self.trouble.pop(name, "")
        if trouble != "drop":
            self._silent = self._silent or trouble == "silence"
            own = next(own for own, entity in self.entities.items() if entity.key == message.key)
            DONE[name](self, own, message)
        if trouble == "garbage":
            line.writer.write(b"\x07\xff\xff rubbish")
        if trouble in ("drop", "cut"):
            self.cut()

    # What it does

    def become(self, own: str, **traits: Any) -> None:
        """Something is otherwise now, and whoever listens hears of it."""
        state = self.states[own]
        for name, value in traits.items():
            setattr(state, name, value)
        for line in self.lines:
            if line.states and not self._silent:
                line.say(state)

    def take(self, own: str, message: Any) -> None:
        """Whatever a command has, becomes so."""
        told: dict[str, Any] = {}
        for field in message.DESCRIPTOR.fields:
            if field.name.startswith("has_") and getattr(message, field.name):
                names = ("red", "green", "blue") if field.name == "has_rgb" else (field.name[4:],)
                told |= {name: getattr(message, name) for name in names}
        known = {field.name for field in self.states[own].DESCRIPTOR.fields}
        self.become(own, **{name: value for name, value in told.items() if name in known})

    def switch(self, own: str, message: Any) -> None:
        """On or off."""
        self.become(own, state=message.state)

    def lock(self, own: str, message: Any) -> None:
        """Locked or not."""
        self.become(own, state={0: 2, 1: 1}[message.command])

    def press(self, own: str, message: Any) -> None:
        """A button."""
        self.pressed.append(own)

    def move(self, own: str, message: Any) -> None:
        """A motor turns, or stops."""
        if motor := self._motors.pop(own, None):
            motor.cancel()
        if message.stop or not message.has_position:
            self.become(own, current_operation=0)
        else:
            self._motors[own] = asyncio.create_task(self._turn(own, message.position))

    async def _turn(self, own: str, goal: float) -> None:
        state = self.states[own]
        while abs(goal - state.position) > 1e-3:
            way = goal - state.position
            step = min(abs(way), 0.05 * self.pace) * (1 if way > 0 else -1)
            self.become(own, position=state.position + step, current_operation=1 if way > 0 else 2)
            await asyncio.sleep(STEP)
        self.become(own, position=goal, current_operation=0)


DONE: Mapping[str, Callable[[Node, str, Any], None]] = {
    "SwitchCommandRequest": Node.switch,
    "LightCommandRequest": Node.take,
    "FanCommandRequest": Node.take,
    "ClimateCommandRequest": Node.take,
    "CoverCommandRequest": Node.move,
    "LockCommandRequest": Node.lock,
    "ButtonCommandRequest": Node.press,
}


class House:
    """Two nodes, one of them encrypted."""

    name = "esphome"

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}

    @property
    def config(self) -> dict[str, Any]:
        """What leads a Dobby to those that open by themselves."""
        return {"at": [node.address for node in self.nodes.values() if not node.key]}

    def truth(self, device: str) -> dict[str, Any]:
        """What an entity really is, as far as the house has words for it."""
        mac, _, inside = device.removeprefix("esphome.").partition("-")
        node = next(node for node in self.nodes.values() if node.mac == mac)
        own = next(own for own, entity in node.entities.items() if entity.object_id == inside)
        state = node.states.get(own)
        if state is None:
            return {}
        names = {field.name for field in state.DESCRIPTOR.fields}
        kind = type(state).__name__.removesuffix("StateResponse")
        truth: dict[str, Any] = {}
        if kind in ("Switch", "Light", "Fan", "BinarySensor"):
            truth["on"] = state.state
        if kind == "Sensor":
            truth["value"] = round(state.state, 3)
        if kind == "Lock":
            truth["locked"] = state.state == 1
        truth |= {name: round(getattr(state, name) * 100) for name in ("brightness", "position") if name in names}
        truth |= {"target": state.target_temperature, "mode": {0: "off", 3: "heat"}[state.mode]} if kind == "Climate" else {}
        return truth

    async def aclose(self) -> None:
        """Pull every plug."""
        for node in self.nodes.values():
            await node.aclose()


async def start(*, pace: float = 1.0, **_: Any) -> House:
    """Boot them all; `pace` makes motors faster."""
    house = House([Node(*row, pace) for row in NODES])
    for node in house.nodes.values():
        await node.open()
    return house
