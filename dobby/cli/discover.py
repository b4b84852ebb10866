"""`dobby discover`: what is on the network, as it answers; needs no running Dobby.

It takes nothing in.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from dobby.cli.options import shared
from dobby.config import read_config
from dobby.discovery.identify import Host, Identity
from dobby.discovery.look import Look, look_around
from dobby.discovery.network import Network
from dobby.discovery.sweep import network as parse, own_networks
from dobby.skill.load import load_skills


@click.command()
@shared
@click.option("--subnet", multiple=True, help="Also knock at the doors of this private network, like 192.168.1.0/24.")
@click.option("--sweep", is_flag=True, help="Knock at the doors of the machine's own networks.")
@click.option("--seconds", default=3.0, type=click.FloatRange(0.2, 60), show_default=True, help="How long to listen.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, at the end.")
def discover(config: Path, folder: Path, subnet: tuple[str, ...], sweep: bool, seconds: float, as_json: bool) -> None:
    """Look around on the network and say what is there, how sure that is, and which skill could take it in."""
    asked = [parse(each) for each in subnet]
    asyncio.run(_look(config, asked, sweep, seconds, as_json))


async def _look(path: Path, asked: list[Any], sweep: bool, seconds: float, as_json: bool) -> None:
    config = read_config(path)
    skills, broken = load_skills(config.skills.places, config.skills.off)
    drivers = {name: skill.driver() for name, skill in skills.items() if skill.driver}
    network = Network(config.discovery.interfaces, subnets=config.discovery.subnets)
    shown: dict[str, str] = {}

    def told(host: Host, identity: Identity) -> None:
        if not as_json and shown.get(host.address) != identity.what and identity.what:
            shown[host.address] = identity.what
            click.echo(_line(host, identity))

    try:
        where = [*asked, *network.subnets, *(own_networks(network.interfaces) if sweep else [])]
        look = await look_around(network, drivers, told=told, sweeping=where, seconds=seconds)
    finally:
        await network.aclose()
        await asyncio.gather(*(driver.aclose() for driver in drivers.values()))
    if as_json:
        click.echo(json.dumps(_facts(look) | {"broken": broken}, ensure_ascii=False))
    else:
        _summary(look)


def _line(host: Host, identity: Identity) -> str:
    skills = f"-> {', '.join(identity.skills)}" if identity.skills else ""
    return f"{host.address:<16}{identity.what or 'unknown':<28}{identity.how_sure:<9}{host.name[:32]:<33}{skills}".rstrip()


def _summary(look: Look) -> None:
    rows = [(host, look.identity(host)) for host in look.hosts.values()]
    click.echo(f"\n{len(rows)} things on {', '.join(map(str, look.networks)) or 'no network of a home'}:")
    for host, identity in sorted(rows, key=lambda row: (not row[1].skills, not row[1].what, row[0].address)):
        more = [host.vendor, ", ".join(host.offers), f"ports {sorted(host.ports)}" if host.ports else ""]
        click.echo("  " + " ".join([_line(host, identity), *filter(None, more)]))
    for where in look.unseen:
        click.echo(f"I cannot see {where}: nobody there answers this machine.")


def _facts(look: Look) -> dict[str, Any]:
    hosts = [
        {
            **{key: getattr(host, key) for key in ("address", "name", "mac", "vendor", "offers", "words")},
            **{"what": identity.what, "sure": identity.sure, "skills": list(identity.skills), "ports": sorted(host.ports)},
            "seen": [f"{finding.sign.via}:{finding.sign.what}" for finding in host.findings],
        }
        for host in look.hosts.values()
        for identity in [look.identity(host)]
    ]
    return {"hosts": hosts, "networks": [str(each) for each in look.networks], "unseen": [str(each) for each in look.unseen]}
