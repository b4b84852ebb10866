"""The suite that others wrote, where the machine has it: it is never part of the project."""

import json
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dobby.events import Change
from dobby.house.load import initial, load


def cases(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    houses = sorted(folder.glob("*.house.yaml"))
    files = [(house, house.with_name(house.name.replace(".house.yaml", ".cases.jsonl"))) for house in houses]
    return [(house, json.loads(line)) for house, rows in files for line in rows.read_text("utf-8").splitlines() if line]


def same(got: Any, want: Any) -> bool:
    if isinstance(want, bool) or isinstance(got, str) or not isinstance(want, int | float):
        return bool(got == want)
    return isinstance(got, int | float) and abs(got - want) <= 1.5


async def outcome(house: Path, case: dict[str, Any]) -> tuple[bool, bool]:
    """Whether it came out right, and whether anything was touched that should not have been."""
    stage = Stage(load(house), here=case.get("here", ""))
    for key, traits in (case.get("state") or {}).items():
        device = stage.house.get(key)
        assert device is not None
        state = initial(device, traits, stage.house.state.of(key))
        stage.hands.reset({**stage.loaded.states, key: state})
        stage.house.state.hear(Change(key, state))
    seen = await stage.say(case["say"])
    expected = case.get("expect") or {}
    ends = {key: stage.house.state.of(key) for key in expected}
    volume = {key: 0 for key, state in ends.items() if state.get("muted")}
    right = all(
        same(volume.get(d, ends[d].get(t)) if t == "volume" else ends[d].get(t), v)
        for d, ts in expected.items()
        for t, v in ts.items()
    )
    return right, bool(set(seen.changes) - set(expected) - set(case.get("may_change", [])))


async def test_nearly_all_of_it_and_nothing_wrong(shared_data: Path) -> None:
    rows = cases(shared_data / "suites" / "assist-mini")
    if not rows:
        pytest.skip("the suite is empty")
    results = [await outcome(house, case) for house, case in rows]
    assert not any(wrong for _, wrong in results)
    assert sum(right for right, _ in results) / len(results) >= 0.95
