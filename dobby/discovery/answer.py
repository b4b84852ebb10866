"""Answers in a sentence what is on the network, and whether a family of devices can be found and taken in.

It speaks in phrases of the mind. What a device calls itself is not repeated; names of the house are.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_address

from dobby.discovery.identify import Host
from dobby.discovery.keep import Family, nobody
from dobby.discovery.look import Look, look_around
from dobby.discovery.network import Network
from dobby.discovery.ssdp import is_near
from dobby.discovery.sweep import network as named, own_networks
from dobby.errors import Refused
from dobby.house.registry import House
from dobby.skill.driver import Ask

Words = Callable[..., str]
NAMED = 12  # devices and kinds named in one answer


async def tell_network(families: Mapping[str, Family], house: House, network: Network, words: Words, about: str = "") -> str:
    """What is there, in kinds and counts; what of it is taken in, and what could be; what cannot be seen.

    `about` is the one network that is meant, or "subnet" for the doors of all own ones; a skill is told of doors it looks for.
    """
    if not network.on:
        return words("look_off")
    try:
        only = [named(about)] if about not in ("", "subnet") else []
    except Refused:
        return words("network_none")
    sweeping = only or [*network.subnets, *(own_networks(network.interfaces) if about else [])]
    look = await look_around(network, {name: family.driver for name, family in families.items()}, sweeping=sweeping)
    knock(look, families)
    unseen = ", ".join(map(str, look.unseen))
    more = words("network_unseen", where=unseen) if unseen else "" if sweeping else words("network_others")
    hosts = {each: host for each, host in look.hosts.items() if not only or (is_near(each) and ip_address(each) in only[0])}
    where = ", ".join(map(str, only or look.networks)) or words("no_network")
    if not hosts:
        return more if only and unseen else f"{words('network_empty', where=where)} {more}".strip()
    told = described(look, hosts, {device.address.partition(":")[0] for device in house}, where, words)
    return " ".join([*told, more]).strip()


def described(look: Look, hosts: Mapping[str, Host], mine: Collection[str], where: str, words: Words) -> list[str]:
    """Hosts in kinds and counts, and of those nobody knows their makers; which skills could take in what is not `mine` yet."""
    rows = [(look.identity(host), address in mine) for address, host in hosts.items()]
    kinds = Counter(identity.what for identity, _ in rows if identity.what)
    listed = [what if count == 1 else f"{count} × {what}" for what, count in kinds.most_common(NAMED)]
    unknown = [host for host, (identity, _) in zip(hosts.values(), rows, strict=True) if not identity.what]
    makers = ", ".join(dict.fromkeys(host.vendor[:40] for host in unknown if host.vendor))
    listed += [words("network_unknown" + ("_by" if makers else ""), count=len(unknown), makers=makers)] if unknown else []
    able = ", ".join(dict.fromkeys(skill for identity, taken in rows if not taken for skill in identity.skills))
    told = words("network", where=where, count=len(rows), what=", ".join(listed))
    return [told, *([words("network_able", skills=able)] if able else [])]


def knock(look: Look, families: Mapping[str, Family]) -> None:
    """Tell the families of the doors that stand open, and of what says behind one that it is theirs."""
    for finding in (finding for host in look.hosts.values() for finding in host.findings):
        if finding.sign.via in ("tcp", "http", "https") and finding.sign in look.wanted:
            families[look.wanted[finding.sign]].announced(finding)


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
    if family.needs or family.silent:
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
