"""What the command line may ask of the running Dobby over the console socket, by name.

It does not know how the socket works nor who is on the other end (`bridge.console` checks that).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dobby.alive import Dobby
from dobby.bridge.console import Operation
from dobby.butler.memories import read_wishes
from dobby.errors import DobbyError
from dobby.memory.requests import answer

GONE = 5  # names of what is out of reach, of one family


def operations(dobby: Dobby) -> Mapping[str, Operation]:
    """Every operation, bound to this Dobby."""
    since = datetime.fromtimestamp(dobby.clock.now()).isoformat(" ", "seconds")

    async def status(request: dict[str, Any]) -> dict[str, Any]:
        """How the families are."""
        rows = {
            name: {
                "devices": len(family.devices),
                "away": sum(dobby.house.lost(device.id) for device in family.devices),
                "gone": [device.name for device in family.devices if dobby.house.lost(device.id)][:GONE],
                "needs": family.needs,
                "trouble": family.trouble,
            }
            for name, family in dobby.families.items()
        }
        page = dobby.web.url if dobby.web else ""
        bridges = {way.name: way.trouble for way in dobby.remote}
        return {"since": since, "page": page, "families": rows, "broken": dobby.broken, "bridges": bridges}

    async def secret(request: dict[str, Any]) -> dict[str, Any]:
        """A token into the vault."""
        await dobby.vault.part(str(request["part"])).put(str(request["name"]), str(request["secret"]))
        return {"ok": True}

    async def memory(request: dict[str, Any]) -> dict[str, Any]:
        """The notes, for the owner who sits at the machine."""
        assert dobby.desk.memory is not None
        done = await answer(dobby.desk.memory, dobby.people, request)
        await read_wishes(dobby.desk)
        return done

    return {"status": status, "secret": secret, "memory": memory, **_doors(dobby)}


def _doors(dobby: Dobby) -> Mapping[str, Operation]:
    """Who and what may come in."""

    async def code(request: dict[str, Any]) -> dict[str, Any]:
        """A one-time code for the page."""
        person = _person(dobby, request)
        return {"code": await dobby.people.make_code(person), "url": _page(dobby)}

    async def end_sessions(request: dict[str, Any]) -> dict[str, Any]:
        """A lost phone."""
        await dobby.people.end_sessions(str(request["person"]))
        return {"ok": True}

    async def token(request: dict[str, Any]) -> dict[str, Any]:
        """A thing that may speak for somebody."""
        person, name, room = _person(dobby, request), str(request["name"]), str(request.get("room", ""))
        if not re.fullmatch(r"[\w. -]{1,40}", name):
            raise DobbyError("A name has 1 to 40 letters, digits, spaces, dots and dashes.")
        known = dobby.house.room(room)
        if room and known is None:
            raise DobbyError(f"There is no room {room!r}. The rooms are: {', '.join(each.name for each in dobby.house.rooms)}.")
        url = _page(dobby)
        return {"token": await dobby.people.make_token(person, name, known.name if known else ""), "url": url}

    async def tokens(request: dict[str, Any]) -> dict[str, Any]:
        """Everything that has one."""
        return {"things": await dobby.people.things()}

    async def end_token(request: dict[str, Any]) -> dict[str, Any]:
        """It is lost, or in other hands."""
        if not await dobby.people.end_token(str(request["name"])):
            raise DobbyError(f"Nothing called {request['name']!r} has a token. `dobby token` lists what has.")
        return {"ok": True}

    return {"code": code, "end_sessions": end_sessions, "token": token, "tokens": tokens, "end_token": end_token}


def _person(dobby: Dobby, request: dict[str, Any]) -> str:
    person = str(request.get("person", "owner"))
    if dobby.people.get(person) is None:
        known = ", ".join(each.id for each in dobby.people)
        raise DobbyError(f"There is nobody called {person!r}. Known are: {known}.")
    return person


def _page(dobby: Dobby) -> str:
    if dobby.web is None:
        raise DobbyError("The chat page is off (web.on = false in dobby.toml).")
    return dobby.web.url
