"""What people ask of their speakers, said to a running Dobby who found a Sonos household: queue, tracks, sleep timer, groups."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from tests.patience import ENOUGH
from tests.test_daemon import QUIET, ask, dobby

PREFIX = "127.77.19"
dollhouse = device_side(shipped("skills") / "sonos")


class Talk:
    """A household on loopback, and a Dobby in a process of his own who was led to it."""

    def __init__(self, household: Any, folder: Path) -> None:
        self.household, self.folder = household, folder

    async def says(self, text: str, answer: str) -> None:
        """A text, and what has to be in its answer."""
        said = (await ask(self.folder / "state", text))[0]
        assert answer in said, said

    async def soon(self, text: str, answer: str) -> None:
        """The same, as soon as things have been heard."""
        async with asyncio.timeout(ENOUGH):
            while answer not in (said := (await ask(self.folder / "state", text))[0]):
                print(said)
                await asyncio.sleep(0.1)

    def zone(self, name: str) -> Any:
        return self.household.zone(name)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    household = await dollhouse.start(prefix=PREFIX, ssdp=False)
    try:
        config = f'{QUIET}\n[skills.sonos]\nat = ["{PREFIX}.11"]\n'
        running = dobby(tmp_path, config)
        await asyncio.to_thread(running.__enter__)
        try:
            yield Talk(household, tmp_path)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    finally:
        await household.aclose()


async def test_a_household_is_run_in_words(talk: Talk) -> None:
    await talk.soon("play my favourite kitchen classics in the kitchen", "Playing")
    assert talk.zone("Kitchen").track.title == "Sing, Sing, Sing"
    await talk.soon("what's in the queue?", "1. Sing, Sing, Sing by Benny Goodman; 2. Le Freak by Chic; 3. Feeling Good by Nina")
    await talk.says("skip to track 3", "Kitchen Sonos on track 3")
    assert talk.zone("Kitchen").track.title == "Feeling Good"
    await talk.soon("was ist in der Warteschlange?", "3. Feeling Good")
    await talk.says("skip to track three hundred in the kitchen", "no number of a track")
    await talk.says("play my favourite polka in the kitchen", "nothing called “polka”")
    await talk.says("group kitchen and living room", "together")
    assert talk.zone("Living Room").track.title == "Feeling Good"

    await talk.says("set a sleep timer of 30 minutes in the bedroom", "Bedroom Sonos with a sleep timer of 30")
    assert 29 * 60 < talk.zone("Bedroom").deck.sleepy <= 30 * 60
    await talk.says("how long is the sleep timer in the bedroom?", "stops in 30 min")
    await talk.says("lösche den Sleeptimer im Schlafzimmer", "no player called “Schlafzimmer”")
    await talk.says("cancel the sleep timer in the bedroom", "without a sleep timer")
    assert talk.zone("Bedroom").deck.sleepy is None
    await talk.says("set a sleep timer for half an hour", "sleep timer of 30")  # where music plays
    assert talk.zone("Kitchen").deck.sleepy > 29 * 60
    await talk.says("set a sleep timer of soon in the bedroom", "no length of time")
    await talk.says("what's in the queue in the bedroom?", "There is no queue on Bedroom Sonos")
    await talk.says("what's in the queue in the cellar?", "no player called “cellar”. There are:")


@pytest.mark.skipif(not shutil.which("espeak-ng") and not os.environ.get("CI"), reason="espeak-ng is not installed")
async def test_announcements_are_read_aloud(talk: Talk) -> None:
    await talk.soon("play jazz radio in the kitchen", "Playing")
    heard = [zone for zone in talk.household.state.zones if zone.deck.uri.endswith(".wav")]
    assert not heard
    await talk.says("announce dinner is ready in the kitchen", "Announced on Kitchen Sonos")
    clip = talk.zone("Kitchen").deck.uri
    assert clip.startswith("http://127.0.0.1:")
    assert clip.endswith(".wav")
    async with ClientSession() as session, session.get(clip) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav")
        assert len(await answer.read()) > 20_000
    assert talk.zone("Bedroom").deck.uri == ""
    await talk.says("tell the kids dinner is ready", "Announced on Kitchen Sonos, Living Room Sonos and Bedroom Sonos")
    assert {zone.deck.uri for zone in talk.household.state.zones} == {clip}  # one sound, the same for all
    talk.zone("Kitchen").deck.over()
    await talk.soon("what is playing in the kitchen?", "Jazz Radio")
    await talk.says("chime the bedroom sonos", "Announced on Bedroom Sonos")
    assert talk.zone("Bedroom").deck.uri not in ("", clip)  # its own name, where it stands
    await talk.says("sag den Kindern dass das Essen fertig ist", "Durchgesagt")
