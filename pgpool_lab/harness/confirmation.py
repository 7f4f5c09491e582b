"""Commits while no standby is left to confirm one: clients are told of none, or the cluster breaks its promise. Pure.

With `synchronous_standby_names` set, PostgreSQL acknowledges a commit when standbys have confirmed it, however long
that takes (manual, 27.2.8 "Synchronous Replication").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness.invariants.model import Violation
from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.samples import NodeSample
from pgpool_lab.harness.scenarios.losses import commits_wait, lost_for_certain
from pgpool_lab.harness.scenarios.run import ScenarioRun

WAITED = "commits wait"


@dataclass(frozen=True)
class Alone:
    """A time in which one PostgreSQL at most was there, `time.monotonic()`."""

    begin: float
    """When all others were seen to be gone: a machine that reboots, and a server that stops, go on for a moment."""
    end: float


def times_alone(run: ScenarioRun, outputs: LabOutputs) -> Iterator[Alone]:
    """When commits had to wait, from each fault to the next thing done to the lab."""
    for step, (fault, end) in run.windows.items():
        lost = lost_for_certain(event for event in run.events if event.step <= step)
        if commits_wait(outputs, lost):
            moments = [gone_at(run, node, fault, end) for node in lost]
            seen = [moment for moment in moments if moment is not None]
            if len(seen) == len(moments):
                yield Alone(max(seen), end)


def gone_at(run: ScenarioRun, node: str, fault: float, end: float) -> float | None:
    """When a node's PostgreSQL was first seen to be gone, after its last answer in a window; None when it never was.

    One that stops answers nobody, and may confirm for as long as it runs; one that hangs runs.
    """
    samples = [one for one in run.samples if isinstance(one, NodeSample) and one.node == node and one.latest <= end]
    last = max((sample.latest for sample in samples if answers(sample)), default=fault)
    silent = [sample for sample in samples if sample.earliest >= max(last, fault)]
    ended = [sample for sample in silent if not sample.reachable or (sample.postgres and not sample.postgres.running)]
    return min((sample.latest for sample in ended or silent), default=None)


def answers(sample: NodeSample) -> bool:
    """Whether a node's PostgreSQL said which role it has."""
    return sample.postgres is not None and sample.postgres.in_recovery is not None


def acknowledged_in(ledger: Ledger, alone: Alone) -> list[int]:
    """Rows that were sent and acknowledged within such a time."""
    return [
        write.number
        for write in ledger.acknowledged
        if write.sent >= alone.begin and write.done is not None and write.done <= alone.end
    ]


def waits(run: ScenarioRun, outputs: LabOutputs) -> Iterator[Violation]:
    """Each time in which no commit was acknowledged, as it must be; no failure."""
    for alone in times_alone(run, outputs):
        if not acknowledged_in(run.ledger, alone):
            sentence = "no write was acknowledged until the next thing was done: no standby was left to confirm one"
            yield Violation(name=WAITED, at=alone.begin, sentence=sentence, evidence=())


def broken_promises(run: ScenarioRun, outputs: LabOutputs) -> Iterator[str]:
    """Each time in which writes were acknowledged that nobody can have confirmed."""
    for alone in times_alone(run, outputs):
        if rows := acknowledged_in(run.ledger, alone):
            numbers = ", ".join(map(str, rows[:10])) + (", …" if rows[10:] else "")
            yield f"{WAITED}: no standby was left to confirm them, and rows were acknowledged: {numbers}"
