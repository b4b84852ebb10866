"""The store: what it acknowledges is on the disk, what it refuses leaves no trace, and a newer file is left alone."""

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dobby.errors import DiskFull, Locked, SchemaTooNew, StoreError
from dobby.store import FolderLock, Store
from tests.patience import ENOUGH

FIRST = "CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
SECOND = "ALTER TABLE row ADD COLUMN more TEXT NOT NULL DEFAULT '';"
BIG = "x" * 60_000


def put(text: str):
    return lambda db: db.execute("INSERT INTO row (text) VALUES (?)", (text,))


def texts(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT text FROM row ORDER BY id")]


@asynccontextmanager
async def opened(path: Path | None, *migrations: str, full: bool = True) -> AsyncIterator[Store]:
    store = Store(path, migrations or (FIRST,), full=full)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture(params=["disk", "memory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "journal.db" if request.param == "disk" else None


async def test_what_was_written_is_read_by_everybody_and_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as store:
        await store.write(put("one"))
        assert await store.read(texts) == ["one"]
        assert store.look(texts) == ["one"]
    async with opened(path) as store:
        assert await store.read(texts) == ["one"]


async def test_a_burst_shares_few_commits_and_keeps_its_order(where: Path | None) -> None:
    async with opened(where) as store:
        commits = 0

        def count() -> None:
            nonlocal commits
            commits += 1

        store.listen(count)
        hold = threading.Event()
        first = asyncio.create_task(store.write(lambda db: hold.wait(5)))
        rest = [asyncio.create_task(store.write(put(str(number)))) for number in range(200)]
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(first, *rest)
        assert await store.read(texts) == [str(number) for number in range(200)]
        await asyncio.sleep(0.01)
        assert commits <= 4


async def test_a_failing_work_undoes_itself_and_nobody_else(where: Path | None) -> None:
    def half(db: sqlite3.Connection) -> None:
        put("half")(db)
        raise ValueError("changed my mind")

    def clumsy(db: sqlite3.Connection) -> None:
        put("clumsy")(db)
        db.execute("SELECT * FROM nowhere")

    def forbidden(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO row (id, text) VALUES (1, 'again')")

    async with opened(where) as store:
        await store.write(put("one"))
        works = [put("two"), half, clumsy, forbidden, put("three")]
        results = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
        assert [type(result) for result in results[1:4]] == [ValueError, sqlite3.OperationalError, sqlite3.IntegrityError]
        assert await store.read(texts) == ["one", "two", "three"]


async def test_one_reading_sees_one_moment(tmp_path: Path) -> None:
    """Else a text's state and its answer, which were committed together, are told as if one had come before the other."""
    async with opened(tmp_path / "journal.db") as store:
        loop = asyncio.get_running_loop()

        def twice(db: sqlite3.Connection) -> tuple[list[str], list[str]]:
            before = texts(db)
            asyncio.run_coroutine_threadsafe(store.write(put("meanwhile")), loop).result(ENOUGH)
            return before, texts(db)

        assert await store.read(twice) == ([], [])
        assert await store.read(texts) == ["meanwhile"]


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal.db") as store:
        with pytest.raises(StoreError, match="readonly"):
            await store.read(put("sneaked in"))
        assert await store.read(texts) == []


async def test_a_caller_who_goes_away_does_not_undo_what_he_handed_over(where: Path | None) -> None:
    async with opened(where) as store:
        hold = threading.Event()
        first = asyncio.create_task(store.write(lambda db: hold.wait(5)))
        gone = asyncio.create_task(store.write(put("kept")))
        await asyncio.sleep(0)
        gone.cancel()
        hold.set()
        await first
        await store.write(put("next"))
        assert await store.read(texts) == ["kept", "next"]


async def test_what_waits_at_closing_is_written_and_what_comes_later_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = Store(path, (FIRST,))
    writes = [asyncio.create_task(store.write(put(str(number)))) for number in range(600)]
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(*writes)
    with pytest.raises(StoreError, match="closed"):
        await store.write(put("late"))
    await store.aclose()
    async with opened(path) as again:
        assert len(await again.read(texts)) == 600


async def test_listeners_hear_of_every_commit_until_they_leave(where: Path | None) -> None:
    async with opened(where) as store:
        heard = asyncio.Event()
        store.listen(heard.set)
        await store.write(put("one"))
        await asyncio.wait_for(heard.wait(), ENOUGH)
        store.unlisten(heard.set)
        heard.clear()
        await store.write(put("two"))
        await asyncio.sleep(0.01)
        assert not heard.is_set()


# Schema


def footprint(folder: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if not file.name.endswith("-shm")
    }


async def test_a_newer_schema_is_refused_and_not_a_byte_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path, FIRST, SECOND) as store:
        await store.write(put("from the future"))
    before = footprint(tmp_path)
    with pytest.raises(SchemaTooNew, match=r"newer Dobby.*\n?.*untouched"):
        Store(path, (FIRST,))
    assert footprint(tmp_path) == before
    assert list(before) == ["journal.db"]


async def test_a_newer_schema_that_only_the_log_knows_is_refused_too(tmp_path: Path) -> None:
    path, crashed = tmp_path / "live" / "journal.db", tmp_path / "crashed"
    async with opened(path, FIRST, SECOND):
        crashed.mkdir()
        for file in path.parent.iterdir():
            if not file.name.endswith("-shm"):
                (crashed / file.name).write_bytes(file.read_bytes())
    before = footprint(crashed)
    assert any(name.endswith("-wal") for name in before)
    with pytest.raises(SchemaTooNew):
        Store(crashed / "journal.db", (FIRST,))
    assert footprint(crashed) == before


async def test_a_migration_leaves_a_whole_copy_from_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as store:
        await store.write(put("old"))
    (tmp_path / "journal.before-2.db").write_bytes(b"left by a migration that was interrupted")
    async with opened(path, FIRST, SECOND) as store:
        assert await store.read(lambda db: db.execute("SELECT text, more FROM row").fetchall()) == [("old", "")]
    copy = sqlite3.connect(tmp_path / "journal.before-2.db")
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute("SELECT * FROM row").fetchall() == [(1, "old")]
    copy.close()


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as store:
        await store.write(put("old"))
    with pytest.raises(StoreError):
        Store(path, (FIRST, SECOND + "ALTER TABLE nowhere ADD COLUMN x;"))
    async with opened(path) as store:
        assert await store.read(texts) == ["old"]


@pytest.mark.parametrize("garbage", [b"not a database at all, but long enough to be one" * 10, b"short"])
def test_a_file_that_is_no_database_is_an_error_in_words_and_stays(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(garbage)
    with pytest.raises(StoreError, match=r"journal\.db"):
        Store(path, (FIRST,))
    assert path.read_bytes() == garbage


# A full disk


async def test_a_full_file_refuses_keeps_nothing_half_and_works_again(where: Path | None) -> None:
    def two(db: sqlite3.Connection) -> None:
        put("small")(db)
        put(BIG)(db)

    async with opened(where) as store:
        await store.write(put("before"))
        pages = (await store.write(lambda db: db.execute("PRAGMA page_count").fetchone()))[0]
        await store.write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 2}").fetchone())
        with pytest.raises(DiskFull, match="Free some space"):
            await store.write(two)
        assert await store.read(texts) == ["before"]
        await store.write(put("still fits"))
        await store.write(lambda db: db.execute("PRAGMA max_page_count=100000").fetchone())
        await store.write(two)
        assert await store.read(texts) == ["before", "still fits", "small", BIG]


async def test_a_work_too_big_for_the_disk_refuses_nobody_elses(where: Path | None) -> None:
    async with opened(where) as store:
        pages = (await store.write(lambda db: db.execute("PRAGMA page_count").fetchone()))[0]
        await store.write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 2}").fetchone())
        hold = threading.Event()
        first = asyncio.create_task(store.write(lambda db: hold.wait(5)))
        works = [asyncio.create_task(store.write(put(text))) for text in ("one", BIG, "two")]
        await asyncio.sleep(0)
        hold.set()
        results = await asyncio.gather(first, *works, return_exceptions=True)
        assert [type(result) for result in results if isinstance(result, Exception)] == [DiskFull]
        assert await store.read(texts) == ["one", "two"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_really_full_disk_refuses_and_works_again_once_there_is_room(small_disk: Path) -> None:
    async with opened(small_disk / "journal.db") as store:
        await store.write(put("before"))
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk)
        ballast.write_bytes(b"0" * (free.f_bavail * free.f_frsize))
        refused = [text for text in ("one", BIG, "two") if await _is_refused(store, text)]
        assert BIG in refused
        ballast.unlink()
        await store.write(put("after"))
        kept = await store.read(texts)
    async with opened(small_disk / "journal.db") as store:
        assert await store.read(texts) == kept
        assert await store.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    assert set(kept) == {"before", "after", "one", "two", BIG} - set(refused)


async def _is_refused(store: Store, text: str) -> bool:
    try:
        await store.write(put(text))
    except DiskFull:
        return True
    return False


# One Dobby per folder


def test_a_state_folder_has_one_dobby_at_a_time(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / "state")
    with pytest.raises(Locked, match="Another Dobby"):
        FolderLock(tmp_path / "state")
    first.release()
    FolderLock(tmp_path / "state").release()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


async def test_closing_waits_for_a_look_that_is_under_way(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", ["CREATE TABLE a (x)"])
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> int:
        begun.set()
        go_on.wait(5)
        found: int = db.execute("SELECT count(*) FROM a").fetchone()[0]
        return found

    looking = asyncio.create_task(store.read(slow))
    await asyncio.to_thread(begun.wait, 5)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0.05)
    assert not closing.done()
    go_on.set()
    assert await looking == 0
    await closing
