"""deploy/: the unit's wall and its signs of life, the installer, the example config, the container, what the READMEs claim."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from dobby.config import Config, parse_config, read_config
from dobby.journal import open_journal
from dobby.paths import shipped

DEPLOY = shipped("deploy")
UNIT = (DEPLOY / "dobby.service").read_text("utf-8")
README = (DEPLOY / "README.md").read_text("utf-8")


def sh(*command: str | Path, code: int = 0, **env: str) -> str:
    """Run to the end; what it said. The exit status is part of what is expected."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=os.environ | env, timeout=280)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def wanted(program: str) -> str:
    """A program that some machines lack."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"wants {program}")
    return path


# The unit


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    path = tmp_path / "dobby.service"
    path.write_text(UNIT.replace("/opt/dobby/bin/dobby", sys.executable))
    return path


def exposure(unit: Path) -> float:
    said = sh(wanted("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    return float(found[1])


def test_systemd_finds_nothing_to_say_about_the_unit(unit: Path) -> None:
    assert sh(wanted("systemd-analyze"), "verify", "--man=no", unit) == ""


def test_the_wall_is_at_least_as_high_as_the_readme_says(unit: Path) -> None:
    said = re.search(r"`systemd-analyze security dobby` says ([\d.]+)", README)
    assert said
    assert exposure(unit) <= float(said[1]) <= 3.0


def test_the_wall_without_room_for_a_sandbox_is_as_high_as_the_readme_says(unit: Path) -> None:
    line = next(line for line in README.splitlines() if "Close it if you like" in line)
    said = re.search(r"\(([\d.]+)\)", line)
    assert said
    more = re.findall(r"`(\w+=\S+)`", line)
    unit.write_text(UNIT.replace("/opt/dobby/bin/dobby", sys.executable).replace("[Install]", "\n".join([*more, "[Install]"])))
    assert len(more) == 4
    assert exposure(unit) <= float(said[1])


def keys() -> dict[str, str]:
    return dict(line.split("=", 1) for line in UNIT.splitlines() if re.match(r"\w+=", line))


@pytest.mark.parametrize("key", ["RestrictNamespaces", "ProtectHostname", "ProtectKernelTunables", "PrivateUsers"])
def test_the_unit_leaves_room_for_bubblewrap(key: str) -> None:
    assert key not in keys()
    assert "@mount" in UNIT


@pytest.mark.parametrize("key", ["IPAddressDeny", "PrivateNetwork", "RestrictNetworkInterfaces"])
def test_the_unit_lets_multicast_reach_the_house(key: str) -> None:
    assert key not in keys()
    assert set(keys()["RestrictAddressFamilies"].split()) == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}


# What the unit hears


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(30.0)
        yield line


def test_the_program_says_ready_alive_and_stopping_as_the_unit_wants_it(ear: socket.socket, tmp_path: Path) -> None:
    config = tmp_path / "dobby.toml"
    config.write_text("[web]\nport = 0\n[discovery]\non = false\n")
    env = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "600000",  # microseconds; a sign of life is due after half of it
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "DOBBY_CONFIG": str(config),
    }
    env.pop("DOBBY_STATE", None)
    with subprocess.Popen([sys.executable, "-m", "dobby", "run"], env=env, stderr=subprocess.PIPE) as dobby:
        try:
            assert ear.recv(100) == b"READY=1"
            assert [ear.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            assert sh(*healthcheck(tmp_path / "state")) == ""
            dobby.send_signal(signal.SIGTERM)
            last = b"WATCHDOG=1"
            while last == b"WATCHDOG=1":
                last = ear.recv(100)
            assert last == b"STOPPING=1"
            assert dobby.wait(20) == 0
        finally:
            dobby.kill()
    assert "ConnectionRefused" in sh(*healthcheck(tmp_path / "state"), code=1) or not (tmp_path / "state" / "dobby.sock").exists()


# The container


def containerfile() -> list[str]:
    return (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def healthcheck(state: Path) -> list[str]:
    """The container's own question, asked of this state folder."""
    line = next(line for line in containerfile() if line.startswith("HEALTHCHECK"))
    command: list[str] = json.loads(line.partition(" CMD ")[2])
    return [sys.executable, *(part.replace("/data/state", str(state)) for part in command[1:])]


def test_the_container_copies_what_there_is_and_does_not_run_as_root() -> None:
    lines = containerfile()
    copied = [name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]]
    assert {"dobby", "skills", "memory", "sandbox", "deploy"} <= set(copied)
    assert all((DEPLOY.parent / name).exists() for name in copied)
    assert "USER dobby" in lines
    assert lines.index("USER dobby") < lines.index('ENTRYPOINT ["dobby"]')


# The example config


def every_key(kind: Any, path: str = "") -> Iterator[str]:
    for row in fields(kind):
        hint = get_type_hints(kind)[row.name]
        name = f"{path}{row.name}"
        if is_dataclass(hint):
            yield from every_key(hint, f"{name}.")
        elif name not in ("skills.own", "skills.levels", "model.prices", "whatsapp.prices"):  # tables with names of the owner's
            yield name


