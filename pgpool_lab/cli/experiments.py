"""The harness by hand: faults, scenarios, and the way back to a healthy lab."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pgpool_lab.cli.app import Stack, StackOption, lab_of
from pgpool_lab.cli.stacks import DEFAULT, named
from pgpool_lab.cli.tables import console
from pgpool_lab.cluster.client import network_prefix
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.cluster.status import status, way_out
from pgpool_lab.errors import LabError
from pgpool_lab.harness import snapshot as snapshots
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults import FAULTS, Injector, Record, fault_named
from pgpool_lab.harness.measurements.collect import collect
from pgpool_lab.harness.measurements.series import SERIES, series_named
from pgpool_lab.harness.report import summary
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import SCENARIOS, scenario_named
from pgpool_lab.harness.soak import Soak
from pgpool_lab.harness.trials import Trials
from pgpool_lab.lab import Lab
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.testing import new_report_folder
from pgpool_lab.waiting import factor

fault = typer.Typer(help="Break one thing, and mend it.", no_args_is_help=True)
scenario = typer.Typer(help="Break something and hold what follows against what must follow.", no_args_is_help=True)


@fault.command("list")
def list_faults() -> None:
    """Every fault: what happens, and what brings it back."""
    rows = Table("fault", "what happens")
    for each in FAULTS.values():
        rows.add_row(each.name, each.sentence)
    console.print(rows)


@fault.command("inject")
def inject_fault(
    name: Annotated[str, typer.Argument(help="Name of the fault: lab fault list.")],
    node: Annotated[str, typer.Argument(help="Name of the node.")],
    peer: Annotated[list[str] | None, typer.Option("--from", help="Cut it from this node only; repeatable.")] = None,
    stack: StackOption = DEFAULT,
) -> None:
    """Inject a fault and see that it takes effect; it lasts until `lab fault heal`."""
    chosen = fault_named(name)
    with occupied(kept(stack)):
        outputs = outputs_of(stack)
        peers = [outputs.node(each) for each in peer or []]
        injector(outputs, stack).inject(chosen, outputs.node(node), peers)
    console.print(f"{name} on {node}; {named('./lab fault heal', stack)} takes it back")


@fault.command("heal")
def heal_faults(stack: StackOption = DEFAULT) -> None:
    """Take back every fault that is recorded, whoever injected it. What was stopped comes back by `lab rejoin`."""
    with occupied(kept(stack)):
        healed = injector(outputs_of(stack), stack).heal_all()
    for entry in healed:
        console.print(f"healed {entry.fault} on {entry.node}")
    if not healed:
        console.print("no fault is recorded")


@scenario.command("list")
def list_scenarios() -> None:
    """Every scenario."""
    rows = Table("scenario", "nodes", "what happens")
    for each in SCENARIOS.values():
        rows.add_row(each.name, str(each.nodes), each.sentence)
    console.print(rows)


@scenario.command("run")
def run_scenario(
    name: Annotated[str, typer.Argument(help="Name of the scenario: lab scenario list.")],
    stack: StackOption = DEFAULT,
) -> None:
    """Run a scenario; exit code 0 only when everything expected came true, nothing was violated, nothing took too long.

    The lab is rewound first, or made healthy and captured where there is no snapshot; it is left healthy. The
    recording goes to `reports/TIME/`, with a page, and with all nodes' logs if it failed.
    """
    chosen = scenario_named(name)
    with occupied(kept(stack)):
        outputs = outputs_from_inside(stack)
        reports = new_report_folder()
        result = Trials(stack, outputs, kept(stack).faults, reports, tell).run(chosen)
    report([result], reports)
    sys.exit(0 if result.passed else 1)


def measure(
    name: Annotated[str, typer.Argument(metavar="SERIES", help=f"Which: {', '.join(SERIES)}.")] = "failovers",
    stack: StackOption = DEFAULT,
    runs: Annotated[
        int | None, typer.Option(min=1, help="How often each scenario is run; by default 5, of the hang 10.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the documents; by default docs/measurements/SERIES.")
    ] = None,
) -> None:
    """Run a series of scenarios several times on the lab as it is configured, each after a rewind.

    What the folder has of this configuration counts, so that an interrupted series goes on with the same command. Each
    run leaves a document there, and its recording in `reports/TIME/`. Exit code 0 when the series is complete: a run
    that failed is a finding and counts.
    """
    series = series_named(name)
    results = []
    with occupied(kept(stack)):
        outputs = outputs_from_inside(stack)
        reports, folder = new_report_folder(), into or series.folder
        found = collect(
            series,
            runs or series.runs,
            folder,
            stack=stack,
            outputs=outputs,
            record=kept(stack).faults,
            reports=reports,
            tell=tell,
        )
        for result in found:
            results.append(result)
            print("\n".join(summary.lines([result])))
    from pgpool_lab.harness.report.page import build

    for each in sorted(reports.iterdir()):
        build(each)
    if results:
        print("\n".join(["", *summary.lines(results)]))
    print(f"complete: {folder}; reports: {reports.relative_to(PROJECT)}")
    if into is None:
        print("next, docs/measurements.md: .venv/bin/python -m pgpool_lab.harness.report.tables")


def soak(
    seed: Annotated[int, typer.Option(help="The same seed strikes the same nodes with the same faults.")],
    minutes: Annotated[int, typer.Option(min=1, help="How long to go on; the last fault is still seen to its end.")],
    stack: StackOption = DEFAULT,
) -> None:
    """Random faults one after the other, each healed before the next; exit code 0 only when nothing was violated.

    It ends with the first violation, and says which fault it was. Recordings, a page and `soak.json` go to
    `reports/TIME/`; the lab is left as the last fault left it, healthy where it could be restored.
    """
    with occupied(kept(stack)):
        outputs = outputs_from_inside(stack)
        reports = new_report_folder()
        soaking = Soak(stack, outputs, kept(stack).faults, reports, tell)
        result = soaking.run(seed, minutes)
    report(soaking.results, reports)
    print(result.verdict)
    sys.exit(0 if result.passed else 1)


def kept(stack: str) -> LabPaths:
    """Where the lock and the record of faults are."""
    return Lab(LabPaths(stack)).kept


def outputs_of(stack: str) -> LabOutputs:
    """The lab's outputs, for a command that waits. Raises LabError, before anything is broken, for no valid factor."""
    factor()
    return lab_of(stack).outputs()


