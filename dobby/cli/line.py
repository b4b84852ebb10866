"""The command's end of the console socket: ask the running Dobby, and hear what he says by himself.

It does not know what is asked.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dobby.errors import DobbyError

ANSWER_SECONDS = 60.0


class NotRunning(DobbyError):
    """Nobody answers on the socket."""


class Line:
    """One connection to the daemon of a state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "dobby.sock"
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def __aenter__(self) -> "Line":
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path, limit=2**24)
        except PermissionError as error:
            raise NotRunning(f"Only the user who runs Dobby may talk to him here ({self._path}).") from error
        except OSError as error:
            raise NotRunning(f"No Dobby is running on {self._path.parent}. Start him with `dobby run`.") from error
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *args: object) -> None:
        self._listening.cancel()
        self._writer.close()

    async def _listen(self) -> None:
        why = "Dobby hung up."
        try:
            while line := await self._reader.readline():
                message = json.loads(line)
                waiting = self._asked.pop(message.get("ref") or 0, None)
                if waiting is not None:
                    waiting.set_result(message)
                elif "line" in message:
                    self._said.put_nowait(message["line"])
                else:
                    why = message.get("error", why)
        except OSError:
            pass  # said below, like any other end
        finally:
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_result({"error": why})
            self._said.put_nowait(None)

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One request and its answer.

        :raises DobbyError: Dobby said why not, hung up, or did not answer.
        """
        number = next(self._numbers)
        answered = self._asked[number] = asyncio.get_running_loop().create_future()
        if self._listening.done():
            raise NotRunning("Dobby hung up.")
        self._writer.write(json.dumps({"op": op, "ref": number, **fields}).encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer: dict[str, Any] = await answered
        except TimeoutError as error:
            raise NotRunning("Dobby does not answer.") from error
        if "error" in answer:
            raise DobbyError(answer["error"])
        return answer

    async def said(self) -> AsyncIterator[dict[str, Any]]:
        """What Dobby says, as he says it, until he hangs up."""
        while (line := await self._said.get()) is not None:
            yield line
