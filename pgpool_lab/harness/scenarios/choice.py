"""Which scenarios are run where."""

from __future__ import annotations

from pgpool_lab.harness.scenarios.model import Scenario
from pgpool_lab.harness.scenarios.table import SCENARIOS

CHOSEN = (
    "procedure-1",
    "procedure-2",
    "procedure-3",
    "procedure-a",
    "procedure-b",
    # One fault of each class that the procedure has not. On both roles at once: one snapshot serves all.
    "pgpool-kill-on-both",
    "postgresql-hang-on-both",
    "link-down-on-both",
    "partition-on-both",
    "disk-full-on-both",
    "clock-forward-on-both",
)
"""For every change: the procedure's scenarios, and one fault of each class."""


def fitting(names: tuple[str, ...], nodes: int) -> tuple[Scenario, ...]:
    """Those of the named scenarios that a lab of `nodes` has enough nodes for."""
    return tuple(scenario for name in names if (scenario := SCENARIOS[name]).nodes <= nodes)
