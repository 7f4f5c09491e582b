"""Does the harness see? The lab is sabotaged behind its back, and it must name what no longer holds.

Only through ssh and SQL, while the harness watches: a sabotage is no fault of its own, which it would allow for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pgpool_lab import testing
from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.clients import direct, rows
from pgpool_lab.harness.lab import LiveLab
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.harness.scenarios.model import Arrangement, Await, Heal, Inject, Restore, Role, Step, Watch
from pgpool_lab.harness.trials import Trials
from pgpool_lab.harness.workload.table import TABLE
from pgpool_lab.paths import LabPaths

WATCH_SECONDS = 8.0
"""Long enough for a sabotage that is done in its first seconds to last for more than the 2 s that are allowed."""
FAILOVER_SECONDS = 45.0
"""Twice what a failover takes at most on an emulated lab."""

FAILOVER = "/usr/local/pgpool/etc/failover.sh"
FOLLOW = "/usr/local/pgpool/etc/follow.sh"


class Saboteur:
    """Runs scenarios, and strikes when the harness says that it watches; mends it when the harness restores."""

    def __init__(self, lab: LiveLab, reports: Path) -> None:
        self.lab = lab
        self._strike: Callable[[], object] | None = None
        self._mend: Callable[[], object] | None = None
        self._trials = Trials(lab.stack, lab.outputs, LabPaths(lab.stack).faults, reports, self._tell)

    def run(
        self,
        name: str,
        strike: Callable[[], object],
        mend: Callable[[], object] | None = None,
        steps: tuple[Step, ...] = (),
    ) -> Result:
        """What the harness makes of a scenario (by default: nothing happens) that is sabotaged."""
        self._strike, self._mend = strike, mend
        return self._trials.run(
            Scenario(
                f"sabotage-{name}",
                "something is done to the lab behind the harness",
                Arrangement.TOGETHER,
                (Watch(WATCH_SECONDS), *steps, Heal(), Restore()),
            )
        )

    def _tell(self, line: str) -> None:
        print(line)
        if line.startswith("watching") and self._strike:
            self._strike()
        if line == "restoring" and self._mend:
            self._mend()


@pytest.fixture
def saboteur(lab: LiveLab, tmp_path: Path) -> Saboteur:
    given = os.environ.get(testing.REPORTS)
    return Saboteur(lab, Path(given) / "sabotage" if given else tmp_path)


def primary_of(lab: LiveLab) -> NodeOutput:
    return lab.node(lab.primaries()[0])


def standby_of(lab: LiveLab) -> NodeOutput:
    primaries = lab.primaries()
    return next(node for node in lab.nodes if node.name not in primaries)


def named(result: Result, name: str) -> list[str]:
    """What a violated invariant says."""
    return [violation.sentence for violation in result.violations if violation.name == name]


def replace(lab: LiveLab, path: str, body: str) -> None:
    for node in lab.nodes:
        lab.shell(node, f"cp -p {path} {path}.kept && printf '%s\\n' '#!/bin/bash' {body!r} >{path}")


def put_back(lab: LiveLab, path: str) -> None:
    for node in lab.nodes:
        lab.shell(node, f"mv {path}.kept {path}")


@pytest.mark.two_nodes
def test_a_second_holder_of_the_virtual_ip_is_named(saboteur: Saboteur) -> None:
    lab = saboteur.lab
    struck: list[NodeOutput] = []

    def strike() -> None:
        struck.append(next(node for node in lab.nodes if node.name not in lab.holders()))
        lab.shell(struck[0], "lab-vip up")

    result = saboteur.run("second-holder", strike, lambda: lab.shell(struck[0], "lab-vip down"))
    assert not result.passed
    [said] = named(result, "one holder")
    assert struck[0].name in said


@pytest.mark.two_nodes
def test_a_second_primary_is_named(saboteur: Saboteur) -> None:
    lab = saboteur.lab
    struck: list[NodeOutput] = []

    def strike() -> None:
        struck.append(standby_of(lab))
        with direct(lab.outputs, struck[0]) as connection:
            rows(connection, "SELECT pg_promote()")

    result = saboteur.run("second-primary", strike)
    assert not result.passed
    assert any(struck[0].name in said for said in named(result, "one primary"))


@pytest.mark.two_nodes
def test_a_row_that_somebody_deleted_is_named(saboteur: Saboteur) -> None:
    lab = saboteur.lab
    deleted: list[int] = []

    def strike() -> None:
        with direct(lab.outputs, primary_of(lab)) as connection:
            gone = rows(
                connection, f"DELETE FROM {TABLE} WHERE number IN (SELECT min(number) FROM {TABLE}) RETURNING *"
            )
            deleted.extend(row["number"] for row in gone)

    result = saboteur.run("deleted-row", strike)
    assert not result.passed
    assert any(str(deleted[0]) in said for said in named(result, "acknowledged rows"))


@pytest.mark.two_nodes
def test_a_failover_script_that_does_nothing_is_noticed(saboteur: Saboteur) -> None:
    lab = saboteur.lab
    result = saboteur.run(
        "idle-failover",
        lambda: replace(lab, FAILOVER, "exit 0"),
        lambda: put_back(lab, FAILOVER),
        steps=(
            Inject("postgresql-stop-fast", Role.PRIMARY),
            Await(("primary-changes", "writes-flow"), FAILOVER_SECONDS),
        ),
    )
    assert not result.passed
    assert any(said.startswith("primary-changes: ") for said in result.unmet)


@pytest.mark.three_nodes
def test_a_follow_command_that_does_nothing_is_noticed(saboteur: Saboteur) -> None:
    lab = saboteur.lab
    result = saboteur.run(
        "idle-follow",
        lambda: replace(lab, FOLLOW, "exit 0"),
        lambda: put_back(lab, FOLLOW),
        steps=(
            Inject("postgresql-stop-fast", Role.PRIMARY),
            Await(("primary-changes",), FAILOVER_SECONDS),
            Await(("standbys-follow",), FAILOVER_SECONDS),
        ),
    )
    assert not result.passed
    assert any(said.startswith("standbys-follow: ") for said in result.unmet)
