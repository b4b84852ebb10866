"""Phones that write through Twilio: signed webhooks at a rate, each phone's in order, again until taken; a process of its own.

Says, as JSON, the milliseconds from each message's due instant to its 200: what waits behind a slow one counts as slow.

    python -m benchmarks.rig.phones PORT PATH RATE SECONDS SENDERS
"""

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import urlencode

from dobby.dollhouse.house import device_side
from dobby.paths import shipped

fake = device_side(shipped("skills") / "whatsapp")
PUBLIC = "https://dobby.test"
AGAIN, TRIES = 0.2, 120.0  # seconds between deliveries of one message, and in which it is delivered again (`rp=all`)
Sending = tuple[float, bytes]


def phone(number: int) -> str:
    """A person's address."""
    return f"whatsapp:+49151{number:08d}"


def request(path: str, sender: int, count: int) -> bytes:
    """A webhook as Twilio sends it: signed over the public address."""
    sid = f"SM{count:032x}"
    form = {"MessageSid": sid, "SmsMessageSid": sid, "AccountSid": fake.ACCOUNT, "From": phone(sender), "To": fake.SENDER}
    form |= {"Body": f"hello {count}", "NumMedia": "0", "ApiVersion": "2010-04-01"}
    body = urlencode(form).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: dobby.test\r\nX-Twilio-Signature: {fake.sign(f'{PUBLIC}{path}', form)}\r\n"
    return f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Phone:
    """One connection, kept; what it sends next waits for what went before."""

    def __init__(self, port: int) -> None:
        self._port, self._spent = port, list[float]()
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.waiting: asyncio.Queue[Sending | None] = asyncio.Queue()

    async def run(self) -> list[float]:
        """Milliseconds of each."""
        while (sending := await self.waiting.get()) is not None:
            async with asyncio.timeout(TRIES):
                while await self._post(sending[1]) != 200:
                    await asyncio.sleep(AGAIN)
            self._spent.append((time.perf_counter() - sending[0]) * 1000)
        return self._spent

    async def _post(self, request: bytes) -> int:
        try:
            reader, writer = self._pipe = self._pipe or await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
            return int(head.split()[1])
        except (OSError, EOFError):
            self._pipe = None
            return 0


async def flood(port: int, path: str, rate: int, seconds: float, senders: int) -> list[float]:
    """So many a second, from phones in turn."""
    total = int(rate * seconds)
    requests = [request(path, count % senders, count) for count in range(total)]
    phones = [Phone(port) for _ in range(senders)]
    running = [asyncio.create_task(one.run()) for one in phones]
    begun = time.perf_counter()
    for count in range(total):
        due = begun + count / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        phones[count % senders].waiting.put_nowait((due, requests[count]))
    for one in phones:
        one.waiting.put_nowait(None)
    return [spent for mine in await asyncio.gather(*running) for spent in mine]


async def main(port: str, path: str, rate: str, seconds: str, senders: str) -> dict[str, Any]:
    """The command."""
    return {"ms": await flood(int(port), path, int(rate), float(seconds), int(senders))}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
