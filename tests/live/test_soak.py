"""Faults that nobody chose, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.harness.soak.run import Soak
from tests.live.lab import LiveLab
from tests.live.measured import RESULTS


@pytest.mark.everything
def test_a_soak_goes_on_until_its_time_is_up_and_nothing_is_violated(
    lab: LiveLab, reports: Path, request: pytest.FixtureRequest
) -> None:
    soak = Soak(lab.stack, lab.outputs, lab.faults, reports, print)
    # A fault with what it takes to be back took up to three minutes on emulated nodes.
    result = soak.run(seed=2026, minutes=6)
    request.config.stash[RESULTS] += soak.results
    assert result.passed, result.verdict
    assert len(result.strikes) > 1
