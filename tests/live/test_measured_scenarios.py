"""The scenarios of the harness, each rewound to, run, judged and recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from pgpool_lab import testing
from pgpool_lab.harness.report import summary
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.harness.scenarios.choice import chosen, fitting
from pgpool_lab.harness.trials import Trials
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from tests.live.lab import LiveLab
from tests.live.measured import RESULTS

pytestmark = pytest.mark.measured


def scenarios() -> tuple[Scenario, ...]:
    """Those that are asked for and fit the stack; none where no stack is named, as when all tests are only listed."""
    stack = os.environ.get("LAB_STACK")
    if stack is None:
        return ()
    asked_for = fitting if os.environ.get(testing.SCENARIOS) == "all" else chosen
    return asked_for(len(Lab(LabPaths(stack)).settings.nodes))


def assert_followed_with_its_own_data(lab: LiveLab) -> None:
    """The primary that there is now followed another one before, and took no base backup for it."""
    [primary] = lab.primaries()
    log = lab.shell(lab.outputs.node(primary), "cat /var/log/pgpool-lab/join.log")
    # No mark was set before, since a rewind takes the log back. `attach` is what a repetition finds to do.
    earlier, *follows = re.split(r"comes after \S+: (?!attach|left alone)", log)
    assert follows, earlier
    assert "taking a base backup" not in follows[-1], follows[-1]


AFTERWARDS: dict[str, Callable[[LiveLab], None]] = {"procedure-b": assert_followed_with_its_own_data}
"""What else is so after a scenario, that a recording does not show. The lab is healthy, its roles as they came out."""


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, lab: LiveLab, trials: Trials, request: pytest.FixtureRequest) -> None:
    result = trials.run(scenario)
    request.config.stash[RESULTS].append(result)
    if not result.passed:
        pytest.fail("\n".join(summary.complaints(result)), pytrace=False)
    assert not trials.rewind_failure
    if look := AFTERWARDS.get(scenario.name):
        look(lab)
