"""Texts read aloud by espeak-ng and Piper, fetched over HTTP, and played by players that nobody here wrote.

gmediarender, alone and behind a Sonos front: GStreamer fetches and decodes what is said.
"""

import array
import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from dobby import Device, DobbyError, Finding, Refused, Sign, Voice
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import nobody
from tests.patience import ENOUGH
from tests.skills.onnx_voice import tiny_voice

for name in ("speech", "sonos", "upnp"):
    load_skill(shipped("skills") / name)
skill = import_module("dobby_skill_speech")
engines = import_module("dobby_skill_speech.engine")
upnp_house, sonos_house = (device_side(shipped("skills") / name) for name in ("upnp", "sonos"))
TEXT = "Dinner is ready."
PREFIX = "127.77.29"


def wanted(what: object, words: str) -> None:
    """Skipped with the reason where something is missing; in CI that is a failure."""
    if not what:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(words)


@pytest.fixture
async def speech() -> AsyncIterator[Any]:
    wanted(shutil.which("espeak-ng"), "espeak-ng is not installed (apt install espeak-ng)")
    reader = skill.Speech()
    reader.settings = {"language": "en"}
    yield reader
    await reader.aclose()


def heard(sound: bytes) -> tuple[float, int, int]:
    """A WAV's seconds, the loudest of its samples, and the loudest of its first quarter of a second."""
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        rate, frames = file.getframerate(), file.getnframes()
        samples = array.array("h", file.readframes(frames))
    assert len(samples) == frames
    return frames / rate, max(map(abs, samples)), max(map(abs, samples[: rate // 4]))


async def fetched(address: str, **head: str) -> tuple[int, bytes, Any]:
    async with ClientSession() as session, session.get(address, headers=head) as answer:
        return answer.status, await answer.read(), answer.headers


# Made and fetched


async def test_a_text_becomes_a_sound_that_can_be_fetched(speech: Any) -> None:
    address = await speech.clip(TEXT, "127.0.0.9")
    assert address.startswith("http://127.0.0.1:")
    status, sound, head = await fetched(address)
    assert (status, head["Content-Type"], int(head["Content-Length"])) == (200, "audio/wav", len(sound))
    seconds, loudest, first = heard(sound)
    assert 1.0 < seconds < 6.0
    assert loudest > 3000
    assert first == 0, "players swallow the first moment"
    status, part, _ = await fetched(address, Range="bytes=10-19")
    assert (status, part) == (206, sound[10:20])


async def test_the_same_text_is_one_sound_and_nobody_guesses_where(speech: Any) -> None:
    one, two = await asyncio.gather(speech.clip(TEXT, "127.0.0.9"), speech.clip(f"  {TEXT}\n", "127.0.0.1"))
    assert one == two
    assert await speech.clip("Something else", "127.0.0.9") != one
    name = one.rpartition("/")[2]
    assert len(name) > 24
    for path in ("", "x.wav", name[:-1], f"x{name}", "..%2f..%2fetc%2fpasswd"):
        status, _, _ = await fetched(one.replace(name, path))
        assert status == 404


@pytest.mark.parametrize(
    "text", ["-v evil --phonout=/tmp/x", "$(touch x); `id` | cat", "Ge\u0000t\u202e <speak>up</speak>", "Ça va? Größe 10 €"]
)
async def test_whatever_is_said_is_only_read(speech: Any, text: str) -> None:
    _, sound, _ = await fetched(await speech.clip(text, "127.0.0.1"))
    assert heard(sound)[1] > 3000


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Dinner is ready.", "en"),
        ("Das Essen ist fertig", "de"),
        ("Kommt bitte runter", "de"),
        ("Pizza!", "fr"),
        ("the the", "en"),
    ],
)
def test_a_text_is_read_in_its_own_language(text: str, language: str) -> None:
    assert engines.language_of(text, "fr") == language


@pytest.mark.parametrize("text", ["", " \n", "x" * 601])
async def test_nothing_and_too_much_are_refused(speech: Any, text: str) -> None:
    with pytest.raises(Refused, match="A text read aloud has 1 to 600 characters"):
        await speech.clip(text, "127.0.0.1")


async def test_a_wrong_voice_and_a_taken_port_are_refused_in_words(speech: Any) -> None:
    address = await speech.clip(TEXT, "127.0.0.1")
    other = skill.Speech()
    other.settings = {"language": "en", "voice": "xx-nobody"}
    with pytest.raises(Refused, match=r"espeak-ng cannot read that aloud: .*voice does not exist"):
        await other.clip(TEXT, "127.0.0.1")
    await other.aclose()
    other.settings = {"language": "de", "port": int(address.split(":")[2].split("/")[0])}
    with pytest.raises(Refused, match=r"nothing can listen at 127\.0\.0\.1, port"):
        await other.clip(TEXT, "127.0.0.1")
    await other.aclose()
    with pytest.raises(Refused, match="There is no way from here to"):
        await speech.clip(TEXT, "no-such-host.invalid")


async def test_where_nothing_can_read_that_is_said_with_what_to_do(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from tests.skills.test_speech import engines; engines.engine({})"
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, str(shipped("skills").parent)]
    done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, cwd=Path.cwd())
    assert (
        "Nothing here can read a text aloud: install espeak-ng (apt install espeak-ng), or name a voice of Piper" in done.stderr
    )
    with pytest.raises(Refused, match="nobody here who reads texts aloud"):
        await Voice().clip(TEXT, "127.0.0.1")


