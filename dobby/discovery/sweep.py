"""Knocks politely at the doors (TCP ports) of a private network, only when somebody asked for it.

It does not know what stands behind a door. Never a public address, never more than 1,022 addresses, few at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_interface

from dobby.errors import Refused

LARGEST = 22  # prefix length: a network of 1,022 addresses
AT_ONCE = 128  # connections under way
FIRST, NEXT = 0.7, 0.5  # seconds a door has to open: the first of a house, the others
DOORS = (80, 443, 22, 53, 554, 1400, 1883, 1925, 3000, 5000, 6053, 6668, 8008, 8009, 8060, 8080, 8123, 8443, 9100, 32400, 49152)


def own_networks(interfaces: Sequence[str] = ()) -> list[IPv4Network]:
    """The private networks this machine stands in (on these addresses of it), loopback aside; of a large one the nearest 254."""
    import ifaddr

    found: dict[IPv4Network, None] = {}
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            address = ip_interface(f"{each.ip}/{each.network_prefix}") if isinstance(each.ip, str) else None
            if address is None or address.is_loopback or address.is_link_local or not address.is_private:
                continue
            if not interfaces or each.ip in interfaces:
                length = each.network_prefix if each.network_prefix >= LARGEST else 24
                found[IPv4Network(f"{each.ip}/{length}", strict=False)] = None
    return list(found)


def network(text: str) -> IPv4Network:
    """What a person names as a network: `192.168.1.0/24`.

    :raises Refused: it is none, is public, or too large to be polite.
    """
    try:
        found = IPv4Network(text, strict=False)
    except ValueError as error:
        raise Refused(f"{text[:40]!r} is no network; say it like 192.168.1.0/24.") from error
    if not found.is_private or found.network_address.is_unspecified:
        raise Refused(f"{found} is not a private network; I look only at home.")
    if found.prefixlen < LARGEST:
        raise Refused(f"{found} has {found.num_addresses:,} addresses; name a part of it, at most a /{LARGEST}.")
    return found


async def sweep(where: IPv4Network, heard: Callable[[str, int], None], doors: Sequence[int] = DOORS) -> int:
    """Tell of every open door (address, port); how many addresses answered at all."""
    room = asyncio.Semaphore(AT_ONCE)
    there = set()

    async def knock(host: str, port: int, seconds: float) -> None:
        async with room:
            with suppress(OSError, TimeoutError):
                try:
                    async with asyncio.timeout(seconds):
                        _, writer = await asyncio.open_connection(host, port)
                except ConnectionRefusedError:
                    there.add(host)
                    return
                writer.close()
                there.add(host)
                heard(host, port)

    hosts = [str(each) for each in where.hosts()]
    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(knock(host, doors[0], FIRST))
    async with asyncio.TaskGroup() as group:
        for host in sorted(there):
            for port in doors[1:]:
                group.create_task(knock(host, port, NEXT))
    return len(there)
