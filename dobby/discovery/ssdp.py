"""Asks the network for UPnP devices (SSDP, UPnP Device Architecture 2.0, section 1.3) and listens for the answers.

It does not know what an answer is good for. What a device says of itself is data: cut short and cleaned here.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from dobby.skill.driver import Finding, Sign

GROUP = ("239.255.255.250", 1900)
LONGEST = 200  # characters kept of any header


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if len(self.packets) < 1000:
            self.packets.append(data)


async def search(targets: Iterable[str], *, seconds: float = 1.5, interfaces: Sequence[str] = ()) -> list[Finding]:
    """Ask for these search targets and wait; one finding per target and address that answered."""
    wanted = list(targets)
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
        for _ in range(2):  # datagrams get lost
            for transport in transports:
                for target in wanted:
                    transport.sendto(_question(target), GROUP)
            await asyncio.sleep(seconds / 2)
    finally:
        for transport in transports:
            transport.close()
    found = (_finding(packet, wanted) for packet in answers.packets)
    return list({(one.sign, one.address): one for one in found if one is not None}.values())


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


def _question(target: str) -> bytes:
    lines = ("M-SEARCH * HTTP/1.1", "HOST: 239.255.255.250:1900", 'MAN: "ssdp:discover"', "MX: 1", f"ST: {target}", "", "")
    return "\r\n".join(lines).encode()


def _finding(packet: bytes, wanted: Sequence[str]) -> Finding | None:
    """An answer as a finding; anything else (garbage, another target, no address, one outside the house) is nothing."""
    first, _, rest = packet.decode("utf-8", "replace").partition("\r\n")
    if "200" not in first:
        return None
    pairs = (line.partition(":") for line in rest.split("\r\n")[:40])
    says = {clean(key).lower(): clean(value) for key, _, value in pairs if value}
    target = says.get("st", "")
    try:
        host = urlsplit(says.get("location", "")).hostname or ""
    except ValueError:
        return None
    return Finding(Sign("ssdp", target), host, says) if is_near(host) and target in wanted else None


def clean(text: str) -> str:
    """Somebody else's words, cut short and without control characters."""
    return "".join(letter for letter in text[:LONGEST] if letter.isprintable()).strip()


def is_near(address: str) -> bool:
    """Is this the address of something in the house, not of the world outside?"""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return not (found.is_global or found.is_multicast or found.is_unspecified or found.is_reserved)
