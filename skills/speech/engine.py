"""Engines that turn a text into a WAV on this machine: Piper with a voice of the owner's, else espeak-ng.

It does not know who plays the sound.
"""

import asyncio
import io
import re
import shutil
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from dobby import Pool, Refused

PATIENCE = 8.0  # seconds an engine has for one text
LEAD = 0.3  # seconds of silence before the first word: players swallow the beginning of what they start
SPEED = 160  # words a minute
SMALL_WORDS = {
    "en": "the is are and to of in it you we at for on please come will be ready now",
    "de": "der die das ist sind und zu in es ihr wir um für auf bitte kommt wird fertig jetzt essen gibt",
}
HEADER = 44  # bytes of a plain WAV's header


class Engine(Protocol):
    """One way to read aloud."""

    async def sound(self, text: str) -> bytes:
        """The text as a WAV, 16 bit mono. :raises Refused: the engine did not manage."""
        ...

    def close(self) -> None:
        """Let go of threads."""
        ...


def engine(settings: Mapping[str, Any]) -> Engine:
    """The engine for this `[skills.speech]`; blocking (a voice of Piper's takes a second to load).

    :raises Refused: there is none; says what to install.
    """
    if model := settings.get("piper_voice"):
        return Piper(Path(str(model)).expanduser())
    if path := shutil.which("espeak-ng"):
        return Espeak(path, settings.get("voice"), str(settings.get("language", "en")), int(settings.get("speed", SPEED)))
    raise Refused(
        "Nothing here can read a text aloud: install espeak-ng (apt install espeak-ng), "
        "or name a voice of Piper as piper_voice in [skills.speech]."
    )


def language_of(text: str, usual: str) -> str:
    """Which language a text is in by its small words; the usual one where they do not say."""
    said = set(re.findall(r"\w+", text.casefold()))
    return max((usual, *SMALL_WORDS), key=lambda one: (len(said & set(SMALL_WORDS.get(one, "").split())), one == usual))


class Espeak:
    """The program `espeak-ng`, once for each text; the text goes in by its standard input."""

    def __init__(self, path: str, voice: str | None, language: str, speed: int) -> None:
        self._path, self._voice, self._language, self._speed = path, voice, language, speed

    async def sound(self, text: str) -> bytes:
        """The text as a WAV."""
        pipe = asyncio.subprocess.PIPE
        voice = self._voice or language_of(text, self._language)
        command = (self._path, "-v", voice, "-s", str(self._speed), "--stdin", "--stdout")
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(PATIENCE):
                out, trouble = await process.communicate(text.encode())
        except TimeoutError as error:
            raise Refused("espeak-ng did not come to an end.") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode or len(out) <= HEADER or not out.startswith(b"RIFF"):
            why = " ".join(trouble.decode("utf-8", "replace").split())[:200]
            raise Refused(f"espeak-ng cannot read that aloud{': ' + why if why else ''}.")
        with wave.open(io.BytesIO(out)) as said:
            rate = said.getframerate()
        return written(out[HEADER:], rate)  # its own header does not know how long the sound is

    def close(self) -> None:
        """Nothing runs between texts."""


class Piper:
    """The library `piper` (OHF-Voice/piper1-gpl) with one voice, in a thread of its own."""

    def __init__(self, model: Path) -> None:
        try:
            from piper import PiperVoice
        except ImportError as error:
            raise Refused("A voice of Piper wants more: pip install 'dobby[speech]'") from error
        try:
            self._voice = PiperVoice.load(model)
        except Exception as error:  # a model file is somebody else's, and the runtime raises of its own kinds
            raise Refused(f"The voice {model.name} cannot be used: {str(error)[:200]}") from error
        self._pool = Pool("speech", 1)

    async def sound(self, text: str) -> bytes:
        """The text as a WAV."""
        return await self._pool.run(self._sound, text)

    def _sound(self, text: str) -> bytes:
        try:
            chunks = list(self._voice.synthesize(text))
        except Exception as error:  # see above
            raise Refused(f"Piper cannot read that aloud: {str(error)[:200]}") from error
        if not chunks:
            raise Refused("Piper cannot read that aloud.")
        return written(b"".join(chunk.audio_int16_bytes for chunk in chunks), chunks[0].sample_rate)

    def close(self) -> None:
        """End the thread."""
        self._pool.close()


def written(samples: bytes, rate: int) -> bytes:
    """Samples (16 bit, mono, `rate` Hz) as a WAV with a moment of silence before and after."""
    out = io.BytesIO()
    quiet = bytes(2 * round(LEAD * rate))
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(quiet + samples[: len(samples) // 2 * 2] + quiet)
    return out.getvalue()
