"""The setups and the doctor at a terminal, against the providers' fakes: from an account to the first message."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import rigs
from telegram_api import TOKEN, BotApi

from tests.patience import ENOUGH

ACCOUNT, SECRET, Twilio = rigs.fake.ACCOUNT, rigs.fake.TOKEN, rigs.fake.Twilio
ME = "whatsapp:+4915112345678"


class Terminal:
    """One command, and somebody who types: `says` waits for words, `types` answers."""

    def __init__(self, folder: Path, *command: str) -> None:
        places = [] if command[0] == "chat" else ["--config", str(folder / "dobby.toml")]
        arguments = ["-m", "dobby", *command, *places, "--state", str(folder / "state")]
        self.child = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=ENOUGH, dimensions=(50, 200))

    async def says(self, words: str) -> None:
        await asyncio.to_thread(self.child.expect_exact, words)

    async def types(self, prompt: str, answer: str) -> None:
        await self.says(prompt)
        await asyncio.to_thread(self.child.sendline, answer)

    async def end(self) -> int:
        await asyncio.to_thread(self.child.expect, pexpect.EOF)
        await asyncio.to_thread(self.child.wait)
        return int(self.child.exitstatus or 0)


def write(folder: Path, text: str) -> None:
    (folder / "dobby.toml").write_text(f"[web]\non = false\n[discovery]\non = false\n{text}")


@contextmanager
def dobby(folder: Path) -> Iterator[Terminal]:
    """He runs, until the end of this."""
    running = Terminal(folder, "run")
    try:
        yield running
    finally:
        os.kill(running.child.pid, signal.SIGTERM)
        running.child.expect(pexpect.EOF)
        running.child.close()


async def test_from_an_account_to_the_first_message(tmp_path: Path) -> None:
    async with Twilio() as twilio:
        write(tmp_path, f'[whatsapp]\napi = "{twilio.url}"\n')
        twilio.keep(ME, "join dollhouse")
        setup = Terminal(tmp_path, "whatsapp", "setup")
        await setup.types("Account SID", ACCOUNT)
        await setup.types("Auth token", SECRET)
        await setup.types("WhatsApp sender [+14155238886]", "")
        await setup.types("Public address", "http://dobby.example.org")
        await setup.says("begins with https://")
        await setup.types("Public address", "https://dobby.test")
        await setup.says("The account is called 'The dollhouse'.")
        await setup.says("join code")
        await setup.types("Your own number", "+49 151 1234-5678")
        await setup.types("Done?", "")
        await setup.says("The test message is read.")
        await setup.says(f'account = "{ACCOUNT}"')
        await setup.says("invite me")
        assert await setup.end() == 0
        assert SECRET not in (setup.child.before or "")
        assert [one.body for one in twilio.shown(ME)] == ["Dobby is here."]
        assert json.loads((tmp_path / "state" / "vault.json").read_text())["twilio"]["token"] == SECRET
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        table = f'[whatsapp]\napi = "{twilio.url}"\naccount = "{ACCOUNT}"\nnumber = "+14155238886"\n'
        write(tmp_path, f'{table}public_url = "https://dobby.test"\nport = {port}\n')
        twilio.webhook, twilio.public = f"http://127.0.0.1:{port}", "https://dobby.test"
        with dobby(tmp_path) as running:
            await running.says("Dobby is ready")
            chat = Terminal(tmp_path, "chat")
            await asyncio.to_thread(chat.child.sendline, "invite me")
            await asyncio.to_thread(chat.child.expect, r"\b([a-zA-Z0-9]{5}-[a-zA-Z0-9]{5})\b")
            code = str(chat.child.match.group(1))
            chat.child.close()
            async with asyncio.timeout(ENOUGH):
                while not await twilio.write(ME, code, sid="SM" + "1" * 32):
                    await asyncio.sleep(0.1)
                while len(twilio.shown(ME)) < 2:
                    await asyncio.sleep(0.05)
                assert await twilio.write(ME, "what can you do?")
                while len(twilio.shown(ME)) < 3:
                    await asyncio.sleep(0.05)


async def test_what_is_wrong_is_said_in_words(tmp_path: Path) -> None:
    async with Twilio() as twilio:
        write(tmp_path, f'[whatsapp]\napi = "{twilio.url}"\naccount = "{ACCOUNT}"\n')
        setup = Terminal(tmp_path, "whatsapp", "setup", "--to", "+4915112345678")
        await setup.types(f"Account SID (AC…) [{ACCOUNT}]", "")
        await setup.types("Auth token", "wrong")
        await setup.types("WhatsApp sender", "")
        await setup.types("Public address", "https://dobby.example.org/")
        await setup.says("Twilio does not accept the account or its token")
        assert await setup.end() != 0
        assert not (tmp_path / "state" / "vault.json").exists()
        twilio.joined = False
        setup = Terminal(tmp_path, "whatsapp", "setup", "--to", "+4915112345678")
        await setup.types("Account SID", "")
        await setup.types("Auth token", SECRET)
        await setup.types("WhatsApp sender", "")
        await setup.types("Public address", "https://dobby.example.org/")
        await setup.types("Done?", "y")
        await setup.says("This phone has not joined the WhatsApp sandbox")
        await setup.says("https://dobby.example.org/twilio/message, method POST")
        assert await setup.end() == 0


async def test_the_doctor_asks_twilio_about_the_account_and_the_template(tmp_path: Path) -> None:
    async with Twilio() as twilio:
        table = f'[whatsapp]\napi = "{twilio.url}"\naccount = "{ACCOUNT}"\nnumber = "+14155238886"\n'
        (tmp_path / "state").mkdir(mode=0o700)
        for template, approved, words in (
            ("", "", "alarms need it at night"),
            ("HX" + "1" * 32, "approved", "ok    whatsapp template is approved"),
            ("HX" + "1" * 32, "pending", "SICK  whatsapp template is pending"),
            ("HX" + "9" * 32, "approved", "SICK  whatsapp template is not one of this account's"),
        ):
            twilio.approved = approved
            write(tmp_path, f'{table}template = "{template}"\n')
            (tmp_path / "state" / "vault.json").write_text(json.dumps({"twilio": {"token": SECRET}}))
            (tmp_path / "state" / "vault.json").chmod(0o600)
            doctor = Terminal(tmp_path, "doctor")
            await doctor.says(words)
            await doctor.end()


async def test_telegram_from_a_token_to_what_to_do_next(tmp_path: Path) -> None:
    async with BotApi() as api:
        write(tmp_path, f'[telegram]\napi = "{api.url}"\n')
        setup = Terminal(tmp_path, "telegram", "setup")
        await setup.says("@BotFather")
        await setup.types("Token", "1:wrong")
        await setup.says("Telegram does not take that token")
        assert await setup.end() != 0
        setup = Terminal(tmp_path, "telegram", "setup")
        await setup.types("Token", TOKEN)
        await setup.says("That is @")
        await setup.says("on = true")
        await setup.says("https://t.me/")
        assert await setup.end() == 0
        assert json.loads((tmp_path / "state" / "vault.json").read_text())["telegram"]["token"] == TOKEN
