"""A thumb down teaches: a threshold is learned from the earlier labels, held against the later ones, and asked about."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dobby.butler import sightings
from dobby.butler.teaching import Shown, tune
from dobby.events import Event, EventKind
from dobby.journal.sightings import Seen
from tests.stories.family import Family, at_home
from tests.stories.test_sightings import furnish, seen, told

KEYS = iter(range(10_000))


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        furnish(family)
        yield family


async def thumb(home: Family, one: Seen, emoji: str = "👎", person: str = "anna") -> list[str]:
    """A reaction to the message of a sighting, as a bridge hands it in; what is answered."""
    before = len(home.bridge.sent)
    rows = [row for row in home.bridge.sent if row.reply.key == f"sight:{one.id}:{person}"]
    refers = f"outbox:{rows[0].id}" if rows else f"event:1:{one.id}"
    source = home.people.source("web", person)
    await home.butler.hear(Event(f"r{next(KEYS)}", source, EventKind.REACTION, reaction=emoji, refers=refers))
    await home.rest()
    return [row.reply.text for row in home.bridge.sent[before:] if row.reply.lane == f"web/{person}"]


async def label(home: Family, one: Seen) -> str:
    return str(await home.store.read(lambda db: db.execute("SELECT label FROM sighting WHERE id = ?", (one.id,)).fetchone()[0]))


async def come(home: Family, score: float, **more: object) -> Seen:
    """Somebody comes to the driveway, ten minutes after the last."""
    home.clock.advance(600)
    one = seen(home, "person", score=score, **more)
    await sightings.take(home.desk, one)
    await home.post.flushed()
    return one


async def weeks(home: Family, false: float = 0.55) -> list[str]:
    """Six people who came, and six shadows that were waved off; what was said to the last of these."""
    said: list[str] = []
    for number in range(6):
        await come(home, 0.85 + 0.01 * number)
        said = await thumb(home, await come(home, false + 0.01 * number))
    return said


async def test_a_thumb_in_any_bridge_is_a_label(home: Family) -> None:
    one = seen(home)
    await told(home, one)
    assert await thumb(home, one) == ["Noted: that meant nothing. “Stop telling me about this” ends such messages."]
    assert await label(home, one) == "bad"
    assert await thumb(home, one, "👍") == []
    assert await label(home, one) == "good"
    assert await home.tells("anna", "👎") != ""
    assert await label(home, one) == "bad"


@pytest.mark.parametrize(("language", "text"), [("en", "that was nothing"), ("en", "false alarm"), ("de", "Das war nichts")])
async def test_in_words_it_is_about_what_was_told_last(home: Family, language: str, text: str) -> None:
    await home.people.keep(replace(home.people.named("Anna"), language=language))  # type: ignore[type-var]
    one = seen(home)
    await told(home, one)
    said = await home.tells("anna", text)
    assert said.startswith("Noted" if language == "en" else "Gemerkt")
    assert await label(home, one) == "bad"
    home.clock.advance(600)
    assert await told(home, seen(home))  # one false alarm does not end all messages


async def test_a_quoted_message_is_what_is_not_wanted_any_more(home: Family) -> None:
    first, last = seen(home, courier="DHL"), seen(home, "person", camera="camera.gate")
    await told(home, first)
    await told(home, last)
    [row] = [row for row in home.bridge.sent if row.reply.key == f"sight:{first.id}:anna"]
    source = home.people.source("web", "anna")
    await home.butler.hear(Event("q1", source, text="stop telling me about this", refers=f"outbox:{row.id}"))
    await home.rest()
    assert (await label(home, first), await label(home, last)) == ("bad", "")


async def test_children_and_guests_teach_nothing(home: Family) -> None:
    one = seen(home)
    await told(home, one)
    for person in ("leo", "gus"):
        source = home.people.source("web", person)
        await home.butler.hear(Event(f"c{person}", source, EventKind.REACTION, reaction="👎", refers=f"sight:{one.id}:{person}"))
    await home.rest()
    assert await label(home, one) == ""


async def test_what_is_learned_is_asked_done_and_taken_back(home: Family) -> None:
    said = await weeks(home)
    assert len(said) == 1
    assert said[0].startswith("I could judge people at Driveway better. Of what came since 02 Mar 21:00 I would have told")
    assert said[0].endswith("3 fewer of those that meant nothing, and missed nobody. Shall I?")
    assert await home.tells("anna", "yes") == "Kept: people at Driveway when I am 71 % sure."
    home.clock.advance(600)
    assert not await told(home, seen(home, "person", score=0.6))
    home.clock.advance(600)
    assert await told(home, seen(home, "person", score=0.9))
    assert await told(home, seen(home, "person", score=0.6, camera="camera.gate"))  # what was learned is this camera's
    assert "19:" not in await home.tells("anna", "undo")
    home.clock.advance(600)
    assert await told(home, seen(home, "person", score=0.6))


async def test_a_no_changes_nothing(home: Family) -> None:
    await weeks(home)
    await home.say("anna", "no")
    home.clock.advance(600)
    assert await told(home, seen(home, "person", score=0.6))


async def test_in_german(home: Family) -> None:
    await home.people.keep(replace(home.people.named("Anna"), language="de"))  # type: ignore[type-var]
    [said] = await weeks(home)
    assert said == (
        "Personen bei Driveway könnte ich besser beurteilen. Von dem, was seit 02.03. 21:00 kam, hätte ich 3 weniger gemeldet, "
        "die nichts bedeuteten, und niemanden verpasst. Soll ich?"
    )
    assert "71 %" in await home.tells("anna", "ja")


async def test_what_looks_like_somebody_who_came_is_not_unlearned(home: Family) -> None:
    assert (await weeks(home, false=0.86))[0].startswith("Noted")


async def test_who_was_missed_is_told_next_time(home: Family) -> None:
    """A candidate below the threshold that an owner says was somebody."""
    said: list[str] = []
    for number in range(6):
        await come(home, 0.9)
        await come(home, 0.2, candidate=True)
        said = await thumb(home, await come(home, 0.7 + 0.01 * number, candidate=True), "👍")
    assert "3 more that you wanted, and missed nobody" in said[0]
    await home.say("anna", "yes")
    home.clock.advance(600)
    assert await told(home, seen(home, "person", score=0.72, candidate=True))
    home.clock.advance(600)
    assert not await told(home, seen(home, "person", score=0.2, candidate=True))


def messages(*rows: tuple[float, str]) -> list[Shown]:
    return [Shown(float(at), sure, label, True) for at, (sure, label) in enumerate(rows)]


def test_the_later_part_must_agree() -> None:
    waved, liked = (0.5, "bad"), (0.9, "")
    assert tune(messages(*[waved, liked] * 5)) is not None
    assert tune(messages(*[waved, liked] * 3, *[(0.5, "good"), (0.9, "")] * 2)) is None  # low ones were somebody, later
    assert tune(messages(*[waved, liked] * 3, *[liked] * 4)) is None  # it would help nobody any more
    assert tune([]) is None and tune(messages(waved)) is None


def test_what_nobody_spoke_of_counts_for_half() -> None:
    few = [(0.5, "bad"), (0.55, ""), (0.55, ""), (0.55, ""), (0.9, "")]
    tuned = tune(messages(*few * 4))
    assert tuned is not None and 0.5 < tuned.sure < 0.55 and tuned.missed == 0


async def test_what_was_not_sure_is_shown_to_who_asks_and_a_thumb_there_counts(home: Family) -> None:
    assert await home.tells("anna", "what were you not sure of?") == "I left nothing out for want of being sure."
    one = await come(home, 0.7, candidate=True)
    before = len(home.bridge.sent)
    said = await home.tells("anna", "who might you have missed today?")
    assert "A person is at the driveway." in said and "wasn't sure enough" in said
    [shown] = [row for row in home.bridge.sent[before:] if row.reply.picture]
    assert shown.reply.picture == one.picture
    source = home.people.source("web", "anna")
    await home.butler.hear(Event("u1", source, EventKind.REACTION, reaction="👍", refers=f"outbox:{shown.id}"))
    await home.rest()
    assert await label(home, one) == "good"


async def test_the_clip_of_what_was_told_last_or_of_a_place(home: Family, tmp_path: Path) -> None:
    assert "no clip" in await home.asks("anna", "show me the clip")
    clips = [str(tmp_path / f"{name}.mp4") for name in ("drive", "gate")]
    await told(home, seen(home, clip=clips[0]))
    await told(home, seen(home, "person", camera="camera.gate", clip=clips[1]))
    assert "no clip" in await home.asks("anna", "show me the clip")  # its seconds are not over
    for clip in clips:
        Path(clip).write_bytes(b"film")
    for text, clip in (("show me the clip", clips[1]), ("can I see the video of the driveway?", clips[0])):
        await home.say("anna", text)
        assert home.bridge.sent[-1].reply.picture == clip
    await home.say("gus", "show me the clip")
    assert not home.bridge.sent[-1].reply.picture
    await home.people.keep(replace(home.people.named("Anna"), language="de"))  # type: ignore[type-var]
    assert "19:40 Gate: da ist eine Person." in await home.tells("anna", "Zeig mir die Aufnahme")
