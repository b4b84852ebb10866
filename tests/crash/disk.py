"""What a disk may hold after a power cut, rebuilt from a trace of the real process's writes and syncs.

A write may reach the disk from the moment it is made; it certainly has when an fsync of its file has returned, and a
name when an fsync of its folder has. In between anything may be there: nothing, half, the last one torn, some in another
order (ALICE, OSDI '14). It does not know SQLite, nor what the bytes mean.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512  # bytes that a disk writes whole or not at all
CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "sendto")
TRACE = (
    *("-f", "-ff", "-T", "-y", "-xx", "-s", "10000000", "--absolute-timestamps=format:unix,precision:ns"),
    *("-e", "trace=" + ",".join(CALLS)),
)
LINE = re.compile(r"^(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)(?:<[^>]*>)?.*<(\d+\.\d+)>$")
QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
OPENED = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that happened: a write, a truncation, a name, a sync, or words to somebody outside (`say`)."""

    at: float
    what: str  # write | cut | create | unlink | rename | sync | sync names | say
    path: str = ""
    data: bytes = b""
    offset: int = 0
    to: str = ""


def read_trace(prefix: Path, home: Path) -> list[Op]:
    """All threads' calls that concern a folder, and everything said on sockets, in the order in which they count.

    A write counts from its beginning, a sync from its end: that is the worst case.
    """
    ops: list[Op] = []
    for trace in prefix.parent.glob(prefix.name + ".*"):
        for line in trace.read_text().splitlines():
            if (found := LINE.match(line)) and int(found[4]) >= 0:
                ops += _op(float(found[1]), found[2], found[3], float(found[5]), str(home))
    return sorted(ops, key=lambda op: op.at)


def _op(at: float, call: str, args: str, took: float, home: str) -> Iterator[Op]:
    texts = [_bytes(text) for text in QUOTED.findall(args)]
    opened = OPENED.match(args)
    path = _bytes(opened[1]).decode(errors="replace") if opened else texts[0].decode() if texts else ""
    if call == "sendto":
        yield Op(at, "say", data=texts[0])
        return
    if not path.startswith(home) or path.endswith("-shm"):  # the shared index is rebuilt, never trusted
        return
    numbers = [int(number) for number in re.findall(r"-?\d+", QUOTED.sub("", args).partition(">")[2])]
    if call == "openat" and "O_CREAT" in args:
        yield Op(at, "create", path)
    elif call == "pwrite64":
        yield Op(at, "write", path, texts[0], numbers[-1])
    elif call == "write":
        yield Op(at, "write", path, texts[0], -1)
    elif call == "ftruncate":
        yield Op(at, "cut", path, offset=numbers[-1])
    elif call in ("fsync", "fdatasync"):
        yield Op(at + took, "sync names" if path == home else "sync", path)
    elif call == "unlink":
        yield Op(at, "unlink", path)
    elif call == "rename":
        yield Op(at, "rename", path, to=texts[1].decode())


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


Image = dict[str, bytes]
"""Files by path, as they lie on the disk."""


@dataclass(slots=True)
class Disk:
    """What is certainly on the disk, and what may be: the unsynced operations in their order."""

    files: dict[str, bytearray] = field(default_factory=dict)
    pending: list[Op] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def take(self, op: Op) -> None:
        """One operation more."""
        if op.what == "sync":
            self._settle(lambda one: one.path == op.path and one.what in ("write", "cut"))
        elif op.what == "sync names":
            self._settle(lambda one: one.what in ("create", "unlink", "rename"))
        elif op.what == "create":
            if op.path not in self.known:
                self.known.add(op.path)
                self.pending.append(op)
        elif op.what != "say":
            if op.what == "unlink":
                self.known.discard(op.path)
            self.pending.append(op)

    def _settle(self, is_meant: Callable[[Op], bool]) -> None:
        """These are on the disk now. Data of a file whose name is not there yet waits under it."""
        settled = [op for op in self.pending if is_meant(op)]
        self.pending = [op for op in self.pending if op not in settled]
        for op in settled:
            _apply(self.files, op)

    def after(self, ops: Sequence[Op]) -> Image:
        """The disk if exactly these of the pending operations had reached it."""
        files = {path: bytearray(data) for path, data in self.files.items()}
        for op in ops:
            _apply(files, op)
        nameless = {op.path for op in self.pending if op.what == "create"} - {op.path for op in ops if op.what == "create"}
        return {path: bytes(data) for path, data in files.items() if path not in nameless}

    def images(self, dice: random.Random) -> Iterator[tuple[str, Image]]:
        """What may be left of it now, each with its name: from nothing unsynced to everything."""
        pending = self.pending
        yield "dropped", self.after([])
        if pending:
            yield "half", self.after(pending[: len(pending) // 2])
            yield "torn", self.after([*pending[:-1], *_torn(pending[-1], dice)])
            yield "whole", self.after(pending)
        if len(pending) > 1:
            yield "some", self.after([op for op in pending if dice.random() < 0.5])
            shuffled = [part for op in pending for part in _sectors(op) if dice.random() < 0.5]
            dice.shuffle(shuffled)
            yield "sectors", self.after(sorted(shuffled, key=lambda op: op.what not in ("create", "rename")))


def _apply(files: dict[str, bytearray], op: Op) -> None:
    if op.what == "unlink":
        files.pop(op.path, None)
        return
    if op.what == "rename":
        files[op.to] = files.pop(op.path, bytearray())
        return
    data = files.setdefault(op.path, bytearray())
    if op.what == "cut":
        data[:] = data[: op.offset].ljust(op.offset, b"\0")
    elif op.what == "write":
        start = len(data) if op.offset < 0 else op.offset
        if len(data) < start:
            data.extend(bytes(start - len(data)))
        data[start : start + len(op.data)] = op.data


def _sectors(op: Op) -> list[Op]:
    """A write in the pieces that a disk writes whole."""
    if op.what != "write" or op.offset < 0:
        return [op]
    pieces, start, end = [], op.offset, op.offset + len(op.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        pieces.append(Op(op.at, "write", op.path, op.data[start - op.offset : stop - op.offset], start))
        start = stop
    return pieces


def _torn(op: Op, dice: random.Random) -> list[Op]:
    pieces = _sectors(op)
    return pieces[: dice.randrange(len(pieces))] if len(pieces) > 1 else []
