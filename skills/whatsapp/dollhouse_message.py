"""A message as Twilio's API gives it, its signature over a webhook, and its errors. It knows no server and no phone."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

ACCOUNT, TOKEN = "AC" + "0d" * 16, "dollhouse-auth-token"


@dataclass
class Message:
    """A message resource; `at` when it was made, `ahead` what the fake's clock was put forward."""

    sid: str
    to: str
    sender: str
    body: str
    inbound: bool
    at: float
    media: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    status: str = "queued"
    code: int | None = None
    callback: str = ""
    template: str = ""
    buttons: list[str] = field(default_factory=list)
    heard: bool = False  # of one that came in: the webhook took it

    def row(self) -> dict[str, Any]:
        """As the API answers."""
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{self.sid}"
        date = formatdate(self.at, usegmt=True).replace("GMT", "+0000")
        waits = self.status in ("queued", "accepted")
        return {
            "sid": self.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "to": self.to, "from": self.sender,
            "body": self.body, "status": self.status, "direction": "inbound" if self.inbound else "outbound-api",
            "date_created": date, "date_updated": date, "date_sent": None if waits else date, "error_code": self.code,
            "error_message": None, "messaging_service_sid": None, "num_media": str(len(self.media)), "num_segments": "1",
            "price": None, "price_unit": None, "uri": f"{base}.json", "subresource_uris": {"media": f"{base}/Media.json"},
        }  # fmt: skip


def sign(url: str, form: dict[str, str], token: str = TOKEN) -> str:
    """Twilio's signature: HMAC-SHA1 over the address and the sorted fields (twilio.com/docs/usage/security)."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def day(at: float) -> str:
    """A moment's day, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def error(status: int, code: int, words: str) -> web.Response:
    """A refusal as the API words it (twilio.com/docs/api/errors)."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return web.json_response({"code": code, "message": words, "more_info": more, "status": status}, status=status)
