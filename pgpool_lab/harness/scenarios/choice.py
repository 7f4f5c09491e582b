"""Which scenarios are run where."""

from __future__ import annotations

from pgpool_lab.harness.scenarios.model import Scenario
from pgpool_lab.harness.scenarios.table import SCENARIOS

CHOSEN: dict[int, tuple[str, ...]] = {
    # What the procedure does, and one fault of each class that it does not have; on both roles at once, so that one
    # snapshot serves all.
    2: (
        "procedure-1",
        "procedure-2",
        "procedure-3",
        "link-down-on-both",
        "partition-on-both",
        "disk-full-on-both",
        "clock-forward-on-both",
    ),
    # What the procedure does on three nodes, and the power-off, after which a pgpool can hang. The first steps of the
    # first two scenarios are those of a and b.
    3: ("procedure-3", "procedure-a", "procedure-b"),
}
"""What is run for every change, by the number of nodes from which on."""


def chosen(nodes: int) -> tuple[Scenario, ...]:
    """What is run for every change on a lab of `nodes`."""
    return tuple(SCENARIOS[name] for name in CHOSEN[max(least for least in CHOSEN if least <= nodes)])


def fitting(nodes: int) -> tuple[Scenario, ...]:
    """All that a lab of `nodes` has enough nodes for, without those that are run by name only."""
    return tuple(each for each in SCENARIOS.values() if each.nodes <= nodes and not each.by_name_only)
