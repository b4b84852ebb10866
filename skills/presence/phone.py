"""Whether one phone is on this machine's own network: a datagram and a knock make it answer, the table of neighbours tells.

It does not know whose it is. Only private addresses are ever asked.
"""

import asyncio
import re
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

TABLE = Path("/proc/net/arp")  # Linux, proc_net(5): IP address, HW type, flags, HW address, mask, device
COMPLETE = 0x2  # the neighbour has answered
MAC = re.compile(r"(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", re.IGNORECASE)
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.local|\.lan|\.home|\.fritz\.box|\.home\.arpa)?")
NUDGE = 9  # UDP, discard (RFC 863): the address must be resolved before anything is sent
DOOR = 62078  # TCP: iPhones listen there, others refuse, and either is an answer
PROBING = 8.0  # seconds the kernel takes to find out that a neighbour is gone (5 s delay, three probes)


def known_as(text: str) -> str:
    """A phone as a person names it (`192.168.1.23`, `aa:bb:cc:dd:ee:ff`, `Pixel-8`), made uniform; "" for anything else."""
    word = text.strip().rstrip(".!?").strip("\"'“”")
    if MAC.fullmatch(word):
        return word.lower().replace("-", ":")
    if re.fullmatch(r"[\d.]+|.*:.*", word):
        return word if _near(word) else ""
    word = re.sub(r"\s+", "-", word)
    return word if HOST.fullmatch(word) else ""


def _near(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return found.is_private and not (found.is_unspecified or found.is_multicast or found.is_reserved)


def neighbours(table: Path = TABLE) -> dict[str, str]:
    """Address -> MAC of whoever has answered of late."""
    with suppress(OSError):
        rows = [line.split() for line in table.read_text("ascii", "replace").splitlines()[1:]]
        return {row[0]: row[3].lower() for row in rows if len(row) >= 6 and row[2].startswith("0x") and _flags(row[2]) & COMPLETE}
    return {}


def _flags(text: str) -> int:
    with suppress(ValueError):
        return int(text, 16)
    return 0


async def is_there(phone: str, *, table: Path = TABLE, patience: float = PROBING) -> bool:
    """Does a phone answer within about so many seconds."""
    if MAC.fullmatch(phone):
        address = next((place for place, mac in neighbours(table).items() if mac == phone), "")
    else:
        address = phone if _near(phone) else await _found(phone)
    if not address:
        return False
    _nudge(address)
    if await _knocked(address, patience):
        return True
    return address in neighbours(table)


async def _found(host: str) -> str:
    """The private address of a host name, by the router's DNS or by mDNS where this machine asks it; "" where there is none."""
    loop = asyncio.get_running_loop()
    for name in dict.fromkeys((host, f"{host.partition('.')[0]}.local")):
        with suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(3.0):
                rows = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
            if near := [str(row[4][0]) for row in rows if _near(str(row[4][0]))]:
                return near[0]
    return ""


def _nudge(address: str) -> None:
    """Make the kernel ask for the address anew; nobody needs to listen."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(b"", (address, NUDGE))


async def _knocked(address: str, patience: float) -> bool:
    """An open door and a closed one are both an answer; silence is none."""
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(address, DOOR)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
