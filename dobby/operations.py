"""What the command line may ask of the running Dobby over the console socket, by name.

It does not know how the socket works nor who is on the other end (`bridge.console` checks that).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dobby.alive import Dobby
from dobby.bridge.console import Operation
from dobby.errors import DobbyError


def operations(dobby: Dobby) -> Mapping[str, Operation]:
    """Every operation, bound to this Dobby."""
    since = datetime.fromtimestamp(dobby.clock.now()).isoformat(" ", "seconds")

    async def code(request: dict[str, Any]) -> dict[str, Any]:
        """A one-time code for the page."""
        person = str(request.get("person", "owner"))
        if dobby.people.get(person) is None:
            known = ", ".join(each.id for each in dobby.people)
            raise DobbyError(f"There is nobody called {person!r}. Known are: {known}.")
        if dobby.web is None:
            raise DobbyError("The chat page is off (web.on = false in dobby.toml).")
        return {"code": await dobby.people.make_code(person), "url": dobby.web.url}

    async def end_sessions(request: dict[str, Any]) -> dict[str, Any]:
        """A lost phone."""
        await dobby.people.end_sessions(str(request["person"]))
        return {"ok": True}

    async def status(request: dict[str, Any]) -> dict[str, Any]:
        """How the families are."""
        rows = {
            name: {
                "devices": len(family.devices),
                "away": sum(dobby.house.lost(device.id) for device in family.devices),
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

    return {"code": code, "end_sessions": end_sessions, "status": status, "secret": secret}
