"""Voice notes, heard by a real Whisper that knows one sentence: once heard they are texts like any."""

import shutil
import subprocess
from pathlib import Path

import av
import pytest

from dobby.dollhouse.scripted import Line
from dobby.events import Attachment, EventKind
from dobby.wits.wire import give_ears
from tests.fakes import Home, build, living
from tests.minds import minded
from tests.small_whisper import learn

pytest.importorskip("faster_whisper", reason="dobby[voice] is not installed")
pytestmark = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed (apt install espeak-ng)")


@pytest.fixture
def note(sound: Path, tmp_path: Path) -> Attachment:
    copy = shutil.copy(sound, tmp_path / "note.ogg")
    return Attachment(str(copy), "audio/ogg", copy.stat().st_size)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice note as phones make them: Opus in Ogg."""
    folder = tmp_path_factory.mktemp("note")
    subprocess.run(["espeak-ng", "-w", folder / "note.wav", "would you be so kind and see to the light"], check=True)
    with av.open(str(folder / "note.wav")) as said, av.open(str(folder / "note.ogg"), "w", format="ogg") as file:
        stream = file.add_stream("libopus", rate=48_000)
        fit = av.AudioResampler("s16", "mono", 48_000)
        for frame in [part for one in said.decode(audio=0) for part in fit.resample(one)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return folder / "note.ogg"


async def send(home: Home, note: Attachment, person: str = "anna", **more: object) -> list[str]:
    return await home.say(person, "", kind=EventKind.VOICE, attachments=(note,), **more)


async def test_a_note_is_a_text_once_it_is_heard(note: Attachment, tmp_path: Path) -> None:
    async with minded([]) as m:
        give_ears(m.home.desk, str(learn(tmp_path, "turn on the reading lamp")))
        assert await send(m.home, note) == ["Reading lamp on."]
        assert m.home.state("lamp2")["on"] is True
        assert await m.home.count("event WHERE kind = 'text' AND text = 'turn on the reading lamp'") == 1
        assert not Path(note.path).exists(), "the words are kept, the sound is not"


async def test_half_of_a_note_may_be_for_the_model(note: Attachment, tmp_path: Path) -> None:
    async with minded([Line("story", text="Once there was a lamp.")]) as m:
        give_ears(m.home.desk, str(learn(tmp_path, "turn on the reading lamp and tell me a story about it")))
        assert await send(m.home, note) == ["Reading lamp on. Once there was a lamp."]


async def test_a_voiced_yes_answers_the_question(note: Attachment, tmp_path: Path) -> None:
    async with minded([]) as m:
        give_ears(m.home.desk, str(learn(tmp_path, "yes")))
        assert await m.say("unlock the front door") == ["Unlock the front door?"]
        await send(m.home, note)
        assert m.home.state("lock")["locked"] is False


async def test_a_cry_for_help_is_heard_in_a_voice_too(note: Attachment, tmp_path: Path) -> None:
    async with minded([]) as m:
        give_ears(m.home.desk, str(learn(tmp_path, "call an ambulance")))
        await send(m.home, note, "carl")
        assert await m.home.count("event WHERE text = 'call an ambulance'") == 1
        assert any("call an ambulance" in text for text in m.home.told("anna"))


async def test_what_was_heard_before_a_restart_is_not_heard_again(note: Attachment, tmp_path: Path) -> None:
    home = await build(tmp_path / "state")
    give_ears(home.desk, str(learn(tmp_path / "ears", "turn on the lamp")))
    async with living(home):
        await send(home, note)
    await home.store.write(lambda db: db.execute("UPDATE event SET state = 'received', plan = NULL"))
    await home.store.aclose()
    again = await build(tmp_path / "state")
    async with living(again):  # nobody listens in this life
        await again.rest()
        assert [text for text, _ in again.mind.asked] == ["turn on the lamp"]
    await again.store.aclose()


@pytest.mark.parametrize("sound", [b"OggS" + b"\0" * 60, b"", b"RIFF\x24\0\0\0WAVEfmt " + b"\xff" * 500])
async def test_what_is_no_sound_is_said_so(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.ogg").write_bytes(sound)
    async with minded([]) as m:
        give_ears(m.home.desk, str(learn(tmp_path / "ears", "turn on the lamp")))
        told = await send(m.home, Attachment(str(tmp_path / "note.ogg"), "audio/ogg", len(sound)))
        assert told == ["I cannot make out that voice note."]


async def test_without_weights_it_is_said_where_they_are_to_be_had(note: Attachment, tmp_path: Path) -> None:
    async with minded([]) as m:
        for place in ("", str(tmp_path), str(tmp_path / "nowhere")):
            give_ears(m.home.desk, place)
            assert "hf download Systran/faster-whisper-small" in (await send(m.home, note))[0]
