"""What Home Assistant's messages say: results and why there is none, rows by their key, states.

It does not know the connection that they came by.
"""

from collections.abc import Mapping
from typing import Any

from dobby import Refused, Unsure

from .registry import row, rows
from .values import clean

CERTAIN = ("not_found", "invalid_format", "not_supported", "unauthorized", "unknown_command", "service_validation_error")


def result_of(message: Mapping[str, Any]) -> Any:
    """What a command came to.

    :raises Refused: it was not done; :raises Unsure: it may have been.
    """
    if message.get("type") == "pong" or message.get("success") is True:
        return message.get("result")
    error = row(message.get("error"))
    words = clean(error.get("message")).rstrip(".") or "no reason given"
    if error.get("code") in CERTAIN:
        raise Refused(f"Home Assistant refused: {words}.")
    raise Unsure(f"Home Assistant had trouble: {words}.")


def keyed(given: Any, key: str) -> dict[str, Mapping[str, Any]]:
    """Rows by one of their fields; those without it are left out."""
    return {name: one for one in rows(given) if isinstance(name := one.get(key), str)}


def state_of(said: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """An entity's state, and its attributes."""
    state = said.get("state")
    return (state if isinstance(state, str) else "unknown", row(said.get("attributes")))
