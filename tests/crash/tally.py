"""What a sweep has seen so far, as one line of a table. It does not know how anything was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.crash.harness import Kill
from tests.crash.verdict import Verdict


@dataclass(slots=True)
class Tally:
    """What a sweep has seen so far."""

    name: str
    points: int = 0
    kills: int = 0
    beyond: int = 0  # points that the run ended before
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    unknown: int = 0
    corrupt: int = 0
    refused: int = 0
    seconds: float = 0.0
    words: list[str] = field(default_factory=list)

    def add(self, kills: Sequence[Kill | None], met: int, verdict: Verdict) -> None:
        """One house more; `met` is how many of its kills, or errors, it lived to see."""
        self.points += 1
        self.kills += met
        self.beyond += met == 0
        self.count(", then ".join(str(kill) for kill in kills if kill), verdict)

    def count(self, at: str, verdict: Verdict) -> None:
        """What was found at a point."""
        self.lost += len(verdict.lost)
        self.doubled += len(verdict.doubled)
        self.wrong += len(verdict.wrong)
        self.corrupt += len(verdict.corrupt)
        self.unknown += verdict.unknown
        self.words += [f"{at}: {words}" for words in verdict.words]

    def __str__(self) -> str:
        return (
            f"{self.name:<28}{self.points:>8}{self.kills:>7}{self.beyond:>8}{self.lost:>6}{self.doubled:>9}"
            f"{self.wrong:>7}{self.unknown:>9}{self.corrupt:>9}{self.seconds:>8.0f}"
        )


HEAD = "sweep                         points  kills  beyond  lost  doubled  wrong  unknown  corrupt       s"
