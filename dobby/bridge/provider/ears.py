"""A voice note in words, on this machine alone: Whisper by faster-whisper, its weights in a folder of the owner's.

Nothing is fetched and nothing leaves the house. It does not know what is done with the words. https://github.com/SYSTRAN/faster-whisper
"""

import asyncio
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from dobby.errors import Refused
from dobby.events import Attachment

log = logging.getLogger(__name__)
LARGEST = 20 * 2**20  # bytes of a note
SECONDS = 50.0
LONGEST = 4000  # characters of what it says
UNHEARD = "I cannot make out that voice note."
NEEDED = ("model.bin", "tokenizer.json")  # the library would fetch the second by itself
HOW = "`hf download Systran/faster-whisper-small --local-dir FOLDER`, and ears = FOLDER in [model]"


class Ears:
    """Listens with the weights at `place`, one note after the other; they are loaded with the first."""

    def __init__(self, place: str) -> None:
        self._place, self._turn = place, asyncio.Lock()
        self._model: Any = None

    async def listen(self, attachments: Sequence[Attachment]) -> str:
        """What a note says.

        :raises Refused: it cannot be heard; says what is missing.
        """
        note = next((one for one in attachments if one.media_type.startswith(("audio/", "video/"))), None)
        if note is None or note.size > LARGEST or not Path(note.path).is_file():
            raise Refused("There is no voice note that I could hear.")
        async with self._turn:
            try:
                async with asyncio.timeout(SECONDS):
                    return await asyncio.to_thread(self._hear, note.path)
            except TimeoutError:
                raise Refused("That note is too long for my ears.") from None

    def _hear(self, path: str) -> str:
        try:
            whisper: Any = import_module("faster_whisper")
        except ImportError as error:
            raise Refused("To hear voice notes I need: pip install 'dobby[voice]'") from error
        place = Path(self._place).expanduser()
        if not self._place or not all((place / name).is_file() for name in NEEDED):
            raise Refused(f"To hear voice notes I need Whisper's weights: {HOW}.")
        try:
            self._model = self._model or whisper.WhisperModel(str(place), device="cpu", compute_type="int8")
            segments, _ = self._model.transcribe(path, vad_filter=True)
            text = " ".join(segment.text.strip() for segment in segments).strip()
        except Exception as error:  # a stranger's sound in somebody else's code: whatever it is, it is no voice note
            log.warning("A voice note cannot be heard: %s: %s", type(error).__name__, error)
            raise Refused(UNHEARD) from error
        if not text:
            raise Refused(UNHEARD)
        return text[:LONGEST]
