"""The form of a backup: a zip of `manifest.json` and the files it lists, each with its size and sha256.

What comes out of an archive is treated as a stranger's: names and sizes are held to the manifest, and nothing is written
that it did not announce. It does not know what the files mean. A zip, because its directory is bounded by the file's own
size and has no links that must be followed, while a tar's headers may unfold to any length.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dobby.errors import StoreError

FORM = 1  # of the archive; another one is refused
MANIFEST = "manifest.json"
LONGEST_MANIFEST = 64 * 2**20  # bytes: some 300,000 files
CHUNK = 2**20  # bytes read at a time
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Tell = Callable[[str, float], None]  # what is being done, and how much of it (0 to 1)


def silent(step: str, done: float) -> None:
    """For whoever does not want to watch."""


class BackupError(StoreError):
    """The archive could not be made, or cannot be trusted; what was there before is still there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the archive; `rows` are a database's tables and how many rows each has."""

    name: str
    bytes: int
    sha256: str
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds: made when and by which Dobby, with which schemas."""

    form: int
    dobby: str
    made: datetime
    schemas: Mapping[str, int]
    files: Sequence[Piece]


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Everything that can be wrong with a zip, a disk or a database, as an error of ours about this file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackupError(f"There is no room left for {error.filename or file}. Free some space and try again.") from error
        raise BackupError(f"{error.filename or file} could not be used: {error.strerror or error}.") from error
    except sqlite3.Error as error:
        raise BackupError(f"A database of {file} could not be read: {error}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise BackupError(
            f"{file} is damaged, cut short, or not one of Dobby's backups ({error or type(error).__name__})."
        ) from error


# Writing


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pack(file: Path, manifest: Manifest, places: Mapping[str, Path], tell: Tell) -> None:
    """Write the archive, readable by nobody else, and sync it; `places` says where each listed file lies."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST, TypeAdapter(Manifest).dump_json(manifest, indent=1))
            for piece, told in _progress("Packing", manifest.files, tell):
                with places[piece.name].open("rb") as source, archive.open(_entry(piece), "w") as to:
                    while chunk := source.read(CHUNK):
                        to.write(chunk)
                        told(len(chunk))
        stream.flush()
        os.fsync(stream.fileno())


def _entry(piece: Piece) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(piece.name, time.localtime()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    entry.file_size = piece.bytes  # tells zipfile whether it needs the long form
    return entry


def _progress(step: str, pieces: Sequence[Piece], tell: Tell) -> Iterator[tuple[Piece, Callable[[int], None]]]:
    """Each piece, with a function to call with every count of bytes dealt with."""
    whole = max(1, sum(piece.bytes for piece in pieces))
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        tell(step, done / whole)

    for piece in pieces:
        yield piece, told


# Reading what may be a stranger's


def unpack(file: Path, into: Path, known: Callable[[str], bool], keep: Callable[[str], bool], tell: Tell) -> Manifest:
    """Check every file of the archive against the manifest; write those that `keep` names into an empty folder.

    `known` says which names may be there at all.

    :raises BackupError: anything is not as announced.
    """
    with zipfile.ZipFile(file) as archive:
        entries = _entries(archive)
        manifest = _manifest(archive, entries)
        announced = {piece.name: piece for piece in manifest.files}
        if len(announced) != len(manifest.files) or set(entries) != {MANIFEST, *announced}:
            raise BackupError(f"{file} does not hold the files it announces.")
        for name in announced:
            _check_name(name, known)
        _check_room(into, sum(piece.bytes for piece in manifest.files if keep(piece.name)))
        for piece, told in _progress("Checking", manifest.files, tell):
            with archive.open(entries[piece.name]) as source:
                _take(source, piece, into / piece.name if keep(piece.name) else None, told)
    return manifest


def names(file: Path) -> set[str]:
    """What an archive calls its files, nothing of it believed."""
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.filename in entries or entry.compress_type not in PLAIN or kind not in (0, stat.S_IFREG):
            raise BackupError(f"The archive holds something that no backup of Dobby's holds: {entry.filename!r}.")
        entries[entry.filename] = entry
    return entries


def _manifest(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> Manifest:
    if MANIFEST not in entries:
        raise BackupError("This is not one of Dobby's backups: it has no manifest.")
    with archive.open(entries[MANIFEST]) as stream:
        text = stream.read(LONGEST_MANIFEST + 1)
    if len(text) > LONGEST_MANIFEST:
        raise BackupError("The archive's manifest is longer than any backup's.")
    table: Any = json.loads(text)
    form = table.get("form") if isinstance(table, dict) else None
    if form != FORM:
        raise BackupError(f"The archive has the form {form!r}, this Dobby reads {FORM}. Was it made by a newer Dobby?")
    try:
        return TypeAdapter(Manifest).validate_python(table)
    except ValidationError as error:
        raise BackupError("The archive's manifest cannot be read.") from error


def _check_name(name: str, known: Callable[[str], bool]) -> None:
    parts = PurePosixPath(name).parts
    clean = "/".join(parts) == name and ".." not in parts and not name.startswith("/") and not re.search(r"[\\\x00-\x1f]", name)
    if not clean or not known(name):
        raise BackupError(f"The archive holds something that no backup of Dobby's holds: {name!r}.")


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise BackupError(f"The archive unfolds to {wanted / 2**20:,.0f} MB; {folder} has {free / 2**20:,.0f} MB free.")


def _take(source: Any, piece: Piece, to: Path | None, told: Callable[[int], None]) -> None:
    """Read one file to its announced end, and not a byte further."""
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sum_ = hashlib.sha256()
    left = piece.bytes
    with _sink(to) as sink:
        while chunk := source.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            sum_.update(chunk)
            sink.write(chunk)
            told(len(chunk))
        sink.flush()
        if to is not None:
            os.fsync(sink.fileno())
    if left or sum_.hexdigest() != piece.sha256:
        raise BackupError(f"{piece.name} in the archive is not what was put there: its size or sha256 differs.")


def _sink(to: Path | None) -> Any:
    if to is None:
        return Path(os.devnull).open("wb")
    return os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
