"""What the measured scenarios of one session came to: fixtures and hooks, taken up by the conftest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgpool_lab import testing
from pgpool_lab.harness.report import summary
from pgpool_lab.harness.report.page import build
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.trials import Trials
from tests.live.lab import LiveLab

RESULTS = pytest.StashKey[list[Result]]()
FOLDER = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def reports(pytestconfig: pytest.Config) -> Path:
    """The folder that `lab test` names for what is recorded, else one of its own."""
    given = os.environ.get(testing.REPORTS)
    folder = Path(given) if given else testing.new_report_folder()
    pytestconfig.stash[FOLDER] = folder
    return folder


@pytest.fixture(scope="session")
def trials(lab: LiveLab, reports: Path) -> Trials:
    """Runs scenarios on the lab."""
    return Trials(lab.stack, lab.outputs, lab.faults, reports, print)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of what was measured, and the page of everything in the folder."""
    results = config.stash[RESULTS]
    if not results:
        return
    terminalreporter.section("measured scenarios")
    for line in summary.lines(results):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"report: {build(config.stash[FOLDER])}")
