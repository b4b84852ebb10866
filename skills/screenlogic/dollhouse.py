"""A ScreenLogic gateway on loopback with a pool, a spa and some circuits: framing, login, readings, pushes.

Written from the message formats alone; it knows nothing of Dobby. Each message is id, code, length (little endian, 16, 16, 32
bits) and its data; an answer's code is the question's plus one; a text is its length and its bytes, padded to four.
"""

import asyncio
import struct
from contextlib import suppress
from typing import Any, cast

BY_NAME_ONLY = True  # it wants dobby[pool] at the other end
HELLO = b"CONNECTSERVERHOST\r\n\r\n"
CIRCUITS = ((500, "Spa", 1, 1), (501, "Waterfall", 0, 2), (502, "Pool Light", 16, 3), (505, "Pool", 2, 0), (506, "Hidden", 0, 5))
MAC = "00-C0-33-01-02-03"
BROADCAST = 1444  # the UDP port at which gateways are looked for


def text(words: str) -> bytes:
    """A text as the protocol carries it."""
    raw = words.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0" * (-len(raw) % 4)


class Pool:
    """A gateway. `trouble[code]` breaks the next such message once: `drop` (cut before), `cut` (done, then cut), `garbage`."""

    name = "screenlogic"

    def __init__(self, host: str, celsius: bool) -> None:
        self.host, self.port, self.celsius = host, 0, celsius
        self.on = {number: int(number == 505) for number, *_ in CIRCUITS}
        self.targets = [28, 37] if celsius else [82, 99]
        self.temperatures = [26, 35] if celsius else [79, 95]
        self.trouble: dict[int, str] = {}
        self._writers: dict[asyncio.StreamWriter, bool] = {}
        self._server: asyncio.Server | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What leads a Dobby here."""
        return {"at": [f"{self.host}:{self.port}"]}

    def truth(self, device: str) -> dict[str, Any]:
        """What a part really is, in the gateway's own degrees."""
        part = device.partition("_")[2]
        if part in ("pool", "spa"):
            at = ("pool", "spa").index(part)
            on = bool(self.on[505 if part == "pool" else 500])
            return {"on": on, "target": self.targets[at], "temperature": self.temperatures[at]}
        return {"on": bool(self.on[int(part.removeprefix("circuit_"))])}

    async def up(self) -> None:
        """Answer, at the port it had before if it had one."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def listen(self) -> None:
        """Answer whoever looks for gateways by broadcast; loopback has none, so that this is for a network of its own."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: Doorbell(self.host, self.port), ("0.0.0.0", BROADCAST), allow_broadcast=True)

    async def down(self) -> None:
        """As if its plug were pulled."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def aclose(self) -> None:
        """End everything."""
        await self.down()

    def changed(self) -> None:
        """Tell whoever asked to be told."""
        for writer, wants in self._writers.items():
            if wants:
                writer.write(self._frame(40000, 12500, self._status()))

    def _frame(self, number: int, code: int, data: bytes) -> bytes:
        return struct.pack("<HHI", number, code, len(data)) + data

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = False
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readexactly(len(HELLO))
            while True:
                number, code, length = struct.unpack("<HHI", await reader.readexactly(8))
                self._answer(writer, number, code, await reader.readexactly(length))
        self._writers.pop(writer, None)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, number: int, code: int, data: bytes) -> None:
        trouble = self.trouble.pop(code, "")
        if trouble == "drop":
            writer.transport.abort()
            return
        answer = self._said(writer, code, data)
        if trouble == "cut":
            writer.transport.abort()
        elif trouble == "garbage":
            writer.write(self._frame(number, code + 1, b"\xff" * 7))
        elif answer is None:
            writer.write(self._frame(number, 30, b""))
        else:
            writer.write(self._frame(number, code + 1, answer))

    def _said(self, writer: asyncio.StreamWriter, code: int, data: bytes) -> bytes | None:
        if code == 12522:
            self._writers[writer] = True
        elif code == 12530:
            _, circuit, on = struct.unpack("<III", data)
            self.on[circuit] = on
            self.changed()
        elif code == 12528:
            _, body, degrees = struct.unpack("<III", data)
            self.targets[body] = degrees
            self.changed()
        answers = {
            14: text(MAC),
            27: b"\0" * 16,
            8120: text("POOL: 5.2 Build 738.0 Rel"),
            12532: self._config(),
            12526: self._status(),
        }
        pump = struct.pack("<7I", 2, self.on[505] or self.on[500], 900, 2400, 0, 255, 0) + b"\0" * 96
        return {**answers, 12584: pump, 16: b"", 12522: b"", 12524: b"", 12528: b"", 12530: b""}.get(code)

    def _config(self) -> bytes:
        limits = (4, 40, 4, 40) if self.celsius else (40, 104, 40, 104)
        head = struct.pack("<I4B4BI", 100, *limits, int(self.celsius), 13, 2, 0, 0x14) + text("Water Features")
        rows = (
            struct.pack("<i", number) + text(name) + struct.pack("<8BHBB", 0, function, group, 0, 0, 0, 0, 1, 720, 0, 0)
            for number, name, function, group in CIRCUITS
        )
        return head + struct.pack("<I", len(CIRCUITS)) + b"".join(rows) + struct.pack("<I8BII", 0, 1, *([0] * 7), 127, 0)

    def _status(self) -> bytes:
        air = 24 if self.celsius else 75
        head = struct.pack("<I8BiI", 1, *([0] * 8), air, 2)
        rows = zip((0, 1), self.temperatures, self.targets, strict=True)
        waters = b"".join(struct.pack("<Iiiiii", body, now, 0, target, 100, 3) for body, now, target in rows)
        runs = b"".join(struct.pack("<II4B", number, self.on[number], 0, 0, 0, 0) for number, *_ in CIRCUITS)
        return head + waters + struct.pack("<I", len(CIRCUITS)) + runs + struct.pack("<7i", 742, 680, 5, 64, 3, 4, 0)


class Doorbell(asyncio.DatagramProtocol):
    """Says where the gateway is: checksum 2, address, port, type 2, subtype 12, name."""

    def __init__(self, host: str, port: int) -> None:
        self._said = struct.pack("<I4BH2B", 2, *map(int, host.split(".")), port, 2, 12) + b"Pentair: 01-02-03\0"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The way back."""
        self._way = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, who: tuple[str, int]) -> None:
        """Only the question has an answer."""
        if data == b"\x01" + bytes(7):
            self._way.sendto(self._said, who)


async def start(*, prefix: str = "127.77.0", celsius: bool = False) -> Pool:
    """A gateway at `prefix`.30 on a free port."""
    pool = Pool(f"{prefix}.30", celsius)
    await pool.up()
    return pool
