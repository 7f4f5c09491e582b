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
from pgpool_lab.harness.scenarios.losses import commits_wait, lost_for_certain, without_postgresql
from pgpool_lab.harness.scenarios.run import ScenarioRun

WAITED = "commits wait"


@dataclass(frozen=True)
class Alone:
    """A time in which one PostgreSQL at most was there, `time.monotonic()`."""

    begin: float
    end: float
    certain: bool
    """Whether the others were gone for certain: where a fault leaves that open they may have gone on confirming."""


def times_alone(run: ScenarioRun, outputs: LabOutputs) -> Iterator[Alone]:
    """When commits had to wait, from each fault to the next thing done to the lab."""
    for step, (_, end) in run.windows.items():
        events = [event for event in run.events if event.step <= step]
        if commits_wait(outputs, without_postgresql(events)):
            begin = max(event.latest for event in events if event.step == step)
            yield Alone(begin, end, commits_wait(outputs, lost_for_certain(events)))


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
        if alone.certain and (rows := acknowledged_in(run.ledger, alone)):
            numbers = ", ".join(map(str, rows[:10])) + (", …" if rows[10:] else "")
            yield f"{WAITED}: no standby was left to confirm them, and rows were acknowledged: {numbers}"
