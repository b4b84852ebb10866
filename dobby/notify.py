"""Tells systemd how Dobby is: ready, alive, stopping (sd_notify(3)); silent where nobody listens.

It does not know what being alive means; `daemon` asks the loop and the store before each sign of life.
"""

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send one state (`READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=…`) to the service manager."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.connect("\0" + address[1:] if address.startswith("@") else address)
            line.sendall(state.encode())
    except OSError as error:  # whoever listened has gone; the house goes on
        log.warning("The service manager could not be told %s: %s", state, error)


def watchdog_seconds() -> float | None:
    """How often a sign of life is wanted: half of what systemd waits; None where it does not."""
    wanted = os.environ.get("WATCHDOG_USEC")
    return int(wanted) / 2e6 if wanted and wanted.isdigit() else None
