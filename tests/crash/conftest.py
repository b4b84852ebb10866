"""One table at the end for everything that was put through it."""

from collections.abc import Iterator

import pytest

from tests.crash import power
from tests.crash.power import Cuts
from tests.crash.tally import HEAD, Tally

SEEN: list[Tally | Cuts] = []


@pytest.fixture
def seen() -> list[Tally | Cuts]:
    """Where results are laid for the table."""
    return SEEN


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """A line for each."""
    for head, kind in ((HEAD, Tally), (power.HEAD, Cuts)):
        found = [result for result in SEEN if isinstance(result, kind)]
        if found:
            terminalreporter.write_line("")
            terminalreporter.write_line(head)
            for result in found:
                terminalreporter.write_line(str(result))
    yield
