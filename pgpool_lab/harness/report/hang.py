"""The table of the series `hang`: who gets in after a power-off, with and without the mend. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

from pgpool_lab.harness.measurements.document import Run
from pgpool_lab.harness.measurements.series import SERIES
from pgpool_lab.harness.report.figures import (
    NOTHING,
    PRESETS,
    REPLICATIONS,
    spread,
    table,
)

CONNECTIONS = SERIES["hang"].events
HEADING = (
    "preset",
    "replication",
    "connections to the dead machine",
    "runs",
    "clients got in",
    "never",
    "watched for",
    "write outage of those that got in",
)


def tables(runs: Mapping[Path, Run]) -> list[str]:
    """A row for each configuration with and without the mend, of runs on one machine."""
    rows = [
        row(preset, replication, scenario, found)
        for preset, replication in product(PRESETS, REPLICATIONS)
        for scenario in CONNECTIONS
        if (found := chosen(runs.values(), preset, replication, scenario))
    ]
    return table(HEADING, rows)


def chosen(runs: Iterable[Run], preset: str, replication: str, scenario: str) -> list[Run]:
    """The runs of one row."""
    wanted = (preset, replication, scenario)
    return [run for run in runs if (run.subject.preset, run.subject.replication, run.subject.scenario) == wanted]


def row(preset: str, replication: str, scenario: str, runs: Sequence[Run]) -> list[str]:
    """A run that ended before its fault is neither: it is one of the failed ones below."""
    episodes = [episode for run in runs if (episode := run.episode) is not None]
    outages = [(episode, value) for episode in episodes if (value := episode.value("write_outage")) is not None]
    never = [episode.watched for episode, value in outages if math.isinf(value)]
    got_in = [value for _, value in outages if not math.isinf(value)]
    watched = f"at least {min(never):.0f} s" if never else NOTHING
    figures = [str(len(runs)), str(len(got_in)), str(len(never)), watched, spread(got_in)]
    return [f"`{preset}`", replication, CONNECTIONS[scenario], *figures]