def flat(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


EXAMPLE = (DEPLOY / "dobby.toml.example").read_text("utf-8")
UNCOMMENTED = re.sub(r"(?m)^# (?=\w+ = )", "", EXAMPLE)


def test_the_example_says_nothing_as_it_is() -> None:
    assert list(flat(tomllib.loads(EXAMPLE))) == []
    assert read_config(DEPLOY / "dobby.toml.example") == Config()


def test_the_example_names_every_key_with_its_default() -> None:
    table = tomllib.loads(UNCOMMENTED)
    assert sorted(flat(table)) == sorted(every_key(Config))
    for nowhere in ("latitude", "longitude"):  # a house stands somewhere or is not said to
        assert table["house"].pop(nowhere) == 0.0
    assert parse_config(table) == Config()


def test_what_the_example_shows_in_words_parses_too() -> None:
    shown = re.sub(r"(?m)^#   (?=\S)", "", EXAMPLE)
    config = parse_config(tomllib.loads(shown))
    assert set(config.skills.own) == {"mqtt", "sonos"}
    assert parse_config(tomllib.loads('[skills.levels]\n"sonos.announce" = "guarded"')).skills.levels


# The installer

INSTALL = DEPLOY / "install.sh"


@pytest.mark.parametrize("script", ["install.sh", "dobby.command"])
def test_shellcheck_finds_nothing(script: str) -> None:
    assert sh(wanted("shellcheck"), DEPLOY / script) == ""


def test_a_dry_run_says_every_step_and_does_none(tmp_path: Path) -> None:
    said = sh("sh", INSTALL, "--dry-run", "--lan")
    for step in (
        "useradd --system",
        "-m venv /opt/dobby",
        "pip install",
        "/etc/dobby/dobby.toml",
        'host = "0.0.0.0"',
        "chmod 0700 /var/lib/dobby",
        "/etc/systemd/system/dobby.service",
        "systemctl enable dobby.service",
        "systemctl restart dobby.service",
        "dobby login",
    ):
        assert step in said or (step.startswith("useradd") and "(there already)" in said), step
    sh("sh", INSTALL, "--dry-run", "--root", tmp_path)
    sh("sh", INSTALL, "--dry-run", "--uninstall", "--root", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_without_lan_stays_on_this_machine() -> None:
    assert "0.0.0.0" not in sh("sh", INSTALL, "--dry-run")


def test_uninstalling_says_what_it_keeps() -> None:
    said = sh("sh", INSTALL, "--uninstall", "--dry-run")
    assert "rm -rf /opt/dobby" in said
    assert re.search(r"Kept: /etc/dobby .* /var/lib/dobby .* the user dobby", said)
    assert not re.search(r"^ {4}rm .*(/etc/dobby|/var/lib)", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--everything"], "--everything is not known"),
        (["--from"], "--from wants a value"),
        (["--from", "dobby.tar"], "wants a wheel"),
        (["--from", "nowhere.whl"], "there is no file nowhere.whl"),
        (["--python", "python9"], "there is no python9"),
    ],
)
def test_what_cannot_be_done_is_said(args: list[str], words: str, tmp_path: Path) -> None:
    assert words in sh("sh", INSTALL, "--root", tmp_path, *args, code=1)
    assert list(tmp_path.iterdir()) == []


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\nexit 1\n')
    old.chmod(0o755)
    assert "Python 3.9.2 is too old" in sh("sh", INSTALL, "--root", tmp_path / "root", "--python", old, code=1)


def test_somebody_elses_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "opt" / "dobby").mkdir(parents=True)
    assert "is not Dobby's" in sh("sh", INSTALL, "--root", tmp_path, code=1)


def test_without_root_nothing_is_begun() -> None:
    other = [wanted("setpriv"), "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # where nobody may read it, unlike the checkout
        script = shutil.copy(INSTALL, folder)
        assert "this needs root" in sh(*other, "sh", script, "--yes", code=1)


@pytest.mark.skipif(Path("/run/systemd/system").exists() or os.geteuid() != 0, reason="wants root and no systemd")
def test_without_systemd_nothing_is_begun() -> None:
    assert "systemd is not running here" in sh("sh", INSTALL, "--yes", code=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_installs_again_and_uninstalls_for_real_under_a_root_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "root"
    said = sh("sh", INSTALL, "--root", root, "--lan", "--yes")
    program, config = root / "opt/dobby/bin/dobby", root / "etc/dobby/dobby.toml"
    assert f"{program} run" in said
    assert read_config(config).web.host == "0.0.0.0"
    assert len(read_config(config).web.hosts) >= 1
    assert (root / "var/lib/dobby").stat().st_mode & 0o777 == 0o700
    site = next((root / "opt/dobby/lib").glob("python*/site-packages"))
    assert (site / "dobby/_shipped/deploy/dobby.service").read_text() == UNIT
    said = sh(program, "doctor", "--state", root / "var/lib/dobby", "--config", config)
    assert re.search(r"skills: .*mqtt.*sonos", said)
    config.write_text('[house]\nlanguage = "de"\n')
    (root / "var/lib/dobby/kept").touch()
    assert "yours stays as it is" in sh("sh", INSTALL, "--root", root, "--yes")
    sh("sh", INSTALL, "--uninstall", "--root", root)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert left == ["etc/dobby/dobby.toml", "etc/dobby/dobby.toml.example", "var/lib/dobby/kept"]
    assert read_config(config).house.language == "de"


# What memory/README.md says


async def test_what_the_readme_erases_is_erased(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    columns = "key, lane, kind, source, text, state, received, ended"
    insert = f"INSERT INTO event ({columns}) VALUES (?, 'web/anna', 'text', '{{}}', ?, 'done', ?, ?)"
    await journal.write(lambda db: db.execute(insert, ("web:1", "long-gone-words", 1e9, 1e9)))
    await journal.write(lambda db: db.execute(insert, ("web:2", "new words", 4e9, 4e9)))
    await journal.aclose()
    script = re.search(r"<!-- erase -->\n```sql\n(.*?)```", (shipped("memory") / "README.md").read_text("utf-8"), re.DOTALL)
    assert script
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.executescript(script[1])
        assert db.execute("SELECT key, text FROM event ORDER BY id").fetchall() == [("web:1", ""), ("web:2", "new words")]
    assert not any(b"long-gone-words" in path.read_bytes() for path in tmp_path.iterdir())