def outputs_from_inside(stack: str) -> LabOutputs:
    """The lab's outputs, in its network: the clients are this process, which goes on there when it is outside.

    It begins anew there, and takes the lab anew: a lock is let go with the program that this process was.
    """
    outputs = outputs_of(stack)
    if prefix := network_prefix(outputs.network.namespace):
        os.execvp(prefix[0], [*prefix, sys.executable, "-m", "pgpool_lab", *sys.argv[1:]])
    return outputs


def report(results: Sequence[Result], reports: Path) -> None:
    """Print the table of some runs, and write their page."""
    # What draws takes as long to import as everything else: no other command waits for it.
    from pgpool_lab.harness.report.page import build

    print("\n".join(summary.lines(results)))
    page = build(reports)
    print(f"report: {(page or reports).relative_to(PROJECT)}")


def snapshot(stack: Stack = DEFAULT) -> None:
    """Capture all machines of a healthy lab, memory included."""
    with occupied(kept(stack)):
        outputs = outputs_of(stack)
        found = status(outputs, stack)
        if problems := found["problems"]:
            raise LabError(f"the lab is not healthy: {'; '.join(problems)}", f"{way_out(found)}, then repeat")
        began = time.monotonic()
        snapshots.take(Control(outputs), Record(kept(stack).faults))
    console.print(f"captured in {time.monotonic() - began:.1f} s; ./lab rewind {stack} comes back to it")


def rewind(stack: Stack = DEFAULT) -> None:
    """Take all machines back to the snapshot, faults included; ends when the lab is healthy."""
    with occupied(kept(stack)):
        outputs = outputs_of(stack)
        began = time.monotonic()
        rewound = snapshots.rewind(Control(outputs), Record(kept(stack).faults))
    behind = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in rewound.behind.items())
    console.print(f"healthy after {time.monotonic() - began:.1f} s; clocks behind this machine's: {behind}")


def injector(outputs: LabOutputs, stack: str) -> Injector:
    return Injector(Control(outputs), Record(kept(stack).faults))


def tell(line: str) -> None:
    """A line with the time, for whoever watches."""
    console.print(f"{time.strftime('%H:%M:%S')} {line}")
