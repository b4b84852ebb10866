"""A Shelly of the first generation: its HTTP pages, told in the words of the second, so that `parts` knows one kind only.

It stands where aioshelly's `RpcDevice` stands in `link.py`. It is looked at every few seconds: aioshelly's own way for these
(`block_device`) takes UDP port 5683 of the whole machine and speaks to port 80 alone. Source: shelly-api-docs.shelly.cloud/gen1.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aiohttp
from aioshelly.common import get_info
from aioshelly.exceptions import DeviceConnectionError, InvalidAuthError, RpcCallError, ShellyError
from aioshelly.rpc_device import RpcUpdateType

from .parts import Rows, clean, table

PATIENCE = aiohttp.ClientTimeout(total=4.0)  # seconds for a page
LONGEST = 65_536  # bytes of a page
Login = tuple[str, str] | None
PLUGS = ("SHPLG", "SHSKPLUG")  # how the types of plugs begin
MOVES = {"open": "opening", "close": "closing", "stop": "stopped"}
ASKED = {"brightness": "brightness", "ct": "temp"}


class Old:
    """One of them, looked at for as long as it is open. `info` is its page `/shelly`.

    Orders go by POST, which these take as well: aiohttp repeats a GET by itself where its line broke, and a pulse must not be.
    """

    def __init__(self, session: aiohttp.ClientSession, at: tuple[str, int], info: Rows, login: Login, beat: float) -> None:
        self.shelly: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.status: dict[str, Any] = {}
        self.connected = self.initialized = False
        (self._host, self._port), self._session, self._info, self._beat = at, session, info, beat
        self._login = {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"} if login else {}
        self._settings: Rows = {}
        self._heard: Callable[[Any, RpcUpdateType], None] = lambda device, what: None
        self._watching: asyncio.Task[None] | None = None

    def subscribe_updates(self, heard: Callable[[Any, RpcUpdateType], None]) -> None:
        """Who is told of news."""
        self._heard = heard

    async def initialize(self) -> None:
        """Look at it all, and go on looking."""
        if self._info.get("auth") is True and not self._login:
            raise InvalidAuthError("auth missing and required")
        self._settings = await self._page("settings")
        self.shelly, self.config = _described(self._info, self._settings)
        await self.update_status()
        self.connected = self.initialized = True
        self._watching = asyncio.create_task(self._watch(), name=f"shelly {self._host}")

    async def ask_who(self) -> None:
        """It is still the same one: no other hears its password or its orders. Raises `MacAddressMismatchError`."""
        await get_info(self._session, self._host, str(self._info.get("mac")), self._port)

    async def update_status(self) -> None:
        """Look at what it is now."""
        self.status = _told(self._settings, await self._page("status"))

    async def _watch(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._beat)
                before = self.status
                await self.ask_who()
                await self.update_status()
                if self.status != before:
                    self._heard(self, RpcUpdateType.STATUS)
        except (ShellyError, OSError, TimeoutError, ValueError):
            self.connected = False
            self._heard(self, RpcUpdateType.DISCONNECTED)

    async def call_rpc(self, method: str, told: Mapping[str, Any]) -> None:
        """One call of the second generation as a page of the first."""
        component, _, verb = method.partition(".")
        if component == "Cover":
            asked = {"go": "to_pos", "roller_pos": told["pos"]} if verb == "GoToPosition" else {"go": verb.lower()}
            await self._page(f"roller/{told['id']}", "POST", **asked)
        elif component == "Switch":
            await self._page(f"relay/{told['id']}", "POST", turn="on" if told["on"] else "off")
        else:
            await self._page(self._lamp(told["id"]), "POST", **self._lit(told))

    def _lamp(self, number: int) -> str:
        """An RGBW2 has pages of its own for each way it is set up."""
        strip = self._info.get("type") == "SHRGBW2"
        return f"{'color' if self._settings.get('mode') == 'color' else 'white'}/{number}" if strip else f"light/{number}"

    def _lit(self, told: Mapping[str, Any]) -> dict[str, Any]:
        asked = {word: told[key] for key, word in ASKED.items() if key in told}
        if "on" in told:
            asked["turn"] = "on" if told["on"] else "off"
        if "rgb" in told:
            asked |= {"mode": "color", **dict(zip(("red", "green", "blue"), told["rgb"], strict=True))}
        if "brightness" in asked and ("rgb" in told or self.status.get(f"rgb:{told['id']}", {}).get("rgb")):
            asked["gain"] = asked.pop("brightness")
        return asked

    async def _page(self, path: str, method: str = "GET", **asked: Any) -> dict[str, Any]:
        """A page, asked for once."""
        where, query = f"http://{self._host}:{self._port}/{path}", {key: str(value) for key, value in asked.items()}
        try:
            async with self._session.request(
                method, where, params=query, headers=self._login, allow_redirects=False, timeout=PATIENCE
            ) as answer:
                body = await answer.content.read(LONGEST)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DeviceConnectionError(error) from error
        if answer.status == 401:
            raise InvalidAuthError(answer.status)
        if answer.status != 200:
            raise RpcCallError(answer.status, clean(body.decode("utf-8", "replace"), 120))
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found

    async def shutdown(self) -> None:
        """Look no more."""
        self.connected = False
        if self._watching is not None:
            self._watching.cancel()


def listed(page: Rows, key: str) -> list[Rows]:
    """What stands in a list, as far as it is tables."""
    found = page.get(key)
    return [one if isinstance(one, Mapping) else {} for one in found] if isinstance(found, list) else []


def _described(info: Rows, settings: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it is, and how it is set up."""
    kind, device = str(info.get("type")), table(settings, "device")
    shelly = {"mac": info.get("mac"), "id": device.get("hostname"), "app": "plug" if kind.startswith(PLUGS) else kind}
    relays = listed(settings, "relays")
    config: dict[str, Any] = {"sys": {"device": {"name": settings.get("name")}, "ui_data": {}}}
    config["sys"]["ui_data"]["consumption_types"] = [str(one.get("appliance_type")).lower() for one in relays]
    for number, one in enumerate(relays):
        delay = one.get("auto_off")
        off = isinstance(delay, int | float) and delay > 0
        config[f"switch:{number}"] = {"name": one.get("name"), "auto_off": off, "auto_off_delay": delay}
    named = (("cover", "rollers"), ("light", "lights"), ("cct", "lights"), ("rgb", "lights"), ("pm1", "emeters"))
    config |= {
        f"{what}:{number}": {"name": one.get("name")} for what, key in named for number, one in enumerate(listed(settings, key))
    }
    return shelly, config


