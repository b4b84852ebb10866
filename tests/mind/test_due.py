"""Texts about other times: what is kept for when, what is shown back, and what is refused and never misread."""

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from dobby.events import Due
from dobby.mind.plan import Context, Plan
from tests.mind.stage import Stage

ROWS: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("due.yaml").read_text("utf-8"))
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=BERLIN)  # a Monday


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def context(stage: Stage, row: dict[str, Any]) -> Context:
    now = datetime.fromisoformat(row["now"]).replace(tzinfo=BERLIN) if "now" in row else NOW
    place = (52.5, 13.4) if row.get("place") else None
    language, here = row.get("language", "en"), row.get("here", "Living Room")
    return replace(stage.context(), now=now, place=place, language=language, units="metric", here=here)


def cases(*groups: str) -> list[Any]:
    return [pytest.param(row, id=row["say"]) for group in groups for row in ROWS[group]]


async def planned(stage: Stage, row: dict[str, Any]) -> Plan:
    stage.start()
    return await stage.mind.plan(row["say"], context(stage, row))


def shown(due: Due) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": due.kind.value, "at": datetime.fromtimestamp(due.at, BERLIN).strftime("%Y-%m-%dT%H:%M")}
    found |= {name: value for name in ("every", "sun", "remind", "name") if (value := getattr(due, name))}
    return found | ({"after": due.after} if due.after else {})


@pytest.mark.parametrize("row", cases("timers", "reminders", "acts", "routines", "german"))
async def test_it_is_kept_for_then_and_shown_back(stage: Stage, row: dict[str, Any]) -> None:
    plan = await planned(stage, row)
    assert len(plan.due) == 1, plan
    due = plan.due[0]
    wanted = {key: row[key] for key in ("kind", "at", "every", "sun", "remind", "name", "after") if key in row}
    assert {key: shown(due).get(key) for key in wanted} == wanted
    assert re.search(row.get("said", "."), due.said), due.said
    assert {call.device: dict(call.args) for call in due.calls} == row.get("do", {})
    assert {call.device: dict(call.args) for call in plan.calls} == row.get("first", {})


@pytest.mark.parametrize("row", cases("orders"))
async def test_it_is_an_order_about_appointments(stage: Stage, row: dict[str, Any]) -> None:
    plan = await planned(stage, row)
    assert (plan.order.value, plan.about) == (row["order"], row.get("about", "")) and not plan.calls
    assert "by" not in row or [(due.at, due.after) for due in plan.due] == [(0.0, row["by"])]


@pytest.mark.parametrize("row", cases("refused"))
async def test_it_is_refused_in_words_and_nothing_is_kept_or_done(stage: Stage, row: dict[str, Any]) -> None:
    plan = await planned(stage, row)
    assert not plan.due and not plan.calls and plan.say
    assert re.search(row.get("reply", "."), plan.say), plan.say


@pytest.mark.parametrize("row", cases("now"))
async def test_what_only_looks_like_a_time_is_for_now(stage: Stage, row: dict[str, Any]) -> None:
    plan = await planned(stage, row)
    assert not plan.due and plan.calls


async def test_which_one_can_be_asked_about_later_too(stage: Stage) -> None:
    plan = await planned(stage, {"say": "lock the door in 5 minutes"})
    assert not plan.calls and (not plan.choices or all(call.tool == "schedule" for one in plan.choices for call in one.calls))
