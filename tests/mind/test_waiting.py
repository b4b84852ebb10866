"""What waits for the house is kept for exactly that; what nobody can see coming is refused in words; nothing is done at once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import Stage

from dobby.events import NEVER

ROWS = yaml.safe_load((Path(__file__).parent / "waiting.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("case", [case for case in ROWS if "waits" in case], ids=lambda case: case["say"])
async def test_it_waits_for_just_that(case: dict[str, Any], stage: Stage) -> None:
    seen = await stage.say(case["say"])
    assert not seen.changes and len(seen.plan.due) == 1, seen.said
    due = seen.plan.due[0]
    assert due.watch and due.at == NEVER
    assert {device: {trait: wanted} for device, trait, wanted in due.watch.tests} == case["waits"]
    assert (due.watch.always, due.watch.hold) == (case["always"], case.get("hold", 0))
    assert len(due.watch.tests) == 1 or due.watch.whole is case.get("whole", False)
    assert due.remind == case.get("told", due.remind) and bool(due.remind) is not bool(due.calls)
    assert due.said == case.get("shown", due.said)


@pytest.mark.parametrize("case", [case for case in ROWS if "waits" not in case], ids=lambda case: case["say"])
async def test_it_is_not_kept(case: dict[str, Any], stage: Stage) -> None:
    seen = await stage.say(case["say"])
    assert not seen.changes and not seen.plan.due
    assert re.search(case["reply"], seen.said), seen.said
