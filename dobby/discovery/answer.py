"""Answers in a sentence what is on the network, and whether a family of devices can be found and taken in.

It speaks in phrases of the mind. What a device calls itself is not repeated; names of the house are.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from dobby.discovery.keep import Family, nobody
from dobby.discovery.look import look_around
from dobby.discovery.network import Network
from dobby.discovery.sweep import own_networks
from dobby.house.registry import House
from dobby.skill.driver import Ask

Words = Callable[..., str]
NAMED = 12  # devices and kinds named in one answer


async def tell_network(families: Mapping[str, Family], house: House, network: Network, words: Words) -> str:
    """What is there, in kinds and counts; what of it is taken in, and what could be."""
    if not network.on:
        return words("look_off")
    look = await look_around(network, {name: family.driver for name, family in families.items()})
    where = ", ".join(map(str, look.networks)) or words("no_network")
    if not look.hosts:
        return words("network_empty", where=where)
    mine = {device.address.partition(":")[0] for device in house}
    rows = [(look.identity(host), address in mine) for address, host in look.hosts.items()]
    kinds = Counter(identity.what for identity, _ in rows if identity.what)
    listed = [what if count == 1 else f"{count} × {what}" for what, count in kinds.most_common(NAMED)]
    unknown = [look.hosts[address] for address, (identity, _) in zip(look.hosts, rows, strict=True) if not identity.what]
    makers = ", ".join(dict.fromkeys(host.vendor[:40] for host in unknown if host.vendor))
    listed += [words("network_unknown" + ("_by" if makers else ""), count=len(unknown), makers=makers)] if unknown else []
    told = [words("network", where=where, count=len(rows), what=", ".join(listed))]
    if able := dict.fromkeys(skill for identity, taken in rows if not taken for skill in identity.skills):
        told.append(words("network_able", skills=", ".join(able)))
    return " ".join(told)


async def seek(about: str, families: Mapping[str, Family], network: Network, words: Words, ask: Ask = nobody) -> str:
    """Look for one family now, or for every one that needs a person, take in what opens, and say what came of it, or why
    exactly nothing did. What needs a button or a code is asked for."""
    if not about:
        wanting = [name for name, family in families.items() if family.needs]
        told = [await seek(name, families, network, words, ask) for name in wanting]
        return " ".join(told) or words("seek_none_waits")
    family = families.get(about)
    if family is None:
        return words("seek_no_skill", about=about)
    before = family.devices
    if family.needs or not before:
        await family.look_now(ask)
    after = family.devices
    found = [device for device in after if device.id not in {one.id for one in before}]
    if names := [device.name for device in found or after if not device.part_of]:
        listed = ", ".join(names[:NAMED]) + ("" if len(names) <= NAMED else ", …")
        told = [words("seek_found" if found else "seek_known", about=about, names=listed)]
        told += [words("seek_trouble", about=about, trouble=family.trouble)] if family.needs and family.trouble else []
        return " ".join(told)
    if family.trouble:
        return words("seek_trouble", about=about, trouble=family.trouble)
    if not network.on:
        return words("look_off")
    where = ", ".join(map(str, own_networks(network.interfaces))) or words("no_network")
    return words("seek_nothing", about=about, where=where)
