"""What every test shares: where the real data are, what a skip means, and how hypothesis searches.

Set `NDLAB_TEST_DATA` to the folder of real data sets to run the tests that read them. With it set, a skip is a
failure: a machine that has the data has no reason to skip anything.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# It chooses once, when it is first imported, between a bar for terminals and one for notebooks; some tests make a
# notebook's shell in this process, and the others expect a terminal.
import tqdm.auto  # noqa: F401
from hypothesis import HealthCheck, settings

DATA = "NDLAB_TEST_DATA"

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

# Derandomized: the same commit gives the same result; the soak run searches afresh and longer.
settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("soak", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("NDLAB_HYPOTHESIS", "default"))

_skips: dict[str, str] = {}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets named by NDLAB_TEST_DATA, or skip."""
    folder = os.environ.get(DATA)
    if not folder:
        pytest.skip(f"reads real data: set {DATA} to the folder that holds it")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.fail(f"{DATA}={folder} is no folder; give the folder that holds the data sets, or unset it")
    return path


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skips[report.nodeid] = _reason(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skips[report.nodeid] = _reason(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _skips and os.environ.get(DATA) and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skips:
        terminalreporter.write_line("0 tests skipped")
    elif not os.environ.get(DATA):
        terminalreporter.write_line(f"{len(_skips)} tests skipped: set {DATA}", yellow=True)
    else:
        terminalreporter.section(f"FAILED: {len(_skips)} skipped although {DATA} is set", red=True)
        for nodeid, reason in sorted(_skips.items()):
            terminalreporter.write_line(f"{nodeid}: {reason}")
