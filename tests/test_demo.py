"""`dobby demo` and `dobby dollhouse`: what a newcomer sees works, ends cleanly, and fails where the house is not as said."""

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from dobby.dollhouse.house import described, open_dollhouse
from dobby.dollhouse.transcript import hold, lines
from dobby.errors import DobbyError
from dobby.events import State
from docs import generate
from tests.test_daemon import QUIET, Process, dobby, dollhouse, eventually, skill_tables

CHROMIUM = Path("/usr/bin/chromium")


def _leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("dobby-demo-*")}


def _children(of: int) -> list[str]:
    return Path(f"/proc/{of}/task/{of}/children").read_text().split()


# The transcript


def test_the_transcript_holds_and_is_what_the_readme_shows() -> None:
    before = _leftovers()
    done = subprocess.run([sys.executable, "-m", "dobby", "demo", "--transcript"], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("  you> ") == len(lines())
    assert done.stdout.count("dobby> ") == len(lines()) + sum("later" in row for row in lines())
    shown = generate.page("README.md").partition("$ dobby demo --transcript\n")[2].partition("\n```")[0]
    assert _in_any_order(generate.same_time(done.stdout.rstrip())) == _in_any_order(shown)
    assert _leftovers() <= before


def _in_any_order(said: str) -> list[set[str]]:
    """The words of each line: which family was found first decides the order in which "everything" is told, and a slow machine's
    lamps are told as going off."""
    return [set(re.findall(r"\w+", line.casefold())) - {"turning"} for line in said.splitlines()]


class Liar:
    """A house in which nothing becomes what is said."""

    def truth(self, device: str) -> State:
        return {}


class Sayer:
    """Answers every text with the same words."""

    def __init__(self, words: str, times: int) -> None:
        self.words, self.times = words, times

    async def say(self, key: str, text: str) -> None: ...

    async def said(self) -> AsyncIterator[Mapping[str, Any]]:
        for _ in range(self.times):
            yield {"text": self.words, "options": ["Yes"]}


async def _held(sayer: Sayer, show: Any = lambda words: None) -> list[str]:
    rows = [{"say": "lights on", "reply": "on", "within": 0.2, "becomes": [{"device": "a.lamp", "on": True, "brightness": 40}]}]
    return await hold(Liar(), sayer.say, sayer.said(), show, rows)


async def test_a_house_that_did_not_become_what_was_said_is_told_trait_by_trait() -> None:
    shown: list[str] = []
    wrong = await _held(Sayer("Lights on.", 1), shown.append)
    assert wrong == [
        "After 'lights on' a.lamp.on is None, not True.",
        "After 'lights on' a.lamp.brightness is None, not 40.",
    ]
    assert shown == ["  you> lights on", "dobby> Lights on.  [Yes]"]


async def test_an_answer_about_something_else_and_none_at_all_are_told() -> None:
    assert (await _held(Sayer("Hello.", 1)))[0] == "'lights on' was answered 'Hello.', which says nothing of 'on'."
    assert await _held(Sayer("", 0)) == ["'lights on' was not answered."]


async def test_what_was_to_come_later_and_did_not_is_told() -> None:
    row = {"say": "remind me", "reply": "", "later": "oven", "within": 0.2}
    for times in (1, 2):
        sayer = Sayer("Yes.", times)
        wrong = await hold(Liar(), sayer.say, sayer.said(), lambda words: None, [row])
        assert wrong == ["After 'remind me' nothing came that says 'oven'."]


def test_a_wrong_expectation_makes_the_command_fail(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[[line]]\nsay = "is the front door locked?"\nreply = "locked"\n'
        'within = 0.3\nbecomes = [{ device = "mqtt.front_door", locked = false }]\n'
    )
    command = [sys.executable, "-m", "dobby", "demo", "--transcript", "mine.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert done.stderr == "NOT SO: After 'is the front door locked?' mqtt.front_door.locked is True, not False.\n"


# The visit


def test_two_demos_side_by_side_invite_and_end_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    before = _leftovers()
    houses = [Process(tmp_path, "demo", "--state", str(tmp_path / str(number) / "state")) for number in range(2)]
    for house in houses:
        house.wait_for("Ctrl-C ends it.", 120)
        assert "unlock the front door" in house.said
        assert re.search(r"The phone: http://127\.0\.0\.1:\d+\n" if find_spec("twilio") else "dobby\\[whatsapp\\]", house.said)
    found = [re.findall(r"Dobby has found (\d+) devices in \d+ rooms\.", house.said) for house in houses]
    assert found[0] == found[1] != [], "each its own, and none of the neighbour's"
    addresses = [re.findall(r"http://127\.0\.0\.1:\d+/#code=\w{5}-\w{5}", house.said) for house in houses]
    assert [len(found) for found in addresses] == [1, 1]
    assert addresses[0][0].partition("/#")[0] != addresses[1][0].partition("/#")[0]
    assert len(_leftovers() - before) == 2
    for house in houses:
        assert len(_children(house.process.pid)) <= 1, "nobody but the eyes"
        assert house.end(signal.SIGINT) == 0, house.said
        assert house.said.endswith("Ctrl-C ends it.\n"), "no traceback, no complaint"
    again = Process(tmp_path, "demo", "--state", str(tmp_path / "0" / "state"))
    again.wait_for("Ctrl-C ends it.", 120)
    assert "Dobby has found " in again.said, "in the folder of an earlier demo, whose devices were at other addresses"
    assert again.end(signal.SIGINT) == 0
    assert _leftovers() <= before


@pytest.mark.browser
async def test_the_chat_shows_the_delivery_with_its_photo(tmp_path: Path) -> None:
    """In the real page, with whatever detector there is."""
    pytest.importorskip("cv2")
    if not CHROMIUM.exists():
        pytest.skip(f"no chromium at {CHROMIUM}")
    house = Process(tmp_path, "demo")
    try:
        house.wait_for("somebody comes within the first minute", 120)
        [address] = re.findall(r"http://127\.0\.0\.1:\d+/#code=\w{5}-\w{5}", house.said)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 420, "height": 800})
            await page.goto(address)
            bubble = page.locator("text=/(FedEx truck just|marked FedEx) arrived at the driveway/")
            await bubble.first.wait_for(timeout=170_000)
            shown = "img => img.complete && img.naturalWidth"
            photo = page.locator("img[alt]").last
            await expect(photo).to_be_visible(timeout=60_000)
            await page.wait_for_function("() => [...document.images].some(img => img.complete && img.naturalWidth > 600)")
            assert await photo.evaluate(shown) > 600
            if shown_at := re.search(r"The phone: (\S+)", house.said):
                phone = await browser.new_page(viewport={"width": 390, "height": 800})
                await phone.goto(shown_at[1])
                await phone.get_by_role("button", name="what is on?").click()
                await expect(phone.locator(".line.mine").nth(1)).to_contain_text("what is on?", timeout=60_000)
                await phone.wait_for_function("() => document.querySelectorAll('.line:not(.mine)').length > 1", timeout=60_000)
            await browser.close()
    finally:
        assert house.end(signal.SIGINT) == 0, house.said


