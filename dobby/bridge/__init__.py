"""People's ways in and out: each bridge turns a provider's messages into events, and owed rows into messages."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from dobby.events import Event, Reply
from dobby.post import Bridge


class Heard(Protocol):
    """An event is on the disk: whether it is new."""

    @property
    def new(self) -> bool: ...


Hear = Callable[[Event], Awaitable[Heard]]


class Way(Bridge, Protocol):
    """A bridge whose provider is elsewhere. Set `hear` before `run`; `trouble` says what is wrong with it, in words."""

    hear: Hear | None
    trouble: str

    async def run(self) -> None:
        """Take in what comes, until cancelled."""
        ...

    async def aclose(self) -> None:
        """Hang up."""
        ...


def worded(reply: Reply) -> str:
    """The text with its quick replies in words, for a bridge without buttons: a yes or no in brackets, choices by number."""
    options = reply.options
    if not options:
        return reply.text
    if len(options) == 2 and all(len(option) <= 12 for option in options):
        return f"{reply.text} ({' / '.join(options)})"
    return "\n".join([reply.text, *(f"{number}. {option}" for number, option in enumerate(options, 1))])
