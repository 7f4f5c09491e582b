"""The table of the series `scenarios`: every scenario beside every other, by configuration of the lab. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from pgpool_lab.harness.measurements.document import Run
from pgpool_lab.harness.measurements.series import SERIES
from pgpool_lab.harness.report.figures import LABS, NOTHING, chosen, combinations, lost, table, worst

MEASURE = "write_outage"


def tables(runs: Mapping[Path, Run]) -> list[str]:
    """A table for each configuration, with the scenarios that were run, of runs on one machine."""
    lines: list[str] = []
    for preset, replication in combinations(runs):
        rows = []
        for scenario, sentence in SERIES["scenarios"].events.items():
            found = [chosen(runs, scenario, preset, replication, lab) for lab in LABS]
            if any(found):
                rows.append([f"`{scenario}`", sentence, *map(cell, found)])
        lines += [*([""] if lines else []), f"`{preset}`, {replication}:", ""]
        lines += table(["scenario", "what happens", *LABS], rows)
    return lines


def cell(runs: Sequence[Run]) -> str:
    """The write outage that each of the scenario's faults meant, then what else there is to say, of all its runs."""
    if not runs:
        return NOTHING
    faults = zip_longest(*(run.result.episodes for run in runs))
    figures = "; then ".join(worst(episodes, MEASURE) for episodes in faults)
    return ", ".join([figures or NOTHING, *remarks(runs)])


def remarks(runs: Sequence[Run]) -> list[str]:
    """Rows that were lost, what was tolerated, how often it failed."""
    tolerated = dict.fromkeys(one.name for run in runs for one in run.result.expected)
    failed = sum(not run.passed for run in runs)
    return [
        *([f"{rows} lost"] if (rows := lost(runs)) else []),
        *(f"`{name}`" for name in tolerated),
        *([f"**{failed} failed**"] if failed else []),
    ]
