"""A Hue Bridge on loopback: HTTPS with a certificate of its own, the link button, CLIP v2 resources and the event stream.

Its payloads have the form that aiohue's and Home Assistant's recordings show. It knows nothing of Dobby.
"""

import asyncio
import contextlib
import json
import secrets
import ssl
import tempfile
import time
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from aiohttp import web

GAMUTS = {  # corners in xy: red, green, blue
    "B": ((0.675, 0.322), (0.409, 0.518), (0.167, 0.04)),
    "C": ((0.6915, 0.3083), (0.17, 0.7), (0.1532, 0.0475)),
}
EFFECTS = ["no_effect", "candle", "fire", "prism"]
FADE = 0.4  # seconds a lamp takes where nobody says otherwise
LINK = 30.0  # seconds a pressed button counts
WARM = {"mirek_minimum": 153, "mirek_maximum": 500}


def rid(*words: str) -> str:
    """The same id for the same thing at each start."""
    return str(uuid5(NAMESPACE_OID, "dollhouse hue " + " ".join(words)))


class House:
    """The bridge and what hangs on it. `trouble[verb path]` breaks such requests: `cut` (done, link cut) and
    `drop` (link cut before it is done) until it is taken back; `garbage` (done) and `busy` (429) once."""

    name = "hue"

    def __init__(self, table: Mapping[str, Any], beat: float, held: bool) -> None:
        self.id, self.title, self.beat = str(table["id"]), str(table["name"]), beat
        self.held = held  # somebody leans on the button
        self.keys: set[str] = set()
        self.trouble: dict[str, str] = {}
        self.asked: list[str] = []
        self.at = ""
        self.resources: dict[str, dict[str, Any]] = {}
        self._pressed = -LINK
        self._owed: list[dict[str, Any]] = []
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._fades: dict[str, tuple[float, float, float, float]] = {}
        self._runner: web.AppRunner | None = None
        self._herald: asyncio.Task[None] | None = None
        self._tls = _certificate(self.id)
        for row in table["device"]:
            self._add_device(row)
        for row in table["scene"]:
            self._add_scene(row)

    @property
    def config(self) -> dict[str, Any]:
        """What a config needs to find it without multicast."""
        return {"at": [self.at]}

    # What is there

    def _put(self, kind: str, *words: str, **row: Any) -> dict[str, Any]:
        made = {"id": rid(kind, *words), "type": kind, **row}
        self.resources[made["id"]] = made
        return made

    def _add_device(self, row: Mapping[str, Any]) -> None:
        mac = row["mac"]
        owner = {"rid": rid("device", mac), "rtype": "device"}
        services = [self._put("zigbee_connectivity", mac, owner=owner, mac_address=mac, status="connected")]
        if "can" in row:
            services.append(self._put("light", mac, owner=owner, **_light(row)))
        for kind, value in row.get("senses", {}).items():
            services.append(self._put(kind, mac, owner=owner, **_sense(kind, value)))
        if "battery" in row:
            power = {"battery_level": row["battery"], "battery_state": "normal"}
            services.append(self._put("device_power", mac, owner=owner, power_state=power))
        archetype = "plug" if row.get("plug") else "sultan_bulb" if "can" in row else "unknown_archetype"
        device = self._put(
            "device",
            mac,
            metadata={"name": row["name"], "archetype": archetype},
            product_data={"product_archetype": archetype, "manufacturer_name": "Signify Netherlands B.V."},
            services=[{"rid": one["id"], "rtype": one["type"]} for one in services],
        )
        self._room(row["room"])["children"].append({"rid": device["id"], "rtype": "device"})

    def _room(self, name: str) -> dict[str, Any]:
        known = self.resources.get(rid("room", name))
        if known is None:
            group = {"rid": rid("grouped_light", name), "rtype": "grouped_light"}
            known = self._put("room", name, children=[], metadata={"name": name, "archetype": "other"}, services=[group])
            self._put("grouped_light", name, owner={"rid": known["id"], "rtype": "room"}, on={"on": False})
        return known

    def _add_scene(self, row: Mapping[str, Any]) -> None:
        room = self._room(row["room"])
        self._put(
            "scene",
            row["room"],
            row["name"],
            group={"rid": room["id"], "rtype": "room"},
            metadata={"name": row["name"]},
            actions=[{"dimming": {"brightness": row["brightness"]}, "color_temperature": {"mirek": row["mirek"]}}],
        )

    def of(self, kind: str, mac: str) -> dict[str, Any]:
        """The resource of a kind at a MAC."""
        return self.resources[rid(kind, mac)]

    def truth(self, device: str) -> dict[str, Any]:
        """What a lamp really is at this moment of its fade, by Dobby's id (`hue.MAC`)."""
        digits = device.partition(".")[2]
        row = self.of("light", ":".join(digits[at : at + 2] for at in range(0, 16, 2)))
        found: dict[str, Any] = {"on": row["on"]["on"]}
        if "dimming" in row:
            before, after, begun, seconds = self._fades.get(row["id"], (0.0, row["dimming"]["brightness"], 0.0, FADE))
            part = min((time.monotonic() - begun) / seconds, 1.0) if seconds else 1.0
            found["brightness"] = round(before + (after - before) * part)
        warm = row.get("color_temperature", {})
        if warm:
            found["color_temp"] = round(1e6 / warm["mirek"]) if warm["mirek_valid"] else None
        return found

    # What others do with it

    def press(self) -> None:
        """Press the link button."""
        self._pressed = time.monotonic()

    def change(self, row: dict[str, Any], **parts: Any) -> None:
        """Make parts of a resource so and owe everybody an event."""
        for name, value in parts.items():
            old = row.get(name)
            row[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        part = {"id": row["id"], "type": row["type"], **({"owner": row["owner"]} if "owner" in row else {}), **parts}
        self._owed.append({"type": "update", "id": rid(secrets.token_hex(4)), "creationtime": _now(), "data": [part]})

    def unplug(self, mac: str, out: bool = True) -> None:
        """Take a lamp's power, or give it back; the bridge notices at once here."""
        self.change(self.of("zigbee_connectivity", mac), status="connectivity_issue" if out else "connected")

    def say(self, line: bytes) -> None:
        """Send any bytes on the event stream."""
        for queue in self._streams:
            queue.put_nowait(line)

    # The network side

    async def open(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Power on."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.at = f"{host}:{port}"
        self._herald = asyncio.create_task(self._tell())

    async def aclose(self) -> None:
        """Pull the plug: links are cut, events that were owed are lost."""
        for queue in self._streams:
            queue.put_nowait(b"")
        if self._herald:
            self._herald.cancel()
            await asyncio.gather(self._herald, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()
        self._herald = self._runner = None
        self._owed.clear()

    async def _tell(self) -> None:
        while True:  # a bridge gathers changes and tells them once a second
            await asyncio.sleep(self.beat)
            if self._owed:
                self.say(b"id: %d:0\ndata: %s\n\n" % (time.time(), json.dumps(self._owed).encode()))
                self._owed = []

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append(f"{request.method} {path}")
        if path == "/api" and request.method == "POST":
            return self._link()
        if path.startswith("/api/") and path.endswith("/config"):
            return web.json_response({"name": self.title, "bridgeid": self.id.upper(), "modelid": "BSB002"})
        if request.headers.get("hue-application-key") not in self.keys:
            return web.Response(status=403, text="<html>Oops</html>", content_type="text/html")
        if path == "/eventstream/clip/v2":
            return await self._stream(request)
        kind, _, one = path.removeprefix("/clip/v2/resource").strip("/").partition("/")
        trouble = self.trouble.get(f"{request.method} {kind}", "")
        if trouble in ("garbage", "busy"):
            del self.trouble[f"{request.method} {kind}"]
        if trouble == "busy":
            return web.Response(status=429)
        if trouble == "drop":
            return _cut(request)
        if request.method == "PUT":
            answer = self._make(one, await request.json())
        else:
            rows = [row for row in self.resources.values() if kind in ("", row["type"]) and one in ("", row["id"])]
            answer = web.json_response({"errors": [], "data": rows}, status=200 if rows or not one else 404)
        if trouble == "garbage":
            return web.Response(text='{"data": [{"id": 7, "on": ', content_type="application/json")
        return _cut(request) if trouble else answer

    def _link(self) -> web.Response:
        if not self.held and time.monotonic() - self._pressed > LINK:
            return web.json_response([{"error": {"type": 101, "address": "", "description": "link button not pressed"}}])
        key = secrets.token_urlsafe(30)
        self.keys.add(key)
        return web.json_response([{"success": {"username": key, "clientkey": secrets.token_hex(16).upper()}}])

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams.add(queue)
        try:
            with contextlib.suppress(ConnectionResetError):  # whoever listened has gone
                await response.write(b": hi\n\n")
                while line := await queue.get():
                    await response.write(line)
        finally:
            self._streams.discard(queue)
        return response

    def _make(self, one: str, body: dict[str, Any]) -> web.Response:
        row = self.resources.get(one)
        if row is None:
            return web.json_response({"errors": [{"description": "Not Found"}], "data": []}, status=404)
        errors: list[dict[str, str]] = []
        if row["type"] == "scene":
            self._recall(row)
        elif row["type"] == "light" and self.of("zigbee_connectivity", _mac(self, row))["status"] != "connected":
            errors = [{"description": "device (light) has communication issues, command (on) may not have effect"}]
        elif row["type"] == "light":
            self._light(row, body)
        data = [{"rid": one, "rtype": row["type"]}]
        return web.json_response({"errors": errors, "data": data}, status=207 if errors else 200)

    def _light(self, row: dict[str, Any], body: dict[str, Any]) -> None:
        if "dimming" in body:
            seconds = body.get("dynamics", {}).get("duration", FADE * 1000) / 1000
            was, to = row["dimming"]["brightness"], body["dimming"]["brightness"]
            self._fades[row["id"]] = (was, to, time.monotonic(), seconds)
        parts: dict[str, Any] = {name: body[name] for name in ("on", "dimming") if name in body}
        if "color" in body:
            parts |= {"color": body["color"], "color_temperature": {"mirek": None, "mirek_valid": False}}
        if "color_temperature" in body:
            parts["color_temperature"] = {**body["color_temperature"], "mirek_valid": True}
        if "effects" in body:
            parts["effects"] = {"status": body["effects"]["effect"]}
        self.change(row, **{name: value for name, value in parts.items() if name in row})

    def _recall(self, scene: dict[str, Any]) -> None:
        room = self.resources[scene["group"]["rid"]]
        owners = {child["rid"] for child in room["children"]}
        for row in [row for row in self.resources.values() if row["type"] == "light" and row["owner"]["rid"] in owners]:
            if "dimming" in row:
                self._light(row, {"on": {"on": True}, **scene["actions"][0]})


def _mac(house: House, light: Mapping[str, Any]) -> str:
    links = (row for row in house.resources.values() if row["type"] == "zigbee_connectivity")
    return next(str(row["mac_address"]) for row in links if row["owner"] == light["owner"])


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


def _light(row: Mapping[str, Any]) -> dict[str, Any]:
    can = row["can"]
    made: dict[str, Any] = {"metadata": {"name": row["name"]}, "on": {"on": bool(row.get("on"))}, "mode": "normal"}
    made["alert"] = {"action_values": ["breathe"]}
    if "dim" in can:
        made["dimming"] = {"brightness": float(row["brightness"]), "min_dim_level": 0.2}
    if "white" in can:
        made["color_temperature"] = {"mirek": row["mirek"], "mirek_valid": True, "mirek_schema": WARM}
    if "color" in can:
        corners = GAMUTS[row.get("gamut", "C")]
        gamut = {name: {"x": x, "y": y} for name, (x, y) in zip(("red", "green", "blue"), corners, strict=True)}
        made["color"] = {"xy": {"x": 0.4573, "y": 0.41}, "gamut": gamut, "gamut_type": row.get("gamut", "C")}
    if "effects" in can:
        made["effects"] = {"effect_values": EFFECTS, "status_values": EFFECTS, "status": "no_effect"}
    return made


def _sense(kind: str, value: Any) -> dict[str, Any]:
    if kind == "button":
        return {"metadata": {"control_id": 1}, "button": {"event_values": ["initial_press", "short_release"]}}
    field = "light" if kind == "light_level" else kind
    report = {"changed": _now(), kind: value}
    return {"enabled": True, field: {kind: value, f"{kind}_valid": True, f"{kind}_report": report}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _certificate(name: str) -> ssl.SSLContext:
    """A self-signed certificate named by the bridge's id, as the bridge's own is."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=3650))
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(private + signed.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def start(*, beat: float = 0.3, held: bool = True, rows: dict[str, Any] | None = None) -> House:
    """Start the bridge of `dollhouse.toml` (or of `rows` like it) on 127.0.0.1 and a free port. `held`: its button stays
    down, so that anybody may pair; `beat`: seconds between two bundles of events."""
    table = rows or tomllib.loads(Path(__file__).with_name("dollhouse.toml").read_text("utf-8"))
    house = House(table, beat, held)
    await house.open()
    return house
