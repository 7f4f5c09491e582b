"""The tables of the series `failovers`: how long each event was felt, by configuration of the lab. Pure.

Presets other than the two are left out: their figures stand for nobody else's lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pgpool_lab.harness.comparison import in_words
from pgpool_lab.harness.measurements.document import Run
from pgpool_lab.harness.measurements.series import SERIES
from pgpool_lab.harness.measures import Measures
from pgpool_lab.harness.report.figures import LABS, chosen, combinations, lost, measured, spread, table

EVENTS = SERIES["failovers"].events
OVERVIEW = "write_outage"
LEFT_OUT = ("holder_outage", "takeover_seconds")
"""The virtual IP's outage tells the same from outside."""
MEASURES = tuple(name for name in Measures.model_fields if name not in LEFT_OUT)
REWIND = "rewind to a healthy lab"


def tables(runs: Mapping[Path, Run]) -> list[str]:
    """The write outages side by side, then everything, of runs on one machine."""
    overview = [
        [title, f"`{preset}`", replication, *(cell(runs, scenario, preset, replication, lab) for lab in LABS)]
        for preset, replication in combinations(runs)
        for scenario, title in {**EVENTS, REWIND: REWIND}.items()
    ]
    everything = [
        row
        for preset, replication in combinations(runs)
        for scenario, title in EVENTS.items()
        for lab in LABS
        if (row := detail(chosen(runs, scenario, preset, replication, lab), title, preset, replication, lab))
    ]
    return [
        "Write outage:",
        "",
        *table(["event", "preset", "replication", *LABS], overview),
        "",
        "All measures:",
        "",
        *table(
            ["event", "preset", "replication", "lab", "runs", *map(heading, MEASURES), "rows lost by all"], everything
        ),
    ]


def heading(measure: str) -> str:
    return in_words(measure).replace("vip", "VIP")


def cell(runs: Mapping[Path, Run], scenario: str, preset: str, replication: str, lab: str) -> str:
    """One cell of the overview."""
    if scenario == REWIND:
        every = [run for each in EVENTS for run in chosen(runs, each, preset, replication, lab)]
        return spread([run.rewind_seconds for run in every if run.rewind_seconds is not None])
    return measured(chosen(runs, scenario, preset, replication, lab), OVERVIEW)


def detail(runs: list[Run], title: str, preset: str, replication: str, lab: str) -> list[str]:
    """One row of everything; empty without runs."""
    if not runs:
        return []
    failed = sum(not run.passed for run in runs)
    count = f"{len(runs)}, {failed} failed" if failed else str(len(runs))
    figures = [measured(runs, measure) for measure in MEASURES]
    return [title, f"`{preset}`", replication, lab, count, *figures, str(lost(runs))]
