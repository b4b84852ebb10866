"""WhatsApp's other side, simulated: Twilio's REST API v2010 for messages, its signed webhooks, and people's phones.

It misbehaves as Twilio does where it is told to (`wrongs`, `loose`). For tests, benchmarks, the demo. It knows nothing of Dobby.
"""

import asyncio
import base64
import json
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from .dollhouse_message import ACCOUNT as ACCOUNT, TOKEN as TOKEN, Message as Message, day, error, sign as sign

SENDER = "whatsapp:+14155238886"
WHO = "whatsapp:+4915100000001"  # whose phone it is
PUBLIC = "https://dobby.invalid"  # how Twilio would call Dobby; nobody is there, the fake knows where he really is
WINDOW = 24 * 3600
LONGEST = 1600
Check = Callable[[str, str, dict[str, list[str]], int, Any], None]


class Twilio:
    """The server. `webhook` is where messages go, `silent`: no state is told; `check` sees each request and answer.

    `wrongs` are played one per sent message: `429`, `500` (nothing was done), `lost` (it was done, the answer got lost), `cut`
    (nothing was done), `busy` (accepted, then 63018), `gone` (then 30003), `blind` (then 63019). `loose`: each webhook may
    come twice, late and out of order.
    """

    def __init__(self, *, seed: int = 1, check: Check = lambda method, path, sent, status, answer: None) -> None:
        self.messages: dict[str, Message] = {}
        self.webhook = ""
        self.public = ""  # what the signature is made over, where that is not where the webhook really is
        self.wrongs: deque[str] = deque()
        self.loose, self.silent, self.joined = False, False, True
        self.ahead = 0.0
        self.typed: list[str] = []  # under which messages somebody was shown typing
        self.url = ""
        self.refused: list[int] = []  # what the webhook answered when it did not take something
        self.templates = {"HX" + "1" * 32: "Dobby: {{1}} Reply to see more.", "HX" + "2" * 32: "{{1}}"}
        self.approved = "approved"  # what WhatsApp says of the templates
        self._check, self._chance, self._count = check, random.Random(seed), 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: dict[str, float] = {}
        self._news, self._version = asyncio.Event(), 0

    async def __aenter__(self) -> "Twilio":
        app, base = web.Application(client_max_size=2**20, middlewares=[self._watched]), f"/2010-04-01/Accounts/{ACCOUNT}"
        app.router.add_get(f"{base}.json", self._account)
        app.router.add_route("*", f"{base}/Messages.json", self._collection)
        app.router.add_get(base + "/Messages/{sid}.json", self._one)
        app.router.add_get(base + "/Messages/{sid}/Media.json", self._media)
        app.router.add_get(base + "/Messages/{sid}/Media/{number}", self._file)
        app.router.add_get("/v1/Content/{sid}/ApprovalRequests", self._approval)
        app.router.add_post("/v2/Indicators/Typing.json", self._typing)
        app.router.add_get("/stored/{sid}/{number}", self._stored)
        app.router.add_get("/", self._page)
        app.router.add_get("/phone", self._phone)
        app.router.add_post("/phone", self._typed)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
        return self

    async def __aexit__(self, *_: Any) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._http.close()
        await self._runner.cleanup()

    @property
    def busy(self) -> bool:
        """Something is on its way still."""
        return bool(self._tasks)

    def now(self) -> float:
        """The fake's clock, in seconds since 1970."""
        return time.time() + self.ahead

    def shown(self, person: str) -> list[Message]:
        """What a phone shows of what was sent to it."""
        return [one for one in self.messages.values() if one.to == person and one.status not in ("failed", "undelivered")]

    # The person's side

    async def write(self, person: str, body: str, *, sid: str = "", files: list[bytes] | None = None, **more: str) -> bool:
        """Somebody sends a message; did the webhook take it? Twilio does not deliver it a second time by itself."""
        message = self.keep(person, body, sid=sid, files=files)
        return await self.deliver(message, **more)

    def keep(self, person: str, body: str, *, to: str = SENDER, sid: str = "", files: list[bytes] | None = None) -> Message:
        """A message that came in, before the webhook hears of it."""
        kept = files or []
        sid = sid or self._sid()
        base = f"{self.url}/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media"
        media = [f"{base}/ME{number:032x}" for number in range(len(kept))]
        message = self.messages.setdefault(sid, Message(sid, to, person, body, True, self.now(), media, kept, "received"))
        self._heard[person] = self.now()
        self._turn()
        return message

    async def deliver(self, message: Message, **more: str) -> bool:
        """Tell the webhook of a message, in disorder where that is wished."""
        form = {
            "MessageSid": message.sid, "SmsMessageSid": message.sid, "AccountSid": ACCOUNT, "From": message.sender,
            "To": message.to, "Body": message.body, "NumMedia": str(len(message.media)), "ApiVersion": "2010-04-01",
            **{f"MediaUrl{number}": url for number, url in enumerate(message.media)}, **more,
        }  # fmt: skip
        if self.loose and self._chance.random() < 0.3:
            self._spawn(self._later(form))
        message.heard = await self.post(f"{self.webhook}/twilio/message", form) == 200 or message.heard
        self._turn()
        return message.heard

    async def _later(self, form: dict[str, str]) -> None:
        await asyncio.sleep(self._chance.random() * 0.2)
        await self.post(f"{self.webhook}/twilio/message", form)

    async def post(self, url: str, form: dict[str, str], *, signature: str = "") -> int:
        """A signed webhook; its status, 0 where nobody answered."""
        signed = url.replace(self.webhook, self.public or self.webhook, 1)
        headers = {"X-Twilio-Signature": signature or sign(signed, form), "I-Twilio-Idempotency-Token": self._sid()}
        try:
            async with self._http.post(url, data=form, headers=headers) as response:
                await response.read()
                if response.status >= 300:
                    self.refused.append(response.status)
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    # The API

    @web.middleware
    async def _watched(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Each request to the API with what was answered goes to `check`."""
        response: web.StreamResponse = await handler(request)
        if request.path.startswith("/2010-04-01/"):
            fields = await request.post() if request.method == "POST" else request.query
            sent = {name: [str(value) for value in fields.getall(name)] for name in fields}
            body = json.loads(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else None
            self._check(request.method, request.path, sent, response.status, body)
        return response

    async def _account(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return web.json_response({"sid": ACCOUNT, "friendly_name": "The dollhouse", "status": "active", "type": "Trial"})

    async def _collection(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return await self._create(request) if request.method == "POST" else self._list(request)

    async def _create(self, request: web.Request) -> web.Response:
        posted = await request.post()
        form = {name: [str(value) for value in posted.getall(name)] for name in posted}
        wrong = self.wrongs.popleft() if self.wrongs else ""
        if wrong == "cut" and request.transport is not None:
            request.transport.abort()
            return web.Response(status=500)
        if wrong in ("429", "500"):
            return error(
                int(wrong), 20429 if wrong == "429" else 20500, "Too many requests" if wrong == "429" else "Internal error"
            )
        one = {name: values[0] for name, values in form.items()}
        problem = self._problem(one)
        if problem:
            return error(400, *problem)
        message = self._accept(one, form.get("MediaUrl", []))
        self._spawn(self._carry(message, wrong))
        if wrong == "lost" and request.transport is not None:
            request.transport.abort()
        return web.json_response(message.row(), status=201)

    def _problem(self, form: dict[str, str]) -> tuple[int, str] | None:
        if not form.get("To", "").removeprefix("whatsapp:").lstrip("+").isdecimal():
            return 21211, "The 'To' number is not a valid phone number."
        if len(form.get("Body", "")) > LONGEST:
            return 21617, "The concatenated message body exceeds the 1600 character limit"
        if not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid")):
            return 21619, "A text message body or media urls must be specified."
        if form.get("ContentSid") and form["ContentSid"] not in self.templates:
            return 21655, "The ContentSid is invalid."
        return None

    def _accept(self, form: dict[str, str], media: list[str]) -> Message:
        body, template = form.get("Body", ""), form.get("ContentSid", "")
        values: dict[str, str] = json.loads(form.get("ContentVariables", "{}"))
        if template:
            body = self.templates[template].replace("{{1}}", values.get("1", ""))
        message = Message(self._sid(), form["To"], form["From"], body, False, self.now(), media)
        message.callback, message.template = form.get("StatusCallback", ""), template
        message.buttons = [values[key] for key in ("2", "3") if key in values]
        self.messages[message.sid] = message
        return message

    async def _carry(self, message: Message, wrong: str) -> None:
        """From Twilio to the phone: states one after the other, told late and out of order where that is wished."""
        code = {"busy": 63018, "gone": 30003, "blind": 63019}.get(wrong, 0)
        whatsapp = message.to.startswith("whatsapp:")
        if whatsapp and not self.joined:
            code = 63015
        free = not message.template or self.templates[message.template] == "{{1}}"
        if whatsapp and free and self.now() - self._heard.get(message.to, 0.0) > WINDOW:
            code = code or 63016
        for url in message.media:
            with suppress(aiohttp.ClientError, TimeoutError):
                reached = url.replace(self.public, self.webhook, 1) if self.public else url
                async with self._http.get(reached) as response:
                    if response.status == 200:
                        message.files.append(await response.read())
        if len(message.files) < len(message.media):
            code = code or 63019
        message.code = code or None
        states = ["sent", "failed"] if code else ["sent", "delivered", "read"]
        for state in states:
            message.status = state
            self._turn()
            self._spawn(self._tell(message, state))

    async def _tell(self, message: Message, state: str) -> None:
        if not message.callback or self.silent:
            return
        form = {
            "MessageSid": message.sid,
            "AccountSid": ACCOUNT,
            "From": message.sender,
            "To": message.to,
            "MessageStatus": state,
        }
        if message.code and state == "failed":
            form["ErrorCode"] = str(message.code)
        if self.loose:
            await asyncio.sleep(self._chance.random() * 0.2)
        url = message.callback.replace(self.public, self.webhook, 1) if self.public else message.callback
        for _ in range(2 if self.loose and self._chance.random() < 0.3 else 1):
            await self.post(url, form)

    async def _typing(self, request: web.Request) -> web.Response:
        self._authorise(request)
        form = await request.post()
        if form.get("channel") != "whatsapp" or form.get("messageId") not in self.messages:
            return error(400, 20001, "Invalid parameter")
        self.typed.append(str(form["messageId"]))
        return web.json_response({"success": True})

    async def _approval(self, request: web.Request) -> web.Response:
        self._authorise(request)
        sid = request.match_info["sid"]
        if sid not in self.templates:
            return error(404, 20404, "The requested resource was not found")
        return web.json_response({"sid": sid, "whatsapp": {"status": self.approved, "category": "UTILITY", "name": "dobby"}})

    def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        after = asked.get("DateSent>", "")
        rows = [
            one.row()
            for one in sorted(self.messages.values(), key=lambda one: -one.at)
            if asked.get("To", one.to) == one.to
            and asked.get("From", one.sender) == one.sender
            and (not after or (one.status != "queued" and day(one.at) >= after[:10]))
        ][: int(asked.get("PageSize", 50))]
        uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize=50&Page=0"
        ends = {"first_page_uri": uri, "next_page_uri": None, "previous_page_uri": None, "uri": uri}
        answer = {"messages": rows, "page": 0, "page_size": 50, "start": 0, "end": max(0, len(rows) - 1), **ends}
        return web.json_response(answer)

    async def _one(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return web.json_response(self._found(request).row())

    async def _media(self, request: web.Request) -> web.Response:
        self._authorise(request)
        message = self._found(request)
        rows = [{"sid": url.rpartition("/")[2], "uri": f"{url.removeprefix(self.url)}.json"} for url in message.media]
        return web.json_response({"media_list": rows, "page": 0, "page_size": 50, "next_page_uri": None})

    async def _file(self, request: web.Request) -> web.Response:
        self._authorise(request)
        number = int(request.match_info["number"][2:], 16)
        raise web.HTTPTemporaryRedirect(f"{self.url}/stored/{request.match_info['sid']}/{number}")

    async def _stored(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:  # credentials have no business here
            raise web.HTTPBadRequest
        return web.Response(body=self._found(request).files[int(request.match_info["number"])])

    def _found(self, request: web.Request) -> Message:
        try:
            return self.messages[request.match_info["sid"]]
        except KeyError as error:
            raise web.HTTPNotFound from error

    def _authorise(self, request: web.Request) -> None:
        right = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization", "") != f"Basic {right}":
            raise web.HTTPUnauthorized(text=json.dumps({"code": 20003, "message": "Authenticate", "status": 401}))

    # A phone to look at

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=Path(__file__).with_name("phone.html").read_text("utf-8"), content_type="text/html")

    async def _phone(self, request: web.Request) -> web.Response:
        """What this phone shows; where it is as the phone knows it (`If-None-Match`), waits a while for news."""
        person, wait = request.query.get("from", WHO), float(request.query.get("wait", "0"))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while request.headers.get("If-None-Match") == f'"{self._version}"':
                    await self._news.wait()
        version = self._version
        rows = [
            {"mine": one.inbound, "text": one.body, "status": one.status, "buttons": one.buttons, "sid": one.sid}
            | {"at": one.at, "heard": one.heard}
            | {"picture": f"data:image/jpeg;base64,{base64.b64encode(one.files[0]).decode()}" if one.files else ""}
            for one in self.messages.values()
            if person in (one.to, one.sender)
        ]
        return web.json_response(rows, headers={"ETag": f'"{version}"', "Cache-Control": "no-store"})

    def _turn(self) -> None:
        """Phones that look on see something new."""
        self._version += 1
        self._news.set()
        self._news = asyncio.Event()

    async def _typed(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        said = await request.json()
        text, button = str(said["text"])[:LONGEST], str(said.get("button", ""))
        pressed: dict[str, Any] = {"ButtonText": text, "OriginalRepliedMessageSid": button} if button else {}
        taken = await self.write(str(said.get("from", WHO)), text, **pressed)
        return web.json_response({"taken": taken})

    def _sid(self) -> str:
        self._count += 1
        return f"SM{self._count:08x}{self._chance.getrandbits(96):024x}"

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


BY_NAME_ONLY = True  # it is no device: the demo and the tests ask for it


class Phone:
    """The fake as a part of the dollhouse."""

    name = "whatsapp"

    def __init__(self, twilio: Twilio) -> None:
        self.twilio, self.url, self.token, self.number = twilio, twilio.url, TOKEN, WHO.partition(":")[2]
        self.config: dict[str, Any] = {"account": ACCOUNT, "number": SENDER.partition(":")[2], "api": twilio.url}
        self.config |= {"public_url": PUBLIC, "buttons": "HX" + "2" * 32, "port": 0}

    async def ring(self, port: int) -> None:
        """The webhook is at this port; somebody says hello."""
        self.twilio.webhook, self.twilio.public = f"http://127.0.0.1:{port}", PUBLIC
        await self.twilio.write(WHO, "hello")

    def truth(self, device: str) -> dict[str, Any]:
        """There are no devices here."""
        return {}

    async def aclose(self) -> None:
        """Hang up."""
        await self.twilio.__aexit__()


async def start() -> Phone:
    """A Twilio with a phone behind it."""
    twilio = await Twilio().__aenter__()
    twilio._heard[WHO] = twilio.now()  # a phone that somebody uses: what a house says at its own start still reaches it
    return Phone(twilio)
