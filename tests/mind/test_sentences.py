"""What the plain mind makes of a text: the tables beside this file, one case a test."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import Seen, Stage

from dobby.house.load import PlainYaml, parse
from dobby.mind.plan import Order

HERE = Path(__file__).parent


def table(name: str) -> list[Any]:
    data = yaml.load((HERE / name).read_text("utf-8"), PlainYaml)
    rows = data if isinstance(data, list) else [row for group in data.values() for row in group]
    return [pytest.param(row, id=row["say"]) for row in rows]


@pytest.fixture(scope="module")
def english() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def german() -> Stage:
    return Stage(language="de")


def judge(case: dict[str, Any], seen: Seen) -> None:
    assert seen.changes == case.get("set", {}), seen.said
    if "asks" in case:
        assert [choice.label for choice in seen.plan.choices] == case["asks"]
    if "reply" in case:
        assert re.search(case["reply"], seen.said), seen.said
    assert seen.said or seen.plan.order, "something is always said"


async def play(case: dict[str, Any], stage: Stage) -> None:
    stage.start(here=case.get("here", ""))
    judge(case, await stage.say(case["say"]))
    if "then" in case:
        judge(case["then"], await stage.say(case["then"]["say"]))


@pytest.mark.parametrize("case", table("sentences.yaml"))
async def test_a_sentence_comes_to_just_this(case: dict[str, Any], english: Stage) -> None:
    await play(case, english)


@pytest.mark.parametrize("case", table("must_not_act.yaml"))
async def test_nothing_changes(case: dict[str, Any], english: Stage) -> None:
    await play(case, english)


@pytest.mark.parametrize("case", table("german.yaml"))
async def test_the_same_in_german(case: dict[str, Any], german: Stage) -> None:
    await play(case, german)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("undo", Order.UNDO),
        ("Undo that, please.", Order.UNDO),
        ("mach das rückgängig", Order.UNDO),
        ("what did you just do?", Order.EXPLAIN),
        ("what did you just do, and why?", Order.EXPLAIN),
        ("was hast du gerade gemacht?", Order.EXPLAIN),
        ("stop", Order.STOP),
        ("hands off", Order.HANDS_OFF),
        ("hands on", Order.HANDS_ON),
        ("just tell me what you would do", Order.REHEARSE),
        ("for real", Order.PERFORM),
    ],
)
async def test_orders_to_the_butler_himself(text: str, order: Order, english: Stage) -> None:
    english.start(here="")
    seen = await english.say(text)
    assert (seen.plan.order, seen.changes) == (order, {})


async def test_a_fahrenheit_house_is_spoken_to_in_fahrenheit() -> None:
    stage = Stage(units="us")
    seen = await stage.say("set the living room to 72")
    assert seen.changes == {"climate.living": {"target": pytest.approx(22.22, abs=0.01)}}
    assert "72 °F" in seen.said
    assert "67.1 °F" in (await stage.say("what's the temperature in the bedroom")).said
    assert (await stage.say("bedroom 2 degrees warmer")).changes == {
        "climate.bedroom": {"target": pytest.approx(19.11, abs=0.01)}
    }
    assert (await stage.say("set the bedroom radiator to 21")).changes == {}, "21 °F is no room temperature"


async def test_everything_reaches_only_lights_media_and_fans(english: Stage) -> None:
    english.start(here="")
    seen = await english.say("turn EVERYTHING off")
    kinds = {device.kind for key in seen.changes if (device := english.house.get(key))}
    assert kinds == {"light", "speaker", "fan"}
    assert "left" in seen.said


async def test_a_choice_carries_the_call_it_stands_for(english: Stage) -> None:
    english.start(here="")
    plan = (await english.say("unlock the door")).plan
    assert [choice.calls[0].device for choice in plan.choices] == ["lock.front"] or len(plan.choices) == 2
    assert plan.calls == ()


async def test_a_rest_that_is_not_understood_is_offered_not_done(english: Stage) -> None:
    english.start(here="")
    plan = (await english.say("close garage hands full")).plan
    assert plan.calls == ()
    assert plan.choices[0].calls[0].device == "cover.garage"


@pytest.mark.parametrize(
    "said", ["I'm leaving", "I’m tired", "i'm bored", "I am hungry", "I'm in bed", "I'm reading", "I'm awake"]
)
async def test_i_am_is_no_german(english: Stage, said: str) -> None:
    english.start()
    assert (await english.say(said)).plan.language == "en"


@pytest.mark.parametrize("said", ["im Bad", "Licht im Bad an", "mach die Rollos im Büro hoch", "im Wohnzimmer ist es kalt"])
async def test_a_german_im_stays_one(english: Stage, said: str) -> None:
    english.start()
    assert (await english.say(said)).plan.language == "de"


@pytest.mark.parametrize(
    ("said", "answer"), [("who is home?", "I can't see"), ("wer ist zuhause?", "Wer da ist, kann ich nicht sehen")]
)
async def test_where_nobody_tells_who_is_home_no_thing_is_told_instead(said: str, answer: str) -> None:
    """A house without a person in it, whatever stands in its rooms."""
    house = "devices:\n- {id: l, name: Shopping List, kind: list, state: {items: []}}\n"
    assert (await Stage(parse(house)).say(said)).said.startswith(answer)
