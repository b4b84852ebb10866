"""The one public listener: Twilio's messages and states in, pictures out; any other path, and anything unsigned, is nothing.

The signature is checked over the configured public address, never over what a header claims; being on this machine lets
nobody in. It does not know what a text means.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hmac import compare_digest
from pathlib import Path

from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from dobby.bridge.provider.account import Account, Secrets
from dobby.bridge.provider.whatsapp import SETTLE, STATES, Moved, Twilio
from dobby.clock import Clock
from dobby.config import TwilioConfig
from dobby.errors import StoreError
from dobby.journal import outbox
from dobby.people import People
from dobby.store import Store

log = logging.getLogger(__name__)
LARGEST = 64 * 1024  # bytes of a request; Twilio's have a few
MOST_FILES = 10
PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4"}
EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def open_senders(
    store: Store,
    people: People,
    clock: Clock,
    folder: Path,
    config: TwilioConfig,
    secrets: Secrets,
    moved: Moved,
    *,
    settle: float = SETTLE,
) -> list[Twilio]:
    """Every sender that the config names; the first one opens the webhook, where there is a public address."""
    account = Account(config.account, secrets, config.api)
    named = [name for name, number in (("whatsapp", config.number), ("sms", config.sms)) if number]
    senders = [Twilio(name, store, people, clock, folder, account, config, moved, settle=settle) for name in named]
    if senders and config.public_url:
        senders[0].door = Webhook(store, config, account, senders)
    return senders


class Webhook:
    """Listens for all senders of an account."""

    def __init__(self, store: Store, config: TwilioConfig, account: Account, senders: Sequence[Twilio]) -> None:
        self._store, self._config, self._account = store, config, account
        self._senders = {sender.sender: sender for sender in senders}
        self._bridges: Mapping[str, Twilio] = {sender.name: sender for sender in senders}
        self._runner: web.AppRunner | None = None
        self.port = config.port

    async def open(self) -> None:
        """Listen; with port 0, `port` says afterwards which one it became.

        :raises OSError: somebody else does.
        """
        await self._account.make_key()
        app = web.Application(client_max_size=LARGEST, middlewares=[_quiet])
        app.router.add_post("/twilio/message", self._message)
        app.router.add_post("/twilio/status/{row:[0-9]{1,15}}", self._status)
        app.router.add_get("/twilio/picture/{name:[0-9a-z.]{1,80}}", self._picture)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._config.host, self._config.port).start()
        self.port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Close the door."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _signed(self, request: web.Request) -> MultiDict[str]:
        """The form, if Twilio signed it: HMAC-SHA1 over the public address and the fields, and nothing a header chooses."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType
        try:
            form = MultiDict((name, str(value)) for name, value in (await request.post()).items())
        except (ValueError, LookupError) as error:
            raise web.HTTPBadRequest from error
        url = f"{self._config.public_url.rstrip('/')}{request.raw_path}"
        signature = request.headers.get("X-Twilio-Signature", "")
        token = self._account.token
        try:
            good = bool(token and signature and signature.isascii() and _fits(RequestValidator(token), url, form, signature))
        except (ValueError, UnicodeError):
            good = False
        if not good or form.get("AccountSid") != self._config.account:
            log.warning("An unsigned request to the webhook was turned away")
            raise web.HTTPForbidden
        return form

    async def _message(self, request: web.Request) -> web.Response:
        """A message: 200 only when its row is on the disk; the same SID again is the same message."""
        form = await self._signed(request)
        sender, sid = self._senders.get(form.get("To", "")), form.get("MessageSid", "")
        if sender is None or not sid.isalnum() or not form.get("From"):
            raise web.HTTPForbidden
        count = min(int(form["NumMedia"]), MOST_FILES) if form.get("NumMedia", "").isdecimal() else 0
        files = [form[f"MediaUrl{number}"] for number in range(count) if f"MediaUrl{number}" in form]
        try:
            await sender.take(sid, form["From"], form, files)
        except StoreError as error:
            log.warning("A message was not taken: %s", error)
            raise web.HTTPServiceUnavailable from error
        return web.Response(text=EMPTY, content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        """How far a message has come; states come in any order, and the row goes only forward."""
        form = await self._signed(request)
        number, status = int(request.match_info["row"]), form.get("MessageStatus", "")
        row = await self._store.read(lambda db: outbox.get(db, number))
        name, _, chat = row.reply.lane.partition("/") if row else ("", "", "")
        sid = form.get("MessageSid", "")
        if row is None or status not in STATES or name not in self._bridges or row.provider not in ("", sid):
            raise web.HTTPNotFound
        if form.get("To", "").removeprefix("whatsapp:") != chat:
            raise web.HTTPForbidden
        try:
            await self._bridges[name].learn(row, sid, status, form.get("ErrorCode", ""))
        except StoreError as error:
            raise web.HTTPServiceUnavailable from error
        return web.Response(status=204)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        """The picture of one message, for whoever has its address, while that lasts."""
        number, until, signature, suffix = [*request.match_info["name"].split("."), "", "", "", ""][:4]
        fits = number.isdecimal() and until.isdecimal() and len(number) < 16 and time.time() < int(until[:12])
        if not fits or not compare_digest(self._account.sign(int(number), int(until)), signature):
            raise web.HTTPNotFound
        row = await self._store.read(lambda db: outbox.get(db, int(number)))
        media, path = PICTURES.get(f".{suffix}"), Path(row.reply.picture) if row and row.reply.picture else None
        if media is None or path is None or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": media, "Cache-Control": "no-store"})


def _fits(ours: RequestValidator, url: str, form: MultiDict[str], signature: str) -> bool:
    """Over the address as it is first, which is nearly always right; the library tries it with and without a port too."""
    return compare_digest(ours.compute_signature(url, form), signature) or ours.validate(url, form, signature)


@web.middleware
async def _quiet(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Whoever should not be here learns nothing, not even what listens."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        response = web.Response(status=error.status)
    response.headers["Server"] = ""
    return response
