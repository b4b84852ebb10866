"""One durable SQLite file: one writer thread with group commit; everybody else reads.

Work handed to `write` is committed, and synced to disk, before its result comes back; several waiting works share one
commit, each in its own savepoint. It does not know what the rows mean. WAL with `synchronous=FULL`: a power cut loses
no acknowledged row (https://sqlite.org/pragma.html#pragma_synchronous); a single writing connection also keeps clear
of the WAL-reset race of SQLite before 3.51.3.
"""

import asyncio
import errno
import fcntl
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from dobby.errors import Closed, DiskFull, IllegalMove, Locked, SchemaTooNew, StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
GROUP = 256  # works that share one commit at most
PAUSE = 5.0  # seconds between tries while rows cannot be written


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Work[T]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[T]"
    then: Callable[[T], object] | None = None
    alone: bool = False
    result: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        """Runs in the loop: hand the result to whoever waits."""
        if not self.done.cancelled():
            if self.error is not None:
                self.done.set_exception(self.error)
            else:
                self.done.set_result(self.result)
        if self.then is not None and self.error is None:
            self.then(self.result)


class Store:
    """A file of rows. `migrations[n]` brings the schema from version n to n + 1; additive ones only."""

    def __init__(self, path: Path | None, migrations: Sequence[str], *, full: bool = True) -> None:
        """Open or make the file; `None` keeps everything in memory. `full` syncs every commit to disk."""
        self.path = path
        self._full = full
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _refuse_newer(path, len(migrations))
        self._writer = self._open(migrations)
        self._closed = False
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._listeners: dict[Callable[[], None], asyncio.AbstractEventLoop] = {}
        self._reader_lock = threading.Lock()
        self._reader = self._writer if path is None else open_reader(path)
        self._thread = threading.Thread(target=self._keep_writing, name="dobby-store", daemon=True)
        self._thread.start()

    def _open(self, migrations: Sequence[str]) -> sqlite3.Connection:
        name = ":memory:" if self.path is None else str(self.path)
        db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={'FULL' if self._full else 'NORMAL'}")
            db.execute("PRAGMA foreign_keys=ON")
            _migrate(db, self.path, migrations)
        except sqlite3.Error as error:
            db.close()
            raise _named(error, self.path) from error
        return db

    async def write(self, work: Work[T], then: Callable[[T], object] | None = None) -> T:
        """Run `work(connection)` in the writer's thread; returns once its rows are on the disk. `then(result)` is called in
        this loop at once when they are, also where the caller has gone away meanwhile.

        :raises DiskFull: there was no room; nothing of this work was kept.
        :raises StoreError: the file could not be written; nothing of this work was kept.
        """
        return await self._hand_in(work, then)

    async def compact(self) -> None:
        """Rewrite the whole file without what was erased, and empty the log: what is in no row is in no byte of either.

        :raises StoreError: somebody else reads the file just now, or there is no room for a copy of it; try again.
        """
        await self._hand_in(_compact, alone=True)

    async def _hand_in(self, work: Work[T], then: Callable[[T], object] | None = None, alone: bool = False) -> T:
        if self._closed:
            raise Closed(f"{self.path or 'The memory'} is closed; nothing was kept.")
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(work, loop, loop.create_future(), then, alone)
        self._jobs.put(job)
        return await job.done

    async def read(self, work: Work[T]) -> T:
        """Run `work(connection)` on the reading connection, beside the loop: all that was committed, as of one moment."""
        return await asyncio.to_thread(self.look, work)

    def look(self, work: Work[T]) -> T:
        """Read and wait for it: for threads of one's own and for short looks before the loop runs.

        :raises StoreError: the file could not be read.
        """
        with self._reader_lock:
            try:
                self._reader.execute("BEGIN")
                with self._reader:  # ends the transaction, whatever comes
                    return work(self._reader)
            except sqlite3.Error as error:
                raise _named(error, self.path) from error

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` in this loop after every commit: rows have changed, look if they concern you."""
        self._listeners[listener] = asyncio.get_running_loop()

    def unlisten(self, listener: Callable[[], None]) -> None:
        """No more calls."""
        self._listeners.pop(listener, None)

    async def aclose(self) -> None:
        """Write what is waiting, then close; what comes later is refused."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        """A look that is still under way in another thread is waited for: SQLite does not survive being closed under it."""
        self._thread.join()
        with self._reader_lock:
            self._writer.close()
            self._reader.close()

    # The writer's thread

    def _keep_writing(self) -> None:
        open_ = True
        while open_:
            jobs, open_ = self._next()
            together = [job for job in jobs if not job.alone]
            if together:
                self._commit_all(together)
            for job in jobs:
                if job.alone:
                    self._by_itself(job)

    def _next(self) -> tuple[list[_Job[Any]], bool]:
        """Wait for work and take all that is there; False with it once the store is to close."""
        jobs: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == GROUP or self._jobs.empty():
                return jobs, True
            job = self._jobs.get()
        return jobs, False

    def _by_itself(self, job: _Job[Any]) -> None:
        """Work that cannot be part of a transaction; nobody of ours reads meanwhile."""
        with self._reader_lock:
            try:
                job.result = job.work(self._writer)
            except sqlite3.Error as error:
                job.error = _named(error, self.path)
            except StoreError as error:
                job.error = error
        _call(job.loop, job.settle)

    def _commit_all(self, jobs: list[_Job[Any]]) -> None:
        """One commit for all; where it fails, one for each, so that a work too big for the disk refuses nobody else's."""
        with self._reader_lock if self.path is None else nullcontext():
            error = self._commit(jobs)
            for job in jobs if error else ():
                job.error = (self._commit([job]) if len(jobs) > 1 else error) or job.error
        for loop in {job.loop for job in jobs}:  # woken once for all of them
            _call(loop, partial(_settle, [job for job in jobs if job.loop is loop]))
        for listener, loop in list(self._listeners.items()):
            _call(loop, listener)

    def _commit(self, jobs: list[_Job[Any]]) -> StoreError | None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._try(job)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(self._writer)
            return _named(error, self.path)
        return None

    def _try(self, job: _Job[Any]) -> None:
        """One work in its own savepoint: what it raises undoes only itself; a sick file undoes all."""
        job.error = None
        self._writer.execute("SAVEPOINT work")
        try:
            job.result = job.work(self._writer)
        except Exception as error:
            if _is_sick(error):
                raise
            if not self._writer.in_transaction:
                raise sqlite3.OperationalError(f"the transaction is gone: {error}") from error
            job.error = error
            self._writer.execute("ROLLBACK TO work")
        self._writer.execute("RELEASE work")


class Sleeper(Protocol):
    """Whoever can wait (`dobby.clock.Clock`)."""

    async def sleep(self, seconds: float) -> None: ...


async def insist(store: Store, clock: Sleeper, work: Work[T]) -> T:
    """Write what must not be dropped: while the disk is full or the file cannot be written, wait and try again.

    :raises IllegalMove: the work itself is wrong; trying again would not help.
    """
    while True:
        try:
            return await store.write(work)
        except (IllegalMove, Closed):
            raise
        except StoreError as error:
            log.error("Rows wait to be written: %s", error)
            await clock.sleep(PAUSE)


def _settle(jobs: Sequence[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop has ended; the rows are kept all the same
        log.debug("A row was kept after its asker had gone.")


SICK = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_NOMEM")


def _is_sick(error: Exception) -> bool:
    """Is it the file's fault, not the work's."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "").startswith(SICK)


def _compact(db: sqlite3.Connection) -> None:
    db.execute("VACUUM")
    busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreError("Somebody reads the rows just now; they are cleaned later.")


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        try:
            db.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("Rolling back failed; SQLite undoes it when the file is next opened.")


HEADER = 100  # bytes
FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")  # no space, over quota, no space for the shared index


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only look."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def _refuse_newer(path: Path, known: int) -> None:
    """A file of a newer Dobby is not opened for writing at all."""
    try:
        version = _version_of(path)
    except (OSError, sqlite3.Error) as error:
        raise _named(error, path) from error
    if version > known:
        raise SchemaTooNew(
            f"{path} was written by a newer Dobby (its schema is {version}, this one knows {known}). "
            "It was left untouched: install the newer Dobby, or restore a backup made by this one."
        )


def _version_of(path: Path) -> int:
    """The schema's number without touching anything: from the header (https://sqlite.org/fileformat.html#user_version_number),
    and through SQLite only where a crash left pages beside the file."""
    if not path.exists() or path.stat().st_size < HEADER:
        return 0
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or not wal.stat().st_size:
        with path.open("rb") as file:
            return int.from_bytes(file.read(HEADER)[60:64], "big")
    with closing(open_reader(path)) as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        return version


def _migrate(db: sqlite3.Connection, path: Path | None, migrations: Sequence[str]) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(migrations[version:], version + 1):
        if path is not None and version:
            _back_up(db, path.with_suffix(f".before-{number}.db"))
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version={number};\nCOMMIT;")


def _back_up(db: sqlite3.Connection, to: Path) -> None:
    """A whole copy under its name only once it is complete; one that an interrupted migration left is replaced."""
    part = to.with_name(to.name + ".part")
    part.unlink(missing_ok=True)
    try:
        db.execute("VACUUM INTO ?", (str(part),))
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _named(error: sqlite3.Error | OSError, path: Path | None) -> StoreError:
    """SQLite's error as ours, in words that say what to do."""
    code = getattr(error, "sqlite_errorname", "")
    if code in FULL:
        return DiskFull(f"There is no room left on the disk that holds {path}. Free some space; nothing was half-written.")
    return StoreError(f"{path} could not be used: {error} ({code or 'no code'}).")


class FolderLock:
    """One Dobby per state folder, by an advisory lock on a file in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise Locked(f"Another Dobby is using {folder}. Stop it first, or name another folder with --state.") from error
            raise

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._file)
