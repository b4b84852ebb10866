"""The camera's SOAP answers, as ONVIF Profile S cameras give them (https://www.onvif.org), and its WS-Discovery answer.

Text in, text out. It does not know sockets, nor what the camera sees.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5
from xml.sax.saxutils import escape

from aiohttp import web

MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
VISITOR = "tns1:RuleEngine/MyRuleDetector/Visitor"  # a doorbell's button, as Reolink and others call it
SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "tns1": "http://www.onvif.org/ver10/topics",
}
PREFIX = {"Get": "tds", "GetProfiles": "trt", "GetStreamUri": "trt", "GetSnapshotUri": "trt", "GetEventProperties": "tev"}
PREFIX |= {"PullMessages": "tev", "CreatePullPointSubscription": "tev", "Renew": "wsnt", "Unsubscribe": "wsnt"}
WSSE = re.compile(r"<(?:[\w-]+:)?(Username|Password|Nonce|Created)\b[^>]*>([^<]*)<")


def _envelope(inner: str) -> str:
    names = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {names}><s:Body>{inner}</s:Body></s:Envelope>'


def answer(verb: str, inner: str) -> web.Response:
    """The response to a verb."""
    prefix = PREFIX.get(verb, "tds")
    return web.Response(
        text=_envelope(f"<{prefix}:{verb}Response>{inner}</{prefix}:{verb}Response>"), content_type="application/soap+xml"
    )


def fault(code: str, words: str, status: int = 500) -> web.Response:
    """A SOAP 1.2 fault."""
    inner = (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{escape(words)}</s:Text></s:Reason></s:Fault>'
    )
    return web.Response(text=_envelope(inner), status=status, content_type="application/soap+xml")


def signed(text: str, user: str, password: str) -> bool:
    """Is the UsernameToken right: digest = Base64(SHA-1(nonce + created + password)), WS-Security UsernameToken Profile 1.0."""
    said = dict(WSSE.findall(text))
    try:
        nonce = base64.b64decode(said.get("Nonce", ""))
    except ValueError:
        return False
    digest = base64.b64encode(hashlib.sha1(nonce + said.get("Created", "").encode() + password.encode()).digest()).decode()
    return said.get("Username") == user and hmac.compare_digest(digest, said.get("Password", ""))


def _services(camera: Any, token: str) -> str:
    rows = (("tds", "device"), ("trt", "media"), ("tev", "event"))
    return "".join(
        f"<tds:Service><tds:Namespace>{SPACES[prefix]}</tds:Namespace><tds:XAddr>{camera.url}/onvif/{name}_service</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for prefix, name in rows
    )


def _capabilities(camera: Any, token: str) -> str:
    where = f"{camera.url}/onvif"
    return (
        f"<tds:Capabilities><tt:Device><tt:XAddr>{where}/device_service</tt:XAddr></tt:Device>"
        f"<tt:Events><tt:XAddr>{where}/event_service</tt:XAddr><tt:WSSubscriptionPolicySupport>true</tt:WSSubscriptionPolicySupport>"
        "<tt:WSPullPointSupport>true</tt:WSPullPointSupport>"
        "<tt:WSPausableSubscriptionManagerInterfaceSupport>false</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events>"
        f"<tt:Media><tt:XAddr>{where}/media_service</tt:XAddr><tt:StreamingCapabilities/></tt:Media></tds:Capabilities>"
    )


def _moment(tag: str) -> str:
    now = datetime.now(UTC)
    hour = (
        f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second></tt:Time>"
    )
    day = f"<tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
    return f"<tt:{tag}>{hour}{day}</tt:{tag}>"


def _clock(camera: Any, token: str) -> str:
    return (
        "<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
        f"<tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone>{_moment('UTCDateTime')}</tds:SystemDateAndTime>"
    )


def _information(camera: Any, token: str) -> str:
    return (
        "<tds:Manufacturer>Dollhouse</tds:Manufacturer><tds:Model>Driveway 1</tds:Model>"
        f"<tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>{camera.serial}</tds:SerialNumber>"
        "<tds:HardwareId>1</tds:HardwareId>"
    )


def _scopes(camera: Any, token: str) -> str:
    return "".join(
        f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{each}</tt:ScopeItem></tds:Scopes>" for each in scopes(camera)
    )


def scopes(camera: Any) -> Sequence[str]:
    """What it says of itself when it is looked for."""
    name = camera.name.replace(" ", "%20")
    return (
        "onvif://www.onvif.org/type/video_encoder",
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/hardware/Driveway%201",
        f"onvif://www.onvif.org/name/{name}",
    )


def _profiles(camera: Any, token: str) -> str:
    return "".join(
        f'<trt:Profiles token="{film.path}" fixed="true"><tt:Name>{film.path}</tt:Name>'
        '<tt:VideoSourceConfiguration token="vs"><tt:Name>vs</tt:Name><tt:UseCount>2</tt:UseCount>'
        f"<tt:SourceToken>lens</tt:SourceToken>"
        f'<tt:Bounds x="0" y="0" width="{film.size[0]}" height="{film.size[1]}"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="{film.path}-enc"><tt:Name>{film.path}</tt:Name><tt:UseCount>1</tt:UseCount>'
        f"<tt:Encoding>H264</tt:Encoding>"
        f"<tt:Resolution><tt:Width>{film.size[0]}</tt:Width><tt:Height>{film.size[1]}</tt:Height></tt:Resolution>"
        "<tt:Quality>4</tt:Quality><tt:RateControl>"
        f"<tt:FrameRateLimit>{film.fps}</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>"
        "<tt:BitrateLimit>2048</tt:BitrateLimit>"
        f"</tt:RateControl>"
        f"<tt:H264><tt:GovLength>{round(film.fps * film.gop)}</tt:GovLength><tt:H264Profile>Main</tt:H264Profile></tt:H264>"
        "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port>"
        "<tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
        for film in reversed(camera.films)
    )


def _uri(url: str) -> str:
    return (
        f"<trt:MediaUri><tt:Uri>{url}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
    )


ANSWERS: Mapping[str, Callable[[Any, str], str]] = {
    "GetServices": _services,
    "GetCapabilities": _capabilities,
    "GetSystemDateAndTime": _clock,
    "GetDeviceInformation": _information,
    "GetScopes": _scopes,
    "GetProfiles": _profiles,
    "GetStreamUri": lambda camera, token: _uri(camera.stream(token or "main")),
    "GetSnapshotUri": lambda camera, token: _uri(f"{camera.url}/snapshot.jpg"),
}


def _stamp(seconds: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def subscribed(url: str) -> str:
    """A pull point's address and its hours."""
    return (
        f"<tev:SubscriptionReference><wsa:Address>{url}</wsa:Address></tev:SubscriptionReference>"
        f"<wsnt:CurrentTime>{_stamp()}</wsnt:CurrentTime><wsnt:TerminationTime>{_stamp(600)}</wsnt:TerminationTime>"
    )


