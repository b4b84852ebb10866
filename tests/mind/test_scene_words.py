"""Scenes in words: where the name ends and what it does begins, and what is no scene."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from stage import HOUSE, NOW

from dobby.events import Call, Role
from dobby.house.load import load
from dobby.journal.taught import Taught
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context, Plan

KNOWN = Taught("Kitchen off", "Film Night", (Call("set", "light.kitchen_ceiling", {"on": False}),))


async def _plan(text: str, **more: Any) -> Plan:
    mind = PlainMind(load(HOUSE).house)
    context = Context("anna", Role.OWNER, datetime.fromisoformat(NOW.isoformat()))
    return await mind.plan(text, replace(context, **more))


@pytest.mark.parametrize(
    ("text", "phrase", "own"),
    [
        ("when I say movie time turn off all lights", "movie time", True),
        ("when I say movie time, turn off all lights", "movie time", True),
        ("when I say bye then turn off all lights and close the blinds", "bye", True),
        ("when we say bye: all lights off and close the blinds", "bye", False),
        ("whenever somebody says lazy sunday close the blinds", "lazy sunday", False),
        ("make a scene movie time: all lights off", "movie time", False),
        ("please create a new scene called movie time: all lights off", "movie time", False),
        ("wenn ich feierabend sage mach alle lichter aus", "feierabend", True),
        ("wenn wir feierabend sagen, dann mach alle lichter aus", "feierabend", False),
        ("erstelle eine szene Kino: alle lichter aus", "Kino", False),
    ],
)
async def test_the_name_and_what_it_does(text: str, phrase: str, own: bool) -> None:
    plan = await _plan(text)
    assert plan.shown is not None and not plan.calls, plan.say
    assert plan.shown.args["phrase"] == phrase
    assert (plan.shown.args["person"] == "anna") is own
    assert plan.shown.args["calls"]


@pytest.mark.parametrize(
    "text",
    [
        "film night",
        "Film Night!",
        "start film night",
        "film night please",
        "film night mode",
        "it's film night",
        "mach film night an",
    ],
)
async def test_its_name_runs_it(text: str) -> None:
    plan = await _plan(text, scenes=(("film night", KNOWN),))
    assert plan.calls == KNOWN.calls and plan.scene == "Film Night"


@pytest.mark.parametrize(
    "text",
    [
        "is film night a scene?",
        "film night is boring",
        "make a scene yes: all lights off",
        "make a scene stop: all lights off",
        "make a scene kitchen light off: all lights off",
        "make a scene movie time: flurb the wibble",
        "make a scene movie time: is the front door locked",
        "when the door opens turn off all lights",
        "when I say",
        "when I say hello",
    ],
)
async def test_what_is_none(text: str) -> None:
    plan = await _plan(text, scenes=(("film night", KNOWN),))
    assert plan.shown is None and not plan.calls and not plan.scene
