"""A Home Assistant on loopback: its WebSocket API with what a real one (2024.3.3 with `demo:`) said of its house.

For tests and `dobby dollhouse homeassistant`. It knows nothing of Dobby. `dollhouse_home.json` is that recording, without tokens
and pictures; `ADDED` is what newer instances say besides (developers.home-assistant.io/docs/api/websocket; floors: 2024.4).
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from .dollhouse_services import ServiceError, serve

BY_NAME_ONLY = True  # the demo shows what is found without a Home Assistant
LIST = "todo.shopping_list"
ADDED: Mapping[str, Any] = {
    "areas": {
        "living_room": {"floor_id": "ground_floor", "aliases": ["lounge"]},
        "kitchen": {"floor_id": "ground_floor", "aliases": []},
        "bedroom": {"floor_id": "upstairs"},
    },
    "connections": {"Kitchen Lights": [["zigbee", "00:17:88:01:0B:AA:BB:99"]], "Bed Light": [["mac", "d0:73:d5:01:02:03"]]},
    "states": [{"entity_id": LIST, "state": "1", "attributes": {"friendly_name": "Shopping List", "supported_features": 15}}],
    "items": {LIST: [{"uid": "1", "summary": "Bread", "status": "needs_action"}]},
}


class Instance:
    """One Home Assistant. `trouble[service]` breaks the next such call once:

    `drop` (link cut before it is done), `cut` (after), `garbage` (done, answered with nonsense), `silence` (done, no answer),
    `fail` (not done: the device did not answer). `starting`: not everything is up yet. `logins` counts tokens that were tried.
    """

    name = "homeassistant"

    def __init__(self, host: str, token: str, pace: float, fahrenheit: bool) -> None:
        said = json.loads(Path(__file__).with_name("dollhouse_home.json").read_text("utf-8"))
        self.host, self.port, self.token, self.pace = host, 0, token, pace
        self.config_row: dict[str, Any] = said["config"]
        self.tables: dict[str, Any] = {key: said[key] for key in ("areas", "floors", "devices", "entities", "exposed")}
        self.states: dict[str, dict[str, Any]] = {row["entity_id"]: row for row in said["states"]}
        self.items: dict[str, list[dict[str, str]]] = deepcopy(ADDED["items"])
        if fahrenheit:
            self.config_row["unit_system"] = said["us_unit_system"]
        self._add()
        self.trouble: dict[str, str] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.starting = False
        self.logins = 0
        self._guests: dict[Guest, None] = {}
        self._runner: web.AppRunner | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def _add(self) -> None:
        self.states |= {row["entity_id"]: row for row in deepcopy(ADDED["states"])}
        for area in self.tables["areas"]:
            area |= ADDED["areas"].get(area["area_id"], {})
        for device in self.tables["devices"]:
            device["connections"] = ADDED["connections"].get(device["name"], device["connections"])

    @property
    def at(self) -> str:
        """Where it is."""
        return f"http://{self.host}:{self.port}"

    @property
    def config(self) -> Mapping[str, Any]:
        """What leads a Dobby here."""
        return {"at": [f"http://:{self.token}@{self.host}:{self.port}"]}

    def truth(self, device: str) -> dict[str, Any]:
        """The state and attributes of an entity, by its own id or by Dobby's."""
        ids = {f"homeassistant.{row['id']}": row["entity_id"] for row in self.tables["entities"]}
        found = self.states[ids.get(device, device.removeprefix("homeassistant."))]
        return {"state": found["state"], **found["attributes"]}

    async def up(self) -> None:
        """Answer, at the port it had before if it had one."""
        app = web.Application()
        app.router.add_get("/api/websocket", self._welcome)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """As if it were stopped in the middle of everything."""
        self.cut()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        """Cut every line."""
        for guest in list(self._guests):
            guest.cut()

    async def aclose(self) -> None:
        """End everything."""
        for task in list(self.tasks):
            task.cancel()
        await self.down()

    async def say(self, text: str) -> None:
        """Say this to everybody who is in, whatever it is."""
        for guest in list(self._guests):
            await guest.socket.send_str(text)

    def put(self, entity: str, state: str | None = None, **attributes: Any) -> None:
        """An entity is so now; whoever listens hears of it."""
        now = self.states[entity]
        more: dict[str, Any] = {"lc": 1795760381.2} if state is not None else {"lu": 1795760381.2}
        if state is not None:
            now["state"] = more["s"] = state
        if attributes:
            now["attributes"] |= attributes
            more["a"] = attributes
        self.tell("entities", {"c": {entity: {"+": more}}}, entity)

    def tell(self, topic: str, event: Any, entity: str = "") -> None:
        """An event for those who subscribed to it."""
        for guest in list(self._guests):
            guest.tell(topic, event, entity)

    def later(self, work: Any) -> None:
        """Let something go on beside."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _welcome(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        guest = Guest(self, socket, request)
        with suppress(ConnectionError):
            if await guest.enter():
                self._guests[guest] = None
                await guest.stay()
        self._guests.pop(guest, None)
        return socket


class Guest:
    """One connection: the authentication phase, then numbered commands."""

    def __init__(self, home: Instance, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.home, self.socket, self._request = home, socket, request
        self._subscribed: dict[int, tuple[str, frozenset[str]]] = {}

    def cut(self) -> None:
        """Cut the line."""
        if self._request.transport:
            self._request.transport.abort()

    async def enter(self) -> bool:
        """Let in who knows the token."""
        await self.socket.send_json({"type": "auth_required", "ha_version": self.home.config_row["version"]})
        said = await self.socket.receive()
        if said.type is not WSMsgType.TEXT:
            return False
        self.home.logins += 1
        if said.json().get("access_token") != self.home.token:
            await self.socket.send_json({"type": "auth_invalid", "message": "Invalid access token or password"})
            await self.socket.close()
            return False
        await self.socket.send_json({"type": "auth_ok", "ha_version": self.home.config_row["version"]})
        return True

    async def stay(self) -> None:
        """Answer every command; slow ones do not hold up the others."""
        async for frame in self.socket:
            if frame.type is WSMsgType.TEXT:
                self.home.later(self._answer(frame.json()))

    def tell(self, topic: str, event: Any, entity: str) -> None:
        """An event, for each subscription that it belongs to."""
        for number, (wanted, entities) in self._subscribed.items():
            if wanted == topic and (not entities or entity in entities):
                self.home.later(self._send({"id": number, "type": "event", "event": event}))

    async def _send(self, message: Mapping[str, Any]) -> None:
        with suppress(ConnectionError):
            await self.socket.send_json(message)

    async def _answer(self, said: Mapping[str, Any]) -> None:
        number, kind = said["id"], said["type"]
        if kind == "ping":
            await self._send({"id": number, "type": "pong"})
        elif kind == "call_service":
            await self._call(number, said)
        elif kind in self._subscriptions():
            await self._subscribe(number, kind, said)
        elif (found := self._lists().get(kind)) is not None:
            await self._send({"id": number, "type": "result", "success": True, "result": found})
        elif kind == "config/entity_registry/get_entries":
            rows = {row["entity_id"]: row for row in self.home.tables["entities"] if row["entity_id"] in said["entity_ids"]}
            await self._send({"id": number, "type": "result", "success": True, "result": rows})
        else:
            await self._refuse(number, "unknown_command", "Unknown command.")

    async def _refuse(self, number: int, code: str, words: str) -> None:
        await self._send({"id": number, "type": "result", "success": False, "error": {"code": code, "message": words}})

    def _lists(self) -> dict[str, Any]:
        home, partial = self.home, ("aliases", "device_class", "original_device_class")
        return {
            "get_config": {**home.config_row, "state": "STARTING" if home.starting else "RUNNING"},
            "get_states": list(home.states.values()),
            "config/area_registry/list": home.tables["areas"],
            "config/floor_registry/list": home.tables["floors"],
            "config/device_registry/list": home.tables["devices"],
            "config/entity_registry/list": [
                {key: value for key, value in row.items() if key not in partial} for row in home.tables["entities"]
            ],
            "homeassistant/expose_entity/list": {"exposed_entities": home.tables["exposed"]},
        }

    def _subscriptions(self) -> tuple[str, ...]:
        return ("subscribe_events", "subscribe_entities", "todo/item/subscribe", "unsubscribe_events")

    async def _subscribe(self, number: int, kind: str, said: Mapping[str, Any]) -> None:
        if kind == "unsubscribe_events":
            self._subscribed.pop(said["subscription"], None)
        await self._send({"id": number, "type": "result", "success": True, "result": None})
        if kind == "subscribe_events":
            self._subscribed[number] = (said["event_type"], frozenset())
        elif kind == "subscribe_entities":
            names = frozenset(said.get("entity_ids", ()))
            states = {name: row for name, row in self.home.states.items() if not names or name in names}
            whole = {name: {"s": row["state"], "a": row["attributes"], "lc": 1795760381.2} for name, row in states.items()}
            await self._send({"id": number, "type": "event", "event": {"a": whole}})
            self._subscribed[number] = ("entities", names)
        elif kind == "todo/item/subscribe":
            name = said["entity_id"]
            await self._send({"id": number, "type": "event", "event": {"items": self.home.items.get(name, [])}})
            self._subscribed[number] = ("items", frozenset({name}))

    async def _call(self, number: int, said: Mapping[str, Any]) -> None:
        home, service = self.home, said["service"]
        trouble = home.trouble.pop(service, "")
        if trouble == "drop":
            self.cut()
            return
        if trouble == "fail":
            await self._refuse(number, "home_assistant_error", "Timeout while talking to the device")
            return
        home.calls.append((said["target"]["entity_id"], service, said.get("service_data", {})))
        try:
            await serve(home, said["domain"], service, said["target"]["entity_id"], said.get("service_data", {}))
        except ServiceError as error:
            await self._refuse(number, error.code, str(error))
            return
        if trouble == "cut":
            self.cut()
        elif trouble == "garbage":
            await self.socket.send_str('{"id": not json')
        elif not trouble:
            await self._send(
                {"id": number, "type": "result", "success": True, "result": {"context": {"id": "01", "user_id": "77"}}}
            )


async def start(*, prefix: str = "127.77.0", token: str = "dollhouse", pace: float = 1.0, fahrenheit: bool = False) -> Instance:
    """A Home Assistant at `prefix`.20 on a free port; things take 1/`pace` seconds."""
    home = Instance(f"{prefix}.20", token, pace, fahrenheit)
    await home.up()
    return home