def renewed() -> str:
    """The same, for longer."""
    return f"<wsnt:TerminationTime>{_stamp(600)}</wsnt:TerminationTime><wsnt:CurrentTime>{_stamp()}</wsnt:CurrentTime>"


def messages(told: Sequence[tuple[str, str, bool]]) -> str:
    """What happened, as notifications (ONVIF Core, section 9)."""
    rows = "".join(
        '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
        f'{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{_stamp()}"'
        ' PropertyOperation="Changed"><tt:Source>'
        '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="vs"/></tt:Source><tt:Data>'
        f'<tt:SimpleItem Name="{item}" Value="{str(value).lower()}"/></tt:Data></tt:Message>'
        "</wsnt:Message></wsnt:NotificationMessage>"
        for topic, item, value in told
    )
    return f"<tev:CurrentTime>{_stamp()}</tev:CurrentTime><tev:TerminationTime>{_stamp(600)}</tev:TerminationTime>{rows}"


def matched(camera: Any, asked: str) -> str:
    """The answer to a probe."""
    space, address = "http://schemas.xmlsoap.org/ws/2005/04/discovery", "http://schemas.xmlsoap.org/ws/2004/08/addressing"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SPACES["s"]}" xmlns:a="{address}" xmlns:d="{space}"'
        f' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>urn:uuid:{uuid4()}</a:MessageID>'
        f"<a:RelatesTo>{escape(asked)}</a:RelatesTo><a:Action>{space}/ProbeMatches</a:Action></s:Header><s:Body><d:ProbeMatches>"
        f"<d:ProbeMatch><a:EndpointReference>"
        f"<a:Address>urn:uuid:{uuid5(NAMESPACE_DNS, camera.serial)}</a:Address></a:EndpointReference>"
        f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{' '.join(scopes(camera))}</d:Scopes>"
        f"<d:XAddrs>{camera.url}/onvif/device_service</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>"
        "</d:ProbeMatches></s:Body></s:Envelope>"
    )
