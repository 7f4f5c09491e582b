"""Whether the cluster kept what its clients were told is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pgpool_lab.harness.workload import table
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import wait_for
from tests.live.lab import LiveLab

UNSENT_SECONDS = 1.0
"""Asynchronous replication: what was acknowledged so shortly before the primary's power went may be lost with it."""


def assert_nothing_lost(lab: LiveLab, workload: Workload, *, power_lost: tuple[float, float] | None = None) -> None:
    """Every acknowledged row is on every node, asked from its own PostgreSQL; the clients are stopped.

    `power_lost`: between which moments the primary's machine was switched off.
    """
    begin, end = power_lost or (math.inf, math.inf)
    sent = {
        write.number
        for write in workload.stop().acknowledged
        if write.done is None or not begin - UNSENT_SECONDS <= write.done <= end
    }
    wait_for(
        lambda: missing(sent, table.final_rows(lab.outputs, lab.nodes)),
        lambda seen: not any(seen.values()),
        seconds=30,
        what="every node has every acknowledged row",
    )


def missing(sent: set[int], found: Mapping[str, tuple[int, ...] | None]) -> dict[str, set[int]]:
    """By node, the rows of `sent` that it doesn't have."""
    return {name: sent - set(numbers or ()) for name, numbers in found.items()}
