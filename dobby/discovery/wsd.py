"""Asks the network for ONVIF cameras and other WS-Discovery devices (OASIS WS-Discovery 1.0, SOAP over UDP).

It does not know what a device is good for. Answers are parsed without entities, and cut.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from uuid import uuid4
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from dobby.discovery.multicast import Packet, asked
from dobby.discovery.ssdp import clean, host_in, is_near
from dobby.skill.driver import Finding, Sign

GROUP = ("239.255.255.250", 3702)
LONGEST = 20_000  # bytes of an answer that is read at all
ALL = ""  # as a type: whoever is there
SPACE = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="{space}"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:{id}</w:MessageID>'
    "<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>{space}/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe>{types}</d:Probe></e:Body></e:Envelope>"
)


async def probe(types: Iterable[str], *, seconds: float = 1.5, interfaces: Sequence[str] = ()) -> AsyncIterator[Finding]:
    """Ask for these types (`NetworkVideoTransmitter`, with or without a prefix; `ALL`); one finding per type and device."""
    wanted, told = {each.rpartition(":")[2] for each in types}, set()
    bodies = ["", "<d:Types>dn:NetworkVideoTransmitter</d:Types>"]  # some cameras answer only to their own name
    questions = [PROBE.format(space=SPACE, id=uuid4(), types=each).encode() for each in bodies]
    async for packet in asked(GROUP, questions, seconds, interfaces):
        for found in _findings(packet, wanted):
            if (found.sign, found.address) not in told:
                told.add((found.sign, found.address))
                yield found


def _findings(packet: Packet, wanted: set[str]) -> list[Finding]:
    data, sender = packet
    try:
        root = fromstring(data) if len(data) <= LONGEST else None
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # no XML, a bomb, an unknown encoding
        return []
    matches = [] if root is None else root.findall(f".//{{{SPACE}}}ProbeMatch")[:10]
    return [found for match in matches for found in _matched(match, sender, wanted)]


def _matched(match: Element, sender: str, wanted: set[str]) -> list[Finding]:
    def text(tag: str) -> str:
        return " ".join((match.findtext(f"{{{SPACE}}}{tag}") or "").split())

    hosts = [address for address in map(host_in, text("XAddrs").split()[:10]) if is_near(address)]
    host = sender if sender in hosts else next(iter(hosts), sender)
    says = {"xaddrs": text("XAddrs"), "scopes": text("Scopes"), "types": text("Types")}
    says = {key: value[:1000] if key == "scopes" else clean(value) for key, value in says.items()}
    kinds = {each.rpartition(":")[2] for each in says["types"].split()}
    hit = kinds & wanted or ({ALL} if ALL in wanted else set())
    return [Finding(Sign("wsd", kind), host, says) for kind in sorted(hit)] if is_near(host) else []
