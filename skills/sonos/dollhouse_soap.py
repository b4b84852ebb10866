"""What a Sonos speaker answers in XML: its own description, its services', SOAP envelopes and faults. It knows no socket."""

import inspect
import re
from xml.sax.saxutils import escape

from aiohttp import web

from . import dollhouse_services as services, dollhouse_zones as zones

PLAYER = "urn:schemas-upnp-org:device:ZonePlayer:1"
FIRMWARE = "Linux UPnP/1.0 Sonos/83.1-61210 (ZPS38)"
XML = '<?xml version="1.0" encoding="utf-8"?>'


def xml(text: str, status: int = 200) -> web.Response:
    """A page of XML as a speaker sends it."""
    return web.Response(text=text, status=status, content_type="text/xml", headers={"Server": FIRMWARE})


def envelope(inner: str) -> str:
    """A SOAP 1.1 envelope around an answer."""
    space = "http://schemas.xmlsoap.org/soap/"
    head = f'<s:Envelope xmlns:s="{space}envelope/" s:encodingStyle="{space}encoding/">'
    return f"{XML}{head}<s:Body>{inner}</s:Body></s:Envelope>"


def fault(code: int) -> str:
    """A UPnP error as a SOAP fault (UPnP Device Architecture 1.1, section 3.2.5)."""
    detail = f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{code}</errorCode></UPnPError>'
    return envelope(
        f"<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>{detail}</detail></s:Fault>"
    )


def description(zone: zones.Zone) -> str:
    """A speaker's device description, with its embedded MediaServer and MediaRenderer."""
    serial = "-".join(re.findall("..", zone.uid[7:19])) + ":A"
    return (
        f'{XML}<root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>{PLAYER}</deviceType>'
        f"<friendlyName>{zone.address} - Sonos One</friendlyName><manufacturer>Sonos, Inc.</manufacturer>"
        f"<modelNumber>S38</modelNumber><modelName>Sonos One</modelName><softwareVersion>83.1-61210</softwareVersion>"
        f"<hardwareVersion>1.26.1.7-2.2</hardwareVersion><serialNum>{serial}</serialNum><UDN>uuid:{zone.uid}</UDN>"
        f"<displayVersion>16.7</displayVersion><roomName>{escape(zone.name)}</roomName>"
        f"{_services('')}<deviceList>{_embedded(zone, 'MediaServer')}{_embedded(zone, 'MediaRenderer')}</deviceList>"
        "</device></root>"
    )


def _embedded(zone: zones.Zone, device: str) -> str:
    kind = f"<deviceType>urn:schemas-upnp-org:device:{device}:1</deviceType>"
    names = f"<friendlyName>{escape(zone.name)}</friendlyName><UDN>uuid:{zone.uid}_{device}</UDN>"
    return f"<device>{kind}{names}{_services(device)}</device>"


def _services(device: str) -> str:
    rows = (
        f"<service><serviceType>urn:schemas-upnp-org:service:{name}:1</serviceType>"
        f"<serviceId>urn:upnp-org:serviceId:{name}</serviceId><controlURL>{where}{name}/Control</controlURL>"
        f"<eventSubURL>{where}{name}/Event</eventSubURL><SCPDURL>/xml/{name}1.xml</SCPDURL></service>"
        for name, kind in services.SERVICES.items()
        if kind.device == device
        for where in [f"/{device}/" if device else "/"]
    )
    return f"<serviceList>{''.join(rows)}</serviceList>"


def scpd(service: services.Service) -> str:
    """A service's description, from its methods' signatures and, where asking is harmless, their answers."""
    names = [name for name in vars(type(service)) if name[0].isupper()]
    actions = "".join(f"<action><name>{name}</name>{_arguments(service, name)}</action>" for name in names)
    state = '<stateVariable sendEvents="no"><name>A_ARG_TYPE</name><dataType>string</dataType></stateVariable>'
    body = f"<serviceStateTable>{state}</serviceStateTable><actionList>{actions}</actionList>"
    return f'{XML}<scpd xmlns="urn:schemas-upnp-org:service-1-0">{body}</scpd>'


def _arguments(service: services.Service, name: str) -> str:
    work = getattr(service, name)
    given = [*service.always, *(each for each in inspect.signature(work).parameters if each[0].isupper())]
    answered = work() if name.startswith("Get") else {}
    rows = [(each, "in") for each in given] + [(each, "out") for each in answered]
    kind = "<relatedStateVariable>A_ARG_TYPE</relatedStateVariable>"
    inner = (f"<argument><name>{each}</name><direction>{way}</direction>{kind}</argument>" for each, way in rows)
    return f"<argumentList>{''.join(inner)}</argumentList>"
