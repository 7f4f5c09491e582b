"""A plugin of pytest: tells by the exit code whether tests would be run, and runs none.

Unlike --collect-only it tells so of what the other options make of the tests, that one among them: where they are only
listed, pytest goes on as ever.
"""

from __future__ import annotations

import pytest

from pgpool_lab.testing import WOULD_RUN


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Collect in this process, however many the tests would be given to."""
    config.option.dist = "no"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Leave before the first test; what could not be collected is pytest's to complain of."""
    options = session.config.option
    broken = session.testsfailed and not options.continue_on_collection_errors
    if session.items and not options.collectonly and not broken:
        pytest.exit("nothing is run: that was the question", WOULD_RUN)
