"""What people send along, as files beside the rows: known by its first bytes, bounded in size, named by its message.

It does not know any provider, nor what is in a file.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from dobby.errors import Refused
from dobby.events import Attachment, EventKind, Location

LARGEST = 16 * 2**20  # bytes of one file
# The first bytes (at an offset) and what they are: whatever a sender calls it, this is what it is kept as.
KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (8, b"WEBP", "image/webp", ".webp"),
    (0, b"OggS", "audio/ogg", ".ogg"),
    (0, b"ID3", "audio/mpeg", ".mp3"),
    (0, b"\xff\xfb", "audio/mpeg", ".mp3"),
    (0, b"#!AMR", "audio/amr", ".amr"),
    (4, b"ftypM4A", "audio/mp4", ".m4a"),
    (8, b"WAVE", "audio/wav", ".wav"),
    (4, b"ftyp", "video/mp4", ".mp4"),
    (0, b"%PDF-", "application/pdf", ".pdf"),
)


async def collect(chunks: AsyncIterator[bytes], most: int = LARGEST) -> bytes:
    """A download whole, as long as it is not too large.

    :raises Refused: it is; nothing more of it is read.
    """
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise Refused(f"That file is larger than {most // 2**20} MB.")
    return bytes(data)


async def keep(folder: Path, key: str, data: bytes) -> Attachment:
    """A file under a name made from its message's key; it is on the disk when this returns, and the same one again is the same.

    :raises Refused: nobody can say what it is.
    """
    found = next(((media, end) for at, head, media, end in KINDS if data[at : at + len(head)] == head), None)
    if found is None:
        raise Refused("That is not a picture, a voice or a document that can be kept.")
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{found[1]}"
    await asyncio.to_thread(_write, path, data)
    return Attachment(str(path), found[0], len(data))


def kind_of(attachment: Attachment) -> EventKind:
    """A voice is heard, anything else is looked at."""
    return EventKind.VOICE if attachment.media_type.startswith("audio/") else EventKind.ATTACHMENT


def place(latitude: str, longitude: str) -> Location | None:
    """Degrees in words as a place on earth; None where they are none."""
    try:
        north, east = float(latitude), float(longitude)
    except ValueError:
        return None
    return Location(north, east) if abs(north) <= 90 and abs(east) <= 180 else None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
