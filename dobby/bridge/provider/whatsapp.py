"""WhatsApp and SMS through Twilio: owed rows become messages, within the 24 hours or as the approved template; what was
missed while Dobby was away is listed and taken in.

After a crash in the middle of a send Twilio's list decides whether it went out. It does not know the public side (`webhook`).
"""

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dobby.bridge import Hear, worded
from dobby.bridge.provider import attachments
from dobby.bridge.provider.account import Account, Listed, codes, says
from dobby.clock import Clock
from dobby.config import TwilioConfig
from dobby.errors import DobbyError, Refused, StoreError, Unreachable
from dobby.events import Attachment, Event, EventKind, OutboxState
from dobby.journal import household, inbox, outbox
from dobby.journal.outbox import OutboxRow
from dobby.people import People
from dobby.post import Words
from dobby.store import Store

log = logging.getLogger(__name__)
WINDOW = 24 * 3600 - 300  # seconds after a person's last message in which free words may be sent; some for the way
SETTLE = 20.0  # seconds after which a message that Twilio took is surely in its list
BACKFILL = 300.0  # seconds between looks for what no webhook brought
ALONE = 20.0  # the same, where there is no public address and looking is the only way in
PICTURE_SECONDS = 600  # a picture can be fetched for so long
PACE = (30, 180.0)  # messages to one person in so many seconds; WhatsApp allows one in six, and a few dozen at once
LONGEST_VARIABLE = 900  # characters of a template's words
UNTOLD = 24 * 3600.0  # seconds in which Twilio is asked what became of a message, where no callback has said so
FILE_SECONDS = 8.0  # a webhook waits so long for its files
Moved = Callable[..., Awaitable[bool]]


