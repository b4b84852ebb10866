"""The providers' sides of the bridges, as the contract test wants them: deliver a text, and say what the person sees."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from small_dobby import Dobby
from telegram_api import TOKEN, BotApi

from dobby.bridge.telegram import Telegram

ANNA = 7001


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
        async with asyncio.timeout(10):
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
