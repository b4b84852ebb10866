"""Other processes a benchmark needs: the hub, the dollhouse, a broker. All end with the benchmark, whatever becomes of it.

It does not know what is measured.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STARTING = 30.0  # seconds another process has to be there
ENDING = 10.0  # seconds it has to end


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process with pipes for its words, ended with the block."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[Any]") -> None:
    """Ask it to go, and see to it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Wire:
    """The benchmark's own connection to the hub: what happened there, and when; and storms."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._read = 0

    def ask(self, **request: Any) -> Any:
        """One request, and its answer when it comes."""
        self._file.write(json.dumps({"ref": 1, **request}) + "\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def log(self) -> list[tuple[str, dict[str, Any], float]]:
        """What devices were told since this was last asked: (device, wanted, CLOCK_MONOTONIC)."""
        new = self.ask(log=self._read)["log"]
        self._read += len(new)
        return [(device, wanted, at) for device, wanted, at in new]

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


@contextmanager
def hub(size: int) -> Iterator[Wire]:
    """The device side of a house of `size`."""
    with child([sys.executable, "-m", "benchmarks.rig.hub", str(size)]) as process:
        assert process.stdout is not None
        wire = Wire(int(process.stdout.readline()))
        try:
            yield wire
        finally:
            wire.close()


@contextmanager
def dollhouse(*families: str) -> Iterator[str]:
    """The shipped dollhouse, or some of its families; gives what its owner would put into `dobby.toml`."""
    command = [sys.executable, "-u", "-m", "dobby", "dollhouse", "--port", "0", *families]
    with child(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        if not process.stderr.readline().startswith("# The dollhouse is open"):
            raise RuntimeError("The dollhouse did not open; `dobby dollhouse` says why.")
        os.set_blocking(process.stdout.fileno(), False)
        yield process.stdout.read()


@contextmanager
def broker() -> Iterator[tuple[str, int]]:
    """An MQTT broker: Mosquitto where it is installed, else the dollhouse's; gives its name and port."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    port = free_port()
    command = [found, "-p", str(port)] if found else [sys.executable, "-m", "benchmarks.rig.amqtt_broker", str(port)]
    with child(command, stderr=subprocess.DEVNULL):
        wait_for_port(port)
        yield ("mosquitto" if found else "amqtt"), port


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Until somebody listens there."""
    until = time.monotonic() + STARTING
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
