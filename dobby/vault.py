"""Secrets in one file that only Dobby may read; each skill sees its own part.

It does not know what a secret opens. Nothing of it is ever logged, shown or put into a row.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

from dobby.errors import StoreError


class VaultFile:
    """`vault.json` in the state folder, mode 0600, replaced whole and synced at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        try:
            self._secrets: dict[str, dict[str, str]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read ({type(error).__name__}); restore a backup with `dobby restore`.") from error

    def part(self, skill: str) -> "Part":
        """One skill's own secrets."""
        return Part(self, skill)

    def of(self, skill: str) -> Mapping[str, str]:
        """What is kept for a skill."""
        return self._secrets.get(skill, {})

    async def keep(self, skill: str, name: str, secret: str) -> None:
        """Keep a secret; it is on the disk when this returns.

        :raises StoreError: it could not be written; what was kept before still is.
        """
        async with self._lock:
            secrets = self._secrets | {skill: {**self.of(skill), name: secret}}
            try:
                await asyncio.to_thread(self._write, json.dumps(secrets))
            except OSError as error:
                raise StoreError(f"{self._path} could not be written: {error.strerror}.") from error
            self._secrets = secrets

    def _write(self, text: str) -> None:
        draft = self._path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Part:
    """What a skill sees of the vault: its own secrets, by name."""

    def __init__(self, vault: VaultFile, skill: str) -> None:
        self._vault = vault
        self._skill = skill

    def get(self, name: str) -> str | None:
        """A secret kept before."""
        return self._vault.of(self._skill).get(name)

    async def put(self, name: str, secret: str) -> None:
        """Keep a secret over restarts."""
        await self._vault.keep(self._skill, name, secret)
