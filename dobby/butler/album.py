"""Pictures that are shown in a conversation, each a file named by what is in it.

Bounded: the oldest go first. It does not know what is in them, nor who may see one (the bridge asks its rows).
"""

import asyncio
import hashlib
from pathlib import Path

from dobby.errors import Refused

MOST = 512 * 2**20  # bytes of all pictures together
LARGEST = 16 * 2**20  # bytes of one
KINDS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}  # the first bytes


class Album:
    """The folder of one state; None keeps nothing, and answers are words only."""

    def __init__(self, folder: Path | None = None, most: int = MOST) -> None:
        self._folder, self._most = folder, most

    async def keep(self, data: bytes) -> str:
        """A PNG, JPEG or WebP into a file; its path, for a Reply's `picture`.

        :raises Refused: it is none of these, or too large.
        """
        suffix = next((kind for head, kind in KINDS.items() if data.startswith(head)), "")
        if not suffix or len(data) > LARGEST:
            raise Refused("That is no picture that can be shown.")
        return await asyncio.to_thread(self._keep, data, suffix) if self._folder else ""

    def _keep(self, data: bytes, suffix: str) -> str:
        assert self._folder is not None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:32]}{suffix}"
        draft = path.with_suffix(".part")
        draft.write_bytes(data)
        draft.replace(path)
        files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        kept = 0
        for file in files:
            kept += file.stat().st_size
            if kept > self._most and file != path:
                file.unlink()
        return str(path)
