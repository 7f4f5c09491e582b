"""What the machines had logged when a live test failed: the next test changes it, and a removed lab takes it along."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pgpool_lab.cluster import logs
from tests.live.lab import LiveLab

LINES = 25
"""Of each log: enough for the step that failed and the election before it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of every machine's logs to the report of a test that failed."""
    report = yield
    lab = item.funcargs.get("lab")
    if report.failed and isinstance(lab, LiveLab):
        for machine in lab.outputs.machines:
            report.sections.append((f"logs of {machine.name}", logs.last_lines(lab.outputs, machine, LINES)))
    return report
