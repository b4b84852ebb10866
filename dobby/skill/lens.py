"""What a driver of cameras offers beside the usual: where its streams are, and a still picture.

It does not know who looks at them, nor what is to be seen.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dobby.house.model import Device


@dataclass(frozen=True, slots=True)
class Streams:
    """A camera's streams as URLs, passwords included (never shown): `watch` is the small one, `keep` the large one or "".

    `decode` is `auto`, `keyframes` or `full`.
    """

    watch: str = field(repr=False)
    keep: str = field(default="", repr=False)
    decode: str = "auto"


@runtime_checkable
class Lens(Protocol):
    """A driver whose devices are cameras."""

    async def streams(self, device: Device) -> Streams:
        """Where to look.

        :raises Unreachable: it does not say just now.
        """
        ...

    async def picture(self, device: Device) -> bytes:
        """A still of this moment, as the camera itself makes one (JPEG).

        :raises Refused: it makes none; :raises Unreachable: not now.
        """
        ...
