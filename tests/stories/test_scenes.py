"""Scenes: shown before they are kept, run side by side, told in one line, taken back whole; never a way round the gate."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dobby.errors import ConfigError
from dobby.mind.plain.scenes import read_scenes, shipped_scenes
from tests.stories.family import Family, at_home

MOVIE = "when I say movie time dim the living room to 20, close the bedroom blinds and turn the kitchen sonos off"


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


async def _made(home: Family, text: str = MOVIE, person: str = "anna") -> None:
    shown = await home.asks(person, text)
    assert "movie time" in shown and "20 %" in shown and "Shall I keep that?" in shown
    assert "Kept" in await home.tells(person, "yes")


@pytest.mark.parametrize(
    "text",
    [
        MOVIE,
        "When I say movie time, dim the living room to 20 and close the bedroom blinds",
        "make a scene movie time: living room light 20%, bedroom blinds down",
    ],
)
async def test_one_is_shown_kept_and_run(home: Family, text: str) -> None:
    await _made(home, text)
    assert await home.tells("anna", "Movie time!") == "movie time: done."
    assert home.now("light.living")["brightness"] == 20
    assert home.now("blind.left")["position"] == home.now("blind.right")["position"] == 0


async def test_no_is_no(home: Family) -> None:
    await home.say("anna", MOVIE)
    await home.say("anna", "no")
    assert "don't know" in await home.asks("anna", "movie time")


@pytest.mark.parametrize(
    ("said", "advice", "again", "done"),
    [
        ("movie time", "when I say movie time, turn off all lights", "Movie time!", "movie time: done."),
        ("I'm leaving", "when I say I'm leaving, turn off all lights", "I'm leaving now", "I'm leaving: done."),
        ("im home", "when I say im home, turn off all lights", "I'm home", "im home: done."),
        ("start game night", "when I say game night, turn off all lights", "game night", "game night: done."),
        ("I'm off", "when I say I'm leaving, turn everything off", "I'm leaving", "I'm leaving: done."),
        ("Filmabend", "wenn ich Filmabend sage, mach alle Lichter aus", "Filmabend!", "Filmabend: erledigt."),
        ("mach Filmabend", "wenn ich Filmabend sage, mach alle Lichter aus", "starte Filmabend", "Filmabend: erledigt."),
        ("Ich gehe jetzt", "wenn ich 'ich gehe' sage, mach alles aus", "Ich gehe jetzt", "ich gehe: erledigt."),
    ],
)
async def test_one_that_nobody_made_is_answered_with_how_to_make_it(
    home: Family, said: str, advice: str, again: str, done: str
) -> None:
    told = await home.asks("anna", said)
    assert advice in told and "?" not in told
    assert re.search("keep that\\?|merken\\?", await home.asks("anna", advice))
    await home.say("anna", "yes")
    assert (await home.tells("anna", again)).startswith(done)
    assert not any(home.now(device.id).get("on") for device in home.house if device.kind == "light")


async def test_a_good_night_of_ones_own(home: Family) -> None:
    home.house.remove("script.night")  # that would be what is meant
    told = await home.asks("anna", "good night")
    assert told.startswith("Good night.") and "when I say good night, turn everything off" in told
    assert "Shall I keep that?" in await home.asks("anna", "when I say good night, turn everything off")
    await home.say("anna", "yes")
    assert (await home.tells("anna", "Good night, Dobby")).startswith("good night: done.")


async def test_undo_takes_back_all_of_it(home: Family) -> None:
    await _made(home)
    before = home.snapshot()
    await home.say("anna", "start movie time")
    assert home.snapshot() != before
    await home.say("anna", "undo")
    after = home.snapshot()
    for device, trait in (("light.living", "brightness"), ("blind.left", "position"), ("blind.right", "position")):
        assert after[device][trait] == before[device][trait]


async def test_what_is_gone_is_told(home: Family) -> None:
    await _made(home)
    home.house.remove("blind.left")
    told = await home.tells("anna", "movie time")
    assert "movie time: done." in told and "1 of it is no longer in the house" in told


async def test_what_did_not_obey_is_told_in_one_line(home: Family) -> None:
    await _made(home)
    light = home.house.get("light.living")
    assert light is not None
    home.house.add(replace(light, driver="nobody"))
    told = await home.tells("anna", "movie time")
    assert told.startswith("movie time: 1 of 4 did not obey.") and "Living Room Light" in told and "Blind" not in told
    assert home.now("blind.left")["position"] == 0


async def test_it_is_listed_changed_and_forgotten(home: Family) -> None:
    await _made(home)
    assert "20 %" in await home.asks("anna", "which scenes are there?")
    assert "50 %" in await home.asks("anna", "change movie time: living room light 50%")
    await home.say("anna", "yes")
    await home.say("anna", "movie time")
    assert home.now("light.living")["brightness"] == 50 and home.now("blind.left")["position"] == 100
    assert "Desk Lamp" in await home.asks("anna", "add desk lamp off to movie time")
    await home.say("anna", "yes")
    assert "Living" not in await home.asks("anna", "take the living room light out of movie time")
    await home.say("anna", "yes")
    await home.say("anna", "movie time")
    assert home.now("light.office")["on"] is False
    await home.say("anna", "forget movie time")
    assert "don't know" in await home.asks("anna", "movie time")
    await home.say("anna", "undo")
    assert "movie time" in await home.asks("anna", "which scenes are there?")


async def test_undoing_a_change_brings_the_scene_back(home: Family) -> None:
    await _made(home)
    await home.say("anna", "change movie time: living room light 50%")
    await home.say("anna", "yes")
    await home.say("anna", "undo")
    await home.say("anna", "movie time")
    assert home.now("light.living")["brightness"] == 20


async def test_how_the_room_is_now_can_be_kept(home: Family) -> None:
    shown = await home.asks("anna", "save the bedroom as cosy evening")
    assert "40 %" in shown and "cosy evening" in shown
    await home.say("anna", "yes")
    await home.say("anna", "bedroom light off and close the bedroom blinds")
    await home.say("anna", "cosy evening")
    assert home.now("light.bedroom")["brightness"] == 40 and home.now("light.bedroom")["on"] is True
    assert home.now("blind.left")["position"] == 100
    assert "Which room?" in await home.asks("anna", "save this as party")


async def test_a_scene_is_no_way_round_the_gate(home: Family) -> None:
    shown = await home.asks("anna", "make a scene welcome home: hallway light on and unlock the front door")
    assert "Unlock the front Door?" in shown
    assert "Kept" in await home.tells("anna", "yes")
    assert home.now("lock.front")["locked"] is True
    assert "Unlock the front Door?" in " ".join(await home.say("anna", "welcome home"))
    assert home.now("lock.front")["locked"] is True
    await home.say("anna", "yes")
    assert home.now("lock.front")["locked"] is False


async def test_a_guarded_yes_counts_for_owners_until_it_is_changed(home: Family) -> None:
    assert "Spa" in await home.asks("anna", "make a scene hot tub: spa to 39 and hallway light on")
    assert "Kept" in await home.tells("anna", "yes")
    assert await home.asks("leo", "hot tub") != "hot tub: done."
    assert await home.tells("tom", "hot tub") == "hot tub: done."
    assert home.now("pool.spa")["target"] == 39
    await home.say("tom", "undo")
    await home.say("tom", "yes")
    await home.say("anna", "add desk lamp off to hot tub")
    await home.say("anna", "no")
    assert await home.tells("tom", "hot tub") == "hot tub: done."


async def test_teaching_by_words_gives_no_grant(home: Family) -> None:
    await home.say("anna", "when I say hot tub I mean spa to 39")
    assert "?" in await home.asks("anna", "hot tub")


async def test_a_child_makes_its_own_and_a_guest_none(home: Family) -> None:
    assert "gaming" in await home.asks("leo", "when I say gaming turn the bedroom light off")
    await home.say("leo", "yes")
    assert "don't know" in await home.asks("anna", "gaming")
    await home.say("leo", "gaming")
    assert home.now("light.bedroom")["on"] is False
    await home.say("gus", "make a scene party: desk lamp off")
    await home.say("gus", "yes")
    assert "don't know" in await home.asks("anna", "party")


async def test_it_waits_for_its_hour(home: Family) -> None:
    await _made(home)
    assert "20:00" in await home.asks("anna", "movie time at 20:00")
    await home.pass_by(21 * 60)
    assert home.now("light.living")["brightness"] == 20


async def test_sleepy_time_is_shown_at_its_first_run(home: Family) -> None:
    home.by_hand("sensor.window", on=True)
    assert "by itself once" in await home.asks("anna", "sleepy time at 22:00")
    shown = await home.asks("anna", "sleepy time")
    assert "Shall I keep that, and do it now?" in shown and "17 °C" in shown and "Window" in shown
    await home.say("anna", "yes")
    assert not any(home.now(device.id).get("on") for device in home.house if device.kind == "light")
    assert home.now("climate.living")["target"] == 17 and home.now("blind.left")["position"] == 0
    assert home.now("cover.garage")["position"] == 0 and home.now("speaker.kitchen")["playing"] == "idle"
    await home.say("anna", "kitchen light on")
    told = await home.tells("tom", "Sleepy time")
    assert told.startswith("sleepy time: done.") and "Window" in told
    assert home.now("light.kitchen")["on"] is False
    assert "schlafenszeit" not in await home.asks("anna", "which scenes are there?")


async def test_it_is_kept_over_a_restart(home: Family) -> None:
    await _made(home)
    home.desk.taught.clear()
    await home.store.read(home.desk.load_modes)
    assert await home.tells("anna", "movie time") == "movie time: done."


async def test_in_german() -> None:
    async with at_home(language="de") as home:
        shown = await home.asks(
            "anna", "Wenn ich Kinoabend sage, dimme das Wohnzimmer auf 20 und mach die Jalousien im Schlafzimmer zu"
        )
        assert "merken" in shown
        await home.say("anna", "ja")
        assert await home.tells("anna", "Kinoabend") == "Kinoabend: erledigt."
        assert home.now("light.living")["brightness"] == 20 and home.now("blind.left")["position"] == 0
        assert "gute Stube" in await home.asks("anna", "speichere das Schlafzimmer als gute Stube")


async def test_an_owners_file(home: Family, tmp_path: Path) -> None:
    path = tmp_path / "scenes.toml"
    path.write_text('["game night"]\nalso = ["spieleabend"]\ndoes = ["desk lamp off", {kind = "fan", set = {on = true}}]\n')
    home.desk.offered = {**shipped_scenes(), **read_scenes(path)}
    assert "Desk Lamp" in await home.asks("anna", "spieleabend")
    await home.say("anna", "yes")
    assert await home.tells("anna", "game night") == "game night: done."
    path.write_text('["game night"]\ndoes = ["unlock the back door"]\n')
    home.desk.offered = read_scenes(path)
    assert "Unlock the back Door?" in await home.asks("anna", "game night")


@pytest.mark.parametrize("text", ["x = 1", '["a"]\ndoes = [1]', '["a"]\ndo = ["b"]', "[", '["a"]\ndoes = [{kind = "light"}]'])
def test_a_file_that_is_none_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "scenes.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"scenes\.toml"):
        read_scenes(tmp_path / "scenes.toml")
