"""A camera over a driveway, on loopback: ONVIF (found, asked, its events pulled), RTSP main and sub stream, MJPEG and a still.

What it sees is `scene.py`, drawn; its day begins when somebody first looks. It does not know Dobby.
"""

import asyncio
import contextlib
import hmac
import re
import socket
import time
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from aiohttp import BasicAuth, web

from . import dollhouse_soap as soap, scene
from .dollhouse_rtsp import Film, Rtsp

BY_NAME_ONLY = True  # wants the extra dobby[eyes], and draws all day long
GROUP = ("239.255.255.250", 3702)
MAIN, SUB = (1280, 720), (640, 360)
BEAT = 0.2  # seconds between looks whether something moves
PULLS = 20.0  # seconds a pull waits at most


@dataclass(eq=False)
class Subscription:
    """Somebody who pulls events: what they have not heard yet."""

    events: "asyncio.Queue[tuple[str, str, bool]]"


class Camera:
    """One camera: `script` is its day. `trouble` breaks the HTTP side: `silence`, `garbage`, `fault`."""

    def __init__(self, host: str, name: str, script: scene.Script, *, user: str, password: str, port: int, speed: float) -> None:
        self.host, self.name, self.script, self.speed = host, name, script, speed
        self.user, self.password, self.port, self.rtsp_port = user, password, port, 0
        self.serial = uuid5(NAMESPACE_DNS, f"dollhouse-{name}").hex[:12].upper()
        self.trouble = ""
        self._begun: float | None = None
        self.films = [Film("sub", SUB, 15, self._draw), Film("main", MAIN, 10, self._draw)]
        self.rtsp = Rtsp(host, self.films, user=user, password=password, played=self.begin)
        self.subscriptions: dict[str, Subscription] = {}
        self.moves = False
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None

    # Time

    def begin(self) -> None:
        """The day begins, once."""
        if self._begun is None:
            self._begun = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds into the script."""
        return 0.0 if self._begun is None else (time.monotonic() - self._begun) * self.speed

    def at(self, seconds: float) -> None:
        """Go to a moment of the script."""
        self._begun = time.monotonic() - seconds / self.speed

    def _draw(self, size: tuple[int, int]) -> Any:
        return scene.frame(self.script, self.now, size)

    def jpeg(self, size: tuple[int, int] = MAIN) -> bytes:
        """The picture of this moment."""
        import cv2

        return bytes(cv2.imencode(".jpg", self._draw(size), [cv2.IMWRITE_JPEG_QUALITY, 85])[1])

    # Network

    async def open(self) -> None:
        """Answer on HTTP and RTSP."""
        app = web.Application()
        app.router.add_post("/onvif/{service}", self._soap)
        app.router.add_get("/snapshot.jpg", self._still)
        app.router.add_get("/video.mjpeg", self._mjpeg)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        self.rtsp_port = await self.rtsp.open(self.rtsp_port)
        self._task = asyncio.create_task(self._sense())

    async def aclose(self) -> None:
        """Pull the plug; its ports stay its own."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.subscriptions.clear()
        await self.rtsp.aclose()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where its services are."""
        return f"http://{self.host}:{self.port}"

    def stream(self, path: str) -> str:
        """A stream's URL, without the password."""
        return f"rtsp://{self.host}:{self.rtsp_port}/{path}"

    # Events: it says itself when something moves, and when the bell is pressed

    async def _sense(self) -> None:
        pressed = {act for act in self.script.acts if act.what == "ring"}
        while True:
            await asyncio.sleep(BEAT)
            now = self.now
            moves = any(
                (where := scene.place(act, now)) is not None and where[3] for act in self.script.acts if act.what in scene.KINDS
            )
            if moves is not self.moves:
                self.moves = moves
                self._tell(soap.MOTION, "IsMotion", moves)
            for act in [act for act in pressed if act.at <= now]:
                pressed.discard(act)
                self.press()

    def press(self) -> None:
        """Somebody presses the bell's button."""
        self._tell(soap.VISITOR, "State", True)
        self._tell(soap.VISITOR, "State", False)

    def _tell(self, topic: str, item: str, value: bool) -> None:
        for subscription in self.subscriptions.values():
            subscription.events.put_nowait((topic, item, value))

    # HTTP

    def _known(self, request: web.Request) -> bool:
        if not self.password:
            return True
        with contextlib.suppress(ValueError):
            said = BasicAuth.decode(request.headers.get("Authorization", ""))
            return said.login == self.user and hmac.compare_digest(said.password, self.password)
        return False

    async def _still(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="camera"'})
        self.begin()
        if self.trouble == "garbage":
            return web.Response(body=b"\xff\xd8 no picture", content_type="image/jpeg")
        return web.Response(body=await asyncio.to_thread(self.jpeg), content_type="image/jpeg")

    async def _mjpeg(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="camera"'})
        self.begin()
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                jpeg = await asyncio.to_thread(self.jpeg, SUB)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                await response.write(head.encode() + jpeg + b"\r\n")
                await asyncio.sleep(0.1)
        return response

    async def _soap(self, request: web.Request) -> web.Response:
        if self.trouble == "silence":
            await asyncio.sleep(3600)
        if self.trouble == "garbage":
            return web.Response(body=b"<oops>\x00\xff", content_type="application/soap+xml")
        text = await request.text()
        body = re.search(r"<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)", text)
        verb = body[1] if body else ""
        if self.trouble == "fault":
            return soap.fault("ter:Action", "Something is wrong")
        if verb != "GetSystemDateAndTime" and self.password and not soap.signed(text, self.user, self.password):
            return soap.fault("ter:NotAuthorized", "Sender not authorized", 400)
        if verb == "PullMessages":
            return await self._pull(request)
        if verb == "CreatePullPointSubscription":
            number = f"s{len(self.subscriptions) + 1}-{time.monotonic_ns()}"
            self.subscriptions[number] = Subscription(asyncio.Queue(100))
            return soap.answer(verb, soap.subscribed(f"{self.url}/onvif/{number}"))
        if verb in ("Renew", "Unsubscribe"):
            return self._subscribed(request.match_info["service"], verb)
        if verb not in soap.ANSWERS:
            return soap.fault("ter:ActionNotSupported", f"{verb} is not supported")
        token = re.search(r"ProfileToken>(\w+)<", text)
        return soap.answer(verb, soap.ANSWERS[verb](self, token[1] if token else ""))

    def _subscribed(self, number: str, verb: str) -> web.Response:
        if number not in self.subscriptions:
            return soap.fault("wsrf-rw:ResourceUnknown", "There is no such subscription")
        if verb == "Unsubscribe":
            del self.subscriptions[number]
        return soap.answer(verb, soap.renewed() if verb == "Renew" else "")

    async def _pull(self, request: web.Request) -> web.Response:
        subscription = self.subscriptions.get(request.match_info["service"])
        if subscription is None:
            return soap.fault("wsrf-rw:ResourceUnknown", "There is no such subscription")
        told = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULLS):
                told.append(await subscription.events.get())
        while not subscription.events.empty():
            told.append(subscription.events.get_nowait())
        return soap.answer("PullMessages", soap.messages(told))


class _Discovery(asyncio.DatagramProtocol):
    """Answers WS-Discovery probes for every camera, from its own address."""

    def __init__(self, street: "Street") -> None:
        self.street = street

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        """OASIS WS-Discovery 1.0, section 5."""
        text = data.decode("utf-8", "replace")
        asked = re.search(r"MessageID[^>]*>([^<]+)<", text)
        if "ProbeMatch" not in text and "Probe" in text and asked:
            for camera in self.street.cameras.values():
                self.street.voices[camera.name].sendto(soap.matched(camera, asked[1]).encode(), sender)


class Street:
    """All cameras of a dollhouse. `config` leads Dobby to them without multicast; `truth` is what stands in the script."""

    name = "camera"

    def __init__(self, cameras: list[Camera]) -> None:
        self.cameras = {camera.name: camera for camera in cameras}
        self.voices: dict[str, asyncio.DatagramTransport] = {}

    @property
    def config(self) -> dict[str, object]:
        """What to put under `[skills.camera]`."""
        return {"at": [f"{camera.host}:{camera.port}" for camera in self.cameras.values()]}

    def truth(self, device: str) -> dict[str, object]:
        """Does something move before this camera, by its name or Dobby's id."""
        wanted = device.removeprefix("camera.")
        camera = next(each for each in self.cameras.values() if wanted in (each.name, each.serial.lower()))
        return {"motion": camera.moves}

    def at(self, seconds: float) -> None:
        """Go to a moment of every script."""
        for camera in self.cameras.values():
            camera.at(seconds)

    async def open(self, discovery: bool) -> None:
        """Plug all in."""
        for camera in self.cameras.values():
            await camera.open()
        if discovery:
            for camera in self.cameras.values():
                self.voices[camera.name] = await self._listen(camera.host, 0)
            self.voices[""] = await self._listen(*GROUP)

    async def _listen(self, address: str, port: int) -> asyncio.DatagramTransport:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((address, port))
        if address == GROUP[0]:
            group = socket.inet_aton(GROUP[0]) + socket.inet_aton("127.0.0.1")
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Discovery(self), sock=sock)
        return transport

    async def aclose(self) -> None:
        """Pull every plug."""
        for transport in self.voices.values():
            transport.close()
        await asyncio.gather(*(camera.aclose() for camera in self.cameras.values()))


async def start(
    *,
    prefix: str = "127.77.0",
    scripts: dict[str, str | scene.Script] | None = None,
    user: str = "admin",
    password: str = "",
    port: int = 8899,
    speed: float = 1.0,
    wsd: bool = True,
) -> Street:
    """Cameras by name, each with its script (the name of a shipped one, or a `Script`), at `prefix`.61 and up."""
    import cv2  # noqa: F401  what is missing is said at once

    wanted = scripts or {"Driveway": "demo"}
    days = {name: day if isinstance(day, scene.Script) else scene.load(day) for name, day in wanted.items()}
    street = Street(
        [
            Camera(f"{prefix}.{61 + number}", name, day, user=user, password=password, port=port, speed=speed)
            for number, (name, day) in enumerate(days.items())
        ]
    )
    try:
        await street.open(wsd)
    except BaseException:
        await street.aclose()
        raise
    return street
