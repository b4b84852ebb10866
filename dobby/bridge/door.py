"""The page's door: which hosts and origins may knock, who a session lets in, how often a code may be tried.

Being on this machine lets nobody in, nor does any header that claims to come from a proxy. It does not know what is said
inside.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn
from urllib.parse import urlsplit

from aiohttp import web

from dobby.clock import Clock
from dobby.people import People, Person

COOKIE = "dobby_session"
COOKIE_SECONDS = 180 * 24 * 3600
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE = ("GET", "HEAD")
TOKENS = "/say"  # no cookie counts there, so that no other site's page can make use of one

HEADERS = {
    "Server": "Dobby",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " media-src 'self'; manifest-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def refuse(why: type[web.HTTPException], words: str, **headers: str) -> NoReturn:
    """End a request with a plain sentence as `{"error": …}`."""
    raise why(text=json.dumps({"error": words}), content_type="application/json", headers=headers)


async def fields_of(
    request: web.Request, *, need: dict[str, Any] | None = None, may: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body as an object with exactly these fields; anything else is refused, whatever it is called."""
    needed = need or {}
    known = {**needed, **(may or {})}
    if request.content_type != "application/json":
        refuse(web.HTTPUnsupportedMediaType, "The body is JSON.")
    try:
        fields = json.loads((await request.read()).decode())
        json.dumps(fields, ensure_ascii=False).encode()  # half a letter is no letter, and no file would take it
    except web.HTTPRequestEntityTooLarge as error:
        error.content_type, error.text = (
            "application/json",
            json.dumps({"error": "That is too long. A text has at most 4,000 letters."}),
        )
        raise
    except (ValueError, RecursionError):
        refuse(web.HTTPBadRequest, "The body is no JSON.")
    fits = isinstance(fields, dict) and needed.keys() <= fields.keys() <= known.keys()
    if not fits or not all(isinstance(value, known[name]) for name, value in fields.items()):
        refuse(web.HTTPUnprocessableEntity, f"Expected {', '.join(known)} and nothing else.")
    return dict(fields)


class Knocks:
    """How long somebody who tried wrong codes has to wait: a few are free, then longer with every one.

    Counted per address, and over all addresses together, so that many hands do not make light work.
    """

    FREE = 4
    LONGEST = 300.0  # seconds between tries of one address at most
    TOGETHER = 60  # wrong codes from anywhere …
    WINDOW = 600.0  # … in so many seconds

    def __init__(self) -> None:
        self._tried: dict[str, tuple[int, float]] = {}
        self._all: deque[float] = deque()

    def wait(self, peer: str, now: float) -> float:
        """Seconds until this address may try (0: at once). Asking counts as a try, until `welcome`."""
        while self._all and self._all[0] <= now - self.WINDOW:
            self._all.popleft()
        if len(self._all) >= self.TOGETHER:
            return self._all[0] + self.WINDOW - now
        tries, again = self._tried.get(peer, (0, 0.0))
        if again > now:
            return again - now
        pause = min(2.0 ** (tries - self.FREE), self.LONGEST) if tries >= self.FREE else 0.0
        self._tried = {known: row for known, row in self._tried.items() if row[1] > now - self.WINDOW}
        self._tried[peer] = (tries + 1, now + pause)
        self._all.append(now)
        return 0.0

    def welcome(self, peer: str) -> None:
        """The code was right: this address starts afresh."""
        self._tried.pop(peer, None)
        self._all.pop()


class Door:
    """Looks at every request before anything else does; `hosts` are the names this page may be asked for by."""

    def __init__(self, people: People, clock: Clock, hosts: Iterable[str]) -> None:
        self._people = people
        self._clock = clock
        self._hosts = frozenset(host.casefold().strip("[]") for host in (*LOOPBACK, *hosts))
        self._knocks = Knocks()

    @web.middleware
    async def watch(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """A host nobody named is refused (DNS rebinding), and so is whatever changes something for another origin."""
        host = request.headers.get("Host", "")
        if _name(host) not in self._hosts:
            refuse(web.HTTPForbidden, "This address is not one of Dobby's.")
        strict = request.method not in SAFE or "Upgrade" in request.headers
        if request.path != TOKENS and not _same_origin(request, host, strict):
            refuse(web.HTTPForbidden, "Only Dobby's own page may do that.")
        return await handler(request)

    async def person(self, request: web.Request) -> Person:
        """Whose session this request carries, looked up now; 401 where there is none."""
        found = await self._people.of_session(request.cookies.get(COOKIE, ""))
        if found is None:
            refuse(web.HTTPUnauthorized, "Please log in again.")
        return found

    async def let_in(self, request: web.Request, code: str) -> web.Response:
        """Turn a one-time code into a session's cookie."""
        peer = request.remote or ""
        pause = self._knocks.wait(peer, self._clock.now())
        if pause > 0:
            words = "Too many wrong codes. Please wait a little."
            refuse(web.HTTPTooManyRequests, words, **{"Retry-After": str(int(pause) + 1)})
        session = await self._people.redeem(code)
        person = await self._people.of_session(session) if session else None
        if session is None or person is None:
            refuse(web.HTTPUnauthorized, "That code is wrong, used or too old.")
        self._knocks.welcome(peer)
        await self._people.reach(person.id, "web", person.id)
        secure = request.headers.get("Origin", "").startswith("https:")
        response = web.json_response({"ok": True})
        response.set_cookie(COOKIE, session, max_age=COOKIE_SECONDS, httponly=True, samesite="Strict", secure=secure)
        return response

    async def let_out(self, request: web.Request) -> web.Response:
        """End this session, here and now."""
        await self._people.end_session(request.cookies.get(COOKIE, ""))
        response = web.json_response({"ok": True})
        response.del_cookie(COOKIE, httponly=True, samesite="Strict")
        return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On everything that leaves; what a person may see is never kept by a cache."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").casefold()
    except ValueError:
        return ""


def _same_origin(request: web.Request, host: str, strict: bool) -> bool:
    """Browsers say where a request comes from; what changes something must say so, whoever sends it."""
    origin = request.headers.get("Origin")
    if origin is not None:
        parts = origin.partition("://")
        return parts[0] in ("http", "https") and parts[2].casefold() == host.casefold()
    site = request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" if strict else site in (None, "same-origin", "none") or request.path == "/"
