"""Asks a multicast group a few questions and gathers what comes back, whatever it is.

It does not know the protocol; answers are garbage until somebody has read them.
"""

import asyncio
import socket
from collections.abc import Sequence

Packet = tuple[bytes, str]
"""What was answered, and from which address."""
MOST = 1000  # answers kept


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packets: list[Packet] = []

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if len(self.packets) < MOST:
            self.packets.append((data, str(addr[0])))


async def gather(
    group: tuple[str, int], questions: Sequence[bytes], seconds: float, interfaces: Sequence[str] = ()
) -> list[Packet]:
    """Ask twice (datagrams get lost) on these interfaces, and wait so long for answers."""
    loop = asyncio.get_running_loop()
    answers = _Answers()
    transports = []
    for interface in interfaces or ("",):
        try:
            made = await loop.create_datagram_endpoint(lambda: answers, sock=_socket(interface))
        except OSError:  # this interface is not there now
            continue
        transports.append(made[0])
    try:
        for _ in range(2):
            for transport in transports:
                for question in questions:
                    transport.sendto(question, group)
            await asyncio.sleep(seconds / 2)
    finally:
        for transport in transports:
            transport.close()
    return answers.packets


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
