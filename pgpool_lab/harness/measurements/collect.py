"""Runs what a series lacks on one lab, a document each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.measurements.document import Measurement, configuration_of, load_all, store
from pgpool_lab.harness.measurements.series import Series, due
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import scenario_named
from pgpool_lab.harness.trials import Trials, place_of
from pgpool_lab.revision import commit


def collect(
    series: Series,
    runs: int,
    folder: Path,
    *,
    stack: str,
    outputs: LabOutputs,
    record: Path,
    reports: Path,
    tell: Callable[[str], None],
) -> Iterator[Result]:
    """Run each scenario until `folder` holds `runs` of it on a lab configured as this one.

    A run that failed counts: leaving it out would make the figures better than the lab. Each recording goes below
    `reports`, in a folder named after the number of the run. `record` is the file of the lab's faults. Raises LabError
    for a lab with too few nodes, and what keeps a run from being recorded; what was stored stays.
    """
    if len(outputs.nodes) < series.nodes:
        raise LabError(
            f"{series.name} takes {series.nodes} nodes, {stack} has {len(outputs.nodes)}", "--stack three-node"
        )
    witness = outputs.witness is not None
    here = configuration_of(stack, place_of(outputs))
    same = [run for run in load_all(folder).values() if (run.subject.configuration, run.witness) == (here, witness)]
    scenarios = series.fitting(len(outputs.nodes))
    remaining = due(scenarios, Counter(run.subject.scenario for run in same), runs)
    tell(f"{folder}: {len(remaining)} runs are missing of {runs * len(scenarios)}")
    for number, scenario in remaining:
        tell(f"run {number} of {runs}: {scenario}")
        trials = Trials(stack, outputs, record, reports / f"run-{number}", tell)
        result = trials.run(scenario_named(scenario))
        measurement = Measurement(commit=commit(), witness=witness, rewind_seconds=trials.rewind_seconds, result=result)
        tell(f"stored {store(folder, measurement).name}")
        yield result
