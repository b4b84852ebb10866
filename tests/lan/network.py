"""A home network on this machine: every place is a Linux network namespace with its own address and a cable to one switch.

Broadcast and multicast are real, nothing leaves the machine, and all is gone with the block. It does not know what stands where.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NETWORK = "10.77.0"
HUB = "hub"  # the place of the switch: Dobby's own
STEP = 10.0  # seconds one `ip` may take, and a process to end


def hindrance() -> str:
    """Why no network can be made here; "" where it can."""
    if os.geteuid() != 0:
        return "network namespaces want root"
    if shutil.which("ip") is None:
        return "`ip` is not installed (apt install iproute2)"
    name = f"dobby-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=STEP, check=False)
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.stderr.strip()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=STEP, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Thing:
    """A process in a place. Where it answers, each line asked is one line of JSON answered."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, question: str) -> Any:
        """What the device itself says."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Pull the plug."""
        self.process.kill()
        self.process.wait(STEP)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Lan:
    """The switch at 10.77.0.1, and whatever has been plugged in."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._add(HUB)
        hub = ("-n", self.namespace(HUB))
        _ip(*hub, "link", "add", "home", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        _ip(*hub, "addr", "add", f"{NETWORK}.1/24", "brd", "+", "dev", "home")
        _ip(*hub, "link", "set", "home", "up")
        self._route(HUB, "home")

    @staticmethod
    def namespace(place: str) -> str:
        """What the machine calls a place."""
        return f"dobby-{os.getpid()}-{place}"

    def _add(self, place: str) -> None:
        _ip("netns", "add", self.namespace(place))
        self._stack.callback(_ip, "netns", "del", self.namespace(place))
        _ip("-n", self.namespace(place), "link", "set", "lo", "up")

    def _route(self, place: str, interface: str) -> None:
        """Whatever goes to everybody goes by this cable."""
        for where in ("224.0.0.0/4", "255.255.255.255/32"):
            _ip("-n", self.namespace(place), "route", "add", where, "dev", interface)

    def plug(self, place: str, number: int) -> str:
        """A new place with a cable to the switch, at this address -> the address."""
        self._add(place)
        _ip(
            "-n",
            self.namespace(HUB),
            "link",
            "add",
            place,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.namespace(place),
        )
        _ip("-n", self.namespace(HUB), "link", "set", place, "master", "home", "up")
        return self.move(place, number)

    def move(self, place: str, number: int) -> str:
        """Another address, as from a router that has forgotten it -> the address."""
        inside = ("-n", self.namespace(place))
        _ip(*inside, "addr", "flush", "dev", "eth0", "scope", "global")
        _ip(*inside, "addr", "add", f"{NETWORK}.{number}/24", "brd", "+", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        self._route(place, "eth0")
        return f"{NETWORK}.{number}"

    def cut(self, place: str, *, mended: bool = False) -> None:
        """Cut the cable of a place; or mend it."""
        _ip("-n", self.namespace(HUB), "link", "set", place, "up" if mended else "down")

    def run(self, place: str, command: Sequence[str], **env: str) -> Thing:
        """Start a process there; it ends with the network."""
        with (self._folder / f"{place}.log").open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace(place), *command],
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if "tests.lan.thing" in command else log,
                stderr=log,
                text=True,
            )
        thing = Thing(process)
        self._stack.callback(thing.end)
        return thing


@contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    """A network with nothing on it but the switch; what is started there writes its logs into `folder`.

    :raises OSError: it cannot be made; `hindrance()` says why.
    """
    with ExitStack() as stack:
        yield Lan(stack, folder)
