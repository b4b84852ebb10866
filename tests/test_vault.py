"""The vault: secrets on the disk before they count, readable by nobody else, each skill its own."""

import asyncio
import os
from pathlib import Path

import pytest

from dobby.errors import StoreError
from dobby.vault import VaultFile


async def test_a_secret_outlives_a_restart(tmp_path: Path) -> None:
    await VaultFile(tmp_path / "vault.json").part("mqtt").put("password", "hush")
    assert VaultFile(tmp_path / "vault.json").part("mqtt").get("password") == "hush"


async def test_a_skill_sees_only_its_own_part(tmp_path: Path) -> None:
    vault = VaultFile(tmp_path / "vault.json")
    await vault.part("mqtt").put("password", "hush")
    assert vault.part("sonos").get("password") is None
    await vault.part("sonos").put("password", "other")
    assert vault.part("mqtt").get("password") == "hush"


async def test_nobody_else_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await VaultFile(tmp_path / "vault.json").keep("mqtt", "password", "hush")
    finally:
        os.umask(before)
    assert (tmp_path / "vault.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.json"]


async def test_many_secrets_at_once_are_all_kept(tmp_path: Path) -> None:
    vault = VaultFile(tmp_path / "vault.json")
    await asyncio.gather(*(vault.keep("mqtt", f"key {number}", str(number)) for number in range(50)))
    assert len(VaultFile(tmp_path / "vault.json").of("mqtt")) == 50


async def test_a_secret_that_could_not_be_written_is_not_kept_and_the_old_ones_are(tmp_path: Path) -> None:
    vault = VaultFile(tmp_path / "vault.json")
    await vault.keep("mqtt", "password", "hush")
    (tmp_path / "vault.new").mkdir()
    with pytest.raises(StoreError, match="could not be written"):
        await vault.keep("mqtt", "password", "new")
    assert vault.of("mqtt") == {"password": "hush"} == VaultFile(tmp_path / "vault.json").of("mqtt")


def test_a_vault_that_is_no_vault_is_said_without_its_contents(tmp_path: Path) -> None:
    (tmp_path / "vault.json").write_text('{"mqtt": hush')
    with pytest.raises(StoreError, match="cannot be read") as caught:
        VaultFile(tmp_path / "vault.json")
    assert "hush" not in str(caught.value)