def _told(settings: Rows, status: Rows) -> dict[str, Any]:
    """Its status as the second generation has it: components by name and number."""
    return dict([*_switched(settings, status), *_lamps(status), *_metered(status)])


def _switched(settings: Rows, status: Rows) -> Iterator[tuple[str, Rows]]:
    meters = dict(enumerate(listed(status, "meters")))
    if settings.get("mode") == "roller":
        for number, one in enumerate(listed(status, "rollers")):
            state = MOVES.get(str(one.get("state")))
            where = {"current_pos": one.get("current_pos"), "pos_control": one.get("positioning") is True}
            yield f"cover:{number}", {"state": state, **where, **_meter(meters.get(number, {}))}
    elif not listed(status, "lights"):
        for number, one in enumerate(listed(status, "relays")):
            yield f"switch:{number}", {"output": one.get("ison"), **_meter(meters.get(number, {}))}


def _lamps(status: Rows) -> Iterator[tuple[str, Rows]]:
    for number, one in enumerate(listed(status, "lights")):
        colour = one.get("mode") == "color"
        what = "rgb" if "red" in one else "cct" if "temp" in one else "light"
        lamp = {"output": one.get("ison"), "brightness": one.get("gain" if colour else "brightness"), "ct": one.get("temp")}
        rgb = [one.get(part) for part in ("red", "green", "blue")] if colour else None
        yield f"{what}:{number}", {**lamp, **({"rgb": rgb} if rgb else {})}


def _metered(status: Rows) -> Iterator[tuple[str, Rows]]:
    """Energy meters (EM, 3EM) count watt-hours; those of relays watt-minutes."""
    for number, one in enumerate(listed(status, "emeters")):
        yield f"pm1:{number}", {"apower": one.get("power"), "aenergy": {"total": one.get("total")}}


def _meter(one: Rows) -> dict[str, Any]:
    total = one.get("total")
    if one.get("is_valid") is not True or not isinstance(total, int | float):
        return {}
    return {"apower": one.get("power"), "aenergy": {"total": total / 60}}
