"""What every test shares: a skipped test fails in CI, since CI installs what the tests want; only what is marked
`optional` wants something that no package brings (a Home Assistant of one's own)."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    optional = item.get_closest_marker("optional") is not None
    if report.skipped and not optional and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing, but this was skipped: {report.longrepr}"
    return report


@pytest.fixture
def shared_data() -> Path:
    """`../shared`, beside the checkout, where the machine has it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("wants ../shared, which is not part of the project")
    return folder
