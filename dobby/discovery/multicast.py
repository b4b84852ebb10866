"""Asks a multicast group a few questions and hands on what comes back as it comes, whatever it is.

It does not know the protocol; answers are garbage until somebody has read them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

Packet = tuple[bytes, str]
"""What was answered, and from which address."""
MOST = 1000  # answers kept


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packets: asyncio.Queue[Packet] = asyncio.Queue()
        self._room = MOST

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if self._room:
            self._room -= 1
            self.packets.put_nowait((data, str(addr[0])))

    async def until(self, instant: float) -> AsyncIterator[Packet]:
        """What comes until an instant of the loop's clock, however long whoever listens takes over each."""
        clock = asyncio.get_running_loop().time
        while (left := instant - clock()) > 0 or not self.packets.empty():
            with suppress(TimeoutError):
                # not `wait_for`: in Python 3.11 it swallows an end that comes together with a packet
                async with asyncio.timeout(max(left, 0.01)):
                    packet = await self.packets.get()
                yield packet


async def asked(
    group: tuple[str, int], questions: Sequence[bytes], seconds: float, interfaces: Sequence[str] = ()
) -> AsyncIterator[Packet]:
    """Ask twice (datagrams get lost) on these interfaces; what comes back within so long, as it comes."""
    loop = asyncio.get_running_loop()
    answers = _Answers()
    transports = []
    for interface in interfaces or ("",):
        with suppress(OSError):  # this interface is not there now
            made = await loop.create_datagram_endpoint(lambda: answers, sock=_socket(interface))
            transports.append(made[0])
    try:
        for _ in range(2):
            for transport in transports:
                for question in questions:
                    transport.sendto(question, group)
            async for packet in answers.until(loop.time() + seconds / 2):
                yield packet
    finally:
        for transport in transports:
            transport.close()


def _socket(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        if interface:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            made.bind((interface, 0))
    except OSError:
        made.close()
        raise
    return made
