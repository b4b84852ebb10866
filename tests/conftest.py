"""What every test shares: a skipped test fails in CI, since CI installs what the tests want; only what is marked
`optional` wants something that no package brings (a Home Assistant of one's own).

`make test` shares the tests out among processes, a file to each; those of `ONE_BY_ONE` go to one, after each other."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ONE_BY_ONE = ("lan/", "skills/test_sonos", "skills/test_upnp", "test_benchmarks", "test_demo", "test_discovery")  # one network


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a folder for temporary files of its own: some tests look at what is left over there
        folder = Path(f"{config.option.basetemp}-tmp")
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(HERE).as_posix()
        item.add_marker(pytest.mark.xdist_group("one by one" if file.startswith(ONE_BY_ONE) else file))


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
