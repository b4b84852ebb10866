"""What waits for the house is kept for exactly that; what nobody can see coming is refused in words; nothing is done at once."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import Stage

from dobby.events import NEVER, Role
from dobby.house.load import parse
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context

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


PLUG = """
devices:
  - {id: plug, name: Washing machine, kind: outlet, state: {"on": true}}
  - {id: watts, name: Washing machine power, kind: sensor, part_of: plug, device_class: power, unit: W, state: {value: 1800}}
  - {id: dryer, name: Dryer, kind: outlet, state: {"on": true}}
  - {id: bell, name: House alarm, kind: alarm, state: {armed: away, triggered: false}}
"""


@pytest.mark.parametrize(
    ("text", "tests", "hold"),
    [
        ("let me know when the washing machine is done", (("watts", "value", "<5"),), 180),
        ("sag mir bescheid wenn die washing machine fertig ist", (("watts", "value", "<5"),), 180),
        ("tell me when the washing machine has finished for 10 minutes", (("watts", "value", "<5"),), 600),
        ("tell me when the washing machine is off", (("plug", "on", False),), 0),
        ("tell me when the dryer is done", None, 0),  # its plug has no meter: nobody would ever tell
        ("turn off the dryer as soon as the dryer is done", None, 0),
        ("tell me when the alarm goes off", (("bell", "triggered", True),), 0),
        ("sag mir wenn der house alarm losgeht", (("bell", "triggered", True),), 0),
    ],
)
async def test_a_machine_is_done_when_it_draws_nothing_and_an_alarm_goes_off_by_ringing(
    text: str, tests: tuple[Any, ...] | None, hold: float
) -> None:
    mind = PlainMind(parse(PLUG).house)
    plan = await mind.plan(text, Context("p", Role.OWNER, datetime.now(UTC)))
    assert [(due.watch.tests, due.watch.hold) for due in plan.due if due.watch] == ([(tests, hold)] if tests else []), plan.say
