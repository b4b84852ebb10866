"""Telegram by long polling, without a public address: updates become events, owed rows messages (core.telegram.org/bots/api).

An update is acknowledged only by the next poll, after its row is on the disk. Telegram cannot be asked whether a message
went out, so one in doubt is not repeated. It does not know who may come in (`people`) nor what a text means.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from telegram import (
    Bot,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    InputMediaVideo,
    Message,
    MessageReactionUpdated as Reacted,
    Update,
)
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError

from dobby.bridge import Hear
from dobby.bridge.provider import attachments
from dobby.clock import Clock
from dobby.errors import Refused, StoreError, Unreachable, Unsure
from dobby.events import Attachment, Event, EventKind, Location, Source
from dobby.journal import inbox, outbox, questions
from dobby.journal.outbox import OutboxRow
from dobby.people import People
from dobby.post import Words
from dobby.store import Store

log = logging.getLogger(__name__)
POLL = 50  # seconds one poll waits for news
LONGEST_PAUSE = 60.0  # seconds between polls while Telegram cannot be reached
TRIES = 3  # times one update is taken up before it is put aside
WANTED = ["message", "edited_message", "callback_query", "message_reaction"]
SPOKEN_TO = re.compile(r"^\s*(?:(?:hey|hi|hello|hallo|ok|okay)\s+)?dobby\b[\s,:!.?]*", re.IGNORECASE)


class Telegram(Words):
    """The bridge `telegram`: lane `telegram/<chat>`, in a group too; addresses are users' numbers. Set `hear` before `run`."""

    name = "telegram"
    repeats = False
    longest = 4096
    caption = 1024

    def __init__(
        self, store: Store, people: People, clock: Clock, folder: Path, token: str, *, api: str = "https://api.telegram.org"
    ) -> None:
        """`folder` is where files that come in are kept; `api` a Bot API server of one's own."""
        self._store, self._people, self._clock, self._folder = store, people, clock, folder
        base = api.rstrip("/")
        self._bot = Bot(token, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses, and the token is in them
        self._offset = 0
        self._tries: dict[int, int] = {}
        self._wait_until = 0.0
        self.username = ""
        self.trouble = ""
        self.hear: Hear | None = None

    async def aclose(self) -> None:
        """Hang up."""
        await self._bot.shutdown()

    # Coming in

    async def run(self) -> None:
        """Poll until cancelled; what is wrong meanwhile is in `trouble`, in words."""
        pause = 1.0
        while True:
            try:
                await self._poll()
                pause, self.trouble = 1.0, ""
            except StoreError as error:  # not kept, so not acknowledged
                self.trouble = str(error)
            except RetryAfter as error:
                pause, self.trouble = _seconds(error), "Telegram asks for a pause."
            except Conflict:
                pause, self.trouble = 15.0, "Another program polls Telegram with the same token; only one may."
            except InvalidToken:
                pause, self.trouble = LONGEST_PAUSE, "Telegram does not accept the token; `dobby telegram setup` takes a new one."
            except (TelegramError, OSError, TimeoutError) as error:
                self.trouble = f"Telegram cannot be reached: {type(error).__name__}."
            if self.trouble:
                log.warning("%s", self.trouble)
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _poll(self) -> None:
        if not self.username:
            await self._bot.initialize()
            await self._bot.delete_webhook()
            self.username = self._bot.username
        asked = {"offset": self._offset, "timeout": POLL, "allowed_updates": WANTED}
        # by the plain request, as one update that the library cannot read must not keep the others from being seen
        for row in await self._bot.do_api_request("GetUpdates", asked, read_timeout=POLL + 15):
            if row["update_id"] >= self._offset:
                await self._take(row)

    async def _take(self, row: dict[str, Any]) -> None:
        """One update into a row; one that cannot be taken up is put aside after a few tries, and logged."""
        number: int = row["update_id"]
        try:
            await self._hear(Update.de_json(row, self._bot))
        except StoreError:
            raise
        except Exception as error:  # one sick update must not hold up the others
            self._tries[number] = self._tries.get(number, 0) + 1
            if self._tries[number] < TRIES:
                raise TimeoutError from error
            log.exception("Update %d is put aside", number)
        self._tries.pop(number, None)
        self._offset = number + 1

    async def _hear(self, update: Update) -> None:
        if update.message is not None:
            await self._message(update.message)
        elif update.edited_message is not None:
            await self._edited(update.edited_message)
        elif update.callback_query is not None:
            await self._pressed(update.callback_query)
        elif update.message_reaction is not None:
            await self._reacted(update.message_reaction)

    async def _message(self, message: Message) -> None:
        source = self._source(message)
        if source is None:
            return
        files = await self._files(message) if source.role.rank else ()
        place = message.location
        kind = attachments.kind_of(files[0]) if files else EventKind.LOCATION if place else EventKind.TEXT
        event = Event(
            _key(message),
            source,
            EventKind.TEXT if kind is EventKind.ATTACHMENT and _words(message) else kind,
            text=self._said(message),
            attachments=files,
            location=Location(place.latitude, place.longitude, place.horizontal_accuracy or 0.0) if place else None,
            refers=await self._refers(source, message.reply_to_message),
            tainted=("text",) if message.forward_origin is not None else (),
            sent=message.date.timestamp(),
        )
        await self._heard(event)

    async def _edited(self, message: Message) -> None:
        """Words that were changed afterwards; a live location or a link's preview is no change of words."""
        source, said = self._source(message), self._said(message)
        known = await self._store.read(lambda db: inbox.text_of(db, _key(message)))
        if source is not None and said and known is not None and known != said:
            key = f"{_key(message)}:edit:{message.edit_date.timestamp() if message.edit_date else 0:.0f}"
            await self._heard(Event(key, source, EventKind.EDIT, text=said, refers=_key(message)))

    async def _pressed(self, query: CallbackQuery) -> None:
        """A button: the words on it, as the answer to the question it was put under."""
        number, _, index = (query.data or "").partition(":")
        row = await self._store.read(lambda db: outbox.get(db, int(number))) if number.isdecimal() else None
        chat = str(query.message.chat.id) if query.message else ""
        fits = (
            row is not None and row.reply.lane == f"telegram/{chat}" and index.isdecimal() and int(index) < len(row.reply.options)
        )
        if row is not None and fits:
            source = self._people.source(self.name, chat, str(query.from_user.id))
            refers = f"question:{row.reply.question}" if row.reply.question else f"outbox:{row.id}"
            if source.role.rank:
                await self._heard(Event(f"telegram:button:{query.id}", source, text=row.reply.options[int(index)], refers=refers))
        with suppress(TelegramError):  # the row is kept; what is shown at the button is a courtesy
            await self._bot.answer_callback_query(query.id)
            if fits and isinstance(query.message, Message) and query.message.chat.type == "private":
                await self._bot.edit_message_reply_markup(chat, query.message.message_id)

    async def _reacted(self, update: Reacted) -> None:
        chat, who = str(update.chat.id), str(update.user.id) if update.user else ""
        source = self._people.source(self.name, chat, who)
        emoji = next((str(getattr(one, "emoji", "")) for one in update.new_reaction), "")
        if source.role.rank and emoji:
            key = f"telegram:{chat}:{update.message_id}:reaction:{who}:{update.date.timestamp():.0f}"
            row = await self._store.read(lambda db: outbox.of_provider(db, source.lane, str(update.message_id)))
            refers = f"outbox:{row.id}" if row else f"telegram:{chat}:{update.message_id}"
            await self._heard(Event(key, source, EventKind.REACTION, reaction=emoji, refers=refers))

    async def _heard(self, event: Event) -> None:
        assert self.hear is not None
        await self.hear(event)

    def _source(self, message: Message) -> Source | None:
        """Who writes; None for what is not for Dobby: a group where nobody spoke to him, or a stranger in one."""
        chat, who = str(message.chat.id), str(message.from_user.id) if message.from_user else ""
        if message.chat.type == "private":
            return self._people.source(self.name, chat, who)
        source = self._people.source(self.name, chat, who)
        return source if source.role.rank and self._spoken_to(message) else None

    def _spoken_to(self, message: Message) -> bool:
        replied = message.reply_to_message
        mine = replied is not None and replied.from_user is not None and replied.from_user.id == self._bot.id
        words = _words(message)
        return mine or bool(SPOKEN_TO.match(words)) or f"@{self.username}".casefold() in words.casefold()

    def _said(self, message: Message) -> str:
        """The words without what only says whom they are for; a pairing link's code."""
        words = re.sub(rf"^/start(?:@{re.escape(self.username)})?\b", "", _words(message)).strip()
        words = re.sub(rf"@{re.escape(self.username)}\b", "", words, flags=re.IGNORECASE).strip()
        if message.chat.type != "private":
            words = SPOKEN_TO.sub("", words) or words
        return words or ("hello" if _words(message) else "")

    async def _files(self, message: Message) -> tuple[Attachment, ...]:
        """What came along, kept; what cannot be is left out, and the words go on without it."""
        found = (message.photo[-1] if message.photo else None) or message.voice or message.audio or message.document
        if found is None:
            return ()
        try:
            file = await self._bot.get_file(found.file_id)
            if (file.file_size or found.file_size or 0) > attachments.LARGEST:
                raise Refused("That file is too large.")
            data = bytes(await file.download_as_bytearray())
            return (await attachments.keep(self._folder, _key(message), data),)
        except (Refused, BadRequest) as error:
            log.info("A file is left out: %s", error)
            return ()

    async def _refers(self, source: Source, replied: Message | None) -> str:
        if replied is None:
            return ""
        row = await self._store.read(lambda db: outbox.of_provider(db, source.lane, str(replied.message_id)))
        return _about(row) if row else ""

    # Going out

    async def send(self, row: OutboxRow) -> str:
        """One message, with its picture and its buttons; the message's number in its chat."""
        chat, reply = row.reply.lane.partition("/")[2], row.reply
        with self._told():
            if reply.picture and (picture := Path(reply.picture)).is_file():
                send = self._bot.send_video if picture.suffix == ".mp4" else self._bot.send_photo
                sent = await send(chat, picture, caption=reply.text, reply_markup=_buttons(row))
            else:
                sent = await self._bot.send_message(chat, reply.text, reply_markup=_buttons(row))
        return str(sent.message_id)

    async def look_up(self, row: OutboxRow) -> bool | None:
        """Telegram has no list of what a bot has sent."""
        return None

    async def edit(self, row: OutboxRow) -> bool:
        """New words, or a new picture with its caption, in place."""
        chat, reply, number = row.reply.lane.partition("/")[2], row.reply, int(row.provider)
        question = await self._store.read(lambda db: questions.find(db, reply.question))
        buttons = _buttons(row) if question is None or question.state == "open" else None
        with self._told():
            if reply.picture and (picture := Path(reply.picture)).is_file():
                kind = InputMediaVideo if picture.suffix == ".mp4" else InputMediaPhoto
                media = kind(picture.read_bytes(), caption=reply.text)
                await self._bot.edit_message_media(media, chat, number, reply_markup=buttons)
            else:
                await self._bot.edit_message_text(reply.text, chat, number, reply_markup=buttons)
        return True

    async def typing(self, chat: str) -> None:
        """ "Dobby is typing" for a few seconds."""
        await self._bot.send_chat_action(chat, "typing")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The library's errors as what is known about an attempt."""
        if self._clock.now() < self._wait_until:
            raise Unreachable("Telegram asks for a pause.")
        try:
            yield
        except RetryAfter as error:
            self._wait_until = self._clock.now() + _seconds(error)
            raise Unreachable(f"Telegram asks to wait {_seconds(error):.0f} seconds.") from error
        except (BadRequest, Forbidden, InvalidToken) as error:
            if "not modified" not in error.message:  # what it should show it shows
                raise Refused(f"Telegram: {error.message}") from error
        except NetworkError as error:
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
                raise Unreachable("Telegram cannot be reached.") from error
            raise Unsure("Telegram did not answer.") from error


async def name_of(token: str, api: str) -> str:
    """What the bot with this token is called.

    :raises Refused: it is none.
    """
    try:
        async with Bot(token, base_url=f"{api.rstrip('/')}/bot") as bot:
            return str(bot.username)
    except TelegramError as error:
        raise Refused(f"Telegram does not take that token: {error.message}.") from error


def _seconds(error: RetryAfter) -> float:
    after = error.retry_after
    return after if isinstance(after, int | float) else after.total_seconds()


def _key(message: Message) -> str:
    """A message's number is its own in its chat for ever; an update's is not (it may start anew after a quiet week)."""
    return f"telegram:{message.chat.id}:{message.message_id}"


def _about(row: OutboxRow) -> str:
    """What a reply to this message is about: the question it put, else just the message."""
    return f"question:{row.reply.question}" if row.reply.question else f"outbox:{row.id}"


def _words(message: Message) -> str:
    return message.text or message.caption or ""


def _buttons(row: OutboxRow) -> InlineKeyboardMarkup | None:
    """Quick replies: short ones beside each other, longer ones below each other (a button's data may have 64 bytes)."""
    options = [InlineKeyboardButton(text=text, callback_data=f"{row.id}:{at}") for at, text in enumerate(row.reply.options)]
    if not options:
        return None
    short = all(len(text) <= 12 for text in row.reply.options)
    return InlineKeyboardMarkup(inline_keyboard=[options] if short else [[option] for option in options])
