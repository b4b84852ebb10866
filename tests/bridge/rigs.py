"""The providers' sides of the bridges, as the contract test wants them: deliver a text, and say what the person sees."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from small_dobby import Dobby
from telegram_api import TOKEN, BotApi

from dobby.bridge.provider.telegram import Telegram
from dobby.bridge.provider.webhook import Webhook, open_senders
from dobby.bridge.provider.whatsapp import Twilio
from dobby.config import TwilioConfig
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.vault import VaultFile
from tests.patience import ENOUGH

ANNA = 7001
fake = device_side(shipped("skills") / "whatsapp")


class TelegramRig:
    """A Bot API server that Anna writes to."""

    lane = f"telegram/{ANNA}"

    def __init__(self, dobby: Dobby, bridge: Telegram, api: BotApi) -> None:
        self.dobby, self.bridge, self.api = dobby, bridge, api
        self._numbers: dict[str, int] = {}

    async def text(self, id_: str, text: str) -> bool:
        """Accepted is what the next poll acknowledges; what is not stays at Telegram until the person takes it back."""
        number = self._numbers.setdefault(id_, len(self._numbers) + 1)
        self.bridge.trouble = ""
        self.api.write(ANNA, text, number=number)
        update = self.api.updates[-1]["update_id"]
        async with asyncio.timeout(ENOUGH):
            while self.api.acknowledged <= update:
                if self.bridge.trouble:
                    self.api.updates.clear()
                    return False
                await asyncio.sleep(0.01)
        return True

    async def shown(self) -> list[str]:
        return [message.text for message in self.api.chats.get(ANNA, [])]


@asynccontextmanager
async def telegram(dobby: Dobby) -> AsyncIterator[TelegramRig]:
    """Telegram as Anna uses it."""
    with tempfile.TemporaryDirectory() as folder:
        async with BotApi() as api:
            bridge = Telegram(dobby.store, dobby.people, dobby.clock, Path(folder), TOKEN, api=api.url)
            await dobby.add(bridge, anna=str(ANNA))
            polling = asyncio.create_task(bridge.run())
            try:
                yield TelegramRig(dobby, bridge, api)
            finally:
                polling.cancel()
                await asyncio.wait([polling])
                await bridge.aclose()


PHONE, PUBLIC = "+4915100000001", "https://dobby.test"


class WhatsAppRig:
    """Twilio's fake, with Anna's phone behind it."""

    lane = f"whatsapp/{PHONE}"

    def __init__(self, dobby: Dobby, bridge: Twilio, door: Webhook, twilio: Any) -> None:
        self.dobby, self.bridge, self.door, self.twilio = dobby, bridge, door, twilio

    async def text(self, id_: str, text: str) -> bool:
        """Twilio calls the webhook once; the same SID again where it believes that it was not heard."""
        sid = "SM" + id_.encode().hex().zfill(32)[-32:]
        taken = await self.twilio.write(f"whatsapp:{PHONE}", text, sid=sid)
        if not taken:
            self.twilio.messages.pop(sid)
        return taken

    async def shown(self) -> list[str]:
        return [message.body for message in self.twilio.shown(f"whatsapp:{PHONE}")]


@asynccontextmanager
async def whatsapp(dobby: Dobby, *, twilio: Any | None = None, settle: float = 0.3, **config: str) -> AsyncIterator[WhatsAppRig]:
    """WhatsApp as Anna uses it; Twilio knows the webhook by an address that is not where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        async with twilio or fake.Twilio() as server:
            table = {"account": fake.ACCOUNT, "number": "+14155238886", "public_url": PUBLIC, "api": server.url} | config
            secrets = VaultFile(Path(folder) / "vault.json").part("twilio")
            await secrets.put("token", fake.TOKEN)
            place = (dobby.store, dobby.people, dobby.clock, Path(folder))
            senders = open_senders(*place, TwilioConfig(**table, port=0), secrets, dobby.post.moved, settle=settle)  # type: ignore[arg-type]
            for sender in senders:
                await dobby.add(sender, anna=PHONE)
            running = [asyncio.create_task(sender.run()) for sender in senders]
            door = senders[0].door
            if isinstance(door, Webhook):
                async with asyncio.timeout(ENOUGH):
                    while not door.port:
                        await asyncio.sleep(0.01)
                server.webhook, server.public = f"http://127.0.0.1:{door.port}", PUBLIC
            try:
                yield WhatsAppRig(dobby, senders[0], door, server)  # type: ignore[arg-type]
            finally:
                for task in running:
                    task.cancel()
                await asyncio.wait(running)
                for sender in senders:
                    await sender.aclose()
