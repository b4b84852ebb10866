"""The daemon as the machine sees it: processes, signals, sockets, a full disk, a killed Dobby and a house that goes away."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dobby.cli import main
from dobby.cli.line import Line
from dobby.errors import DobbyError
from dobby.journal import MIGRATIONS
from tests.patience import ENOUGH
from tests.running import SHIPPED, ask, conversation, write_skill

ROOT = Path(__file__).resolve().parents[1]
QUIET = "[web]\non = false\n[discovery]\non = false\n"
ALONE = QUIET + f"[skills]\noff = {json.dumps(SHIPPED)}\n"


class Process:
    """A command of ours that runs; `lines` are what it has said so far."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.log = (folder / f"{words[0]}-{time.monotonic_ns()}.log").open("w+")
        command = [sys.executable, "-m", "dobby", *words]
        # whoever runs the tests in the background made SIGINT ignored, and that is handed down
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder, env=_env(), preexec_fn=heed
        )

    @property
    def said(self) -> str:
        return Path(self.log.name).read_text("utf-8", "replace")

    def wait_for(self, words: str, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while words not in self.said:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < until, f"never said {words!r}:\n{self.said}"
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.log.close()


def _env(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DOBBY_")} | {"PYTHONPATH": str(ROOT)} | more


@contextmanager
def dobby(folder: Path, config: str = ALONE) -> Iterator[Process]:
    """A Dobby who is ready, on `folder/state`; what is left of him at the end is ended."""
    (folder / "dobby.toml").write_text(config)
    process = Process(folder, "run", "--config", "dobby.toml", "--state", "state")
    try:
        process.wait_for("Dobby is ready")
        yield process
    finally:
        process.end()


@contextmanager
def dollhouse(folder: Path, *words: str) -> Iterator[Process]:
    """The simulated devices alone; its config is what it prints."""
    process = Process(folder, "dollhouse", *words)
    try:
        process.wait_for("The dollhouse is open")
        yield process
    finally:
        assert process.end() == 0, process.said
        assert "Traceback" not in process.said


def skill_tables(house: Process) -> str:
    return house.said.partition("# The dollhouse")[0]


def run(folder: Path, *words: str, code: int = 0) -> str:
    """A command that ends by itself: what it said."""
    command = [sys.executable, "-m", "dobby", *words]
    done = subprocess.run(command, cwd=folder, env=_env(), capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def chat(folder: Path, text: str) -> str:
    return asyncio.run(ask(folder / "state", text))[0]


def eventually(folder: Path, text: str, answer: str, seconds: float = 60.0) -> None:
    """Ask until he says so: devices need a moment to be found."""
    until = time.monotonic() + seconds
    while answer not in (said := chat(folder, text)):
        assert time.monotonic() < until, said
        time.sleep(0.3)


# A whole life


def test_a_house_of_real_protocols_is_found_run_killed_and_taken_up_again(tmp_path: Path) -> None:
    with dollhouse(tmp_path, "mqtt", "--port", "0", "--pace", "4") as house:
        config = QUIET + skill_tables(house)
        with dobby(tmp_path, config) as first:
            eventually(tmp_path, "turn on the kitchen ceiling light", "light on")
            assert chat(tmp_path, "is the kitchen ceiling light on?").startswith("Yes")
            assert "?" in chat(tmp_path, "unlock the front door")
            first.end(signal.SIGKILL)
        with dobby(tmp_path, config):
            assert "nlocked" in chat(tmp_path, "yes")
            eventually(tmp_path, "is the front door locked?", "No")
            eventually(tmp_path, "lock the front door", "ocked")
            said = asyncio.run(conversation(tmp_path / "state"))
            assert [text for text in said if text == "unlock the front door"] == ["unlock the front door"]
            assert "done" in run(tmp_path, "ledger", "--state", "state", "--device", "mqtt.front_door")
            assert "mqtt: 21 devices" in run(tmp_path, "doctor", "--config", "dobby.toml", "--state", "state")
            shown = run(tmp_path, "skills", "--config", "dobby.toml", "--state", "state")
            assert "driver; 21 devices, 0 out of reach" in shown


def test_when_the_dollhouse_goes_the_devices_are_out_of_reach_and_come_back_with_it(tmp_path: Path) -> None:
    with dollhouse(tmp_path, "mqtt", "--port", "0") as house:
        config = QUIET + skill_tables(house)
    port = config.rpartition(":")[2].partition('"')[0]
    with dollhouse(tmp_path, "mqtt", "--port", port), dobby(tmp_path, config):
        eventually(tmp_path, "turn on the kitchen ceiling light", "light on")
        alive = Process(tmp_path, "dollhouse", "mqtt", "--port", port)  # the port is taken: says so and ends
        assert alive.process.wait(15) != 0
    with dobby(tmp_path, config):
        assert "light on." not in chat(tmp_path, "turn off the kitchen ceiling light")
        with dollhouse(tmp_path, "mqtt", "--port", port):
            eventually(tmp_path, "turn on the kitchen ceiling light", "light on", 30)


def test_a_dead_broker_and_absent_speakers_leave_the_rest_working(tmp_path: Path) -> None:
    (tmp_path / "egg").mkdir()
    write_skill(
        tmp_path / "mine",
        "egg",
        '''
        from dobby import read

        @read(says=["how is the egg"])
        async def egg() -> str:
            """Say it."""
            return "Soft."
        ''',
    )
    config = QUIET + '[skills]\nfolders = ["mine"]\n[skills.mqtt]\nat = ["127.0.0.1:9"]\n[skills.sonos]\nat = ["127.66.0.1"]\n'
    with dobby(tmp_path, config) as process:
        assert run(tmp_path, "chat", "--state", "state", "how", "is the egg?") == "dobby> Soft.\n"
        process.wait_for("No MQTT broker answers")
        told = run(tmp_path, "doctor", "--config", "dobby.toml", "--state", "state", code=1)
        assert "SICK  mqtt: nothing found yet; No MQTT broker answers at 127.0.0.1:9." in told
        assert process.end() == 0
        assert "Traceback" not in process.said


# The console


def test_a_conversation_at_the_terminal_shows_what_was_said_and_ends_with_the_last_answer(tmp_path: Path) -> None:
    write_skill(tmp_path / "mine", "slow", SLOW)
    command = [sys.executable, "-m", "dobby", "chat", "--state", "state"]
    with dobby(tmp_path, ALONE + 'folders = ["mine"]\n') as process:
        first = subprocess.run(
            command, cwd=tmp_path, env=_env(), input="hello\n\ncount slowly\n", capture_output=True, text=True, timeout=30
        )
        assert first.returncode == 0, first.stderr
        assert first.stdout.count("dobby> ") == 2
        assert first.stdout.endswith("dobby> One, two, three.\n")
        terminal = subprocess.Popen(
            command, cwd=tmp_path, env=_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert terminal.stdout
        recent = [terminal.stdout.readline().decode() for _ in range(4)]
        assert (recent[0], recent[3]) == ("  you> hello\n", "dobby> One, two, three.\n")
        terminal.send_signal(signal.SIGINT)
        _, told = terminal.communicate(timeout=5)
        assert b"Traceback" not in told
        assert process.end() == 0


# Ends


SLOW = '''
    import asyncio
    from dobby import act

    @act(says=["count slowly"])
    async def count() -> str:
        """Count."""
        await asyncio.sleep(1.5)
        return "One, two, three."
'''


def test_sigterm_ends_him_and_what_runs_is_finished(tmp_path: Path) -> None:
    write_skill(tmp_path / "mine", "slow", SLOW)
    with dobby(tmp_path, ALONE + 'folders = ["mine"]\n') as process:
        speaking = subprocess.Popen(
            [sys.executable, "-m", "dobby", "chat", "--state", "state", "count slowly"],
            cwd=tmp_path,
            env=_env(),
            stdout=subprocess.PIPE,
            text=True,
        )
        _until(lambda: _rows(tmp_path, "SELECT 1 FROM effect WHERE state = 'intended'"))
        assert process.end() == 0
        assert speaking.communicate(timeout=ENOUGH)[0] == "dobby> One, two, three.\n"
        assert "Traceback" not in process.said
    assert not (tmp_path / "state/dobby.sock").exists()
    assert _rows(tmp_path, "SELECT state FROM effect") == [("done",)]


def test_what_was_owed_when_he_was_killed_is_answered_once_after_the_restart(tmp_path: Path) -> None:
    write_skill(tmp_path / "mine", "slow", SLOW.replace("@act", "@read").replace("import act", "import read"))
    config = ALONE + 'folders = ["mine"]\n'
    with dobby(tmp_path, config) as process:
        asyncio.run(_only_say(tmp_path / "state", "count slowly", "hello"))
        process.end(signal.SIGKILL)
    assert _rows(tmp_path, "SELECT count(*) FROM outbox") == [(0,)]
    with dobby(tmp_path, config):
        _until(lambda: _rows(tmp_path, "SELECT count(*) FROM outbox WHERE state = 'sent'") == [(2,)])
        said = asyncio.run(conversation(tmp_path / "state"))
        assert said[:3] == ["count slowly", "hello", "One, two, three."]
        assert len(said) == 4


async def _only_say(folder: Path, *texts: str) -> None:
    async with Line(folder) as line:
        for number, text in enumerate(texts):
            await line.ask("say", id=f"n{number}", text=text)


def test_the_same_text_sent_twice_is_one_text(tmp_path: Path) -> None:
    with dobby(tmp_path):
        for _ in range(2):
            asyncio.run(_only_say(tmp_path / "state", "hello"))
        _until(lambda: _rows(tmp_path, "SELECT count(*) FROM outbox WHERE state = 'sent'") == [(1,)])
    assert _rows(tmp_path, "SELECT count(*) FROM event") == [(1,)]


# Refusals at the start


def test_a_second_dobby_on_the_same_folder_is_refused_in_words(tmp_path: Path) -> None:
    with dobby(tmp_path):
        told = run(tmp_path, "run", "--config", "dobby.toml", "--state", "state", code=1)
        assert "Error: Another Dobby is using state." in told
        assert "Traceback" not in told
        assert chat(tmp_path, "hello")


def test_a_config_that_cannot_be_followed_ends_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").write_text("[web]\nprot = 1\n")
    told = run(tmp_path, "run", "--config", "dobby.toml", "--state", "state", code=1)
    assert told == "Error: dobby.toml: web.prot is not known. Did you mean 'port'?\n"
    assert not (tmp_path / "state").exists()
    assert "there is no file gone.toml" in run(tmp_path, "run", "--config", "gone.toml", code=2)


def test_rows_of_a_newer_dobby_are_refused_and_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").write_text(ALONE)
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state/journal.db") as db:
        db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
        db.execute("CREATE TABLE later (x)")
    db.close()
    before = (tmp_path / "state/journal.db").read_bytes()
    told = run(tmp_path, "run", "--config", "dobby.toml", "--state", "state", code=1)
    assert "was written by a newer Dobby" in told
    assert "Traceback" not in told
    assert (tmp_path / "state/journal.db").read_bytes() == before
    assert "SICK  journal" in run(tmp_path, "doctor", "--config", "dobby.toml", "--state", "state", code=1)


def test_a_page_whose_port_is_taken_is_told_and_the_console_works(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = ALONE.replace("on = false", f"on = true\nport = {taken.getsockname()[1]}", 1)
        with dobby(tmp_path, config) as process:
            assert "Dobby is ready with no chat page" in process.said
            assert chat(tmp_path, "hello")
            assert any("The web bridge cannot be opened" in text for text in asyncio.run(conversation(tmp_path / "state")))


def test_without_him_every_command_says_so(tmp_path: Path) -> None:
    for words in (["chat", "hello"], ["chat"], ["login"], ["login", "--end"]):
        said = CliRunner().invoke(main, [*words, "--state", str(tmp_path)])
        assert (said.exit_code, said.output) == (1, f"Error: No Dobby is running on {tmp_path}. Start him with `dobby run`.\n")
    assert "There is no journal in" in CliRunner().invoke(main, ["ledger", "--state", str(tmp_path)]).output


# The console's door


def test_the_socket_is_for_his_own_user_only() -> None:
    if os.getuid():
        pytest.skip("wants root, to come as somebody else")
    # a folder of its own: pytest's are closed to other users, and closed again by every other run
    with tempfile.TemporaryDirectory(prefix="dobby-door-") as place, dobby(tmp_path := Path(place)) as process:
        folder = tmp_path / "state"
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "dobby.sock").stat().st_mode & 0o077 == 0
        for path in (tmp_path, folder):
            path.chmod(0o755)
        assert "Permission denied" in _as_nobody(folder / "dobby.sock")
        (folder / "dobby.sock").chmod(0o777)
        assert "Only the user who runs Dobby may talk to him here." in _as_nobody(folder / "dobby.sock")
        assert chat(tmp_path, "hello")
        assert process.process.poll() is None
        assert _rows(tmp_path, "SELECT count(*) FROM event") == [(1,)]


def _as_nobody(path: Path) -> str:
    """What a process of another user reads from the socket after saying something."""
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        'print(s.recv(4096).decode()); s.sendall(b\'{"op": "say", "id": "1", "text": "unlock"}\\n\'); print(s.recv(4096))'
    )
    python = "/usr/bin/python3"
    done = subprocess.run([python, "-c", code, str(path)], user="nobody", capture_output=True, text=True, timeout=10, cwd="/")
    return done.stdout + done.stderr


async def _raw(folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    """What the socket answers to whatever one writes."""
    reader, writer = await asyncio.open_unix_connection(folder / "dobby.sock")
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(json.loads(await asyncio.wait_for(reader.readline(), ENOUGH)))
    writer.close()
    return answers


def test_nonsense_on_the_socket_is_answered_and_harms_nobody(tmp_path: Path) -> None:
    with dobby(tmp_path) as process:
        nonsense = [
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"op": 7}',
            b'{"op": "say"}',
            b'{"op": "lines", "limit": "x"}',
            b"\xff\xfe",
            b'{"op": "end_sessions"}',
        ]
        answers = asyncio.run(_raw(tmp_path / "state", *nonsense))
        assert all("error" in answer for answer in answers), answers
        with pytest.raises((ConnectionError, json.JSONDecodeError)):
            asyncio.run(_raw(tmp_path / "state", b"x" * 200_000))
        assert chat(tmp_path, "hello")
        assert "Traceback" not in process.said


# A full disk


def test_a_full_disk_refuses_the_text_in_words_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if (
        os.getuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "dobby-test", state], capture_output=True).returncode
    ):
        pytest.skip("wants root and mount, for a disk of its own that can be full")
    try:
        with dobby(tmp_path) as process:
            assert chat(tmp_path, "hello")
            with (state / "filler").open("wb", buffering=0) as filler:
                _fill(filler)
            with pytest.raises(DobbyError, match="no room left on the disk"):
                asyncio.run(ask(state, *(f"tell me number {number} {'x' * 900}" for number in range(400))))
            (state / "filler").unlink()
            assert chat(tmp_path, "hello again")
            assert process.end() == 0
        with sqlite3.connect(state / "journal.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            asked, open_ = db.execute("SELECT count(*), sum(state IN ('received', 'working')) FROM event").fetchone()
        db.close()
        assert asked >= 2
        assert open_ == 0
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def _fill(file: Any) -> None:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        return


def _rows(folder: Path, sql: str) -> list[Any]:
    db = sqlite3.connect(f"file:{folder}/state/journal.db?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def _until(so: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until
        time.sleep(0.02)
