"""Teaching in words: usable at once, whose it is, forgotten again; it never opens a door and never becomes a yes."""

from collections.abc import AsyncIterator

import pytest

from tests.stories.family import Family, at_home


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


async def test_a_phrase_is_its_teachers_own_and_counts_at_once(home: Family) -> None:
    assert "Kept" in await home.tells("anna", "when I say movie time I mean living room light 20%")
    await home.say("anna", "Movie time!")
    assert home.now("light.living")["brightness"] == 20
    assert "don't know" in await home.asks("tom", "movie time")
    assert "movie time" in await home.asks("anna", "what did I teach you?")
    await home.say("anna", "forget movie time")
    assert "Nobody" in await home.asks("anna", "what did I teach you?")


async def test_for_everybody_it_takes_an_adult(home: Family) -> None:
    assert "not yours" in await home.asks("leo", "when we say zap it means bedroom light off")
    await home.say("dora", "when we say zap it means bedroom light off")
    await home.say("leo", "zap")
    assert home.now("light.bedroom")["on"] is False
    assert "not yours" in await home.asks("gus", "when I say boo I mean turn off the desk lamp")


async def test_it_is_kept_over_a_restart(home: Family) -> None:
    await home.say("anna", "wenn ich feierabend sage meine ich desk lamp aus")
    home.desk.taught.clear()
    await home.store.read(home.desk.load_modes)
    await home.say("anna", "Feierabend")
    assert home.now("light.office")["on"] is False


async def test_it_never_bypasses_the_gate(home: Family) -> None:
    await home.say("anna", "when I say open sesame I mean unlock the front door")
    assert "Unlock the front Door?" in await home.asks("anna", "open sesame")
    assert "not yours" in await home.asks("leo", "yes")
    await home.say("anna", "no")
    assert home.now("lock.front")["locked"] is True


@pytest.mark.parametrize("phrase", ["yes", "ok", "ja mach", "stop", "no", "cancel", "the second", "turn off the kitchen lights"])
async def test_what_has_a_meaning_keeps_it(home: Family, phrase: str) -> None:
    assert "I keep to that" in await home.asks("anna", f"when I say {phrase} I mean unlock the front door")
    assert not home.desk.taught


async def test_nothing_is_taught_to_mean_yes(home: Family) -> None:
    assert "I keep to that" in await home.asks("anna", "when I say zap I mean yes")


async def test_a_nickname_is_everybodys_and_can_be_undone(home: Family) -> None:
    assert "boombox" in await home.tells("anna", "call the sonos in the kitchen 'boombox'")
    await home.say("tom", "boombox to 10")
    assert home.now("speaker.kitchen")["volume"] == 10
    await home.say("anna", "undo")
    assert home.house.get("speaker.kitchen").aliases == ()  # type: ignore[union-attr]
    assert "I keep to that" in await home.asks("anna", "call the kitchen sonos everything")
    assert "I keep to that" in await home.asks("anna", "call the kitchen sonos Office Sonos")
    assert "not yours" in await home.asks("leo", "call the kitchen sonos noisy")


async def test_what_was_not_understood_is_kept_to_be_taught(home: Family) -> None:
    await home.say("leo", "flurb the wibble")
    await home.say("leo", "flurb the wibble")
    await home.say("tom", "snargle")
    assert "“flurb the wibble” (2×)" in await home.asks("anna", "what didn't you understand?")
    assert "snargle" not in await home.asks("leo", "what did you not understand")