class Door(Protocol):
    """What lets messages in (`webhook`)."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


class Twilio(Words):
    """One sender of the account: the bridge `whatsapp` or `sms`. Lanes are `whatsapp/+49…`, addresses E.164 numbers."""

    repeats = False
    longest = 1500  # Twilio takes 1,600; quick replies in words come on top

    def __init__(
        self,
        name: str,
        store: Store,
        people: People,
        clock: Clock,
        folder: Path,
        account: Account,
        config: TwilioConfig,
        moved: Moved,
        *,
        settle: float = SETTLE,
    ) -> None:
        """`folder` keeps files that come in; `moved` is the post's; `settle` as `SETTLE`. `door`: what is to be opened for it."""
        self.name, self.hear, self.trouble = name, None, ""
        self._store, self._people, self._clock, self._folder = store, people, clock, folder
        self._account, self._config, self._moved, self._settle = account, config, moved, settle
        self.door: Door | None = None
        self._sent: dict[str, deque[float]] = {}
        self._order: dict[str, asyncio.Lock] = {}
        self._last: dict[str, str] = {}  # what each person wrote last, until it is shown that somebody is typing under it
        self._shut: set[str] = set()  # where Twilio said that the window is closed, whatever our rows say

    name: str
    hear: Hear | None
    trouble: str

    @property
    def sender(self) -> str:
        """Our own address as Twilio writes it."""
        return self._at(self._config.number if self.name == "whatsapp" else self._config.sms)

    def _at(self, number: str) -> str:
        return f"whatsapp:{number}" if self.name == "whatsapp" else number

    async def aclose(self) -> None:
        """Hang up."""
        if self.door is not None:
            await self.door.aclose()
        await self._account.aclose()

    # Going out

    async def send(self, row: OutboxRow) -> str:
        """One message; its SID."""
        chat = row.reply.lane.partition("/")[2]
        fields = await self._fields(row, chat)
        if not row.reply.key.startswith(outbox.URGENT):
            await self._keep_pace(chat)
        if self._config.public_url:
            fields["status_callback"] = f"{self._base}/twilio/status/{row.id}"
        return await self._account.create(to=self._at(chat), from_=self.sender, **fields)

    @property
    def _base(self) -> str:
        return self._config.public_url.rstrip("/")

    async def _fields(self, row: OutboxRow, chat: str) -> dict[str, Any]:
        reply = row.reply
        if self.name == "whatsapp" and not await self._in_window(chat):
            if not self._config.template:
                raise Refused("WhatsApp takes a first word after 24 hours only as an approved template (whatsapp.template).")
            words = " ".join(worded(reply).split())[:LONGEST_VARIABLE]
            return {"content_sid": self._config.template, "content_variables": json.dumps({"1": words})}
        pressed = self.name == "whatsapp" and self._config.buttons and len(reply.options) == 2 and not reply.picture
        if pressed:
            variables = {"1": reply.text, "2": reply.options[0], "3": reply.options[1]}
            return {"content_sid": self._config.buttons, "content_variables": json.dumps(variables)}
        picture = self._picture(row)
        return {"body": worded(reply), **({"media_url": [picture]} if picture else {})}

    async def _in_window(self, chat: str) -> bool:
        lane = f"{self.name}/{chat}"
        last = await self._store.read(lambda db: inbox.last_heard(db, lane))
        return chat not in self._shut and self._clock.now() - last < WINDOW

    async def _keep_pace(self, chat: str) -> None:
        """One person's phone is not flooded: what is too much waits its turn."""
        most, seconds = PACE
        sent = self._sent.setdefault(chat, deque(maxlen=most))
        wait = sent[0] + seconds - self._clock.now() if len(sent) == most else 0.0
        if wait > 0 and self.name == "whatsapp":
            raise Unreachable(f"WhatsApp takes about one message in six seconds; {wait:.0f} to go.")
        sent.append(self._clock.now())

    async def look_up(self, row: OutboxRow) -> bool | None:
        """Is it in Twilio's list: to the same person, with the same words, since it was begun, and no other row's?"""
        if self._clock.now() < row.changed + self._settle:
            raise Unreachable("Twilio may still be putting it into its list.")
        try:
            listed = await self._account.outbound(self.sender, self._at(row.reply.lane.partition("/")[2]))
        except DobbyError as error:
            raise Unreachable("Twilio cannot be asked now.") from error
        taken = await self._store.read(lambda db: outbox.taken(db, [one.sid for one in listed], row.id))
        body = " ".join(worded(row.reply).split())
        fits = (one.sid for one in listed if _is(one, body) and one.sid not in taken and one.created >= row.changed - 5)
        if found := next(fits, ""):
            await self._moved(row.id, OutboxState.SENT, provider=found)  # what becomes of it can be asked
        return bool(found)

    async def typing(self, chat: str) -> None:
        """Under what was written last, once: it lasts until the answer. SMS has no such sign."""
        sid = self._last.pop(chat, "")
        if sid and self.name == "whatsapp":
            await self._account.typing(sid)

    # Pictures, for Twilio to fetch

    def _picture(self, row: OutboxRow) -> str:
        """A public address that nobody guesses and that ends soon; "" where there is none."""
        path = Path(row.reply.picture)
        if not (row.reply.picture and self._config.public_url and path.is_file()):
            return ""
        until = int(self._clock.now()) + PICTURE_SECONDS
        return f"{self._base}/twilio/picture/{row.id}.{until}.{self._account.sign(row.id, until)}{path.suffix.lower()}"

    # Coming in

    async def run(self) -> None:
        """Look for what no webhook brought, at the start and then now and again, until cancelled."""
        closed = ""
        await self._account.warm()
        if self.door is not None:
            try:
                await self.door.open()
            except OSError as error:
                closed = f"The webhook cannot listen: {error}."
        while True:
            try:
                await self._backfill()
                await self._catch_up()
                self.trouble = closed
            except (DobbyError, OSError) as error:
                self.trouble = str(error)
                log.warning("%s: %s", self.name, error)
            await self._clock.sleep(BACKFILL if self._config.public_url else ALONE)

    async def _backfill(self) -> None:
        """A webhook that failed does not come again: what was sent since the last look is listed, oldest first."""
        now, name = self._clock.now(), f"{self.name}_seen"
        seen = float(await self._store.read(lambda db: household.setting(db, name, "0")))
        for one in await self._account.inbound(self.sender, seen) if seen else ():
            known = await self._store.read(partial(inbox.text_of, key=f"twilio:{one.sid}"))
            if known is None and one.sent >= seen - 3600:
                urls = await self._account.media_of(one.sid) if one.media else []
                await self.take(one.sid, one.sender, {"Body": one.body}, urls, sent=one.sent)
        await self._store.write(lambda db: household.set_setting(db, name, str(now)))

    async def _catch_up(self) -> None:
        """A callback that failed does not come again either: what is told as sent and no more is looked at."""
        since = self._clock.now() - UNTOLD
        for row in await self._store.read(lambda db: outbox.untold(db, self.name, since)):
            await self.learn(row, row.provider, *await self._account.status(row.provider))

    async def learn(self, row: OutboxRow, sid: str, status: str, code: str) -> None:
        """How far a message has come, in Twilio's words; what the code of a failure means is in `twilio.toml`.

        :raises StoreError: it could not be written down.
        """
        state = STATES.get(status)
        if code == "63016":  # until this person writes, only the template goes
            self._shut.add(row.reply.lane.partition("/")[2])
        why, then = (says(code), codes().get(code, {}).get("then", "")) if state is OutboxState.FAILED else ("", "")
        if state not in (None, row.state):
            await self._moved(row.id, state, why, sid, then)

    async def take(self, sid: str, sender: str, form: Mapping[str, str], files: list[str], *, sent: float = 0.0) -> None:
        """One message into a row, in order per sender; it is on the disk when this returns.

        :raises StoreError: it is not.
        """
        chat = sender.removeprefix("whatsapp:")
        async with self._order.setdefault(chat, asyncio.Lock()):
            source = self._people.source(self.name, chat)
            kept = await self._files(sid, files) if files and source.role.rank else ()
            said = form.get("ButtonText") or form.get("ListTitle") or form.get("Body", "")
            place = attachments.place(form.get("Latitude", ""), form.get("Longitude", ""))
            kind = attachments.kind_of(kept[0]) if kept else EventKind.LOCATION if place else EventKind.TEXT
            event = Event(
                f"twilio:{sid}",
                source,
                EventKind.TEXT if kind is EventKind.ATTACHMENT and said else kind,
                text=said,
                attachments=kept,
                location=place,
                refers=await self._refers(source.lane, form.get("OriginalRepliedMessageSid", "")),
                tainted=("text",) if form.get("Forwarded") == "true" or form.get("FrequentlyForwarded") == "true" else (),
                sent=sent or self._clock.now(),
            )
            if self.hear is None:
                raise StoreError("Dobby is just starting.")
            self._last[chat] = sid
            await self.hear(event)
            self._shut.discard(chat)
        if len(self._order) > 1000:
            self._order = {who: lock for who, lock in self._order.items() if lock.locked()}

    async def _files(self, sid: str, urls: list[str]) -> tuple[Attachment, ...]:
        found: list[Attachment] = []
        try:
            async with asyncio.timeout(FILE_SECONDS):
                for number, url in enumerate(urls):
                    data = await self._account.fetch(url)
                    found.append(await attachments.keep(self._folder, f"twilio:{sid}:{number}", data))
        except (Refused, Unreachable, TimeoutError) as error:
            log.warning("A file of %s is left out: %s", sid, error)
        return tuple(found)

    async def _refers(self, lane: str, sid: str) -> str:
        row = await self._store.read(lambda db: outbox.of_provider(db, lane, sid)) if sid else None
        if row is None:
            return ""
        return f"question:{row.reply.question}" if row.reply.question else f"outbox:{row.id}"


def _is(one: Listed, body: str) -> bool:
    """The same words, or a template around them."""
    listed = " ".join(one.body.split())
    bare = re.sub(r" \([^()]* / [^()]*\)$", "", body)  # quick replies are buttons there
    return listed in (body, bare) or (len(body) > 3 and body[:LONGEST_VARIABLE] in listed)


# How far a message has come, as Twilio says it.
STATES = {
    "accepted": OutboxState.SENT,
    "queued": OutboxState.SENT,
    "sending": OutboxState.SENT,
    "sent": OutboxState.SENT,
    "delivered": OutboxState.DELIVERED,
    "read": OutboxState.READ,
    "undelivered": OutboxState.FAILED,
    "failed": OutboxState.FAILED,
    "canceled": OutboxState.FAILED,
}