@pytest.mark.parametrize("after", [0.2, 1.0, 2.0])
def test_ctrl_c_ends_it_at_any_moment_of_the_start(tmp_path: Path, after: float) -> None:
    before = _leftovers()
    process = Process(tmp_path, "demo")
    time.sleep(after)
    assert process.end(signal.SIGINT) in (0, 1, -signal.SIGINT)
    assert "Traceback" not in process.said or "KeyboardInterrupt" in process.said
    assert _leftovers() <= before


# The dollhouse alone


def test_the_dollhouse_alone_prints_what_a_config_needs(tmp_path: Path) -> None:
    with dollhouse(tmp_path, "--port", "0") as house:
        tables = skill_tables(house)
        assert re.search(r'\[skills\.mqtt\]\nat = \["127\.0\.0\.1:\d+"\]', tables)
        assert "[skills.sonos]\nat = [" in tables
        with dobby(tmp_path, QUIET + tables):
            eventually(tmp_path, "what is playing in the kitchen?", "itchen")
            eventually(tmp_path, "pause the music in the kitchen", "itchen")
            eventually(tmp_path, "bedside lamp on", "on")


MINE = """
[sonos]
zones = ["Attic"]

[[lifx.lamp]]
serial = "d073d5000077"
product = 27
label = "Ladder lamp"
room = "Attic"
brightness = 70
kelvin = 3500

[[mqtt.thing]]
id = "trapdoor"
name = "Trapdoor light"
room = "Attic"
behaves = "lamp"
state = { on = false, brightness = 60 }
announce.light = { stat_t = "~/state", cmd_t = "~/set", bri_stat_t = "~/brightness", bri_cmd_t = "~/set/brightness" }
"""


def test_a_house_of_ones_own_is_described_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    with dollhouse(tmp_path, "--port", "0", "--house", "mine.toml") as house:
        tables = skill_tables(house)
        assert re.findall(r"\[skills\.(\w+)\]", tables) == ["sonos", "lifx", "mqtt"]
        with dobby(tmp_path, QUIET + tables):
            eventually(tmp_path, "turn on the ladder lamp", "Ladder lamp on")
            eventually(tmp_path, "turn on the trapdoor light", "Trapdoor light on")
            eventually(tmp_path, "set the volume in the attic to 20", "Attic")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lifx = 7", "lifx must be a table"),
        ("[[lifx.lamp]]\nproduct = 27", "makes no sense of .lifx.: KeyError"),
        ("[weather]", "a file cannot describe it"),
        ("[nonsense]", "There is no dollhouse of nonsense"),
        ("[", "cannot be read"),
    ],
)
async def test_a_file_that_describes_no_house_is_said(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DobbyError, match=why):
        await open_dollhouse(rows=described(tmp_path / "mine.toml"))


def test_an_unknown_family_is_said(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "dobby", "dollhouse", "nonsense"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert re.search(r"There is no dollhouse of nonsense; there are .*mqtt.* and sonos", done.stderr)


def test_the_readmes_conversation_expects_something_of_the_house() -> None:
    assert sum(1 for row in lines() if row.get("becomes")) >= 6
    assert all(row.get("reply") for row in lines())
