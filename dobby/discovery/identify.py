"""From evidence to a name: what one thing on the network is, how sure that is, and which skill could take it in.

It does not ask anybody (`look`); what counts as evidence of what is a data file.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from dobby.skill.driver import Finding, Sign

CERTAIN, LIKELY = 0.85, 0.45
NAMES = ("friendlyname", "name", "title", "host")  # where a thing's own name is said, best first


@dataclass(slots=True)
class Host:
    """One address and all that was seen of it; `words` are what it says of itself (server, model, name …), cleaned."""

    address: str
    findings: list[Finding] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    mac: str = ""
    vendor: str = ""
    words: dict[str, str] = field(default_factory=dict)
    offers: list[str] = field(default_factory=list)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Every piece as (field, words)."""
        yield from ((finding.sign.via, finding.sign.what) for finding in self.findings)
        yield from (("server", finding.says["server"]) for finding in self.findings if "server" in finding.says)
        yield from (("port", str(port)) for port in self.ports)
        yield from self.words.items()
        yield "vendor", self.vendor

    @property
    def name(self) -> str:
        """What it calls itself, as far as it does."""
        said = [self.words, *(finding.says for finding in self.findings)]
        return next((each[key] for key in NAMES for each in said if each.get(key)), "")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a host is: `sure` from 0 to 1; `skills` whose drivers look for what was seen of it."""

    what: str
    sure: float
    skills: tuple[str, ...] = ()

    @property
    def how_sure(self) -> str:
        """In words: certain, likely, maybe or unknown."""
        steps = ((CERTAIN, "certain"), (LIKELY, "likely"), (0.01, "maybe"))
        return next((word for least, word in steps if self.sure >= least), "unknown")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("identify.toml").read_text("utf-8"))


def identify(host: Host, wanted: Mapping[Sign, str]) -> Identity:
    """What this is most likely; `wanted` tells which skill looks for a sign. Pieces of evidence add up, none is proof."""
    weigh, evidence = _table()["weigh"], {(kind, text.lower()) for kind, text in host.evidence() if text}
    doubts = {}
    for what, patterns in _table()["things"].items():
        hits = [pattern.partition(":") for pattern in patterns]
        doubt = 1.0
        for kind, _, pattern in hits:
            if any(kind == k and fnmatchcase(text, pattern) for k, text in evidence):
                doubt *= 1 - weigh[kind]
        doubts[what] = doubt
    best = min(doubts, key=lambda what: doubts[what])
    skills = dict.fromkeys(wanted[finding.sign] for finding in host.findings if finding.sign in wanted)
    sure = round(1 - doubts[best], 3)
    return Identity(best if sure else "", sure, tuple(skills))
