"""The figure sheets have the form the design gives them, and they measure what they say. Nothing here is timed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import clock, house as house_sheet, start, text, understand
from benchmarks.__main__ import main, sheets
from benchmarks.rig import house, running
from benchmarks.rig.children import ROOT, Wire, hub
from benchmarks.sheet import Row, as_json, at_most, from_json, fsync_times, run, share, spread, table
from dobby.events import Change, Role
from dobby.house.registry import House
from dobby.mind.plain import PlainMind
from dobby.mind.plan import Context

KEYS = ["figure", "value", "unit", "goal", "holds", "beside", "note"]


def test_every_sheet_is_listed_in_the_help() -> None:
    said = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert {"clock", "text", "start", "understand", "house"} <= set(sheets())
    for name, about in sheets().items():
        assert name in said.stdout
        assert about in said.stdout


@pytest.mark.parametrize("sheet", [clock, text, start, understand, house_sheet])
def test_each_sheet_takes_quick_and_json(sheet: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(sheet.measure, ["--help"])  # type: ignore[attr-defined]
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--quick" in said
    assert "--json" in said


def test_a_benchmark_nobody_has_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])


def measure(quick: bool) -> list[Row]:
    """A sheet so small that it needs no Dobby: this disk's own sync time."""
    times = fsync_times(Path.cwd(), 3)
    return [at_most("one sync", share(times, 0.5), "ms", 1e9, spread(times), "quick" if quick else "")]


def test_json_is_a_list_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    run(measure, ["--quick", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == KEYS
    assert row["holds"] is True
    assert row["note"] == "quick"
    assert set(row["beside"]) == {"p50", "p95", "worst"}


def test_rows_survive_the_way_through_json() -> None:
    rows = [
        at_most("a", 12.345, "ms", 20, {"peer": 3.0, "other peer": "not installed"}),
        Row("b", None, "s", note="not installed"),
    ]
    assert from_json(as_json(rows)) == rows


def test_a_miss_is_printed_as_a_miss() -> None:
    missed, held = at_most("start", 1.5, "s", 1.0), at_most("start", 1.0, "s", 1.0)
    assert "MISS" in table([missed])
    assert "holds" in table([held])
    assert "MISS" not in table([Row("no goal", 1.0, "s")])


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (share(values, 0.5), share(values, 0.95), share(values, 1.0), share([7.0], 0.95)) == (50.0, 95.0, 100.0, 7.0)


@pytest.mark.parametrize("size", [6, 30, 300])
async def test_every_sentence_means_its_device(size: int) -> None:
    known = House()
    for device in house.devices(size, "hub"):
        known.add(device)
    for name, state in house.states(size).items():
        known.state.hear(Change(name, state, True))
    mind = PlainMind(known)
    context = Context(person="owner", role=Role.OWNER, now=datetime.now(UTC))
    for wish in islice(house.wishes(size), 120):
        (call,) = (await mind.plan(wish.text, context)).calls
        assert call.device == wish.device
        assert wish.wanted.items() <= call.args.items()


def test_a_house_has_as_many_devices_as_asked_each_with_a_name_of_its_own() -> None:
    made = house.devices(3000, "hub")
    assert len({device.id for device in made}) == len({device.name for device in made}) == 3000


@pytest.fixture
def devices() -> Iterator[Wire]:
    with hub(6) as wire:
        yield wire


@pytest.mark.slow
def test_a_text_is_timed_from_the_page_to_the_device_and_back(tmp_path: Path) -> None:
    timed = text.commands(tmp_path, 6, 2)
    assert timed.wrong == 0
    for recorded, written, stored in zip(timed.recorded, timed.written, timed.stored, strict=True):
        assert 0 < recorded < stored
        assert 0 < written < stored


@pytest.mark.slow
def test_a_burst_counts_what_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    burst = text.hold_burst(tmp_path, 30)
    assert (burst.texts, burst.lost, burst.disordered, burst.doubled) == (30, 0, 0, 0)


def test_the_hub_notes_what_it_was_told(devices: Wire) -> None:
    name = next(iter(house.states(6)))
    devices.ask(device=name, set={"on": True})
    ((device, wanted, _),) = devices.log()
    assert (device, wanted) == (name, {"on": True})
    assert devices.log() == []
    assert devices.ask(read=name)["state"]["on"] is True


def test_a_dobby_that_cannot_start_is_an_error_with_his_words(tmp_path: Path) -> None:
    broken = running.Running(tmp_path, "[nonsense]\n")
    with pytest.raises(RuntimeError, match="nonsense"), broken:
        pass


@pytest.mark.slow
def test_each_family_of_a_house_is_found_and_told_by_the_text_and_seen_at_the_device(tmp_path: Path) -> None:
    with house_sheet.doll("lifx", "wled") as dolls, running.Running(tmp_path, running.config(more=dolls.config)) as dobby:
        found = house_sheet.finding(dobby.folder, dobby.begun, dobby.process, 8)
        assert dict(found.families) == {"lifx": 4, "wled": 4}
        assert 0 < found.at[0] <= found.at[-1]
        for family in found.families:
            row = house_sheet.obeying(dobby, dolls, family, 2, "")
            assert row.holds, row
            assert row.beside["device written, p50"]


def test_a_house_in_which_nothing_is_found_is_a_miss() -> None:
    (row,) = house_sheet.found_rows("nowhere", [house_sheet.Found()], "")
    assert row.holds is False
