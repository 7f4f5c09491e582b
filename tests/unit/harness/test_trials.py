"""What is left of a run: its recording, and the nodes' logs where it failed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.cluster import logs
from pgpool_lab.errors import LabError
from pgpool_lab.harness import recording, trials
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.scenarios import SCENARIOS, Scenario, ScenarioRun
from pgpool_lab.harness.trials import Trials
from pgpool_lab.harness.workload import table
from tests.unit.harness.synthetic import NAMES
from tests.unit.harness.test_assessment import NUMBERS, outputs, run

SCENARIO = SCENARIOS["procedure-3"]


class FakeRunner:
    """Gives a run that was made before, or fails."""

    outcome: Callable[[], ScenarioRun]

    def __init__(self, *parts: Any) -> None:
        pass

    def run(self, scenario: Scenario) -> ScenarioRun:
        assert scenario is SCENARIO
        return type(self).outcome()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trials:
    monkeypatch.setattr(trials, "Runner", FakeRunner)
    monkeypatch.setattr(FakeRunner, "outcome", run, raising=False)
    monkeypatch.setattr(Control, "virsh", lambda self, *words: "<domain type='kvm'><vcpu>4</vcpu></domain>")
    monkeypatch.setattr(table, "settled_rows", lambda outputs, nodes: dict.fromkeys(NAMES, NUMBERS))
    monkeypatch.setattr(logs, "last_lines", lambda outputs, node, lines: f"log of {node.name}")
    return Trials("three-node", outputs(), tmp_path / "faults", tmp_path / "reports", print)


def test_a_run_that_passed_leaves_its_recording_and_no_logs(bench: Trials) -> None:
    result = bench.run(SCENARIO)
    folder = bench.folder(SCENARIO)
    assert (result.passed, recording.load(folder).result) == (True, result)
    assert folder.name == "three-node.procedure-3"
    assert not (folder / "logs").exists()
    machine = result.subject.machine
    assert (machine.domain_type, machine.node_processors, result.subject.preset) == ("kvm", 4, "fast")


def test_a_run_that_failed_leaves_all_nodes_logs_as_well(bench: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "outcome", lambda: run(failure="no", restored=True))
    assert not bench.run(SCENARIO).passed
    folder = bench.folder(SCENARIO)
    assert not recording.load(folder).result.passed
    kept = {path.name: path.read_text() for path in (folder / "logs").iterdir()}
    assert kept == {f"{name}.log": f"log of {name}" for name in NAMES}


def test_one_writer_goes_by_every_pgpool_beside_those_through_the_virtual_ip(
    bench: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsns: list[tuple[str, str | None]] = []
    monkeypatch.setattr(table, "create_everywhere", lambda outputs: None)
    monkeypatch.setattr(trials, "Workload", lambda dsn, password, *, dsn_all: dsns.append((dsn, dsn_all)))
    bench._workload()
    assert dsns == [(outputs().dsn, outputs().dsn_all)]


def test_a_lab_without_bounds_is_refused_before_anything_is_broken(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="health_check_period is 0"):
        Trials("three-node", outputs(health_check_period=0), tmp_path / "faults", tmp_path, print)


def test_a_run_that_could_not_be_recorded_leaves_the_logs(bench: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> ScenarioRun:
        raise LabError("no sample from node0")

    monkeypatch.setattr(FakeRunner, "outcome", fails)
    with pytest.raises(LabError, match="no sample from node0"):
        bench.run(SCENARIO)
    assert {path.name for path in bench.folder(SCENARIO).iterdir()} == {"logs"}


def test_a_node_that_does_not_answer_is_said_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def silent(outputs: object, node: Any, command: str) -> subprocess.CompletedProcess[str]:
        if node.name == "node4":
            raise subprocess.TimeoutExpired(command, 120)
        assert "-n 5000 " in command
        return subprocess.CompletedProcess(command, 0, stdout="said\n", stderr="")

    monkeypatch.setattr(logs, "run_on", silent)
    logs.keep(outputs(), tmp_path / "logs")
    assert {path.stem: path.read_text() for path in (tmp_path / "logs").iterdir()} == {
        "node0": "said\n",
        "node4": "node4 did not answer\n",
        "node5": "said\n",
    }
