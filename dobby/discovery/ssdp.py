"""Asks the network for UPnP devices (SSDP, UPnP Device Architecture 2.0, section 1.3) and listens for the answers.

It does not know what an answer is good for. What a device says of itself is data: cut short and cleaned here.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from dobby.discovery.multicast import asked
from dobby.skill.driver import Finding, Sign

GROUP = ("239.255.255.250", 1900)
ALL = "ssdp:all"  # as a target: whoever is there, in all that they are
LONGEST = 200  # characters kept of any header


async def search(targets: Iterable[str], *, seconds: float = 1.5, interfaces: Sequence[str] = ()) -> AsyncIterator[Finding]:
    """Ask for these search targets for so long; one finding per target and address, as soon as it answers."""
    wanted, told = list(targets), set()
    async for data, _ in asked(GROUP, [_question(target) for target in wanted], seconds, interfaces):
        found = _finding(data, wanted)
        if found is not None and (found.sign, found.address) not in told:
            told.add((found.sign, found.address))
            yield found


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
    target, host = says.get("st", ""), host_in(says.get("location", ""))
    return Finding(Sign("ssdp", target), host, says) if is_near(host) and (target in wanted or ALL in wanted) else None


def host_in(url: str) -> str:
    """Whose URL this is; "" where it is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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
