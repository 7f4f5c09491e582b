"""Does the harness see? The lab is sabotaged behind its back, and it must name what was violated, and where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgpool_lab import testing
from pgpool_lab.harness.report import summary
from pgpool_lab.harness.trials import Trials
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from pgpool_lab.versions.numbers import parse
from tests.live.lab import LiveLab
from tests.live.sabotages import SABOTAGES
from tests.live.saboteur import Sabotage, Saboteur, given_away

pytestmark = pytest.mark.sabotage


def sabotages() -> list[Sabotage]:
    """Those that the stack has enough nodes and a late enough PostgreSQL for; none where no stack is named.

    On more than two nodes, unless all are asked for, only what takes as many.
    """
    stack = os.environ.get("LAB_STACK")
    if stack is None:
        return []
    settings = Lab(LabPaths(stack)).settings
    nodes, version = len(settings.nodes), parse(settings.postgresql.version)
    fitting = [one for one in SABOTAGES if one.scenario.nodes <= nodes and parse(one.postgresql) <= version]
    if nodes == 2 or os.environ.get(testing.SCENARIOS) == "all":
        return fitting
    return [sabotage for sabotage in fitting if sabotage.scenario.nodes > 2]


@pytest.mark.parametrize("sabotage", sabotages(), ids=lambda sabotage: sabotage.scenario.name)
def test_sabotage_is_given_away(sabotage: Sabotage, lab: LiveLab, reports: Path) -> None:
    saboteur = Saboteur(lab, sabotage, print)
    # In a folder of their own: these runs have to fail, and are no figures for the page.
    trials = Trials(lab.stack, lab.outputs, lab.faults, reports / "sabotage", saboteur)
    try:
        result = trials.run(sabotage.scenario)
    finally:
        saboteur.mend()
    said = "\n".join(summary.complaints(result)) or "nothing at all"
    if saboteur.ground is None:
        pytest.fail(f"the run did not come to where it is sabotaged:\n{said}", pytrace=False)
    named = sabotage.named(saboteur.ground)
    if not given_away(result, sabotage.finding, named):
        pytest.fail(f"expected {sabotage.finding!r} with {' and '.join(sorted(named))}; found:\n{said}", pytrace=False)
