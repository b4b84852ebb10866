"""Whatever kills the process, fills the disk or cuts the power: nothing is lost, nothing is doubled. Method: README.md."""

import functools
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.crash import power, sweep
from tests.crash.disk import SECTOR, Disk, Op
from tests.crash.power import Cuts
from tests.crash.tally import Tally
from tests.crash.whole import sweep_whole

# Every k-th point, so that all of it stays under two minutes on two cores; `make crash` takes every one.
RUNNING, APPOINTMENTS, ERRANDS, LETTERS, START, MIGRATION, ERRORS, NAIVE = 9, 12, 60, 60, 6, 6, 29, 16
STATES = 600  # of the disk
DAEMONS = 5  # kills of the whole daemon

Seen = list[Tally | Cuts]


@functools.cache
def why_not() -> str:
    """Why nothing can be killed here; "" where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture
def knife() -> None:
    """Tests that kill want strace, and leave to use it."""
    if reason := why_not():
        pytest.skip(reason)


killing = [pytest.mark.crash, pytest.mark.timeout(900), pytest.mark.usefixtures("knife")]


class TestKilled:
    """kill -9 at the writes, a restart, and the account."""

    pytestmark = killing

    async def test_at_work_nothing_is_lost_and_nothing_doubled(self, seen: Seen) -> None:
        tally = await sweep.sweep_running(RUNNING)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_an_appointment_fires_once_or_says_that_it_was_missed(self, seen: Seen) -> None:
        tally = await sweep.sweep_due(APPOINTMENTS)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_an_errand_with_a_model_goes_on_at_its_step(self, seen: Seen) -> None:
        tally = await sweep.sweep_errands(ERRANDS)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_whatsapp_is_answered_once_whatever_twilio_does_meanwhile(self, seen: Seen) -> None:
        tally = await sweep.sweep_letters(LETTERS)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_the_first_start_may_end_anywhere(self, seen: Seen) -> None:
        tally = await sweep.sweep_first_start(START)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_a_migration_may_end_anywhere(self, seen: Seen) -> None:
        tally = await sweep.sweep_migration(MIGRATION)
        seen.append(tally)
        assert not tally.words
        assert tally.kills > tally.points / 2

    async def test_without_reconciliation_messages_and_rings_do_double(self, seen: Seen) -> None:
        tally = await sweep.sweep_running(NAIVE, naive=True)
        seen.append(tally)
        assert any("the bell rang 2 times" in words for words in tally.words)
        assert any("was seen 2 times" in words for words in tally.words)

    async def test_the_whole_daemon_keeps_its_word(self, seen: Seen) -> None:
        tally = await sweep_whole(DAEMONS)
        seen.append(tally)
        assert not tally.words
        assert tally.kills


class TestFailingDisk:
    """No room, or an error, at the writes."""

    pytestmark = killing

    async def test_texts_are_refused_or_kept_and_nothing_is_half_written(self, seen: Seen) -> None:
        tally = await sweep.sweep_errors(ERRORS)
        seen.append(tally)
        assert not tally.words
        assert tally.kills


class TestPowerCut:
    """What the disk was left with, opened by the product's own store."""

    pytestmark = killing

    async def test_what_was_said_outside_has_its_row(self, seen: Seen, tmp_path: Path) -> None:
        cuts = await power.cut(tmp_path, most=STATES)
        seen.append(cuts)
        assert not cuts.words
        assert not cuts.corrupt
        assert cuts.states == STATES

    async def test_without_full_syncs_promises_are_broken(self, seen: Seen, tmp_path: Path) -> None:
        cuts = await power.cut(tmp_path, full=False, most=STATES // 3)
        seen.append(cuts)
        assert cuts.broken


class TestDisk:
    """The model of a disk by itself."""

    def images(self, *ops: Op) -> dict[str, dict[str, bytes]]:
        disk = Disk()
        for op in ops:
            disk.take(op)
        return dict(disk.images(random.Random(1)))

    def test_what_was_not_synced_may_be_gone(self) -> None:
        made = (Op(0, "create", "a"), Op(1, "sync names"))
        images = self.images(*made, Op(2, "write", "a", b"one"), Op(3, "sync", "a"), Op(4, "write", "a", b"two", 3))
        assert images["dropped"] == {"a": b"one"}
        assert images["whole"] == {"a": b"onetwo"}

    def test_a_file_whose_name_was_not_synced_may_be_gone_with_all_its_data(self) -> None:
        images = self.images(Op(0, "create", "a"), Op(1, "write", "a", b"one"), Op(2, "sync", "a"))
        assert images["dropped"] == {}
        assert images["whole"] == {"a": b"one"}

    def test_the_last_write_tears_at_a_sector(self) -> None:
        made = (Op(0, "create", "a"), Op(1, "sync names"))
        torn = self.images(*made, Op(2, "write", "a", b"x" * 5 * SECTOR))["torn"]
        assert len(torn.get("a", b"")) % SECTOR == 0
        assert len(torn.get("a", b"")) < 5 * SECTOR

    def test_a_file_taken_away_may_still_be_there(self) -> None:
        made = (Op(0, "create", "a"), Op(1, "sync names"), Op(2, "write", "a", b"one"), Op(3, "sync", "a"))
        images = self.images(*made, Op(4, "unlink", "a"))
        assert images["dropped"] == {"a": b"one"}
        assert images["whole"] == {}
