"""Makes a backup: copies at one instant, packs, opens what was packed, and only then gives it its name.

It does not know who asks, nor whether a Dobby lives in the folder meanwhile: it only reads.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dobby import __version__
from dobby.backup import databases
from dobby.backup.archive import FORM, BackupError, Manifest, Piece, Tell, digest, named, pack, silent, unpack
from dobby.backup.seal import seal, unseal

VAULT = "vault.json"
SEALED = "vault.sealed"
ATTACHMENTS = "attachments"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was opened and found whole; `str()` says it to a person."""

    file: Path
    bytes: int
    rows: int
    attachments: int
    vault: str  # "sealed", "left out" or "none"

    def __str__(self) -> str:
        files = f" and {self.attachments:,} files" if self.attachments else ""
        words = f"{self.file}: {self.rows:,} rows{files}, {self.bytes / 2**20:,.1f} MB, opened and checked."
        return words + {
            "sealed": " The vault is in it, sealed with the passphrase.",
            "left out": " The vault is NOT in it: no passphrase was given.",
            "none": " There is no vault to keep.",
        }.get(self.vault, "")


def known(name: str) -> bool:
    """The names an archive may hold."""
    return name in databases.SCHEMAS or name == SEALED or name.startswith(f"{ATTACHMENTS}/")


def make(folder: Path, file: Path, passphrase: str | None = None, tell: Tell = silent) -> Made:
    """Write `file`, with 0600; an older one of that name is replaced only by one that was checked.

    It only reads the folder, so it needs no lock and a Dobby may live there. Without a passphrase the vault is left out, and
    what comes back says so.

    :raises BackupError: it could not be made, and why.
    """
    if not (folder / "journal.db").is_file():
        raise BackupError(f"There is no journal in {folder}, so nothing to back up.")
    if file.is_dir():
        raise BackupError(f"{file} is a folder; name the file, like {file / 'dobby.zip'}.")
    if not file.parent.is_dir():
        raise BackupError(f"There is no folder {file.parent}.")
    new = file.with_name(file.name + ".new")
    with named(file):
        work = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
        try:
            new.unlink(missing_ok=True)
            made = _make(folder, new, work, passphrase, tell)
            new.replace(file)
            sync(file.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            new.unlink(missing_ok=True)
    return Made(file, file.stat().st_size, *made)


def _make(folder: Path, new: Path, work: Path, passphrase: str | None, tell: Tell) -> tuple[int, int, str]:
    """Copy, pack, check: rows, attachments and what became of the vault."""
    copies = work / "copies"
    copies.mkdir()
    pieces, schemas = [], {}
    for name in databases.SCHEMAS:
        if (folder / name).is_file():
            rows = databases.copy(folder / name, copies / name, tell)
            schemas[name] = databases.version(copies / name)
            pieces.append(_piece(name, copies / name, rows))
    secrets = _secrets(folder)
    if secrets and passphrase:
        (copies / SEALED).write_bytes(seal(secrets, passphrase))
        pieces.append(_piece(SEALED, copies / SEALED))
    places = {piece.name: copies / piece.name for piece in pieces}
    for name, path in _attachments(folder):
        places[name] = path
        pieces.append(_piece(name, path))
    manifest = Manifest(FORM, __version__, datetime.now(UTC).replace(microsecond=0), schemas, pieces)
    pack(new, manifest, places, tell)
    _check(new, work / "opened", manifest, secrets, passphrase, tell)
    rows_kept = sum(sum(piece.rows.values()) for piece in pieces)
    attachments = sum(piece.name.startswith(f"{ATTACHMENTS}/") for piece in pieces)
    return rows_kept, attachments, ("sealed" if passphrase else "left out") if secrets else "none"


def _check(new: Path, opened: Path, made: Manifest, secrets: bytes, passphrase: str | None, tell: Tell) -> None:
    """Read the archive as a restore would."""
    opened.mkdir()
    found = unpack(new, opened, known, lambda name: not name.startswith(f"{ATTACHMENTS}/"), tell)
    if found != made:
        raise BackupError("The archive says something else than what was put into it.")
    check_databases(opened, found)
    if secrets and passphrase and unseal((opened / SEALED).read_bytes(), passphrase) != secrets:
        raise BackupError("The sealed vault does not open to what was sealed.")


def check_databases(folder: Path, manifest: Manifest) -> None:
    """Every database of an unpacked archive, opened and compared."""
    pieces = {piece.name: piece for piece in manifest.files if piece.name in databases.SCHEMAS}
    if set(pieces) != set(manifest.schemas) or "journal.db" not in pieces:
        raise BackupError("The archive's databases are not the ones it announces.")
    for name, piece in pieces.items():
        databases.check(folder / name, manifest.schemas[name], piece.rows)


def _secrets(folder: Path) -> bytes:
    """The vault as it is; it is replaced whole at each change, so never half."""
    vault = folder / VAULT
    return vault.read_bytes() if vault.exists() else b""


def _attachments(folder: Path) -> Iterator[tuple[str, Path]]:
    """Read after the rows, so that no row misses its file; links are nobody's attachment."""
    for path in sorted((folder / ATTACHMENTS).rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path


def _piece(name: str, path: Path, rows: dict[str, int] | None = None) -> Piece:
    return Piece(name, path.stat().st_size, digest(path), rows or {})


def sync(folder: Path) -> None:
    """A folder's entries, onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
