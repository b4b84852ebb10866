"""A Bot API server on loopback, as https://core.telegram.org/bots/api describes it, that can misbehave as Telegram does.

It keeps what each chat shows. `wrongs` are played one per call of the method they name: `429`, `502`, `cut` (nothing was
done), `lost` (it was done, and the answer got lost), `400`, `403`.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "4242:TEST-token_of_nobody"
BOT = {"id": 4242, "is_bot": True, "first_name": "Dobby", "username": "dobby_test_bot"}
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64
WORDS = {"400": "Bad Request: no", "403": "Forbidden: bot was blocked by the user", "502": "Bad Gateway"}
LIMITS = {"text": 4096, "caption": 1024}


@dataclass
class Shown:
    """A message as a chat shows it."""

    number: int
    text: str
    photo: bytes = b""
    buttons: list[list[dict[str, str]]] = field(default_factory=list)
    edits: int = 0


class BotApi:
    """The server and its chats; `async with` starts and ends it."""

    def __init__(self) -> None:
        self.chats: dict[int, list[Shown]] = {}
        self.calls: list[str] = []
        self.wrongs: deque[tuple[str, str]] = deque()
        self.updates: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {"photo": JPEG, "voice": b"OggS" + b"\0" * 32}
        self.answered: list[str] = []
        self.acknowledged = 0
        self.twice = False  # every update is given out again, as after a lost acknowledgement
        self.url = ""
        self._number = 100
        self._news = asyncio.Event()
        self._poll = 0

    async def __aenter__(self) -> "BotApi":
        app = web.Application(client_max_size=20 * 2**20)
        app.router.add_route("*", f"/bot{TOKEN}/{{method}}", self._call)
        app.router.add_get(f"/file/bot{TOKEN}/{{path:.+}}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._news.set()
        await self._runner.cleanup()

    # The person's side

    def write(self, user: int, text: str = "", *, chat: int = 0, number: int = 0, **more: Any) -> int:
        """Somebody sends a message; its number in the chat."""
        message = self._message(user, chat or user, number) | ({"text": text} if text else {}) | more
        self._push({"message": message})
        return int(message["message_id"])

    def rewrite(self, user: int, number: int, text: str) -> None:
        """Somebody changes what they wrote."""
        self._push({"edited_message": self._message(user, user, number) | {"text": text, "edit_date": 1700000100}})

    def press(self, user: int, shown: Shown, label: str, *, chat: int = 0) -> None:
        """Somebody presses a button."""
        data = next(button["callback_data"] for row in shown.buttons for button in row if button["text"] == label)
        message = self._message(BOT["id"], chat or user, shown.number)
        query = {"id": f"q{self._next()}", "from": _user(user), "message": message, "chat_instance": "1", "data": data}
        self._push({"callback_query": query})

    def react(self, user: int, number: int, emoji: str) -> None:
        """Somebody puts an emoji to a message."""
        new = [{"type": "emoji", "emoji": emoji}]
        chat = {"id": user, "type": "private"}
        what = {
            "chat": chat,
            "message_id": number,
            "user": _user(user),
            "date": 1700000000,
            "old_reaction": [],
            "new_reaction": new,
        }
        self._push({"message_reaction": what})

    def photo(self, kind: str = "photo") -> dict[str, Any]:
        """What a message with a file says."""
        one = {"file_id": kind, "file_unique_id": kind}
        return {"photo": [one | {"width": 1, "height": 1}]} if kind == "photo" else {"voice": one | {"duration": 1}}

    def _message(self, user: int, chat: int, number: int) -> dict[str, Any]:
        place = {"id": chat, "type": "private"} if chat > 0 else {"id": chat, "type": "group", "title": "Family"}
        return {"message_id": number or self._next(), "date": 1700000000, "chat": place, "from": _user(user)}

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _push(self, update: dict[str, Any]) -> None:
        self.updates.append({"update_id": 1000 + self._next(), **update})
        self._news.set()

    # The bot's side

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"][:1].lower() + request.match_info["method"][1:]
        form = dict(await request.post())
        self.calls.append(method)
        wrong = self.wrongs.popleft()[1] if self.wrongs and self.wrongs[0][0] == method else ""
        if wrong == "cut":
            assert request.transport is not None
            request.transport.abort()
            return _error(500, "nobody reads this")
        if wrong == "429":
            return _error(429, "Too Many Requests: retry after 1", retry_after=1)
        if wrong.isdecimal():
            return _error(int(wrong), WORDS[wrong])
        answer = await self._methods(method, form)
        if wrong == "lost":
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _methods(self, method: str, form: dict[str, Any]) -> web.StreamResponse:
        if method == "getUpdates":
            return await self._get_updates(form)
        if method == "getMe":
            return _ok(BOT)
        if method == "getFile":
            return _ok({"file_id": form["file_id"], "file_unique_id": "u", "file_path": f"{form['file_id']}.bin"})
        if method in ("sendMessage", "sendPhoto", "sendVideo"):
            return self._send(form)
        if method.startswith("editMessage"):
            return self._edit(method, form)
        if method == "answerCallbackQuery":
            self.answered.append(form["callback_query_id"])
        return _ok(True)

    async def _get_updates(self, form: dict[str, Any]) -> web.StreamResponse:
        self._poll += 1
        mine, offset = self._poll, int(form.get("offset", 0))
        self._news.set()  # whoever polled before is sent away
        self.acknowledged = max(self.acknowledged, offset)
        if not self.twice:
            self.updates = [update for update in self.updates if update["update_id"] >= offset]
        try:
            async with asyncio.timeout(min(float(form.get("timeout", 0)), 20)):
                while not self.updates and mine == self._poll:
                    self._news.clear()
                    await self._news.wait()
                    await asyncio.sleep(0)
        except TimeoutError:
            pass
        if mine != self._poll:
            return _error(409, "Conflict: terminated by other getUpdates request")
        return _ok(self.updates[: int(form.get("limit", 100))])

    def _send(self, form: dict[str, Any]) -> web.StreamResponse:
        chat, kind = int(form["chat_id"]), "caption" if "photo" in form else "text"
        text = str(form.get(kind, ""))
        if len(text) > LIMITS[kind]:
            return _error(400, "Bad Request: message is too long")
        shown = Shown(self._next(), text)
        if "photo" in form:
            shown.photo = form["photo"].file.read()
        shown.buttons = json.loads(form["reply_markup"])["inline_keyboard"] if "reply_markup" in form else []
        self.chats.setdefault(chat, []).append(shown)
        return _ok(self._message(BOT["id"], chat, shown.number) | {kind: text})

    def _edit(self, method: str, form: dict[str, Any]) -> web.StreamResponse:
        chat, number = int(form["chat_id"]), int(form["message_id"])
        shown = next(one for one in self.chats[chat] if one.number == number)
        text = form.get("text", json.loads(form["media"])["caption"] if "media" in form else shown.text)
        markup = json.loads(form["reply_markup"])["inline_keyboard"] if "reply_markup" in form else []
        if (text, markup) == (shown.text, shown.buttons) and "media" not in form:
            return _error(400, "Bad Request: message is not modified")
        shown.text, shown.buttons, shown.edits = text, markup, shown.edits + 1
        if "media" in form:
            upload = form[json.loads(form["media"])["media"].removeprefix("attach://")]
            shown.photo = upload.file.read()
        return _ok(self._message(BOT["id"], chat, number) | {"text": text})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.files[request.match_info["path"].removesuffix(".bin")])


def _user(number: int) -> dict[str, Any]:
    return BOT if number == BOT["id"] else {"id": number, "is_bot": False, "first_name": f"User {number}"}


def _ok(result: Any) -> web.StreamResponse:
    return web.json_response({"ok": True, "result": result})


def _error(code: int, words: str, **parameters: int) -> web.StreamResponse:
    more = {"parameters": parameters} if parameters else {}
    return web.json_response({"ok": False, "error_code": code, "description": words, **more}, status=code)
