"""Asks one thing on the network to describe itself: its UPnP description, its front page and what skills know of, its
certificate's names.

It does not follow anybody elsewhere: only the address that was found, no redirects, 64 kB, two seconds each.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Collection, Iterator
from contextlib import suppress
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography import x509
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from dobby.discovery.identify import Host
from dobby.discovery.ssdp import clean, is_near
from dobby.skill.driver import Finding, Sign

LONGEST = 65_536
LOOKED_AT = False  # whose certificate it is does not matter: nothing is said there, and no driver trusts a finding
SECONDS = 2.0
UPNP = "{urn:schemas-upnp-org:device-1-0}"
SAID = {"friendlyName": "friendlyname", "manufacturer": "vendor", "modelName": "model"}
WELL_KNOWN = {"/openapi.json openapi": "OpenAPI", "/.well-known/wot @context": "Web of Things"}
WEB = {"http": (80, 8080, 5000, 8123), "https": (443, 8443)}  # of each the first that is open is asked


async def describe(host: Host, session: ClientSession, wanted: Collection[Sign] = ()) -> None:
    """Add what the host says of itself to it, and the findings that are `wanted`; one that is silent, slow or talks nonsense
    adds nothing."""
    places = [finding.says["location"] for finding in host.findings if finding.sign.via == "ssdp" and "location" in finding.says]
    works = [_upnp(host, session, each) for each in list(dict.fromkeys(places))[:5]]
    for via, ports in WEB.items():
        if port := next((port for port in ports if port in host.ports), 0):
            works += [_wanted(host, session, port, sign) for sign in wanted if sign.via == via]
            works += [_page(host, session, port)] if via == "http" else []
    if 443 in host.ports:
        works.append(_certificate(host))
    await asyncio.gather(*works)
    if any(finding.sign.via == "wsd" and "onvif" in finding.says.get("xaddrs", "") for finding in host.findings):
        host.offers.append("ONVIF")
    host.offers = list(dict.fromkeys(host.offers))


async def _fetch(session: ClientSession, host: Host, url: str) -> tuple[str, bytes]:
    """The Server header and the body; empty where there is none."""
    with suppress(ClientError, OSError, TimeoutError, ValueError):
        if is_near(host.address) and urlsplit(url).hostname == host.address:
            async with session.get(url, allow_redirects=False, timeout=ClientTimeout(SECONDS), ssl=LOOKED_AT) as answer:
                body = await answer.content.read(LONGEST)
                return clean(answer.headers.get("Server", "")), body if answer.status == 200 else b""
    return "", b""


async def _upnp(host: Host, session: ClientSession, url: str) -> None:
    _, body = await _fetch(session, host, url)
    with suppress(ParseError, DefusedXmlException, ValueError, LookupError):
        device = fromstring(body).find(f"{UPNP}device") if body else None
        if device is None:
            return
        for tag, key in SAID.items():
            if said := clean(device.findtext(f"{UPNP}{tag}") or ""):
                host.words.setdefault(key, said)
        if device.find(f".//{UPNP}SCPDURL") is not None:
            host.offers.append("UPnP services")


async def _page(host: Host, session: ClientSession, port: int) -> None:
    root = f"http://{host.address}:{port}"
    server, body = await _fetch(session, host, f"{root}/")
    title = re.search(r"<title[^>]{0,100}>([^<]{1,300})", body.decode("utf-8", "replace"), re.IGNORECASE)
    said = {"server": server, "title": clean(" ".join(title[1].split())) if title else ""}
    host.words |= {key: words for key, words in said.items() if words}
    for what, name in WELL_KNOWN.items():
        host.offers += [name] if await _has(session, host, root, what) else []


async def _wanted(host: Host, session: ClientSession, port: int, sign: Sign) -> None:
    at = f"{host.address}:{port}"
    if await _has(session, host, f"{sign.via}://{at}", sign.what):
        host.findings.append(Finding(sign, at, {"name": host.address}))


async def _has(session: ClientSession, host: Host, root: str, what: str) -> bool:
    """Whether there is an object of JSON with this key at this path (`/path key`)."""
    path, _, key = what.partition(" ")
    _, body = await _fetch(session, host, root + path)
    with suppress(ValueError, RecursionError):
        return isinstance(said := json.loads(body or b"0"), dict) and key in said
    return False


async def _certificate(host: Host) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # only looked at, nothing is said to it
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host.address, 443, ssl=trust)
        inside: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        found = inside.getpeercert(binary_form=True) if inside else None
        writer.close()
        if found and (names := clean(", ".join(_names(x509.load_der_x509_certificate(found))))):
            host.words["cert"] = names


def _names(certificate: x509.Certificate) -> Iterator[str]:
    yield from (str(each.value) for each in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME))
    with suppress(x509.ExtensionNotFound):
        yield from certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
