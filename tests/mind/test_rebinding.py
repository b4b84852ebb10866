"""A page's name that changes its mind: real name servers and sockets, on a network of the test's own.

What a name resolved to when it was looked at is what is connected to; whatever it says of the house is not read.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mind.rebinding import PUBLIC, PUBLIC6

PLACE = Path(__file__).with_name("rebinding.py")
INSIDE = f"""
mount --bind {{folder}}/resolv.conf /etc/resolv.conf && mount --bind {{folder}}/nsswitch.conf /etc/nsswitch.conf
ip link set lo up && ip addr add {PUBLIC}/32 dev lo && ip -6 addr add {PUBLIC6}/128 dev lo
exec {sys.executable} -m tests.mind.rebinding
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("net")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (folder / "nsswitch.conf").write_text("hosts: dns\n")
    command = ["unshare", "--map-root-user", "--net", "--mount", "sh", "-ec", INSIDE.format(folder=folder)]
    if os.geteuid() == 0:
        command.remove("--map-root-user")
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a network of one's own wants unshare and ip (apt install iproute2)")
    told = subprocess.run(command, cwd=PLACE.parents[2], capture_output=True, text=True, timeout=60, check=False)
    if told.returncode and "Operation not permitted" in told.stderr:
        pytest.skip("no network of one's own may be made here")
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_a_public_name_is_read_over_both_kinds_of_address(seen: dict[str, Any]) -> None:
    assert seen["honest.test"] == "public"
    assert seen["six.test"] == "public"


def test_a_name_is_looked_up_once_for_each_connection(seen: dict[str, Any]) -> None:
    """Public when it is looked at, the house's when it would be asked again: it is not asked again."""
    assert seen["rebind.test"] == "public"
    assert seen["asked"]["rebind.test"] == 1


def test_a_name_that_has_become_private_is_not_followed(seen: dict[str, Any]) -> None:
    assert "is no public address" in seen["again.test"]


@pytest.mark.parametrize("name", ["house.test", "mixed.test", "mapped.test", "nat64.test", "ula.test", "six-to-four.test"])
def test_a_name_of_the_house_is_not_read(seen: dict[str, Any], name: str) -> None:
    assert "is no public address" in seen[name]


@pytest.mark.parametrize("where", ["http://127.0.0.1/", "http://[::1]/", "http://house.test/", "http://[::ffff:127.0.0.1]/"])
def test_a_redirect_into_the_house_is_not_followed(seen: dict[str, Any], where: str) -> None:
    assert "is no public address" in seen[f"to {where}"]
    assert "does not answer" in seen["to http://0/"]


def test_nothing_in_the_house_was_asked(seen: dict[str, Any]) -> None:
    assert seen["inside"] == 0
