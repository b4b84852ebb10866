"""What an app of Spotify's is known by. It does not know who made it."""

from typing import NamedTuple


class Key(NamedTuple):
    """A client ID and its secret, never shown or logged."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return "Key(…)"
