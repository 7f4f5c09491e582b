"""The sabotage of the live tests, on a lab that is not there: when it strikes, what it does, what gives it away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.harness.faults import FAULTS, Losses
from pgpool_lab.harness.invariants.model import TOLD_SECONDS, Violation
from pgpool_lab.harness.invariants.roles import TWO_HOLDERS_SECONDS
from pgpool_lab.harness.invariants.table import INVARIANTS
from pgpool_lab.harness.scenarios.expectations import EXPECTATIONS
from pgpool_lab.harness.scenarios.model import Await, Inject, Restore, Watch
from tests.live import direct_sql, sabotages, saboteur
from tests.live.sabotages import SABOTAGES, put_back, replace_script
from tests.live.saboteur import Ground, Sabotage, Saboteur, given_away
from tests.unit.harness.synthetic import recording
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl

NAMES = [sabotage.scenario.name for sabotage in SABOTAGES]


class Database:
    """Takes every statement, and remembers on which node."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def direct(self, outputs: Any, node: Any) -> Database:
        self.node = node.name
        return self

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *arguments: object) -> None:
        pass

    def rows(self, connection: Any, sql: str) -> list[dict[str, Any]]:
        self.done.append((self.node, sql))
        return []


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(direct_sql, "direct", made.direct)
    monkeypatch.setattr(direct_sql, "rows", made.rows)
    return made


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> FakeControl:
    monkeypatch.setattr(saboteur, "roles", lambda control: ("node0", "node0"))
    return FakeControl()


def ground(control: FakeControl) -> Ground:
    return Ground(control, OUTPUTS.nodes[0], tuple(OUTPUTS.nodes[1:]))


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=NAMES)
def test_every_sabotage_can_be_run_and_found(sabotage: Sabotage) -> None:
    steps = sabotage.scenario.steps
    assert isinstance(steps[0], Watch) and isinstance(steps[-1], Restore)
    assert {step.fault for step in steps if isinstance(step, Inject)} <= FAULTS.keys()
    awaited = {name for step in steps if isinstance(step, Await) for name in step.expectations}
    assert awaited <= EXPECTATIONS.keys()
    assert sabotage.finding in awaited | {invariant.name for invariant in INVARIANTS}


def test_no_fault_in_them_may_lose_rows_so_that_a_lost_one_is_a_violation() -> None:
    losses = [FAULTS[step.fault].losses or Losses(rows=True) for step in injected()]
    assert losses and not any(one.rows for one in losses)


def injected() -> list[Inject]:
    return [step for sabotage in SABOTAGES for step in sabotage.scenario.steps if isinstance(step, Inject)]


def test_they_last_longer_than_what_they_violate_tolerates() -> None:
    watched = {
        sabotage.finding: step.seconds
        for sabotage in SABOTAGES
        for step in sabotage.scenario.steps
        if isinstance(step, Watch)
    }
    assert watched["one holder"] > 2 * TWO_HOLDERS_SECONDS
    assert watched["no stale view"] > 1.5 * TOLD_SECONDS


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=NAMES)
def test_every_sabotage_does_something_that_a_shell_understands(
    sabotage: Sabotage, control: FakeControl, database: Database
) -> None:
    sabotage.strike(ground(control))
    assert control.done or database.done
    sabotage.mend(ground(control))
    for _, script in control.done:
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_replaced_script_is_put_back_as_it_was_even_when_it_was_replaced_twice(tmp_path: Path) -> None:
    script = tmp_path / "failover.sh"
    script.write_text("#!/bin/sh\necho original\n")
    script.chmod(0o755)
    path = str(script)
    for body in ("echo 'first'", "exit 3"):
        subprocess.run(["bash", "-eu", "-c", replace_script(path, body)], check=True)
    assert subprocess.run([path], check=False).returncode == 3
    for _ in range(2):
        subprocess.run(["bash", "-eu", "-c", put_back(path)], check=True)
    assert subprocess.run([path], capture_output=True, text=True, check=True).stdout == "original\n"
    assert [each.name for each in tmp_path.iterdir()] == ["failover.sh"]


def test_the_laggard_is_promoted_without_the_setting_that_the_others_would_copy(
    control: FakeControl, database: Database
) -> None:
    sabotages.promote_the_laggard(ground(control))
    assert {node for node, _ in database.done} == {"node2"}
    scripts = [script for _, script in control.done]
    assert [node for node, _ in control.done] == ["node0", "node1", "node2"]
    for script in scripts:
        assert "postgres@node2" in script
        assert script.index("ALTER SYSTEM RESET primary_conninfo") < script.index("-D /data promote")


def a_sabotage(log: list[str]) -> Sabotage:
    def noted(word: str) -> Callable[[Ground], None]:
        return lambda ground: log.append(f"{word} {ground.primary.name}")

    return Sabotage(SABOTAGES[0].scenario, noted("strike"), noted("mend"), "one holder", lambda ground: set())


def test_it_strikes_once_when_time_is_let_pass_and_mends_once_before_the_lab_is_restored(control: FakeControl) -> None:
    log: list[str] = []
    told: list[str] = []
    listening = Saboteur(control, a_sabotage(log), told.append)
    for line in ("preparing: x", "watching for 8 s", "watching for 9 s", "restoring", "restoring"):
        listening(line)
    listening.mend()
    assert log == ["strike node0", "mend node0"]
    assert told[:2] == ["preparing: x", "watching for 8 s"]
    assert len([line for line in told if line.startswith("sabotage: ")]) == 1


def test_nothing_is_mended_where_nothing_was_sabotaged(control: FakeControl) -> None:
    log: list[str] = []
    listening = Saboteur(control, a_sabotage(log), print)
    listening("restoring")
    listening.mend()
    assert (log, listening.ground) == ([], None)


FOUND = recording(unmet=("standbys-follow: node2 does not stream from node1",)).result.model_copy(
    update={
        "violations": (
            Violation(name="one holder", at=1.0, sentence="node0 and node10 both held the virtual IP", evidence=()),
        )
    }
)


@pytest.mark.parametrize(
    ("finding", "named", "expected"),
    [
        ("one holder", {"node0", "node10"}, True),
        ("one holder", {"node0", "node1"}, False),
        ("one primary", {"node0"}, False),
        ("standbys-follow", {"node1", "node2"}, True),
        ("standbys-follow", {"node0"}, False),
    ],
)
def test_a_sabotage_is_given_away_by_the_right_name_and_the_right_nodes(
    finding: str, named: set[str], expected: bool
) -> None:
    assert given_away(FOUND, finding, named) is expected
