"""The console's way in: JSON lines over a Unix socket that only the daemon's own user may open.

`{"op": "say", "id", "text"}`, `{"op": "lines", "after"}`, and the daemon's operations by name; messages are pushed as
`{"line": …}`. It does not know what an operation does.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from dobby.errors import DobbyError
from dobby.events import Event, Source
from dobby.journal import outbox
from dobby.journal.outbox import OutboxRow
from dobby.people import People
from dobby.post import Words
from dobby.store import Store

log = logging.getLogger(__name__)
LONGEST_LINE = 64 * 1024  # bytes of one request
Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Hear = Callable[[Event], Awaitable["Heard"]]


class Heard(Protocol):
    """An event is on the disk (`dobby.butler`)."""

    @property
    def id(self) -> int:
        """Its number; the answer carries it too."""
        ...


class Console(Words):
    """A bridge for whoever sits at the machine; one conversation per person."""

    name = "console"
    repeats = True

    def __init__(self, store: Store, people: People, path: Path) -> None:
        self._store = store
        self._people = people
        self._path = path
        self._writers: dict[asyncio.StreamWriter, str] = {}
        self._server: asyncio.Server | None = None
        self.hear: Hear | None = None
        self.operations: Mapping[str, Operation] = {}

    async def open(self) -> None:
        """Listen; an old socket of a Dobby that was killed is taken away."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LONGEST_LINE)
        self._path.chmod(0o600)

    async def aclose(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    # The bridge's side

    async def send(self, row: OutboxRow) -> str:
        """Show a message to every console of this conversation; who connects later reads the rows."""
        for writer, lane in list(self._writers.items()):
            if lane == row.reply.lane:
                await self._push(writer, row)
        return ""

    async def _push(self, writer: asyncio.StreamWriter, row: OutboxRow) -> None:
        line = {"outbox": row.id, "event": row.event, "text": row.reply.text, "options": list(row.reply.options), "at": row.at}
        _write(writer, {"line": line})
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(5.0):
                await writer.drain()

    async def look_up(self, row: OutboxRow) -> bool | None:
        """The rows are the conversation: a message that is kept can be read."""
        return True

    # The socket's side

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _may(writer):
                _write(writer, {"error": "Only the user who runs Dobby may talk to him here."})
                return
            source = self._source()
            self._writers[writer] = source.lane
            while line := await reader.readline():
                _write(writer, await self._answer(line, source))
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.LimitOverrunError) as error:
            log.info("A console hung up: %s", error)
        finally:
            self._writers.pop(writer, None)
            writer.close()

    def _source(self) -> Source:
        """Whoever may open the socket could read the rows anyway: the first owner."""
        owner = self._people.owners[0]
        return Source(owner.id, owner.role, self.name, owner.id)

    async def _answer(self, line: bytes, source: Source) -> dict[str, Any]:
        request: dict[str, Any] = {}
        try:
            request = json.loads(line)
            result = await self._operate(request, source)
        except DobbyError as error:
            result = {"error": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            result = {"error": f"That request cannot be read: {error}"}
        ref = request.get("ref") if isinstance(request, dict) else None
        return result | {"ref": ref}

    async def _operate(self, request: dict[str, Any], source: Source) -> dict[str, Any]:
        op = request["op"]
        if op == "say":
            assert self.hear is not None
            key = f"console:{source.person}:{str(request['id'])[:64]}"
            heard = await self.hear(Event(key, source, text=str(request["text"])))
            return {"event": heard.id}
        if op == "lines":
            after = int(request.get("after", 0))
            limit = min(int(request.get("limit", 50)), 500)
            lines = await self._store.read(lambda db: outbox.conversation(db, source.lane, after=after, limit=limit))
            return {"lines": [asdict(row) | {"effects": sorted(row.effects)} for row in lines]}
        if op not in self.operations:
            return {"error": f"There is no operation {op!r}."}
        return await self.operations[op](request)


def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")


def _may(writer: asyncio.StreamWriter) -> bool:
    """The kernel says who is at the other end (SO_PEERCRED, unix(7)): the same user, or root."""
    peer: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in (0, os.getuid())
