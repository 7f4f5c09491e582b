"""The scenarios of the harness, each rewound to, run, judged and recorded."""

from __future__ import annotations

import os

import pytest

from pgpool_lab import testing
from pgpool_lab.harness.report import summary
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.harness.scenarios.choice import chosen, fitting
from pgpool_lab.harness.trials import Trials
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from tests.live.measured import RESULTS

pytestmark = pytest.mark.measured


def scenarios() -> tuple[Scenario, ...]:
    """Those that are asked for and fit the stack; none where no stack is named, as when all tests are only listed."""
    stack = os.environ.get("LAB_STACK")
    if stack is None:
        return ()
    asked_for = fitting if os.environ.get(testing.SCENARIOS) == "all" else chosen
    return asked_for(len(Lab(LabPaths(stack)).settings.nodes))


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, trials: Trials, request: pytest.FixtureRequest) -> None:
    result = trials.run(scenario)
    request.config.stash[RESULTS].append(result)
    if not result.passed:
        pytest.fail("\n".join(summary.complaints(result)), pytrace=False)
