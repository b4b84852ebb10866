"""Ctrl-C and SIGTERM as an event to wait for.

It does not know what is stopped.
"""

import asyncio
import signal


def stop_on_signals() -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    return stop
