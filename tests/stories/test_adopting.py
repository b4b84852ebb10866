"""What needs a person before it opens: a button, a password. Asked in chat, one at a time; of a secret no word is kept."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dobby.cli.line import Line
from dobby.dollhouse.house import device_side
from dobby.journal import news
from dobby.paths import shipped
from tests.patience import until
from tests.running import SHIPPED, at_home, write_skill

SECRET = "s3same-0pen-77"

LOCKED = '''
"""A thing that opens to a code."""
from dobby import Device, Refused, Sign, specs

class Driver:
    looks_for = [Sign("config", "box")]
    asked = 0

    async def adopt(self, finding, ask, vault):
        for _ in range(2):
            code = await ask(f"What is the code of {finding.address}?", ())
            if code == "1234":
                yield Device(f"box.{finding.address}", "box", "light", finding.address, traits=specs("light"))
                return
            if not code:
                break
        raise Refused(f"{finding.address} needs its code.")

    async def attach(self, device): ...
    async def read(self, device): return {"on": True}
    async def set(self, device, wanted): ...
    async def do(self, device, verb, **args): ...
    async def hear(self, devices):
        import asyncio
        await asyncio.Event().wait()
        yield
    async def aclose(self): ...

driver = Driver
'''


class Chat:
    """A person at the console: what they say, and everything they are told."""

    def __init__(self, line: Line) -> None:
        self.line, self.told = line, list[dict[str, Any]]()
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for said in self.line.said():
            self.told.append(said)

    async def say(self, text: str) -> int:
        number: int = (await self.line.ask("say", id=uuid.uuid4().hex, text=text))["event"]
        return number

    async def hears(self, *words: str, after: int = 0) -> dict[str, Any]:
        """The first message that holds all these words, `after` so many."""

        def found() -> dict[str, Any] | None:
            return next((said for said in self.told[after:] if all(word in said["text"] for word in words)), None)

        await until(found)
        return found() or {}

    async def texts(self) -> list[str]:
        return [row["text"] for row in (await self.line.ask("lines", limit=500))["lines"]]


@asynccontextmanager
async def chat(folder: Path) -> AsyncIterator[Chat]:
    async with Line(folder) as line:
        talk = Chat(line)
        try:
            yield talk
        finally:
            talk.task.cancel()


def only(skill: str, **settings: Any) -> dict[str, Any]:
    return {"off": [name for name in SHIPPED if name != skill], skill: settings}


def boxes(tmp_path: Path, *names: str) -> dict[str, Any]:
    """Things that open to a code, as the skills of a house."""
    write_skill(tmp_path / "skills", "box", LOCKED)
    return {"folders": [str(tmp_path / "skills")], "box": {"at": list(names)}}


@pytest.fixture
async def bridge() -> AsyncIterator[Any]:
    house = await device_side(shipped("skills") / "hue").start(beat=0.05, held=False)
    yield house
    await house.aclose()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "vault.json")


async def looked(dobby: Any, family: str) -> None:
    await until(lambda: family in dobby.families and dobby.families[family].looked.is_set())


async def test_a_hue_bridge_is_taken_in_once_its_button_was_pressed(tmp_path: Path, bridge: Any) -> None:
    async with at_home(tmp_path, skills=only("hue", **bridge.config)) as dobby, chat(tmp_path) as talk:
        await looked(dobby, "hue")
        assert not len(list(dobby.families["hue"].devices))
        await talk.say("connect the hue bridge")
        asked = await talk.hears("Press the round button")
        assert asked["options"] == ["ok", "No"]
        bridge.press()
        await talk.say("ok")
        assert "Hallway" in (await talk.hears("Found and taken in (hue)"))["text"]


async def test_while_a_question_is_open_the_house_goes_on_and_later_leaves_it(tmp_path: Path, bridge: Any) -> None:
    async with at_home(tmp_path, skills=only("hue", **bridge.config)) as dobby, chat(tmp_path) as talk:
        await looked(dobby, "hue")
        await talk.say("find my hue bridge")
        await talk.hears("Press the round button")
        await talk.say("what is on my shopping list?")
        await talk.hears("hopping")
        await talk.say("later")
        await talk.hears("has to be pressed once")
        assert sum("Press the round button" in said["text"] for said in talk.told) == 1
        await until(lambda: not dobby.desk.questions)


async def test_a_password_reaches_its_shelly_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house = await device_side(shipped("skills") / "shelly").start(password=SECRET)
    try:
        state = tmp_path / "state"
        settings = only("shelly", at=house.config["at"][:1])
        async with at_home(state, skills=settings) as dobby, chat(state) as talk:
            await looked(dobby, "shelly")
            await talk.say("find my shelly")
            assert "keep no word" in (await talk.hears("wants its password"))["text"]
            await talk.say(f"The password is {SECRET}x")
            await until(lambda: sum("wants its password" in said["text"] for said in talk.told) == 2)
            await talk.say(SECRET)
            await talk.hears("Found and taken in (shelly)")
            await talk.say(f"password {SECRET}")
            await talk.hears("Nobody waits for that any more")
            assert (await talk.texts()).count("•••") == 3
            assert SECRET.encode() not in bytes_of(state)
        assert SECRET.encode() not in bytes_of(state)
        assert SECRET not in caplog.text
        assert SECRET in (state / "vault.json").read_text()
    finally:
        await house.aclose()


@pytest.mark.parametrize("said", ["code 1234", "1234", "PIN: 1234", "the code is 1234", "Der Code ist 1234"])
async def test_a_code_may_be_said_in_many_ways(tmp_path: Path, said: str) -> None:
    async with at_home(tmp_path / "state", skills=boxes(tmp_path, "one")) as dobby, chat(tmp_path / "state") as talk:
        await looked(dobby, "box")
        await talk.say("take them in")
        await talk.hears("code of one")
        await talk.say(said)
        await talk.hears("Found and taken in (box): one")
        assert b"1234" not in bytes_of(tmp_path / "state")


async def test_several_are_asked_for_one_after_the_other(tmp_path: Path) -> None:
    async with at_home(tmp_path / "state", skills=boxes(tmp_path, "one", "two")) as dobby, chat(tmp_path / "state") as talk:
        await looked(dobby, "box")
        await talk.say("nimm sie auf")
        await talk.hears("code of one")
        assert len(dobby.desk.questions) == 1
        await talk.say("nein")
        await talk.hears("code of two")
        await talk.say("1234")
        said = await talk.hears("Gefunden und aufgenommen (box): two")
        assert "one needs its code" in said["text"]


async def test_a_command_is_not_swallowed(tmp_path: Path) -> None:
    async with at_home(tmp_path / "state", skills=boxes(tmp_path, "one")) as dobby, chat(tmp_path / "state") as talk:
        await looked(dobby, "box")
        await talk.say("take it in")
        await talk.hears("code of one")
        for text in ("what is on?", "turn off everything at 7", "thanks"):
            await talk.say(text)
        assert {"what is on?", "turn off everything at 7", "thanks"} <= set(await talk.texts())
        assert dobby.desk.questions


async def test_after_a_restart_it_is_said_once_that_it_has_to_be_asked_again(tmp_path: Path) -> None:
    state, skills = tmp_path / "state", boxes(tmp_path, "one")
    async with at_home(state, skills=skills) as dobby, chat(state) as talk:
        await looked(dobby, "box")
        await talk.say("take it in")
        await talk.hears("code of one")
    for _ in range(2):
        async with at_home(state, skills=skills) as dobby, chat(state) as talk:
            await looked(dobby, "box")
            said = await talk.texts()
            assert sum("Ask me again: “take it in”" in text for text in said) == 1
            assert not dobby.desk.questions
            await talk.say("what is on?")


async def test_a_yes_to_a_button_and_a_door_at_once_is_a_yes_to_neither(tmp_path: Path, bridge: Any) -> None:
    async with at_home(tmp_path, skills=only("hue", **bridge.config)) as dobby, chat(tmp_path) as talk:
        await looked(dobby, "hue")
        await talk.say("connect the hue bridge")
        await talk.hears("Press the round button")
        question = next(iter(dobby.desk.questions.values()))
        door: Callable[..., Any] = type(question)
        dobby.desk.put(door(999, question.event, "approve", question.person, question.lane, "Unlock the door?"))
        await talk.say("ok")
        await talk.hears("Press the round button", "Unlock the door?")
        bridge.press()
        await talk.say("the first")
        await talk.hears("Found and taken in (hue)")
        dobby.desk.questions.clear()


async def test_why_something_does_not_open_is_told_in_the_language_it_was_asked_for_in(tmp_path: Path, bridge: Any) -> None:
    async with at_home(tmp_path, skills=only("hue", **bridge.config)) as dobby, chat(tmp_path) as talk:
        await looked(dobby, "hue")
        await talk.say("finde hue")
        await talk.hears("Drück den runden Knopf")
        await talk.say("nein")
        await talk.hears("dies steht im Weg: Der runde Knopf an der Hue-Bridge", "muss einmal gedrückt werden.")


async def test_what_needs_a_person_is_mentioned_once_and_asked_for_only_when_wanted(tmp_path: Path, bridge: Any) -> None:
    for start in range(2):
        async with at_home(tmp_path, skills=only("hue", **bridge.config)) as dobby, chat(tmp_path) as talk:
            await looked(dobby, "hue")
            if not start:
                await talk.hears("I found hue at", "something to press", "connect hue")
            await talk.say("what is on?")
            assert sum("I found" in text for text in await talk.texts()) == 1
            assert not any("Press the round button" in text for text in await talk.texts())


async def test_several_finds_are_one_message_and_those_that_are_paired_elsewhere_are_said(tmp_path: Path) -> None:
    skills = boxes(tmp_path, "one", "two")
    write_skill(tmp_path / "skills", "cube", LOCKED.replace("box", "cube").replace("for _ in range(2)", "for _ in ()"))
    skills["cube"] = {"at": ["three"]}
    async with at_home(tmp_path / "state", skills=skills), chat(tmp_path / "state") as talk:
        said = await talk.hears("box at one")
        assert "box at two" in said["text"]
        assert "three needs its code" in said["text"]
        assert "take them in" in said["text"]


async def test_what_opens_by_itself_is_told_with_what_its_name_gives_away(tmp_path: Path) -> None:
    open_ones = LOCKED.replace('code = await ask(f"What is the code of {finding.address}?", ())', 'code = "1234"')
    write_skill(tmp_path / "skills", "box", open_ones.replace("light", "switch"))
    skills = {"folders": [str(tmp_path / "skills")], "box": {"at": ["Garage door", "Freezer", "Iron"]}}
    async with at_home(tmp_path / "state", skills=skills) as dobby, chat(tmp_path / "state") as talk:
        said = (await talk.hears("New in the house: Garage door, Freezer, Iron."))["text"]
        assert "Garage door: going by the name that opens a way in" in said
        assert "Freezer: I switch that by its name only" in said
        kept = {device.name: device.protected for device in dobby.house}
        assert (kept["Freezer"], kept["Iron"]) == (True, False)


async def test_what_was_asked_for_is_not_told_again_as_news(tmp_path: Path) -> None:
    async with at_home(tmp_path / "state", skills=boxes(tmp_path, "Gate")) as dobby, chat(tmp_path / "state") as talk:
        await talk.hears("box at Gate")
        await talk.say("connect everything you found")
        await talk.hears("code of Gate")
        await talk.say("1234")
        await talk.hears("Found and taken in (box): Gate")
        await until(lambda: not dobby.news.is_set())
        assert dobby.store.look(news.untold) == []
