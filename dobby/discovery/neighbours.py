"""Who was lately spoken to on the own network: the kernel's table of addresses, with the vendor by the MAC's prefix.

It does not send anything.
"""

from pathlib import Path

import aiooui

TABLE = Path("/proc/net/arp")  # Linux, proc_net(5): IP address, HW type, flags, HW address, mask, device
COMPLETE = 0x2  # the neighbour has answered


def neighbours(table: Path = TABLE) -> dict[str, str]:
    """Address -> MAC (lower case, with colons) of whoever has answered."""
    try:
        rows = [line.split() for line in table.read_text("ascii", "replace").splitlines()[1:]]
    except OSError:  # another system, or a locked room
        return {}
    return {row[0]: row[3].lower() for row in rows if len(row) >= 6 and _number(row[2]) & COMPLETE}


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


async def vendor(mac: str) -> str:
    """Who made it, from IEEE's list of prefixes; "" where unknown or made up by the device itself."""
    await aiooui.async_load()
    return aiooui.get_vendor(mac.upper()) or ""