# Piper


async def test_piper_reads_with_a_voice_of_the_owners(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    reader = skill.Speech()
    reader.settings = {"piper_voice": str(tiny_voice(tmp_path))}
    try:
        _, sound, _ = await fetched(await reader.clip(TEXT, "127.0.0.1"))
        seconds, loudest, _ = heard(sound)
        assert seconds > 0.6
        assert loudest > 3000
    finally:
        await reader.aclose()


async def test_a_voice_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    broken = tmp_path / "broken.onnx"
    for text, config in (("", None), ("garbage", "{}"), ("garbage", json.dumps({"audio": 1}))):
        broken.write_text(text)
        if config is not None:
            Path(f"{broken}.json").write_text(config)
        with pytest.raises(Refused, match=r"The voice broken\.onnx cannot be used"):
            engines.engine({"piper_voice": str(broken)})


# Played


@pytest.fixture(scope="module")
def wire() -> Iterator[Any]:
    wanted(not upnp_house.missing(), upnp_house.missing())
    try:
        made = upnp_house.Wire()
    except OSError as error:
        wanted(False, str(error))
    yield made
    made.close()


@pytest.fixture
async def renderer(wire: Any) -> AsyncIterator[Any]:
    one = upnp_house.Renderer(wire)
    await one.start()
    yield one
    one.stop()


async def adopted(driver: Any, name: str, at: str) -> dict[str, Device]:
    return {device.name: device async for device in driver.adopt(Finding(Sign("config", name), at), nobody, None)}


async def once_more(play: Any, renderer: Any) -> None:
    """gmediarender 0.1 aborts by itself now and then (see test_upnp); then once more."""
    try:
        await play()
    except (AssertionError, TimeoutError, DobbyError):
        if not await renderer.aborted():
            raise
        await renderer.start()
        await play()


def seconds_of(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


async def test_gmediarender_reads_a_text_aloud_and_plays_on(speech: Any, renderer: Any) -> None:
    driver = import_module("dobby_skill_upnp").Upnp(beat=0.2)
    driver.voice = Voice(speech)

    async def play() -> None:
        (kitchen,) = (await adopted(driver, "upnp", renderer.location)).values()
        await driver.do(kitchen, "announce", text=TEXT)
        address = await speech.clip(TEXT, renderer.wire.host)
        assert address.startswith(f"http://{renderer.wire.host}:")
        assert renderer.ask("AVTransport", "GetMediaInfo")["CurrentURI"] == address
        seconds = heard((await fetched(address))[1])[0]
        async with asyncio.timeout(ENOUGH):  # GStreamer has fetched it and found out how long it is
            while abs(seconds_of(renderer.ask("AVTransport", "GetPositionInfo")["TrackDuration"]) - seconds) > 1.0:
                await asyncio.sleep(0.05)
        async with asyncio.timeout(ENOUGH):
            while renderer.truth()["playing"] != "idle":
                await asyncio.sleep(0.1)

    try:
        await once_more(play, renderer)
    finally:
        await driver.aclose()


async def test_a_sonos_with_ears_reads_a_text_aloud_and_the_radio_comes_back(speech: Any, renderer: Any) -> None:
    household = await sonos_house.start(prefix=PREFIX, ssdp=False)
    driver = import_module("dobby_skill_sonos").Sonos(beat=0.2)
    driver.voice, driver.settings = Voice(speech), {"announce_volume": 40}
    sound = household.plug_in("Kitchen", renderer.location)

    async def play() -> None:
        kitchen = (await adopted(driver, "sonos", f"{PREFIX}.11"))["Kitchen Sonos"]
        zone = household.zone("Kitchen")
        await driver.do(kitchen, "play", what="Jazz Radio")
        await driver.do(kitchen, "announce", text=TEXT)
        clip = zone.deck.uri
        assert clip.startswith("http://127.0.0.1:")
        async with asyncio.timeout(ENOUGH):
            while zone.playing != "PLAYING":
                await asyncio.sleep(0.02)
        assert (sound.heard[-1], zone.volume) == (clip, 40)
        assert renderer.truth()["volume"] == 40
        async with asyncio.timeout(ENOUGH):
            while zone.track.title != "Jazz Radio" or zone.playing != "PLAYING":
                await asyncio.sleep(0.05)
        assert zone.volume == 20

    try:
        await once_more(play, renderer)
    finally:
        await driver.aclose()
        await household.aclose()
